from __future__ import annotations

import sys

import pytest

from h2dlint.engine.newer import needed
from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings

CASES = [
    ((3, 11), "try:\n    pass\nexcept* ValueError:\n    pass\n"),
    ((3, 11), "x = a[*b]\n"),
    ((3, 12), "type X = int\n"),
    ((3, 12), "type X[T] = list[T]\n"),
    ((3, 12), "def f[T](x: T) -> T:\n    return x\n"),
    ((3, 12), "async def f[T](x: T) -> T:\n    return x\n"),
    ((3, 12), "class A[T]:\n    pass\n"),
    ((3, 12), 'x = f"{a["b"]}"\n'),
    ((3, 13), "class A[T = int]:\n    pass\n"),
    ((3, 13), "def f[T = int](x: T): pass\n"),
    ((3, 14), "try:\n    pass\nexcept ValueError, a.KeyError:\n    pass\n"),
    ((3, 14), 'x = t"{a}"\n'),
    ((3, 14), "x = f(rt'{a}')\n"),
]


@pytest.mark.parametrize(("version", "text"), CASES)
def test_newer_syntax_names_the_python_that_it_needs(version: tuple[int, int], text: str) -> None:
    result = lint_source("x.py", b"import torch\n" + text.encode(), Settings())
    if version <= sys.version_info[:2]:
        assert not result.errors
        return
    (error,) = result.errors
    wanted = f"Python {version[0]}.{version[1]}"
    assert f"{wanted} or later" in error.message or f"from {wanted} on" in error.message
    assert f"this is {sys.version_info[0]}.{sys.version_info[1]}" in error.message


@pytest.mark.parametrize(
    "line",
    ["x = (", "print 1", "def f(:", "type(x) = 3", "class A(T:", "x = 'it' 't'x", "except:", "exec 'x' in a"],
)
def test_what_no_python_takes_names_none(line: str) -> None:
    assert needed("invalid syntax", line, (3, 10)) == ""


def test_a_python_that_knows_it_says_nothing() -> None:
    assert needed("invalid syntax", "def f[T](x: T", (3, 12)) == ""
    assert "3.12" in needed("expected '('", "def f[T](x: T", (3, 11))
