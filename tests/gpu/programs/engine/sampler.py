# mypy: ignore-errors
"""From logits to the next token of each request."""

from __future__ import annotations

import numpy as np
import torch

from .request import Request

NEGATIVE = float("-inf")


class Sampler:
    """Penalties, biases, temperature, min-p and top-p, as each request wants them.

    Args:
        slots: rows of the state on the device.
        vocab_size: columns of it.
        eos: token that ends a sequence.
    """

    def __init__(self, slots: int, vocab_size: int, eos: int, device: torch.device):
        self.vocab_size = vocab_size
        self.eos = eos
        self.device = device
        self.counts = torch.zeros(slots, vocab_size, dtype=torch.int32, device=device)
        """How often each token was put out, by slot."""
        self.in_prompt = torch.zeros(slots, vocab_size, dtype=torch.bool, device=device)
        self.masks: dict[int, np.ndarray] = {}

    def admit(self, request: Request) -> None:
        """Start the state of a request."""
        self.counts[request.slot] = 0
        self.in_prompt[request.slot] = False
        prompt = torch.tensor(request.prompt, dtype=torch.int64, device=self.device)
        self.in_prompt[request.slot, prompt] = True
        if request.params.allowed_tokens is not None:
            mask = np.ones(self.vocab_size, dtype=bool)
            mask[request.params.allowed_tokens] = False
            self.masks[request.index] = mask

    def sample(self, logits: torch.Tensor, requests: list[Request]) -> torch.Tensor:
        """Choose tokens.

        Args:
            logits: [S, V], float32; changed in place.
            requests: one for each row.

        Returns:
            [S], int64, on the device.
        """
        slots = torch.tensor([r.slot for r in requests], dtype=torch.int64, device=self.device)
        self._apply_penalties(logits, slots, requests)
        self._apply_bias(logits, requests)
        self._apply_masks(logits, requests)
        probs = self._probs(logits, requests)
        # The largest of p / Exp(1) is a draw from p, and nobody asks the device how many there are.
        tokens = probs.div_(torch.empty_like(probs).exponential_()).argmax(dim=-1)
        greedy = torch.tensor([r.params.temperature == 0.0 for r in requests], device=self.device)
        tokens = torch.where(greedy, logits.argmax(dim=-1), tokens)
        self.counts[slots, tokens] += 1
        return tokens

    def _apply_penalties(self, logits: torch.Tensor, slots: torch.Tensor, requests: list[Request]) -> None:
        params = [r.params for r in requests]
        frequency = torch.tensor([p.frequency_penalty for p in params], dtype=torch.float32).to(self.device)
        presence = torch.tensor([p.presence_penalty for p in params], dtype=torch.float32).to(self.device)
        repetition = torch.tensor(
            [p.repetition_penalty for p in params], dtype=torch.float32, device=self.device
        )
        counts = self.counts[slots]
        seen = (counts > 0) | self.in_prompt[slots]
        factor = torch.where(logits > 0, 1.0 / repetition[:, None], repetition[:, None])
        logits.mul_(torch.where(seen, factor, torch.tensor(1.0, device=self.device)))
        logits.sub_(frequency[:, None] * counts)
        logits.sub_(presence[:, None] * (counts > 0))

    def _apply_bias(self, logits: torch.Tensor, requests: list[Request]) -> None:
        rows, columns, values = [], [], []
        for row, request in enumerate(requests):
            for token, bias in request.params.logit_bias.items():
                rows.append(row)
                columns.append(token)
                values.append(bias)
        if rows:
            rows_gpu = torch.tensor(rows, device=logits.device)
            columns_gpu = torch.tensor(columns, device=logits.device)
            logits[rows_gpu, columns_gpu] += torch.tensor(values, dtype=logits.dtype, device=logits.device)

    def _apply_masks(self, logits: torch.Tensor, requests: list[Request]) -> None:
        early = [i for i, r in enumerate(requests) if r.scheduled < r.params.min_tokens]
        if early:
            logits[early, self.eos] = NEGATIVE
        for row, request in enumerate(requests):
            if request.params.banned_tokens:
                logits[row, request.params.banned_tokens] = NEGATIVE
        constrained = [i for i, r in enumerate(requests) if r.index in self.masks]
        if constrained:
            stacked = np.stack([self.masks[requests[i].index] for i in constrained])
            mask = torch.from_numpy(stacked).to(self.device)
            rows = torch.as_tensor(constrained, device=self.device)
            logits[rows] = logits[rows].masked_fill(mask, NEGATIVE)

    def _probs(self, logits: torch.Tensor, requests: list[Request]) -> torch.Tensor:
        temperatures = torch.tensor(
            [r.params.temperature or 1.0 for r in requests], dtype=torch.float32, device=self.device
        )
        top_ps = torch.tensor([r.params.top_p for r in requests], dtype=torch.float32, device=self.device)
        min_ps = np.array([r.params.min_p for r in requests], dtype=np.float32)
        min_ps_gpu = torch.from_numpy(min_ps).to(self.device)
        probs = torch.softmax(logits / temperatures[:, None], dim=-1)
        ordered, order = probs.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(dim=-1) - ordered
        least = ordered[:, :1] * min_ps_gpu[:, None]
        ordered = ordered.masked_fill((before > top_ps[:, None]) | (ordered < least), 0.0)
        return torch.zeros_like(probs).scatter_(1, order, ordered)
