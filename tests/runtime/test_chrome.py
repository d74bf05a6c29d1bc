"""Traces of torch.profiler, read as ours.

``data/profile_h200.json`` was recorded on an H200 (torch 2.11, CUDA 13) from ``data/profiled.py``.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from h2dlint.engine.config import load_settings
from h2dlint.engine.files import discover
from h2dlint.engine.runner import lint_files
from h2dlint.runtime import chrome_events
from h2dlint.runtime.matching import join
from h2dlint.runtime.reading import read, read_all
from h2dlint.runtime.traces import ASYNC, STAGED, SYNC, WAIT, Site, Trace, TraceError, save
from tests.runtime.tracing import trace_of

DATA = Path(__file__).parent / "data"
PROFILE = DATA / "profile_h200.json"


@pytest.fixture(scope="module")
def profile() -> Trace:
    return read(PROFILE)


def seen(trace: Trace) -> set[tuple[str, str, str, int, int]]:
    return {
        (site.kind, site.frame.function, site.operator, site.count, site.bytes)
        for site in trace.sites
        if site.frame is not None
    }


def test_what_the_profiled_program_did(profile: Trace) -> None:
    assert seen(profile) == {
        (SYNC, "inner", "torch.tensor", 2, 24),
        (SYNC, "step", "Tensor.to", 2, 32),
        (SYNC, "step", "Tensor.cuda", 2, 8),
        (ASYNC, "step", "Tensor.to", 2, 32768),
        (STAGED, "step", "Tensor.to", 2, 33554432),
        (SYNC, "step", "__getitem__", 2, 32),
        (SYNC, "step", "__setitem__", 2, 8),
        (WAIT, "step", "Tensor.item", 2, 0),
        # Weight and bias, by Python code of torch; the profiler's own wait at the end is not there.
        (SYNC, "main", "Module.to", 2, 48),
    }
    process = profile.processes[0]
    assert (process.gpu, process.pid, profile.source, profile.lines) == ("NVIDIA H200", 541, "chrome", None)
    assert profile.blocking == sum(site.blocked for site in profile.sites if site.kind in (SYNC, STAGED))


def test_held_is_the_copy_and_its_wait(profile: Trace) -> None:
    (site,) = [site for site in profile.sites if site.operator == "torch.tensor" and site.frame]
    first = 13.952 + 783.409
    assert site.max_us == pytest.approx(first, abs=0.01)
    assert first < site.held_us < first + 20
    assert site.frame is not None
    assert (site.frame.file, site.frame.line) == ("profiled.py", 4)
    assert [frame.function for frame in site.frames] == ["inner", "main", "<module>"]


def test_stalls_are_in_order_and_belong_to_their_sites(profile: Trace) -> None:
    starts = [stall.start_us for stall in profile.stalls]
    assert starts == sorted(starts) and starts[0] >= 0
    for index, site in enumerate(profile.sites):
        held = [stall.held_us for stall in profile.stalls if stall.site == index]
        assert len(held) == site.blocked
        if site.kind in (SYNC, WAIT):
            assert sum(held) == pytest.approx(site.held_us)


def test_findings_are_matched_by_function(profile: Trace, tmp_path: Path) -> None:
    shutil.copy(DATA / "profiled.py", tmp_path)
    settings = load_settings((), tmp_path, isolated=True, overrides={"cold": True, "min-confidence": "low"})
    found = discover(["."], settings, tmp_path)
    findings = lint_files(found, settings).findings
    result = join(findings, profile, {file.path: file.location for file in found.files})
    said = {
        (finding.span.line, finding.code): (
            finding.trace.status.value,
            finding.trace.among,
            [line for line in finding.evidence if line.startswith("trace:")],
        )
        for finding in result.findings
        if finding.trace is not None
    }
    alone = ["trace: matched by function"]
    assert said[5, "HTD101"] == ("confirmed", 1, alone)
    assert said[9, "HTD201"] == ("confirmed", 1, alone), "the only `.cuda()` of the function"
    # Two calls of `.to` ask not to wait, and the profile does not tell them apart; the one that waits is no finding.
    # The 16 MiB that the other one sends held the host until they were sent.
    assert said[11, "HTD206"] == ("confirmed", 2, [f"{alone[0]}, one of 2 places that fit"])
    assert said[16, "HTD103"] == ("unknown", 1, []), "nothing is known of what its thread ran"
    owned = {
        site.operator
        for site, owners in zip(profile.sites, result.owners, strict=True)
        if site.stalls and owners
    }
    assert owned == {"torch.tensor", "Tensor.cuda", "Tensor.to"}


def test_packed_and_plain_are_the_same(profile: Trace, tmp_path: Path) -> None:
    packed = tmp_path / "profile.json.gz"
    packed.write_bytes(gzip.compress(PROFILE.read_bytes()))
    assert read(packed) == profile


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_a_file_in_pieces_is_the_same(
    profile: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(chrome_events, "CHUNK", chunk)
    document = json.loads(PROFILE.read_text(encoding="utf-8"))
    small = tmp_path / "small.json"
    small.write_text(json.dumps(document), encoding="utf-8")
    if chunk == 4096:
        assert read(small) == profile
        return
    document["traceEvents"] = document["traceEvents"][:5]
    small.write_text(json.dumps(document), encoding="utf-8")
    reader = chrome_events.Document(small)
    assert list(reader.events()) == document["traceEvents"]
    assert reader.header == {key: value for key, value in document.items() if key != "traceEvents"}


def changed(tmp_path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Path:
    document = json.loads(PROFILE.read_text(encoding="utf-8"))
    document["traceEvents"] = change(document["traceEvents"])
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def without(*categories: str) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda events: [event for event in events if event.get("cat") not in categories]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("python_function"), "recorded without stacks.*with_stack=True"),
        (without("cuda_runtime", "gpu_memcpy"), "holds no CUDA calls.*ProfilerActivity.CUDA"),
        (without("gpu_memcpy"), "holds no activity of the device"),
        (lambda events: [], "neither a trace of h2dlint nor one of torch.profiler"),
        (lambda events: [{"ph": "X", "cat": "FEE", "name": "f", "ts": 1, "dur": 2}], "neither a trace"),
        (
            lambda events: [{"ph": "X", "cat": "cpu_op", "name": "f"}],
            "an event that torch.profiler would not",
        ),
    ],
)
def test_traces_that_say_nothing(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], message: str
) -> None:
    with pytest.raises(TraceError, match=message):
        read(changed(tmp_path, change))


def test_a_copy_of_unknown_direction_is_told_of(tmp_path: Path, profile: Trace) -> None:
    def without_one(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            event
            for event in events
            if event.get("args", {}).get("correlation") != 56 or "cuda" in event["name"]
        ]

    trace = read(changed(tmp_path, without_one))
    assert trace.blocking == profile.blocking - 1
    assert trace.processes[0].note == "1 copy of unknown direction is left out"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (PROFILE.read_bytes()[:60_000], "ends in the middle"),
        (PROFILE.read_bytes().rstrip()[:-1], "ends in the middle"),
        (gzip.compress(PROFILE.read_bytes())[:5_000], "damaged gzip"),
        (b'{"traceEvents": [{"ph": X}]}', "not JSON"),
        (b'{"traceEvents": [1 2]}', "not JSON"),
        (b"import torch\n", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[]", "neither"),
        (b'{"some": "thing"}', "neither"),
        (b'{"kind": "h2dlint-trace", "version": 99}', "version 99"),
    ],
)
def test_damaged_files_are_told_of(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(data)
    with pytest.raises(TraceError, match=message):
        read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"gone\.json: cannot be read: No such file"):
        read_all([tmp_path / "gone.json"])


def test_our_own_traces_and_several_of_them(tmp_path: Path, profile: Trace) -> None:
    own = tmp_path / "own.json"
    save(trace_of(lines={"/a.py": (1, 2)}), own)
    assert read(own).lines == {"/a.py": (1, 2)}
    assert len(read_all([own, own]).processes) == 2
    twice = read_all([PROFILE, PROFILE])
    assert (twice.blocking, twice.source) == (2 * profile.blocking, "chrome")
    with pytest.raises(TraceError, match="together"):
        read_all([own, PROFILE])


def test_addresses_of_objects_make_no_new_sites(tmp_path: Path, profile: Trace) -> None:
    def moved(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**event, "name": event["name"].replace(" object at 0x", f" object at 0x{number:x}")}
            for number, event in enumerate(events)
        ]

    assert read(changed(tmp_path, moved)) == profile


def test_threads_and_devices_are_kept_apart(tmp_path: Path, profile: Trace) -> None:
    def another_thread(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        more = []
        for event in events:
            if event.get("ph") == "X" and event.get("cat") in ("python_function", "cpu_op", "cuda_runtime"):
                if event.get("tid") == 541:
                    arguments = {**event.get("args", {})}
                    if "correlation" in arguments:
                        arguments["correlation"] += 100_000
                    more.append({**event, "tid": 542, "args": arguments})
            elif event.get("cat") == "gpu_memcpy":
                arguments = event["args"]
                shifted = {**arguments, "correlation": arguments["correlation"] + 100_000, "device": 1}
                more.append({**event, "args": shifted})
        return events + more

    def find(trace: Trace) -> Site:
        (site,) = [site for site in trace.sites if site.operator == "torch.tensor" and site.frame]
        return site

    both = read(changed(tmp_path, another_thread))
    site, before = find(both), find(profile)
    assert (site.count, site.streams) == (2 * before.count, 2 * before.streams)
    assert len(site.threads) == 2
    assert site.held_us == pytest.approx(2 * before.held_us)
