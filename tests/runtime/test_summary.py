"""The report that `h2dlint trace` prints."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from h2dlint.runtime.join import explain
from h2dlint.runtime.summary import MOST_SITES, render
from h2dlint.runtime.traces import Frame, Process, Trace
from tests.runtime.tracing import PROCESS, asynchronous, frame_of, sync, trace_of, wait

CALL = "torch.tensor(xs, device=d)"
STEP = f"""import torch


def forward(xs: list[int], d: torch.device) -> torch.Tensor:
    return {CALL}


def load_weights(xs: list[int], d: torch.device) -> torch.Tensor:
    return {CALL}


def decode(xs: list[int], x: torch.Tensor, d: torch.device) -> torch.Tensor:
    a = {CALL}
    x.to(d)
    return a + x.sum().item()
"""


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "step.py"
    path.write_text(STEP, encoding="utf-8")
    return path


def shown(trace: Trace, width: int = 160) -> str:
    text = io.StringIO()
    render(trace, explain(trace), Console(file=text, width=width, highlight=False))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def test_the_report(step: Path) -> None:
    trace = trace_of(
        sync(frame_of(step, CALL, "forward"), "torch.tensor", count=41, held_us=12_300.0, max_us=1_200.0),
        sync(frame_of(step, "x.to(d)", "decode"), "Tensor.to", count=2, held_us=4_100.0, bytes=1536),
        sync(frame_of(step, CALL, "load_weights", 1), "torch.tensor", held_us=3_600.0),
        asynchronous(frame_of(step, CALL, "decode", 2), "torch.tensor", 7),
        wait(frame_of(step, "x.sum().item()", "decode"), "Tensor.item", count=9, held_us=80_000.0),
        lines={str(step): (5, 9, 13, 14, 15)},
    )
    lines = shown(trace).splitlines()
    assert lines[0] == "44 host-to-device copies held the host for 20.0 ms (1.0 % of 2.0 s)."
    assert lines[2].split() == "# held ms share count longest ms bytes kind site rule".split()
    rows = [line.split() for line in lines[4:7]]
    assert rows == [
        [
            "1",
            "12.300",
            "61.5",
            "%",
            "41",
            "1.200",
            "328",
            "B",
            "sync",
            "step.py:5",
            "forward(),",
            "torch.tensor",
            "HTD101",
        ],
        "2 4.100 20.5 % 2 2.050 1.5 KiB sync step.py:14 decode(), Tensor.to not reported".split(),
        "3 3.600 18.0 % 1 3.600 8 B sync step.py:9 load_weights(), torch.tensor HTD101 (cold code (--cold))".split(),
    ]
    assert lines[8:] == [
        "h2dlint check reports 1 of 3 lines; 1 more as said in brackets; no rule sees the other.",
        "Ran without blocking (1 finding):",
        "  step.py:13 HTD101",
        "Other waits for the device: 9 times, 80.0 ms in all. The longest:",
        "  80.0 ms, 9 times: step.py:15 decode(), Tensor.item",
        "Times are those of the CUDA calls, until their thread goes on in Python: waiting for other Python threads is "
        "in them. What recording costs is not, but it is in the time of the run.",
    ]


def test_chains_to_one_line_are_one_row(step: Path) -> None:
    frame = frame_of(step, CALL, "forward")
    site = sync(frame, "torch.tensor", held_us=10.0)
    other = replace(
        site, frames=(frame, Frame(str(step), 1, "<module>")), threads=("worker",), blocked=1, count=3
    )
    lines = shown(trace_of(site, other)).splitlines()
    assert "2 of 4" in lines[4] and "MainThread, worker" in lines[4] and "step.py:5 forward()" in lines[4]
    assert "threads" in lines[2]


def test_nothing_blocked(step: Path) -> None:
    text = shown(
        trace_of(asynchronous(frame_of(step, CALL, "forward"), "torch.tensor"), lines={str(step): (5,)})
    )
    assert text.splitlines()[0] == "No host-to-device copy held the host in 2.0 s."
    assert "step.py:5 HTD101" in text
    assert "1 finding in the files of this trace never ran." in text
    assert "reports" not in text and "Other waits" not in text


def test_nothing_recorded(step: Path) -> None:
    assert shown(Trace((), (), ())) == "No process used CUDA, so there is nothing to report."


def test_notes(step: Path) -> None:
    second = Process(pid=8, argv=(), started=4e9, wall_s=1.0, dropped=3, note="another profiler holds CUPTI")
    trace = replace(trace_of(sync(None, "")), processes=(PROCESS, second))
    text = shown(trace)
    assert "(0.0 % of 3.0 s of 2 processes)" in text
    assert "no Python code known of this thread" in text
    assert "no rule sees any." in text
    assert "Process 8: another profiler holds CUPTI." in text
    assert "Process 8: 3 stalls are counted but not kept one by one, nor drawn." in text
    assert "Which lines ran is not known (before Python 3.12)." in text


def test_long_reports_are_cut_and_say_so(step: Path) -> None:
    sites = [
        sync(Frame("/gone/[red]x\x1b.py", 10 + n, "f", 1, 10 + n, 5), "Tensor.to", held_us=100.0 - n)
        for n in range(MOST_SITES + 2)
    ]
    text = shown(trace_of(*sites))
    assert "and 2 more sites, 139.0 us in all" in text or "and 2 more sites, 139 us in all" in text
    assert "\x1b" not in text and r"[red]x\x1b.py:10 f()" in text, "a name is neither markup nor control"
    assert f":{10 + MOST_SITES} f()" not in text


@pytest.mark.parametrize("width", [72, 80, 109])
def test_a_narrow_terminal_has_fewer_columns(step: Path, width: int) -> None:
    trace = trace_of(sync(frame_of(step, CALL, "forward"), "torch.tensor"))
    table = shown(trace, width).splitlines()[2:6]
    assert table[0].split() == "# held ms count longest ms site rule".split()
    assert table[2].split()[:4] == ["1", "0.100", "1", "0.100"] and table[2].endswith("HTD101")
    assert "step.py:5" in table[2] and all(len(line) <= width for line in table)
