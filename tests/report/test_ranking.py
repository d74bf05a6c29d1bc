"""The order of the reports for people, and the lines that they show of evidence and gain."""

from __future__ import annotations

import pytest

from h2dlint.engine.results import Report
from h2dlint.model import Confidence, Context, Effect, Finding, Gain, Span
from h2dlint.report.because import because, gain
from h2dlint.report.ranking import ranked
from tests.report.samples import finding, render

PINNED, FACTORY, NEGATED = Gain(idle_us=-10.0), Gain(idle_us=5.0), Gain(negated_by_line=9, idle_us=5.0)


def at(
    line: int,
    gain: Gain | None = PINNED,
    *,
    context: Context = Context.HOT,
    confidence: Confidence = Confidence.HIGH,
    effect: Effect = Effect.BLOCKS,
    group: str | None = None,
    path: str = "a.py",
) -> Finding:
    span = Span(line, 1, line, 2)
    return finding(
        span, path=path, gain=gain, context=context, confidence=confidence, effect=effect, group=group
    )


def order(*findings: Finding) -> list[int]:
    return [found.span.line for found in ranked(findings)]


def test_each_criterion_yields_to_the_one_before() -> None:
    worst_first = (
        at(1, NEGATED, context=Context.HOT, effect=Effect.MAY_BLOCK),
        at(2, FACTORY, context=Context.COLD, effect=Effect.HAZARD),
        at(3, None, context=Context.WARM),
        at(4, PINNED, effect=Effect.MAY_BLOCK),
        at(5, None),
        at(6, PINNED, confidence=Confidence.LOW),
        at(7, PINNED),
        at(8, FACTORY, confidence=Confidence.LOW),
        at(9, None, effect=Effect.HAZARD, confidence=Confidence.LOW),
    )
    assert order(*worst_first) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_equals_stay_in_path_order() -> None:
    findings = [at(n, path=path) for path in ("a.py", "b.py") for n in (3, 4)]
    assert ranked(findings) == findings


def test_a_group_stays_together_at_the_place_of_its_best() -> None:
    assert order(at(1), at(2, group="G2"), at(3), at(4, FACTORY, group="G2")) == [2, 4, 1, 3]
    assert order(at(1), at(2, group="G2"), at(3), at(4, NEGATED, group="G2")) == [1, 2, 3, 4]
    other = at(4, FACTORY, group="G2", path="b.py")
    assert order(at(1), at(2, group="G2"), other) == [4, 1, 2], "a group does not reach beyond its file"


@pytest.mark.parametrize("form", ["full", "concise"])
def test_text_is_ranked_and_json_is_not(form: str) -> None:
    report = Report(findings=(at(1, NEGATED), at(2)))
    text = render(report, None, form)
    assert text.index("a.py:2:1") < text.index("a.py:1:1")
    assert "no gain: line 9 synchronizes" in text
    data = render(report, None, "json")
    assert data.index('"line": 1') < data.index('"line": 2')


def test_evidence_is_one_line_in_one_order() -> None:
    evidence = ("device: h.device", "hot: loop at line 3", "data: xs: a list; or none")
    assert because(finding(Span(1, 1, 1, 2), evidence=evidence)) == (
        "data: xs: a list, or none; device: h.device; hot: loop at line 3"
    )
    assert because(finding(Span(1, 1, 1, 2), evidence=())) == ""


def test_gain_promises_no_more_than_was_measured() -> None:
    assert gain(at(1, PINNED)) == "gain: the wait for queued work; where nothing is queued about 10 us slower"
    assert gain(at(1, FACTORY)).endswith("about 5 us faster")
    assert "wait that there may be" in gain(at(1, PINNED, effect=Effect.MAY_BLOCK))
    assert gain(at(1, NEGATED)) == gain(at(1, None)) == gain(at(1, Gain())) == ""


def test_full_tells_of_the_group_and_the_note() -> None:
    note = Gain(note="building it costs more")
    report = Report(findings=(at(1, note, group="G1"), at(1, group="G1"), at(7, group="G1")))
    text = render(report, None)
    assert "= note: building it costs more\n" in text
    assert text.count("= group: with lines 1, 7; fixing one alone moves its wait to another\n") == 2
    assert "= group: with line 1; fixing" in text
