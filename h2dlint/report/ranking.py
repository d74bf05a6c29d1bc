"""The order of the reports for people: what is worth most comes first. Formats for programs keep path order."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from h2dlint.model import Context, Effect, Finding, Ran

_CONTEXTS = {context: place for place, context in enumerate(Context)}
_EFFECTS = {Effect.HAZARD: 0, Effect.BLOCKS: 1, Effect.MAY_BLOCK: 2}

Rank = tuple[bool, float, bool, int, int, float, int]


def negated(finding: Finding) -> bool:
    """The host waits right after, whatever becomes of the finding."""
    return finding.gain is not None and finding.gain.negated_by_line is not None


def rank(finding: Finding) -> Rank:
    """What is worth more compares less.

    With a trace, what held the host comes first, the longest before the others. Negated findings come last; then hot
    before warm before cold; a hazard, which is a wrong result, before what blocks, and that before what may block; then
    by what the fix saves where nothing is queued (without a fix that was measured: last); then by confidence.
    """
    idle = finding.gain.idle_us if finding.gain is not None else None
    trace = finding.trace
    return (
        trace is not None and trace.status is not Ran.CONFIRMED,
        -trace.held_us if trace is not None else 0.0,
        negated(finding),
        _CONTEXTS[finding.context],
        _EFFECTS[finding.effect],
        -idle if idle is not None else inf,
        -finding.confidence,
    )


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Findings as people read them: a group stays together, at the place of the best of its members.

    With a trace it does not: each stands where its own time puts it.

    Args:
        findings: in path order, which decides between equals.
    """
    order = list(findings)
    best: dict[tuple[str, str, bool], Rank] = {}
    for finding in order:
        if finding.group is not None:
            key = (finding.path, finding.group, negated(finding))
            best[key] = min(rank(finding), best.get(key, rank(finding)))

    first: dict[tuple[str, str, bool], int] = {}

    def place(item: tuple[int, Finding]) -> tuple[Rank, int, int]:
        index, finding = item
        if finding.group is None or finding.trace is not None:
            return rank(finding), index, index
        key = (finding.path, finding.group, negated(finding))
        return best[key], first.setdefault(key, index), index

    return [finding for _, finding in sorted(enumerate(order), key=place)]
