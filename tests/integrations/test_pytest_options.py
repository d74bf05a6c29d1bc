"""The pytest plugin: options, reports, what stands beside it, and what there is to see without CUDA."""

from __future__ import annotations

import pytest

from .conftest import HEAD, MARKED, THE_LINE, Run

pytest_plugins = ["pytester"]


WATCHED = """
def test_one():
    upload()

def test_two():
    upload()
    with allow("a reason"):
        upload()

@pytest.mark.no_blocking_h2d(warmup=1)
def test_marked():
    upload()

def test_clean():
    pass
"""


@pytest.mark.parametrize(
    ("options", "ini"),
    [(("--h2d-watch",), ""), (("--h2d-watch=fail",), "h2d_watch=report"), ((), "h2d_watch=fail")],
)
def test_every_test_can_be_guarded(run: Run, options: tuple[str, ...], ini: str) -> None:
    result = run(WATCHED, *options, ini=ini)
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(["h2dlint: host-to-device copies that block fail a test"])


def test_warmup_from_the_configuration_counts_test_by_test(run: Run) -> None:
    run(WATCHED, "--h2d-watch", ini="h2d_warmup = 1").assert_outcomes(passed=4)


REPORTED = [
    "*= blocking host-to-device copies =*",
    f"   40 ms      2 x  test_it.py:{THE_LINE} in upload  (*)",
    "                  test_it.py::test_one",
    "                  test_it.py::test_two",
]


def test_a_report_fails_no_test(run: Run) -> None:
    result = run(WATCHED, "--h2d-watch=report")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["h2dlint: host-to-device copies that block are listed at the end", *REPORTED]
    )


def test_a_report_of_nothing_says_so(run: Run) -> None:
    run("def test_clean(): pass\n", "--h2d-watch=report").stdout.fnmatch_lines(["no copy held the host"])


def test_a_marked_test_fails_under_report_too(run: Run) -> None:
    run(MARKED, "--h2d-watch=report").assert_outcomes(passed=2, failed=1)


def test_over_xdist(run: Run) -> None:
    pytest.importorskip("xdist")
    result = run(WATCHED, "--h2d-watch=report", "-n2", "-p", "xdist")
    result.assert_outcomes(passed=4)
    assert (
        sum(line.strip() in ("test_it.py::test_one", "test_it.py::test_two") for line in result.outlines) == 2
    )
    result.stdout.fnmatch_lines(REPORTED[:2])
    result = run(MARKED, "-n2", "-p", "xdist")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [f"E   *BlockingCopyError: 1 host-to-device copy held * test_it.py:{THE_LINE}"]
    )


def test_beside_pytest_timeout(run: Run) -> None:
    pytest.importorskip("pytest_timeout")
    result = run(
        """
import time
@pytest.mark.no_blocking_h2d
def test_slow():
    upload()
    time.sleep(30)
"""
        + MARKED,
        "--timeout=0.5",
        "-p",
        "timeout",
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*Timeout*0.5*", "*BlockingCopyError*"])


def test_it_is_loaded_by_itself_and_can_be_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    run("def test_it(): upload()\n", "--h2d-watch", load=()).assert_outcomes(failed=1)
    run("def test_it(): upload()\n", load=("-p", "no:h2dlint")).assert_outcomes(passed=1)
    refused = run("def test_it(): pass\n", "--h2d-watch", load=("-p", "no:h2dlint"))
    assert refused.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("options", "ini", "says"),
    [
        (
            ("--h2d-watch", "test_it.py"),
            "",
            "*--h2d-watch is fail, report or off, not 'test_it.py'; write --h2d-watch=fail *",
        ),
        ((), "h2d_watch=yes", "*h2d_watch is fail, report or off, not 'yes'"),
        ((), "h2d_warmup=some", "*h2d_warmup is a number from 0, not 'some'"),
    ],
)
def test_options_are_checked(run: Run, options: tuple[str, ...], ini: str, says: str) -> None:
    result = run("def test_it(): pass\n", *options, ini=ini)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([says])


def test_another_profiler_fails_what_must_be_watched(run: Run) -> None:
    taken = "\n@pytest.fixture(autouse=True)\ndef taken():\n    cuda.taken = True\n"
    result = run(taken + MARKED)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["E   *GuardError: no_blocking_h2d() cannot see the copies*another profiler*"]
    )
    result = run(taken + "def test_it(): upload()\n", "--h2d-watch=report")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["h2dlint: 1 test was not watched: *another profiler*"])


def test_without_cuda_tests_run_and_it_is_said_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # Hidden, so that this holds on a machine with a GPU too.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    tests = (
        MARKED
        + "def test_logs_nothing(caplog):\n    assert not caplog.records and 'torch' not in sys.modules\n"
    )
    head = HEAD.replace(
        "from tests.runtime.fake_cuda import cuda",
        "class cuda:\n  copy = pinned = synchronize = staticmethod(lambda: None)",
    )
    for options in (("--h2d-watch",), ("--h2d-watch=report",), ()):
        result = run(tests, *options, conftest="", head=head)
        result.assert_outcomes(passed=4)
        assert sum("not watched" in line for line in result.outlines) == 1
        where = (
            "h2dlint: host-to-device copies are not watched: *"
            if options
            else "h2dlint: 2 tests were not watched: *"
        )
        result.stdout.fnmatch_lines([where])
    result = run("def test_it(): pass\n", conftest="", head=head)
    assert "h2dlint:" not in result.stdout.str(), "nobody asked"
