from __future__ import annotations

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from h2dlint.engine import gitignore
from h2dlint.engine.globs import PathPatterns, PatternError, compile_glob
from h2dlint.engine.linear import matches

PARTS = [
    "a",
    "b",
    "/",
    "*",
    "**",
    "**/",
    "?",
    "[ab]",
    "[!a]",
    "{a,b*}",
    "{",
    "}",
    ",",
    "\\",
    "[",
    "]",
    "!",
    ".",
]
SLOW = {
    "*a" * 20 + "*b": "a" * 40 + "b",
    "{a,a}" * 30 + "b": "a" * 30 + "b",
    "**/a/" * 20 + "*b": "a/" * 20 + "b",
    "{*a,*a}" * 10 + "b": "a" * 10 + "b",
}
"""Patterns that make ``re`` try every way, and what they match."""


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join), st.text("aab/.,", max_size=8))
def test_patterns_mean_what_they_mean_as_regular_expressions(pattern: str, path: str) -> None:
    try:
        compiled = compile_glob(pattern)
    except PatternError:
        assume(False)
    assert matches(pattern, path) == (compiled.fullmatch(path) is not None)


@pytest.mark.parametrize("pattern", SLOW)
@pytest.mark.parametrize("path", ["a" * 250, "a/" * 120 + "a"])
def test_no_pattern_takes_for_ever(pattern: str, path: str) -> None:
    begin = time.process_time()
    assert not PathPatterns([pattern], "/r").match(f"/r/{path}")
    assert gitignore._Patterns([pattern]).verdict(path, False) is None
    assert time.process_time() - begin < 5
    assert PathPatterns([pattern], "/r").match(f"/r/{SLOW[pattern]}")
