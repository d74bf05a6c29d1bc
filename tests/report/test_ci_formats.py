"""The formats github, gitlab and junit, read as their consumers read them."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import jsonschema
import pytest
from junitparser import Error, Failure, JUnitXml

from h2dlint.engine.results import Report
from h2dlint.report import FORMATS, View
from h2dlint.report.style import escape
from h2dlint.syntax.source import SourceText
from tests.report import hostile
from tests.report.samples import FIRST, REPORT, SOURCE, finding, render

_COMMAND = re.compile(r"::(\w+) ([^:]*)::(.*)", re.DOTALL)


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """What the runner of GitHub Actions makes of a log: one command a line, undone as its toolkit does it."""
    found = []
    # The runner ends a line at any of these.
    for line in re.split(r"\r\n|\r|\n", text):
        if not line:
            continue
        assert "##[" not in line or line.startswith("::")
        match = _COMMAND.fullmatch(line)
        assert match is not None, line
        pairs = dict(pair.split("=", 1) for pair in match[2].split(","))
        found.append((match[1], {key: undo(value) for key, value in pairs.items()}, undo(match[3])))
    return found


def undo(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_github_commands() -> None:
    text = render(REPORT, SOURCE, "github")
    assert text.splitlines()[0] == (
        "::warning title=h2dlint (HTD101),file=pkg/step.py,line=4,col=9,endLine=4,endColumn=35::"
        "pkg/step.py:4:9: HTD101 `torch.tensor` blocks the host (data: `xs` is a list; device: `d` is CUDA)"
    )
    found = commands(text)
    assert [(name, properties["file"], properties["line"]) for name, properties, _ in found] == [
        ("warning", "pkg/step.py", "4"),
        ("notice", "pkg/step.py", "5"),
        ("warning", "pkg/tail.py", "5"),
        ("error", "pkg/broken.py", "3"),
    ]


def test_columns_only_within_a_line() -> None:
    span = dataclasses.replace(FIRST, end_line=FIRST.line + 1, end_column=3)
    (command,) = commands(render(finding(span), SOURCE, "github"))
    assert "col" not in command[1]
    assert command[1]["endLine"] == str(FIRST.line + 1)


def test_nothing_breaks_out_of_a_github_command() -> None:
    found = commands(render(hostile.REPORT, SOURCE, "github"))
    assert len(found) == len(hostile.NAMES) + 3
    assert {properties["file"] for _, properties, _ in found} >= set(map(escape, hostile.NAMES))
    for name, properties, message in found[: len(hostile.NAMES)]:
        assert name == "warning"
        assert message.startswith(escape(properties["file"]))


GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "not": {"pattern": "^(/|\\./)"}},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}
"""What GitLab's documentation demands of a report."""


def gitlab(report: Report, source: SourceText | None = SOURCE) -> list[dict[str, Any]]:
    text = render(report, source, "gitlab")
    assert not text.startswith("\ufeff")
    issues: list[dict[str, Any]] = json.loads(text)
    jsonschema.validate(issues, GITLAB)
    prints = [issue["fingerprint"] for issue in issues]
    assert len(set(prints)) == len(prints)
    return issues


@pytest.mark.parametrize("report", [Report(), REPORT, hostile.REPORT, hostile.RICH])
def test_gitlab_issues(report: Report) -> None:
    issues = gitlab(report)
    counted = [note for note in report.notes if note.counts]
    assert len(issues) == len(report.findings) + len(report.errors) + len(counted)
    paths = [finding.path for finding in report.findings] + [error.path for error in report.errors]
    paths += [note.path for note in counted]
    # A name that is not UTF-8 is spelled out: strict parsers refuse a document with half a surrogate pair.
    shown = [path.encode("utf-8", "backslashreplace").decode() for path in paths]
    assert [issue["location"]["path"] for issue in issues] == shown


def test_gitlab_fingerprints_know_no_lines() -> None:
    def prints(top: str) -> list[str]:
        source = SourceText(top + SOURCE.text)
        down = top.count("\n")
        moved = [
            dataclasses.replace(
                each,
                span=dataclasses.replace(
                    each.span, line=each.span.line + down, end_line=each.span.end_line + down
                ),
            )
            for each in REPORT.findings
        ]
        return [
            issue["fingerprint"]
            for issue in gitlab(dataclasses.replace(REPORT, findings=tuple(moved)), source)
        ]

    assert prints("") == prints("# one\n\n# two\n")


def suites(report: Report) -> JUnitXml:
    return JUnitXml.fromstring(render(report, SOURCE, "junit").encode())


def test_junit_read_back() -> None:
    document = suites(REPORT)
    assert (document.tests, document.failures, document.errors) == (4, 3, 1)
    assert [suite.name for suite in document] == ["pkg/broken.py", "pkg/step.py", "pkg/tail.py"]
    cases = [case for suite in document for case in suite]
    assert [type(case.result[0]) for case in cases] == [Error, Failure, Failure, Failure]
    assert cases[1].classname == "pkg/step.py"
    assert cases[1].name == "HTD101 in Model.forward at 4:9"
    assert cases[1].result[0].type == "host-data-tensor-on-device"
    assert cases[1].result[0].text.startswith("pkg/step.py:4:9: HTD101 `torch.tensor` blocks the host\n")


def test_junit_without_findings_has_a_test_that_passed() -> None:
    document = suites(Report(checked=2))
    assert (document.tests, document.failures, document.errors) == (1, 0, 0)
    assert [case.is_passed for suite in document for case in suite] == [True]


def test_hostile_texts_are_xml() -> None:
    document = suites(hostile.REPORT)
    # A note that fails the run is a failure as well.
    assert document.failures == len(hostile.NAMES) + 1
    assert document.errors == 2
    names = {suite.name for suite in document}
    assert "ctrl\\x00\\x1b[31m\\x07\\ufffe.py" in names
    assert "q\"<&>'.py" in names


@pytest.mark.parametrize("form", ["sarif", "github", "gitlab", "junit"])
def test_machine_formats_have_no_statistics_and_repeat_themselves(form: str) -> None:
    assert FORMATS[form].has_statistics is False
    assert render(hostile.REPORT, SOURCE, form) == render(hostile.REPORT, SOURCE, form)


@pytest.mark.parametrize("form", ["github", "gitlab", "junit"])
def test_paths_are_relative_to_the_repository(form: str) -> None:
    text = render(REPORT, SOURCE, form, View(folder="/top/python", top="/top"))
    assert "python/pkg/step.py" in text
    assert "/top" not in text
