"""Findings and profiles: only functions are known, under paths that were cut short."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2dlint.runtime.chrome_names import Named, is_user, operator
from h2dlint.runtime.matching import Joined
from h2dlint.runtime.traces import STAGED, SYNC, Frame
from tests.runtime.test_join import joined, statuses
from tests.runtime.tracing import sync, trace_of

STEP = """import functools

import torch


@functools.lru_cache
@functools.wraps(print)
def cached(xs: list[int], d: torch.device) -> torch.Tensor:
    return torch.tensor(xs, device=d)


def outer(xs: list[int], d: torch.device) -> torch.Tensor:
    def inner() -> torch.Tensor:
        return torch.tensor(xs, device=d)

    pick = lambda: torch.tensor(xs[:1], device=d)
    return inner() + torch.tensor(xs, device=d) + pick() + sum(torch.tensor([x], device=d) for x in xs)


class Model:
    def forward(self, xs: list[int], d: torch.device) -> torch.Tensor:
        a = torch.tensor(xs)
        b = torch.tensor(xs, device=d)
        return a.to(d) + b.to(d) + torch.tensor(xs).to(d, non_blocking=True)


class Other:
    def forward(self, xs: list[int], d: torch.device) -> torch.Tensor:
        return torch.tensor(xs, device=d) + torch.tensor(xs[1:], device=d)


TABLE = torch.tensor([1, 2, 3], device="cuda")
"""


@pytest.fixture
def step(tmp_path: Path) -> Path:
    path = tmp_path / "pkg" / "step.py"
    path.parent.mkdir()
    path.write_text(STEP, encoding="utf-8")
    return path


def owned(root: Path, function: str, line: int, name: str = "torch.tensor") -> list[int]:
    """Lines of the findings that a copy in a function belongs to."""
    return [result[0] for result in _matched(root, function, line, name)]


def _matched(root: Path, function: str, line: int, name: str, kind: str = SYNC) -> list[tuple[int, int]]:
    site = sync(Frame("pkg/step.py", line, function), name, kind=kind)
    result: Joined = joined(root, trace_of(site, source="chrome"))
    found = [result.findings[index] for index in result.owners[0]]
    return [(item.span.line, item.trace.among) for item in found if item.trace is not None]


def test_a_function_begins_at_its_first_decorator(step: Path) -> None:
    assert owned(step.parent.parent, "cached", 6) == [9]
    assert owned(step.parent.parent, "cached", 8) == [9]
    assert owned(step.parent.parent, "cached", 5) == []


def test_functions_within_functions_have_their_own(step: Path) -> None:
    root = step.parent.parent
    assert owned(root, "inner", 13) == [14]
    assert owned(root, "<lambda>", 16) == [16]
    # A generator has a frame of its own; of one that is in the function's line its function is a candidate too.
    assert set(owned(root, "outer", 12)) == {17}
    assert owned(root, "<genexpr>", 17) == [17]
    assert owned(root, "<module>", 1) == [32]


def test_methods_of_one_name_are_told_apart_by_their_lines(step: Path) -> None:
    root = step.parent.parent
    assert owned(root, "forward", 21) == [23], "the other `torch.tensor` names no device"
    assert _matched(root, "forward", 28, "torch.tensor") == [(29, 2), (29, 2)]


def test_a_copy_that_did_not_wait_is_not_that_of_a_call_that_does(step: Path) -> None:
    root = step.parent.parent
    # `b` is on the device already: no finding, but the profile does not know that.
    assert _matched(root, "forward", 21, "Tensor.to") == [(24, 2)]
    (staged,) = _matched(root, "forward", 21, "Tensor.to", kind=STAGED)
    assert staged == (24, 1)


def test_other_calls_and_other_files_are_not_blamed(step: Path) -> None:
    root = step.parent.parent
    assert owned(root, "forward", 28, "Tensor.cuda") == []
    assert owned(root, "nowhere", 28) == []
    (root / "other").mkdir()
    (root / "other" / "step.py").write_text(STEP, encoding="utf-8")
    assert owned(root, "cached", 6) == [9], "the whole of the path must agree"


def test_an_ambiguous_path_is_shared_by_all_that_fit(step: Path) -> None:
    root = step.parent.parent
    again = root / "vendored" / "pkg" / "step.py"
    again.parent.mkdir(parents=True)
    again.write_text(STEP, encoding="utf-8")
    assert _matched(root, "cached", 6, "torch.tensor") == [(9, 2), (9, 2)]
    again.write_text("import torch\n", encoding="utf-8")
    assert _matched(root, "cached", 6, "torch.tensor") == [(9, 1)], "only one of them has such a function"


def test_nothing_is_said_of_what_did_not_copy(step: Path) -> None:
    result = joined(step.parent.parent, trace_of(source="chrome"))
    assert {status for _, _, status in statuses(result)} == {"unknown"}


@pytest.mark.parametrize(
    ("file", "user"),
    [
        ("pkg/step.py", True),
        ("/srv/me/run.py", True),
        ("torch/nn/modules/module.py", False),
        ("/x/lib/python3.12/site-packages/torch/_tensor.py", False),
        ("/x/lib/python3.12/site-packages/timm/data/loader.py", True),
        ("/usr/lib/python3.12/threading.py", False),
        ("threading.py", False),
        ("asyncio/events.py", False),
        ("triton/runtime/jit.py", False),
        ("<frozen os>", False),
        ("C:\\\\work\\\\run.py", True),
    ],
)
def test_whose_code_a_file_is(file: str, user: bool) -> None:
    assert is_user(file) is user


@pytest.mark.parametrize(
    ("inside", "name"),
    [
        ([(True, "<built-in method tensor of type object at 0x7f>"), (False, "aten::to")], "torch.tensor"),
        ([(True, "<built-in method to of Tensor object at 0x7f>")], "Tensor.to"),
        ([(True, "<built-in method cuda of Parameter object at 0x7f>")], "Tensor.cuda"),
        ([(True, "<built-in method f of my.ext.Thing object at 0x7f>")], "Thing.f"),
        ([(True, "<built-in function _cuda_synchronize>")], "_cuda_synchronize"),
        (
            [(True, "torch/nn/modules/module.py(1301): to"), (True, "<built-in method to of Tensor>")],
            "Module.to",
        ),
        ([(True, "torch/cuda/__init__.py(1152): synchronize")], "synchronize"),
        (
            [
                (True, "torch/utils/_device.py(10): __torch_function__"),
                (True, "<built-in method tensor of type>"),
            ],
            "torch.tensor",
        ),
        ([(False, "aten::index"), (False, "aten::to")], "__getitem__"),
        ([(False, "aten::index_put_")], "__setitem__"),
        ([(False, "aten::add")], "aten::add"),
        ([], ""),
    ],
)
def test_names_of_events(inside: list[tuple[bool, str]], name: str) -> None:
    assert operator([Named(*event) for event in inside]) == name
