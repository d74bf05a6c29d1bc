"""The format for reading: source, evidence and the proposed change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from h2dlint.model import Applicability, Finding, Fix
from h2dlint.report.base import Reporter
from h2dlint.report.because import because, gain, no_gain
from h2dlint.report.concise import cell_prefix, headline
from h2dlint.report.frame import Frame
from h2dlint.report.measured import measured
from h2dlint.report.notebooks import cell_source
from h2dlint.report.preview import preview
from h2dlint.report.ranking import ranked
from h2dlint.report.statistics import statistics_text
from h2dlint.report.style import Paint, escape
from h2dlint.report.summary import summary

if TYPE_CHECKING:
    from h2dlint.engine.results import Report
    from h2dlint.syntax.source import SourceText

_KIND = {
    Applicability.SAFE: "safe fix",
    Applicability.UNSAFE: "unsafe fix",
    Applicability.DISPLAY: "advice",
}


class FullReporter(Reporter):
    """A block for each finding, as rustc and ruff draw it."""

    cells = True

    def report(self, report: Report) -> Iterator[str]:
        """Yield a block for each finding, the most worth while first, then the summary."""
        groups: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
        for finding in report.findings:
            if finding.group is not None:
                groups[finding.path, finding.group].append(finding)
        for finding in ranked(report.findings):
            together = groups.get((finding.path, finding.group or ""), [])
            others = {
                other.span.line for other in together if other is not finding and other.cell == finding.cell
            }
            lines = self.block(finding, sorted(others))
            yield "\n".join(lines) + "\n\n"
        if self.view.summary:
            yield from summary(report, self.view)

    def statistics(self, report: Report) -> Iterator[str]:
        """Yield the table of rules."""
        return statistics_text(report, self.view)

    def block(self, finding: Finding, together: list[int]) -> Iterator[str]:
        """Yield the lines of one finding, without newlines.

        Args:
            finding: what to show.
            together: lines of the other findings of its group.
        """
        paint = Paint(self.view.colour)
        whole = self.sources(finding.path)
        source = None if whole is None else cell_source(whole, finding.cell)
        yield headline(finding, self.view, paint)
        drawing = None if source is None else Frame(source, finding.span, paint, self.view.width)
        indent = " " * (len(str(finding.span.line)) if drawing is None else drawing.gutter)
        place = f"{escape(finding.path)}:{cell_prefix(finding)}{finding.span.line}:{finding.span.column}"
        yield f"{indent}{paint('gutter', '-->')} {place}"
        if drawing is not None:
            yield from drawing.lines()
        for note in _notes(finding, together):
            yield f"{indent} {paint('gutter', '=')} {escape(note)}"
        if finding.fix is not None:
            yield f"{paint('help', 'help')}: {escape(finding.fix.title)} ({_KIND[finding.fix.applicability]})"
            if whole is not None:
                yield from self.previews(whole, finding)
            for reason in _reasons(finding.fix):
                yield f"{paint('note', 'note')}: {escape(reason)}"
        yield f"{paint('help', 'help')}: for more on this rule, run `h2dlint rule {escape(finding.code)}`"

    def previews(self, source: SourceText, finding: Finding) -> Iterator[str]:
        """Yield the diff of a fix; of a notebook, that of each cell."""
        assert finding.fix is not None
        paint = Paint(self.view.colour)
        for cell in dict.fromkeys(edit.cell for edit in finding.fix.edits):
            edits = tuple(edit for edit in finding.fix.edits if edit.cell == cell)
            if cell != finding.cell:
                yield paint("gutter", f"cell {cell}")
            part = replace(finding.fix, edits=edits)
            yield from preview(cell_source(source, cell), part, paint, self.view.width)


def _notes(finding: Finding, together: list[int]) -> Iterator[str]:
    if said := measured(finding):
        yield said
    why = because(finding)
    if why:
        yield f"because: {why}"
    yield from filter(None, (no_gain(finding), gain(finding)))
    if finding.gain is not None and finding.gain.note is not None:
        yield f"note: {finding.gain.note}"
    if together:
        noun = "line" if len(together) == 1 else "lines"
        lines = ", ".join(map(str, together))
        yield f"group: with {noun} {lines}; fixing one alone moves its wait to another"
    where = finding.function or "module level"
    yield f"where: {where} ({finding.context.value}, {finding.confidence.label} confidence)"


def _reasons(fix: Fix) -> tuple[str, ...]:
    if fix.applicability is not Applicability.UNSAFE:
        return fix.reasons
    if not fix.reasons:
        return ("the fix is unsafe and is applied with --unsafe-fixes only",)
    return tuple(f"unsafe because {reason}" for reason in fix.reasons)
