"""What a trace adds to the reports."""

from __future__ import annotations

import dataclasses
import json

import jsonschema
import pytest

from h2dlint.engine.results import Report
from h2dlint.model import Effect, Finding, Measured, Ran, Span
from h2dlint.report import Unreported, View
from h2dlint.report.measured import duration, measured, size, suffix
from h2dlint.report.ranking import ranked
from tests.report.samples import FIRST, SOURCE, finding, render
from tests.report.schema import SCHEMA


def with_trace(line: int, trace: Measured | None, **more: object) -> Finding:
    return dataclasses.replace(finding(Span(line, 1, line, 5), path="a.py", **more), trace=trace)  # type: ignore[arg-type]


CONFIRMED = Measured(Ran.CONFIRMED, 41, 41, 12_300.0, 1_200.0, 328)


@pytest.mark.parametrize(
    ("trace", "full", "short"),
    [
        (
            CONFIRMED,
            "held the host 41 times, 12.3 ms in all, 1.2 ms at most",
            "held the host 41 times, 12.3 ms",
        ),
        (
            Measured(Ran.CONFIRMED, 1, 1, 950.04, 950.04, 8),
            "held the host once, 950 us",
            "held the host once, 950 us",
        ),
        (
            Measured(Ran.CONFIRMED, 5, 2, 2e6, 1.5e6, 8, among=3),
            "held the host 2 of 5 times, 2.0 s in all, 1.5 s at most, here or at 2 other places",
            "held the host 2 times, 2.0 s",
        ),
        (Measured(Ran.WITHOUT_BLOCKING), "ran without blocking", "ran without blocking"),
        (Measured(Ran.WITHOUT_BLOCKING, 1), "ran 1 time without blocking", "ran without blocking"),
        (
            Measured(Ran.WITHOUT_BLOCKING, 2, among=2),
            "ran 2 times without blocking, here or at 1 other place",
            "ran without blocking",
        ),
        (Measured(Ran.RAN), "ran in this trace; a trace does not show races", "ran"),
        (Measured(Ran.NEVER), "never ran in this trace", "never ran"),
        (
            Measured(Ran.UNKNOWN),
            "did not block in this trace, which does not tell whether it ran",
            "not known to have run",
        ),
    ],
)
def test_words(trace: Measured, full: str, short: str) -> None:
    found = with_trace(1, trace)
    assert measured(found) == f"measured: {full}"
    assert suffix(found) == short
    assert f"  = measured: {full}\n" in render(found, None)
    assert f"; {short})\n" in render(found, None, "concise")


def test_without_a_trace_nothing_is_said() -> None:
    plain = finding(FIRST)
    assert measured(plain) == suffix(plain) == ""
    assert "measured" not in render(plain, SOURCE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0 us"),
        (9.96, "10.0 us"),
        (99.96, "100 us"),
        (999.4, "999 us"),
        (999.6, "1.0 ms"),
        (999_600.0, "1.0 s"),
    ],
)
def test_durations(value: float, text: str) -> None:
    assert duration(value) == text


def test_sizes() -> None:
    assert [size(value) for value in (24, 1536, 1024 * 1024 - 1, 5 * 2**30, 3 * 2**40)] == [
        "24 B",
        "1.5 KiB",
        "1.0 MiB",
        "5.0 GiB",
        "3.0 TiB",
    ]


def test_what_held_longest_comes_first_and_json_stays_in_path_order() -> None:
    findings = (
        with_trace(1, Measured(Ran.NEVER), effect=Effect.HAZARD),
        with_trace(2, Measured(Ran.CONFIRMED, 1, 1, 5.0, 5.0), group="G"),
        with_trace(3, Measured(Ran.WITHOUT_BLOCKING), group="G"),
        with_trace(4, CONFIRMED, group="G"),
    )
    assert [item.span.line for item in ranked(findings)] == [4, 2, 1, 3]
    document = json.loads(render(Report(findings=findings), None, "json"))
    jsonschema.validate(document, SCHEMA)
    assert [item["line"] for item in document["findings"]] == [1, 2, 3, 4]
    assert document["findings"][3]["trace"] == {
        "status": "confirmed",
        "count": 41,
        "blocked": 41,
        "held_us": 12300.0,
        "max_us": 1200.0,
        "bytes": 328,
        "among": 1,
    }


@pytest.mark.parametrize(
    ("unreported", "line"),
    [
        (Unreported(), ""),
        (
            Unreported(1),
            "1 blocking site is not reported (h2dlint trace lists those that it records).\n",
        ),
        (
            Unreported(3, 2),
            "3 blocking sites are not reported, 2 of them in files not checked or not as they were traced "
            "(h2dlint trace lists those that it records).\n",
        ),
    ],
)
def test_summary(unreported: Unreported, line: str) -> None:
    findings = (
        with_trace(1, CONFIRMED),
        with_trace(2, Measured(Ran.NEVER)),
        with_trace(3, Measured(Ran.RAN)),
    )
    text = render(Report(findings=findings), None, "concise", View(traced=unreported))
    counts = "In the trace: 1 confirmed, 0 ran without blocking, 1 ran (races), 1 never ran.\n"
    assert f"{counts}{line}" in text
    assert ("not reported" in text) == bool(line)
    assert "In the trace" not in render(Report(findings=findings), None, "concise")
