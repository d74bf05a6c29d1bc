"""What a fix would change, as a small diff."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len

from h2dlint.model import Edit, Fix
from h2dlint.report.cells import Window, expand
from h2dlint.report.style import Paint
from h2dlint.syntax.source import SourceText

CONTEXT = 1
"""Lines shown before and after a change."""


@dataclass(frozen=True, slots=True)
class _Row:
    sign: str
    number: int | None
    text: str


def preview(source: SourceText, fix: Fix, paint: Paint, width: int) -> Iterator[str]:
    """Yield the lines of the diff, without newlines; nothing for advice or for edits outside the text.

    Only the lines that the edits touch are looked at, so the cost does not grow with the file.
    Numbers are those of the text after the fix.
    """
    hunks: list[list[_Row]] = []
    shift = 0
    for edits in _neighbours(fix.edits):
        rows = _hunk(source, edits, shift)
        if rows is None:
            return
        hunks.append(rows)
        shift += sum((row.sign == "+") - (row.sign == "-") for row in rows)
    if not hunks:
        return
    gutter = len(str(max(row.number or 0 for rows in hunks for row in rows)))
    room = max(width - gutter - 3, 20)
    edge = paint("gutter", f"{'':{gutter}} |")
    yield edge
    for index, rows in enumerate(hunks):
        if index:
            yield paint("gutter", "...")
        window = _window(rows, room)
        for row in rows:
            number = "" if row.number is None else str(row.number)
            line = window.cut(expand(row.text))
            if row.sign == " ":
                yield f"{paint('gutter', f'{number:>{gutter}} |')} {line}".rstrip()
            else:
                style = "added" if row.sign == "+" else "removed"
                changed = paint(style, f"{row.sign} {line}".rstrip())
                yield f"{paint('gutter', f'{number:>{gutter}}')} {changed}"
    yield edge


def _neighbours(edits: tuple[Edit, ...]) -> Iterator[list[Edit]]:
    """Split edits into runs whose context lines meet."""
    run: list[Edit] = []
    for edit in edits:
        if run and edit.span.line > run[-1].span.end_line + 2 * CONTEXT + 1:
            yield run
            run = []
        run.append(edit)
    if run:
        yield run


def _hunk(source: SourceText, edits: list[Edit], shift: int) -> list[_Row] | None:
    """The rows of one run of edits, or ``None`` where a span lies outside the text."""
    total = len(source.line_starts)
    first, last = edits[0].span.line, max(edit.span.end_line for edit in edits)
    if last > total:
        return None
    begin = source.line_starts[first - 1]
    end = source.line_starts[last] if last < total else len(source.text)
    before = source.text[begin:end]
    after = before
    for edit in reversed(edits):
        left = source.offset(edit.span.line, edit.span.column) - begin
        right = source.offset(edit.span.end_line, edit.span.end_column) - begin
        after = after[:left] + edit.content + after[right:]
    rows = _context(source, range(max(first - CONTEXT, 1), first), shift)
    number = first + shift
    old, new = _lines(before), _lines(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag == "equal":
            rows += (_Row(" ", number + n, old[old_from + n]) for n in range(old_to - old_from))
        else:
            rows += (_Row("-", None, text) for text in old[old_from:old_to])
            rows += (_Row("+", number + n, new[new_from + n]) for n in range(new_to - new_from))
        number += new_to - new_from
    shift = number - 1 - last
    return _ends(rows + _context(source, range(last + 1, min(last + CONTEXT, total) + 1), shift))


def _ends(rows: list[_Row]) -> list[_Row]:
    """Without blank context lines at either end, and with no more context there than `CONTEXT`."""
    changed = [index for index, row in enumerate(rows) if row.sign != " "]
    if not changed:
        return rows
    rows = rows[max(changed[0] - CONTEXT, 0) : changed[-1] + CONTEXT + 1]
    while rows[0].sign == " " and not rows[0].text.strip():
        del rows[0]
    while rows[-1].sign == " " and not rows[-1].text.strip():
        del rows[-1]
    return rows


def _context(source: SourceText, lines: range, shift: int) -> list[_Row]:
    return [_Row(" ", line + shift, source.line_text(line)) for line in lines]


def _lines(text: str) -> list[str]:
    r"""Lines without their ends, split as Python source is: at ``\n``, ``\r\n`` and ``\r`` only."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _window(rows: list[_Row], room: int) -> Window:
    """Columns to show of a hunk: where the first removed and the first added line begin to differ."""
    old = next((expand(row.text) for row in rows if row.sign == "-"), "")
    new = next((expand(row.text) for row in rows if row.sign == "+"), "")
    same = 0
    for left, right in zip(old, new, strict=False):
        if left != right:
            break
        same += 1
    longest = max(cell_len(old), cell_len(new))
    if longest <= room:
        return Window(0, room)
    start = max(min(cell_len(new[:same]) - room // 4, longest - room), 0)
    return Window(start, start + room)
