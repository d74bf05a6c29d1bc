"""Reads a trace of ``torch.profiler`` into one of ours.

Such a trace knows functions and not lines: a frame has the line of its ``def``. What it has of the CUDA calls is exact:
their times, and by the activity on the device the direction, the kind of memory and the bytes. It must be recorded with
stacks and with the activities of CUDA::

    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities, with_stack=True) as profile:
        ...
    profile.export_chrome_trace("trace.json.gz")
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h2dlint.runtime.chrome_events import Document
from h2dlint.runtime.chrome_names import Named, is_profiler, operator, python_frame
from h2dlint.runtime.recorder import staged_holds
from h2dlint.runtime.sums import Sum
from h2dlint.runtime.traces import ASYNC, STAGED, SYNC, WAIT, Frame, Process, Site, Stall, Trace, TraceError

MAX_STALLS = 50_000
"""Stalls, and as many other waits, that are kept one by one; sites count them all."""

SLACK_US = 0.01
"""Times are written with three decimals, and rounded."""

NEXT_US = 20.0
"""A wait that PyTorch itself asks for follows its copy within this time: 1 to 3 us on an H200."""

HOW_TO = (
    "record it with torch.profiler.profile("
    "activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], with_stack=True)"
)

_SYNC = re.compile(r"^(cuda|cu|hip)(Stream|Device|Event|Ctx)Synchronize")
_STREAM_SYNC = re.compile(r"^(cuda|cu|hip)StreamSynchronize")
_COPY_CALL = re.compile(r"^(cuda|cu|hip)Memcpy")
# A copy call that is not asynchronous waits without a synchronize call of its own.
_BLOCKING_COPY_CALL = re.compile(r"^(cuda|cu|hip)Memcpy(?!.*Async)")
_COPY = re.compile(r"^Memcpy (HtoD|DtoH|DtoD|HtoH|PtoP)(?: \((\w+) -> \w+\))?")


@dataclass(slots=True)
class _Track:
    """What one thread did: Python functions and operators, in columns because there may be millions."""

    starts: array[float] = field(default_factory=lambda: array("d"))
    ends: array[float] = field(default_factory=lambda: array("d"))
    names: array[int] = field(default_factory=lambda: array("l"))
    calls: list[_Call] = field(default_factory=list)

    def stacks(self) -> Iterator[tuple[_Call, list[int]]]:
        """Each call with the events around it, outermost first, as indices; in order of time."""
        order = list(range(len(self.starts)))
        # Of two that start together the longer one is the outer one.
        order.sort(key=self.ends.__getitem__, reverse=True)
        order.sort(key=self.starts.__getitem__)
        stack: list[int] = []
        position = 0
        for call in sorted(self.calls, key=lambda call: call.start):
            while position < len(order) and self.starts[order[position]] <= call.start + SLACK_US:
                index = order[position]
                while stack and self.ends[stack[-1]] <= self.starts[index]:
                    stack.pop()
                stack.append(index)
                position += 1
            yield call, [index for index in stack if self.ends[index] + SLACK_US >= call.end]


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of CUDA's runtime that copies or waits."""

    name: str
    start: float
    end: float
    correlation: object


@dataclass(frozen=True, slots=True)
class _Copied:
    """What the device says of a copy."""

    direction: str
    source: str
    bytes: int
    stream: object


@dataclass(slots=True)
class _Sum(Sum):
    """A site of several processes."""

    threads: set[str] = field(default_factory=set)
    processes: set[int] = field(default_factory=set)


_Place = tuple[tuple[Frame, ...], int, str]
"""Frames, index of the user's, operator."""

_Key = tuple[str, bool, _Place]
"""Kind, pinned, place."""


def read(path: Path) -> Trace:
    """Read a trace of ``torch.profiler``, plain or packed with gzip.

    The file is read as a stream. What stays in memory is 24 bytes for each Python function and operator, and some
    hundred for each copy and wait.

    Raises:
        TraceError: the file is damaged, another tool's, or was recorded without stacks or without CUDA.
    """
    return _Reader().read(Document(path))


class _Reader:
    def __init__(self) -> None:
        self._names: dict[Named, int] = {}
        self._spelt: list[Named] = []
        self._tracks: defaultdict[tuple[Any, Any], _Track] = defaultdict(_Track)
        self._copied: dict[object, _Copied] = {}
        self._threads: dict[tuple[Any, Any], str] = {}
        self._commands: dict[Any, str] = {}
        self._seen: set[str] = set()
        self._begin = float("inf")
        self._end = float("-inf")
        self._places: dict[tuple[int, ...], _Place | None] = {}
        self._sums: dict[_Key, _Sum] = {}
        self._stalls: list[tuple[float, float, _Key, int, str]] = []
        self._unknown = 0
        self._dropped: defaultdict[int, int] = defaultdict(int)
        self._kept = {True: 0, False: 0}

    def read(self, document: Document) -> Trace:
        for event in document.events():
            if isinstance(event, dict):
                try:
                    self._take(event)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    raise TraceError(f"an event that torch.profiler would not write: {error!r}") from error
        self._check(document.header)
        processes = sorted({process for process, _ in self._tracks if self._has_calls(process)}, key=str)
        numbers = {process: number for number, process in enumerate(processes)}
        for (process, thread), track in sorted(self._tracks.items(), key=lambda item: str(item[0])):
            if track.calls:
                name = self._threads.get((process, thread), f"thread {thread}")
                self._attribute(track, numbers[process], name)
        return self._trace(document.header, processes)

    def _has_calls(self, process: object) -> bool:
        return any(track.calls for (owner, _), track in self._tracks.items() if owner == process)

    # Taking events in.

    def _take(self, event: Mapping[str, Any]) -> None:
        phase, category = event.get("ph"), event.get("cat")
        if phase == "M":
            arguments = event.get("args") or {}
            if event.get("name") == "thread_name":
                self._threads[event.get("pid"), event.get("tid")] = str(arguments.get("name", ""))
            elif event.get("name") == "process_name":
                self._commands[event.get("pid")] = str(arguments.get("name", ""))
            return
        if phase != "X" or not isinstance(category, str):
            return
        self._seen.add(category)
        if category in ("python_function", "cpu_op"):
            start, end = self._times(event)
            track = self._tracks[event["pid"], event["tid"]]
            track.starts.append(start)
            track.ends.append(end)
            track.names.append(self._number(category, str(event["name"])))
        elif category in ("cuda_runtime", "cuda_driver"):
            name = str(event["name"])
            if _SYNC.match(name) or _COPY_CALL.match(name):
                start, end = self._times(event)
                correlation = (event.get("args") or {}).get("correlation")
                self._tracks[event["pid"], event["tid"]].calls.append(_Call(name, start, end, correlation))
        elif category == "gpu_memcpy":
            match = _COPY.match(str(event["name"]))
            arguments = event.get("args") or {}
            if match and "correlation" in arguments:
                self._copied[arguments["correlation"]] = _Copied(
                    match[1],
                    match[2] or "",
                    int(arguments.get("bytes", 0)),
                    (arguments.get("device"), arguments.get("stream")),
                )

    def _times(self, event: Mapping[str, Any]) -> tuple[float, float]:
        start = float(event["ts"])
        end = start + float(event.get("dur", 0))
        self._begin = min(self._begin, start)
        self._end = max(self._end, end)
        return start, end

    def _number(self, category: str, text: str) -> int:
        # The address of the object differs each time, and would make millions of names of one.
        named = Named(category == "python_function", text.partition(" object at 0x")[0])
        if named not in self._names:
            self._names[named] = len(self._spelt)
            self._spelt.append(named)
        return self._names[named]

    def _check(self, header: Mapping[str, Any]) -> None:
        if not self._seen & {"cpu_op", "python_function", "cuda_runtime", "cuda_driver"}:
            raise TraceError("neither a trace of h2dlint nor one of torch.profiler")
        if "python_function" not in self._seen:
            raise TraceError(f"recorded without stacks, so it names no code; {HOW_TO}")
        if not self._seen & {"cuda_runtime", "cuda_driver"}:
            hint = "" if header.get("deviceProperties") else " on a CUDA device"
            raise TraceError(f"holds no CUDA calls; {HOW_TO}{hint}, with no other profiler at work")
        copies = any(_COPY_CALL.match(call.name) for track in self._tracks.values() for call in track.calls)
        if copies and not self._copied:
            raise TraceError(f"holds no activity of the device, which tells where copies go; {HOW_TO}")

    # What the calls were for.

    def _attribute(self, track: _Track, process: int, thread: str) -> None:
        pending: tuple[int, _Call, _Place | None] | None = None
        for call, stack in track.stacks():
            # The innermost event, that one time it ran: an operator copies and waits within itself.
            around = stack[-1] if stack else -1
            place = self._place([track.names[index] for index in stack])
            if pending is not None and _STREAM_SYNC.match(call.name) and _belongs(pending, around, call):
                self._waited(pending[1], call, pending[2], process, thread)
                pending = None
                continue
            if pending is not None:
                self._not_waited(pending[1], pending[2], process, thread)
                pending = None
            if _SYNC.match(call.name):
                self._add(WAIT, False, place, call, call.end - call.start, True, None, process, thread)
            elif _BLOCKING_COPY_CALL.match(call.name):
                self._waited(call, None, place, process, thread)
            else:
                pending = around, call, place
        if pending is not None:
            self._not_waited(pending[1], pending[2], process, thread)

    def _waited(
        self, copy: _Call, wait: _Call | None, place: _Place | None, process: int, thread: str
    ) -> None:
        copied = self._copied.get(copy.correlation)
        held = copy.end - copy.start + (wait.end - wait.start if wait is not None else 0.0)
        if copied is None:
            self._unknown += 1
            return
        if copied.direction in ("HtoD", "DtoH"):
            to_device = copied.direction == "HtoD"
            pinned = to_device and copied.source == "Pinned"
            self._add(SYNC if to_device else WAIT, pinned, place, copy, held, True, copied, process, thread)

    def _not_waited(self, copy: _Call, place: _Place | None, process: int, thread: str) -> None:
        copied = self._copied.get(copy.correlation)
        if copied is None:
            self._unknown += 1
        elif copied.direction == "HtoD":
            held = copy.end - copy.start
            pinned = copied.source == "Pinned"
            blocked = not pinned and staged_holds(held, copied.bytes)
            kind = ASYNC if pinned else STAGED
            self._add(kind, pinned, place, copy, held, blocked, copied, process, thread)

    def _add(
        self,
        kind: str,
        pinned: bool,
        place: _Place | None,
        call: _Call,
        held_us: float,
        blocked: bool,
        copied: _Copied | None,
        process: int,
        thread: str,
    ) -> None:
        if place is None:
            return  # The profiler's own.
        key = kind, pinned, place
        total = self._sums.setdefault(key, _Sum())
        size = copied.bytes if copied is not None and kind != WAIT else 0
        total.add(held_us, size, None if copied is None else copied.stream, blocked)
        total.threads.add(thread)
        total.processes.add(process)
        if blocked:
            stall = kind != WAIT
            self._kept[stall] += 1
            if self._kept[stall] <= MAX_STALLS:
                self._stalls.append((call.start, held_us, key, process, thread))
            else:
                self._dropped[process] += 1

    def _place(self, names: Sequence[int]) -> _Place | None:
        """Where a call came from; ``None`` for the profiler itself."""
        chain = tuple(names)
        if chain not in self._places:
            spelt = [self._spelt[name] for name in chain]
            frames = [(at, frame) for at, named in enumerate(spelt) if (frame := python_frame(named))]
            if any(is_profiler(frame.file) for _, frame in frames):
                self._places[chain] = None
            else:
                self._places[chain] = _placed(spelt, [at for at, _ in frames], [frame for _, frame in frames])
        return self._places[chain]

    def _trace(self, header: Mapping[str, Any], processes: Sequence[object]) -> Trace:
        order = sorted(self._sums, key=lambda key: (-self._sums[key].held_us, -self._sums[key].count, key))
        index = {key: number for number, key in enumerate(order)}
        began = self._begin if self._begin < self._end else 0.0
        base = header.get("baseTimeNanoseconds")
        started = (base if isinstance(base, (int, float)) else 0) / 1e9 + began / 1e6
        noun = "copy of unknown direction is" if self._unknown == 1 else "copies of unknown direction are"
        note = f"{self._unknown} {noun} left out" if self._unknown else ""
        return Trace(
            command=("torch.profiler",),
            processes=tuple(
                Process(
                    pid=process if isinstance(process, int) else 0,
                    argv=(self._commands.get(process, ""),),
                    started=started,
                    wall_s=max(self._end - began, 0.0) / 1e6,
                    gpu=_device(header),
                    dropped=self._dropped[number],
                    note=note if number == 0 else "",
                )
                for number, process in enumerate(processes)
            ),
            sites=tuple(_site(key, self._sums[key]) for key in order),
            stalls=tuple(
                Stall(start - began, held, index[key], process, thread)
                for start, held, key, process, thread in sorted(self._stalls, key=lambda stall: stall[0])
            ),
            lines=None,
            source="chrome",
        )


def _belongs(pending: tuple[int, _Call, _Place | None], around: int, wait: _Call) -> bool:
    """Whether a wait is that of the copy before it: the same operator asked for both.

    Of a thread that no operator is known of, it is if it came right after.
    """
    if pending[0] != around:
        return False
    return around != -1 or wait.start - pending[1].end <= NEXT_US


def _placed(spelt: Sequence[Named], at: Sequence[int], frames: Sequence[Frame]) -> _Place:
    from h2dlint.runtime.chrome_names import is_user

    users = [number for number, frame in enumerate(frames) if is_user(frame.file)]
    innermost = users[-1] if users else len(frames) - 1
    inside = spelt[at[innermost] + 1 :] if frames else spelt
    return tuple(reversed(frames)), len(frames) - 1 - innermost if frames else 0, operator(inside)


def _site(key: _Key, total: _Sum) -> Site:
    kind, pinned, (frames, user, name) = key
    return Site(
        kind=kind,
        frames=frames,
        user=user,
        operator=name,
        count=total.count,
        blocked=total.blocked,
        held_us=total.held_us,
        max_us=total.max_us,
        bytes=total.bytes,
        pinned=pinned,
        threads=tuple(sorted(total.threads)),
        streams=max(len(total.streams), 1),
        processes=tuple(sorted(total.processes)),
    )


def _device(header: Mapping[str, Any]) -> str:
    devices = header.get("deviceProperties")
    if not isinstance(devices, list):
        return ""
    names: Iterable[str] = (str(device.get("name", "")) for device in devices if isinstance(device, dict))
    return next(iter(names), "")
