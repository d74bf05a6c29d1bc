"""The sampler draws the same places each time, and only such as it says."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tools import sample

STEP = """\
import torch


def forward(x, lens, y, é):
    a = torch.tensor(lens, device=x.device)
    b = torch.tensor(lens).view(-1).to(x.device)
    c = wrap(torch.tensor(lens, device=x.device)).to(torch.float32)
    é = é; d = torch.zeros(3, device=x.device)
    x[0, 1] = y.to(x.device)
    e = torch.tensor(lens)
    f = y.cuda()
    return x.copy_(y), x.to()
"""


def finding(line: int, start: int, end: int, **more: Any) -> dict[str, Any]:
    base = {
        "path": "step.py",
        "line": line,
        "column": start,
        "end_line": line,
        "end_column": end,
        "code": "HTD101",
        "message": "a message",
        "context": "hot",
        "confidence": "high",
        "evidence": ["a reason"],
    }
    return base | more


def span_of(fragment: str, line: int, **more: Any) -> dict[str, Any]:
    start = STEP.split("\n")[line - 1].index(fragment) + 1
    return finding(line, start, start + len(fragment), **more)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "step.py").write_text(STEP, encoding="utf-8")
    (tmp_path / "broken.py").write_text("def :\n", encoding="utf-8")
    return tmp_path


def silent_expressions(tree: Path, findings: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    places = sample.silent_places(tree, findings, factories=True)
    return [(place.line, place.expression) for place in places]


def test_every_candidate_is_silent_where_nothing_is_reported(tree: Path) -> None:
    assert [line for line, _ in silent_expressions(tree, [])] == [5, 6, 7, 7, 8, 9, 11, 12]


def test_a_finding_speaks_of_its_chain_and_not_of_its_neighbours(tree: Path) -> None:
    findings = [
        span_of("torch.tensor(lens, device=x.device)", 5),
        span_of("torch.tensor(lens).view(-1).to(x.device)", 6),
        span_of("torch.tensor(lens, device=x.device)", 7),
        span_of("torch.zeros(3, device=x.device)", 8),
        span_of("x[0, 1] = y.to(x.device)", 9),
    ]
    assert silent_expressions(tree, findings) == [
        (7, "wrap(torch.tensor(lens, device=x.device)).to(torch.float32)"),
        (11, "y.cuda()"),
        (12, "x.copy_(y)"),
    ]


def test_columns_count_code_points(tree: Path) -> None:
    places = sample.silent_places(tree, [], factories=True)
    (place,) = [place for place in places if place.line == 8]
    assert STEP.split("\n")[7][place.column - 1 :].startswith("torch.zeros")


def test_the_lines_around(tree: Path) -> None:
    (place,) = sample.finding_places(tree, [span_of("torch.tensor(lens, device=x.device)", 5)])
    assert place.lines[4] == ">    5     a = torch.tensor(lens, device=x.device)"
    assert place.expression == "torch.tensor(lens, device=x.device)"
    assert len(place.lines) == 13


def test_a_draw_is_seeded_sorted_and_without_repetition(tree: Path) -> None:
    places = sample.silent_places(tree, [])
    first = sample.draw(places, 3, 7)
    assert first == sample.draw(places, 3, 7) == sorted(set(first))
    assert any(sample.draw(places, 3, seed) != first for seed in range(20))
    assert sample.draw(places, 100, 7) == places


@pytest.fixture
def linter(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [span_of("torch.tensor(lens, device=x.device)", 5)]
    hidden = [span_of("torch.tensor(lens).view(-1).to(x.device)", 6, confidence="low")]

    def run_check(tree: Path, extra: Sequence[str]) -> list[dict[str, Any]]:
        return shown + hidden if extra else shown

    monkeypatch.setattr(sample, "run_check", run_check)


@pytest.mark.usefixtures("linter")
def test_hidden_findings_are_in_the_universe_only_when_asked(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: dict[str, list[int]] = {}
    for universe in ("reported-context", "all"):
        sample.main([str(tree), "--format", "json", "--factories", "--universe", universe])
        rows = json.loads(capsys.readouterr().out)
        lines[universe] = [row["line"] for row in rows if row["kind"] == "silent"]
    assert lines == {"reported-context": [7, 7, 8, 9, 11, 12], "all": [6, 7, 7, 8, 9, 11, 12]}


@pytest.mark.usefixtures("linter")
@pytest.mark.parametrize("form", ["markdown", "json"])
def test_a_blind_sheet_tells_nothing(tree: Path, tmp_path: Path, form: str) -> None:
    sheet, key = tmp_path / "sheet", tmp_path / "key.json"
    arguments = [str(tree), "--blind", "--format", form, "--output", str(sheet), "--key", str(key)]
    sample.main(arguments)
    text = sheet.read_text(encoding="utf-8")
    for word in ("HTD", "a reason", "high", "silent:", '"kind"'):
        assert word not in text
    rows = json.loads(key.read_text(encoding="utf-8"))
    assert [row["line"] for row in rows] == [5, 7, 7, 9, 11, 12]
    assert [row["kind"] for row in rows] == ["finding"] + ["silent"] * 5
    again = text
    sample.main(arguments)
    assert sheet.read_text(encoding="utf-8") == again


@pytest.mark.usefixtures("linter")
def test_an_open_sheet_tells_the_evidence(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample.main([str(tree)])
    text = capsys.readouterr().out
    assert "finding: HTD101, hot, high" in text
    assert "- a reason" in text


def test_it_runs_the_linter(tree: Path) -> None:
    findings = sample.run_check(tree, sample.HIDDEN_TOO)
    assert {row["path"] for row in findings} == {"step.py"}
    assert ast.literal_eval(repr(findings)) == findings


def test_a_linter_that_cannot_run_is_an_error(tree: Path) -> None:
    with pytest.raises(RuntimeError, match="h2dlint ended with"):
        sample.run_check(tree, ["--no-such-option"])


def test_an_expression_over_several_lines_is_shown_on_one() -> None:
    lines = ["x = f(", "    1,  # one", ").to(d)  # two"]
    assert sample.expression(lines, (1, 5, 3, 8)) == "f( 1, # one ).to(d)"


def test_factories_are_left_out_by_default(tree: Path) -> None:
    assert 8 not in [place.line for place in sample.silent_places(tree, [])]
