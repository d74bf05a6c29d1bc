"""What linting a file leaves behind: a syntax tree in a circle would stay until garbage is collected, rarely."""

from __future__ import annotations

import ast
import gc
from pathlib import Path

import libcst as cst
import pytest

from h2dlint.analysis.interpreter import Interpreter
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.engine.modules import Projects
from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence
from h2dlint.syntax.source import SourceText

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures").glob("**/*.py"))
LARGE = (ast.AST, cst.CSTNode, SourceText, Interpreter, ModuleAnalysis)


def left(texts: list[tuple[str, bytes]]) -> set[str]:
    """The types of what only the garbage collector finds after files were linted."""
    settings = Settings(min_confidence=Confidence.LOW)
    projects = Projects()
    gc.collect()
    gc.disable()
    try:
        found = [
            len(lint_source(path, data, settings, location=Path(path), projects=projects).findings)
            for path, data in texts
        ]
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert sum(found)
        return {type(one).__name__ for one in gc.garbage if isinstance(one, LARGE)}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_fixtures_leave_nothing_behind(path: Path) -> None:
    data = path.read_bytes()
    if not lint_source(str(path), data, Settings(min_confidence=Confidence.LOW)).findings:
        pytest.skip("holds no finding")
    assert left([(str(path), data)]) == set()


def test_nor_do_texts_with_lone_line_ends() -> None:
    data = FIXTURES[0].read_bytes().replace(b"\n", b"\r")
    path = FIXTURES[0].read_bytes()
    assert left([("a.py", data), ("b.py", path)]) == set()
