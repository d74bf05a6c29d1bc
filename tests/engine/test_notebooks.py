"""Notebooks under the real rules."""

from __future__ import annotations

import ast
from pathlib import Path

from h2dlint.engine.fixing import fix_source
from h2dlint.engine.runner import lint_source, make_report
from h2dlint.engine.settings import Settings
from h2dlint.model import Cells
from h2dlint.report.notebooks import in_cells
from tests.syntax.test_notebook import notebook, sources

CELLS = notebook(
    ["%load_ext autoreload\n", "import torch\n", "device = torch.device('cuda')"],
    ["lens = [1, 2]\n"],
    ["%%time\n", "for _ in range(10):\n", "    x = torch.tensor(lens, device=device)  # copied\n"],
    ["once = torch.tensor(lens, device=device)"],
)


def test_names_flow_from_cell_to_cell() -> None:
    report = in_cells(make_report([lint_source("a.ipynb", CELLS.encode(), Settings())]))
    (finding,) = report.findings
    assert (finding.code, finding.cell, finding.span.line, finding.span.column) == ("HTD101", 3, 3, 9)
    assert "data: lens: list built at line 1 of cell 2" in finding.evidence
    assert "device: device: torch.device at line 3 of cell 1" in finding.evidence
    assert "hot: loop at line 2" in finding.evidence
    assert report.hidden.cold == 1, "a cell runs once, outside of loops"


def test_a_script_with_the_same_text_is_cold() -> None:
    text = "\n".join(sources(CELLS.encode())).replace("%", "#")
    result = lint_source("a.py", text.encode(), Settings())
    assert (result.findings, result.hidden.cold) == ((), 2)


def test_a_fix_is_written_into_its_cell() -> None:
    outcome = fix_source("a.ipynb", CELLS.encode(), Settings())
    assert outcome.applied == {"HTD101": 1}
    before, after = sources(outcome.before), sources(outcome.after)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True]
    assert "torch.tensor(lens, pin_memory=True).to(device, non_blocking=True)  # copied\n" in after[2]
    ast.parse(after[2].removeprefix("%%time\n"))
    assert fix_source("a.ipynb", outcome.after, Settings()).after == outcome.after


def test_imports_of_the_project_are_followed(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sizes.py").write_text("def lens():\n    return [1, 2]\n", encoding="utf-8")
    raw = notebook(
        ["import torch\n", "from sizes import lens"],
        ["for _ in range(3):\n", "    torch.tensor(lens(), device='cuda')"],
    )
    location = tmp_path / "a.ipynb"
    location.write_text(raw, encoding="utf-8")
    result = lint_source("a.ipynb", raw.encode(), Settings(root=str(tmp_path)), location=location)
    assert [finding.code for finding in result.findings] == ["HTD101"]


def test_a_large_notebook_without_torch_is_not_parsed() -> None:
    raw = notebook(["y = ("], ["#" * 10_000])
    assert lint_source("a.ipynb", raw.encode(), Settings()).screened_out


def test_lines_past_the_end_are_of_the_last_cell() -> None:
    cells = Cells((2, 5), (1, 3), (10, 11, 20))
    assert cells.place(9) == (5, 7)
    assert cells.in_file(9) == 20
