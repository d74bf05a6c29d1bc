"""Tells which copies held the host: pairs the calls that CUDA is asked for, and passes on what came of them.

A host-to-device copy is one that the host waits for when the same Python instruction that asked for it goes on to
wait for the
stream of the copy: that is what PyTorch does inside one operator (``at::cuda::memcpy_and_sync``). A wait that
another instruction asks for, such as ``torch.cuda.synchronize()`` a line later, is a wait of its own.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from h2dlint.runtime.cupti import D2H, ENTER, H2D, Call, CuptiError, Subscription
from h2dlint.runtime.stacks import Chain, Chains, Key
from h2dlint.runtime.traces import ASYNC, STAGED, SYNC, WAIT, Frame

STAGED_FLOOR_US = 50.0
STAGED_US_PER_BYTE = 1 / 4000
STAGED_WHOLE_BYTES = 2 << 20
"""A staged copy held the host if its call took longer than ``STAGED_FLOOR_US`` and this much a byte (4 GB/s),
counted up to 2 MiB: up to there the driver copies at 10 GB/s and returns, and above it stays until the copy is done.
Measured on an H200: 0.1 ms for 1 MiB, 0.2 ms for 2 MiB, 10 ms behind queued work for 4 MiB, 3.8 ms for 16 MiB with
nothing queued."""


@dataclass(slots=True)
class Happened:
    """One copy or wait that is over.

    Args:
        kind: one of ``traces.KINDS``.
        call: the copy, or the wait.
        began_ns: when, by ``time.perf_counter_ns``.
        held_us: host time in the CUDA calls.
        blocked: it held the host.
        key: of the chain of frames.
        thread: name, and
        thread_id: as ``threading.get_ident`` gives it.
    """

    kind: str
    call: Call
    began_ns: int
    held_us: float
    blocked: bool
    key: Key
    thread: str
    thread_id: int


@dataclass(frozen=True, slots=True)
class Event:
    """What a listener is told; the attributes are those of ``traces.Site`` for one copy or wait."""

    kind: str
    held_us: float
    bytes: int
    pinned: bool
    operator: str
    frames: tuple[Frame, ...]
    user: int
    thread_id: int
    thread: str
    blocked: bool


class Source(Protocol):
    """What delivers calls: ``cupti.Subscription``, or a fake one in a test."""

    def close(self) -> None:
        """Deliver no more."""


Sink = Callable[[Happened], None]


_Place = tuple[int, int, int]
"""A frame, its code, for a frame that is gone leaves its address to the next, and the instruction that it was at."""


def _place(frame: FrameType | None) -> _Place:
    return (id(frame), id(frame.f_code), frame.f_lasti) if frame is not None else (0, 0, -1)


@dataclass(slots=True)
class _Pending:
    """A copy that nobody has waited for yet."""

    call: Call
    key: Key
    asked: _Place


@dataclass(slots=True)
class _Thread:
    """What is known of one thread."""

    name: str
    ident: int
    owner: weakref.ref[threading.Thread] | None = None
    pending: _Pending | None = None
    waits_for: _Pending | None = None
    wait_key: Key = ()
    suspended: int = 0


class Pairing:
    """Turns calls, as they begin and end, into what happened.

    Args:
        tell: gets what happened, on the thread where it did.
    """

    def __init__(self, tell: Sink) -> None:
        self.chains = Chains()
        self._tell = tell
        # By their ids, because C++ threads lose what is local to a thread whenever Python code of theirs ends.
        self._threads: dict[int, _Thread] = {}

    def _thread(self) -> _Thread:
        """That of whoever asks."""
        ident = threading.get_ident()
        owner = _ACTIVE.get(ident)
        known = self._threads.get(ident)
        if known is not None and (known.owner() if known.owner is not None else None) is owner:
            return known
        if known is not None:
            # A thread that has ended; its id is given to this one.
            self._flush(known)
        known = _Thread(_thread_name(owner), ident, weakref.ref(owner) if owner is not None else None)
        self._threads[ident] = known
        return known

    def sink(self, phase: int, call: Call, frame: FrameType | None) -> None:
        """Take the beginning (``ENTER``) or the end of a call, on the thread that makes it."""
        thread = self._thread()
        if thread.suspended:
            return
        if phase == ENTER:
            self._enter(thread, call, frame)
        else:
            self._exit(thread, call)

    def _enter(self, thread: _Thread, call: Call, frame: FrameType | None) -> None:
        pending = thread.pending
        if call.waits and not call.direction:
            belongs = (
                pending is not None
                and pending.call.stream == call.stream
                and call.name == "cudaStreamSynchronize"
                and _place(frame) == pending.asked
            )
            if belongs:
                thread.waits_for = pending
            else:
                self._flush(thread)
                thread.waits_for = None
                thread.wait_key = self.chains.take(frame)
            return
        self._flush(thread)
        if call.direction in (H2D, D2H):
            thread.pending = _Pending(call, self.chains.take(frame), _place(frame))

    def _exit(self, thread: _Thread, call: Call) -> None:
        if call.direction:
            # A copy; one that is not asynchronous has waited by itself.
            if call.waits and thread.pending is not None and thread.pending.call is call:
                pending, thread.pending = thread.pending, None
                self._over(thread, pending, SYNC if call.direction == H2D else WAIT, _took(call), True)
            return
        waited_for, thread.waits_for = thread.waits_for, None
        if waited_for is None:
            key, thread.wait_key = thread.wait_key, ()
            self._over(thread, _Pending(call, key, _place(None)), WAIT, _took(call), True)
            return
        thread.pending = None
        kind = SYNC if waited_for.call.direction == H2D else WAIT
        self._over(thread, waited_for, kind, _took(waited_for.call) + _took(call), True)

    def flush(self) -> None:
        """Nothing more is to come on this thread for now: a copy that nobody waited for is over."""
        self._flush(self._thread())

    def forget(self) -> None:
        """What an earlier subscription left half told is nobody's business now."""
        for thread in tuple(self._threads.values()):
            thread.pending = thread.waits_for = None

    def flush_all(self) -> None:
        """Nothing more is to come on any thread: the last copies of threads that have ended are over too."""
        for thread in tuple(self._threads.values()):
            self._flush(thread)

    def _flush(self, thread: _Thread) -> None:
        pending, thread.pending = thread.pending, None
        if pending is None or pending.call.direction != H2D or not pending.call.ended_ns:
            return
        held = _took(pending.call)
        if pending.call.pinned:
            self._over(thread, pending, ASYNC, held, False)
        else:
            self._over(thread, pending, STAGED, held, staged_holds(held, pending.call.bytes))

    def _over(self, thread: _Thread, pending: _Pending, kind: str, held_us: float, blocked: bool) -> None:
        call = pending.call
        self._tell(
            Happened(kind, call, call.began_ns, held_us, blocked, pending.key, thread.name, thread.ident)
        )

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Leave out what this thread does meanwhile."""
        self.flush()
        thread = self._thread()
        thread.suspended += 1
        try:
            yield
        finally:
            thread.suspended -= 1


def staged_holds(held_us: float, size: int) -> bool:
    """Whether a copy that was staged held the host, and not only took its call.

    Args:
        held_us: how long the call took.
        size: bytes copied.
    """
    return held_us > STAGED_FLOOR_US + min(size, STAGED_WHOLE_BYTES) * STAGED_US_PER_BYTE


def _took(call: Call) -> float:
    return (call.ended_ns - call.began_ns) / 1e3


_ACTIVE: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
"""Threads by id. ``threading.current_thread`` would make up an object for threads that C++ started."""


def _thread_name(owner: threading.Thread | None) -> str:
    """Name of this thread."""
    if owner is not None:
        return owner.name
    with suppress(OSError):
        return Path(f"/proc/self/task/{threading.get_native_id()}/comm").read_text().strip()
    return f"thread {threading.get_ident()}"


class Listener:
    """Somebody who is told what happens until ``close``."""

    def __init__(self, hub: Hub, sink: Sink) -> None:
        self._hub = hub
        self.sink = sink

    def close(self) -> None:
        """Hear no more. Closing twice does nothing."""
        self._hub.remove(self)


@dataclass
class Hub:
    """Shares the one subscription that a process may have between those who listen.

    Args:
        subscribe: starts to deliver calls to a sink; raises ``CuptiError`` if that cannot be.
    """

    subscribe: Callable[[Callable[[int, Call, FrameType | None], None]], Source] = Subscription
    _listeners: tuple[Listener, ...] = ()
    _source: Source | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.pairing = Pairing(self._tell)

    def add(self, sink: Sink) -> Listener:
        """Tell ``sink`` of all that happens from now on, on the threads where it happens.

        Raises:
            CuptiError: nothing can be recorded in this process.
        """
        listener = Listener(self, sink)
        with self._lock:
            if self._source is None:
                self.pairing.forget()
                self._source = self.subscribe(self.pairing.sink)
            self._listeners = (*self._listeners, listener)
        return listener

    def remove(self, listener: Listener) -> None:
        """Undo ``add``; the last one to go ends the subscription."""
        self.pairing.flush()
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
            if not self._listeners and self._source is not None:
                source, self._source = self._source, None
                source.close()

    def _tell(self, happened: Happened) -> None:
        for listener in self._listeners:
            listener.sink(happened)

    def chain(self, happened: Happened) -> Chain:
        """The frames behind what happened."""
        return self.pairing.chains[happened.key]

    def event(self, happened: Happened) -> Event:
        """What happened, with the frames spelt out."""
        chain = self.chain(happened)
        return Event(
            kind=happened.kind,
            held_us=happened.held_us,
            bytes=happened.call.bytes,
            pinned=happened.call.pinned,
            operator=chain.operator,
            frames=chain.frames,
            user=chain.user,
            thread_id=happened.thread_id,
            thread=happened.thread,
            blocked=happened.blocked,
        )


hub = Hub()
"""That of this process."""


def listen(callback: Callable[[Event], None]) -> Listener:
    """Call back after each copy or wait, on the thread where it happened, until the listener is closed.

    A copy that nobody waits for is told of when the next one begins on its thread, or with ``flush_thread``.

    Raises:
        CuptiError: CUPTI cannot be used, or another profiler holds it.
    """
    return hub.add(lambda happened: callback(hub.event(happened)))


def flush_thread() -> None:
    """Tell of a copy of this thread that nobody has waited for."""
    hub.pairing.flush()


@contextmanager
def suspended() -> Iterator[None]:
    """What this thread copies meanwhile is not recorded: it is ours and not the program's."""
    with hub.pairing.suspended():
        yield


__all__ = ["CuptiError", "Event", "Happened", "Hub", "Listener", "flush_thread", "hub", "listen", "suspended"]
