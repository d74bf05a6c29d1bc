"""The GitHub Action: what it declares is used, and its scripts do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "action.yml").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load(TEXT)
STEPS = {step.get("name", "python"): step for step in ACTION["runs"]["steps"]}
FINDING = (
    "import torch\n\n\ndef forward(x: torch.Tensor, lens: list[int]) -> torch.Tensor:\n"
    "    return x + torch.tensor(lens, device=x.device)\n"
)

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def test_it_is_a_composite_action() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for name in ("name", "description"):
        assert ACTION[name]
    for step in STEPS.values():
        assert ("run" in step) != ("uses" in step)
        assert "run" not in step or step["shell"] == "bash"
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@v\d+", step["uses"])


def test_every_input_is_described_and_used_and_no_other() -> None:
    used = set(re.findall(r"\binputs\.([\w-]+)", json.dumps(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    for each in ACTION["inputs"].values():
        assert each["description"]
        assert isinstance(each["default"], str)


def test_every_variable_of_a_script_is_given_and_used() -> None:
    for step in STEPS.values():
        if "run" in step:
            assert set(re.findall(r"H2DLINT_\w+", step["run"])) == set(step["env"])


def test_outputs_come_from_a_step_that_writes_them() -> None:
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.check.outputs.{name} }}}}"
        assert f'echo "{name}=' in STEPS["Run h2dlint"]["run"]


def test_nothing_is_put_into_the_text_of_a_script() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")


def run_step(
    name: str, tmp_path: Path, **variables: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run the script of a step as the runner does; what it did and its outputs."""
    script = tmp_path / "step.sh"
    script.write_text(STEPS[name]["run"], encoding="utf-8")
    outputs = tmp_path / "outputs"
    outputs.write_text("", encoding="utf-8")
    given = {variable: "" for variable in STEPS[name]["env"]}
    given |= {f"H2DLINT_{key.upper()}": value for key, value in variables.items()}
    given |= {"H2DLINT_VENV": str(tmp_path / "h2dlint-venv"), "GITHUB_OUTPUT": str(outputs)}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT")}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
        cwd=tmp_path / "repo",
        env={**environment, **given},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    pairs = (line.split("=", 1) for line in outputs.read_text(encoding="utf-8").splitlines())
    return done, {key: value for key, value in pairs}


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the runner has it: a checkout with a finding, and h2dlint in an environment."""
    (tmp_path / "repo" / "src").mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    (tmp_path / "repo" / "src" / "step.py").write_text(FINDING, encoding="utf-8")
    (tmp_path / "h2dlint-venv" / "bin").mkdir(parents=True)
    program = tmp_path / "h2dlint-venv" / "bin" / "h2dlint"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m h2dlint "$@"\n', encoding="utf-8")
    python = program.with_name("python")
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    for each in (program, python):
        each.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@needs_bash
@pytest.mark.parametrize(("fail", "status"), [("true", 1), ("false", 0)])
def test_findings_are_annotations(runner: Path, fail: str, status: int) -> None:
    done, outputs = run_step("Run h2dlint", runner, paths="src", fail=fail, sarif="false", temp=str(runner))
    assert done.returncode == status, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("::warning title=h2dlint (HTD101),file=src/step.py,line=5,")
    assert outputs == {"exit-status": "1"}


@needs_bash
def test_sarif_is_written_beside_the_annotations(runner: Path) -> None:
    done, outputs = run_step(
        "Run h2dlint", runner, paths="src nothing.py", fail="false", sarif="true", temp=str(runner)
    )
    # A path that is not there is an error, which nothing makes good.
    assert done.returncode == 2
    assert done.stdout.count("::warning ") == 1
    assert outputs["exit-status"] == "2"
    document = json.loads(Path(outputs["sarif-file"]).read_text(encoding="utf-8"))
    assert len(document["runs"][0]["results"]) == 1
    assert document["runs"][0]["invocations"][0]["executionSuccessful"] is False


@needs_bash
def test_what_is_accepted_is_no_alert(runner: Path) -> None:
    again = "    return x + torch.tensor(lens, device=x.device)  # noqa: HTD101\n"
    (runner / "repo" / "src" / "step.py").write_text(FINDING.replace("    return", "    y =") + again)
    done, outputs = run_step("Run h2dlint", runner, paths="src", fail="false", sarif="true", temp=str(runner))
    assert done.returncode == 0, done.stderr
    document = json.loads(Path(outputs["sarif-file"]).read_text(encoding="utf-8"))
    regions = [
        each["locations"][0]["physicalLocation"]["region"]["startLine"]
        for each in document["runs"][0]["results"]
    ]
    assert regions == [5]


@needs_bash
def test_the_report_of_an_earlier_step_is_not_sent_again(runner: Path) -> None:
    (runner / "h2dlint.sarif").write_text("{}", encoding="utf-8")
    done, outputs = run_step(
        "Run h2dlint", runner, args="--baseline none.json", paths="src", sarif="true", temp=str(runner)
    )
    assert done.returncode == 2
    assert outputs == {"exit-status": "2"}


@needs_bash
def test_a_clean_checkout_passes(runner: Path) -> None:
    (runner / "repo" / "src" / "step.py").write_text("x = 1\n", encoding="utf-8")
    done, outputs = run_step("Run h2dlint", runner, paths=".", fail="true", sarif="true", temp=str(runner))
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(Path(outputs["sarif-file"]).read_text(encoding="utf-8"))["runs"][0]["results"] == []


@needs_bash
def test_options_are_handed_on_and_inputs_are_not_run(runner: Path) -> None:
    done, _ = run_step(
        "Run h2dlint",
        runner,
        args="--ignore HTD101 --exit-zero",
        paths="src $(touch${IFS}owned) ; touch owned `touch${IFS}owned` *",
        fail="true",
        sarif="false",
        temp=str(runner),
    )
    assert done.returncode == 2
    assert "::warning" not in done.stdout
    assert not list(runner.rglob("owned"))


@needs_bash
@pytest.mark.timeout(300)
def test_it_installs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "action"
    source.mkdir()
    (tmp_path / "repo").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "h2dlint", source / "h2dlint", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done, _ = run_step("Install h2dlint", tmp_path, python=sys.executable, source=str(source))
    if done.returncode and re.search("No matching distribution found|[Cc]onnection|resolution", done.stderr):
        pytest.skip("no package index to install from")
    assert done.returncode == 0, done.stderr
    program = tmp_path / "h2dlint-venv" / "bin" / "h2dlint"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("h2dlint ")
