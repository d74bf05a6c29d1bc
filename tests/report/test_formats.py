"""The concise and json formats, statistics and the summary."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from h2dlint.engine.results import Hidden, Report
from h2dlint.model import Confidence, Span
from h2dlint.report import FORMATS, View
from h2dlint.report.style import escape
from h2dlint.report.summary import would_fix
from tests.report.samples import FIRST, PINNED, REPORT, SOURCE, finding, render, replace
from tests.report.schema import SCHEMA


def statistics(report: Report, form: str = "full", view: View | None = None) -> str:
    return "".join(FORMATS[form](view or View(), lambda path: None).statistics(report))


def summary(report: Report, view: View | None = None) -> str:
    """What a report of no findings or of hidden source ends with."""
    return re.split(r"blocks the host.*\n", render(report, None, "concise", view))[-1]


def test_concise() -> None:
    assert render(REPORT, None, "concise") == (
        "pkg/step.py:4:9: HTD101 [*] `torch.tensor` blocks the host"
        " (data: `xs` is a list; device: `d` is CUDA)\n"
        "pkg/tail.py:5:9: HTD101 `torch.tensor` blocks the host\n"
        "pkg/step.py:5:9: HTD206 `torch.tensor` blocks the host"
        " (data: `xs` is a list; device: `d` is CUDA; no gain: line 6 synchronizes)\n"
        "Found 3 findings in 2 files (2 hot, 1 warm).\n"
        "1 path could not be checked.\n"
        "[*] 1 fixable with --fix (1 more with --unsafe-fixes).\n"
        "Left out: 40 in cold code (--cold), 3 of low confidence (--min-confidence low).\n"
    )


def test_concise_in_colour() -> None:
    text = render(REPORT, None, "concise", View(colour=True, summary=False))
    assert text.startswith("\x1b[1mpkg/step.py\x1b[0m:4:9: \x1b[1;91mHTD101\x1b[0m [\x1b[36m*\x1b[0m] `torch")


def test_json_is_version_1() -> None:
    document = json.loads(render(REPORT, SOURCE, "json"))
    jsonschema.validate(document, SCHEMA)
    assert document["findings"][1] == {
        "path": "pkg/step.py",
        "cell": None,
        "line": 5,
        "column": 9,
        "end_line": 5,
        "end_column": 35,
        "code": "HTD206",
        "name": "pageable-non-blocking",
        "message": "`torch.tensor` blocks the host",
        "function": None,
        "context": "warm",
        "confidence": "medium",
        "effect": "may-block",
        "evidence": [
            "data: `xs` is a list",
            "device: `d` is CUDA",
            "fix: the device may not be an accelerator",
        ],
        "group": "G4",
        "gain": {"negated_by_line": 6, "idle_us": -10.0, "note": None},
        "trace": None,
        "fix": {
            "applicability": "unsafe",
            "title": "Pin it and copy with `non_blocking=True`",
            "edits": [
                {"cell": None, "line": 5, "column": 9, "end_line": 5, "end_column": 35, "content": PINNED}
            ],
        },
    }
    assert document["findings"][2]["fix"] == {
        "applicability": "display-only",
        "title": "Hoist it out of the loop",
        "edits": [],
    }
    assert document["errors"] == [
        {"path": "pkg/broken.py", "cell": None, "line": 3, "kind": "syntax", "message": "invalid syntax"}
    ]
    assert document["summary"] == {
        "files_checked": 5,
        "findings": 3,
        "by_code": {"HTD101": 2, "HTD206": 1},
        "by_context": {"hot": 2, "warm": 1, "cold": 0},
        "by_confidence": {"high": 2, "medium": 1, "low": 0},
        "fixable": {"safe": 1, "unsafe": 1, "display-only": 1},
        "hidden": {"cold": 40, "low_confidence": 3, "unchanged": 0},
        "baseline": 0,
        "suppressed": 2,
        "fixed": 0,
        "errors": 1,
    }


def test_json_of_nothing() -> None:
    document = json.loads(render(Report(), None, "json"))
    jsonschema.validate(document, SCHEMA)
    assert document["findings"] == []


def test_json_does_not_depend_on_how_it_is_viewed() -> None:
    plain = render(REPORT, SOURCE, "json")
    assert render(REPORT, None, "json", View(colour=True, width=20, summary=False)) == plain
    assert plain.isascii()


def test_statistics() -> None:
    assert statistics(REPORT) == (
        "2\tHTD101\t[-] host-data-tensor-on-device\n"
        "1\tHTD206\t[ ] pageable-non-blocking\n"
        "Found 3 findings in 2 files (2 hot, 1 warm).\n"
        "1 path could not be checked.\n"
        "[*] 1 fixable with --fix (1 more with --unsafe-fixes).\n"
        "Left out: 40 in cold code (--cold), 3 of low confidence (--min-confidence low).\n"
    )
    quiet = statistics(REPORT, "concise", View(unsafe_fixes=True, summary=False))
    assert quiet.splitlines()[1] == "1\tHTD206\t[*] pageable-non-blocking"


def test_statistics_in_json() -> None:
    assert json.loads(statistics(REPORT, "json")) == [
        {
            "code": "HTD101",
            "name": "host-data-tensor-on-device",
            "count": 2,
            "fixable": True,
            "fixable_count": 1,
            "baseline": 0,
        },
        {
            "code": "HTD206",
            "name": "pageable-non-blocking",
            "count": 1,
            "fixable": False,
            "fixable_count": 0,
            "baseline": 0,
        },
    ]


def test_summary_of_nothing() -> None:
    assert summary(Report()) == "All checks passed!\n"
    assert (
        summary(Report(hidden=Hidden(cold=1))) == "All checks passed!\nLeft out: 1 in cold code (--cold).\n"
    )


def test_summary_does_not_praise_what_it_could_not_check() -> None:
    assert summary(Report(errors=REPORT.errors)) == "No findings.\n1 path could not be checked.\n"


def test_summary_of_one() -> None:
    assert summary(Report(findings=(finding(FIRST),))) == "Found 1 finding in 1 file (1 hot).\n"
    fixable = Report(findings=(finding(FIRST, fix=replace(FIRST, PINNED)),))
    assert summary(fixable).endswith("[*] 1 fixable with --fix.\n")
    assert summary(Report(findings=REPORT.findings[1:2])).endswith("1 fixable with --fix --unsafe-fixes.\n")


def test_summary_names_what_the_least_confidence_left_out() -> None:
    text = summary(Report(hidden=Hidden(low_confidence=2)), View(min_confidence=Confidence.HIGH))
    assert text.endswith("Left out: 2 of low or medium confidence (--min-confidence low).\n")


def test_summary_after_fixing() -> None:
    report = Report(findings=REPORT.findings[1:], fixed={"a.py": {"HTD101": 7}, "b.py": {"HTD201": 2}})
    assert summary(report, View(fixing=True)) == (
        "Found 11 findings (9 fixed, 2 remaining).\n1 more with --unsafe-fixes.\n"
    )
    assert summary(
        report, View(fixing=True, fix_table=True, names={"HTD201": "fresh-host-tensor-moved"})
    ) == (
        "fixed   left  rule\n"
        "    7      1  HTD101 host-data-tensor-on-device\n"
        "    2      0  HTD201 fresh-host-tensor-moved\n"
        "    0      1  HTD206 pageable-non-blocking\n"
        "\n"
        "Found 11 findings (9 fixed, 2 remaining).\n"
        "1 more with --unsafe-fixes.\n"
    )
    nothing = Report(findings=REPORT.findings[1:2])
    assert summary(nothing, View(fixing=True)).endswith("(1 warm).\n1 fixable with --unsafe-fixes.\n")
    assert summary(Report(), View(fixing=True, fix_table=True)) == "All checks passed!\n"
    everything = Report(fixed={"a.py": {"HTD101": 1}})
    assert summary(everything, View(fixing=True)) == "Found 1 finding (1 fixed, 0 remaining).\n"


def test_summary_of_a_dry_run() -> None:
    assert would_fix(2, 0) == "Would fix 2 findings.\n"
    assert would_fix(1, 3) == "Would fix 1 finding (3 more with --unsafe-fixes).\n"
    assert would_fix(0, 1) == "No findings would be fixed (1 fixable with --unsafe-fixes).\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain `text`, ünïcödé 数 é", "plain `text`, ünïcödé 数 é"),
        ("a\x1b[0mb", r"a\x1b[0mb"),
        ("\x00\x7f\x9b\r\n\t", r"\x00\x7f\x9b\r\n\t"),
        ("\u202e\u2066\u200b\u2028", r"\u202e\u2066\u200b\u2028"),
        ("\udcff", r"\udcff"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_a_path_that_is_not_unicode() -> None:
    report = Report(findings=(finding(Span(1, 1, 1, 2), path="a\udcff.py"),))
    assert render(report, None, "concise").startswith(r"a\udcff.py:1:1: ")
    assert json.loads(render(report, None, "json"))["findings"][0]["path"] == "a\udcff.py"
