"""What findings in notebooks look like: by cell for people, by line of the file for formats that know no cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from h2dlint.model import Applicability, Cells, Edit, Finding, Fix, Span
from h2dlint.syntax.source import SourceText

if TYPE_CHECKING:
    from h2dlint.engine.results import Report, Silenced

_LINES = re.compile(r"\b(?:lines|line) (\d+(?:, \d+)*)")


def in_cells(report: Report) -> Report:
    """The report with lines counted within cells, and the number of the cell beside them."""
    cells = report.notebooks
    if not cells:
        return report
    return replace(
        report,
        findings=tuple(_in_cell(f, cells[f.path]) if f.path in cells else f for f in report.findings),
        errors=tuple(_placed(e, cells) for e in report.errors),
        notes=tuple(_placed(n, cells) for n in report.notes),
        silenced=_silenced(report, _in_cell),
        notebooks={},
    )


def in_file(report: Report) -> Report:
    """The report with the lines of the notebook files themselves, where each line of code stands in the JSON.

    Columns are 1, and fixes have no edits: those of the code are none of the file.
    """
    cells = report.notebooks
    if not cells:
        return report
    return replace(
        report,
        findings=tuple(_in_raw(f, cells[f.path]) if f.path in cells else f for f in report.findings),
        errors=tuple(
            replace(e, line=cells[e.path].in_file(e.line)) if e.path in cells and e.line is not None else e
            for e in report.errors
        ),
        notes=tuple(
            replace(n, line=cells[n.path].in_file(n.line)) if n.path in cells else n for n in report.notes
        ),
        silenced=_silenced(report, _in_raw),
        notebooks={},
    )


def place(path: str, line: int | None, cell: int | None) -> str:
    """``path``, ``path:line`` or ``path:cell 2:line``."""
    return ":".join(
        [path, *([f"cell {cell}"] if cell is not None else []), *([str(line)] if line is not None else [])]
    )


def cell_source(source: SourceText, cell: int | None) -> SourceText:
    """The text that the lines of a finding refer to: a notebook's cell, with its magics as they stand."""
    if cell is None or source.cells is None:
        return source
    return SourceText(source.cell_text(cell))


def _silenced(report: Report, moved: Callable[[Finding, Cells], Finding]) -> tuple[Silenced, ...]:
    """What is silenced, with its findings moved as those that are shown."""
    cells = report.notebooks
    return tuple(
        replace(each, finding=moved(each.finding, cells[each.finding.path]))
        if each.finding.path in cells
        else each
        for each in report.silenced
    )


def _placed(what: Any, cells: Mapping[str, Cells]) -> Any:
    """An error or a note of a notebook, by cell."""
    known = cells.get(what.path)
    if known is None or what.line is None or not known.numbers:
        return what
    cell, line = known.place(what.line)
    return replace(what, line=line, cell=cell)


def _in_cell(finding: Finding, cells: Cells) -> Finding:
    cell, line = cells.place(finding.span.line)
    shift = line - finding.span.line
    worded = _worded(finding, lambda number: _relative(cells, cell, number))
    gain = finding.gain
    if gain is not None and gain.negated_by_line is not None:
        other, at = cells.place(gain.negated_by_line)
        # A line of another cell cannot be told by its number alone.
        text = f"line {at} of cell {other} synchronizes, so there is no gain"
        gain = replace(gain, negated_by_line=at, note=gain.note if other == cell else text)
    fix = worded.fix
    if fix is not None:
        fix = replace(fix, edits=tuple(_edit_in_cell(edit, cells) for edit in fix.edits))
    return replace(
        worded,
        span=_moved(finding.span, shift),
        statement=(finding.statement[0] + shift, finding.statement[1] + shift),
        gain=gain,
        fix=fix,
        cell=cell,
    )


def _edit_in_cell(edit: Edit, cells: Cells) -> Edit:
    cell, line = cells.place(edit.span.line)
    return replace(edit, span=_moved(edit.span, line - edit.span.line), cell=cell)


def _in_raw(finding: Finding, cells: Cells) -> Finding:
    cell, line = cells.place(finding.span.line)
    first, last = cells.in_file(finding.span.line), cells.in_file(finding.span.end_line)
    worded = _worded(finding, lambda number: _relative(cells, None, number))
    gain = finding.gain
    if gain is not None and gain.negated_by_line is not None:
        gain = replace(gain, negated_by_line=cells.in_file(gain.negated_by_line))
    fix = worded.fix
    if fix is not None:
        fix = Fix(Applicability.DISPLAY, fix.title, (), fix.reasons)
    return replace(
        worded,
        message=f"{worded.message} (line {line} of cell {cell})",
        span=Span(first, 1, last, 1),
        statement=(cells.in_file(finding.statement[0]), cells.in_file(finding.statement[1])),
        gain=gain,
        fix=fix,
    )


def _moved(span: Span, shift: int) -> Span:
    return replace(span, line=span.line + shift, end_line=span.end_line + shift)


def _worded(finding: Finding, told: Callable[[int], str]) -> Finding:
    """The finding with the lines that its words speak of told otherwise."""

    def reword(text: str) -> str:
        return _LINES.sub(lambda found: ", ".join(told(int(n)) for n in found[1].split(", ")), text)

    fix = finding.fix
    if fix is not None:
        fix = replace(fix, title=reword(fix.title), reasons=tuple(map(reword, fix.reasons)))
    return replace(
        finding,
        message=reword(finding.message),
        evidence=tuple(map(reword, finding.evidence)),
        fix=fix,
    )


def _relative(cells: Cells, here: int | None, line: int) -> str:
    cell, at = cells.place(line)
    return f"line {at}" if cell == here else f"line {at} of cell {cell}"
