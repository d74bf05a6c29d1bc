"""Glob patterns; every row was tried against ruff 0.17 or follows from the globset crate's rules."""

from __future__ import annotations

import pytest

from h2dlint.engine.globs import PathPatterns, PatternError, absolute_pattern

MATCHES = [
    ("b", "/p/a/b", True),
    ("b", "/p/b", True),
    ("b", "/p/a/b/c", False),  # The walk does not enter b, so c is never asked about.
    ("a/b", "/p/a/b", True),
    ("a/b", "/p/x/a/b", False),
    ("./a", "/p/a", True),
    ("a/b/", "/p/a/b", True),
    ("a/../b", "/p/b", True),
    ("/p/a", "/p/a", True),
    ("/q/a", "/p/a", False),
    ("a/*.py", "/p/a/x.py", True),
    ("a/*.py", "/p/a/b/x.py", True),  # A star crosses folders.
    ("a/**/z.py", "/p/a/z.py", True),
    ("a/**/z.py", "/p/a/b/c/z.py", True),
    ("a/**/z.py", "/p/a/bz.py", False),
    ("tests/**", "/p/tests/x/y.py", True),
    ("tests/**", "/p/tests", False),
    ("**/gen/*", "/p/a/gen/x.py", True),
    ("*_pb2.py", "/p/a/x_pb2.py", True),
    ("f?o", "/p/foo", True),
    ("f?o", "/p/fo", False),
    ("X.py", "/p/x.py", False),
    ("{a,b}.py", "/p/b.py", True),
    ("{a,b}.py", "/p/c.py", False),
    ("a,b.py", "/p/a,b.py", True),
    ("[ab].py", "/p/b.py", True),
    ("[!ab].py", "/p/b.py", False),
    ("[!ab].py", "/p/c.py", True),
    ("[a-c].py", "/p/b.py", True),
    ("[]].py", "/p/].py", True),
    (r"\*.py", "/p/*.py", True),
    (r"\*.py", "/p/a.py", False),
    ("a.py", "/p/axpy", False),
    ("a+(b)", "/p/a+(b)", True),
    ("x\ny", "/p/x\ny", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_match(pattern: str, path: str, expected: bool) -> None:
    assert PathPatterns([pattern], "/p").match(path) is expected


def test_the_root_is_no_pattern() -> None:
    patterns = PathPatterns(["a/*.py"], "/odd[x]{y}*?")
    assert patterns.match("/odd[x]{y}*?/a/b.py")
    assert not patterns.match("/oddx{y}zz/a/b.py")


def test_any_of_several_patterns_matches() -> None:
    patterns = PathPatterns(["x/y", "b", "{c,d}"], "/p")
    assert [name for name in "abcdx" if patterns.match(f"/p/{name}")] == ["b", "c", "d"]


def test_no_patterns_match_nothing() -> None:
    assert not PathPatterns([], "/p").match("/p/a")


@pytest.mark.parametrize("pattern", ["{a", "x/{a,b", "[a", "[", "[z-a]"])
def test_unreadable_pattern_is_named(pattern: str) -> None:
    with pytest.raises(PatternError) as error:
        PathPatterns(["fine", pattern], "/p")
    assert f'"{pattern}"' in str(error.value)


def test_absolute_pattern() -> None:
    assert absolute_pattern("../x/*.py", "/a/b") == "/a/x/*.py"
    assert absolute_pattern("/x/../y", "/a/b") == "/y"
