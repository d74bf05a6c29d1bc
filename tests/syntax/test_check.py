"""A text is Python exactly where ``ast.parse`` says so, and what is wrong is said in the same words."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from h2dlint.syntax.check import check_syntax

ROOT = Path(__file__).parents[2]


def raised(text: str) -> tuple[object, ...] | None:
    """What ``ast.parse`` raises."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return type(error), str(error), getattr(error, "lineno", None), getattr(error, "offset", None)
    return None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1",
        '"""Doc."""\nfrom __future__ import annotations\n',
        "from __future__ import h2dlint\n",
        "from __future__ import braces\n",
        "  x = 1\n",
        "x = (\n",
        "def f(:\n    pass\n",
        "\n\nreturn 1\n",
        "x = 1\n    y = 2\n",
        'f"{a b}"\n',
        "'abc\n",
        '"""abc\n',
        "x = 0777\n",
        "print 'a'\n",
        "(" * 300 + ")" * 300,
        "a\0b",
        "# coding: no-such-codec\nx = 1\n",
        "if x:\n\tpass\n        pass\n",
        "await x\nasync def f(): yield\n",
    ],
)
def test_as_the_parser_does(text: str) -> None:
    expected = raised(text)
    if expected is None:
        check_syntax(text)
        return
    with pytest.raises((SyntaxError, ValueError, RecursionError, MemoryError)) as caught:
        check_syntax(text)
    error = caught.value
    assert expected == (
        type(error),
        str(error),
        getattr(error, "lineno", None),
        getattr(error, "offset", None),
    )


def test_every_line_of_a_file_left_out_in_turn() -> None:
    lines = (ROOT / "h2dlint/analysis/guards.py").read_text(encoding="utf-8").splitlines(keepends=True)
    wrong = 0
    for number in range(len(lines)):
        text = "".join(lines[:number] + lines[number + 1 :])
        expected = raised(text)
        wrong += expected is not None
        try:
            check_syntax(text)
        except SyntaxError as error:
            assert expected is not None
            assert expected[1:3] == (str(error), error.lineno)
        else:
            assert expected is None
    assert wrong > 20
