"""The reference module computes what it says: checked against plain loops in double precision, on the CPU."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from tests.gpu.compare import differences
from tests.gpu.loading import load
from tests.gpu.stale import FIXED, REFERENCE, copy_to, h2dlint_fix

PACKAGE = load(REFERENCE)
BATCHES: Any = importlib.import_module(f"{PACKAGE.__name__}.batches")
MODULE: Any = importlib.import_module(f"{PACKAGE.__name__}.logits_processor")
MODES = BATCHES.ForwardMode

EVERYTHING = {"logprobs": True, "scaled": True, "top_k": True, "token_ids": True}
WISHES: dict[str, dict[str, bool]] = {
    "nothing": {},
    "logprobs": {"logprobs": True},
    "scaled": {"logprobs": True, "scaled": True},
    "top-k": {"logprobs": True, "top_k": True},
    "token ids": {"logprobs": True, "token_ids": True},
    "everything": EVERYTHING,
}
SIZES = [(1, 1), (1, 9), (2, 3), (5, 7), (12, 20)]
"""Sequences, and the most new tokens that one may have."""

SPECS = [
    BATCHES.BatchSpec(mode, num_seqs, longest, hidden_size=24, vocab_size=50, seed=seed, **WISHES[wish])
    for seed, (mode, wish, (num_seqs, longest)) in enumerate(itertools.product(MODES, WISHES, SIZES))
]

SCALE = 0.7
CAP = 5.0


def spec_id(spec: Any) -> str:
    wishes = "-".join(name for name in EVERYTHING if getattr(spec, name)) or "nothing"
    return f"{spec.mode.name.lower()}-{wishes}-{spec.num_seqs}x{spec.max_extend_len}"


every_spec = pytest.mark.parametrize("spec", SPECS, ids=spec_id)


def forward(batch: Any, head: Any) -> Any:
    processor = MODULE.LogitsProcessor(logit_scale=SCALE, final_logit_softcapping=CAP)
    return processor(batch.hidden_states, head, MODULE.LogitsMetadata.from_forward_batch(batch))


# The slow reference: one token at a time, Python floats.


def slow_logits(state: list[float], weight: list[list[float]]) -> list[float]:
    logits = [SCALE * sum(a * b for a, b in zip(state, row, strict=True)) for row in weight]
    return [CAP * math.tanh(logit / CAP) for logit in logits]


def slow_logprobs(logits: list[float], temperature: float, top_p: float) -> list[float]:
    scaled = [logit / temperature for logit in logits]
    total = math.fsum(map(math.exp, scaled))
    probs = [math.exp(logit) / total for logit in scaled]
    kept: set[int] = set()
    mass = 0.0
    for token in sorted(range(len(probs)), key=lambda token: -probs[token]):
        if mass > top_p:
            break
        kept.add(token)
        mass += probs[token]
    return [math.log(prob / mass) if token in kept else -math.inf for token, prob in enumerate(probs)]


class Slow:
    """What the module should say of one batch."""

    def __init__(self, batch: Any, head: Any) -> None:
        self.batch = batch
        states = batch.hidden_states.double().tolist()
        weight = head.weight.double().tolist()
        self.logits = [slow_logits(state, weight) for state in states]
        self.lens = batch.extend_seq_lens_cpu or [1] * len(states)
        self.ends = list(itertools.accumulate(self.lens))

    def next_logits(self) -> list[list[float]]:
        return [self.logits[end - 1] for end in self.ends]

    def wanted(self) -> list[list[int]]:
        """Of each sequence, the tokens whose log-probability is wanted."""
        starts = self.batch.extend_logprob_start_lens_cpu
        return [
            list(range(end - length + start, end))
            for end, length, start in zip(self.ends, self.lens, starts, strict=True)
        ]

    def logprobs(self, sequence: int, token: int) -> list[float]:
        batch = self.batch
        temperature = float(batch.temperature[sequence]) if batch.temp_scaled_logprobs else 1.0
        top_p = float(batch.top_p[sequence]) if batch.top_p_normalized_logprobs else math.inf
        return slow_logprobs(self.logits[token], temperature, top_p)

    def top(self, sequence: int, token: int) -> list[float]:
        number = self.batch.top_logprobs_nums[sequence]
        return sorted(self.logprobs(sequence, token), reverse=True)[:number]

    def at_ids(self, sequence: int, token: int) -> list[float]:
        logprobs = self.logprobs(sequence, token)
        return [logprobs[token_id] for token_id in self.batch.token_ids_logprobs[sequence] or []]


def close(left: Any, right: Any) -> bool:
    """Equal nesting and lengths, and equal numbers but for rounding."""
    if isinstance(left, list) or isinstance(right, list):
        return len(left) == len(right) and all(itertools.starmap(close, zip(left, right, strict=True)))
    return math.isclose(left, right, rel_tol=1e-4, abs_tol=1e-4)


def test_the_comparison_can_fail() -> None:
    assert close([[1.0, -math.inf], []], [[1.0, -math.inf], []])
    assert not close([1.0], [1.001])
    assert not close([[1.0]], [[1.0], []])
    assert not close([-math.inf], [-9.0])


@every_spec
def test_next_tokens(spec: Any) -> None:
    batch, head = BATCHES.make_batch(spec), BATCHES.make_lm_head(spec)
    output, slow = forward(batch, head), Slow(batch, head)
    assert output.next_token_logits.shape == (spec.num_seqs, spec.vocab_size)
    assert output.next_token_logits.dtype == torch.float32
    assert close(output.next_token_logits.tolist(), slow.next_logits())

    last = [(sequence, end - 1) for sequence, end in enumerate(slow.ends)]
    if any(batch.top_logprobs_nums or []):
        assert close(output.next_token_top_logprobs_val, [slow.top(*place) for place in last])
        for place, values, ids in zip(
            last, output.next_token_top_logprobs_val, output.next_token_top_logprobs_idx, strict=True
        ):
            assert close([slow.logprobs(*place)[token] for token in ids], values)
            assert len(set(ids)) == len(ids)
    else:
        assert output.next_token_top_logprobs_val is output.next_token_top_logprobs_idx is None
    if any(ids is not None for ids in batch.token_ids_logprobs or []):
        assert close(output.next_token_token_ids_logprobs, [slow.at_ids(*place) for place in last])
    else:
        assert output.next_token_token_ids_logprobs is None


@every_spec
def test_input_tokens(spec: Any) -> None:
    batch, head = BATCHES.make_batch(spec), BATCHES.make_lm_head(spec)
    output, slow = forward(batch, head), Slow(batch, head)
    if not (spec.logprobs and spec.mode.is_extend()):
        assert output.input_token_logprobs is None
        assert output.input_top_logprobs_val is output.input_token_ids_logprobs is None
        return
    places = [(sequence, token) for sequence, tokens in enumerate(slow.wanted()) for token in tokens]
    following = batch.extend_input_logprob_token_ids.tolist()
    expected = [slow.logprobs(*place)[token] for place, token in zip(places, following, strict=True)]
    assert output.input_token_logprobs.dtype == torch.float32
    assert close(output.input_token_logprobs.tolist(), expected)

    if any(batch.top_logprobs_nums):
        nested = [
            [slow.top(sequence, token) for token in tokens] for sequence, tokens in enumerate(slow.wanted())
        ]
        assert close(output.input_top_logprobs_val, nested)
        flat_values = list(itertools.chain.from_iterable(output.input_top_logprobs_val))
        flat_ids = list(itertools.chain.from_iterable(output.input_top_logprobs_idx))
        for place, values, ids in zip(places, flat_values, flat_ids, strict=True):
            assert close([slow.logprobs(*place)[token] for token in ids], values)
    if any(ids is not None for ids in batch.token_ids_logprobs):
        nested = [
            [slow.at_ids(sequence, token) for token in tokens]
            for sequence, tokens in enumerate(slow.wanted())
        ]
        assert close(output.input_token_ids_logprobs, nested)


def test_the_example_of_the_docstring() -> None:
    metadata = MODULE.LogitsMetadata(
        forward_mode=MODES.EXTEND,
        return_logprob=True,
        extend_seq_lens=torch.tensor([4, 5, 6]),
        extend_seq_lens_cpu=[4, 5, 6],
        extend_logprob_start_lens_cpu=[0, 5, 3],
        extend_logprob_pruned_lens_cpu=[4, 0, 3],
        extend_return_logprob=True,
    )
    states = torch.arange(15.0).view(15, 1)
    pruned, sampled, wanted = MODULE.LogitsProcessor()._get_pruned_states(states, metadata)
    assert pruned.view(-1).tolist() == [0, 1, 2, 3, 8, 12, 13, 14]
    assert sampled.tolist() == [3, 4, 7]
    assert wanted.tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert sampled.dtype == wanted.dtype == torch.int64


def test_top_p() -> None:
    probs = torch.tensor([[0.1, 0.6, 0.3], [0.25, 0.25, 0.5]])
    kept = MODULE.top_p_normalize(probs, torch.tensor([0.5, 0.6]))
    assert kept[0].tolist() == [0.0, 1.0, 0.0]
    assert kept[1, 2].item() == pytest.approx(0.5 / 0.75)
    assert kept[1, :2].sum().item() == pytest.approx(0.25 / 0.75), "one of the two that are equally likely"
    assert torch.equal(probs, torch.tensor([[0.1, 0.6, 0.3], [0.25, 0.25, 0.5]])), "the input is left alone"


def test_a_forward_pass_leaves_its_input_alone() -> None:
    spec = BATCHES.BatchSpec(MODES.MIXED, 6, seed=3, **EVERYTHING)
    batch, head = BATCHES.make_batch(spec), BATCHES.make_lm_head(spec)
    metadata = MODULE.LogitsMetadata.from_forward_batch(batch)
    processor = MODULE.LogitsProcessor()
    first = processor(batch.hidden_states, head, metadata)
    assert not differences(first, processor(batch.hidden_states, head, metadata))
    assert not differences(batch, BATCHES.make_batch(spec))
    assert not differences(metadata, MODULE.LogitsMetadata.from_forward_batch(batch))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    spec = BATCHES.BatchSpec(MODES.MIXED, 6, dtype=dtype, seed=3, **EVERYTHING)
    batch, head = BATCHES.make_batch(spec), BATCHES.make_lm_head(spec)
    assert batch.hidden_states.dtype == head.weight.dtype == dtype
    output = forward(batch, head)
    exact = (batch.hidden_states.double() @ head.weight.double().T)[batch.extend_seq_lens.cumsum(0) - 1]
    exact = CAP * torch.tanh(SCALE * exact / CAP)
    assert output.next_token_logits.dtype == torch.float32
    assert torch.allclose(output.next_token_logits.double(), exact, atol=0.05)


@every_spec
def test_batches_keep_to_their_mode(spec: Any) -> None:
    batch = BATCHES.make_batch(spec)
    lens = batch.extend_seq_lens_cpu
    assert batch.hidden_states.shape == (sum(lens or [1] * spec.num_seqs), spec.hidden_size)
    assert (lens is None) == spec.mode.is_decode()
    if lens is not None:
        assert batch.extend_seq_lens.tolist() == lens
        assert len(lens) == spec.num_seqs
        assert all(1 <= length <= spec.max_extend_len for length in lens)
    if spec.mode is MODES.MIXED:
        decoding = spec.num_seqs // 2
        assert lens[spec.num_seqs - decoding :] == [1] * decoding
    starts = batch.extend_logprob_start_lens_cpu
    assert (starts is not None) == (spec.logprobs and spec.mode.is_extend())
    if starts is not None:
        assert all(0 <= start <= length for start, length in zip(starts, lens, strict=True))
        assert len(batch.extend_input_logprob_token_ids) == sum(lens) - sum(starts) > 0
    if spec.token_ids:
        for ids, row in zip(batch.token_ids_logprobs, batch.token_ids_logprobs_padded.tolist(), strict=True):
            assert row[: len(ids or [])] == (ids or [])
            assert not any(row[len(ids or []) :])


def test_equal_specifications_make_equal_batches() -> None:
    spec = BATCHES.BatchSpec(MODES.MIXED, 6, seed=3, **EVERYTHING)
    other = dataclasses.replace(spec, seed=4)
    assert not differences(BATCHES.make_batch(spec), BATCHES.make_batch(spec))
    assert differences(BATCHES.make_batch(spec), BATCHES.make_batch(other))
    assert not differences(BATCHES.make_lm_head(spec).weight, BATCHES.make_lm_head(spec).weight)
    assert differences(BATCHES.make_lm_head(spec).weight, BATCHES.make_lm_head(other).weight)


def test_a_batch_is_wholly_on_its_device() -> None:
    spec = BATCHES.BatchSpec(MODES.MIXED, 6, seed=3, **EVERYTHING)
    here, there = BATCHES.make_batch(spec), BATCHES.make_batch(spec, torch.device("meta"))
    for field in dataclasses.fields(here):
        one, other = getattr(here, field.name), getattr(there, field.name)
        if isinstance(one, torch.Tensor):
            assert other.device.type == "meta"
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
        else:
            assert one == other


def test_h2dlint_fixes_the_three_uploads_and_nothing_else() -> None:
    # Not a folder of pytest's: h2dlint takes what lies among tests for cold code.
    with tempfile.TemporaryDirectory(prefix="h2dlint-proof-") as folder:
        copy = copy_to(REFERENCE, Path(folder))
        h2dlint_fix(copy, FIXED)
        after = (copy / "logits_processor.py").read_text(encoding="utf-8")
        compile(after, "logits_processor.py", "exec")
        changed = {
            path.name
            for path in sorted(REFERENCE.glob("*.py"))
            if path.read_bytes() != (copy / path.name).read_bytes()
        }
    assert changed == {"logits_processor.py"}
    assert after.count("pin_memory=True") == after.count("non_blocking=True") == 3
