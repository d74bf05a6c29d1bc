"""What a recorded run says of a finding, in words."""

from __future__ import annotations

from h2dlint.model import Finding, Measured, Ran


def duration(microseconds: float) -> str:
    """A time with its unit, three digits: ``950 us``, ``12.3 ms``, ``1.2 s``."""
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        # What rounds up to the next unit is written in it.
        if microseconds >= size * 0.9995:
            return f"{microseconds / size:.{_digits(microseconds / size)}f} {unit}"
    return f"{microseconds:.{_digits(microseconds)}f} us"


def _digits(value: float) -> int:
    return 0 if value >= 99.95 else 1


def size(count: float) -> str:
    """Bytes with a unit: ``24 B``, ``1.5 KiB``."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1023.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} TiB"


def times(count: int) -> str:
    """``once``, ``2 times``."""
    return "once" if count == 1 else f"{count} times"


def measured(finding: Finding) -> str:
    """What was measured, as a line of the full report; empty where no trace was asked."""
    found = finding.trace
    if found is None:
        return ""
    return f"measured: {_words(found)}"


def suffix(finding: Finding) -> str:
    """The same in few words, for the concise report."""
    found = finding.trace
    if found is None:
        return ""
    if found.status is Ran.CONFIRMED:
        return f"held the host {times(found.blocked)}, {duration(found.held_us)}"
    return {
        Ran.WITHOUT_BLOCKING: "ran without blocking",
        Ran.RAN: "ran",
        Ran.NEVER: "never ran",
        Ran.UNKNOWN: "not known to have run",
    }[found.status]


def _words(found: Measured) -> str:
    if found.status is Ran.CONFIRMED:
        return _held(found) + _shared(found)
    if found.status is Ran.WITHOUT_BLOCKING:
        if not found.count:
            return "ran without blocking"
        noun = "time" if found.count == 1 else "times"
        return f"ran {found.count} {noun} without blocking{_shared(found)}"
    if found.status is Ran.RAN:
        return "ran in this trace; a trace does not show races"
    if found.status is Ran.NEVER:
        return "never ran in this trace"
    return "did not block in this trace, which does not tell whether it ran"


def _held(found: Measured) -> str:
    often = times(found.blocked)
    if found.count > found.blocked:
        often = f"{found.blocked} of {found.count} times"
    if found.blocked == found.count == 1:
        return f"held the host once, {duration(found.held_us)}"
    return f"held the host {often}, {duration(found.held_us)} in all, {duration(found.max_us)} at most"


def _shared(found: Measured) -> str:
    return (
        ""
        if found.among == 1
        else f", here or at {found.among - 1} other {'place' if found.among == 2 else 'places'}"
    )
