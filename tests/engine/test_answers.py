"""The answers of a call graph, as they are kept."""

from __future__ import annotations

import pytest

from h2dlint.engine.answers import Hidden, Verdicts
from h2dlint.model import Context

PATHS = ["/a.py", "/b.py", "/ü.py"]
VERDICTS = {
    ("/a.py", "f"): (Context.HOT, "hot: f is an entry point"),
    ("/a.py", "C.g"): (Context.COLD, "cold: called only from f"),
    ("/ü.py", "ß"): (Context.HOT, "hot: called in a loop of f"),
}
HIDDEN = {"_one": "/a.py", "_o": "/ü.py", "_on": "", "_ß": "/b.py"}


def test_answers_come_back() -> None:
    found = Verdicts(PATHS, Verdicts.packed(VERDICTS, PATHS))
    for _ in range(2):
        assert {key: found.get(key) for key in VERDICTS} == VERDICTS
        assert found.get(("/b.py", "f")) is None
        assert found.get(("/c.py", "f")) is None


def test_hidden_names_come_back_whole() -> None:
    found = Hidden(PATHS, Hidden.packed(HIDDEN, PATHS))
    assert {name: found.get(name, "?") for name in HIDDEN} == HIDDEN
    assert found.get("_n", "?") == found.get("one", "?") == found.get("_one1", "?") == "?"


def test_lines_that_are_missing_are_told() -> None:
    with pytest.raises(ValueError, match="missing"):
        Verdicts(PATHS, b"")
