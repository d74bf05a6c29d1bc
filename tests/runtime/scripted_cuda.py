"""A CUDA that does nothing but be asked: delivers the calls that CUPTI would, with times of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

from h2dlint.runtime.cupti import ENTER, EXIT, H2D, Call

CallSink = Callable[[int, Call, FrameType | None], None]


class ScriptedCuda:
    """Stands in for ``cupti.Subscription``.

    Each method makes the calls that PyTorch makes for one operator, as from the Python line that called the method.
    """

    def __init__(self) -> None:
        self.sink: CallSink | None = None
        self.subscriptions = 0
        self.now_ns = 1_000_000

    def subscribe(self, sink: CallSink) -> ScriptedCuda:
        assert self.sink is None, "CUPTI has one subscriber"
        self.sink = sink
        self.subscriptions += 1
        return self

    def close(self) -> None:
        self.sink = None

    def is_subscribed(self) -> bool:
        return self.sink is not None

    def call(self, call: Call, took_us: float, frame: FrameType | None) -> None:
        if self.sink is None:
            return
        self.sink(ENTER, call, frame)
        call.began_ns = self.now_ns
        self.now_ns += int(took_us * 1000)
        call.ended_ns = self.now_ns
        self.sink(EXIT, call, frame)

    def upload(
        self,
        size: int = 8,
        *,
        held_us: float = 100.0,
        pinned: bool = False,
        stream: int = 0,
        direction: str = H2D,
    ) -> None:
        """A copy that its operator waits for: ``torch.tensor(xs, device=d)``."""
        frame = sys._getframe(1)
        self.call(Call("cudaMemcpyAsync", False, direction, size, pinned, stream), 10.0, frame)
        self.call(Call("cudaStreamSynchronize", True, stream=stream), held_us - 10.0, frame)

    def send(self, size: int = 8, *, took_us: float = 10.0, pinned: bool = True) -> None:
        """A copy that nobody waits for: ``x.to(d, non_blocking=True)``."""
        self.call(Call("cudaMemcpyAsync", False, H2D, size, pinned), took_us, sys._getframe(1))

    def copy(self, size: int = 8, *, took_us: float = 10.0, direction: str = H2D) -> None:
        """A copy that is not asynchronous."""
        self.call(Call("cudaMemcpy", True, direction, size), took_us, sys._getframe(1))

    def synchronize(self, *, took_us: float = 10.0, name: str = "cudaDeviceSynchronize") -> None:
        """A wait that the program asks for."""
        self.call(Call(name, True), took_us, sys._getframe(1))

    def from_no_python(self) -> None:
        """A copy by a thread that runs no Python."""
        self.call(Call("cudaMemcpyAsync", False, H2D, 8), 10.0, None)
        self.call(Call("cudaStreamSynchronize", True), 10.0, None)
