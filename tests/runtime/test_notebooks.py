"""Notebooks are linted, and are no part of a program that runs."""

from __future__ import annotations

from pathlib import Path

from h2dlint.runtime.plan import build
from tests.syntax.test_notebook import notebook

CELL = ["import torch\n", "for _ in 'ab':\n", "    torch.tensor([1, 2], device='cuda')"]


def test_verify_leaves_them_alone(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text(notebook(CELL), encoding="utf-8")
    (tmp_path / "a.py").write_text(
        "import torch\n\n\ndef forward():\n    return torch.tensor([1, 2], device='cuda')\n", encoding="utf-8"
    )
    plan = build(["."], {}, tmp_path, isolated=True)
    assert [fix.path for fix in plan.fixes] == ["a.py"]
    assert (plan.checked, plan.errors) == (1, ())
