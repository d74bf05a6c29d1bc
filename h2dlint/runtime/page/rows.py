"""What the page shows beside the trace itself: findings, source lines and proposed fixes, read by the caller.

`page_rows` makes them of what ``join.explain`` says of a trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from h2dlint.model import Finding, Ran
from h2dlint.runtime.traces import Site

if TYPE_CHECKING:
    from h2dlint.runtime.join import Explained


@dataclass(frozen=True, slots=True)
class Reported:
    """A finding that a site falls under.

    Args:
        finding: as the linter gave it.
        diff: unified diff of the proposed fix, with or without its two header lines; empty without one.
        hidden: why ``h2dlint check`` leaves it out, such as ``cold code (--cold)``; empty where it does not.
        note: what else a reader should know, such as ``one of 2``; one line.
    """

    finding: Finding
    diff: str = ""
    hidden: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SiteRow:
    """What is known of one site of the trace.

    Args:
        site: one of ``Trace.sites``.
        reported: the findings that it falls under; empty if the linter does not report it.
        reason: why it does not, where that is known.
        source: lines around the user's frame, as pairs of line number and text without its newline. Where it is
            empty, none are shown: the file is gone or is another one now.
    """

    site: Site
    reported: tuple[Reported, ...] = ()
    reason: str = ""
    source: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding under which no copy held the host.

    Args:
        finding: as the linter gave it.
        status: a value of `h2dlint.model.Ran`; any other word is shown as it is.
        diff, hidden, note: as for `Reported`.
    """

    finding: Finding
    status: str
    diff: str = ""
    hidden: str = ""
    note: str = ""


def page_rows(explained: Explained) -> tuple[list[SiteRow], list[FindingRow]]:
    """What the page shows of what the linter said: the sites that stall, and the findings that are not confirmed."""
    sites = [
        SiteRow(
            row.at,
            tuple(Reported(found.finding, found.diff, found.hidden, found.note) for found in row.findings),
            source=tuple((line.number, line.text) for line in row.source),
        )
        for row in explained.sites
    ]
    extra = [
        FindingRow(row.finding, row.finding.trace.status.value, row.diff, row.hidden, row.note)
        for row in explained.findings
        if row.finding.trace is not None and row.finding.trace.status is not Ran.CONFIRMED
    ]
    return sites, extra


def page_notes(explained: Explained) -> list[str]:
    """What keeps the linter, or the trace, from speaking of a file; a line for each."""
    notes = [f"{note.path}: {note.message}" for note in explained.notes]
    return notes + [f"{error.path} could not be linted: {error.message}" for error in explained.errors]
