"""What a finding rests on and what it is worth, one line each, for the reports for people."""

from __future__ import annotations

from h2dlint.model import Effect, Finding

_CONTEXT = ("hot:", "warm:", "cold:")


def because(finding: Finding) -> str:
    """The evidence as one line, parted by semicolons: what is copied, where to, how often."""

    def place(line: str) -> int:
        return 2 if line.startswith(_CONTEXT) else 1 if line.startswith("device:") else 0

    return "; ".join(line.replace("; ", ", ") for line in sorted(finding.evidence, key=place))


def no_gain(finding: Finding) -> str:
    """The line at which the host waits anyway; empty where it does not, or is not known to."""
    if finding.gain is None or finding.gain.negated_by_line is None:
        return ""
    return f"no gain: line {finding.gain.negated_by_line} synchronizes"


def gain(finding: Finding) -> str:
    """What the fix is expected to gain; empty where nothing is known, or where there is no gain."""
    if finding.gain is None or finding.gain.idle_us is None or finding.gain.negated_by_line is not None:
        return ""
    saved = finding.gain.idle_us
    wait = "wait that there may be" if finding.effect is Effect.MAY_BLOCK else "wait"
    pace = "slower" if saved < 0 else "faster"
    return f"gain: the {wait} for queued work; where nothing is queued about {abs(saved):.0f} us {pace}"
