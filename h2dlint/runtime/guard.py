"""Fails if the code under it makes the host wait for a host-to-device copy.

    with no_blocking_h2d():
        engine.step(batch)

It listens to the recorder, so that it knows which line copied, on which thread, and how long the host was held. Torch's
sync debug mode, which is one for the whole process, is neither used nor changed. ``docs/guard.md`` is the page.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from types import FrameType
from typing import Any, Literal, Protocol, TypeVar, cast

from h2dlint.runtime import guard_cuda
from h2dlint.runtime.guard_scope import Block, Scope, scopes_here
from h2dlint.runtime.guard_text import BlockingLine, callers, describe, summary, traceback_to
from h2dlint.runtime.traces import STAGED, SYNC, Frame

F = TypeVar("F", bound=Callable[..., Any])

Threads = Literal["current", "all"]
THREADS: tuple[Threads, ...] = ("current", "all")

_LOGGER = logging.getLogger("h2dlint")

_TAKEN = "Only one tool can listen to CUDA: leave out torch.profiler, nsys or the like here, or leave out the guard."
_MISSING = "It needs the CUPTI library, which torch's packages for CUDA bring along."


class BlockingCopyError(AssertionError):
    """Host-to-device copies held the host where a guard forbids it.

    Args:
        text: says which lines, in full.
        lines: the same as data, the longest held first.
    """

    def __init__(self, text: str, lines: Sequence[BlockingLine] = ()) -> None:
        super().__init__(text)
        self.lines = tuple(lines)


class GuardError(RuntimeError):
    """A guard cannot see what the program copies, so it must not pass."""


class Event(Protocol):
    """One copy or wait, as ``recorder.Event`` tells it; times in microseconds."""

    @property
    def kind(self) -> str: ...
    @property
    def held_us(self) -> float: ...
    @property
    def bytes(self) -> int: ...
    @property
    def operator(self) -> str: ...
    @property
    def frames(self) -> tuple[Frame, ...]: ...
    @property
    def user(self) -> int: ...
    @property
    def thread(self) -> str: ...
    @property
    def blocked(self) -> bool: ...


class Listener(Protocol):
    """Hears events until it is closed."""

    def close(self) -> None: ...


class Recorder(Protocol):
    """The part of ``h2dlint.runtime.recorder`` that a guard needs."""

    def listen(self, callback: Callable[[Event], None], /) -> Listener: ...
    def flush_thread(self) -> None: ...


def _recorder() -> Recorder:
    # By name: it loads ctypes, which a program without a GPU has no need of.
    return cast(Recorder, import_module("h2dlint.runtime.recorder"))


class _Lines:
    """Copies added up by line, operator, kind and reason."""

    def __init__(self) -> None:
        self._lines: dict[tuple[object, ...], BlockingLine] = {}

    def add(self, event: Event, frames: tuple[Frame, ...], reason: str = "") -> None:
        new = BlockingLine(frames, event.operator, event.kind, reason=reason)
        line = self._lines.setdefault((new.place, new.operator, new.kind, reason), new)
        line.count += 1
        line.held_us += event.held_us
        line.max_us = max(line.max_us, event.held_us)
        line.bytes += event.bytes
        if event.thread not in line.threads:
            line.threads = (*line.threads, event.thread)

    def sorted(self) -> tuple[BlockingLine, ...]:
        """Copies of the lines, the longest held first."""
        lines = sorted(self._lines.values(), key=lambda line: (-line.held_us, line.place))
        return tuple(replace(line) for line in lines)


class Watch(Scope):
    """What one guard has seen since it was entered; ``with no_blocking_h2d() as guard`` gives it.

    Args:
        owner: the guard.
        over_all: an ``allow`` that was entered before it holds as well.
    """

    def __init__(self, owner: no_blocking_h2d, over_all: bool = False) -> None:
        self.over_all = over_all
        self.entered = _entered_by()
        # Re-entrant: a finalizer may run, and copy, while a line is being added.
        self._lock = threading.RLock()
        self._blocked, self._allowed, self._forgiven = _Lines(), _Lines(), _Lines()
        self._guard = owner
        self._recorder: Recorder | None = None
        self._listener: Listener | None = None
        if why := guard_cuda.why_not():
            _say_once(why)
        else:
            self._recorder = _recorder()
            # A copy that came before is none of this guard's.
            self._recorder.flush_thread()
        super().__init__(owner)
        if self._recorder is not None:
            try:
                self._listener = self._recorder.listen(self._heard)
            except RuntimeError as error:
                self.leave()
                # By the text, because to import cupti's errors here would load ctypes.
                taken = "another" in str(error)
                raise GuardError(
                    f"no_blocking_h2d() cannot see the copies of this process: {error}. {_TAKEN if taken else _MISSING}"
                ) from error
            _WATCHES.add(self)

    @property
    def watching(self) -> bool:
        """Whether anything is seen: false without a CUDA device."""
        return self._recorder is not None

    @property
    def blocked(self) -> tuple[BlockingLine, ...]:
        """Lines that held the host and may not, the longest held first."""
        return self._read(self._blocked)

    @property
    def allowed(self) -> tuple[BlockingLine, ...]:
        """Lines that held the host under ``allow``, with its reason."""
        return self._read(self._allowed)

    @property
    def forgiven(self) -> tuple[BlockingLine, ...]:
        """Lines that held the host within the warm-up."""
        return self._read(self._forgiven)

    def finish(self) -> None:
        """Stop listening, once all that was copied is told."""
        recorder, listener = self._recorder, self._listener
        self._listener = None
        if recorder is not None and listener is not None:
            recorder.flush_thread()
            self.leave()
            _WATCHES.discard(self)
            listener.close()
        else:
            self.leave()

    def _read(self, lines: _Lines) -> tuple[BlockingLine, ...]:
        with self._lock:
            return lines.sorted()

    def _heard(self, event: Event) -> None:
        # On the thread that was held, within the program's call: quick, and it must not raise.
        if not event.blocked or event.kind not in (SYNC, STAGED) or not self.open:
            return
        if self._guard.threads == "current" and not self.covers_here():
            return
        frames = callers(event.frames, event.user, self.entered)
        allowed = [scope for scope in scopes_here(_Allowed) if self.over_all or scope.serial > self.serial]
        with self._lock:
            if allowed:
                self._allowed.add(event, frames, allowed[-1].reason)
            elif self._guard.forgives(frames):
                self._forgiven.add(event, frames)
            else:
                self._blocked.add(event, frames)


class no_blocking_h2d(Block[Watch]):
    """Raise ``BlockingCopyError`` at the end of a block, or of a function, under which a copy held the host.

    Host-to-device copies that the host waited for count, and staged ones that the driver held it for. Other waits
    (``.item()``, ``torch.cuda.synchronize()``) do not. Without a CUDA device nothing is watched, which the log says
    once. Use it as ``with no_blocking_h2d() as guard:`` (``guard.allowed`` lists what ``allow`` let through) or as a
    decorator, ``@no_blocking_h2d()``. One object may be entered many times; its warm-up is counted over all of them.

    If the block raises, that exception goes on, and the copies are added to it as a note (Python 3.11).

    Args:
        warmup: each line may hold the host so many times before that counts: caches fill on the first use.
        threads: ``current`` counts the copies of the thread that enters the block (in an asyncio task: of the task
            and those that it starts); ``all`` those of the whole process, ``backward()`` on a GPU included, which runs
            on threads of its own.
        message: said first when it fails.

    Raises:
        TypeError, ValueError: an argument is none that it takes.
        GuardError: on entering, if another profiler holds CUPTI, so that nothing can be seen.
        BlockingCopyError: on leaving.
    """

    def __init__(self, *, warmup: int = 0, threads: Threads = "current", message: str = "") -> None:
        super().__init__()
        if isinstance(warmup, bool) or not isinstance(warmup, int):
            raise TypeError(f"warmup must be an int, not {warmup!r}")
        if warmup < 0:
            raise ValueError(f"warmup must not be negative: {warmup}")
        if threads not in THREADS:
            raise ValueError(f'threads must be "current" or "all", not {threads!r}')
        if not isinstance(message, str):
            raise TypeError(f"message must be a str, not {message!r}")
        self.warmup = warmup
        self.threads = threads
        self.message = message
        self._seen: Counter[tuple[str, int]] = Counter()
        self._seen_lock = threading.RLock()

    def forgives(self, frames: tuple[Frame, ...]) -> bool:
        """Count a copy of a line, and say whether it is within the warm-up."""
        place = (frames[0].file, frames[0].line) if frames else ("", 0)
        with self._seen_lock:
            self._seen[place] += 1
            return self._seen[place] <= self.warmup

    def _enter(self) -> Watch:
        return Watch(self)

    def _leave(self, scope: Watch, error: BaseException | None) -> None:
        __tracebackhide__ = True
        scope.finish()
        lines = scope.blocked
        if not lines:
            return
        if error is None:
            raise failure(lines, self.message)
        if isinstance(error, BlockingCopyError):
            # A guard inside this one has told of these.
            told = {line.place for line in error.lines}
            lines = tuple(line for line in lines if line.place not in told)
        if lines and isinstance(error, Exception) and hasattr(error, "add_note"):
            error.add_note(f"h2dlint: {summary(lines)}\n{describe(lines)}")


class _Allowed(Scope):
    """One time that ``allow`` was entered."""

    def __init__(self, owner: allow) -> None:
        self.reason = owner.reason
        super().__init__(owner)


class allow(Block[_Allowed]):
    """Let the copies under it hold the host, on this thread; a context manager and decorator.

    It is an exception to the guards around it. A guard that is entered under it is in force again.

    Args:
        reason: why they may; the guard's ``allowed`` shows it.

    Raises:
        TypeError, ValueError: the reason is no text, or empty.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        if not isinstance(reason, str):
            raise TypeError(f'allow() needs a reason: allow("read once a request"), not {reason!r}')
        if not reason.strip():
            raise ValueError("allow() needs a reason that is not empty")
        self.reason = reason.strip()

    def _enter(self) -> _Allowed:
        _flush()
        return _Allowed(self)

    def _leave(self, scope: _Allowed, error: BaseException | None) -> None:
        # A copy that nobody has waited for is told of now, while it is allowed.
        _flush()
        scope.leave()


_WATCHES: set[Watch] = set()
"""Those that listen; where there are none, ``allow`` costs next to nothing."""

_SAID: list[str] = []


def failure(lines: Sequence[BlockingLine], message: str = "") -> BlockingCopyError:
    """The error for some lines, with a traceback that ends at the first.

    Args:
        lines: the longest held first; at least one.
        message: said first.
    """
    head = f"{message}: {summary(lines)}" if message else summary(lines)
    advice = "h2dlint check says which of these lines it can rewrite; allow(reason) lets a copy be"
    error = BlockingCopyError(f"{head}\n\n{describe(lines)}\n\n{advice}", lines)
    return error.with_traceback(traceback_to(lines[0].frames))


def _flush() -> None:
    if _WATCHES:
        _recorder().flush_thread()


def _say_once(why: str) -> None:
    if not _SAID:
        _SAID.append(why)
        _LOGGER.warning("no_blocking_h2d() watches nothing: %s", why)


def _entered_by() -> tuple[str, str] | None:
    """File and function of the code that enters a guard."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(
        ("h2dlint.runtime.guard", "contextlib")
    ):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_code.co_name) if frame is not None else None
