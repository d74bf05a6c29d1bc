"""Findings and traces brought together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

from h2dlint.engine.config import load_settings
from h2dlint.engine.files import discover
from h2dlint.engine.runner import lint_files
from h2dlint.model import Finding, Ran
from h2dlint.runtime.matching import Joined, join
from h2dlint.runtime.stacks import Chains
from h2dlint.runtime.traces import Frame, Trace
from tests.runtime.tracing import asynchronous, by_line, frame_of, sync, trace_of, wait

STEP = """import torch


def step(xs: list[int], ys: list[int], d: torch.device) -> torch.Tensor:
    pair = torch.stack([torch.tensor(xs, device=d), torch.tensor(ys, device=d)])
    moved = (
        torch.tensor(xs)
        .to(d)
    )
    return pair.sum() + moved.sum() + torch.tensor([len(xs)], device=d)


class Model:
    def forward(self, xs: list[int], d: torch.device) -> torch.Tensor:
        return torch.tensor(xs, device=d)
"""

Project = Callable[..., Joined]


def findings_in(folder: Path) -> tuple[tuple[Finding, ...], dict[str, Path]]:
    overrides = {"cold": True, "min-confidence": "low"}
    found = discover(["."], load_settings((), folder, isolated=True, overrides=overrides), folder)
    report = lint_files(found, load_settings((), folder, isolated=True, overrides=overrides))
    assert not report.errors
    return report.findings, {file.path: file.location for file in found.files}


def joined(folder: Path, trace: Trace) -> Joined:
    return join(*(lambda found: (found[0], trace, found[1]))(findings_in(folder)))


def statuses(result: Joined) -> list[tuple[int, int, str]]:
    return [
        (finding.span.line, finding.span.column, finding.trace.status.value)
        for finding in result.findings
        if finding.trace is not None
    ]


@pytest.fixture
def step(tmp_path: Path) -> Path:
    path = tmp_path / "step.py"
    path.write_text(STEP, encoding="utf-8")
    return path


def test_the_sample_has_the_findings_that_the_tests_speak_of(step: Path) -> None:
    places = [(finding.span.line, finding.code) for finding in findings_in(step.parent)[0]]
    assert places == [(5, "HTD101"), (5, "HTD101"), (7, "HTD201"), (10, "HTD103"), (15, "HTD101")]


def test_columns_tell_two_findings_of_a_line_apart(step: Path) -> None:
    frame = frame_of(step, "torch.tensor(ys, device=d)", "step")
    site = sync(frame, "torch.tensor", count=41, held_us=12_300.0)
    result = joined(step.parent, trace_of(site, lines={str(step): (4, 5, 7, 8, 9)}))
    assert [status for _, _, status in statuses(result)] == [
        "ran-without-blocking",
        "confirmed",
        "ran-without-blocking",
        "never-ran",
        "never-ran",
    ]
    measured = result.findings[1].trace
    assert measured is not None
    assert (measured.count, measured.blocked, measured.held_us, measured.bytes, measured.among) == (
        41,
        41,
        12_300.0,
        328,
        1,
    )
    assert result.owners == ((1,),)


def test_without_columns_a_line_with_two_findings_is_shared(step: Path) -> None:
    frame = by_line(frame_of(step, "torch.tensor(ys, device=d)", "step"))
    result = joined(step.parent, trace_of(sync(frame, "torch.tensor")))
    assert result.owners == ((0, 1),)
    for finding in result.findings[:2]:
        assert finding.trace is not None and finding.trace.among == 2
        assert "trace: matched by line, one of 2 places that fit" in finding.evidence
    assert [status for _, _, status in statuses(result)[2:]] == ["unknown"] * 3


def test_without_columns_a_line_within_a_chain_is_enough(step: Path) -> None:
    frame = Frame(str(step), 8, "step")
    result = joined(step.parent, trace_of(sync(frame, "Tensor.to")))
    assert result.owners == ((2,),)
    around = Frame(str(step), 6, "step")
    assert joined(step.parent, trace_of(sync(around, ""))).owners == ((2,),), "the statement has one finding"


def test_an_argument_is_not_blamed_for_the_call_that_it_is_given_to(step: Path) -> None:
    # The call of `torch.stack` spans both findings, and had nothing to do with their copies.
    text = "torch.stack([torch.tensor(xs, device=d), torch.tensor(ys, device=d)])"
    result = joined(step.parent, trace_of(sync(frame_of(step, text, "step"), "torch.stack")))
    assert result.owners == ((),)


def test_waits_and_unknown_threads_belong_to_nothing(step: Path) -> None:
    frame = frame_of(step, "torch.tensor(ys, device=d)", "step")
    result = joined(step.parent, trace_of(wait(frame, "torch.tensor"), sync(None, "")))
    assert set(result.owners) == {()}
    assert sorted(result.checked) == [False, True]


def test_asynchronous_copies_are_counted_and_confirm_nothing(step: Path) -> None:
    frame = frame_of(step, "torch.tensor(ys, device=d)", "step")
    result = joined(step.parent, trace_of(asynchronous(frame, "torch.tensor", 3)))
    measured = result.findings[1].trace
    assert measured is not None
    assert (measured.status, measured.count, measured.blocked) == (Ran.WITHOUT_BLOCKING, 3, 0)


SHAPES = """import torch


def step(x: torch.Tensor, xs: list[int], rows: torch.Tensor, d: torch.device):
    pair = torch.stack([torch.tensor(xs, device=d), torch.tensor(xs[1:], device=d)])
    moved = (
        torch.tensor(xs)
        .to(d)
    )
    device = torch.device("cuda")
    there = torch.zeros(8, device=device)
    picked = there[[0, 2]], there[[1]]
    index = torch.tensor(xs, device="cuda", dtype=torch.int64)
    there[index] = 0.0
    there[2:5] = torch.tensor([1.0, 2.0, 3.0])
    there.copy_(torch.tensor(xs), non_blocking=False)
    return pair, moved, picked, torch.tensor(
        [
            len(xs), 1,
        ],
        device="cuda",
    ), torch.where(there > 1, there, torch.tensor(0.0))
"""


class Pretend:
    """Stands for torch and for tensors; tells of the frame that calls or subscripts it."""

    def __init__(self, tell: Callable[[FrameType], None]) -> None:
        self.tell = tell

    def __getattr__(self, _: str) -> Pretend:
        return Pretend(self.tell)

    def __call__(self, *_: object, **__: object) -> Pretend:
        self.tell(sys._getframe(1))
        return Pretend(self.tell)

    def __getitem__(self, _: object) -> Pretend:
        self.tell(sys._getframe(1))
        return Pretend(self.tell)

    def __setitem__(self, _: object, __: object) -> None:
        self.tell(sys._getframe(1))

    def __gt__(self, _: object) -> Pretend:
        return Pretend(self.tell)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="columns came with Python 3.11")
def test_frames_of_code_that_runs(tmp_path: Path) -> None:
    """What the interpreter says of a running expression is what the finding says of it, whatever its form."""
    path = tmp_path / "shapes.py"
    path.write_text(SHAPES, encoding="utf-8")
    chains = Chains()
    sites = []

    def tell(frame: FrameType) -> None:
        chain = chains[chains.take(frame)]
        sites.append(sync(chain.frames[chain.user], chain.operator))

    torch, tensor = ModuleType("torch"), Pretend(tell)
    for name in ("tensor", "stack", "zeros", "device", "where", "int64"):
        setattr(torch, name, tensor)
    scope: dict[str, Any] = {"torch": torch}
    # On one line, so that the lines of the others stay.
    text = SHAPES.replace("import torch", "from __future__ import annotations", 1)
    exec(compile(text, str(path), "exec"), scope)
    scope["step"](tensor, [1, 2], tensor, tensor)
    result = joined(tmp_path, trace_of(*sites))
    lines = [line for line, _, status in statuses(result) if status == "confirmed"]
    assert lines == [5, 5, 7, 12, 12, 13, 14, 15, 16, 17, 22]
    assert len(result.findings) == len(lines)
    ran = [
        (site.operator, owners) for site, owners in zip(trace_of(*sites).sites, result.owners, strict=True)
    ]
    assert all(len(owners) <= 1 for _, owners in ran), "an expression belongs to one finding at most"
    # Calls on the host, and those that merely hold a finding as an argument. The fourth `torch.tensor` on the host
    # begins `torch.tensor(xs).to(d)`, which is one finding.
    innocent = sorted(operator for operator, owners in ran if not owners)
    assert innocent == ["torch.device", "torch.stack", *["torch.tensor"] * 3, "torch.zeros"]


def test_a_link_is_the_file_that_it_points_to(tmp_path: Path, step: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    frame = frame_of(step, "torch.tensor(ys, device=d)", "step", file=str(link / "step.py"))
    assert joined(tmp_path, trace_of(sync(frame, "torch.tensor"))).owners == ((1,),)


def test_another_checkout_is_known_by_the_ends_of_its_paths(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "step.py").write_text(STEP, encoding="utf-8")
    path = tmp_path / "b" / "step.py"
    text = "torch.tensor(ys, device=d)"
    elsewhere = frame_of(path, text, "step", file="/gone/app/b/step.py")
    result = joined(tmp_path, trace_of(sync(elsewhere, "torch.tensor"), lines={"/gone/app/b/step.py": (5,)}))
    assert [result.findings[index].path for index in result.owners[0]] == ["b/step.py"]
    assert not result.notes
    either = frame_of(path, text, "step", file="/gone/app/c/step.py")
    result = joined(tmp_path, trace_of(sync(either, "torch.tensor"), lines={"/gone/app/c/step.py": (5,)}))
    assert result.owners == ((),)
    assert {status for _, _, status in statuses(result)} == {"unknown"}, "its lines may be of either"
    assert [note.path for note in result.notes] == ["a/step.py", "b/step.py"]


@pytest.mark.parametrize(
    "file",
    [
        "/gone/lib/python3.12/site-packages/other/step.py",
        "/gone/other.py",
        "<string>",
    ],
)
def test_another_file_is_none_of_ours(step: Path, file: str) -> None:
    frame = frame_of(step, "torch.tensor(ys, device=d)", "step", file=file)
    result = joined(step.parent, trace_of(sync(frame, "torch.tensor"), lines={file: (5,)}))
    assert result.owners == ((),)
    assert result.checked == (False,)
    assert {status for _, _, status in statuses(result)} == {"never-ran"}


def test_a_file_of_that_path_that_exists_here_is_not_ours(tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "step.py").write_text(STEP, encoding="utf-8")
    frame = frame_of(tmp_path / "theirs" / "step.py", "torch.tensor(ys, device=d)", "step")
    assert joined(tmp_path / "mine", trace_of(sync(frame, "torch.tensor"))).owners == ((),)


def test_an_init_file_needs_more_than_its_name(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text(STEP, encoding="utf-8")
    frame = frame_of(
        tmp_path / "__init__.py", "torch.tensor(ys, device=d)", "step", file="/gone/x/__init__.py"
    )
    assert joined(tmp_path, trace_of(sync(frame, "torch.tensor"))).owners == ((),)


def test_a_text_that_was_changed_is_told_of_and_not_judged(step: Path) -> None:
    # At the line that ran there is another function now.
    frame = Frame(str(step), 15, "step", 16, 15, 42)
    result = joined(step.parent, trace_of(sync(frame, "torch.tensor"), lines={str(step): (5, 15)}))
    assert result.owners == ((),)
    assert [(note.path, note.line) for note in result.notes] == [("step.py", 15)]
    assert "not the text that was traced" in result.notes[0].message
    assert {status for _, _, status in statuses(result)} == {"unknown"}


def test_one_odd_frame_does_not_make_a_file_another_one(step: Path) -> None:
    good = [
        sync(frame_of(step, f"torch.tensor({name}s, device=d)", "step"), "torch.tensor")
        for name in ("x", "y")
    ]
    odd = sync(Frame(str(step), 15, "step", 16, 15, 42), "torch.tensor", held_us=1.0)
    result = joined(step.parent, trace_of(*good, odd, lines={str(step): (5,)}))
    assert result.owners == ((0,), (1,), ())
    assert not result.notes
    assert [status for _, _, status in statuses(result)][2:] == ["never-ran"] * 3


def test_a_function_that_torch_compile_resumed(step: Path) -> None:
    frame = frame_of(step, "torch.tensor(ys, device=d)", "torch_dynamo_resume_in_step_at_5")
    assert joined(step.parent, trace_of(sync(frame, "torch.tensor"))).owners == ((1,),)


def test_a_cost_of_compiling_is_told_of(step: Path) -> None:
    frame = frame_of(step, "torch.tensor(ys, device=d)", "step")
    compiling = sync(frame, "torch.tensor", compiling=True)
    said = "trace: only while torch.compile was at work, not in each step"
    assert said in joined(step.parent, trace_of(compiling)).findings[1].evidence
    both = trace_of(compiling, sync(frame, "torch.tensor"))
    assert said not in joined(step.parent, both).findings[1].evidence


def test_a_newer_file_is_told_of(step: Path) -> None:
    import dataclasses

    frame = frame_of(step, "torch.tensor(ys, device=d)", "step")
    trace = trace_of(sync(frame, "torch.tensor"))
    assert not joined(step.parent, trace).notes
    old = dataclasses.replace(trace, processes=(dataclasses.replace(trace.processes[0], started=1e9),))
    result = joined(step.parent, old)
    assert result.owners == ((1,),), "it is a note and no more: a checkout makes every file new"
    assert [note.message for note in result.notes] == ["newer than the trace: its lines may have moved"]


HAZARD = """import torch


def stage(batches: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
    buffer = torch.empty(1024, pin_memory=True)
    moved = []
    for batch in batches:
        buffer.copy_(batch)
        moved.append(buffer.to("cuda", non_blocking=True))
    return moved
"""


def test_a_race_ran_or_did_not(tmp_path: Path) -> None:
    path = tmp_path / "race.py"
    path.write_text(HAZARD, encoding="utf-8")
    frame = frame_of(path, 'buffer.to("cuda", non_blocking=True)', "stage")
    for trace, status in (
        (trace_of(asynchronous(frame, "Tensor.to", 2)), "ran"),
        (trace_of(lines={str(path): (9,)}), "ran"),
        (trace_of(lines={str(path): (4,)}), "never-ran"),
        (trace_of(), "unknown"),
    ):
        assert [status for _, _, status in statuses(joined(tmp_path, trace))] == [status]
    stall = joined(tmp_path, trace_of(sync(frame, "Tensor.to")))
    assert stall.owners == ((),), "a race does not explain a stall"
    assert stall.findings[0].trace is not None and stall.findings[0].trace.held_us == 0
