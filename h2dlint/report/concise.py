"""One line for each finding: ``path:line:column: CODE [*] message (why it is believed)``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from h2dlint.model import Finding
from h2dlint.report.base import Reporter, View
from h2dlint.report.because import because, no_gain
from h2dlint.report.measured import suffix
from h2dlint.report.ranking import ranked
from h2dlint.report.statistics import statistics_text
from h2dlint.report.style import Paint, at_line_start, escape
from h2dlint.report.summary import summary

if TYPE_CHECKING:
    from h2dlint.engine.results import Report


def headline(finding: Finding, view: View, paint: Paint) -> str:
    """``CODE [*] message``: the star stands where ``--fix`` with the same options would apply the fix."""
    star = f"[{paint('fixable', '*')}] " if view.fixable(finding) else ""
    return f"{paint('code', escape(finding.code))} {star}{escape(finding.message)}"


def cell_prefix(finding: Finding) -> str:
    """What stands between the path and the line: the cell of a notebook."""
    return "" if finding.cell is None else f"cell {finding.cell}:"


class ConciseReporter(Reporter):
    """The format for scanning, and for editors that jump to ``path:line:column``."""

    cells = True

    def report(self, report: Report) -> Iterator[str]:
        """Yield a line for each finding, the most worth while first, then the summary."""
        paint = Paint(self.view.colour)
        for finding in ranked(report.findings):
            place = f"{cell_prefix(finding)}{finding.span.line}:{finding.span.column}"
            path = paint("path", escape(at_line_start(finding.path)))
            why = escape("; ".join(filter(None, (because(finding), no_gain(finding), suffix(finding)))))
            yield f"{path}:{place}: {headline(finding, self.view, paint)}{f' ({why})' if why else ''}\n"
        if self.view.summary:
            yield from summary(report, self.view)

    def statistics(self, report: Report) -> Iterator[str]:
        """Yield the table of rules."""
        return statistics_text(report, self.view)
