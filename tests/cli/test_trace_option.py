"""`check --trace`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from h2dlint.runtime.traces import ASYNC, SYNC, Frame, Process, Site, Trace, save
from tests.cli.conftest import Project


def site(path: Path, line: int, columns: tuple[int, int], held_us: float, kind: str = SYNC) -> Site:
    frame = Frame(str(path), line, "<module>", columns[0], line, columns[1])
    blocked = 3 if kind == SYNC else 0
    return Site(kind, (frame,), 0, "", 3, blocked, held_us, held_us / 3, 24)


def write(project: Project, sites: Sequence[Site], lines: dict[str, tuple[int, ...]] | None) -> None:
    process = Process(pid=1, argv=(), started=4e9, wall_s=1.0)
    save(Trace(("python",), (process,), tuple(sites), (), lines), project.root / "trace.json")


@pytest.fixture
def traced(mixed: Project) -> Project:
    a = mixed.root / "a.py"
    sites = (
        site(a, 2, (1, 9), 3000.0),
        site(a, 4, (1, 10), 900.0),  # Cold, and shown because it held the host.
        site(mixed.root / "b.py", 1, (1, 8), 800.0),
        site(mixed.root / "c.txt", 1, (1, 8), 700.0),
        site(a, 1, (1, 8), 30.0, ASYNC),
    )
    write(mixed, sites, {str(a): (1, 2)})
    return mixed


def test_full_is_sorted_by_time_held(traced: Project) -> None:
    result = traced("check", "--trace", "trace.json")
    assert result.exit_code == 1
    places = [line.split("--> ")[1] for line in result.stdout.splitlines() if "--> " in line]
    assert places == ["a.py:2:1", "a.py:4:1", "a.py:1:1", "a.py:3:1"]
    assert "  = measured: held the host 3 times, 3.0 ms in all, 1.0 ms at most\n" in result.stdout
    assert "  = measured: ran 3 times without blocking\n" in result.stdout
    assert "  = measured: never ran in this trace\n" in result.stdout
    assert "In the trace: 2 confirmed, 1 ran without blocking, 1 never ran.\n" in result.stdout
    assert (
        "2 blocking sites are not reported, 1 of them in files not checked or not as they were traced (h2dlint trace "
        "lists those that it records).\n" in result.stdout
    )


def test_what_did_not_hold_the_host_is_left_out_as_without_a_trace(mixed: Project) -> None:
    write(mixed, [site(mixed.root / "a.py", 2, (1, 9), 3000.0)], {str(mixed.root / "a.py"): (1, 2, 4)})
    said = mixed("check", "--trace", "trace.json", "--output-format", "concise").stdout
    assert "a.py:4" not in said
    assert "1 in cold code (--cold)" in said
    assert "a.py:4" in mixed("check", "--trace", "trace.json", "--cold", "--output-format", "concise").stdout


def test_json_stays_in_path_order(traced: Project) -> None:
    result = traced("check", "--trace", "trace.json", "--output-format", "json")
    findings = json.loads(result.stdout)["findings"]
    assert [finding["line"] for finding in findings] == [1, 2, 3, 4]
    assert [finding["trace"]["status"] for finding in findings] == [
        "ran-without-blocking",
        "confirmed",
        "never-ran",
        "confirmed",
    ]
    assert findings[1]["trace"]["held_us"] == 3000.0
    plain = json.loads(traced("check", "--output-format", "json").stdout)["findings"]
    assert [finding["trace"] for finding in plain] == [None] * 3


def test_several_traces_are_added_up(traced: Project) -> None:
    (traced.root / "other.json").write_bytes((traced.root / "trace.json").read_bytes())
    result = traced("check", "--trace", "trace.json", "--trace", "other.json", "--output-format", "concise")
    assert "held the host 6 times, 6.0 ms" in result.stdout


def test_a_stale_trace_is_told_of(traced: Project) -> None:
    process = Process(pid=1, argv=(), started=1e9, wall_s=1.0)
    trace = Trace((), (process,), (site(traced.root / "a.py", 2, (1, 9), 3.0),), ())
    save(trace, traced.root / "old.json")
    result = traced("check", "--trace", "old.json")
    assert "a.py:1: newer than the trace" in result.stderr
    assert "newer than" not in traced("check", "--trace", "old.json", "--quiet").stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "bad.json: cannot be read: No such file or directory"),
        (b"{", "bad.json: the file ends in the middle"),
        (b"[]", "bad.json: neither a trace of h2dlint nor one of torch.profiler"),
    ],
)
def test_an_unreadable_trace_stops_before_anything(
    traced: Project, content: bytes | None, message: str
) -> None:
    if content is not None:
        (traced.root / "bad.json").write_bytes(content)
    result = traced("check", "--trace", "bad.json")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fix"], "--trace cannot be used with --fix or --diff"),
        (["--diff"], "--trace cannot be used with --fix or --diff"),
        (["-"], "--trace cannot be used with standard input"),
    ],
)
def test_what_does_not_go_with_a_trace(traced: Project, arguments: list[str], message: str) -> None:
    before = traced.read("a.py")
    result = traced("check", "--trace", "trace.json", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert traced.read("a.py") == before


def test_fix_knows_no_traces(traced: Project) -> None:
    assert "No such option" in traced("fix", "--trace", "trace.json").stderr
