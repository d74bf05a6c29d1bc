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
    """One row: how often a rule fired, how many of those ``--fix`` would fix, how many more the baseline holds."""

    code: str
    name: str
    count: int = 0
    fixable: int = 0
    known: int = 0


def count_rules(report: Report, view: View) -> list[RuleCount]:
    """Rows, the most frequent rule first."""
    rows: dict[str, RuleCount] = {}
    for finding in report.findings:
        row = rows.setdefault(finding.code, RuleCount(finding.code, finding.name))
        row.count += 1
        row.fixable += view.fixable(finding)
    for finding in report.known:
        rows.setdefault(finding.code, RuleCount(finding.code, finding.name)).known += 1
    return sorted(rows.values(), key=lambda row: (-row.count, row.code))


def statistics_text(report: Report, view: View) -> Iterator[str]:
    """Yield the table for people: count, code, ``[*]`` all / ``[-]`` some / ``[ ]`` none fixable, name."""
    rows = count_rules(report, view)
    paint = Paint(view.colour)
    if report.known:
        yield from _old_and_new(rows, paint)
        if view.summary:
            yield from summary(report, view)
        return
    counts = max((len(str(row.count)) for row in rows), default=0)
    codes = max((len(row.code) for row in rows), default=0)
    for row in rows:
        mark = "*" if row.fixable == row.count else "-" if row.fixable else " "
        code = paint("code", escape(f"{row.code:<{codes}}"))
        count = paint("bold", f"{row.count:<{counts}}")
        yield f"{count}\t{code}\t[{paint('fixable', mark)}] {escape(row.name)}\n"
    if view.summary:
        yield from summary(report, view)


def _old_and_new(rows: list[RuleCount], paint: Paint) -> Iterator[str]:
    """The table where a baseline holds some of the findings."""
    width = max(5, *(len(str(max(row.count, row.known))) for row in rows))
    yield paint("bold", f"{'new':>{width}}  {'old':>{width}}  rule") + "\n"
    for row in rows:
        mark = "*" if row.count and row.fixable == row.count else "-" if row.fixable else " "
        rule = f"{paint('code', escape(row.code))} [{paint('fixable', mark)}] {escape(row.name)}"
        yield f"{paint('bold', f'{row.count:>{width}}')}  {row.known:>{width}}  {rule}\n"
