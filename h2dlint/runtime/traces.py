"""What a trace holds, and its file: JSON, version 1. Standard library only, nothing here knows CUDA.

Lines and columns count from 1, columns in code points, ends are exclusive in the column, as in findings. Times are in
microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

VERSION = 1
KIND = "h2dlint-trace"

SYNC = "sync"
STAGED = "staged"
ASYNC = "async"
WAIT = "wait"
KINDS = (SYNC, STAGED, ASYNC, WAIT)
"""What a site does.

``sync``: a host-to-device copy that the host then waits for, with all the work queued before it.
``staged``: a copy from pageable memory that nobody waits for; the driver stages it, and may hold the host
meanwhile. The
copy of a pinned tensor with gaps is one of these: it is made dense in pageable memory first.
``async``: a copy from pinned memory that nobody waits for.
``wait``: any other wait for the device: ``.item()``, ``torch.cuda.synchronize()``. Not a stall of this kind; it is
here because it is where the host waits once the copies no longer make it.
"""


class TraceError(ValueError):
    """A file is no trace that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One Python frame.

    Args:
        file: as Python has it: absolute in nearly all cases.
        line, column, end_line, end_column: of the expression that was running; Python 3.10 knows only the line, and
            then the others are 0.
        function: qualified name, ``Class.method`` or ``<module>``.
    """

    file: str
    line: int
    function: str
    column: int = 0
    end_line: int = 0
    end_column: int = 0


@dataclass(frozen=True, slots=True)
class Site:
    """All copies (or waits) of one kind that one chain of calls asked for.

    Args:
        kind: one of ``KINDS``.
        frames: innermost first, torch's own included; empty for a thread that runs no Python.
        user: index into ``frames`` of the innermost frame that is neither torch's nor the standard library's.
        operator: what copied, as a reader knows it: ``torch.tensor``, ``Tensor.to``, ``Module.to``, ``__getitem__``.
        count: how many there were.
        blocked: how many of them held the host; all of a ``sync`` or ``wait`` site, none of an ``async`` one.
        held_us: host time in the CUDA calls, the sum, and
        max_us: the longest.
        bytes: moved, the sum; 0 for waits.
        pinned: the host memory was page-locked.
        threads: names, and
        streams: how many streams, over all processes.
        processes: indices into ``Trace.processes``.
        compiling: torch.compile was at work: a cost of compiling, not of each step.
    """

    kind: str
    frames: tuple[Frame, ...]
    user: int
    operator: str
    count: int
    blocked: int
    held_us: float
    max_us: float
    bytes: int = 0
    pinned: bool = False
    threads: tuple[str, ...] = ()
    streams: int = 1
    processes: tuple[int, ...] = (0,)
    compiling: bool = False

    @property
    def frame(self) -> Frame | None:
        """The line that a user would look at."""
        return self.frames[self.user] if self.frames else None

    @property
    def stalls(self) -> bool:
        """Whether this is what h2dlint is about: a host-to-device copy that held the host."""
        return self.blocked > 0 and self.kind in (SYNC, STAGED)


@dataclass(frozen=True, slots=True)
class Stall:
    """One time that the host was held.

    Args:
        start_us: since the first process began.
        held_us: how long.
        site: index into ``Trace.sites``.
        process: index into ``Trace.processes``.
        thread: name.
    """

    start_us: float
    held_us: float
    site: int
    process: int
    thread: str


@dataclass(frozen=True, slots=True)
class Process:
    """One process that used CUDA.

    Args:
        pid: its number.
        argv: its command line.
        started: seconds since the epoch, when recording began.
        wall_s: how long it was recorded.
        gpu: name of its current device.
        torch, python: versions.
        dropped: stalls beyond those that a trace keeps one by one; sites count them all the same.
        note: what could not be recorded, and why; empty if all was.
    """

    pid: int
    argv: tuple[str, ...]
    started: float
    wall_s: float
    gpu: str = ""
    torch: str = ""
    python: str = ""
    dropped: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """A recorded run, of one process or merged from several.

    Args:
        command: what was run.
        processes, sites, stalls: see there; sites are sorted by the time held, longest first.
        lines: file to the lines that ran; ``None`` where that was not recorded (before Python 3.12). Files of torch
            and of the standard library are left out.
        source: ``h2dlint`` for a trace of our own, ``chrome`` for one read from ``torch.profiler``.
    """

    command: tuple[str, ...]
    processes: tuple[Process, ...]
    sites: tuple[Site, ...]
    stalls: tuple[Stall, ...] = ()
    lines: Mapping[str, tuple[int, ...]] | None = field(default=None)
    source: str = "h2dlint"

    @property
    def blocking(self) -> int:
        """How many host-to-device copies held the host."""
        return sum(site.blocked for site in self.sites if site.stalls)

    @property
    def held_us(self) -> float:
        """Host time held by host-to-device copies."""
        return sum(site.held_us for site in self.sites if site.stalls)

    @property
    def waited_us(self) -> float:
        """Host time in all other waits for the device."""
        return sum(site.held_us for site in self.sites if site.kind == WAIT)


def merge(traces: Sequence[Trace], command: Sequence[str] = ()) -> Trace:
    """One trace of several processes; what is the same chain of calls becomes one site.

    Args:
        traces: of one run, in any order.
        command: what was run, where it differs from that of the first.
    """
    ordered = sorted(traces, key=lambda trace: [(item.started, item.pid) for item in trace.processes])
    began = min((item.started for trace in ordered for item in trace.processes), default=0.0)
    processes: list[Process] = []
    merged: dict[tuple[Any, ...], Site] = {}
    raw: list[tuple[Stall, tuple[Any, ...]]] = []
    lines: dict[str, set[int]] | None = {}
    for trace in ordered:
        first = len(processes)
        processes.extend(trace.processes)
        keys = [_identity(site) for site in trace.sites]
        for key, site in zip(keys, trace.sites, strict=True):
            own = replace(site, processes=tuple(first + index for index in site.processes))
            merged[key] = _joined(merged[key], own) if key in merged else own
        for stall in trace.stalls:
            later = (trace.processes[stall.process].started - began) * 1e6
            shifted = replace(stall, start_us=stall.start_us + later, process=first + stall.process)
            raw.append((shifted, keys[stall.site]))
        if lines is not None and trace.lines is not None:
            for file, numbers in trace.lines.items():
                lines.setdefault(file, set()).update(numbers)
        else:
            lines = None
    order = sorted(merged, key=lambda key: (-merged[key].held_us, -merged[key].count, _place(merged[key])))
    index = {key: position for position, key in enumerate(order)}
    return Trace(
        command=tuple(command) or (ordered[0].command if ordered else ()),
        processes=tuple(processes),
        sites=tuple(merged[key] for key in order),
        stalls=tuple(
            sorted((replace(stall, site=index[key]) for stall, key in raw), key=lambda stall: stall.start_us)
        ),
        lines=None if lines is None else {file: tuple(sorted(lines[file])) for file in sorted(lines)},
        source=ordered[0].source if ordered else "h2dlint",
    )


def _identity(site: Site) -> tuple[Any, ...]:
    return site.kind, site.pinned, site.compiling, site.operator, site.frames


def _place(site: Site) -> tuple[str, int, str]:
    frame = site.frame
    return (frame.file, frame.line, site.kind) if frame else ("", 0, site.kind)


def _joined(one: Site, other: Site) -> Site:
    return replace(
        one,
        count=one.count + other.count,
        blocked=one.blocked + other.blocked,
        held_us=one.held_us + other.held_us,
        max_us=max(one.max_us, other.max_us),
        bytes=one.bytes + other.bytes,
        threads=tuple(sorted({*one.threads, *other.threads})),
        streams=max(one.streams, other.streams),
        processes=tuple(sorted({*one.processes, *other.processes})),
    )


def to_json(trace: Trace) -> str:
    """The text of a trace file."""
    frames: dict[Frame, int] = {}
    sites = []
    for site in trace.sites:
        # Chains share most of their frames: each is written once.
        chain = [frames.setdefault(frame, len(frames)) for frame in site.frames]
        written = {name: getattr(site, name) for name in Site.__dataclass_fields__}
        sites.append(
            {**written, "frames": chain, "held_us": round(site.held_us, 3), "max_us": round(site.max_us, 3)}
        )
    document = {
        "kind": KIND,
        "version": VERSION,
        "command": trace.command,
        "source": trace.source,
        "processes": [asdict(process) for process in trace.processes],
        "frames": [
            [frame.file, frame.line, frame.function, frame.column, frame.end_line, frame.end_column]
            for frame in frames
        ],
        "sites": sites,
        "stalls": [
            [round(stall.start_us, 3), round(stall.held_us, 3), stall.site, stall.process, stall.thread]
            for stall in trace.stalls
        ],
        "lines": None if trace.lines is None else {file: _ranges(trace.lines[file]) for file in trace.lines},
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"


def from_json(text: str) -> Trace:
    """Read a trace file.

    Raises:
        TraceError: the text is none, or of a version that this program does not know.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise TraceError(f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise TraceError("not a trace of h2dlint")
    if document.get("version") != VERSION:
        raise TraceError(
            f"a trace of version {document.get('version')}; this program reads version {VERSION}"
        )
    try:
        return _read(document)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise TraceError(f"a damaged trace: {type(error).__name__}: {error}") from error


def _read(document: Mapping[str, Any]) -> Trace:
    frames = [Frame(*entry) for entry in document["frames"]]
    lines = document["lines"]
    return Trace(
        command=tuple(document["command"]),
        processes=tuple(
            Process(**{**entry, "argv": tuple(entry["argv"])}) for entry in document["processes"]
        ),
        sites=tuple(
            Site(
                **{
                    **entry,
                    "frames": tuple(frames[index] for index in entry["frames"]),
                    "threads": tuple(entry["threads"]),
                    "processes": tuple(entry["processes"]),
                }
            )
            for entry in document["sites"]
        ),
        stalls=tuple(Stall(*entry) for entry in document["stalls"]),
        lines=None if lines is None else {file: tuple(_numbers(ranges)) for file, ranges in lines.items()},
        source=document["source"],
    )


def _ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Sorted numbers as first and last of each run."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _numbers(ranges: Iterable[Sequence[int]]) -> Iterable[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def save(trace: Trace, path: Path) -> None:
    """Write a trace file."""
    path.write_text(to_json(trace), encoding="utf-8", newline="\n")
