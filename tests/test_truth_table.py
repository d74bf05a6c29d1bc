"""The linter and the GPU agree: each row of the truth table is linted, and judged by what was measured of it.

The figures are those of ``docs/measured/truth_table.json`` (see ``tests/gpu/test_truth_table.py``); nothing is
expected of a row but what they say. Every name in a row is renamed at random first, so that no verdict can rest
on a name.
"""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence, Effect, Finding
from tests.gpu.stale import MEASURED, hashes_of_row
from tests.gpu.truth_rows import ROWS

Figure = Mapping[str, Any]

SEEDS = (1, 2)
AT_MOST = 5

DISAGREEMENTS: dict[str, str] = {
    "sparse_coo_tensor(list)": (
        "no rule reads the constructors of sparse tensors: two lists at once, and none takes a pinned source"
    ),
    "nested_tensor([list])": "no rule reads torch.nested, whose layouts the analysis does not know",
}
"""Rows on which the linter is known to be wrong, each with the reason."""


@cache
def figures() -> Mapping[str, Figure]:
    """The figures of the rows that were measured as they stand."""
    document = json.loads((MEASURED / "truth_table.json").read_text(encoding="utf-8"))
    found: Mapping[str, Figure] = document["figures"]
    return {
        name: figure
        for name, figure in found.items()
        if name in ROWS and figure["hashes"] == hashes_of_row(name)
    }


JUDGED = [name for name, figure in figures().items() if "error" not in figure]


# What is expected


def disagreement(figure: Figure, reported: set[Effect], quietly: set[Effect]) -> str:
    """How a verdict contradicts a measurement; empty if it does not.

    Args:
        figure: of a row that ran.
        reported: effects that the default output shows of the statement.
        quietly: those, and what findings of low confidence say.
    """
    if figure["h2d_syncs"] and Effect.BLOCKS not in reported:
        return "the host waits for a copy from it, and nothing is reported"
    staged = "HtoD (Pageable -> Device)" in figure["copies"]
    from_host = "h2d" in figure["class"].split("+")
    held = figure["h2d_syncs"] or (figure["blocks_host"] and from_host and not figure["stream_syncs"])
    if held and not reported:
        return "the driver holds the host for a copy from it, and nothing is reported"
    if held:
        return ""
    if Effect.BLOCKS in quietly:
        return "the host is not held by a copy from it, and a finding says that it is"
    if quietly and not staged:
        return "nothing is staged, and a finding says that the host may be held"
    return ""


SYNC = {"h2d_syncs": 1, "stream_syncs": 1, "blocks_host": True, "class": "h2d"}
PAGEABLE = {"HtoD (Pageable -> Device)": 1}
HELD = {"h2d_syncs": 0, "stream_syncs": 0, "blocks_host": True, "class": "h2d", "copies": PAGEABLE}
FREE = {"h2d_syncs": 0, "stream_syncs": 0, "blocks_host": False, "class": "none", "copies": {}}
READ = {
    **FREE,
    "stream_syncs": 1,
    "blocks_host": True,
    "class": "d2h",
    "copies": {"DtoH (Device -> Pinned)": 1},
}


@pytest.mark.parametrize(
    ("figure", "effects", "agrees"),
    [
        ({**SYNC, "copies": PAGEABLE}, {Effect.BLOCKS}, True),
        ({**SYNC, "copies": PAGEABLE}, {Effect.MAY_BLOCK}, False),
        ({**SYNC, "copies": PAGEABLE}, set(), False),
        ({**SYNC, "copies": {**PAGEABLE, "DtoH (Device -> Pinned)": 1}, "class": "h2d+d2h"}, set(), False),
        (HELD, {Effect.BLOCKS}, True),
        (HELD, {Effect.MAY_BLOCK}, True),
        (HELD, set(), False),
        ({**HELD, "blocks_host": False}, {Effect.MAY_BLOCK}, True),
        ({**HELD, "blocks_host": False}, set(), True),
        ({**HELD, "blocks_host": False}, {Effect.BLOCKS}, False),
        ({**HELD, "blocks_host": False, "copies": {"HtoD (Pinned -> Device)": 1}}, {Effect.MAY_BLOCK}, False),
        (FREE, set(), True),
        (FREE, {Effect.MAY_BLOCK}, False),
        (READ, set(), True),
        (READ, {Effect.BLOCKS}, False),
    ],
)
def test_the_judge(figure: Figure, effects: set[Effect], agrees: bool) -> None:
    assert bool(disagreement(figure, effects, effects)) != agrees


def test_a_finding_of_low_confidence_is_no_report_but_an_alarm() -> None:
    assert disagreement({**SYNC, "copies": PAGEABLE}, set(), {Effect.BLOCKS})
    assert disagreement(FREE, set(), {Effect.BLOCKS})


# What the linter says


class Renamed(ast.NodeTransformer):
    """Gives everything that a module names a name of random letters."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self._names: dict[str, str] = {}

    def new(self, name: str) -> str:
        if name not in self._names:
            # Consonants alone spell no hint such as ``cpu`` or ``np``.
            self._names[name] = "".join(self._random.choices("bdfghjklmqrstvwxz", k=7))
        return self._names[name]

    def visit_Module(self, node: ast.Module) -> ast.AST:
        for child in ast.walk(node):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                self.new(child.id)
        return self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> ast.AST:
        return ast.alias(name=node.name, asname=self.new(node.asname or node.name))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self.new(node.name)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id=self._names.get(node.id, node.id), ctx=node.ctx)


def renamed(text: str, seed: str) -> str:
    return ast.unparse(ast.fix_missing_locations(Renamed(seed).visit(ast.parse(text)))) + "\n"


def findings(text: str) -> list[Finding]:
    """What the linter says of the last statement of the last function."""
    settings = Settings(cold=True, min_confidence=Confidence.LOW)
    result = lint_source("module.py", text.encode(), settings)
    assert not result.errors
    function = ast.parse(text).body[-1]
    assert isinstance(function, ast.FunctionDef)
    last = function.body[-1]
    assert last.end_lineno is not None
    return [found for found in result.findings if last.lineno <= found.span.line <= last.end_lineno]


def effects(found: list[Finding], least: Confidence) -> set[Effect]:
    """The effects on the host; a hazard holds nobody."""
    return {one.effect for one in found if one.confidence >= least} - {Effect.HAZARD}


def verdict(name: str, seed: int) -> str:
    """How the linter contradicts the measurement of a row; empty if it does not."""
    found = findings(renamed(ROWS[name].module("body"), f"{seed}: {name}"))
    why = disagreement(
        figures()[name], effects(found, Settings().min_confidence), effects(found, Confidence.LOW)
    )
    said = "; ".join(f"{one.code} ({one.effect.value}): {one.message}" for one in found)
    return f"{why} [{said}]" if why else ""


@pytest.mark.parametrize("name", JUDGED)
def test_row(name: str) -> None:
    wrong = [why for seed in SEEDS if (why := verdict(name, seed))]
    if name in DISAGREEMENTS:
        assert wrong, "the linter is right now: take the row off the list"
    else:
        assert not wrong, f"{ROWS[name].operands}\n{ROWS[name].statement}\n{wrong[0]}"


@pytest.mark.parametrize("name", ROWS)
def test_names_do_not_matter(name: str) -> None:
    text = ROWS[name].module("body")
    said = [
        [(one.code, one.effect, one.confidence) for one in findings(variant)]
        for variant in (text, *(renamed(text, f"{seed}: {name}") for seed in SEEDS))
    ]
    assert said[0] == said[1] == said[2]


def test_everything_is_renamed() -> None:
    text = renamed(
        "import numpy as np\ndef body():\n    dev = np.ones([n for n in (1, 2)])\n    dev[0]\n", "a"
    )
    tree = ast.parse(text)
    assert not {"np", "dev", "n", "body"} & {
        *(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)),
        *(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)),
    }


def test_known_disagreements_are_few_and_exist() -> None:
    assert len(DISAGREEMENTS) <= AT_MOST
    assert set(DISAGREEMENTS) <= set(JUDGED)
    assert all(reason.strip() for reason in DISAGREEMENTS.values())


def test_every_row_is_measured() -> None:
    missing = [name for name in ROWS if name not in figures()]
    if missing:
        pytest.skip(f"{len(missing)} of {len(ROWS)} rows wait for a run on a GPU, such as {missing[0]!r}")


def test_no_row_measured_is_lost() -> None:
    document = json.loads((MEASURED / "truth_table.json").read_text(encoding="utf-8"))
    assert set(document["figures"]) <= set(ROWS)


def test_the_table_demands_findings_and_silence() -> None:
    none: set[Effect] = set()
    blocks = {Effect.BLOCKS}
    demanded = [name for name in JUDGED if disagreement(figures()[name], none, none)]
    silent = [name for name in JUDGED if disagreement(figures()[name], blocks, blocks)]
    assert len(demanded) > 80
    assert len(silent) > 80
    assert not set(demanded) & set(silent)
