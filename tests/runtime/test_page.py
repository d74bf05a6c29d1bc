"""The page of a trace as text: what is in it, and what can never be. What it does is in test_page_browser.py."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from h2dlint.engine.results import Note
from h2dlint.model import Confidence, Context, Effect, ErrorKind, FileError, Finding, Measured, Ran, Span
from h2dlint.runtime.join import Explained
from h2dlint.runtime.join import FindingRow as Joined
from h2dlint.runtime.page import FindingRow, Reported, SiteRow, page_notes, page_rows, render
from h2dlint.runtime.page.payload import LANES, RULES, build, read_lines, shown
from h2dlint.runtime.traces import SYNC, WAIT, Frame, Process, Site, Stall, Trace
from tests.runtime.sample_traces import BEGAN, ENGINE, Sample, sample

HOSTILE = (
    "</script><script>window.pwned=1</script>",
    "<!--<script>",
    '"><img src=x onerror="window.pwned=1">',
    "\u2028\u2029 \udcff \u202etxt.exe\n\x1b[31m",
    "@@DATA@@ @@SCRIPT@@ &lt;b&gt; ${window.pwned=1} \\u003c/script>",
)


class Outline(HTMLParser):
    """The elements of a page, and the text of each script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_data(self, data: str) -> None:
        if self.inside in self.texts:
            self.texts[self.inside][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample(tmp_path_factory.mktemp("run"), stalls=400)


def page_of(sample: Sample) -> str:
    return render(sample.trace, sample.rows, sample.extra, root=str(sample.root))


def data_of(page: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Outline(page).texts["script"][0])
    return data


def site(kind: str = SYNC, held: float = 5.0, frame: Frame | None = None, **more: Any) -> Site:
    frames = (frame or Frame("engine.py", 3, "step"),)
    return Site(kind, frames, 0, "torch.tensor", 1, 1, held, held, **more)


def process(pid: int = 1, started: float = BEGAN, wall: float = 1.0) -> Process:
    return Process(pid, ("python",), started, wall)


def finding(code: str, line: int = 3, message: str = "blocks") -> Finding:
    return Finding(
        "engine.py",
        Span(line, 1, line, 9),
        code,
        "a-rule",
        message,
        None,
        Context.HOT,
        Confidence.HIGH,
        Effect.BLOCKS,
    )


def hostile() -> tuple[Trace, list[SiteRow], list[FindingRow]]:
    """A trace in which everything that the program chose is meant to break out of the page."""
    frames = [Frame(text, 1, text) for text in HOSTILE]
    sites = tuple(
        Site(SYNC, (frame, *frames), 0, text, 1, 1, 9.0 - index, 9.0 - index, threads=(text,))
        for index, (frame, text) in enumerate(zip(frames, HOSTILE, strict=True))
    )
    text = " ".join(HOSTILE)
    found = replace(finding("HTD101", message=text), path=text)
    first = Reported(found, f"--- a\n+++ a\n+{text}\n-{text}\n", text, text)
    never = FindingRow(found, "never-ran", text, text, text)
    rows = [SiteRow(at, (first,) if index < 2 else (), text, ((1, text),)) for index, at in enumerate(sites)]
    stalls = tuple(Stall(index * 10.0, 5.0, index, 0, name) for index, name in enumerate(HOSTILE))
    one = Process(1, HOSTILE, BEGAN, 1.0, gpu=text, torch=text, python=text, note=text)
    return Trace(HOSTILE, (one,), sites, stalls), rows, [never]


def test_one_file_without_a_link(run: Sample) -> None:
    page = page_of(run)
    assert page.isascii()
    outline = Outline(page)
    links = {"src", "href", "action", "srcset", "background", "poster", "data"}
    assert not [attributes for _, attributes in outline.tags if links & attributes.keys()]
    assert not [tag for tag, _ in outline.tags if tag in {"link", "iframe", "object", "embed", "img", "base"}]
    assert not re.search(r"https?:|url\(|@import|\bfetch\(|XMLHttpRequest|WebSocket|\beval\(", page)


def test_markup_is_never_made_from_text() -> None:
    scripts = "".join(
        file.read_text() for file in files("h2dlint.runtime.page").iterdir() if file.name.endswith(".js")
    )
    assert "createElement" in scripts
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|new Function", scripts)


def test_the_policy_lets_only_the_script_and_style_of_the_page_run(run: Sample) -> None:
    outline = Outline(page_of(run))
    policy = next(a["content"] for tag, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for directive, text in (("script", outline.texts["script"][1]), ("style", outline.texts["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive}-src 'sha256-{digest}'" in policy


def test_hostile_text_stays_text() -> None:
    trace, rows, extra = hostile()
    page = render(trace, rows, extra, notes=HOSTILE)
    plain = render(Trace((), (), ()), (), ())
    assert [tag for tag, _ in Outline(page).tags] == [tag for tag, _ in Outline(plain).tags]
    assert "<!--" not in page
    assert Outline(page).texts["script"][1] == Outline(plain).texts["script"][1]
    data = data_of(page)
    assert data["sites"][0]["operator"] == HOSTILE[0]
    assert data["sites"][4]["operator"] == HOSTILE[4]
    # What could steer a terminal or turn the reading order round is spelled out.
    assert data["sites"][3]["operator"] == r"\u2028\u2029 \udcff \u202etxt.exe\n\x1b[31m"


def test_what_the_page_is_given(run: Sample) -> None:
    data = data_of(page_of(run))
    trace = run.trace
    assert data["blocking"] == trace.blocking
    assert data["held"] == pytest.approx(trace.held_us)
    assert data["waited"] == pytest.approx(trace.waited_us)
    assert [item["pid"] for item in data["processes"]] == [item.pid for item in trace.processes]
    assert len(data["sites"]) == len(trace.sites)
    assert {len(column) for column in data["stalls"].values()} == {len(trace.stalls)}
    assert sum(data["stalls"]["held"]) == pytest.approx(
        sum(stall.held_us for stall in trace.stalls), rel=1e-3
    )
    for row in run.rows:
        found = data["sites"][trace.sites.index(row.site)]
        assert [item["code"] for item in found["findings"]] == [item.finding.code for item in row.reported]
        assert found["reported"] == any(not item.hidden for item in row.reported)
    assert any(item["diff"] for item in data["sites"] for item in item["findings"])
    assert {item["status"] for item in data["extra"]} == {"ran-without-blocking", "never-ran"}
    assert {"engine/step.py", "kvtools/table.py", "torch/nn/modules/module.py"} <= {
        file["short"] for file in data["files"]
    }


def test_what_ran_is_marked(run: Sample) -> None:
    data = data_of(page_of(run))
    marked = {
        text[first:end] for item in data["sites"] for _, text, first, end in item["source"] if end > first
    }
    assert 'torch.tensor(value).to("cuda")' in marked
    # Over several lines, each up to its end and without its indentation.
    assert {"scale = torch.tensor(".split(" = ")[1], "temperatures,", ")"} <= marked


def test_tabs_and_control_characters_of_source() -> None:
    at = site(frame=Frame("engine.py", 1, "step", 3, 1, 6))
    rows = [SiteRow(at, source=((1, "\t\tabc\x0c\r"),))]
    data = build(Trace((), (process(),), (at,)), rows, ())
    ((_, text, first, end),) = data["sites"][0]["source"]
    assert text == " " * 8 + r"abc\x0c"
    assert text[first:end] == "abc"
    assert len(shown("x" * 100_000)) < 1000


def test_a_file_that_was_written_later_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "step.py"
    file.write_text(ENGINE, encoding="utf-8")
    at = site(WAIT, frame=Frame(str(file), 5, "step"))
    trace = Trace((), (process(),), (at,))
    os.utime(file, (BEGAN - 10, BEGAN - 10))
    before = build(trace, (), ())
    assert [line for line, *_ in before["sites"][0]["source"]] == [2, 3, 4, 5, 6, 7, 8]
    assert before["frames"][0][3] == "from torch import nn"
    os.utime(file, (BEGAN + 10, BEGAN + 10))
    after = build(trace, (), ())
    assert after["sites"][0]["source"] == []
    assert after["frames"][0][3] == ""
    assert after["files"][0]["newer"]


def test_only_source_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes(b"# coding: latin-1\n# \xe9\n")
    assert read_lines(str(file)) == ["# coding: latin-1", "# \xe9"]
    (tmp_path / "broken.py").write_bytes(b"\xff\xfe\x00")
    for name in ("broken.py", "gone.py", "a\0b.py", "."):
        assert read_lines(str(tmp_path / name)) is None
    assert read_lines(os.devnull) is None
    assert read_lines("<frozen importlib._bootstrap>") is None


def test_the_parts_of_a_run_that_are_not_drawn_by_themselves() -> None:
    count = LANES + 44
    stalls = tuple(Stall(float(n), float(n + 1), 0, 0, f"Thread-{n}") for n in range(count))
    data = build(Trace((), (process(),), (site(),), stalls), (), ())
    assert len(data["lanes"]) == LANES + 1
    assert data["lanes"][-1]["name"] == "44 other threads"
    # Those with the least time held share a line.
    assert [stall < 44 for stall in range(count)] == [lane == LANES for lane in data["stalls"]["lane"]]


def test_a_process_without_a_stall_has_a_line() -> None:
    data = build(Trace((), (process(1), process(2, BEGAN + 2.0)), ()), (), ())
    assert data["lanes"] == [{"process": 0, "name": ""}, {"process": 1, "name": ""}]
    assert data["span"] == pytest.approx(3e6)


def test_many_rules_share_a_colour() -> None:
    sites = [site(held=100.0 - n, frame=Frame("engine.py", n + 1, "step")) for n in range(RULES + 3)]
    rows = [SiteRow(at, (Reported(finding(f"HTD{101 + n}", n + 1)),)) for n, at in enumerate(sites)]
    data = build(Trace((), (process(),), tuple(sites)), rows, ())
    labels = [item["label"] for item in data["classes"]]
    assert labels == [*(f"HTD{101 + n}" for n in range(RULES - 1)), "other rules", "no rule", "other waits"]
    assert [item["class"] for item in data["sites"]] == [*range(RULES - 1), *[RULES - 1] * 4]
    assert data["classes"][RULES - 1]["name"] == "HTD108, HTD109, HTD110, HTD111"


def test_a_hidden_finding_stands_behind_one_that_is_reported() -> None:
    found = (Reported(finding("HTD101"), hidden="cold code"), Reported(finding("HTD205")))
    data = build(Trace((), (process(),), (site(),)), [SiteRow(site(), found)], ())
    assert [item["code"] for item in data["sites"][0]["findings"]] == ["HTD205", "HTD101"]
    assert data["classes"][data["sites"][0]["class"]]["label"] == "HTD205"


def test_what_the_linter_said_becomes_rows_and_notes() -> None:
    findings = tuple(
        Joined(replace(finding("HTD101", line), trace=Measured(status)), "cold code" if line == 2 else "")
        for line, status in enumerate((Ran.CONFIRMED, Ran.WITHOUT_BLOCKING, Ran.UNKNOWN), 1)
    )
    said = Explained(
        findings=(*findings, Joined(finding("HTD101", 4))),
        errors=(FileError("a.py", 1, ErrorKind.SYNTAX, "invalid syntax"),),
        notes=(Note("b.py", 1, "written after the trace"),),
    )
    rows, extra = page_rows(said)
    assert rows == []
    assert [(row.finding.span.line, row.status, row.hidden) for row in extra] == [
        (2, "ran-without-blocking", "cold code"),
        (3, "unknown", ""),
    ]
    assert page_notes(said) == ["b.py: written after the trace", "a.py could not be linted: invalid syntax"]
    assert data_of(render(Trace((), (), ()), rows, extra, notes=page_notes(said)))["notes"] == page_notes(
        said
    )
