"""Stands in for CUDA: makes the calls that CUPTI would call back for, at the line that asks for them.

All above it is real: the recorder pairs copies with waits, reads the stack and finds the user's line.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from types import FrameType, SimpleNamespace
from typing import Any

from h2dlint.runtime import guard_cuda, recorder
from h2dlint.runtime.cupti import ENTER, EXIT, H2D, Call, CuptiError

Sink = Callable[[int, Call, "FrameType | None"], None]

BYTES = 64
HELD_US = 20_000


class FakeCuda:
    """What a process has of CUDA: at most one subscriber, and calls that anybody may make."""

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.subscriptions = 0
        self.taken = False
        """Another profiler holds CUPTI."""
        self.missing = False
        """The library is not there."""

    def subscribe(self, sink: Sink) -> FakeCuda:
        if self.taken:
            raise CuptiError("another profiler holds CUPTI's callbacks in this process")
        if self.missing:
            raise CuptiError("CUPTI cannot be loaded: no library found")
        assert self.sink is None, "CUPTI has one subscriber"
        self.sink = sink
        self.subscriptions += 1
        return self

    def close(self) -> None:
        self.sink = None

    def copy(self, held_us: float = HELD_US, bytes: int = BYTES) -> None:
        """Copy to the device and wait for it, as ``torch.tensor(xs, device=d)`` does."""
        frame = sys._getframe(1)
        self._call(Call("cudaMemcpyAsync", waits=False, direction=H2D, bytes=bytes), frame, 2.0)
        self._call(Call("cudaStreamSynchronize", waits=True), frame, held_us - 2.0)

    def stage(self, held_us: float, bytes: int = BYTES) -> None:
        """Copy from pageable memory without waiting; the driver takes so long."""
        self._call(
            Call("cudaMemcpyAsync", waits=False, direction=H2D, bytes=bytes), sys._getframe(1), held_us
        )

    def pinned(self) -> None:
        """Copy from pinned memory without waiting."""
        call = Call("cudaMemcpyAsync", waits=False, direction=H2D, bytes=BYTES, pinned=True)
        self._call(call, sys._getframe(1), 1e6)

    def synchronize(self) -> None:
        """Wait for the device, as ``torch.cuda.synchronize()`` does."""
        self._call(Call("cudaDeviceSynchronize", waits=True), sys._getframe(1), HELD_US)

    def copy_without_python(self) -> None:
        """Copy and wait on a thread that runs no Python."""
        self._call(Call("cudaMemcpyAsync", waits=False, direction=H2D, bytes=BYTES), None, 2.0)
        self._call(Call("cudaStreamSynchronize", waits=True), None, HELD_US)

    def _call(self, call: Call, frame: FrameType | None, took_us: float) -> None:
        if self.sink is None:
            return
        call.began_ns = time.perf_counter_ns()
        self.sink(ENTER, call, frame)
        call.ended_ns = call.began_ns + round(took_us * 1000)
        self.sink(EXIT, call, frame)


cuda = FakeCuda()
"""That of this process: what a test copies with."""


@contextlib.contextmanager
def installed() -> Any:
    """Make guards of this process listen to a fresh ``cuda``."""
    saved = recorder.hub, guard_cuda.why_not, guard_cuda.unlikely
    cuda.__init__()  # type: ignore[misc]
    recorder.hub = recorder.Hub(subscribe=cuda.subscribe)
    guard_cuda.why_not = lambda: ""
    guard_cuda.unlikely = lambda: ""  # type: ignore[assignment]
    try:
        yield SimpleNamespace(cuda=cuda)
    finally:
        recorder.hub, guard_cuda.why_not, guard_cuda.unlikely = saved
