"""The fixture of every rule about waiting: the fixes change nothing but that; of races see ``test_hazards.py``.

A fixture is ``fixtures/HTDnnn.py``. Its functions ``case_*(device)`` return a tensor or a container of
tensors and block; where a marker in one promises a fix, it is run before and after. ``silent_*(device)`` hold
nobody.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from tests.fixture_markers import fixture_paths

from . import results
from .proof import figure, functions, proof_of
from .stale import FIXTURES, hashes_of_rule

pytestmark = pytest.mark.gpu

PATHS = fixture_paths(FIXTURES, hazards=False)


def functions_of(path: Path) -> list[str]:
    return [function.name for function in functions(path.read_bytes().decode("utf-8"))]


@pytest.fixture(scope="module")
def device() -> torch.device:
    return torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("path", "name"),
    [pytest.param(path, name, id=f"{path.stem}-{name}") for path in PATHS for name in functions_of(path)],
)
def test_function(path: Path, name: str, device: torch.device) -> None:
    problems = proof_of(path, device)[name].problems
    assert not problems, "\n".join([f"{path.name}: {name}", *problems])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_fixture_is_proved(path: Path, device: torch.device) -> None:
    proof = proof_of(path, device)
    listed = functions(path.read_bytes().decode("utf-8"))
    assert any(function.is_case for function in listed), "a fixture has at least one case"
    wrong = {name: seen.problems for name, seen in proof.items() if seen.problems}
    assert not wrong
    figures = {function.name: figure(function, proof[function.name]) for function in listed}
    results.record(results.RULES, path.stem, hashes_of_rule(path.stem), {"functions": figures})
