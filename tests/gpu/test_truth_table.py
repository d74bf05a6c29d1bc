"""Measures every row of the truth table: what is copied, who waits, for how long.

What the linter makes of the rows is tested against the committed figures, without a GPU
(``tests/test_truth_table.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from . import results
from .events import Sync
from .harness import Held, Measured, held, measure_all
from .stale import hashes_of_row
from .truth_rows import ROWS, Row

pytestmark = pytest.mark.gpu


@cache
def calls() -> Mapping[str, Callable[[], object]]:
    """A call for each row, its operands built."""
    return {name: made(row) for name, row in ROWS.items()}


def made(row: Row) -> Callable[[], object]:
    space: dict[str, Any] = {}
    exec(compile(row.maker(), f"<row {row.name}>", "exec", dont_inherit=True), space)
    call: Callable[[], object] = space["make"]()
    return call


@cache
def measured() -> Mapping[str, Measured]:
    return measure_all(calls())


def figure(seen: Measured, took: Held | None) -> dict[str, Any]:
    """What is written down of a row.

    Args:
        seen: by the profiler and the sync debug mode.
        took: by the clock; ``None`` for a row that raises.
    """
    if took is None:
        return {"error": seen.error.splitlines()[0]}
    copies = dict(seen.activity.copies)
    directions = [short for word, short in (("HtoD", "h2d"), ("DtoH", "d2h")) if word in " ".join(copies)]
    return {
        "blocks_host": took.waited,
        "held_ms": round(took.behind_ms, 3),
        "idle_us": round(took.idle_ms * 1e3, 2),
        "queued_ms": round(took.queued_ms, 3),
        "stream_syncs": len(seen.activity.syncs),
        "h2d_syncs": seen.activity.h2d_syncs,
        "reported_by_sync_debug_mode": bool(seen.sites),
        "copies": copies,
        "class": "+".join(directions) or "none",
    }


def contradiction(syncs: tuple[Sync, ...], took: Held, reported: bool) -> str:
    """Why the instruments cannot all be right; empty if they can.

    The clock may show a wait that the other two do not: a copy that the driver stages, or a call that waits
    without a synchronize call of its own.
    """
    if syncs and not took.waited:
        return f"{[sync.cause for sync in syncs]}, but the host was held for {took.behind_ms:.3f} ms only"
    if reported != bool(syncs):
        return f"the sync debug mode {'warned' if reported else 'did not warn'}, the profiler saw {syncs}"
    return ""


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    seen = measured()[name]
    took = None if seen.error else held(calls()[name])
    if took is not None:
        assert not contradiction(seen.activity.syncs, took, bool(seen.sites))
    results.record(results.TRUTH_TABLE, name, hashes_of_row(name), figure(seen, took))


def test_operands_are_on_the_device() -> None:
    """A row that measured a tensor on the wrong device would measure nothing."""
    row = Row("all of them", "[gf, gd, g8, gidx, gmask, g0d, gi]")
    assert all(isinstance(value, torch.Tensor) and value.is_cuda for value in made(row)())  # type: ignore[attr-defined]
