"""Reads a profiler's trace: which copies ran, which calls made the host wait, and on whose behalf.

Standard library only. The events are those of the Chrome trace format that ``torch.profiler`` writes.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]

H2D = "h2d"
D2H = "d2h"
OTHER = "other"

# CUDA's runtime and driver, and HIP: cudaStreamSynchronize, cuCtxSynchronize, hipDeviceSynchronize.
_SYNC = re.compile(r"^(cuda|cu|hip)(Stream|Device|Event|Ctx)Synchronize")
_COPY_CALL = re.compile(r"^(cuda|cu|hip)Memcpy")
# A copy call that is not asynchronous waits without a synchronize call of its own.
_BLOCKING_COPY_CALL = re.compile(r"^(cuda|cu|hip)Memcpy(?!.*Async)")
_COPY = re.compile(r"^Memcpy (HtoD|DtoH|DtoD|HtoH|PtoP)(?: \((.+)\))?$")

_KINDS = {"HtoD": H2D, "DtoH": D2H}


@dataclass(frozen=True, slots=True)
class Sync:
    """One call that held the host until the device was done.

    Attributes:
        call: name of the runtime call, such as ``cudaStreamSynchronize``.
        kind: ``h2d`` or ``d2h`` for the direction of the copy that was waited for, else ``other``.
        ops: PyTorch operators around the call, outermost first; empty where there were none.
    """

    call: str
    kind: str
    ops: tuple[str, ...]

    @property
    def cause(self) -> str:
        """What a reader knows the wait by, such as ``h2d in aten::to`` or ``d2h in aten::item``."""
        return f"{self.kind} in {self.ops[0] if self.ops else self.call}"


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened in one region of a trace.

    Attributes:
        copies: direction and memory kinds to number, such as ``{"HtoD (Pageable -> Device)": 2}``.
        syncs: in order of time.
        unwaited_pageable: host-to-device copies from pageable memory that no synchronize call followed: the
            driver stages them, and may hold the host while it does.
    """

    copies: Mapping[str, int]
    syncs: tuple[Sync, ...]
    unwaited_pageable: int = 0

    @property
    def h2d_syncs(self) -> int:
        """Number of host-to-device copies that the host waited for."""
        return sum(sync.kind == H2D for sync in self.syncs)

    @property
    def other_syncs(self) -> tuple[str, ...]:
        """Causes of the waits that are not for a host-to-device copy, in order."""
        return tuple(sync.cause for sync in self.syncs if sync.kind != H2D)


@dataclass(frozen=True, slots=True)
class _Slice:
    """A complete event, times in microseconds."""

    name: str
    start: float
    end: float
    thread: object
    correlation: object


class _Timeline:
    """Slices sorted by start, for looking up what lies in a stretch of time."""

    def __init__(self, slices: Iterable[_Slice]) -> None:
        # Of two that start together the longer one is the outer one.
        self._slices = sorted(slices, key=lambda item: (item.start, -item.end))
        self._starts = [item.start for item in self._slices]

    def inside(self, region: _Slice) -> list[_Slice]:
        first = bisect.bisect_left(self._starts, region.start)
        last = bisect.bisect_right(self._starts, region.end)
        return self._slices[first:last]


def attribute(events: Iterable[Event], is_region: Callable[[str], bool]) -> dict[str, Activity]:
    """What happened in each region.

    Args:
        events: of a Chrome trace, in any order.
        is_region: tells the names of the annotations that are regions; a name occurs once.

    Raises:
        ValueError: a region's name occurs twice.
    """
    regions: dict[str, _Slice] = {}
    ops: list[_Slice] = []
    calls: list[_Slice] = []
    copied: dict[object, str] = {}
    for event in events:
        if event.get("ph") != "X":
            continue
        category = event.get("cat")
        item = _slice(event)
        if category == "user_annotation" and is_region(item.name):
            if item.name in regions:
                raise ValueError(f"two regions are named {item.name}")
            regions[item.name] = item
        elif category == "cpu_op":
            ops.append(item)
        elif category in ("cuda_runtime", "cuda_driver"):
            calls.append(item)
        elif category == "gpu_memcpy":
            copied[item.correlation] = item.name
    op_line, call_line = _Timeline(ops), _Timeline(calls)
    return {
        name: _activity(call_line.inside(region), op_line.inside(region), copied)
        for name, region in regions.items()
    }


def _slice(event: Event) -> _Slice:
    start = float(event["ts"])
    arguments = event.get("args") or {}
    return _Slice(
        name=str(event["name"]),
        start=start,
        end=start + float(event.get("dur", 0)),
        thread=event.get("tid"),
        correlation=arguments.get("correlation"),
    )


def _activity(calls: list[_Slice], ops: list[_Slice], copied: Mapping[object, str]) -> Activity:
    copies: Counter[str] = Counter()
    syncs: list[Sync] = []
    unwaited = 0
    # Of each thread the copies that no wait has followed yet: the operators around it, and what it copied.
    pending: dict[object, list[tuple[tuple[str, ...], str]]] = {}
    op_threads = {op.thread for op in ops}
    for call in calls:
        around = _around(call, ops, op_threads)
        if _COPY_CALL.match(call.name):
            copy = _COPY.match(copied.get(call.correlation, ""))
            direction = copy[1] if copy else "unknown"
            copies[f"{direction} ({copy[2]})" if copy and copy[2] else direction] += 1
            if _BLOCKING_COPY_CALL.match(call.name):
                syncs.append(Sync(call.name, _KINDS.get(direction, OTHER), around))
                continue
            pending.setdefault(call.thread, []).append((around, copied.get(call.correlation, "")))
        elif _SYNC.match(call.name):
            waiting = pending.setdefault(call.thread, [])
            # A wait belongs to the copy before it if the same operator asked for both: a copy that was merely
            # still under way when something else waited is not what the host was made to wait for.
            kind = OTHER
            if waiting and waiting[-1][0] == around:
                copy = _COPY.match(waiting.pop()[1])
                kind = _KINDS.get(copy[1], OTHER) if copy else OTHER
            syncs.append(Sync(call.name, kind, around))
    for waiting in pending.values():
        unwaited += sum(name.startswith("Memcpy HtoD (Pageable") for _, name in waiting)
    return Activity(dict(sorted(copies.items())), tuple(syncs), unwaited)


def _around(call: _Slice, ops: list[_Slice], op_threads: set[object]) -> tuple[str, ...]:
    """Names of the operators around a call, outermost first.

    A runtime call whose thread no operator ran on was recorded under another number for the same thread; then
    time alone decides.
    """
    same_thread = call.thread in op_threads
    return tuple(
        op.name
        for op in ops
        if op.start <= call.start and call.end <= op.end and (not same_thread or op.thread == call.thread)
    )
