# mypy: ignore-errors
"""Results come to the host late: a step's tokens are looked at when the next ones are queued already."""

from __future__ import annotations

from collections import deque

import torch


class Readback:
    """Copies tokens to pinned memory behind the step that made them.

    Args:
        lag: steps that are queued before the results of one are looked at.
        size: tokens of a step, at most.
    """

    def __init__(self, lag: int, size: int, device: torch.device):
        self.cuda = device.type == "cuda"
        self.lag = lag
        # A step pushes twice where a prompt comes in; none of it may be written over before it was looked at.
        number = lag + 2
        self.buffers = [torch.empty(size, dtype=torch.int64, pin_memory=self.cuda) for _ in range(number)]
        self.pending = deque()
        self.steps = 0

    def push(self, tokens: torch.Tensor, requests: list) -> None:
        buffer = self.buffers[self.steps % len(self.buffers)]
        self.steps += 1
        buffer[: len(tokens)].copy_(tokens, non_blocking=True)
        event = None
        if self.cuda:
            event = torch.cuda.Event()
            event.record()
        self.pending.append((event, buffer, list(requests)))

    def pop(self, everything: bool = False) -> list[tuple[list, list[int]]]:
        """Requests and tokens of each step that is ``lag`` steps behind, or of all."""
        results = []
        while len(self.pending) > (0 if everything else self.lag):
            event, buffer, requests = self.pending.popleft()
            if event is not None:
                event.synchronize()
            results.append((requests, buffer[: len(requests)].tolist()))
        return results
