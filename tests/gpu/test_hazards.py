"""The fixtures of rules about races: what is reported goes wrong behind queued work, and nothing else does.

Their functions return what they got and what they should have got. A ``case_*`` must be wrong at least once, a
``silent_*`` and a fixed case never.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from tests.fixture_markers import fixture_paths

from . import results
from .harness import QUEUED_MS, run
from .loading import load_pair
from .proof import Function, functions
from .stale import FIXED_EVERYTHING, FIXTURES, hashes_of_rule

pytestmark = pytest.mark.gpu

PATHS = fixture_paths(FIXTURES, hazards=True)

RUNS = 10
"""Runs behind queued work, after some with nothing queued."""
IDLE_RUNS = 3


@dataclass(frozen=True)
class Seen:
    """How often one function was wrong: behind queued work, and with nothing queued (also to warm it up)."""

    behind: int
    idle: int

    @property
    def wrong(self) -> int:
        return self.behind + self.idle


def listed(path: Path) -> list[Function]:
    return functions(path.read_bytes().decode("utf-8"))


def is_wrong(call: Callable[[], Any], queued_ms: float) -> bool:
    """Run once, wait for the device, and compare what came out with what was meant."""
    got, meant = run(call, queued_ms=queued_ms)
    return not torch.equal(got.cpu(), meant.cpu())


def watch(module: ModuleType, name: str, device: torch.device) -> Seen:
    def call() -> Any:
        return getattr(module, name)(device)

    # The first runs fill the caching allocators: a first allocation waits for the device by itself.
    idle = sum(is_wrong(call, 0.0) for _ in range(IDLE_RUNS))
    return Seen(sum(is_wrong(call, QUEUED_MS) for _ in range(RUNS)), idle)


@cache
def seen(path: Path, device: torch.device) -> dict[str, tuple[Seen, Seen | None]]:
    """Of each function of a fixture, what was seen before and, where there is a fix, after it."""
    pair = load_pair(path, FIXED_EVERYTHING)
    found = {}
    for function in listed(path):
        after = watch(pair.after, function.name, device) if function.fixable else None
        found[function.name] = (watch(pair.before, function.name, device), after)
    return found


@pytest.fixture(scope="module")
def device() -> torch.device:
    return torch.device("cuda", 0)


def problems(function: Function, before: Seen, after: Seen | None) -> list[str]:
    """What contradicts the fixture."""
    lines = []
    if function.is_case and not before.behind:
        lines.append(f"reported, but right {RUNS} times of {RUNS} behind queued work")
    if not function.is_case and before.wrong:
        lines.append(f"not reported, but wrong {before.wrong} times of {RUNS + IDLE_RUNS}")
    if after is not None and after.wrong:
        lines.append(f"fixed, but wrong {after.wrong} times of {RUNS + IDLE_RUNS}")
    return lines


@pytest.mark.parametrize(
    ("path", "function"),
    [pytest.param(path, one, id=f"{path.stem}-{one.name}") for path in PATHS for one in listed(path)],
)
def test_function(path: Path, function: Function, device: torch.device) -> None:
    assert not problems(function, *seen(path, device)[function.name])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_fixture_is_proved(path: Path, device: torch.device) -> None:
    found = seen(path, device)
    wrong = {one.name: lines for one in listed(path) if (lines := problems(one, *found[one.name]))}
    assert not wrong
    figures = {}
    for function in listed(path):
        before, after = found[function.name]
        figures[function.name] = {
            "findings": [f"{code}: {applicability}" for code, applicability in function.markers],
            "runs": RUNS,
            "wrong_before": before.behind,
            "wrong_after": None if after is None else after.behind,
        }
    results.record(results.HAZARDS, path.stem, hashes_of_rule(path.stem), {"functions": figures})
