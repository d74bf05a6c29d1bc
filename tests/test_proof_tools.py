"""The tools of the proof on a GPU, as far as they need none: what they compare, count, hash and judge."""

from __future__ import annotations

import ast
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("numpy")

import numpy as np
import torch

from docs._hooks.measured import render_measured
from tests.gpu import loading, results, stale
from tests.gpu.compare import differences
from tests.gpu.events import Activity, Sync, attribute
from tests.gpu.harness import Held, Measured, Site
from tests.gpu.proof import Function, Observed, figure, functions, judge

# Comparing


def leaf(**options: Any) -> torch.Tensor:
    return torch.tensor([1.0, 2.0], **options)


SHARED = torch.arange(6.0)

DIFFERENT: dict[str, tuple[Any, Any, str]] = {
    "value": (torch.tensor([1, 2]), torch.tensor([1, 3]), "values"),
    "sign of zero": (torch.tensor([0.0]), torch.tensor([-0.0]), "values"),
    "one bit": (torch.tensor([1.0]), torch.tensor([1.0 + 2**-23]), "values"),
    "scalar tensor": (torch.tensor(1), torch.tensor(2), "values"),
    "conjugate": (torch.tensor([1 + 2j]), torch.tensor([1 + 2j]).conj(), "values"),
    "dtype": (torch.tensor([1]), torch.tensor([1], dtype=torch.int32), "dtype"),
    "shape": (torch.zeros(2, 3), torch.zeros(3, 2), "shape"),
    "stride": (torch.zeros(2, 3), torch.zeros(3, 2).T, "stride"),
    "expanded": (torch.zeros(3), torch.zeros(1).expand(3), "stride"),
    "device": (torch.zeros(2), torch.zeros(2, device="meta"), "device"),
    "requires_grad": (leaf(), leaf(requires_grad=True), "requires_grad"),
    "is_leaf": (leaf(requires_grad=True), leaf(requires_grad=True).clone(), "is_leaf"),
    "type": (leaf(), torch.nn.Parameter(leaf(), requires_grad=False), "Tensor became Parameter"),
    "not a tensor": (torch.tensor([1]), [1], "Tensor became list"),
    "length": ([1, 2], [1, 2, 3], "items"),
    "key": ({"a": 1}, {"b": 1}, "items"),
    "nested": ({"a": [torch.zeros(1)]}, {"a": [torch.ones(1)]}, "['a'][0]: the values"),
    "int became bool": ([1], [True], "became bool"),
    "float": ([0.0], [-0.0], "became"),
    "empty": ([], [[]], "became"),
    "array": (np.array([1.0]), np.array([1.0], dtype=np.float32), "arrays"),
    "aliasing": ([SHARED[:3], SHARED[3:]], [SHARED[:3], SHARED[3:].clone()], "share memory"),
}


@pytest.mark.parametrize(("before", "after", "word"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_difference_is_found(before: Any, after: Any, word: str) -> None:
    for one, other in ((before, after), (after, before)):
        lines = differences(one, other)
        assert lines
        assert any(word.split(" became ")[0] in line or "became" in line for line in lines)
    assert any(word in line for line in differences(before, after))


def test_equal_results_are_equal() -> None:
    def result() -> Any:
        shared = torch.arange(6.0)
        return {
            "nan": torch.tensor([math.nan, -0.0, math.inf]),
            "empty": [torch.zeros(0), [], {}],
            "low": torch.ones(3, dtype=torch.bfloat16),
            "bool": torch.tensor([True, False]),
            "complex": torch.tensor([1 + 2j]),
            "views": (shared[:3], shared[::2]),
            "float": math.nan,
            "array": np.array([math.nan]),
            "other": [None, "text", 3, True, slice(None)],
        }

    assert not differences(result(), result())


# Attributing


class Trace:
    """Writes a small trace the way the profiler does; times are counted up by each call."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.now = 1000.0
        self.correlation = 0

    def add(self, category: str, name: str, start: float, **arguments: Any) -> None:
        self.now += 1.0
        self.events.append(
            {
                "ph": "X",
                "cat": category,
                "name": name,
                "pid": 7,
                "tid": arguments.pop("tid", 7),
                "ts": start,
                "dur": self.now - start,
                "args": arguments,
            }
        )

    def runtime(self, name: str, **arguments: Any) -> None:
        self.now += 1.0
        self.correlation += 1
        self.add("cuda_runtime", name, self.now, correlation=self.correlation, **arguments)

    def copy(self, kind: str, call: str = "cudaMemcpyAsync", **arguments: Any) -> None:
        self.runtime(call, **arguments)
        # The copy itself runs later, on a stream of the device.
        self.add("gpu_memcpy", f"Memcpy {kind}", self.now + 500.0, correlation=self.correlation, tid=99)

    def inside(self, category: str, *names: str) -> Inside:
        return Inside(self, category, names)


class Inside:
    """An operator, or several within each other, around what is added in the block."""

    def __init__(self, trace: Trace, category: str, names: tuple[str, ...]) -> None:
        self.trace, self.category, self.names = trace, category, names

    def __enter__(self) -> None:
        self.starts = []
        for _ in self.names:
            self.trace.now += 1.0
            self.starts.append(self.trace.now)

    def __exit__(self, *_: object) -> None:
        for name, start in reversed(list(zip(self.names, self.starts, strict=True))):
            self.trace.add(self.category, name, start)


TO = ("aten::to", "aten::_to_copy", "aten::copy_")
ITEM = ("aten::item", "aten::_local_scalar_dense")
UPLOAD = "HtoD (Pageable -> Device)"
PINNED = "HtoD (Pinned -> Device)"
READ = "DtoH (Device -> Pinned)"


def activity(fill: Callable[[Trace], None]) -> Activity:
    """What is found in a trace whose one region ``fill`` fills; other things happen around it."""
    trace = Trace()

    def noise() -> None:
        with trace.inside("cpu_op", *TO):
            trace.copy(UPLOAD)
            trace.runtime("cudaStreamSynchronize")
        trace.runtime("cudaDeviceSynchronize")

    noise()
    with trace.inside("user_annotation", "region"):
        fill(trace)
    noise()
    trace.events.append({"ph": "M", "name": "process_name", "args": {"name": "python"}})
    trace.events.reverse()  # the order of the file says nothing
    return attribute(trace.events, lambda name: name == "region")["region"]


def test_a_blocking_upload() -> None:
    def fill(trace: Trace) -> None:
        with trace.inside("cpu_op", *TO):
            trace.copy(UPLOAD)
            trace.runtime("cudaStreamSynchronize")

    assert activity(fill) == Activity({UPLOAD: 1}, (Sync("cudaStreamSynchronize", "h2d", TO),))


def test_waits_with_other_causes() -> None:
    def fill(trace: Trace) -> None:
        with trace.inside("cpu_op", "aten::repeat_interleave", *ITEM):
            trace.copy(READ)
            trace.runtime("cudaStreamSynchronize")
        with trace.inside("cpu_op", "aten::unique"):
            trace.runtime("cudaStreamSynchronize")
        trace.runtime("cudaEventSynchronize")

    seen = activity(fill)
    assert seen.h2d_syncs == 0
    assert seen.other_syncs == (
        "d2h in aten::repeat_interleave",
        "other in aten::unique",
        "other in cudaEventSynchronize",
    )


def test_a_copy_under_way_is_not_what_another_operator_waits_for() -> None:
    def fill(trace: Trace) -> None:
        with trace.inside("cpu_op", *TO):
            trace.copy(PINNED)
        trace.runtime("cudaStreamSynchronize")
        with trace.inside("cpu_op", *TO):
            trace.copy(UPLOAD)
        with trace.inside("cpu_op", *ITEM):
            trace.copy(READ)
            trace.runtime("cudaStreamSynchronize")

    seen = activity(fill)
    assert [sync.kind for sync in seen.syncs] == ["other", "d2h"]
    assert seen.copies == {READ: 1, UPLOAD: 1, PINNED: 1}
    assert seen.unwaited_pageable == 1


def test_a_copy_call_that_waits_by_itself() -> None:
    def fill(trace: Trace) -> None:
        with trace.inside("cpu_op", *TO):
            trace.copy(UPLOAD, call="cudaMemcpy")
        trace.copy("DtoD", call="cudaMemcpyAsync_v3020")
        trace.runtime("cudaLaunchKernel")

    seen = activity(fill)
    assert seen.syncs == (Sync("cudaMemcpy", "h2d", TO),)
    assert seen.copies == {"DtoD": 1, UPLOAD: 1}


def test_a_thread_that_goes_by_another_number() -> None:
    def fill(trace: Trace) -> None:
        with trace.inside("cpu_op", *TO):
            trace.copy(UPLOAD, tid=-12345)
            trace.runtime("cudaStreamSynchronize", tid=-12345)

    assert activity(fill).syncs == (Sync("cudaStreamSynchronize", "h2d", TO),)


def test_two_threads_at_a_time() -> None:
    trace = Trace()
    with trace.inside("user_annotation", "region"), trace.inside("cpu_op", "aten::to"):
        trace.copy(UPLOAD)
        trace.copy(READ, tid=8)
        trace.runtime("cudaStreamSynchronize")
        trace.runtime("cudaStreamSynchronize", tid=8)
    trace.add("cpu_op", "aten::item", 1001.5, tid=8)
    seen = attribute(trace.events, lambda name: name == "region")["region"]
    assert [sync.cause for sync in seen.syncs] == ["h2d in aten::to", "d2h in aten::item"]


def test_a_region_named_twice_is_refused() -> None:
    trace = Trace()
    for _ in range(2):
        with trace.inside("user_annotation", "region"):
            trace.runtime("cudaLaunchKernel")
    with pytest.raises(ValueError, match="region"):
        attribute(trace.events, lambda name: name == "region")


def test_the_profilers_own_format(tmp_path: Path) -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for name in ("h2dlint-a", "h2dlint-b"):
            with torch.profiler.record_function(name):
                torch.ones(3) + 1
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    found = attribute(events, lambda name: name.startswith("h2dlint-"))
    assert found == {"h2dlint-a": Activity({}, ()), "h2dlint-b": Activity({}, ())}
    # What a runtime call would be attributed to: the operators lie within the region, on the same thread.
    region = next(event for event in events if event.get("name") == "h2dlint-a" and event["ph"] == "X")
    end = region["ts"] + region["dur"]
    add = next(
        event
        for event in events
        if event.get("name") == "aten::add" and event["ts"] >= region["ts"] and event["ts"] <= end
    )
    call = {**add, "cat": "cuda_runtime", "name": "cudaStreamSynchronize", "dur": 0}
    seen = attribute([*events, call], lambda name: name == "h2dlint-a")["h2dlint-a"]
    assert [sync.cause for sync in seen.syncs] == ["other in aten::add"]


# Judging

CASE = Function("case_a", (("HTD101", "unsafe"),))
STAGED = Function("case_staged", (("HTD206", "safe"), ("HTD207", "unsafe")))
ADVICE = Function("case_a", (("HTD101", "display-only"),))
SILENT = Function("silent_a", ())

H2D_WAIT = Sync("cudaStreamSynchronize", "h2d", TO)
D2H_WAIT = Sync("cudaStreamSynchronize", "d2h", ITEM)
SITE = Site("fixture.py", 1, "x = torch.tensor(xs, device=device)")

LONG, SHORT = Held(20.3, 0.1, 20.0), Held(0.2, 0.1, 20.0)


def did(*syncs: Sync, sites: int | None = None, staged: int = 0, error: str = "") -> Measured:
    number = len(syncs) if sites is None else sites
    return Measured(Activity({}, syncs, staged), (SITE,) * number, error)


GOOD = [
    (CASE, Observed(did(H2D_WAIT), did(), LONG, SHORT)),
    (CASE, Observed(did(H2D_WAIT, H2D_WAIT), did(H2D_WAIT), LONG, LONG)),
    (CASE, Observed(did(H2D_WAIT, D2H_WAIT), did(D2H_WAIT), LONG, LONG)),
    (CASE, Observed(did(staged=1), did(), SHORT, SHORT)),
    (STAGED, Observed(did(staged=1), did(), LONG, SHORT)),
    (STAGED, Observed(did(D2H_WAIT, staged=1), did(D2H_WAIT), LONG, LONG)),
    (Function("case_a", CASE.markers, streams=True), Observed(did(H2D_WAIT), did(), SHORT, SHORT)),
    (ADVICE, Observed(did(H2D_WAIT), None, LONG)),
    (SILENT, Observed(did(), None, SHORT)),
    (SILENT, Observed(did(D2H_WAIT), None, LONG)),
]

BAD = [
    (CASE, Observed(did(), did(), LONG, SHORT), "no blocking host-to-device copy before"),
    (CASE, Observed(did(H2D_WAIT), None, LONG, SHORT), "not measured after"),
    (CASE, Observed(did(H2D_WAIT), did(H2D_WAIT), LONG, LONG), "as many blocking"),
    (CASE, Observed(did(staged=1), did(staged=1), LONG, LONG), "as many blocking"),
    (CASE, Observed(did(H2D_WAIT), did(D2H_WAIT), LONG, LONG), "another cause"),
    (CASE, Observed(did(H2D_WAIT), did(sites=1), LONG, SHORT), "sync debug mode"),
    (CASE, Observed(did(H2D_WAIT), did(), SHORT, SHORT), "for only 0.2 ms"),
    (CASE, Observed(did(H2D_WAIT), did(), LONG, LONG), "still holds"),
    (STAGED, Observed(did(staged=1), did(), SHORT, SHORT), "too small a case"),
    (STAGED, Observed(did(staged=1), did(), LONG, LONG), "still holds"),
    (STAGED, Observed(did(staged=1), did(staged=1), LONG, SHORT), "as many blocking"),
    (CASE, Observed(did(H2D_WAIT), did(), LONG, None), "was not taken"),
    (
        CASE,
        Observed(did(H2D_WAIT), did(error="RuntimeError: no"), LONG, SHORT),
        "after the fix: RuntimeError",
    ),
    (ADVICE, Observed(did(), None, LONG), "no blocking host-to-device copy before"),
    (SILENT, Observed(did(H2D_WAIT), None, SHORT), "1 blocking"),
    (SILENT, Observed(did(sites=1), None, SHORT), "sync debug mode"),
    (SILENT, Observed(did(), None, LONG), "held the host for 20.3 ms"),
    (SILENT, Observed(did(error="TypeError: no"), None, SHORT), "before the fix: TypeError"),
]


@pytest.mark.parametrize(("function", "seen"), GOOD)
def test_what_a_proof_lets_pass(function: Function, seen: Observed) -> None:
    assert judge(function, seen) == []


@pytest.mark.parametrize(("function", "seen", "words"), BAD)
def test_what_a_proof_objects_to(function: Function, seen: Observed, words: str) -> None:
    assert any(words in line for line in judge(function, seen)), judge(function, seen)


def test_a_warning_gets_its_cause_from_the_profiler() -> None:
    seen = did(D2H_WAIT, H2D_WAIT)
    assert seen.waits == [(SITE, D2H_WAIT), (SITE, H2D_WAIT)]
    assert seen.h2d_sites == [SITE]
    assert did(D2H_WAIT, H2D_WAIT, sites=1).h2d_sites is None


FIXTURE = '''\
"""A fixture."""

import torch


def helper(xs, device):
    return torch.tensor(xs, device=device)  # HTD101: unsafe


def case_helper(device):
    return helper([1, 2], device)


def case_advice(device):
    return torch.tensor([3], device=device)  # HTD103: display-only, HTD101: display-only


def case_on_a_stream(device):
    with torch.cuda.stream(None):
        return torch.tensor([4], device=device)  # HTD101: safe


def silent_cpu(device):
    return torch.tensor([5])
'''


def test_the_functions_of_a_fixture() -> None:
    assert functions(FIXTURE) == [
        Function("case_helper", (("HTD101", "unsafe"),)),
        Function("case_advice", (("HTD101", "display-only"), ("HTD103", "display-only"))),
        Function("case_on_a_stream", (("HTD101", "safe"),), streams=True),
        Function("silent_cpu", ()),
    ]
    assert [function.fixable for function in functions(FIXTURE)] == [True, False, True, False]


# Loading


@pytest.fixture
def copies() -> Iterator[None]:
    yield
    loading.remove_copies()


def rewrite(path: Path, how: str) -> None:
    """Stands in for h2dlint."""
    files = path.rglob("*.py") if path.is_dir() else [path]
    for file in files:
        file.write_text(file.read_text(encoding="utf-8").replace("[5]", "[6]"), encoding="utf-8")


def test_a_module_before_and_after(tmp_path: Path, copies: None) -> None:
    path = tmp_path / "HTD101.py"
    path.write_text(FIXTURE, encoding="utf-8")
    pair = loading.load_pair(path, stale.FIXED, rewrite)
    assert pair.before.silent_cpu("cpu").tolist() == [5]
    assert pair.after.silent_cpu("cpu").tolist() == [6]
    assert path.read_text(encoding="utf-8") == FIXTURE
    assert not {"tests", "test"} & set(pair.after_path.parts)
    loading.remove_copies()
    assert not pair.after_path.exists()


def test_a_package_before_and_after(tmp_path: Path, copies: None) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("from .part import number\n", encoding="utf-8")
    (package / "part.py").write_text("number = [5][0]\n", encoding="utf-8")
    pair = loading.load_pair(package, stale.FIXED, rewrite)
    assert pair.before.number == 5
    assert pair.after.number == 6


def test_a_module_that_cannot_be_imported_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("1 / 0\n", encoding="utf-8")
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        loading.load(path)
    assert set(sys.modules) == before


# Hashing

CODE = '''\
"""What it does."""
from __future__ import annotations

import torch  # a comment


class Rule:
    """Says much."""

    name: str = "a"

    def check(self, *, deep=None) -> None:
        """Docstring."""
        x = f"{self.name!r:>{3}}"
        return {**{}, 1: None}[1] if x else -1.5
'''


def test_code_is_written_the_same_by_every_version_of_python() -> None:
    # Written down once; `ast.dump` of another version would say it otherwise.
    assert stale.canonical(ast.parse("def f(a, *, b=None):\n    'doc'\n    return a[1:] or None\n")) == (
        "Module(body=[FunctionDef(name='f',args=arguments(args=[arg(arg='a',),],kwonlyargs=[arg(arg='b',),],"
        "kw_defaults=[Constant(value=None,),],),body=[Return(value=BoolOp(op=Or(),values=[Subscript("
        "value=Name(id='a',),slice=Slice(lower=Constant(value=1,),),),Constant(value=None,),],),),],),],)"
    )


def test_empty_parts_of_an_f_string_are_left_out() -> None:
    # Python 3.12.1 has an empty string behind `{b}` in the width of this one, other versions have none.
    with_width = ast.parse("f'{a:<{b}}'")
    without = stale.canonical(with_width)
    for node in ast.walk(with_width):
        if isinstance(node, ast.JoinedStr):
            node.values.append(ast.Constant(""))
    assert stale.canonical(with_width) == without
    assert "value=''" not in without


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Says much.", "Says more, with a figure."),
        ("a comment", "another"),
        ("import torch  # a comment\n\n", "import torch\n"),
        ('    """Says much."""\n\n', ""),
        ("\n", "\r\n"),
        ('"a"', "'a'"),
    ],
)
def test_what_does_not_change_code(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_bytes(CODE.encode())
    other.write_bytes(CODE.replace(old, new).encode())
    assert stale.code_hash(one) == stale.code_hash(other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1: None", "1: 0"),
        ("deep=None", "deep"),
        ("deep=None", "deep=0"),
        ('"a"', '"b"'),
        ("1.5", "1.25"),
        ("-1.5", "1.5"),
        ("!r", "!s"),
        ("class Rule", "class Role"),
        (":>{3}", ":>{4}"),
        ("{**{}, 1", "{1"),
    ],
)
def test_what_changes_code(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_bytes(CODE.encode())
    other.write_bytes(CODE.replace(old, new).encode())
    assert stale.code_hash(one) != stale.code_hash(other)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one rule, its fixture and the reference module."""
    files = {
        "h2dlint/rules/htd101.py": CODE,
        "fixtures/HTD101.py": FIXTURE,
        "fixtures/logits_processor/__init__.py": "",
        "fixtures/logits_processor/logits_processor.py": "x = [5]\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return tmp_path


@pytest.fixture
def measured(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Figures about that repository, written as the tests on a GPU write them."""
    monkeypatch.setattr(results, "_recorded", {})
    held, rest = (Held(20.31, 0.11, 20.02), Held(0.212, 0.1, 20.01))
    seen = Observed(did(H2D_WAIT), did(), held, rest)
    shown = {
        "case_helper": figure(CASE, seen),
        "case_advice": figure(ADVICE, Observed(did(H2D_WAIT), None, held)),
        "silent_cpu": figure(SILENT, Observed(did(), None, rest)),
    }
    results.record(
        results.RULES, "HTD101", stale.hashes_of_rule("HTD101", repository, rewrite), {"functions": shown}
    )
    side = {
        "h2d_syncs_per_batch": [3],
        "other_syncs": {"d2h in aten::to": 4},
        "held_ms": 20.2,
        "queued_ms": 20,
    }
    results.record(
        results.LOGITS_PROCESSOR,
        "extend",
        stale.hashes_of_reference(repository, rewrite),
        {"batches": 10, "before": side, "after": {**side, "h2d_syncs_per_batch": [0], "held_ms": 0.42}},
    )
    folder = repository / "measured"
    assert {path.name for path in results.write(folder)} == {"rules.json", "logits_processor.json"}
    return folder


def test_fresh_figures_are_not_stale(repository: Path, measured: Path) -> None:
    assert stale.stale_figures(measured, repository, rewrite) == []
    assert stale.unmeasured(measured, repository) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (
            "h2dlint/rules/htd101.py",
            "1.5",
            "2.5",
            ["rules.json: HTD101: h2dlint/rules/htd101.py has changed"],
        ),
        ("h2dlint/rules/htd101.py", "Says much.", "Says more.", []),
        (
            "fixtures/HTD101.py",
            "HTD101: safe",
            "HTD101: unsafe",
            ["rules.json: HTD101: fixtures/HTD101.py has changed"],
        ),
        (
            "fixtures/logits_processor/logits_processor.py",
            "x",
            "y",
            ["logits_processor.json: extend: fixtures/logits_processor has changed; the fixes make"],
        ),
        ("fixtures/logits_processor/logits_processor.py", "x", "# quiet\nx", []),
    ],
)
def test_stale_figures_are_named(
    repository: Path, measured: Path, name: str, old: str, new: str, words: list[str]
) -> None:
    path = repository / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    lines = stale.stale_figures(measured, repository, rewrite)
    assert len(lines) == len(words)
    assert all(line.startswith(start) for line, start in zip(lines, words, strict=True)), lines


def test_newlines_do_not_make_a_figure_stale(repository: Path, measured: Path) -> None:
    path = repository / "fixtures/HTD101.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert stale.stale_figures(measured, repository, rewrite) == []


def test_another_fix_makes_a_figure_stale(repository: Path, measured: Path) -> None:
    def other(path: Path, how: str) -> None:
        if path.is_file():
            path.write_text(path.read_text(encoding="utf-8").replace("[5]", "[7]"), encoding="utf-8")
        else:
            rewrite(path, how)

    assert stale.stale_figures(measured, repository, other) == [
        "rules.json: HTD101: the fixes make something else of fixtures/HTD101.py"
    ]


def test_what_cannot_be_checked_is_stale(repository: Path, measured: Path) -> None:
    def broken(path: Path, how: str) -> None:
        raise stale.FixFailed("exited with 2")

    lines = stale.stale_figures(measured, repository, broken)
    assert lines
    assert all("exited with 2" in line for line in lines)
    (repository / "fixtures/HTD101.py").unlink()
    assert any(
        "fixtures/HTD101.py is gone" in line for line in stale.stale_figures(measured, repository, rewrite)
    )
    (measured / "rules.json").write_text("{", encoding="utf-8")
    lines = stale.stale_figures(measured, repository, rewrite)
    assert any(line.startswith("rules.json: cannot be read") for line in lines)


def test_a_fixture_without_a_figure_is_named(repository: Path, measured: Path) -> None:
    (repository / "fixtures/HTD102.py").write_text("", encoding="utf-8")
    assert stale.unmeasured(measured, repository) == ["HTD102"]
    assert stale.unmeasured(repository / "nowhere", repository) == ["HTD101", "HTD102"]


def test_h2dlint_that_fails_is_told_apart_from_findings_that_are_left(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import torch\nx = torch.tensor([1], device=\n", encoding="utf-8")
    with pytest.raises(stale.FixFailed, match="exited with 2"):
        stale.h2dlint_fix(path, stale.FIXED)


# Showing


def test_figures_as_tables(measured: Path) -> None:
    document = json.loads((measured / "rules.json").read_text(encoding="utf-8"))
    assert {"gpu", "torch", "cuda", "driver", "python", "date", "command"} <= set(document)

    rules = render_measured("rules", measured)
    assert "| [HTD101](rules/HTD101.md) | 1 of 2 | 1 → 0 | 20.3 ms → 0.21 ms | 1 |" in rules
    rule = render_measured("HTD101", measured)
    assert "| `case_helper` | HTD101: unsafe | 1 → 0 | 20.3 ms → 0.21 ms |" in rule
    assert "| `case_advice` | HTD101: display-only | 1 | 20.3 ms |" in rule
    reference = render_measured("logits-processor", measured)
    assert "| extend | 10 | 3 → 0 | 4 d2h in aten::to | 20.2 ms → 0.42 ms |" in reference
    assert "behind 20 ms of queued work" in reference
    for table in (rules, rule, reference):
        assert f"torch {torch.__version__}" in table


@pytest.mark.parametrize("name", ["rules", "logits_processor", "HTD101"])
def test_figures_that_are_not_there(tmp_path: Path, measured: Path, name: str) -> None:
    assert "Not measured yet" in render_measured(name, tmp_path / "nowhere")
    assert "Not measured yet" in render_measured("HTD999", measured)
