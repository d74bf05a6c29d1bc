# mypy: ignore-errors
"""Who runs in the next step: continuous batching over a fixed number of slots."""

from __future__ import annotations

from collections import deque

from .request import Request


class Scheduler:
    """Admits requests while there are slots and pages, takes finished ones out.

    Args:
        max_running: slots.
        num_blocks: pages of the KV cache; page 0 is where padding writes to.
        block_size: tokens in a page.
    """

    def __init__(self, max_running: int, num_blocks: int, block_size: int):
        self.block_size = block_size
        self.free_slots = list(range(max_running))[::-1]
        self.free_blocks = deque(range(1, num_blocks))
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []

    def add(self, request: Request) -> None:
        self.waiting.append(request)

    def has_work(self) -> bool:
        return bool(self.waiting or self.running)

    def admit(self, most: int) -> list[Request]:
        """Requests that start in this step; they hold all pages that they can ever need."""
        admitted = []
        while self.waiting and self.free_slots and len(admitted) < most:
            request = self.waiting[0]
            tokens = len(request.prompt) + request.params.max_tokens + 1
            pages = -(-tokens // self.block_size)
            if pages > len(self.free_blocks):
                break
            self.waiting.popleft()
            request.slot = self.free_slots.pop()
            request.blocks = [self.free_blocks.popleft() for _ in range(pages)]
            self.running.append(request)
            admitted.append(request)
        return admitted

    def retire(self) -> list[Request]:
        """Take out what is finished; nothing of it may be in flight."""
        retired = [request for request in self.running if request.finished]
        for request in retired:
            self.free_slots.append(request.slot)
            self.free_blocks.extend(request.blocks)
        self.running = [request for request in self.running if not request.finished]
        return retired
