"""The guard over a real device: which copies it fails for, on which threads, beside what else listens to CUDA."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from h2dlint.runtime import BlockingCopyError, allow, no_blocking_h2d
from h2dlint.runtime.guard import GuardError

pytestmark = pytest.mark.gpu

DATA = [1, 2, 3, 4, 5, 6, 7, 8]
QUEUED_CYCLES = 20_000_000
"""Of the sleep kernel; some 10 ms, so that a wait is told from a call."""

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def device() -> torch.device:
    found = torch.device("cuda", 0)
    torch.zeros(1, device=found)
    return found


def queue() -> None:
    torch.cuda._sleep(QUEUED_CYCLES)


def here() -> int:
    """The line that asks."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def test_a_blocking_upload_fails_at_its_line(device: torch.device) -> None:
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d():
        queue()
        line = here() + 1
        torch.tensor(DATA, device=device)
    (found,) = caught.value.lines
    assert (found.place, found.count, found.kind, found.bytes) == ((__file__, line), 1, "sync", 64)
    assert found.operator == "torch.tensor"
    assert found.held_us > 2_000, "it waited for the work queued before it"
    entries = traceback.extract_tb(caught.value.__traceback__)
    assert (entries[-1].filename, entries[-1].lineno) == (__file__, line)


@pytest.mark.parametrize(
    ("call", "operator"),
    [
        (lambda device, x, ints: torch.tensor(DATA).to(device), "Tensor.to"),
        (lambda device, x, ints: torch.tensor(DATA).cuda(), "Tensor.cuda"),
        (lambda device, x, ints: torch.tensor(DATA).pin_memory().to(device), "Tensor.to"),
        (lambda device, x, ints: x[[0, 2]], "__getitem__"),
        (lambda device, x, ints: x.__setitem__(ints, 0.0), "Tensor.__setitem__"),
        (lambda device, x, ints: torch.nn.Linear(2, 2).to(device), "Module.to"),
    ],
)
def test_other_uploads_that_block(device: torch.device, call: Callable[..., Any], operator: str) -> None:
    x, ints = torch.zeros(8, device=device), torch.arange(2, device=device)
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d():
        call(device, x, ints)
    assert {line.place[0] for line in caught.value.lines} == {__file__}
    assert operator.rpartition(".")[2] in caught.value.lines[0].operator


def test_what_does_not_block_for_an_upload_passes(device: torch.device) -> None:
    x = torch.arange(8, device=device)
    pinned = torch.zeros(8).pin_memory()
    with no_blocking_h2d() as watch:
        queue()
        torch.tensor(DATA, pin_memory=True).to(device, non_blocking=True)
        pinned.to(device, non_blocking=True)
        torch.full((), 3, device=device)
        x[2:4] = 3
        queue()
        assert x.sum().item() > 0
        x.tolist()
        torch.nonzero(x)
        torch.cuda.synchronize()
    assert watch.watching and watch.blocked == ()


def test_staged_copies_count_where_they_held(device: torch.device) -> None:
    small, large = torch.zeros(8), torch.zeros(16 << 20)
    with no_blocking_h2d():
        queue()
        small.to(device, non_blocking=True)
    torch.cuda.synchronize()
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d():
        queue()
        large.to(device, non_blocking=True)
    assert [line.kind for line in caught.value.lines] == ["staged"]


def test_allow_and_warmup(device: torch.device) -> None:
    def upload() -> None:
        torch.tensor(DATA, device=device)

    with no_blocking_h2d() as watch, allow("once a request"):
        upload()
    assert [(line.reason, line.count) for line in watch.allowed] == [("once a request", 1)]
    with no_blocking_h2d(warmup=2) as watch:
        upload()
        upload()
    assert sum(line.count for line in watch.forgiven) == 2
    with pytest.raises(BlockingCopyError), no_blocking_h2d(warmup=2):
        for _ in range(3):
            upload()


def test_threads(device: torch.device) -> None:
    def work() -> None:
        torch.tensor(DATA, device=device)

    def threads() -> None:
        started = [threading.Thread(target=work, name=f"worker-{number}") for number in range(3)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    with no_blocking_h2d():
        threads()
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d(threads="all"):
        threads()
    (line,) = caught.value.lines
    assert (line.count, sorted(line.threads)) == (3, ["worker-0", "worker-1", "worker-2"])


class _Backward(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * torch.tensor([1.0, 2.0, 3.0], device=grad.device)


def test_backward_runs_on_a_thread_of_its_own(device: torch.device) -> None:
    weights = torch.ones(3, device=device, requires_grad=True)
    with no_blocking_h2d():
        _Backward.apply(weights).sum().backward()
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d(threads="all"):
        _Backward.apply(weights).sum().backward()
    assert caught.value.lines[0].frames[0].function.rpartition(".")[2] == "backward"


def test_the_sync_debug_mode_stays_as_it_is(device: torch.device) -> None:
    for mode in (0, 1, 2):
        torch.cuda.set_sync_debug_mode(mode)
        try:
            with no_blocking_h2d():
                assert torch.cuda.get_sync_debug_mode() == mode
            assert torch.cuda.get_sync_debug_mode() == mode
        finally:
            torch.cuda.set_sync_debug_mode(0)


def test_it_can_be_entered_many_times(device: torch.device) -> None:
    for _ in range(50):
        with no_blocking_h2d():
            torch.zeros(1, device=device)
    with pytest.raises(BlockingCopyError), no_blocking_h2d():
        torch.tensor(DATA, device=device)


PROFILED = """
import sys, torch
from torch.profiler import ProfilerActivity, profile
from h2dlint.runtime import BlockingCopyError, no_blocking_h2d
from h2dlint.runtime.guard import GuardError

device = torch.device("cuda")
torch.zeros(1, device=device)

def guarded():
    try:
        with no_blocking_h2d():
            torch.tensor([1, 2, 3], device=device)
    except (BlockingCopyError, GuardError) as error:
        return type(error).__name__
    return "passed"

seen = [guarded()]
with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]):
    seen.append(guarded())
seen.append(guarded())
print(seen)
"""


def test_it_never_passes_unseen_beside_the_profiler() -> None:
    # In a process of its own: what the profiler leaves behind in CUPTI stays for the life of a process.
    done = subprocess.run(
        [sys.executable, "-c", PROFILED], capture_output=True, text=True, timeout=300, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    seen = done.stdout.strip().splitlines()[-1]
    assert seen.startswith("['BlockingCopyError', "), seen
    assert "passed" not in seen, seen


TESTS = """
import pytest, torch
from h2dlint.runtime import allow
DATA = [1, 2, 3]

@pytest.mark.no_blocking_h2d
def test_blocks():
    torch.tensor(DATA, device="cuda")

@pytest.mark.no_blocking_h2d
def test_does_not():
    torch.tensor(DATA, pin_memory=True).to("cuda", non_blocking=True)

@pytest.fixture
def uploaded():
    return torch.tensor(DATA, device="cuda")

@pytest.mark.no_blocking_h2d
def test_fixtures_do_not_count(uploaded):
    with allow("a reason"):
        torch.tensor(DATA, device="cuda")

def test_not_marked():
    torch.tensor(DATA, device="cuda")
"""


@pytest.mark.parametrize(
    ("options", "failed"), [((), 1), (("--h2d-watch=fail",), 2), (("--h2d-watch=report",), 1)]
)
def test_the_plugin(tmp_path: Path, options: tuple[str, ...], failed: int) -> None:
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", str(tmp_path / "none.ini")]
    (tmp_path / "none.ini").write_text("[pytest]\n", encoding="utf-8")
    if not _plugin_is_installed():
        command += ["-p", "h2dlint.integrations.pytest_plugin"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *options, "test_it.py"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert f"{failed} failed, {4 - failed} passed" in done.stdout, done.stdout + done.stderr
    assert 'torch.tensor(DATA, device="cuda")' in done.stdout
    assert "BlockingCopyError: 1 host-to-device copy held the host for " in done.stdout
    assert ("= blocking host-to-device copies =" in done.stdout) == ("--h2d-watch=report" in options)


def _plugin_is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.name == "h2dlint" for point in entry_points(group="pytest11"))


def test_a_guard_that_cannot_see_is_an_error() -> None:
    from h2dlint.runtime.cupti import Subscription

    other = Subscription(lambda *_: None)
    try:
        with pytest.raises(GuardError, match="another profiler holds CUPTI"), no_blocking_h2d():
            pass
    finally:
        other.close()
    with no_blocking_h2d():
        pass
