"""Nodes of a fixed text stand where they stand on disk: property tests over random edits, and real files."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import string
import textwrap
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.runtime.positions import PositionMap, Replacement, Segment, compose, place_of

ATOMS = ("x", "größe", "42", '"é→"', "None", "xs[0]", "f(y)", "'''two\nlines'''")
SOURCES = (
    "a = {0}",
    "def f(x, y={0}):\n    é = [{1}, {2}]\n    return é if x else {0}",
    "for i in {0}:\n    print({1}, end={2})\nelse:\n    pass",
    "class C({0}):\n    z: int = {1}\n    @staticmethod\n    def m(*a):\n        return lambda: ({1},\n        {2})",
    "with open({0}) as ä, b:\n    ä.write({1} + {2})",
    "try:\n    u = {0}; v = {1}\nexcept ({2}):\n    raise",
    "w = (  # é\n    {0} +\n    {1}\n)",
)
INSERTED = ("import os\n", "größer = 1\n", "def new():\n    return 2\n", "x = (\n    1)\n")


class Edited:
    """A source, edits of it, and what comes out."""

    def __init__(self, original: str, edits: list[tuple[int, int, str]]) -> None:
        self.original = original
        self.edits = sorted(edits)
        self.fixed = original
        for start, end, content in reversed(self.edits):
            self.fixed = self.fixed[:start] + content + self.fixed[end:]
        replacements = [
            Replacement(start, end, len(content), (index,))
            for index, (start, end, content) in enumerate(self.edits)
        ]
        self.segments = compose((), replacements)
        self.map = PositionMap(original, self.fixed, self.segments)


@st.composite
def edited(draw: st.DrawFn) -> Edited:
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    parts = draw(st.lists(st.sampled_from(SOURCES), min_size=1, max_size=4))
    atoms = st.sampled_from(ATOMS)
    text = "\n".join(part.format(draw(atoms), draw(atoms), draw(atoms)) for part in parts) + "\n"
    text = text.replace("\n", newline)
    offsets = Offsets(text)
    edits: list[tuple[int, int, str]] = []
    taken = 0
    tree = ast.parse(text)
    # Not what is called: Python warns of a list that is.
    loads = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in ("x", "größe", "y")]
    loads = [node for node in loads if isinstance(node.ctx, ast.Load)]
    for node in sorted(loads, key=place_of):
        start, end = offsets.span(node)
        if start < taken or not draw(st.booleans()):
            continue
        new = draw(st.sampled_from(["(y)", "g(é, \n  1)", "n", "(1 if é else\n\n2)", "[ñ for ñ in q]"]))
        edits.append((start, end, new.replace("\n", newline)))
        taken = end + 1
    for statement in tree.body:
        start, _ = offsets.span(statement)
        if (
            draw(st.booleans())
            and not any(begin <= start <= end for begin, end, _ in edits)
            and not isinstance(statement, (ast.ClassDef, ast.FunctionDef))
        ):
            edits.append((start, start, draw(st.sampled_from(INSERTED)).replace("\n", newline)))
    return Edited(text, edits)


class Offsets:
    """Offsets in code points of nodes: the slow and plain way."""

    def __init__(self, text: str) -> None:
        self.lines = text.replace("\r\n", "\n\0").replace("\r", "\n").split("\n")
        self.starts = [0]
        for line in self.lines[:-1]:
            self.starts.append(self.starts[-1] + len(line) + 1)
        # Each "\r\n" became two characters, the second of which heads the next line: put it back to the first.
        for index, line in enumerate(self.lines):
            if line.startswith("\0"):
                self.lines[index] = line[1:]
                self.starts[index] += 1

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node: Any) -> tuple[int, int]:
        line, column, end_line, end_column = place_of(node)
        return self.offset(line, column), self.offset(end_line, end_column)


def located(tree: ast.AST) -> list[ast.AST]:
    return [node for node in ast.walk(tree) if hasattr(node, "lineno")]


def expected(edits: list[tuple[int, int, str]], offset: int, *, end: bool) -> int | None:
    """Where an offset of the fixed text is on disk; ``None`` inside of what was inserted."""
    shift = 0
    for start, stop, content in edits:
        begin = start + shift
        finish = begin + len(content)
        if offset < begin or (end and offset == begin):
            break
        if offset < finish or (end and offset == finish):
            return None
        shift += len(content) - (stop - start)
    return offset - shift


@given(edited())
def test_what_no_edit_touches_is_exactly_where_it_was(case: Edited) -> None:
    tree = ast.parse(case.fixed)
    fixed, original = Offsets(case.fixed), Offsets(case.original)
    before = [(node, *fixed.span(node)) for node in located(tree)]
    case.map.relocate(tree)
    exact = 0
    for node, start, end in before:
        begin = expected(case.edits, start, end=False)
        finish = expected(case.edits, end, end=True)
        now = original.span(node)
        if begin is not None and finish is not None:
            assert now == (begin, finish), ast.dump(node)
            exact += 1
        elif begin is not None:
            assert now[0] == begin
        elif finish is not None:
            assert now[1] == finish
        else:
            (first,) = [part for part in case.segments if part.fixed_start <= start < part.fixed_end]
            (last,) = [part for part in case.segments if part.fixed_start < end <= part.fixed_end]
            # It may begin in one insertion and end in another.
            if first.start < first.end and last.start < last.end:
                assert now == (first.start, last.end)
    assert exact or case.edits


@given(edited())
def test_it_compiles_and_lines_keep_their_order(case: Edited) -> None:
    tree = ast.parse(case.fixed)
    order = sorted((node for node in located(tree)), key=lambda node: place_of(node)[:2])
    marks = case.map.relocate(tree)
    starts = [node.lineno for node in order]  # type: ignore[attr-defined]
    # What was only inserted in an expression stands for the node around it, which may begin on an earlier line.
    widened = any(segment.start == segment.end for segment in case.segments)
    assert widened or starts == sorted(starts)
    statements = [node.lineno for node in order if isinstance(node, ast.stmt)]
    assert statements == sorted(statements)
    for node in order:
        line, column, end_line, end_column = place_of(node)
        assert (line, column) <= (end_line, end_column)
        assert column >= 0 and end_column >= 0
    code = compile(tree, "case.py", "exec", dont_inherit=True)
    last = len(Offsets(case.original).lines)
    assert all(1 <= line <= last for line in lines_in(code))
    assert {fix for ids in marks.values() for fix in ids} == set(range(len(case.edits)))


@given(edited(), st.data())
def test_edits_in_two_steps_are_as_edits_in_one(case: Edited, data: st.DataObject) -> None:
    first = [edit for edit in case.edits if data.draw(st.booleans())]
    middle = Edited(case.original, first)
    rest = []
    for edit in case.edits:
        if edit not in first:
            shift = sum(
                len(content) - (end - start) for start, end, content in first if (start, end) < edit[:2]
            )
            rest.append(Replacement(edit[0] + shift, edit[1] + shift, len(edit[2])))
    composed = compose(middle.segments, rest)
    together = compose((), [Replacement(start, end, len(content)) for start, end, content in case.edits])
    assert [segment[:4] for segment in composed] == [segment[:4] for segment in together]


def test_an_edit_of_an_edit_becomes_one_with_it() -> None:
    once = compose((), [Replacement(4, 6, 10, (1,)), Replacement(20, 20, 3, (2,))])
    twice = compose(once, [Replacement(8, 16, 2, (3,)), Replacement(40, 42, 0, (4,))])
    assert twice == (
        Segment(4, 8, 4, 10, (1, 3)),
        Segment(20, 20, 22, 25, (2,)),
        Segment(29, 31, 34, 34, (4,)),
    )


def lines_in(code: CodeType) -> Iterator[int]:
    yield from (line for *_, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from lines_in(constant)


@pytest.mark.parametrize("module", [argparse, ast, dataclasses, inspect, string, textwrap, traceback])
def test_code_is_that_of_a_plain_compilation_where_nothing_changed(module: ModuleType) -> None:
    # Real files, with nested f-strings, whose parts have places of their own making before Python 3.12.
    text = Path(module.__file__ or "").read_text(encoding="utf-8")
    fixed = "import os as _inserted\n" + text
    places = PositionMap(text, fixed, (Segment(0, 0, 0, len(fixed) - len(text)),))
    tree = ast.parse(fixed)
    places.relocate(tree)
    # The import is there to shift every line, and is taken out again so that the code can be the same.
    del tree.body[0]
    assert same(compile(tree, "f", "exec", dont_inherit=True), compile(text, "f", "exec", dont_inherit=True))


def same(one: CodeType, other: CodeType) -> bool:
    assert one.co_name == other.co_name
    assert one.co_firstlineno == other.co_firstlineno
    assert one.co_code == other.co_code, one.co_name
    assert list(one.co_lines()) == list(other.co_lines()), one.co_name
    positions = [list(code.co_positions()) if hasattr(code, "co_positions") else [] for code in (one, other)]
    assert positions[0] == positions[1], one.co_name
    pairs = zip(one.co_consts, other.co_consts, strict=True)
    return all(same(a, b) if isinstance(a, CodeType) else a == b for a, b in pairs)


def test_what_is_only_inserted_stands_for_the_node_around_it() -> None:
    original = "y = f(x)\nz = 1\n"
    case = Edited(original, [(7, 7, ", g(h)"), (9, 9, "import os\n")])
    tree = ast.parse(case.fixed)
    case.map.relocate(tree)
    call: Any = tree.body[0]
    assert place_of(call.value.args[1]) == (1, 4, 1, 8)
    assert place_of(call.value.args[1].args[0]) == (1, 4, 1, 8)
    assert place_of(tree.body[1]) == (2, 0, 2, 5)
    assert place_of(tree.body[2]) == (2, 0, 2, 5)
