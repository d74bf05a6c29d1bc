"""``h2dlint trace`` from its command line to its files, on programs whose CUDA is a fake."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from h2dlint.cli import main
from h2dlint.runtime import launch
from h2dlint.runtime.traces import from_json

PROGRAM = """\
import sys

import torch

cuda = torch.cuda.init()


def step(xs: list[int], d: torch.device) -> None:
    for _ in range(3):
        torch.tensor(xs, device=d)


torch.tensor = lambda xs, device: cuda.upload(8)
step([1, 2], torch.device("cuda"))
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    monkeypatch.setattr(launch, "cuda_problem", lambda: None)
    init = world / "torch" / "__init__.py"
    # As far as the program needs them.
    init.write_text(init.read_text(encoding="utf-8") + "device = str\n", encoding="utf-8")
    (world / "serve.py").write_text(PROGRAM, encoding="utf-8")
    (world / "pyproject.toml").write_text('[tool.h2dlint]\nexclude = ["torch"]\n', encoding="utf-8")
    return world


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["trace", *arguments], prog_name="h2dlint")


def test_a_program_is_traced(here: Path) -> None:
    done = invoke("-o", "trace.json", "--html", "page.html", "--", sys.executable, "serve.py", "0")
    assert done.exit_code == 0, done.output
    trace = from_json((here / "trace.json").read_text(encoding="utf-8"))
    assert trace.blocking == 3
    assert trace.command == (sys.executable, "serve.py", "0")
    assert "3 host-to-device copies" in done.output
    if sys.version_info >= (3, 11):
        # Between the line and the fake there is a lambda, which is a line of the program too.
        assert "serve.py:13" in done.output
    assert "The trace is in trace.json." in done.output
    assert "<title>h2dlint trace" in (here / "page.html").read_text(encoding="ascii")


def test_the_exit_status_is_the_programs(here: Path) -> None:
    assert invoke("--", sys.executable, "serve.py", "7").exit_code == 7


def test_options_after_the_program_are_the_programs(here: Path) -> None:
    (here / "argv.py").write_text(
        "import sys, torch\ntorch.cuda.init()\nopen('argv', 'w').write(str(sys.argv))\n"
    )
    assert invoke(sys.executable, "argv.py", "-o", "x", "--html", "--", "--select").exit_code == 0
    assert (here / "argv").read_text() == str(["argv.py", "-o", "x", "--html", "--", "--select"])
    assert not (here / "x").exists()


def test_quiet(here: Path) -> None:
    done = invoke("-q", "-o", "trace.json", "--", sys.executable, "serve.py", "0")
    assert (done.exit_code, done.output) == (0, "")
    assert json.loads((here / "trace.json").read_text())["kind"] == "h2dlint-trace"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "surely-not-there"], "there is no program surely-not-there"),
        (["-o", "no/such/trace.json", "--", "python"], "cannot write no/such/trace.json"),
        (["--html", "no/such/page.html", "--", "python"], "cannot write no/such/page.html"),
        (["-o", "one", "--html", "./one", "--", "python"], "--output and --html name the same file"),
        (["--package", "surely_not_there", "--", "python"], 'no package "surely_not_there"'),
        (["--select", "HTD999", "--", "python"], "HTD999"),
        (["--no-such-option", "--", "python"], "--no-such-option"),
        ([], "COMMAND"),
    ],
)
def test_what_cannot_be_done_is_refused(here: Path, arguments: list[str], message: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_without_cuda_nothing_is_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "cuda_problem", lambda: "no CUDA device is available here")
    (here / "touch.py").write_text("open('ran', 'w')\n", encoding="utf-8")
    done = invoke("--", sys.executable, "touch.py")
    assert done.exit_code == 2
    assert "nothing was run: no CUDA device is available here" in done.output
    assert not (here / "ran").exists()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("print(1)", "no process of the program used CUDA through PyTorch"),
        ("import sys; sys.exit(3)", "used CUDA through PyTorch; it ended with exit status 3"),
    ],
)
def test_nothing_recorded(here: Path, program: str, message: str) -> None:
    (here / "idle.py").write_text(program, encoding="utf-8")
    done = invoke("--", sys.executable, "idle.py")
    assert done.exit_code == 2
    assert message in done.output


def test_a_program_that_shuts_the_recorder_out(here: Path) -> None:
    done = invoke("--", sys.executable, "-I", "-c", "print(1)")
    assert done.exit_code == 2
    assert "no Python process of the program could be watched" in done.output


def test_another_profiler_in_the_program(here: Path) -> None:
    (here / "profiled.py").write_text(
        "import torch\nfrom h2dlint.runtime import recorder\nfrom h2dlint.runtime.cupti import CuptiError\n"
        "def refuse(sink):\n    raise CuptiError('another profiler holds it')\n"
        "recorder.hub.subscribe = refuse\n[call() for call in torch.cuda._queued]\n",
        encoding="utf-8",
    )
    done = invoke("--", sys.executable, "profiled.py")
    assert done.exit_code == 2
    assert "nothing was recorded: another profiler holds it" in done.output
