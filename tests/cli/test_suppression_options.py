"""Suppressions that are not used or give no reason, and configurations that extend others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Project


def unused(project: Project, text: str, *arguments: str) -> list[str]:
    """What is said of the suppressions in a text, with and without the cache."""
    project.write("a.py", text)
    said = []
    for _ in range(2):
        done = project("check", "--warn-unused-suppressions", "--output-format", "json", *arguments)
        notes = [note["message"] for note in json.loads(done.stdout)["notes"]]
        assert done.exit_code == (1 if notes else 0), done.output
        said.append(notes)
    assert said[0] == said[1]
    return said[0]


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("slow(1)  # noqa: HTD101\n", []),
        ("fast(1)  # noqa: HTD101\n", ['"# noqa: HTD101": HTD101 is not found here']),
        ("fast(1)  # noqa: E501, HTD101\n", ['"# noqa: E501, HTD101": HTD101 is not found here']),
        (
            "fast(1)  # noqa: HTD101, HTD201\n",
            ['"# noqa: HTD101, HTD201": HTD101, HTD201 are not found here'],
        ),
        ("slow(1)  # noqa: HTD101, HTD201\n", ['"# noqa: HTD101, HTD201": HTD201 is not found here']),
        ("slow(1)  # noqa: HTD101, HTD999\n", ['"# noqa: HTD101, HTD999": there is no rule HTD999']),
        ("fast(1)  # noqa\n", []),
        ("fast(1)  # gpu-sync-ok: it is read anyway\n", []),
        ("fast(1)  # h2dlint: ignore\n", ['"# h2dlint: ignore" silences nothing']),
        (
            "# h2dlint: ignore-file[odd-call]\nfast(1)\n",
            ['"# h2dlint: ignore-file[odd-call]": HTD201 is not'],
        ),
        ("x = '# noqa: HTD101'\n", []),
        # Hidden by a filter, but there.
        ("seldom(1)  # noqa: HTD201\n", []),
    ],
)
def test_what_is_unused(project: Project, text: str, notes: list[str]) -> None:
    found = unused(project, text)
    assert len(found) == len(notes)
    for one, other in zip(found, notes, strict=True):
        assert one.startswith(f"unused suppression: {other}")


def test_rules_that_did_not_run_are_not_judged(project: Project) -> None:
    assert unused(project, "fast(1)  # noqa: HTD101\n", "--select", "HTD2") == []
    assert unused(project, "fast(1)  # h2dlint: ignore\n", "--select", "HTD2") == []
    assert unused(project, "fast(1)  # noqa: HTD101\n", "--per-file-ignores", "a.py:HTD101") == []


def test_it_is_off_by_default_and_can_be_configured(project: Project) -> None:
    project.write("a.py", "fast(1)  # noqa: HTD101\n")
    assert project("check").exit_code == 0
    project.write("h2dlint.toml", "warn-unused-suppressions = true\n")
    done = project("check")
    assert done.exit_code == 1
    assert "a.py:1: unused suppression" in done.stderr
    assert project("check", "--no-warn-unused-suppressions").exit_code == 0
    assert project("check", "--exit-zero").exit_code == 0


@pytest.mark.parametrize(
    ("comment", "enough"),
    [
        ("# noqa", False),
        ("# noqa: HTD101", False),
        ("# noqa: HTD101 # noqa: E501", False),
        ("# noqa: HTD101 # type: ignore", False),
        ("# noqa: HTD101 -", False),
        ("# h2dlint: ignore", False),
        ("# h2dlint: ignore[HTD101]", False),
        ("# gpu-sync-ok", False),
        ("# gpu-sync-ok:", False),
        ("# noqa: HTD101 once", True),
        ("# noqa: HTD101 - once", True),
        ("# noqa: HTD101  # once", True),
        ("# h2dlint: ignore[HTD101] once", True),
        ("# h2dlint: ignore: \u65e5", True),
        ("# gpu-sync-ok: once", True),
    ],
)
def test_reasons_are_required_on_request(project: Project, comment: str, enough: bool) -> None:
    project.write("a.py", f"slow(1)  {comment}\n")
    assert project("check").exit_code == 0
    project.write("h2dlint.toml", "require-reason = true\n")
    done = project("check")
    assert done.exit_code == (0 if enough else 1)
    assert ("gives no reason (require-reason)" in done.stderr) is not enough


def test_a_comment_of_another_tool_needs_no_reason(project: Project) -> None:
    project.write("h2dlint.toml", "require-reason = true\n")
    project.write("a.py", "fast(1)  # noqa\nslow(1)  # noqa: HTD101 so\n")
    done = project("check")
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_reason_beside_a_comment_without_one(project: Project) -> None:
    project.write("h2dlint.toml", "require-reason = true\n")
    project.write("a.py", "slow(1)  # noqa  # h2dlint: ignore[HTD101] once\n")
    done = project("check")
    assert (done.exit_code, done.stderr) == (0, "")


def settings(project: Project, *arguments: str) -> dict[str, str]:
    done = project("check", "--show-settings", *arguments)
    assert done.exit_code == 0, done.output
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)


def test_extend(project: Project) -> None:
    project.write("base/strict.toml", 'cold = true\nignore = ["HTD201"]\nmin-confidence = "low"\n')
    project.write("h2dlint.toml", 'extend = "base/strict.toml"\nmin-confidence = "high"\n')
    found = settings(project)
    assert found["cold"] == "true"
    assert found["min-confidence"] == '"high"'
    assert found["rules"] == '["HTD101"]'
    project.write("h2dlint.toml", 'extend = "base/strict.toml"\nextend-select = ["HTD201"]\n')
    assert settings(project)["rules"] == '["HTD101", "HTD201"]'
    project.write("h2dlint.toml", 'extend = "base/strict.toml"\nselect = ["HTD201"]\n')
    assert settings(project)["rules"] == '["HTD201"]'
    assert settings(project, "--ignore", "HTD2")["rules"] == "[]"


def test_extend_over_several_files_and_pyproject(project: Project) -> None:
    project.write("one.toml", 'select = ["HTD1"]\ncold = true\n')
    project.write("two/pyproject.toml", '[tool.h2dlint]\nextend = "../one.toml"\nassume-cuda = true\n')
    project.write("h2dlint.toml", 'extend = "two/pyproject.toml"\n')
    found = settings(project)
    assert (found["rules"], found["cold"], found["assume-cuda"]) == ('["HTD101"]', "true", "true")


def test_patterns_are_relative_to_their_file(project: Project) -> None:
    project.write(
        "shared/base.toml",
        'extend-exclude = ["gen/*.py"]\nbaseline = "known.json"\n[per-file-ignores]\n"t/*" = ["HTD1"]\n',
    )
    project.write("shared/known.json", '{"version": 1, "findings": {}}')
    project.write("h2dlint.toml", 'extend = "shared/base.toml"\nextend-exclude = ["own/*.py"]\n')
    for name in ("gen/a.py", "shared/gen/b.py", "own/c.py", "shared/t/d.py", "t/e.py"):
        project.write(name, "slow(1)\n")
    found = json.loads(project("check", "--output-format", "json").stdout)["findings"]
    assert [finding["path"] for finding in found] == ["gen/a.py", "t/e.py"]
    assert settings(project)["baseline"].endswith('shared/known.json"')


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"h2dlint.toml": 'extend = "h2dlint.toml"'}, "goes in a circle: h2dlint.toml -> h2dlint.toml"),
        (
            {"h2dlint.toml": 'extend = "b.toml"', "b.toml": 'extend = "./x/../h2dlint.toml"'},
            "h2dlint.toml -> b.toml -> h2dlint.toml",
        ),
        ({"h2dlint.toml": 'extend = "b.toml"'}, '"extend" names b.toml, which does not exist'),
        ({"h2dlint.toml": 'extend = "."'}, "which is not a file"),
        ({"h2dlint.toml": "extend = 3"}, '"extend" must be a string'),
        ({"h2dlint.toml": 'extend = "b.toml"', "b.toml": "colt = true"}, 'b.toml: unknown key "colt"'),
        (
            {"h2dlint.toml": 'extend = "pyproject.toml"', "pyproject.toml": "[project]"},
            "has no [tool.h2dlint]",
        ),
    ],
)
def test_what_cannot_be_extended(project: Project, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        project.write(name, text)
    done = project("check")
    assert done.exit_code == 2
    assert message in done.stderr


def test_what_is_extended_counts_for_the_cache(project: Project) -> None:
    project.write("base.toml", "cold = true\n")
    project.write("h2dlint.toml", 'extend = "base.toml"\n')
    project.write("a.py", "seldom(1)\n")
    assert project("check").exit_code == 1
    project.write("base.toml", "cold = false\n")
    assert project("check").exit_code == 0


def test_config_and_extend(project: Project) -> None:
    project.write("ci/base.toml", "cold = true\n")
    project.write("ci/h2dlint.toml", 'extend = "base.toml"\n')
    found = settings(project, "--config", "ci/h2dlint.toml")
    assert found["cold"] == "true"
    assert Path(json.loads(found["root"])) == project.root


@pytest.mark.parametrize("form", ["concise", "full"])
def test_a_run_that_fails_for_a_comment_says_so(project: Project, form: str) -> None:
    project.write("a.py", "x = 1  # h2dlint: ignore\n")
    options = ("check", "--warn-unused-suppressions", "--output-format", form)
    done = project(*options)
    assert (done.exit_code, "All checks passed" in done.stdout) == (1, False)
    quiet = project(*options, "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (1, "")
    assert quiet.stderr.startswith("warning: a.py:1: unused suppression")
