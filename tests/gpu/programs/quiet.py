# mypy: ignore-errors
"""A program with no blocking copy: what recording costs where nothing blocks.

A training loop whose batches come from pinned memory, and a decoding loop whose lengths go there the same way.
Prints the time of both loops as the last line; a loop that fails is told of and does not stop the other.
"""

from __future__ import annotations

import sys
import time
import traceback

import torch
from driving import options, record, report, seed, synchronize
from torch import nn
from torch.nn.functional import cross_entropy


def train(device: torch.device, steps: int, size: int, batch: int) -> list[torch.Tensor]:
    """Train a perceptron; the next batch is uploaded while the device works on this one."""
    seed()
    with torch.device(device):
        layers = [layer for _ in range(8) for layer in (nn.Linear(size, size), nn.LayerNorm(size), nn.GELU())]
        model = nn.Sequential(*layers, nn.Linear(size, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=device.type == "cuda")
    pinned = device.type == "cuda"
    inputs = torch.randn(4, batch, size)
    labels = torch.randint(0, 10, (4, batch))
    if pinned:
        inputs, labels = inputs.pin_memory(), labels.pin_memory()
    losses = []
    for step in range(steps):
        x = inputs[step % 4].to(device, non_blocking=True)
        y = labels[step % 4].to(device, non_blocking=True)
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    return losses


def decode(device: torch.device, steps: int, size: int, batch: int) -> torch.Tensor:
    """A recurrent step whose positions are worked out on the host, with pinned uploads."""
    seed()
    with torch.device(device):
        cell, head = nn.GRUCell(size, size), nn.Linear(size, 1000)
        state, tokens = torch.zeros(batch, size), torch.zeros(batch, dtype=torch.int64)
        embedding = nn.Embedding(1000, size)
    pinned = device.type == "cuda"
    with torch.inference_mode():
        for step in range(steps):
            positions = [step + row for row in range(batch)]
            offsets = torch.tensor(positions, pin_memory=pinned).to(device, non_blocking=True)
            temperatures = torch.tensor([1.0 + row / batch for row in range(batch)], pin_memory=pinned)
            scale = temperatures.to(device, non_blocking=True)
            state = cell(embedding(tokens) + offsets[:, None].cos(), state)
            tokens = (head(state) / scale[:, None]).argmax(dim=-1)
    return tokens


def main() -> bool:
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=4000)
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    steps, size, batch = (5, 32, 4) if chosen.tiny else (chosen.steps, 512, 256)
    seconds, failed = {}, {}
    for name, loop in (("train", train), ("decode", decode)):
        try:
            loop(device, min(steps, 50), size, batch)  # libraries are loaded, memory is taken
            synchronize(device)
            began = time.perf_counter()
            result = loop(device, steps, size, batch)
            synchronize(device)
            seconds[name] = round(time.perf_counter() - began, 5)
            record(name, result)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:500]
            print(f"loop {name} failed:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
    report(steps=steps, seconds=seconds, failed=failed, loop_s=round(sum(seconds.values()), 5))
    return not seconds


if __name__ == "__main__":
    sys.exit(main())
