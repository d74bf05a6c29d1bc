"""The closing lines for people, and the counts behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from h2dlint.model import Applicability, Confidence, Context, Finding, Ran
from h2dlint.report.base import View
from h2dlint.report.style import Paint, escape

if TYPE_CHECKING:
    from h2dlint.engine.results import Report


def count_fixable(findings: Iterable[Finding]) -> dict[Applicability, int]:
    """How many findings have a fix of each applicability."""
    counts = Counter(finding.fix.applicability for finding in findings if finding.fix is not None)
    return {applicability: counts[applicability] for applicability in Applicability}


def summary(report: Report, view: View) -> Iterator[str]:
    """Yield the summary, one line each, with newlines."""
    if view.fixing and view.fix_table:
        yield from _fix_table(report, view)
    yield _found(report, view)
    yield from _traced(report, view)
    yield from filter(None, (_failed(report), _fixable(report, view), _left_out(report, view)))


def would_fix(fixed: int, more: int) -> str:
    """The summary of a run that only shows what it would do.

    Args:
        fixed: fixes that would be applied.
        more: unsafe fixes held back.
    """
    if fixed:
        extra = f" ({more} more with --unsafe-fixes)" if more else ""
        return f"Would fix {_findings(fixed)}{extra}.\n"
    extra = f" ({more} fixable with --unsafe-fixes)" if more else ""
    return f"No findings would be fixed{extra}.\n"


def _fix_table(report: Report, view: View) -> Iterator[str]:
    """Yield how many fixes were applied and how many findings remain, rule by rule."""
    fixed: Counter[str] = Counter()
    for counts in report.fixed.values():
        fixed.update(counts)
    left = Counter(finding.code for finding in report.findings)
    codes = sorted(fixed.keys() | left.keys())
    if not codes:
        return
    known = {finding.code: finding.name for finding in report.findings} | dict(view.names)
    width = max(len("fixed"), len(str(max(fixed.values(), default=0))))
    yield Paint(view.colour)("bold", f"{'fixed':>{width}}  {'left':>5}  rule") + "\n"
    for code in codes:
        name = escape(f"{code} {known.get(code, '')}".rstrip())
        yield f"{fixed[code]:>{width}}  {left[code]:>5}  {name}\n"
    yield "\n"


def _found(report: Report, view: View) -> str:
    remaining = len(report.findings)
    if view.fixing and report.fixed_count:
        total = report.fixed_count + remaining
        return f"Found {_findings(total)} ({report.fixed_count} fixed, {remaining} remaining).\n"
    if remaining:
        files = len({finding.path for finding in report.findings})
        contexts = Counter(finding.context for finding in report.findings)
        parts = ", ".join(f"{contexts[context]} {context.value}" for context in Context if contexts[context])
        return f"Found {_findings(remaining)} in {_plural(files, 'file')} ({parts}).\n"
    if report.errors or any(note.counts for note in report.notes):
        return "No findings.\n"
    return Paint(view.colour)("good", "All checks passed!") + "\n"


def _traced(report: Report, view: View) -> Iterator[str]:
    if view.traced is None:
        return
    counts = Counter(finding.trace.status for finding in report.findings if finding.trace is not None)
    said = {
        Ran.CONFIRMED: "confirmed",
        Ran.WITHOUT_BLOCKING: "ran without blocking",
        Ran.RAN: "ran (races)",
        Ran.NEVER: "never ran",
        Ran.UNKNOWN: "not known to have run",
    }
    always = (Ran.CONFIRMED, Ran.WITHOUT_BLOCKING, Ran.NEVER)
    parts = (
        f"{counts[status]} {text}" for status, text in said.items() if counts[status] or status in always
    )
    yield f"In the trace: {', '.join(parts)}.\n"
    sites, unchecked = view.traced.sites, view.traced.unchecked
    if sites:
        verb = "is" if sites == 1 else "are"
        where = f", {unchecked} of them in files not checked or not as they were traced" if unchecked else ""
        more = "h2dlint trace lists those that it records"
        yield f"{_plural(sites, 'blocking site')} {verb} not reported{where} ({more}).\n"


def _failed(report: Report) -> str:
    paths = len({error.path for error in report.errors})
    return f"{_plural(paths, 'path')} could not be checked.\n" if paths else ""


def _fixable(report: Report, view: View) -> str:
    counts = count_fixable(report.findings)
    safe, unsafe = counts[Applicability.SAFE], counts[Applicability.UNSAFE]
    if view.fixing:
        more = "more" if report.fixed_count else "fixable"
        return f"{unsafe} {more} with --unsafe-fixes.\n" if unsafe and not view.unsafe_fixes else ""
    mark = f"[{Paint(view.colour)('fixable', '*')}]"
    if view.unsafe_fixes:
        return f"{mark} {safe + unsafe} fixable with --fix.\n" if safe + unsafe else ""
    if safe:
        more = f" ({unsafe} more with --unsafe-fixes)" if unsafe else ""
        return f"{mark} {safe} fixable with --fix{more}.\n"
    return f"{unsafe} fixable with --fix --unsafe-fixes.\n" if unsafe else ""


def _left_out(report: Report, view: View) -> str:
    parts: list[str] = []
    if report.hidden.cold:
        parts.append(f"{report.hidden.cold} in cold code (--cold)")
    if report.hidden.low_confidence:
        least = "low or medium" if view.min_confidence is Confidence.HIGH else "low"
        parts.append(f"{report.hidden.low_confidence} of {least} confidence (--min-confidence low)")
    if report.hidden.unchanged:
        parts.append(f"{report.hidden.unchanged} on lines that did not change (--diff-only)")
    if report.known:
        parts.append(f"{len(report.known)} in the baseline (--no-baseline)")
    return f"Left out: {', '.join(parts)}.\n" if parts else ""


def _findings(count: int) -> str:
    return _plural(count, "finding")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
