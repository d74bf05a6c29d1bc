"""Measures what a piece of code does to the host: copies, waits with their causes, warnings, time held."""

from __future__ import annotations

import json
import linecache
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .events import H2D, Activity, Sync, attribute

Call = Callable[[], object]

QUEUED_MS = 20.0
"""Work queued before a call whose time is taken: long beside anything that the call itself costs."""

HELD_SHARE = 0.5
"""A host held for more than this share of the queued work waited for it."""

REPEATS = 5

_REGION = "h2dlint-proof-"
_SYNC_WARNING = "called a synchronizing CUDA operation"


@dataclass(frozen=True)
class Site:
    """Where the host was made to wait, as torch's sync debug mode tells it.

    Attributes:
        file, line: of the innermost Python frame.
        text: that line of the source.
    """

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Measured:
    """What one call did.

    Attributes:
        activity: copies and waits by the profiler.
        sites: warnings of the sync debug mode, in order.
        error: what the call raised, empty if nothing; then the rest says little.
    """

    activity: Activity
    sites: tuple[Site, ...]
    error: str = ""

    @property
    def waits(self) -> list[tuple[Site, Sync]] | None:
        """Site and cause of each wait; ``None`` if the two instruments counted differently.

        Both instruments watched the same call, and both see waits in the order in which they happened.
        """
        if len(self.sites) != len(self.activity.syncs):
            return None
        return list(zip(self.sites, self.activity.syncs, strict=True))

    @property
    def h2d_sites(self) -> list[Site] | None:
        """Where a host-to-device copy was waited for; ``None`` if the two instruments counted differently."""
        waits = self.waits
        return None if waits is None else [site for site, sync in waits if sync.kind == H2D]


@dataclass(frozen=True)
class Held:
    """How long a call held the host.

    Attributes:
        behind_ms: with work queued on the stream (median).
        idle_ms: with nothing queued (median): what the call itself costs.
        queued_ms: how long the queued work took (median).
    """

    behind_ms: float
    idle_ms: float
    queued_ms: float

    @property
    def waited(self) -> bool:
        """Whether the host waited for the queued work."""
        return self.behind_ms - self.idle_ms > HELD_SHARE * self.queued_ms


def seed() -> None:
    """Put every generator that a case may use in the same state."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def run(call: Call, *, queued_ms: float = 0.0) -> Any:
    """The result of a call with the generators seeded, once the device is done with it.

    Args:
        call: what to run.
        queued_ms: work to queue on the stream first, so that a copy that nobody waits for is still to come
            when the call returns; a result that depended on the waiting would then be wrong.
    """
    seed()
    torch.cuda.synchronize()
    try:
        if queued_ms:
            queue(queued_ms)
        return call()
    finally:
        torch.cuda.synchronize()
        _restore()


def _restore() -> None:
    """Undo what a call may have left switched on for the whole program."""
    torch.cuda.set_sync_debug_mode("default")
    if torch.get_default_device().type != "cpu":
        torch.set_default_device(None)


@cache
def _cycles_per_ms() -> float:
    """How many cycles of the sleep kernel make a millisecond on this device."""
    cycles = 50_000_000
    torch.cuda._sleep(cycles)  # raises the clocks
    return cycles / _timed_on_device(lambda: torch.cuda._sleep(cycles))


def _timed_on_device(call: Call) -> float:
    """Milliseconds that the device needs for what a call queues."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end))


def queue(milliseconds: float) -> None:
    """Queue a kernel on the current stream that does nothing for that long."""
    torch.cuda._sleep(int(milliseconds * _cycles_per_ms()))


def held(call: Call, repeats: int = REPEATS) -> Held:
    """Take the time that a call holds the host, with and without work queued before it."""
    _cycles_per_ms()
    for _ in range(2):  # so that kernels are loaded and the caching allocators are filled
        run(call)
    idle = [_host_time(call, queued_ms=0.0)[0] for _ in range(repeats)]
    behind = [_host_time(call, queued_ms=QUEUED_MS) for _ in range(repeats)]
    return Held(
        behind_ms=statistics.median(taken for taken, _ in behind),
        idle_ms=statistics.median(idle),
        queued_ms=statistics.median(queued for _, queued in behind),
    )


def _host_time(call: Call, queued_ms: float) -> tuple[float, float]:
    """Milliseconds on the host for a call, and on the device for the work queued before it."""
    seed()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    if queued_ms:
        queue(queued_ms)
    end.record()
    began = time.perf_counter()
    try:
        result = call()
        taken = time.perf_counter() - began
        del result
    finally:
        torch.cuda.synchronize()
        _restore()
    return taken * 1e3, float(start.elapsed_time(end))


def measure(call: Call) -> Measured:
    """Measure one call; see ``measure_all``."""
    return measure_all({"call": call})["call"]


def measure_all(calls: Mapping[str, Call]) -> dict[str, Measured]:
    """Run each call once under the profiler and torch's sync debug mode, after a run to warm it up.

    One profiler session serves all calls, because starting one costs more than most of them.
    """
    errors: dict[str, str] = {}
    for name, call in calls.items():
        try:
            run(call)
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {error}"
    labels = {name: f"{_REGION}{number}" for number, name in enumerate(calls) if name not in errors}
    sites: dict[str, tuple[Site, ...]] = {}
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions have something to say about a profiler's life
        with torch.profiler.profile(activities=activities) as profiler:
            for name, label in labels.items():
                sites[name] = _watched(calls[name], label)
        events = _events(profiler)
    found = attribute(events, lambda region: region.startswith(_REGION))
    nothing = Activity({}, ())
    measured = {name: Measured(nothing, (), raised) for name, raised in errors.items()}
    for name, label in labels.items():
        # A region that the trace does not hold is an instrument that failed, not a call that did nothing.
        missing = "" if label in found else "the profiler recorded nothing of this call"
        measured[name] = Measured(found.get(label, nothing), sites[name], missing)
    return {name: measured[name] for name in calls}


def _watched(call: Call, label: str) -> tuple[Site, ...]:
    """Run a call as a region of the profile; returns where the sync debug mode warned."""
    seed()
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with torch.profiler.record_function(label):
                result = call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    _restore()
    del result
    return tuple(
        Site(entry.filename, entry.lineno, linecache.getline(entry.filename, entry.lineno).strip())
        for entry in caught
        if _SYNC_WARNING in str(entry.message)
    )


def _events(profiler: Any) -> list[dict[str, Any]]:
    """The events of a finished profile, through its trace file: the one form of them that is documented."""
    with tempfile.TemporaryDirectory(prefix="h2dlint-proof-") as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    return events
