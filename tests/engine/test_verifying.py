"""What is said of a text that must not replace the one that fixes start from."""

from __future__ import annotations

import pytest

from h2dlint.engine.verifying import Verifier
from h2dlint.syntax.source import SourceText


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        ("x = 2  # why\n", None),
        ("x = 2  # why\n# fixed\n", None),
        ("x = 2  # why\n# another\n", "the result has a new comment, '# another'"),
        ("x = 2  # why # why\n", "the result lost the comment '# why'"),
        ("x = 2\n", "the result lost the comment '# why'"),
        ("x = (2  # why\n", "the result does not parse: '(' was never closed"),
    ],
)
def test_problem(after: str, problem: str | None) -> None:
    assert Verifier(SourceText("x = 1  # why\n"), "fixed  ").problem(after) == problem
