# mypy: ignore-errors
"""What is asked of the engine, and how far it got."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class SamplingParams:
    """How the next token of a request is chosen."""

    temperature: float = 1.0
    top_p: float = 1.0
    min_p: float = 0.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    banned_tokens: list[int] = field(default_factory=list)
    min_tokens: int = 0
    max_tokens: int = 64
    allowed_tokens: list[int] | None = None
    """The grammar of a constrained request: only these."""


@dataclass
class Request:
    """One sequence.

    Args:
        slot: its row in the state that is kept on the device; -1 while it waits.
        blocks: pages of the KV cache that it holds.
        length: tokens in the cache.
        scheduled: output tokens asked for; ``output`` is behind, because results are read back late.
    """

    index: int
    prompt: list[int]
    params: SamplingParams
    slot: int = -1
    blocks: list[int] = field(default_factory=list)
    length: int = 0
    scheduled: int = 0
    output: list[int] = field(default_factory=list)
    finished: bool = False
