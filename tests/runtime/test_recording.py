"""What ``record`` writes, that it can be read whatever happens to the process, and that it does nothing elsewhere."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import threading
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch

from h2dlint.runtime import encode, record, recording
from h2dlint.runtime.compare import compare
from h2dlint.runtime.records import Recording, digest, read


@pytest.fixture(autouse=True)
def no_names_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are named after variables that a test run may set."""
    for name in ("PYTEST_XDIST_WORKER", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a verify run that this process is part of."""
    monkeypatch.setattr(recording, "_writer", recording.Writer(tmp_path))
    yield tmp_path
    assert recording._writer is not None
    recording._writer.drain()


def recorded(folder: Path, name: str = "x") -> list[Any]:
    return [entry for (_, own), entries in read(folder).series.items() if own == name for entry in entries]


def node(value: Any) -> encode.Node:
    return encode.Encoder().node(value)


def program(text: str, folder: Path, records: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program as ``launch`` would, as far as recording goes."""
    (folder / "run.json").write_text(json.dumps({"trace": False, "plan": None, "records": records}))
    environment = {**os.environ, "H2DLINT_RUN": str(folder)}
    script = folder / "script.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120
    )


def test_elsewhere_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    value = object()
    assert record("x", value) is value
    assert list(tmp_path.iterdir()) == []


def test_only_a_verify_run_switches_it_on(tmp_path: Path) -> None:
    text = "from h2dlint.runtime import record\nrecord('x', 1)\n"
    assert program(text, tmp_path, records=False).returncode == 0
    assert read(tmp_path).count == 0
    assert program(text, tmp_path).returncode == 0
    assert read(tmp_path).count == 1


def test_recording_does_not_load_torch(tmp_path: Path) -> None:
    text = "import sys\nfrom h2dlint.runtime import record\nrecord('x', [1, {'a': 2.5}])\n"
    done = program(text + "print([m for m in ('torch', 'numpy', 'libcst') if m in sys.modules])\n", tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_value_comes_back_and_may_be_written_to(folder: Path) -> None:
    tensor = torch.ones(3)
    assert record("x", tensor) is tensor
    tensor.zero_()
    record("x", tensor)
    one, other = recorded(folder)
    assert one.data.read_bytes()[one.value["at"] :][: one.value["n"]] == torch.ones(3).numpy().tobytes()
    assert digest(one.data, one.value) != digest(other.data, other.value)


Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class State:
    tokens: Any
    step: int


class Logits(torch.Tensor):  # type: ignore[misc]
    pass


VALUES: dict[str, Callable[[], Any]] = {
    "float32": lambda: torch.tensor([0.0, -0.0, math.nan, math.inf]),
    "bfloat16": lambda: torch.arange(5.0).bfloat16(),
    "float16": lambda: torch.arange(5.0).half(),
    "float8": lambda: torch.arange(5.0).to(torch.float8_e4m3fn),
    "complex": lambda: torch.tensor([1 + 2j, -1j]),
    "conjugated": lambda: torch.tensor([1 + 2j]).conj(),
    "negated": lambda: torch.tensor([1 + 2j]).conj().imag,
    "bool": lambda: torch.tensor([True, False]),
    "uint16": lambda: torch.ones(3, dtype=torch.uint16),
    "empty": lambda: torch.empty(0, 3),
    "scalar": lambda: torch.tensor(3),
    "transposed": lambda: torch.arange(6.0).reshape(2, 3).t(),
    "expanded": lambda: torch.ones(1).expand(4),
    "parameter": lambda: torch.nn.Parameter(torch.ones(2)),
    "not a leaf": lambda: torch.ones(2, requires_grad=True) * 2,
    "subclass": lambda: torch.ones(2).as_subclass(Logits),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "meta": lambda: torch.ones(3, device="meta"),
    "array": lambda: numpy.arange(5)[::2],
    "structured": lambda: numpy.zeros(2, dtype=[("a", "<i4"), ("b", ">f8")]),
    "objects": lambda: numpy.array([1, "a", None], dtype=object),
    "masked": lambda: numpy.ma.array([1, 2], mask=[False, True]),
    "numpy number": lambda: numpy.float32(1.5),
    "mapping": lambda: {
        "a": [1, 2.5, 1j, "\ud800", b"\0", None, True],
        3: (torch.ones(1),),
        ("k", 1): {1, 2},
    },
    "ordered": lambda: OrderedDict(a=1, b=2),
    "namedtuple": lambda: Pair(1, torch.zeros(1)),
    "dataclass": lambda: State(torch.arange(3), 1),
    "returned": lambda: torch.ones(2, 2).max(0),
    "words": lambda: [torch.float32, torch.device("cpu"), torch.strided, torch.Size([1, 2]), range(3)],
    "set of tensors": lambda: {torch.ones(1), torch.zeros(1)},
    "huge": lambda: 10**5000,
}


@pytest.mark.parametrize("name", VALUES)
def test_every_value_equals_itself_and_differs_from_others(name: str, tmp_path: Path) -> None:
    def run(folder: str, value: Any) -> Recording:
        writer = recording.Writer(tmp_path / folder)
        (tmp_path / folder).mkdir()
        writer.write("x", value)
        writer.drain()
        return read(tmp_path / folder)

    one = run("one", VALUES[name]())
    same = compare(one, run("same", VALUES[name]()))
    assert (same.differences, same.records) == ((), 1)
    others = {other: make() for other, make in VALUES.items() if other != name}
    for number, (other, value) in enumerate(others.items()):
        assert compare(one, run(str(number), value)).differences, (name, other)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.eye(4).to_sparse_csr(),
        lambda: torch.eye(4).to_sparse_csc(),
        lambda: torch.eye(4).to_sparse_bsr((2, 2)),
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
        lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 2, torch.qint8),
    ],
)
def test_tensors_that_are_made_of_others(make: Callable[[], Any], folder: Path) -> None:
    record("x", make())
    record("x", make())
    one, other = recorded(folder)
    assert compare(read(folder), read(folder)).tensors == 2
    assert one.value["parts"]
    assert digest(one.data, one.value) == digest(other.data, other.value)


def test_floats_keep_their_bits() -> None:
    assert node(0.0) != node(-0.0)
    assert node(math.nan) == node(math.nan)
    assert node(True) != node(1) != node(1.0)


def looped() -> list[Any]:
    value: list[Any] = [1]
    value.append({"again": value})
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "the value is a object"),
        ({"a": [1, object()]}, r"value\['a'\]\[1\] is a object"),
        (State(threading.Lock(), 1), r"value\.tokens is a _thread\.lock"),
        (torch.nn.Linear(1, 1), r"Linear, .*record its state_dict\(\)"),
        (looped(), r"value\[1\]\['again'\] contains itself"),
        ({torch.ones(1): 1}, "cannot be matched"),
        (iter("a"), "str_iterator|str_ascii_iterator"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_place(value: Any, message: str, folder: Path) -> None:
    with pytest.raises(TypeError, match=message):
        record("x", value)
    record("x", 1)
    assert [item.value["v"] for item in recorded(folder)] == ["0x1"]


def test_the_name_is_a_str(folder: Path) -> None:
    with pytest.raises(TypeError, match="name is a int"):
        record(3, 1)  # type: ignore[arg-type]


def test_tensors_inside_vmap_have_no_values(folder: Path) -> None:
    with pytest.raises(TypeError, match="inside vmap"):
        torch.vmap(lambda x: record("x", x))(torch.ones(2, 3))


def test_compiled_code_records_as_other_code_does(folder: Path) -> None:
    @torch.compile(backend="eager")  # type: ignore[untyped-decorator]
    def step(x: torch.Tensor) -> torch.Tensor:
        return record("x", x + 1) * 2

    assert torch.equal(step(torch.ones(2)), torch.full((2,), 4.0))
    assert [item.data.read_bytes() for item in recorded(folder)] == [torch.full((2,), 2.0).numpy().tobytes()]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_write_files_of_their_own(method: str, tmp_path: Path) -> None:
    text = f"""
import multiprocessing
from h2dlint.runtime import record

def work(n):
    record("worker", n)

if __name__ == "__main__":
    multiprocessing.set_start_method({method!r})
    record("main", 0)
    for n in range(2):
        worker = multiprocessing.Process(target=work, args=(n,), name=f"worker {{n}}")
        worker.start()
        worker.join()
    record("main", 1)
"""
    done = program(text, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = read(tmp_path)
    assert {key: len(entries) for key, entries in found.series.items()} == {
        ("script.py", "main"): 2,
        ("worker 0", "worker"): 1,
        ("worker 1", "worker"): 1,
    }
    assert found.problems == ()


def test_a_rank_names_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert program("from h2dlint.runtime import record\nrecord('x', 1)\n", tmp_path).returncode == 0
    assert list(read(tmp_path).series) == [("rank 3 script.py", "x")]


def test_threads_record_side_by_side(folder: Path) -> None:
    def work(number: int) -> None:
        for step in range(50):
            record("x", torch.full((100,), float(number * 100 + step)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = recorded(folder)
    data = entries[0].data.read_bytes()
    seen = set()
    for entry in entries:
        values = numpy.frombuffer(data[entry.value["at"] :][:400], numpy.float32)
        assert len(set(values)) == 1, "the bytes of two records have been mixed"
        seen.add(float(values[0]))
    assert len(entries) == len(seen) == 200
    assert len({entry.source for entry in entries}) == 4


def test_a_process_that_is_killed_leaves_what_it_recorded(tmp_path: Path) -> None:
    text = "import os\nfrom h2dlint.runtime import record\nrecord('x', 1)\nrecord('x', 2)\nos.kill(os.getpid(), 9)\n"
    assert program(text, tmp_path).returncode == -9
    assert len(recorded(tmp_path)) == 2


def test_a_file_that_ends_too_early_is_read_up_to_there(folder: Path) -> None:
    for number in range(3):
        record("x", number)
    index = next(folder.glob("*.jsonl"))
    index.write_bytes(index.read_bytes()[:-5])
    found = read(folder)
    assert found.count == 2
    assert "ends in the middle of a record" in found.problems[0]


class Event:
    """An event of a device that is done when a test says so."""

    def __init__(self) -> None:
        self.done = False

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.done = True


class Remote:
    """A tensor on a device."""

    is_cuda = True
    device = "cuda:0"

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def fetch(self) -> torch.Tensor:
        if self.fault:
            raise RuntimeError(self.fault)
        return torch.ones(4, dtype=torch.uint8)


@pytest.fixture
def events(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Events of what is recorded, where everything recorded lies on a device; ``Remote`` can be recorded."""
    made: list[Event] = []

    def encoded(self: encode.Encoder, value: Any, path: str = "") -> encode.Node:
        leaf: encode.Node = {"k": "tensor", "dtype": "uint8", "shape": [4], "n": 4, "at": 0}
        self.blobs.append((leaf, value))
        return leaf

    def record_events(blobs: Any) -> list[Event]:
        made.append(Event())
        return made[-1:]

    monkeypatch.setattr(encode.Encoder, "node", encoded)
    monkeypatch.setattr(recording, "_events", record_events)
    monkeypatch.setattr(recording.Writer, "_on_host", lambda self, data: data.fetch())
    return made


def test_values_on_a_device_are_fetched_when_it_is_done(folder: Path, events: list[Event]) -> None:
    writer = recording._writer
    assert writer is not None
    record("x", Remote())
    record("x", Remote())
    assert [item.value["k"] for item in recorded(folder)] == ["lost", "lost"], "nothing has been waited for"
    events[0].done = True
    record("x", Remote())
    assert [item.value["k"] for item in recorded(folder)] == ["tensor", "lost", "lost"]
    writer.drain()
    assert [item.value["k"] for item in recorded(folder)] == ["tensor"] * 3
    assert all(event.done for event in events)
    assert [item.value["at"] for item in recorded(folder)] == [0, 4, 8]


def test_values_on_a_device_take_no_more_than_so_much_memory(
    folder: Path, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "PENDING_BYTES", 8)
    for _ in range(4):
        record("x", Remote())
    assert [item.value["k"] for item in recorded(folder)] == ["tensor", "tensor", "lost", "lost"]


def test_a_value_that_cannot_be_fetched_is_lost_and_says_why(folder: Path, events: list[Event]) -> None:
    record("x", Remote("device-side assert\nmore"))
    record("x", Remote())
    assert recording._writer is not None
    recording._writer.drain()
    lost, found = recorded(folder)
    assert lost.value == {"k": "lost", "v": "device-side assert"}
    assert found.value["k"] == "tensor"


def test_what_record_copies_is_left_out_of_the_trace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import contextmanager

    log: list[str] = []

    @contextmanager
    def suspended() -> Iterator[None]:
        log.append("begin")
        yield
        log.append("end")

    monkeypatch.setitem(sys.modules, "h2dlint.runtime.recorder", SimpleNamespace(suspended=suspended))
    record("x", torch.ones(1))
    assert log == ["begin", "end"]
