"""The comparer of releases matches findings to removed copies by line, and counts them apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools import releases
from tests.tools.releases import Entry

EARLIER = """\
import torch


def forward(x: torch.Tensor, lens: list[int], other: torch.Tensor) -> torch.Tensor:
    a = torch.tensor(
        lens,
        device="cuda",
    )
    b = torch.tensor(lens).to("cuda")
    c = torch.tensor(lens, device="cuda")
    return a + b + c + other.to("cuda")
"""

LATER = """\
import torch


def forward(x: torch.Tensor, lens: list[int], other: torch.Tensor) -> torch.Tensor:
    a = torch.tensor(lens, pin_memory=True).to("cuda", non_blocking=True)
    b = torch.tensor(lens, device="cuda")
    c = torch.tensor(lens, dtype=torch.int64, pin_memory=True).to("cuda", non_blocking=True)
    return a + b + c + other.to("cuda", non_blocking=True)
"""


def finding(line: int, end_line: int | None = None, **more: Any) -> dict[str, Any]:
    base = {"code": "HTD101", "confidence": "high", "context": "hot", "effect": "blocks"}
    return {**base, "line": line, "end_line": end_line or line, **more}


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    for name, text in (("earlier", EARLIER), ("later", LATER)):
        folder = tmp_path / name / "package"
        folder.mkdir(parents=True)
        (folder / "step.py").write_text(text, encoding="utf-8")
    return tmp_path / "earlier", tmp_path / "later"


def truth(line: int, **more: Any) -> dict[str, Any]:
    return {"file": "package/step.py", "line": line, **more}


TRUTH = [
    truth(5, end_line=8, later_lines=[5, 5], decided_by="one-function"),
    truth(9, later_lines=[6, 6], decided_by="one-function"),
    truth(10, decided_by="one-function", package="p"),
    truth(11, later_lines=[8, 8], decided_by="needs-more"),
]


def test_two_trees_are_compared(trees: tuple[Path, Path]) -> None:
    outcomes = releases.compare(*trees, [Entry.parse(raw) for raw in TRUTH])
    assert [outcome.reported for outcome in outcomes] == ["default", "default", "default", "missed"]
    assert [outcome.silent_after for outcome in outcomes] == [True, False, True, True]
    assert releases.summary(outcomes) == [
        "needs-more: 0 of 1 reported before (0 by default), 1 of 1 silent after",
        "one-function: 3 of 3 reported before (3 by default), 2 of 3 silent after",
    ]


def test_command(trees: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(TRUTH), encoding="utf-8")
    out = tmp_path / "out.json"
    arguments = [*map(str, trees), str(path)]
    assert releases.main([*arguments, "--json", str(out)]) == 1
    text = capsys.readouterr().out.splitlines()
    assert len(text) == len(TRUTH) + 2
    assert text[0].startswith("package/step.py:5: before default (HTD101 high")
    assert text[1].split("; ")[1].startswith("after still reported (HTD101")
    assert text[3] == "package/step.py:11: before missed (-); after silent"
    assert [entry["line"] for entry in json.loads(out.read_text(encoding="utf-8"))] == [5, 9, 10, 11]
    assert releases.main([*arguments, "--package", "p"]) == 0
    assert releases.main([*arguments, "--package", "p", "--", "--select", "HTD201"]) == 1


def test_bad_input_is_told(
    trees: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "truth.json"
    for raw, said in (
        ([{"file": "package/gone.py", "line": 1}], "gone.py"),
        ([{"file": "package/step.py"}], "not a truth entry"),
        ([truth(5, end_line=4)], "out of order"),
        ([truth(5, later_lines=[4, 3])], "out of order"),
    ):
        path.write_text(json.dumps(raw), encoding="utf-8")
        assert releases.main([*map(str, trees), str(path)]) == 2
        assert said in capsys.readouterr().err
    path.write_text("{", encoding="utf-8")
    assert releases.main([*map(str, trees), str(path)]) == 2


def test_a_file_that_the_later_release_dropped_is_silent(trees: tuple[Path, Path]) -> None:
    (trees[1] / "package" / "step.py").unlink()
    (outcome,) = releases.compare(*trees, [Entry.parse(TRUTH[0])])
    assert (outcome.reported, outcome.silent_after) == ("default", True)


@pytest.mark.parametrize(
    ("found", "reported"),
    [
        (finding(5), "default"),
        (finding(3, 5), "default"),
        (finding(7, 9), "default"),
        (finding(4), "missed"),
        (finding(8), "missed"),
        (finding(6, confidence="low"), "hidden"),
        (finding(6, context="cold"), "hidden"),
    ],
)
def test_lines_and_what_is_shown(found: dict[str, Any], reported: str) -> None:
    outcome = releases.judge(Entry("a.py", 5, 7, None, "x"), [found], [])
    assert outcome.reported == reported


def test_may_block_counts_as_silent() -> None:
    entry = Entry("a.py", 1, 1, (2, 3), "x")
    left = finding(2, effect="may-block", code="HTD206")
    outcome = releases.judge(entry, [], [left])
    assert outcome.silent_after
    assert outcome.after == ["HTD206 high hot may-block"]
    assert not releases.judge(entry, [], [left, finding(3)]).silent_after
