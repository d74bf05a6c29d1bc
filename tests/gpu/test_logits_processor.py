"""The reference module: h2dlint fixes it, and on every batch only the waiting changes."""

from __future__ import annotations

import importlib
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from . import results
from .compare import differences
from .harness import Call, Held, Measured, held, measure_all
from .loading import Pair, load, load_pair
from .proof import compare, held_figures
from .stale import FIXED, REFERENCE, hashes_of_reference

pytestmark = pytest.mark.gpu

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "decode": {"mode": "DECODE"},
    "decode, everything": {
        "mode": "DECODE",
        "logprobs": True,
        "scaled": True,
        "top_k": True,
        "token_ids": True,
    },
    "extend": {"mode": "EXTEND"},
    "extend, logprobs": {"mode": "EXTEND", "logprobs": True},
    "extend, scaled logprobs": {"mode": "EXTEND", "logprobs": True, "scaled": True},
    "extend, top-k": {"mode": "EXTEND", "logprobs": True, "top_k": True},
    "extend, token ids": {"mode": "EXTEND", "logprobs": True, "token_ids": True},
    "extend, everything": {
        "mode": "EXTEND",
        "logprobs": True,
        "scaled": True,
        "top_k": True,
        "token_ids": True,
    },
    "mixed": {"mode": "MIXED"},
    "mixed, logprobs": {"mode": "MIXED", "logprobs": True},
    "mixed, everything": {
        "mode": "MIXED",
        "logprobs": True,
        "scaled": True,
        "top_k": True,
        "token_ids": True,
    },
}

SIZES: tuple[Mapping[str, Any], ...] = (
    {"num_seqs": 1, "max_extend_len": 1, "dtype": torch.float32},
    {"num_seqs": 1, "max_extend_len": 8, "dtype": torch.bfloat16},
    {"num_seqs": 2, "max_extend_len": 5, "dtype": torch.float32},
    {"num_seqs": 3, "max_extend_len": 64, "dtype": torch.bfloat16},
    {"num_seqs": 7, "max_extend_len": 33, "dtype": torch.float32, "hidden_size": 96, "vocab_size": 1000},
    {"num_seqs": 16, "max_extend_len": 16, "dtype": torch.bfloat16, "hidden_size": 256, "vocab_size": 1000},
    {"num_seqs": 16, "max_extend_len": 100, "dtype": torch.float32, "hidden_size": 256, "vocab_size": 4096},
    {"num_seqs": 33, "max_extend_len": 20, "dtype": torch.float16, "hidden_size": 512, "vocab_size": 32000},
    {"num_seqs": 64, "max_extend_len": 12, "dtype": torch.bfloat16, "hidden_size": 512, "vocab_size": 32000},
    {"num_seqs": 128, "max_extend_len": 4, "dtype": torch.float32, "hidden_size": 128, "vocab_size": 2048},
)

TIMED = 8
"""Index in ``SIZES`` of the size at which the time held is taken."""


@dataclass(frozen=True)
class Batch:
    """One batch of the proof: a variant at a size, with a seed of its own."""

    variant: str
    size: int
    seed: int

    @property
    def spec(self) -> dict[str, Any]:
        return {**VARIANTS[self.variant], **SIZES[self.size], "seed": self.seed}

    @property
    def uploads(self) -> bool:
        """Whether the module uploads what it worked out on the host."""
        return self.spec["mode"] != "DECODE" and bool(self.spec.get("logprobs"))

    def __str__(self) -> str:
        return f"{self.variant.replace(', ', '-').replace(' ', '-')}-{self.size}"


BATCHES = [
    Batch(variant, size, seed)
    for seed, (variant, size) in enumerate(itertools.product(VARIANTS, range(len(SIZES))))
]

each_batch = pytest.mark.parametrize("batch", BATCHES, ids=str)


@cache
def device() -> torch.device:
    return torch.device("cuda", 0)


@cache
def pair() -> Pair:
    """The package before and after, fixed as a user would: everything in the folder, default output."""
    return load_pair(REFERENCE, FIXED)


@cache
def lm_head(batch: Batch) -> Any:
    """The weights, from the original package, for both."""
    return _batches(load_original()).make_lm_head(_spec(load_original(), batch), device())


@cache
def load_original() -> Any:
    return load(REFERENCE)


def _batches(package: Any) -> Any:
    return _submodule(package, "batches")


def _submodule(package: Any, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


def _spec(package: Any, batch: Batch) -> Any:
    module = _batches(package)
    wishes = dict(batch.spec)
    return module.BatchSpec(mode=module.ForwardMode[wishes.pop("mode")], **wishes)


def _batch(package: Any, batch: Batch) -> Any:
    return _batches(package).make_batch(_spec(package, batch), device())


def _call(package: Any, batch: Batch) -> Call:
    """Forward of one batch. The batch is there already; the metadata is worked out from it each time."""
    module = _submodule(package, "logits_processor")
    processor = module.LogitsProcessor(logit_scale=0.5, final_logit_softcapping=30.0)
    data, head = _batch(package, batch), lm_head(batch)

    def call() -> object:
        with torch.inference_mode():
            metadata = module.LogitsMetadata.from_forward_batch(data)
            return processor(data.hidden_states, head, metadata)

    return call


@cache
def calls(batch: Batch) -> tuple[Call, Call]:
    return _call(pair().before, batch), _call(pair().after, batch)


@cache
def measured() -> dict[str, Measured]:
    """Every batch, before and after, in one profiler session."""
    wanted: dict[str, Call] = {}
    for batch in BATCHES:
        wanted[f"before {batch}"], wanted[f"after {batch}"] = calls(batch)
    return measure_all(wanted)


def seen(batch: Batch) -> tuple[Measured, Measured]:
    return measured()[f"before {batch}"], measured()[f"after {batch}"]


@cache
def times(variant: str) -> tuple[Held, Held]:
    before, after = calls(next(b for b in BATCHES if b.variant == variant and b.size == TIMED))
    return held(before), held(after)


@cache
def problems_of_outputs(batch: Batch) -> list[str]:
    inputs = differences(_batch(pair().before, batch), _batch(pair().after, batch))
    return [f"input: {line}" for line in inputs] + compare(*calls(batch))


def h2d_by_debug_mode(one: Measured) -> int:
    """Blocking uploads as the sync debug mode counts them.

    It does not say what was waited for. Where it counts as many waits as the profiler they are the same ones,
    in the same order; else what it counts beyond the profiler's other waits must be uploads.
    """
    if one.h2d_sites is not None:
        return len(one.h2d_sites)
    return len(one.sites) - len(one.activity.other_syncs)


def other_waits(one: Measured) -> list[tuple[str, str]]:
    """Cause and source line of each wait that is not for an upload."""
    if one.waits is None:
        return [(cause, "") for cause in one.activity.other_syncs]
    return [(sync.cause, site.text) for site, sync in one.waits if sync.kind != "h2d"]


def problems_of_waits(batch: Batch) -> list[str]:
    before, after = seen(batch)
    errors = [one.error for one in (before, after) if one.error]
    if errors:
        return errors
    problems = []
    for name, count_before, count_after in (
        ("profiler", before.activity.h2d_syncs, after.activity.h2d_syncs),
        ("sync debug mode", h2d_by_debug_mode(before), h2d_by_debug_mode(after)),
    ):
        if count_before < 3 if batch.uploads else count_before != 0:
            problems.append(f"{name}: {count_before} blocking uploads before the fixes")
        if count_after != 0:
            problems.append(f"{name}: {count_after} blocking uploads after the fixes")
    if after.activity.unwaited_pageable:
        problems.append(f"{after.activity.unwaited_pageable} staged uploads after the fixes")
    if other_waits(before) != other_waits(after):
        problems.append(f"waits with another cause: {other_waits(before)} became {other_waits(after)}")
    return problems


def test_there_are_enough_batches() -> None:
    assert len(BATCHES) >= 100
    assert len({str(batch) for batch in BATCHES}) == len(BATCHES)
    assert {batch.spec["mode"] for batch in BATCHES} == {"DECODE", "EXTEND", "MIXED"}


def test_h2dlint_changes_the_three_uploads() -> None:
    before, after = (
        (path / "logits_processor.py").read_text(encoding="utf-8")
        for path in (pair().before_path, pair().after_path)
    )
    assert before.count("torch.tensor(") == 3
    assert before.count("non_blocking=True") == 0
    assert after.count("non_blocking=True") == 3


@each_batch
def test_outputs_are_the_same(batch: Batch) -> None:
    assert not problems_of_outputs(batch)


@each_batch
def test_only_the_uploads_no_longer_wait(batch: Batch) -> None:
    assert not problems_of_waits(batch)


@pytest.mark.parametrize("variant", VARIANTS)
def test_time_held(variant: str) -> None:
    batch = next(b for b in BATCHES if b.variant == variant)
    reads_back = any(other_waits(seen(b)[1]) for b in BATCHES if b.variant == variant and b.size == TIMED)
    before, after = times(variant)
    assert before.waited == (batch.uploads or reads_back)
    assert after.waited == reads_back


def test_figures() -> None:
    """The summary for the documentation; recorded only if everything above holds."""
    wrong = {str(batch): lines for batch in BATCHES if (lines := problems_of_outputs(batch))}
    wrong |= {str(batch): lines for batch in BATCHES if (lines := problems_of_waits(batch))}
    assert not wrong
    hashes = hashes_of_reference()
    for variant in VARIANTS:
        group = [seen(batch) for batch in BATCHES if batch.variant == variant]
        figures: dict[str, Any] = {"batches": len(group)}
        for number, name in enumerate(("before", "after")):
            ones = [both[number] for both in group]
            figures[name] = {
                "h2d_syncs_per_batch": sorted({one.activity.h2d_syncs for one in ones}),
                "h2d_sync_debug_warnings_per_batch": sorted({h2d_by_debug_mode(one) for one in ones}),
                "copies": dict(sum((Counter(one.activity.copies) for one in ones), Counter())),
                "other_syncs": dict(sum((Counter(one.activity.other_syncs) for one in ones), Counter())),
                **held_figures(times(variant)[number]),
            }
        results.record(results.LOGITS_PROCESSOR, variant, hashes, figures)
