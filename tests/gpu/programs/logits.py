# mypy: ignore-errors
"""The reference logits processor behind a model's work, as an engine calls it, batch after batch.

`h2dlint verify --unsafe-fixes --path fixtures/logits_processor -- python tests/gpu/programs/logits.py`
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import torch
from driving import options, record, report, seed, synchronize

from fixtures.logits_processor.batches import BatchSpec, ForwardBatch, ForwardMode, make_batch, make_lm_head
from fixtures.logits_processor.logits_processor import LogitsMetadata, LogitsProcessor

WISHES = (
    {"logprobs": True},
    {"logprobs": True, "scaled": True},
    {"logprobs": True, "top_k": True},
    {"logprobs": True, "scaled": True, "top_k": True, "token_ids": True},
    {},
)


def specs(tiny: bool) -> list[BatchSpec]:
    """Batches of every kind that extends, and of some that only decode."""
    sizes = (
        {"num_seqs": 3, "max_extend_len": 5, "hidden_size": 32, "vocab_size": 101, "dtype": torch.float32}
        if tiny
        else {
            "num_seqs": 64,
            "max_extend_len": 12,
            "hidden_size": 1024,
            "vocab_size": 32000,
            "dtype": torch.bfloat16,
        }
    )
    modes = (ForwardMode.EXTEND, ForwardMode.MIXED, ForwardMode.DECODE)
    made = []
    for number, (mode, wish) in enumerate(itertools.product(modes, WISHES)):
        made.append(BatchSpec(mode=mode, seed=number, **wish, **sizes))
    return made


class Model:
    """Stands for the layers before: work that is queued when the logits processor is called.

    Args:
        size: of the square weights.
        depth: how many of them; 24 of 6144 are some 15 ms of an H200.
    """

    def __init__(self, size: int, depth: int, device: torch.device):
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        generator = torch.Generator(device=device).manual_seed(1)
        self.weight = torch.randn(size, size, generator=generator, device=device, dtype=dtype)
        self.state = torch.randn(size, size, generator=generator, device=device, dtype=dtype)
        self.depth = depth

    def __call__(self) -> None:
        state = self.state
        for _ in range(self.depth):
            state = torch.nn.functional.normalize(state @ self.weight, dim=-1)


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on the device, moved so that nothing blocks: what is left to count is the module's."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def sent_batch(batch: ForwardBatch, device: torch.device) -> ForwardBatch:
    """The same batch on the device, except for what its fields say is on the host."""
    there = batch.to(device) if device.type != "cuda" else batch
    moved = {
        field.name: sent(getattr(there, field.name), device)
        for field in dataclasses.fields(there)
        if isinstance(getattr(there, field.name), torch.Tensor)
    }
    return dataclasses.replace(there, **moved)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="how often each batch comes")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    seed()
    model = Model(64, 2, device) if chosen.tiny else Model(6144, 24, device)
    processor = LogitsProcessor(logit_scale=0.5, final_logit_softcapping=30.0)
    wanted = specs(chosen.tiny)
    head = make_lm_head(wanted[0])
    head.weight.data = sent(head.weight.data, device)
    batches = [sent_batch(make_batch(spec), device) for spec in wanted]
    kept, held = [], []
    with torch.inference_mode():
        for number in range(1 if chosen.tiny else 1 + chosen.rounds):
            outputs = []
            for batch in batches:
                synchronize(device)
                model()
                began = time.perf_counter()
                metadata = LogitsMetadata.from_forward_batch(batch)
                outputs.append(processor(batch.hidden_states, head, metadata))
                # The first round fills caches.
                if number or chosen.tiny:
                    held.append((time.perf_counter() - began) * 1e3)
            kept = outputs
        synchronize(device)
    for spec, output in zip(wanted, kept, strict=True):
        record(f"{spec.mode.name.lower()} {spec.seed}", output)
    report(batches=len(held), host_ms_per_batch=round(sum(held) / len(held), 4))


if __name__ == "__main__":
    main()
