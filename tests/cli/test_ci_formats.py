"""The formats for CI, from the command line into files and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from tests.cli.conftest import Project


def paths(form: str, file: Path) -> list[str]:
    """The paths that a consumer reads."""
    if form == "junit":
        return [case.classname for suite in JUnitXml.fromfile(str(file)) for case in suite]
    text = file.read_text(encoding="utf-8")
    if form == "github":
        return [line.split("file=")[1].split(",")[0] for line in text.splitlines()]
    document: Any = json.loads(text)
    if form == "gitlab":
        return [issue["location"]["path"] for issue in document]
    places = [result["locations"][0]["physicalLocation"] for result in document["runs"][0]["results"]]
    return [place["artifactLocation"]["uri"] for place in places]


@pytest.mark.parametrize("form", ["sarif", "github", "gitlab", "junit"])
def test_into_a_file_from_a_folder_below(
    project: Project, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    project.write("sub/b.py", "slow(1)\n")
    project.write("a.py", "slow(1)\nrisky(2)\n")
    project.write("h2dlint.toml", f'output-format = "{form}"\n')
    monkeypatch.chdir(project.root / "sub")
    outputs = []
    for arguments in (("..",), ("../a.py", "b.py", "--jobs", "2"), ("..", "--no-cache")):
        done = project("check", *arguments, "--output-file", "out/report")
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", "")
        outputs.append((project.root / "sub" / "out" / "report").read_bytes())
    assert outputs[0] == outputs[1] == outputs[2]
    found = paths(form, project.root / "sub" / "out" / "report")
    assert sorted(found) == ["a.py", "a.py", "sub/b.py"]


@pytest.mark.parametrize("form", ["sarif", "github", "gitlab", "junit"])
def test_there_are_no_statistics_and_it_is_said_first(mixed: Project, form: str) -> None:
    done = mixed("check", "--statistics", "--output-format", form)
    assert done.exit_code == 2
    assert done.stderr == (
        f"error: --statistics cannot be written as {form}; there are full, concise and json\n"
    )


def test_what_is_left_after_fixing(mixed: Project) -> None:
    done = mixed("fix", "--output-format", "github")
    assert done.exit_code == 1
    assert [line.split("line=")[1].split(",")[0] for line in done.stdout.splitlines()] == ["2", "3"]


def test_standard_input(project: Project) -> None:
    done = project("check", "-", "--output-format", "sarif", stdin="slow(1)\n")
    (result,) = json.loads(done.stdout)["runs"][0]["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region["snippet"]["text"] == "slow(1)"
    done = project("check", "--stdin-filename", "sub/x y.py", "--output-format", "sarif", stdin="slow(1)\n")
    (result,) = json.loads(done.stdout)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub/x%20y.py"


def test_silenced_findings_that_a_filter_hides_are_in_no_report(project: Project) -> None:
    project.write("a.py", "seldom(1)  # noqa\nslow(1)  # noqa\n")
    for arguments in ((), ("--cold",), ("--cold", "--select", "HTD1")):
        done = project("check", "--output-format", "sarif", *arguments)
        results = json.loads(done.stdout)["runs"][0]["results"]
        expected = (
            ["HTD101"] if "--cold" not in arguments or "--select" in arguments else ["HTD201", "HTD101"]
        )
        assert [result["ruleId"] for result in results] == expected
        assert done.exit_code == 0
