"""``h2dlint rule``."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Project


@pytest.mark.parametrize("name", ["HTD101", "htd101", "slow-call"])
def test_explain(project: Project, name: str) -> None:
    done = project("rule", name)
    assert done.exit_code == 0
    assert done.stdout.startswith(
        "# slow-call (HTD101)\n\nFix: always.\n\nCalls of `slow`.\n\n## What it does\n"
    )


def test_explain_on_a_terminal_is_rendered(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = project("rule", "HTD101").stdout
    assert "\x1b[" in text
    assert "##" not in text
    assert "What it does" in text


def test_explain_in_json(project: Project) -> None:
    assert json.loads(project("rule", "HTD101", "--format", "json").stdout) == {
        "code": "HTD101",
        "name": "slow-call",
        "summary": "Calls of `slow`.",
        "fix": "always",
        "explanation": "Calls of `slow`.\n\n## What it does\n\nFinds calls of `slow`.",
        "sections": {"What it does": "Finds calls of `slow`."},
    }


def test_list(project: Project) -> None:
    done = project("rule")
    assert done.exit_code == 0
    rows = [line.split(maxsplit=3) for line in done.stdout.splitlines()]
    assert rows[1:] == [
        ["HTD101", "slow-call", "always", "Calls of `slow`."],
        ["HTD201", "odd-call", "sometimes", "Every other call that a test wants found."],
    ]


def test_list_in_json(project: Project) -> None:
    listed = json.loads(project("rule", "--format", "json").stdout)
    assert [each["code"] for each in listed] == ["HTD101", "HTD201"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HTD102", "did you mean HTD101"),
        ("slowcall", "did you mean slow-call"),
        ("xyz", "`h2dlint rule` lists all rules"),
    ],
)
def test_an_unknown_rule(project: Project, name: str, hint: str) -> None:
    done = project("rule", name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: unknown rule '{name}'; {hint}")
