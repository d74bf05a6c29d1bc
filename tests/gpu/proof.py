"""The proof of one rule's fixture: runs its functions before and after the fixes, and judges what it saw."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.fixture_markers import expected

from .compare import differences, tensors
from .harness import QUEUED_MS, Call, Held, Measured, held, measure_all, run
from .loading import load_pair
from .stale import FIXED_EVERYTHING, Fixer, h2dlint_fix

FIXABLE = {"safe", "unsafe"}

STAGED_RULES = {"HTD206", "HTD207"}
"""Rules whose copies go through pageable memory although they are asked not to block: no instrument but the clock
shows that the driver held the host, so that their cases must be large."""


@dataclass(frozen=True)
class Function:
    """A top-level function of a fixture.

    Attributes:
        name: starts with ``case_`` (blocks, and is fixed or has advice) or ``silent_`` (holds nobody).
        markers: code and applicability of the findings in it; of a case without any, those of the helpers.
        streams: it works with streams, so that work queued on the default stream need not hold it.
    """

    name: str
    markers: tuple[tuple[str, str], ...]
    streams: bool = False

    @property
    def is_case(self) -> bool:
        return self.name.startswith("case_")

    @property
    def staged(self) -> bool:
        """All of its findings are of staged copies, which may hold the host but are not waited for."""
        return bool(self.markers) and all(code in STAGED_RULES for code, _ in self.markers)

    @property
    def fixable(self) -> bool:
        """Whether a fix is expected to change it."""
        return any(applicability in FIXABLE for _, applicability in self.markers)


@dataclass
class Observed:
    """What was seen of one function; ``after`` fields only where a fix is expected."""

    before: Measured
    after: Measured | None = None
    held_before: Held | None = None
    held_after: Held | None = None
    problems: list[str] = field(default_factory=list)
    """What contradicts the fixture, one line each."""


def functions(text: str) -> list[Function]:
    """The functions of a fixture that are run, in order.

    Raises:
        MarkerError: see ``tests.fixture_markers``.
    """
    markers = sorted(expected(text).elements())
    found: list[ast.FunctionDef] = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith(("case_", "silent_"))
    ]

    def within(node: ast.FunctionDef, line: int) -> bool:
        return node.lineno <= line <= (node.end_lineno or node.lineno)

    helpers = [(code, kind) for line, code, kind in markers if not any(within(node, line) for node in found)]
    result = []
    for node in found:
        own = [(code, kind) for line, code, kind in markers if within(node, line)]
        if not own and node.name.startswith("case_"):
            own = helpers
        source = ast.get_source_segment(text, node) or ""
        result.append(Function(node.name, tuple(own), "stream" in source.lower()))
    return result


def judge(function: Function, seen: Observed) -> list[str]:
    """What the measurements say against a function; see ``docs/proof.md`` for the claims."""
    failed = [f"{when}: {seen_.error}" for when, seen_ in _both(seen) if seen_.error]
    if failed:
        return failed
    blocked = seen.before.activity.h2d_syncs
    staged = seen.before.activity.unwaited_pageable
    if not function.is_case:
        return _judge_silent(seen)
    problems = []
    if not blocked and not staged:
        problems.append("no blocking host-to-device copy before the fix")
    if not function.fixable:
        return problems
    if seen.after is None:
        return [*problems, "not measured after the fix"]
    now = seen.after.activity
    if (now.h2d_syncs, now.unwaited_pageable) >= (blocked, staged):
        problems.append(
            f"as many blocking host-to-device copies as before: {blocked} waited for and {staged} staged, "
            f"now {now.h2d_syncs} and {now.unwaited_pageable}"
        )
    others = seen.before.activity.other_syncs
    if now.other_syncs != others:
        problems.append(f"waits with another cause: {list(others)} became {list(now.other_syncs)}")
    # The debug mode does not say what was waited for; what it counted less must be the copies.
    warned = len(seen.before.sites) - len(seen.after.sites)
    if warned != blocked - now.h2d_syncs:
        problems.append(
            f"sync debug mode counts {warned} waits less, the profiler {blocked - now.h2d_syncs} copies less"
        )
    return problems + _judge_held(function, seen)


def _judge_silent(seen: Observed) -> list[str]:
    problems = []
    if seen.before.activity.h2d_syncs:
        problems.append(f"{seen.before.activity.h2d_syncs} blocking host-to-device copies")
    if not seen.before.activity.syncs:
        if seen.before.sites:
            problems.append(f"sync debug mode reports {len(seen.before.sites)} waits")
        if seen.held_before is not None and seen.held_before.waited:
            problems.append(f"held the host for {seen.held_before.behind_ms:.1f} ms")
    return problems


def _judge_held(function: Function, seen: Observed) -> list[str]:
    problems = []
    before, after = seen.held_before, seen.held_after
    if before is None or after is None or seen.after is None:
        return ["the time held was not taken"]
    if seen.before.activity.h2d_syncs and not function.streams and not before.waited:
        problems.append(f"held the host for only {before.behind_ms:.1f} ms before the fix")
    if function.staged and not seen.before.activity.syncs and not function.streams and not before.waited:
        problems.append(
            f"the staged copies held the host for only {before.behind_ms:.1f} ms before the fix: too small a case?"
        )
    waits = seen.before.activity.syncs or seen.after.activity.syncs
    if function.staged and not waits and after.behind_ms >= before.behind_ms:
        problems.append(
            f"held for {before.behind_ms:.1f} ms before the fix and {after.behind_ms:.1f} ms after it"
        )
    # Where the fixed code waits for something else too, that wait is all that the clock shows.
    if not seen.after.activity.syncs and not seen.after.activity.unwaited_pageable and after.waited:
        problems.append(f"still holds the host for {after.behind_ms:.1f} ms")
    return problems


def _both(seen: Observed) -> list[tuple[str, Measured]]:
    both = [("before the fix", seen.before)]
    return both if seen.after is None else [*both, ("after the fix", seen.after)]


def compare(before: Call, after: Call) -> list[str]:
    """Do two calls give the same result? Also behind queued work, where a race would show."""
    first = run(before)
    if not tensors(first):
        return ["the result holds no tensor, so there is nothing to compare"]
    again = differences(first, run(before))
    if again:
        return [f"gives another result each time, so nothing can be proved: {again[0]}"]
    problems = [f"after the fix: {line}" for line in differences(first, run(after))]
    late = differences(first, run(after, queued_ms=QUEUED_MS))
    return problems or [f"after the fix, behind queued work: {line}" for line in late]


def prove(path: Path, device: Any, fixer: Fixer = h2dlint_fix) -> dict[str, Observed]:
    """Run and judge every function of a fixture.

    Raises:
        FixFailed: h2dlint could not do its job.
    """
    listed = functions(path.read_bytes().decode("utf-8"))
    pair = load_pair(path, FIXED_EVERYTHING, fixer)
    calls: dict[str, Call] = {}
    for function in listed:
        calls[f"before {function.name}"] = _call(pair.before, function.name, device)
        if function.fixable:
            calls[f"after {function.name}"] = _call(pair.after, function.name, device)
    measured = measure_all(calls)
    result = {}
    for function in listed:
        before = calls[f"before {function.name}"]
        after = calls.get(f"after {function.name}")
        seen = Observed(measured[f"before {function.name}"], measured.get(f"after {function.name}"))
        if not any(one.error for _, one in _both(seen)):
            seen.held_before = held(before)
            if after is not None:
                seen.held_after = held(after)
                seen.problems += compare(before, after)
        seen.problems += judge(function, seen)
        result[function.name] = seen
    return result


def _call(module: ModuleType, name: str, device: Any) -> Call:
    function: Callable[[Any], object] = getattr(module, name)
    return lambda: function(device)


@cache
def proof_of(path: Path, device: Any) -> dict[str, Observed]:
    """``prove``, once for each fixture and program run."""
    return prove(path, device)


def figure(function: Function, seen: Observed) -> dict[str, Any]:
    """What the documentation shows of one function."""
    return {
        "findings": [f"{code}: {applicability}" for code, applicability in function.markers],
        "before": _figures(seen.before, seen.held_before),
        "after": None if seen.after is None else _figures(seen.after, seen.held_after),
    }


def _figures(measured: Measured, time_held: Held | None) -> dict[str, Any]:
    return {
        "h2d_syncs": measured.activity.h2d_syncs,
        "staged_copies": measured.activity.unwaited_pageable,
        "copies": dict(measured.activity.copies),
        "other_syncs": list(measured.activity.other_syncs),
        "sync_debug_warnings": len(measured.sites),
        **held_figures(time_held),
    }


def held_figures(time_held: Held | None) -> dict[str, Any]:
    """Times in milliseconds, rounded to what they are worth."""
    if time_held is None:
        return {}
    return {
        "held_ms": round(time_held.behind_ms, 3),
        "idle_ms": round(time_held.idle_ms, 3),
        "queued_ms": round(time_held.queued_ms, 2),
    }
