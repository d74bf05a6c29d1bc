"""The guard, over a CUDA that is faked below the recorder: what it counts, what it says, and when."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from h2dlint.runtime import BlockingCopyError, allow, guard, guard_cuda, no_blocking_h2d
from h2dlint.runtime.guard import GuardError

from .fake_cuda import cuda, installed


@pytest.fixture(autouse=True)
def faked() -> Iterator[None]:
    with installed():
        yield


def upload(held_us: float = 20_000) -> None:
    cuda.copy(held_us)


def step() -> None:
    upload()


def line_of(function: object, offset: int = 1) -> int:
    return int(function.__code__.co_firstlineno) + offset  # type: ignore[attr-defined]


def test_a_blocking_copy_fails_with_its_line_and_what_called_it() -> None:
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d():
        step()
        step()
    (line,) = caught.value.lines
    assert line.place == (__file__, line_of(upload))
    assert [frame.line for frame in line.frames[:2]] == [line_of(upload), line_of(step)]
    assert (line.count, line.held_us, line.max_us, line.bytes, line.kind) == (2, 40_000, 20_000, 128, "sync")
    text = str(caught.value)
    first = text.splitlines()[0]
    assert first.startswith("2 host-to-device copies held the host for 40 ms at ")
    assert first.endswith(f"test_guard.py:{line_of(upload)}")
    assert f"test_guard.py:{line_of(upload)} in upload\n      cuda.copy(held_us)\n" in text
    assert "2 times, 40 ms in all, 20 ms at most, 128 bytes; waited for the stream" in text
    assert f"called from tests/runtime/test_guard.py:{line_of(step)} in step\n      upload()" in text.replace(
        "\\", "/"
    )


def test_the_chain_ends_where_the_guard_was_entered() -> None:
    def entering() -> None:
        with no_blocking_h2d():
            step()

    with pytest.raises(BlockingCopyError) as caught:
        entering()
    functions = [frame.function.rpartition(".")[2] for frame in caught.value.lines[0].frames]
    assert functions == ["upload", "step", "entering"]


def test_the_traceback_ends_at_the_line_and_keeps_no_variables() -> None:
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d():
        step()
    entries = traceback.extract_tb(caught.value.__traceback__)
    assert [entry.name for entry in entries[-2:]] == ["step", "upload"]
    assert (entries[-1].filename, entries[-1].lineno, entries[-1].line) == (
        __file__,
        line_of(upload),
        "cuda.copy(held_us)",
    )
    if sys.version_info >= (3, 11):
        assert (entries[-1].colno, entries[-1].end_colno) == (4, 4 + len("cuda.copy(held_us)"))
    last = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][-1]
    assert last.f_locals == {}


def test_the_worst_line_comes_first_and_others_are_counted() -> None:
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d(message="decode"):
        cuda.copy(10)
        upload(5_000)
    assert [line.held_us for line in caught.value.lines] == [5_000, 10]
    assert str(caught.value).startswith("decode: 2 host-to-device copies held the host for 5.01 ms at ")
    assert "test_guard.py:" + str(line_of(upload)) + " and 1 other line\n" in str(caught.value)


def test_what_does_not_hold_the_host_passes() -> None:
    with no_blocking_h2d() as watch:
        cuda.pinned()
        cuda.synchronize()
        cuda.stage(held_us=20)
        cuda.synchronize()
    assert watch.blocked == watch.allowed == watch.forgiven == ()
    assert cuda.sink is None, "the last guard ends the subscription"


def test_a_staged_copy_that_held_the_host_is_known_at_the_end() -> None:
    with pytest.raises(BlockingCopyError, match="held by the driver") as caught, no_blocking_h2d():
        cuda.stage(held_us=10_000)
    assert caught.value.lines[0].kind == "staged"


def test_a_copy_from_before_is_not_the_guards() -> None:
    with no_blocking_h2d() as outer, allow("before"):
        cuda.stage(held_us=10_000)
        with no_blocking_h2d():
            pass
    assert [line.reason for line in outer.allowed] == ["before"]


def test_an_exception_of_the_block_wins_and_gets_a_note() -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught, no_blocking_h2d():
        upload()
        raise error
    assert caught.value is error
    if sys.version_info >= (3, 11):
        (note,) = error.__notes__
        assert note.startswith("h2dlint: 1 host-to-device copy held the host for 20 ms at ")


def test_warmup_forgives_each_line_its_first_times() -> None:
    with no_blocking_h2d(warmup=2) as watch:
        upload()
        upload()
        cuda.copy()
    assert sorted(line.count for line in watch.forgiven) == [1, 2]
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d(warmup=2):
        for _ in range(5):
            upload()
    assert caught.value.lines[0].count == 3


def test_warmup_is_counted_over_all_uses_of_one_guard() -> None:
    decorated = no_blocking_h2d(warmup=1)(upload)
    decorated()
    with pytest.raises(BlockingCopyError):
        decorated()


def test_allowed_copies_are_listed_with_the_reason() -> None:
    @allow("once a request")
    def helper() -> None:
        upload()

    with no_blocking_h2d() as watch:
        helper()
        with allow("again"):
            upload()
    assert sorted((line.reason, line.count) for line in watch.allowed) == [
        ("again", 1),
        ("once a request", 1),
    ]
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d():
        helper()
        upload()
    assert sum(line.count for line in caught.value.lines) == 1, "it ends with its block"


def test_a_staged_copy_is_allowed_where_it_was_made() -> None:
    with no_blocking_h2d() as watch:
        with allow("large, and once"):
            cuda.stage(held_us=10_000)
        cuda.synchronize()
    assert len(watch.allowed) == 1
    with pytest.raises(BlockingCopyError), no_blocking_h2d():
        cuda.stage(held_us=10_000)
        with allow("later"):
            cuda.synchronize()


def test_nested_guards_each_count_and_the_inner_one_is_told_once() -> None:
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d(), no_blocking_h2d():
        upload()
    assert getattr(caught.value, "__notes__", []) == []
    with (
        pytest.raises(BlockingCopyError),
        no_blocking_h2d(),
        pytest.raises(BlockingCopyError),
        no_blocking_h2d(),
    ):
        upload()
    assert cuda.sink is None


def test_a_guard_under_allow_is_in_force_and_the_one_around_it_is_not() -> None:
    with (
        no_blocking_h2d() as outer,
        allow("tests the guard"),
        pytest.raises(BlockingCopyError),
        no_blocking_h2d(),
    ):
        upload()
    assert len(outer.allowed) == 1


def test_one_guard_may_be_entered_again_while_it_is_entered() -> None:
    shared = no_blocking_h2d()
    with pytest.raises(BlockingCopyError) as outer, shared:
        with pytest.raises(BlockingCopyError) as inner, shared:
            upload()
        cuda.copy()
    assert [len(caught.value.lines) for caught in (inner, outer)] == [1, 2]
    assert cuda.subscriptions == 1, "listeners share it"


def test_another_profiler_is_no_pass() -> None:
    cuda.taken = True
    with (
        pytest.raises(GuardError, match=r"another profiler holds CUPTI.*leave out torch\.profiler"),
        no_blocking_h2d(),
    ):
        raise AssertionError("not reached")
    cuda.taken, cuda.missing = False, True
    with (
        pytest.raises(GuardError, match=r"CUPTI cannot be loaded.*It needs the CUPTI library"),
        no_blocking_h2d(),
    ):
        raise AssertionError("not reached")
    cuda.missing = False
    with pytest.raises(BlockingCopyError), no_blocking_h2d():
        upload()


def test_without_cuda_it_does_nothing_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guard_cuda, "why_not", lambda: "there is no CUDA driver")
    monkeypatch.setattr(guard, "_SAID", [])
    with caplog.at_level(logging.WARNING, logger="h2dlint"):
        for _ in range(3):
            with no_blocking_h2d() as watch:
                assert not watch.watching
                with allow("why not"):
                    upload()
    assert [record.getMessage() for record in caplog.records] == [
        "no_blocking_h2d() watches nothing: there is no CUDA driver"
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"warmup": -1}, ValueError),
        ({"warmup": True}, TypeError),
        ({"warmup": "1"}, TypeError),
        ({"threads": "main"}, ValueError),
        ({"message": 3}, TypeError),
    ],
)
def test_arguments_are_checked(arguments: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(arguments))):
        no_blocking_h2d(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "error"), [("", ValueError), ("  ", ValueError), (None, TypeError), (step, TypeError)]
)
def test_allow_needs_a_reason(reason: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="reason"):
        allow(reason)


def test_the_error_can_be_pickled() -> None:
    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d():
        upload()
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.lines) == (str(caught.value), caught.value.lines)


PROGRAM = """
import logging, sys
logging.basicConfig(format="%(message)s")
from h2dlint.runtime import no_blocking_h2d, allow
for _ in range(2):
    with no_blocking_h2d(), allow("a reason"):
        pass
print(sorted({"torch", "numpy", "libcst", "rich", "ctypes"} & set(sys.modules)))
"""


def test_a_program_without_a_gpu_pays_nothing_for_it() -> None:
    # No device is visible, whatever machine this is, so that torch is not needed to know.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=True,
    )
    assert done.stdout == "[]\n"
    assert done.stderr.count("no_blocking_h2d() watches nothing: ") == 1


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("cuda: Optional[str] = None\n", True),
        ("cuda = None\n", True),
        ("debug = False\ncuda: Optional[str] = '13.0'\n", False),
        ("", False),
    ],
)
def test_how_torch_was_built_is_read_without_importing_it(tmp_path: Path, text: str, without: bool) -> None:
    (tmp_path / "version.py").write_text(text, encoding="utf-8")
    assert guard_cuda._built_without([str(tmp_path)]) == without


def test_what_is_read_is_what_torch_says() -> None:
    torch = pytest.importorskip("torch")
    assert guard_cuda._built_without(torch.__path__) == (torch.version.cuda is None)
