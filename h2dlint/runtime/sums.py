"""Adding up the copies of one site."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Sum:
    """A site that is being added up; the figures are those of ``traces.Site``."""

    count: int = 0
    blocked: int = 0
    held_us: float = 0.0
    max_us: float = 0.0
    bytes: int = 0
    streams: set[object] = field(default_factory=set)

    def add(self, held_us: float, size: int, stream: object | None, blocked: bool) -> None:
        """Count one copy or wait.

        Args:
            held_us: host time in its CUDA calls, microseconds.
            size: bytes copied.
            stream: that it went to, ``None`` where that is not known.
            blocked: it held the host.
        """
        self.count += 1
        self.blocked += blocked
        self.held_us += held_us
        self.max_us = max(self.max_us, held_us)
        self.bytes += size
        if stream is not None:
            self.streams.add(stream)
