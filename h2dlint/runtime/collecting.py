"""Adds up what happened in this process, and writes it as a trace."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Mapping

from h2dlint.runtime.recorder import Happened, Hub, Listener
from h2dlint.runtime.stacks import Key
from h2dlint.runtime.sums import Sum
from h2dlint.runtime.traces import Process, Site, Stall, Trace, merge

MAX_STALLS = 50_000
"""Stalls, and as many other waits, that are kept one by one; a page can show them, and a file hold them."""

MAX_THREADS = 1000
"""Names of threads that are told apart: a program that starts one for each request must not fill the memory."""

OTHER_THREADS = "other threads"

_Tally = tuple[str, bool, Key, str]
"""Kind, pinned, frames, thread."""


class Collector:
    """Listens from ``start`` on.

    Args:
        hub: to listen to.

    Attributes:
        began_ns: when it was made; times of stalls count from here.
        gpu: name of the device, to be set by whoever may ask torch.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._sums: defaultdict[_Tally, Sum] = defaultdict(Sum)
        self._stalls: list[tuple[int, float, _Tally]] = []
        self._kept = {True: 0, False: 0}
        self._dropped = 0
        self._names: set[str] = set()
        self._listener: Listener | None = None
        self.began_ns = time.perf_counter_ns()
        self.started = time.time()
        self.gpu = ""

    def start(self) -> None:
        """Begin.

        Raises:
            CuptiError: nothing can be recorded in this process.
        """
        self._listener = self._hub.add(self._take)

    def stop(self) -> None:
        """End; what was collected stays."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _take(self, happened: Happened) -> None:
        # Several threads may be here at once, and adding up is not one step: each thread has sums of its own.
        thread = happened.thread
        if thread not in self._names:
            if len(self._names) < MAX_THREADS:
                self._names.add(thread)
            else:
                thread = OTHER_THREADS
        tally = (happened.kind, happened.call.pinned, happened.key, thread)
        call = happened.call
        self._sums[tally].add(happened.held_us, call.bytes, call.stream, happened.blocked)
        if happened.blocked:
            stall = call.direction == "h2d"
            if self._kept[stall] < MAX_STALLS:
                self._kept[stall] += 1
                self._stalls.append((happened.began_ns, happened.held_us, tally))
            elif stall:
                self._dropped += 1

    def trace(self, lines: Mapping[str, set[int]] | None, note: str = "") -> Trace:
        """What happened until now.

        Args:
            lines: file to the lines that ran, ``None`` if that is not known.
            note: what could not be recorded.
        """
        sums = _snapshot(self._sums)
        chains = self._hub.pairing.chains
        sites: list[Site] = []
        place: dict[_Tally, int] = {}
        for tally, entry in sums:
            kind, pinned, key, thread = tally
            chain = chains[key]
            place[tally] = len(sites)
            sites.append(
                Site(
                    kind=kind,
                    frames=chain.frames,
                    user=chain.user,
                    operator=chain.operator,
                    count=entry.count,
                    blocked=entry.blocked,
                    held_us=entry.held_us,
                    max_us=entry.max_us,
                    bytes=entry.bytes,
                    pinned=pinned,
                    threads=(thread,),
                    streams=len(entry.streams),
                    compiling=chain.compiling,
                )
            )
        stalls = tuple(
            Stall((began - self.began_ns) / 1e3, held, place[tally], 0, tally[3])
            for began, held, tally in tuple(self._stalls)
            if tally in place
        )
        # Sites of several threads at one line become one.
        return merge([Trace((), (self._process(note),), tuple(sites), stalls, _sorted(lines))])

    def _process(self, note: str) -> Process:
        torch = sys.modules.get("torch")
        return Process(
            pid=os.getpid(),
            argv=tuple(sys.orig_argv),
            started=self.started,
            wall_s=(time.perf_counter_ns() - self.began_ns) / 1e9,
            gpu=self.gpu,
            torch=str(getattr(torch, "__version__", "")),
            python=platform.python_version(),
            dropped=self._dropped,
            note=note,
        )


def _snapshot(sums: dict[_Tally, Sum]) -> list[tuple[_Tally, Sum]]:
    """The items of a dictionary that other threads add to."""
    while True:
        try:
            return list(sums.items())
        except RuntimeError:
            continue


def _sorted(lines: Mapping[str, set[int]] | None) -> dict[str, tuple[int, ...]] | None:
    if lines is None:
        return None
    return {file: tuple(sorted(numbers)) for file, numbers in _copied(lines)}


def _copied(lines: Mapping[str, set[int]]) -> list[tuple[str, set[int]]]:
    while True:
        try:
            return [(file, set(numbers)) for file, numbers in list(lines.items())]
        except RuntimeError:
            continue
