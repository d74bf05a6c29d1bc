"""Findings counted by rule, for ``--statistics``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from h2dlint.report.base import View
from h2dlint.report.style import Paint, escape
from h2dlint.report.summary import summary

if TYPE_CHECKING:
    from h2dlint.engine.results import Report


@dataclass(slots=True)
class RuleCount:
    """One row: how often a rule fired, and how many of those ``--fix`` would fix."""

    code: str
    name: str
    count: int = 0
    fixable: int = 0


def count_rules(report: Report, view: View) -> list[RuleCount]:
    """Rows, the most frequent rule first."""
    rows: dict[str, RuleCount] = {}
    for finding in report.findings:
        row = rows.setdefault(finding.code, RuleCount(finding.code, finding.name))
        row.count += 1
        row.fixable += view.fixable(finding)
    return sorted(rows.values(), key=lambda row: (-row.count, row.code))


def statistics_text(report: Report, view: View) -> Iterator[str]:
    """Yield the table for people: count, code, ``[*]`` all / ``[-]`` some / ``[ ]`` none fixable, name."""
    rows = count_rules(report, view)
    paint = Paint(view.colour)
    counts = max((len(str(row.count)) for row in rows), default=0)
    codes = max((len(row.code) for row in rows), default=0)
    for row in rows:
        mark = "*" if row.fixable == row.count else "-" if row.fixable else " "
        code = paint("code", escape(f"{row.code:<{codes}}"))
        count = paint("bold", f"{row.count:<{counts}}")
        yield f"{count}\t{code}\t[{paint('fixable', mark)}] {escape(row.name)}\n"
    if view.summary:
        yield from summary(report, view)
