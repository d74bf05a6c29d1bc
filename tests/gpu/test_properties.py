"""The property tests of the fixes in their real form: random programs on the device itself, before and after.

The same programs as in ``tests/rules``, where a declared stand-in takes the place of the device and of pinning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("hypothesis", reason="the programs are drawn by hypothesis")

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rules import test_constants_property as constants
from tests.rules import test_index_property as indexing
from tests.rules import test_moves_property as moves
from tests.rules.simulated_cuda import Counts, simulated_cuda

from . import results

pytestmark = pytest.mark.gpu

EXAMPLES = 300
thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@contextmanager
def real_cuda() -> Iterator[Counts]:
    """In the place of the stand-in: nothing is counted, and what is queued is done when it ends."""
    yield Counts()
    torch.cuda.synchronize()


@pytest.fixture(autouse=True)
def on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (moves, indexing):
        monkeypatch.setattr(module, "simulated_cuda", real_cuda)
    monkeypatch.setattr(constants, "DEVICE", "cuda")


def _record(name: str, programs: int, fixed: int) -> None:
    results.record(results.PROPERTIES, name, [], {"programs": programs, "fixed": fixed, "different": 0})


class Tally:
    """Counts programs, and those that a fix changed."""

    def __init__(self) -> None:
        self.programs = self.fixed = 0

    def add(self, changed: bool) -> None:
        self.programs += 1
        self.fixed += changed


def test_constants() -> None:
    tally = Tally()

    @thorough
    @given(constants.calls, constants.arguments)
    def check(call: str, values: dict[str, Any]) -> None:
        tally.add(bool(constants.safe_findings(constants.MODULE.format(call=call))))
        assert not constants.disagreement(call, values)

    check()
    _record("constants", tally.programs, tally.fixed)


def test_moves() -> None:
    tally = Tally()

    @thorough
    @given(st.tuples(moves.factories, moves.steps, moves.moves).map("".join), moves.arguments)
    def check(call: str, values: dict[str, Any]) -> None:
        tally.add(bool(constants.safe_findings(moves.MODULE.format(call=call))))
        assert not moves.disagreement(call, values)

    check()
    _record("moves", tally.programs, tally.fixed)


def test_copies() -> None:
    tally = Tally()

    @thorough
    @given(moves.factories, moves.steps, moves.copies, moves.targets, moves.arguments)
    def check(factory: str, views: str, copy: str, target: str, values: dict[str, Any]) -> None:
        call = copy.format(y=target, x=factory + views)
        tally.add(bool(constants.safe_findings(moves.MODULE.format(call=call))))
        assert not moves.disagreement(call, values)

    check()
    _record("copies", tally.programs, tally.fixed)


def test_subscripts() -> None:
    tally = Tally()

    @thorough
    @given(indexing.tensors, indexing.statements, indexing.arguments)
    def check(tensor: str, statement: str, values: dict[str, Any]) -> None:
        source = indexing.MODULE.format(tensor=tensor, statement=statement)
        tally.add(indexing.fixed(source) != source)
        if indexing.run(source, values, simulated_cuda)[0].error is not None:
            # An index out of range ends the process on a real device.
            return
        assert not indexing.disagreement(tensor, statement, values, real_cuda)

    check()
    _record("subscripts", tally.programs, tally.fixed)
