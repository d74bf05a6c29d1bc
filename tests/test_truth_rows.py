"""The rows of the truth table: they run, what is measured of them is written down, and it goes stale with them.

The device is simulated; the real one is measured in ``tests/gpu/test_truth_table.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from tests.gpu.events import Activity, Sync
from tests.gpu.harness import Held, Measured, Site
from tests.gpu.stale import MEASURED, hashes_of_row, stale_figures, unmeasured_rows
from tests.gpu.test_truth_table import contradiction, figure
from tests.gpu.truth_rows import OPERANDS, ROWS, Row
from tests.rules.running import module, outcome
from tests.rules.simulated_cuda import OnDevice, simulated_cuda

# What a run on a GPU writes down

WAITED = Held(behind_ms=20.1, idle_ms=0.02, queued_ms=20.0)
RETURNED = Held(behind_ms=0.05, idle_ms=0.02, queued_ms=20.0)
UPLOAD = Activity({"HtoD (Pageable -> Device)": 1}, (Sync("cudaStreamSynchronize", "h2d", ("aten::to",)),))
PLACE = Site("row.py", 1, "")


def test_a_figure_that_waits() -> None:
    assert figure(Measured(UPLOAD, (PLACE,)), WAITED) == {
        "blocks_host": True,
        "held_ms": 20.1,
        "idle_us": 20.0,
        "queued_ms": 20.0,
        "stream_syncs": 1,
        "h2d_syncs": 1,
        "reported_by_sync_debug_mode": True,
        "copies": {"HtoD (Pageable -> Device)": 1},
        "class": "h2d",
    }


@pytest.mark.parametrize(
    ("copies", "kind"),
    [
        ({}, "none"),
        ({"DtoD (Device -> Device)": 2}, "none"),
        ({"DtoH (Device -> Pinned)": 1}, "d2h"),
        ({"HtoD (Pinned -> Device)": 1, "DtoH (Device -> Pinned)": 1}, "h2d+d2h"),
    ],
)
def test_the_class_of_a_figure(copies: dict[str, int], kind: str) -> None:
    assert figure(Measured(Activity(copies, ()), ()), RETURNED)["class"] == kind


def test_the_figure_of_a_row_that_raises() -> None:
    seen = Measured(Activity({}, ()), (), "RuntimeError: no\nmore lines")
    assert figure(seen, None) == {"error": "RuntimeError: no"}


def test_every_figure_has_the_form_that_a_run_writes() -> None:
    keys = {"hashes", *figure(Measured(UPLOAD, ()), WAITED)}
    document = json.loads((MEASURED / "truth_table.json").read_text(encoding="utf-8"))
    assert all(set(one) in ({"hashes", "error"}, keys) for one in document["figures"].values())


@pytest.mark.parametrize(
    ("activity", "took", "reported", "word"),
    [
        (UPLOAD, WAITED, True, ""),
        (UPLOAD, RETURNED, True, "held for"),
        (UPLOAD, WAITED, False, "did not warn"),
        (Activity({}, ()), RETURNED, True, "warned"),
        (Activity({}, ()), RETURNED, False, ""),
        (Activity({"HtoD (Pageable -> Device)": 1}, (), 1), WAITED, False, ""),
    ],
)
def test_instruments_that_contradict(activity: Activity, took: Held, reported: bool, word: str) -> None:
    why = contradiction(activity.syncs, took, reported)
    assert word in why
    assert bool(why) == bool(word)


# Which figures are out of date


def test_a_row_that_changed_is_stale(tmp_path: Path) -> None:
    def recorded(name: str, **changes: str) -> dict[str, Any]:
        return {"hashes": [{**hashes_of_row(name)[0], **changes}]}

    fresh, changed, *rest = ROWS
    document = {
        "figures": {
            fresh: recorded(fresh),
            changed: recorded(changed, sha256="0"),
            "gone": recorded(fresh, how="row: gone"),
        }
    }
    (tmp_path / "truth_table.json").write_text(json.dumps(document), encoding="utf-8")
    assert stale_figures(tmp_path) == [
        f"truth_table.json: {changed}: the row has changed",
        "truth_table.json: gone: tests/gpu/truth_rows.py has no such row any more",
    ]
    assert unmeasured_rows(tmp_path) == rest


def test_without_figures_every_row_is_unmeasured(tmp_path: Path) -> None:
    assert unmeasured_rows(tmp_path) == list(ROWS)


# The rows themselves

NOT_SIMULATED = {
    "torch.tensor(np1k, pin).to(dev, nb)": "raises, as measured",
    "sparse_coo_tensor(list)": "a sparse tensor on the device",
    "nested_tensor([list])": "a nested tensor on the device",
    "torch.Generator(device).manual_seed": "a generator on the device",
    "torch.cuda.Event record/wait": "an event",
}
"""Rows that need a real device even to run, with what they need."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in ROWS if name not in NOT_SIMULATED])
def test_row_runs(name: str) -> None:
    with module(ROWS[name].maker()) as loaded, simulated_cuda():
        made = outcome(loaded.make)
        assert made.error is None, made.error
        ran = outcome(made.value)
        assert ran.error is None, ran.error


@pytest.mark.parametrize("name", [name for name in OPERANDS if name.startswith("g")])
def test_operand_is_on_the_device(name: str) -> None:
    with module(Row(name, name).maker()) as loaded, simulated_cuda():
        assert isinstance(loaded.make()(), OnDevice)


@pytest.mark.parametrize("name", [name for name in OPERANDS if name.startswith(("cpu", "pinned"))])
def test_operand_is_on_the_host(name: str) -> None:
    with module(Row(name, name).maker()) as loaded, simulated_cuda() as counts:
        value = loaded.make()()
        assert isinstance(value, torch.Tensor)
        assert not isinstance(value, OnDevice)
        assert counts.is_pinned(value) == name.startswith("pinned")


def test_a_row_is_its_operands_and_its_statement() -> None:
    row = Row("example", "half = list8[:4]\ngf[half]")
    assert row.operands.splitlines() == [
        OPERANDS["list8"],
        OPERANDS["dev"],
        OPERANDS["gf"],
        "half = list8[:4]",
    ]
    assert row.statement == "gf[half]"
    assert row.sha256 != Row("example", "half = list8[:3]\ngf[half]").sha256
    assert row.sha256 == Row("other", "half = list8[:4]\ngf[half]").sha256
