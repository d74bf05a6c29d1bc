"""The programs that ``runtime_report`` runs on a GPU, made tiny, on the CPU; and what the linter says of them."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("numpy")

from docs._hooks.runtime_figures import TABLES, recall_rows, verify_rows
from h2dlint.engine.config import load_settings
from h2dlint.model import Ran
from h2dlint.runtime.join import explain
from h2dlint.runtime.traces import SYNC, Frame, Process, Site, Trace
from h2dlint.runtime.verdict import IDENTICAL, AppliedFix, RunFigures, SiteChange, Verdict, to_json

from .runtime_parts import LISTED, PROGRAMS, Done, bench, figures_of_verdict, h2dlint, recall, shell
from .runtime_report import LIBRARIES, Budget, Report, overhead_figures
from .test_trace import ODD, expected, names

SCRIPTS = sorted(path.stem.removeprefix("lib_") for path in PROGRAMS.glob("lib_*.py"))


def run(program: str, *more: str) -> dict[str, Any]:
    """The last line of a program that did its job, as JSON."""
    command = [sys.executable, str(PROGRAMS / program), "--device", "cpu", "--tiny", *more]
    done = shell(command, PROGRAMS, 300)
    assert done.returncode == 0, done.tail
    line: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return line


@pytest.mark.parametrize("program", ["decode.py", "logits.py", "quiet.py"])
def test_a_program_runs(program: str) -> None:
    assert run(program)


def test_the_decoding_loop_ends_requests_and_admits_new_ones() -> None:
    figures = run("decode.py")
    assert figures["finished"] > 0
    assert figures["tokens"] > figures["steps"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_library_script_runs(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    figures = run(f"lib_{name}.py", "--repeat", "1")
    assert not figures["failed"]


def test_a_feature_that_fails_is_told_of_and_stops_no_other(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(PROGRAMS)!r})\nfrom driving import feature, main\n"
        "@feature\ndef bad(device, tiny):\n    raise ValueError('no')\n"
        "@feature\ndef good(device, tiny):\n    return 1\n"
        "main(None)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), "--device", "cpu"], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["features"] == 2
    assert list(told["failed"]) == ["bad"]
    assert "ValueError: no" in told["failed"]["bad"]


def test_every_script_is_in_the_report_and_back() -> None:
    assert sorted(LIBRARIES) == SCRIPTS


def test_the_fixes_of_the_engine_are_safe_on_cuda(tmp_path: Path) -> None:
    """What the report claims of the decoding loop needs no GPU to be told: which fixes there are."""
    folder = bench(tmp_path / "bench")
    shown = h2dlint(
        ["check", "--isolated", "--assume-cuda", "--output-format", "json", "engine"], folder, 120
    )
    findings = json.loads(shown.out)["findings"]
    assert len(findings) > 20
    assert all(finding["fix"]["applicability"] == "safe" for finding in findings)
    h2dlint(["fix", "--isolated", "--assume-cuda", "--unsafe-fixes", "-q", "engine"], folder, 120)
    again = h2dlint(
        ["check", "--isolated", "--assume-cuda", "--output-format", "json", "engine"], folder, 120
    )
    assert json.loads(again.out)["findings"] == []


def test_a_quiet_program_has_no_finding() -> None:
    arguments = ["check", "--isolated", "--assume-cuda", "--cold", "--min-confidence", "low", "-q"]
    done = h2dlint([*arguments, str(PROGRAMS / "quiet.py")], PROGRAMS, 60)
    assert done.returncode == 0, done.out


def test_every_odd_case_says_what_blocks() -> None:
    cases = expected()
    assert sorted(cases) == names()
    assert sum(count for case in cases.values() for (kind, _), count in case.items() if kind == "blocks") > 60
    assert ODD.read_text(encoding="utf-8").count("# blocks: ") == sum(
        kind == "blocks" for case in cases.values() for kind, _ in case
    )


LIBRARY = """\
import torch


def upload(xs, device: torch.device):
    return torch.tensor([1, 2], device=device)


def hidden(obj, device):
    return obj.to(device)


def silent(device: torch.device):
    return torch.tensor([3], device=device)
"""


def test_recall_is_counted_by_place_and_by_time(tmp_path: Path) -> None:
    package = tmp_path / "lib"
    package.mkdir()
    # A package, so that its folder is the project's and not this test's, which would make it cold.
    (package / "__init__.py").touch()
    file = package / "code.py"
    file.write_text(LIBRARY)

    def site(line: int, held: float, count: int = 2, at: Path = file) -> Site:
        chain = (Frame(str(at), line, {5: "upload", 9: "hidden"}.get(line, "<module>")),)
        return Site(SYNC, chain, 0, "torch.tensor", count, count, held, held, 8)

    trace = Trace(
        ("python", "x.py"),
        # Files that are newer than their trace are not judged by it.
        (Process(1, ("x.py",), time.time() + 60, 1.0),),
        (site(5, 30.0), site(9, 10.0, 3), site(1, 5.0, at=tmp_path / "elsewhere.py")),
        lines={str(file): (1, 4, 5, 8, 9, 12, 13)},
    )
    settings = load_settings([str(package)], tmp_path, None, True, {"assume-cuda": True})
    figures = recall(trace, explain(trace, [str(package)], settings, tmp_path), package, tmp_path)
    assert figures["blocked"] == {"places": 2, "copies": 5, "held_us": 40.0}
    assert figures["reported"] == {"places": 1, "copies": 2, "held_us": 30.0}
    assert figures["blocking_elsewhere"] == 2
    assert [entry["at"] for entry in figures["missed"]] == ["lib/code.py:9"]
    assert figures["missed"][0]["text"] == "return obj.to(device)"
    assert [entry["at"] for entry in figures["false_alarms_listed"]] == ["lib/code.py:13"]
    assert figures["false_alarms"] == 1
    assert figures["ran_lines"] == 7
    assert len(figures["missed"]) <= LISTED
    assert Ran.WITHOUT_BLOCKING.value == "ran-without-blocking"


def test_a_verdict_is_kept_in_short_and_shown(tmp_path: Path) -> None:
    runs = tuple(
        RunFigures(name, 0, 1.5, True, blocking, held, 7, 900.0, 2)
        for name, blocking, held in (("before", 40, 8000.0), ("before again", 40, 8100.0), ("after", 3, 20.0))
    )
    fix = AppliedFix(1, "a.py", 3, 5, "HTD101", "name", "title", "safe", True)
    site = SiteChange("b.py", 9, "f", "Tensor.to", "not reported", "", 3, 3, 20.0, 20.0)
    verdict = Verdict(
        IDENTICAL, "the same", ("python",), "2026-01-01", runs, "GPU", records=2, tensors=4, bytes=64,
        fixes=(fix,), ran_known=True, sites=(site,),
    )  # fmt: skip
    path = tmp_path / "verdict.json"
    path.write_text(to_json(verdict))
    figures = figures_of_verdict(path, Done(0, "", ""))
    assert figures["runs"][2]["blocking"] == 3
    assert figures["fixes_by_rule"] == {"HTD101": 1}
    assert figures["left"] == {"not reported": 1}
    header, (row,) = verify_rows({"safe": figures})
    assert len(header) == len(row)
    assert row == [
        "safe", "identical: 2 records, 4 tensors", "1, 1", "40 → 3", "8.0 ms → 0.0 ms", "7 → 7", "0.9 ms → 0.9 ms"
    ]  # fmt: skip
    assert verify_rows({"safe": {"failed": "a\nno device"}})[1][0][1] == "not measured: no device"


def test_tables_have_a_cell_for_each_column() -> None:
    runs = [
        {"name": name, "blocking": 1, "held_us": 2.0, "waits": 0, "waited_us": 0.0}
        for name in ("before", "after")
    ]
    verdict = {
        "runs": runs, "state": "identical", "records": 1, "tensors": 1, "fixes": 1, "fixes_ran": None,
        "nondeterministic": [],
    }  # fmt: skip
    sums = {"places": 4, "copies": 9, "held_us": 8.0}
    side = {"steps_per_s": 200.0, "step_ms": 5.0, "busy_ms_per_step": 4.0, "idle_share": 0.2}
    library = {
        "version": "1.0", "features": 3, "features_failed": {"x": "no"}, "blocked": sums,
        "reported": {"places": 3, "copies": 5, "held_us": 6.0}, "reported_with_everything": sums, "confirmed": 3,
        "false_alarms": 1, "safe": verdict,
    }  # fmt: skip
    quiet = {
        "shown_command": "x", "loop_s": {"plain": [1.0, 1.1], "traced": [1.2, 1.1]}, "overhead_percent": 2.0,
        "spread_percent": 3.0, "wall_s": {"plain": 5.0, "traced": 6.0},
    }  # fmt: skip
    given: dict[str, dict[str, Any]] = {
        "runtime_verify": verdict,
        "runtime_decode": {"plain": {"before": side, "after": side}, "steps_per_s": [1.0, 2.0]},
        "runtime_decode_verify": verdict,
        "runtime_libraries": library,
        "runtime_packages": library,
        "runtime_overhead": quiet,
    }
    assert given.keys() == TABLES.keys()
    for name, figure in given.items():
        for one in (
            ({"a": figure}, {}) if "overhead" in name else ({"a": figure}, {"a": {"failed": "why"}}, {})
        ):
            header, rows = TABLES[name][1](one)
            assert all(len(row) == len(header) for row in rows), name
    assert "3 (75%)" in recall_rows({"a": library})[1][0]


def test_a_verdict_that_was_not_written_shows_why(tmp_path: Path) -> None:
    figures = figures_of_verdict(tmp_path / "none.json", Done(2, "", "no CUDA device"))
    assert figures == {"exit": 2, "failed": "no CUDA device"}


STOPPED = """\
import os, sys
from pathlib import Path
from tests.gpu import runtime_report as report

def library(name, parts, folder, verified):
    def trace(seconds):
        return {"features": 3}

    def verify(seconds):
        Path(os.environ["WAITING"]).touch()
        done = report.shell([sys.executable, "-c", "import time; time.sleep(60)"], folder, 90)
        return {"safe": {"exit": done.returncode}}

    return {"hashes": []}, {"trace": trace, "verify safe": verify}

report.library = library
sys.exit(report.main())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc")
def test_a_run_that_is_killed_keeps_what_was_finished(tmp_path: Path) -> None:
    waiting = tmp_path / "waiting"
    environment = {**os.environ, "H2DLINT_GPU_RESULTS": str(tmp_path / "out"), "WAITING": str(waiting)}
    arguments = ["--part", "libraries", "--library", "timm", "--library", "e3nn", "--jobs", "1"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", STOPPED, *arguments], cwd=root, env=environment) as process:
        end = time.monotonic() + 90
        while not waiting.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    written = json.loads((tmp_path / "out" / "libraries.json").read_text())
    assert written["figures"] == {"timm": {"hashes": [], "features": 3}}
    assert written["not_measured"] == ["timm: verify safe", "e3nn: trace", "e3nn: verify safe"]


def test_a_step_that_is_unlikely_to_fit_is_not_started() -> None:
    budget = Budget(30.0)
    assert budget.fits("trace")
    assert 29 < budget.limit(100) <= 30
    assert budget.limit(10) == 10
    budget.took("trace", 50.0)
    assert not budget.fits("trace")
    assert budget.fits("verify safe")
    assert not Budget(0.0).fits("trace")
    assert Budget().fits("trace")
    assert Budget().limit(5) == 5


def test_a_report_adds_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out" / "libraries.json"
    first = Report(path, [("a", "trace"), ("a", "verify safe"), ("b", "trace")], some=True)
    first.add("a", "trace", {"failed": "no"})
    first.add("a", "verify safe", {"safe": {"failed": "late"}})
    assert first.figures["a"] == {"failed": "no", "safe": {"failed": "late"}}
    again = Report(path, [("a", "trace")], some=True)
    again.add("a", "trace", {"features": 1})
    written = json.loads(path.read_text())
    assert written["figures"]["a"] == {"features": 1, "safe": {"failed": "late"}}
    assert written["not_measured"] == ["b: trace"]
    assert not again.complete()


def test_why_a_run_failed_is_told(tmp_path: Path) -> None:
    out = tmp_path / "trace.json"
    out.write_text(json.dumps({"sites": [{"kind": "sync", "blocked": 2}]}))
    line = {"seconds": {"decode": 2.0}, "failed": {"train": "ValueError: no"}, "loop_s": 2.0}
    good, bad = Done(0, json.dumps(line), "", 3.0), Done(1, "", "CUDA error: bad")
    figures = overhead_figures({"plain": [good], "traced": [good]}, out)
    assert figures["overhead_percent"] == 0
    assert figures["features_failed"] == {"train": "ValueError: no"}
    with pytest.raises(RuntimeError, match="the traced run failed, exit 1: CUDA error: bad"):
        overhead_figures({"plain": [good], "traced": [bad]}, out)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc")
def test_a_command_that_takes_too_long_is_killed_with_what_it_started(tmp_path: Path) -> None:
    sleep = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    child = (
        f"import subprocess, sys; print('on', flush=True); subprocess.run({sleep}, start_new_session=True)"
    )
    done = shell([sys.executable, "-c", child], tmp_path, 2)
    assert (done.returncode, done.out) == (-1, "on\n")
    assert done.tail.startswith("killed after 2 s")
    assert done.wall_s < 20
