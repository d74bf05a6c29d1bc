"""The instruments themselves: what is known to wait is seen to wait, and what does not is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from .harness import QUEUED_MS, held, measure

pytestmark = pytest.mark.gpu

DATA = [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.fixture(scope="module")
def device() -> torch.device:
    return torch.device("cuda", 0)


def test_a_blocking_upload(device: torch.device) -> None:
    seen = measure(lambda: torch.tensor(DATA, device=device))
    assert not seen.error
    assert seen.activity.copies == {"HtoD (Pageable -> Device)": 1}
    assert [sync.kind for sync in seen.activity.syncs] == ["h2d"]
    assert seen.h2d_sites is not None
    assert [Path(site.file).name for site in seen.h2d_sites] == [Path(__file__).name]
    assert "torch.tensor(DATA" in seen.h2d_sites[0].text


def test_a_pinned_upload(device: torch.device) -> None:
    seen = measure(lambda: torch.tensor(DATA, pin_memory=True).to(device, non_blocking=True))
    assert not seen.error
    assert seen.activity.copies == {"HtoD (Pinned -> Device)": 1}
    assert seen.activity.syncs == ()
    assert seen.activity.unwaited_pageable == 0
    assert seen.sites == ()


def test_a_staged_upload(device: torch.device) -> None:
    seen = measure(lambda: torch.tensor(DATA).to(device, non_blocking=True))
    assert seen.activity.copies == {"HtoD (Pageable -> Device)": 1}
    assert seen.activity.unwaited_pageable == 1
    assert seen.activity.syncs == ()


@pytest.mark.parametrize(
    ("op", "call"),
    [
        ("aten::item", lambda numbers: numbers[0].item()),
        ("aten::copy_", lambda numbers: numbers.tolist()),
        ("aten::repeat_interleave", lambda numbers: torch.repeat_interleave(numbers, numbers)),
        ("aten::nonzero", lambda numbers: torch.nonzero(numbers)),
    ],
)
def test_waits_with_another_cause(device: torch.device, op: str, call: Callable[[Any], object]) -> None:
    numbers = torch.arange(1, 9, device=device)
    seen = measure(lambda: call(numbers))
    assert seen.activity.syncs, "these wait for a value from the device"
    assert {sync.kind for sync in seen.activity.syncs} == {"d2h"}
    assert all(op in sync.ops for sync in seen.activity.syncs)
    assert seen.h2d_sites == [], "both instruments count the same waits"


def test_a_mixture_is_told_apart(device: torch.device) -> None:
    numbers = torch.arange(1, 9, device=device)

    def call() -> object:
        first = torch.tensor(DATA, device=device)
        second = torch.tensor(DATA, pin_memory=True).to(device, non_blocking=True)
        total = numbers.sum().item()
        return first, second, total, numbers[[0, 1]]  # a list as index is uploaded

    seen = measure(call)
    assert seen.activity.h2d_syncs == 2
    assert [sync.kind for sync in seen.activity.syncs] == ["h2d", "d2h", "h2d"]
    assert seen.activity.copies["HtoD (Pinned -> Device)"] == 1
    assert seen.waits is not None, "both instruments count the same waits"


def test_an_error_is_told_and_measures_nothing(device: torch.device) -> None:
    seen = measure(lambda: torch.ones(2, device=device) + torch.ones(3, device=device))
    assert seen.error.startswith("RuntimeError: ")
    assert seen.activity.syncs == ()


def test_the_clock(device: torch.device) -> None:
    numbers = torch.arange(1, 9, device=device)
    blocking = held(lambda: torch.tensor(DATA, device=device))
    assert blocking.waited
    assert blocking.queued_ms == pytest.approx(QUEUED_MS, rel=0.5)
    assert blocking.behind_ms == pytest.approx(blocking.queued_ms, rel=0.3)
    assert not held(lambda: torch.tensor(DATA, pin_memory=True).to(device, non_blocking=True)).waited
    assert not held(lambda: numbers + 1).waited
