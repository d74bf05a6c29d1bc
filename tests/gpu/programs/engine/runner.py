# mypy: ignore-errors
"""The engine: prompts, decoding steps, results."""

from __future__ import annotations

import torch

from .graphs import DecodeGraph
from .model import ModelConfig, Transformer
from .readback import Readback
from .request import Request
from .sampler import Sampler
from .scheduler import Scheduler


class Engine:
    """Runs requests to their end.

    Args:
        slots: sequences of a decoding step.
        num_blocks: pages of the KV cache.
        eos: token that ends a sequence.
        lag: steps that are queued before the results of one are looked at.
    """

    def __init__(
        self,
        config: ModelConfig,
        device: torch.device,
        dtype: torch.dtype,
        slots: int,
        num_blocks: int,
        eos: int,
        lag: int = 2,
    ):
        self.config, self.device, self.slots, self.eos = config, device, slots, eos
        with torch.device(device):
            self.model = Transformer(config).to(dtype).eval()
        shape = (2, num_blocks, config.block_size, config.num_kv_heads, config.head_dim)
        self.caches = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_layers)]
        self.scheduler = Scheduler(slots, num_blocks, config.block_size)
        self.sampler = Sampler(slots, config.vocab_size, eos, device)
        self.readback = Readback(lag, slots, device)
        self.last_tokens = torch.zeros(slots, dtype=torch.int64, device=device)
        """The newest token of each slot: the next step takes it from here, the host need not know it."""
        self.tokens = torch.zeros(slots, dtype=torch.int64, device=device)
        self.positions = torch.zeros(slots, dtype=torch.int64, device=device)
        self.lengths = torch.ones(slots, dtype=torch.int64, device=device)
        self.slot_mapping = torch.zeros(slots, dtype=torch.int64, device=device)
        self.block_tables = torch.zeros(slots, config.max_blocks, dtype=torch.int64, device=device)
        self.graph = DecodeGraph(self._forward, device)
        self.finished: list[Request] = []

    def add(self, request: Request) -> None:
        self.scheduler.add(request)

    def has_work(self) -> bool:
        return self.scheduler.has_work()

    def step(self) -> int:
        """Queue one step; returns how many tokens it makes."""
        made = 0
        for request in self.scheduler.admit(most=1):
            self._prefill(request)
            made += 1
        batch = [r for r in self.scheduler.running if r.scheduled < r.params.max_tokens]
        if batch:
            self._decode(batch)
            made += len(batch)
        self._collect(self.readback.pop(everything=not batch))
        return made

    def _prefill(self, request: Request) -> None:
        self.sampler.admit(request)
        count = len(request.prompt)
        tokens = torch.tensor(request.prompt, dtype=torch.int64, device=self.device)
        positions = torch.arange(count, device=self.device)
        slots = torch.tensor([self._cache_slot(request, i) for i in range(count)], device=self.device)
        logits = self.model(tokens, positions, self.caches, slots)
        request.length = count
        self._sample(logits, [request])

    def _decode(self, batch: list[Request]) -> None:
        count = len(batch)
        for request in batch:
            request.length += 1
        slots = torch.tensor([r.slot for r in batch], dtype=torch.int64, device=self.device)
        self.tokens[:count] = self.last_tokens[slots]
        self.positions[:count] = torch.tensor([r.length - 1 for r in batch], device=self.device)
        self.lengths[:count].copy_(torch.tensor([r.length for r in batch]))
        mapping = [self._cache_slot(r, r.length - 1) for r in batch]
        self.slot_mapping[:count] = torch.tensor(mapping, device=self.device)
        most = self.config.max_blocks
        tables = [r.blocks + [0] * (most - len(r.blocks)) for r in batch]
        self.block_tables[:count] = torch.tensor(tables, dtype=torch.int64, device=self.device)
        # Rows that nobody uses in this step write to page 0.
        self.slot_mapping[count:].zero_()
        self.block_tables[count:].zero_()
        self.lengths[count:].fill_(1)
        logits = self.graph.replay()[:count]
        self._sample(logits, batch)

    def _forward(self) -> torch.Tensor:
        return self.model(
            self.tokens, self.positions, self.caches, self.slot_mapping, self.block_tables, self.lengths
        )

    def _sample(self, logits: torch.Tensor, batch: list[Request]) -> None:
        tokens = self.sampler.sample(logits, batch)
        slots = torch.tensor([r.slot for r in batch], dtype=torch.int64, device=self.device)
        self.last_tokens[slots] = tokens
        for request in batch:
            request.scheduled += 1
        self.readback.push(tokens, batch)

    def _cache_slot(self, request: Request, position: int) -> int:
        page, offset = divmod(position, self.config.block_size)
        return request.blocks[page] * self.config.block_size + offset

    def _collect(self, results: list[tuple[list[Request], list[int]]]) -> None:
        for requests, tokens in results:
            for request, token in zip(requests, tokens, strict=True):
                if request.finished:
                    continue  # made after the end, before anyone had seen it
                request.output.append(token)
                ended = token == self.eos or len(request.output) == request.params.max_tokens
                request.finished = ended
        self.finished.extend(self.scheduler.retire())
