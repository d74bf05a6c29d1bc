"""Which lines held the host before the fixes and which after, and why those that stay were not fixed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from h2dlint.engine.settings import Settings
from h2dlint.model import Applicability
from h2dlint.runtime.join import NOT_REPORTED, SiteRow, explain
from h2dlint.runtime.traces import Trace
from h2dlint.runtime.verdict import SiteChange

Fixed = tuple[str, int, int, str]
"""What a fix is known by: path, line and column of its finding, code of the rule."""


@dataclass(slots=True)
class _Line:
    """The copies of one line."""

    rows: list[SiteRow] = field(default_factory=list)
    before: int = 0
    after: int = 0
    held_before_us: float = 0.0
    held_after_us: float = 0.0


def site_changes(
    before: Trace, after: Trace, settings: Settings, cwd: Path, fixed: Collection[Fixed]
) -> tuple[SiteChange, ...]:
    """Compare the lines that held the host.

    Lines are those of the files on disk in both runs: the import hook keeps them.

    Args:
        before: trace of the program as it is.
        after: trace of the program with the fixes.
        settings: of the linter, which say what it reports.
        cwd: working directory, that paths are shown relative to.
        fixed: the fixes that were applied.

    Returns:
        One entry a line, those that held the host longest before first.

    Raises:
        ConfigError: a configuration file cannot be used.
    """
    lines: dict[tuple[str, int], _Line] = {}
    for key, row in _rows(before, settings, cwd):
        line = lines.setdefault(key, _Line())
        line.rows.append(row)
        line.before += row.at.blocked
        line.held_before_us += row.at.held_us
    for key, row in _rows(after, settings, cwd):
        line = lines.setdefault(key, _Line())
        line.rows.append(row)
        line.after += row.at.blocked
        line.held_after_us += row.at.held_us
    changes = [_change(path, number, line, fixed) for (path, number), line in lines.items()]
    return tuple(sorted(changes, key=lambda item: (-item.held_before_us, -item.held_after_us, item.place)))


def _rows(trace: Trace, settings: Settings, cwd: Path) -> Iterator[tuple[tuple[str, int], SiteRow]]:
    for row in explain(trace, (), settings, cwd).sites:
        frame = row.at.frame
        yield (row.path, frame.line if frame is not None else 0), row


def _change(path: str, number: int, line: _Line, fixed: Collection[Fixed]) -> SiteChange:
    first = line.rows[0]
    frame = first.at.frame
    rules = sorted({row.finding.finding.code for row in line.rows if row.finding is not None})
    return SiteChange(
        path=path,
        line=number,
        function=frame.function if frame is not None else "",
        operator=", ".join(dict.fromkeys(row.at.operator for row in line.rows if row.at.operator)),
        rule=", ".join(rules) or NOT_REPORTED,
        why=_why(line.rows, fixed) if line.after else "",
        before=line.before,
        after=line.after,
        held_before_us=line.held_before_us,
        held_after_us=line.held_after_us,
    )


def _why(rows: Sequence[SiteRow], fixed: Collection[Fixed]) -> str:
    """Why a line still holds the host; empty where no rule sees it."""
    reasons: list[str] = []
    for row in rows:
        if row.finding is None:
            continue
        finding = row.finding.finding
        fix = finding.fix
        if (finding.path, finding.span.line, finding.span.column, finding.code) in fixed:
            reason = "although fixed"
        elif row.finding.hidden:
            reason = row.finding.hidden
        elif fix is None or fix.applicability is Applicability.DISPLAY:
            reason = "no fix"
        elif fix.applicability is Applicability.UNSAFE:
            reason = "fix is unsafe (--unsafe-fixes)"
        else:
            reason = "not among the files chosen"
        if reason not in reasons:
            reasons.append(reason)
    return "; ".join(reasons)
