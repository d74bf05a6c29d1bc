"""Imports that a fix adds to a notebook: in the cell of the other imports, and where every cell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from h2dlint.engine.config import load_settings
from h2dlint.engine.fixing import fix_source
from tests.profiles.projects import HELPER, App

USE = "for i in range(9):\n    x = torch.tensor([1, 5, i], device='cuda')"
USED = "for i in range(9):\n    x = upload([1, 5, i], device='cuda')"
TORCH = "import torch"
ADDED = "import torch\n\nfrom app.utils import upload"


def fixed(root: Path, cells: list[str]) -> list[str]:
    App.made(root, HELPER)
    place = root / "app" / "n.ipynb"
    sources = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
    data = json.dumps({"cells": sources, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    settings = load_settings([str(place)], root, overrides={"cold": True, "min-confidence": "low"})
    outcome = fix_source("app/n.ipynb", data, settings, location=place)
    assert not outcome.result.errors
    assert fix_source("app/n.ipynb", outcome.after, settings, location=place).after == outcome.after
    return [cell["source"] for cell in json.loads(outcome.after)["cells"]]


@pytest.mark.parametrize(
    ("cells", "become"),
    [
        ([TORCH, USE], [ADDED, USED]),
        ([f"{TORCH}\n", USE], [f"{ADDED}\n", USED]),
        # Below these magics nothing is bound for the other cells.
        ([TORCH, "%%timeit\ny = 1", USE], [ADDED, "%%timeit\ny = 1", USED]),
        ([TORCH, "\n%%time\ny = 1", USE], [ADDED, "\n%%time\ny = 1", USED]),
        (
            ["%%timeit\nfrom app.utils import upload", TORCH, USE],
            ["%%timeit\nfrom app.utils import upload", ADDED, USED],
        ),
        # Another process, which sees none of them.
        (
            [TORCH, f"%%python\nimport torch\n{USE}"],
            [
                TORCH,
                "%%python\nimport torch\nfor i in range(9):\n"
                "    x = torch.tensor([1, 5, i], pin_memory=True).to('cuda', non_blocking=True)",
            ],
        ),
    ],
)
def test_place(tmp_path: Path, cells: list[str], become: list[str]) -> None:
    assert fixed(tmp_path, cells) == become
