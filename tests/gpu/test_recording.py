"""``record`` on a device: it must not wait, and must still see the values of its moment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from h2dlint.runtime import record, recording
from h2dlint.runtime.compare import compare
from h2dlint.runtime.records import Record, read

pytestmark = pytest.mark.gpu

QUEUED_CYCLES = 100_000_000
"""Of the sleep kernel; some 50 ms."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    torch.ones(1, device="cuda").add(1).cpu()
    monkeypatch.setattr(recording, "_writer", recording.Writer(tmp_path))
    # The first use loads modules and makes a stream.
    record("warm-up", torch.ones(4, device="cuda"))
    drain()
    yield tmp_path


def drain() -> None:
    assert recording._writer is not None
    recording._writer.drain()


def bytes_of(record: Record) -> bytes:
    value = record.value
    return record.data.read_bytes()[value["at"] :][: value["n"]]


def recorded(folder: Path) -> list[Record]:
    return [entry for (_, name), entries in read(folder).series.items() if name == "x" for entry in entries]


def test_the_host_is_not_held(folder: Path) -> None:
    tensor = torch.arange(1024.0, device="cuda")
    torch.cuda.synchronize()
    done = torch.cuda.Event()
    torch.cuda._sleep(QUEUED_CYCLES)
    done.record()
    began = time.perf_counter()
    record("x", {"a": tensor, "b": tensor.t(), "host": torch.ones(3)})
    record("x", tensor)
    held = time.perf_counter() - began
    assert not done.query(), f"record held the host for {held * 1000:.1f} ms"
    drain()
    assert [item.value["k"] for item in recorded(folder)] == ["dict", "tensor"]


def test_values_are_those_of_the_moment(folder: Path) -> None:
    tensor = torch.zeros(8, device="cuda")
    torch.cuda._sleep(QUEUED_CYCLES)
    for number in range(5):
        tensor.fill_(number)
        record("x", tensor)
    tensor.fill_(-1)
    drain()
    assert [bytes_of(item) for item in recorded(folder)] == [
        bytes(torch.full((8,), float(number)).view(torch.uint8).numpy()) for number in range(5)
    ]


def test_values_of_a_stream_of_the_program(folder: Path) -> None:
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(QUEUED_CYCLES)
        tensor = torch.full((1000,), 3, device="cuda")
        record("x", tensor)
        tensor.zero_()
    drain()
    assert bytes_of(recorded(folder)[0]) == bytes(torch.full((1000,), 3).view(torch.uint8).numpy())


def test_what_is_ready_is_written_without_a_drain(folder: Path) -> None:
    record("x", torch.ones(4, device="cuda"))
    torch.cuda.synchronize()
    torch.cuda._sleep(QUEUED_CYCLES)
    record("x", torch.zeros(4, device="cuda"))
    assert [item.value["k"] for item in recorded(folder)] == ["tensor", "lost"]
    drain()


def test_a_capture_has_no_values(folder: Path) -> None:
    static = torch.ones(4, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="a CUDA graph is captured"), torch.cuda.graph(graph):
        record("x", static * 2)


def test_the_device_is_compared(folder: Path, tmp_path: Path) -> None:
    record("x", torch.ones(4, device="cuda"))
    drain()
    other = tmp_path / "other"
    other.mkdir()
    writer = recording.Writer(other)
    writer.write("warm-up", torch.ones(4, device="cuda"))
    writer.write("x", torch.ones(4))
    writer.drain()
    (difference,) = compare(read(folder), read(other)).differences
    assert difference.what == "device cuda:0 before, cpu after"


def test_values_are_fetched_at_the_end_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"trace": false, "plan": null, "records": true}')
    text = (
        "import torch\nfrom h2dlint.runtime import record\n"
        f"torch.cuda._sleep({QUEUED_CYCLES})\nrecord('x', torch.arange(3, device='cuda'))\n"
    )
    environment = {**os.environ, "H2DLINT_RUN": str(tmp_path)}
    subprocess.run([sys.executable, "-c", text], env=environment, check=True, timeout=120)
    assert bytes_of(recorded(tmp_path)[0]) == bytes(torch.arange(3).view(torch.uint8).numpy())
