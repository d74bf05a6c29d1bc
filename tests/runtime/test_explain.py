"""What the linter says of a trace: rows for the report and the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2dlint.model import Ran
from h2dlint.runtime.join import Explained, explain
from h2dlint.runtime.traces import Frame, Trace
from tests.runtime.tracing import asynchronous, frame_of, sync, trace_of

CALL = "torch.tensor(xs, device=d)"

STEP = f"""import torch


def forward(xs: list[int], d: torch.device) -> torch.Tensor:
    return {CALL}


def accepted(xs: list[int], d: torch.device) -> torch.Tensor:
    return {CALL}  # noqa: HTD101


def other(x: torch.Tensor, d: torch.device) -> torch.Tensor:
    return x.to(d)
"""

SETUP = f"""import torch


def load_weights(xs: list[int], d: torch.device) -> torch.Tensor:
    return {CALL}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "step.py": STEP,
        "setup_weights.py": SETUP,
        "quiet.py": SETUP,
        "never.py": STEP,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / ".git").mkdir()
    monkeypatch.chdir(root)
    return root


def verdicts(explained: Explained) -> list[tuple[str, str]]:
    return [(row.path, row.verdict) for row in explained.sites]


def traced(root: Path) -> Trace:
    step, weights = root / "step.py", root / "setup_weights.py"
    return trace_of(
        sync(frame_of(step, CALL, "forward"), "torch.tensor", held_us=900.0),
        sync(frame_of(step, CALL, "accepted", 1), "torch.tensor", held_us=800.0),
        sync(frame_of(step, "x.to(d)", "other"), "Tensor.to", held_us=700.0),
        sync(frame_of(weights, CALL, "load_weights"), "torch.tensor", held_us=600.0),
        sync(None, "", held_us=500.0),
        sync(Frame("/gone/module.py", 3, "f", 5, 3, 9), "Tensor.to", held_us=400.0),
        lines={str(step): (5, 9, 13), str(weights): (5,), str(root / "quiet.py"): (4,)},
    )


def test_each_stall_has_its_verdict(project: Path) -> None:
    explained = explain(traced(project))
    assert verdicts(explained) == [
        ("step.py", "HTD101"),
        ("step.py", "HTD101 (suppressed by a comment)"),
        ("step.py", "not reported"),
        ("setup_weights.py", "HTD101 (cold code (--cold))"),
        ("", "not reported"),
        ("/gone/module.py", "not reported"),
    ]
    assert [row.path for row in explained.reported] == ["step.py"]
    assert len(explained.missed) == 3
    assert not explained.errors


def test_files_that_ran_are_looked_at_and_others_are_not(project: Path) -> None:
    explained = explain(traced(project))
    assert {row.finding.path for row in explained.findings} == {"step.py", "setup_weights.py", "quiet.py"}
    assert [row.finding.path for row in explained.of(Ran.NEVER, hidden=True)] == ["quiet.py"]
    assert not explained.of(Ran.NEVER), "it is hidden: cold code"


def test_rows_hold_source_and_diff(project: Path) -> None:
    first, _, missed, *_, gone = explain(traced(project)).sites
    assert [line.number for line in first.source] == [2, 3, 4, 5, 6, 7, 8]
    assert first.source[3].text == f"    return {CALL}"
    assert first.finding is not None
    assert first.finding.diff.splitlines()[:2] == ["--- step.py", "+++ step.py"]
    assert f"-    return {CALL}" in first.finding.diff
    assert "pin_memory=True" in first.finding.diff
    assert missed.source[-1].number == 13, "nothing is shown past the end"
    assert gone.source == () and gone.finding is None


def test_settings_decide_what_is_hidden(project: Path) -> None:
    (project / "h2dlint.toml").write_text(
        'cold = true\nignore = ["HTD101"]\n[per-file-ignores]\n"never.py" = ["HTD1"]\n', encoding="utf-8"
    )
    assert [verdict for _, verdict in verdicts(explain(traced(project)))][:4:3] == [
        "HTD101 (rule not selected)",
        "HTD101 (rule not selected)",
    ]
    (project / "h2dlint.toml").write_text(
        'cold = true\n[per-file-ignores]\n"step.py" = ["HTD1"]\n', encoding="utf-8"
    )
    assert [verdict for _, verdict in verdicts(explain(traced(project)))][:4:3] == [
        "HTD101 (rule ignored in this file)",
        "HTD101",
    ]


def test_files_outside_the_roots_and_excluded_ones(project: Path) -> None:
    installed = project / "venv" / "lib" / "library.py"
    installed.parent.mkdir(parents=True)
    installed.write_text(STEP, encoding="utf-8")
    outside = project.parent / "elsewhere.py"
    outside.write_text(STEP, encoding="utf-8")
    trace = trace_of(
        sync(frame_of(installed, CALL, "forward"), "torch.tensor", held_us=2.0),
        sync(frame_of(outside, CALL, "forward"), "torch.tensor", held_us=1.0),
    )
    assert verdicts(explain(trace)) == [
        ("venv/lib/library.py", "HTD101 (excluded)"),
        (outside.as_posix(), "HTD101 (outside the paths checked)"),
    ]
    assert [verdict for _, verdict in verdicts(explain(trace, [str(outside), "venv/lib"]))] == [
        "HTD101",
        "HTD101",
    ]


def test_odd_bytes_survive_the_blanking_of_comments(project: Path) -> None:
    text = (
        f"# -*- coding: latin-1 -*-\r\nimport torch\r\n\x0c\r\ndef forward(xs: list[int], d: torch.device):\r\n"
        f"    text = '# noqa \xe9'; return {CALL}  # noqa: HTD101 \xe9\r\n"
    )
    path = project / "odd.py"
    path.write_bytes(text.encode("latin-1"))
    trace = trace_of(sync(frame_of(path, CALL, "forward"), "torch.tensor"))
    assert verdicts(explain(trace)) == [("odd.py", "HTD101 (suppressed by a comment)")]


def test_a_broken_file_is_an_error_and_no_more(project: Path) -> None:
    broken = project / "broken.py"
    broken.write_text("def f(:\n", encoding="utf-8")
    explained = explain(trace_of(sync(Frame(str(broken), 1, "f", 1, 1, 2), "")))
    assert [error.path for error in explained.errors] == ["broken.py"]
    assert verdicts(explained) == [("broken.py", "not reported")]


def test_a_copy_that_did_not_block_shows_that_its_file_ran(project: Path) -> None:
    trace = trace_of(asynchronous(frame_of(project / "step.py", CALL, "forward"), "torch.tensor"))
    explained = explain(trace)
    assert not explained.sites
    assert [row.finding.span.line for row in explained.of(Ran.WITHOUT_BLOCKING)] == [5]
    assert {row.finding.path for row in explained.findings} == {"step.py"}


def test_a_root_that_is_not_there_is_told_of(project: Path) -> None:
    assert [error.path for error in explain(Trace((), (), ()), ["gone"]).errors] == ["gone"]


def test_an_empty_trace(project: Path) -> None:
    assert explain(Trace((), (), ())) == Explained()
