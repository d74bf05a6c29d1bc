# mypy: ignore-errors
"""A decoder-only transformer over a paged KV cache."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class ModelConfig:
    vocab_size: int = 32000
    hidden_size: int = 2048
    intermediate_size: int = 5632
    num_layers: int = 16
    num_heads: int = 16
    num_kv_heads: int = 4
    head_dim: int = 128
    block_size: int = 16
    max_blocks: int = 32
    """Pages of the longest sequence."""


SIZES = {
    "1b": ModelConfig(),
    "7b": ModelConfig(hidden_size=4096, intermediate_size=11008, num_layers=32, num_heads=32, num_kv_heads=8),
}
"""Sizes of common models: of the smaller one a step is short work for a large GPU."""


class RMSNorm(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, 1e-6)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of [T, heads, D] by [T, 1, D/2]."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Layer(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        heads, kv_heads, dim = config.num_heads, config.num_kv_heads, config.head_dim
        self.split = [heads * dim, kv_heads * dim, kv_heads * dim]
        self.qkv = nn.Linear(config.hidden_size, sum(self.split), bias=False)
        self.out = nn.Linear(heads * dim, config.hidden_size, bias=False)
        self.gate_up = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.norm1 = RMSNorm(config.hidden_size)
        self.norm2 = RMSNorm(config.hidden_size)

    def forward(self, x, cos, sin, cache, slots, tables, mask):
        """One layer for [T, H].

        Args:
            cache: [2, blocks, block size, kv heads, D], written at ``slots`` [T].
            tables: [S, pages] of a decoding step; ``None`` for a prompt, which attends to itself alone.
            mask: [S, 1, 1, keys] of a decoding step.
        """
        dim = self.config.head_dim
        q, k, v = self.qkv(self.norm1(x)).split(self.split, dim=-1)
        q = rotate(q.view(len(x), -1, dim), cos, sin)
        k = rotate(k.view(len(x), -1, dim), cos, sin)
        v = v.view(len(x), -1, dim)
        flat = cache.flatten(1, 2)
        flat[0].index_copy_(0, slots, k)
        flat[1].index_copy_(0, slots, v)
        if tables is None:
            q, k, v = (t.transpose(0, 1).unsqueeze(0) for t in (q, k, v))
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            out = out.squeeze(0).transpose(0, 1)
        else:
            keys, values = (cache[i][tables].flatten(1, 2).transpose(1, 2) for i in (0, 1))
            # The query heads of a group are the queries of one key head: no copy of the keys is needed.
            grouped = q.view(len(x), self.config.num_kv_heads, -1, dim)
            out = F.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask)
        x = x + self.out(out.reshape(len(x), -1))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class Transformer(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.num_layers)])
        self.norm = RMSNorm(config.hidden_size)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        longest = config.block_size * config.max_blocks
        frequencies = 10000.0 ** (-torch.arange(0, config.head_dim, 2) / config.head_dim)
        angles = torch.outer(torch.arange(longest).float(), frequencies)
        self.register_buffer("cos", angles.cos().unsqueeze(1), persistent=False)
        self.register_buffer("sin", angles.sin().unsqueeze(1), persistent=False)

    def forward(self, tokens, positions, caches, slots, tables=None, lengths=None):
        """Logits [T, V] in float32; the arguments are as those of a layer, ``lengths`` [S] with the new token."""
        x = self.embed(tokens)
        cos, sin = self.cos[positions], self.sin[positions]
        mask = None
        if tables is not None:
            keys = torch.arange(tables.shape[1] * self.config.block_size, device=tokens.device)
            mask = (keys[None, :] < lengths[:, None])[:, None, None, :]
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, cos, sin, cache, slots, tables, mask)
        if tables is None:
            x = x[-1:]
        return self.head(self.norm(x)).float()
