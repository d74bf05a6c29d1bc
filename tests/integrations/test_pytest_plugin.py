"""The pytest plugin: which tests fail, and what is shown of them."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from .conftest import MARKED, THE_LINE, Run

pytest_plugins = ["pytester"]


def test_it_is_installed() -> None:
    (entry,) = (
        point for point in importlib.metadata.entry_points(group="pytest11") if point.name == "h2dlint"
    )
    assert entry.value == "h2dlint.integrations.pytest_plugin"


def test_loading_it_is_light() -> None:
    program = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport h2dlint.integrations.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == str(
        ["h2dlint", "h2dlint.integrations", "h2dlint.integrations.pytest_plugin"]
    )


def test_a_marked_test_fails_with_the_line(run: Run) -> None:
    result = run(MARKED)
    result.assert_outcomes(passed=2, failed=1)
    text = result.stdout.str().partition("= FAILURES =")[2]
    result.stdout.fnmatch_lines(
        [
            "*_ test_blocks _*",
            ">   *upload()",
            f"test_it.py:{THE_LINE + 4}:*",
            ">   *cuda.copy()  # the line",
            f"E   *BlockingCopyError: 1 host-to-device copy held the host for 20 ms at test_it.py:{THE_LINE}",
            f"E   *test_it.py:{THE_LINE} in upload",
            "E   *once, 20 ms, 64 bytes; waited for the stream",
            f"E     called from test_it.py:{THE_LINE + 4} in test_blocks",
            f"test_it.py:{THE_LINE}: BlockingCopyError",
            "FAILED test_it.py::test_blocks - h2dlint.runtime.guard.BlockingCopyError: 1 host-to-device copy *",
        ],
        consecutive=False,
    )
    for inside in ("pluggy", "_pytest", "pytest_plugin.py", "guard.py:"):
        assert inside not in text, "the plugin's own frames say nothing to a reader"
    assert len(text.splitlines()) < 50


@pytest.mark.parametrize("style", ["short", "long", "line", "native", "no"])
def test_each_style_of_traceback_names_the_line(run: Run, style: str) -> None:
    result = run(MARKED, f"--tb={style}")
    result.assert_outcomes(passed=2, failed=1)
    if style != "no":
        result.stdout.re_match_lines([rf'.*test_it\.py(:|", line ){THE_LINE}\b'])


def test_the_marker_is_registered(run: Run) -> None:
    result = run("", "--markers")
    result.stdout.fnmatch_lines(['@pytest.mark.no_blocking_h2d(warmup=0, threads="current"): fail the test*'])


def test_where_a_marker_may_stand_and_what_it_takes(run: Run) -> None:
    result = run(
        """
import threading
pytestmark = pytest.mark.no_blocking_h2d

def test_by_module():
    upload()

@pytest.mark.no_blocking_h2d(warmup=1)
class TestIt:
    def test_by_class_once(self):
        upload()

    def test_by_class_twice(self):
        for _ in range(2):
            upload()

    @pytest.mark.no_blocking_h2d(warmup=2)
    def test_nearest_wins(self):
        for _ in range(2):
            upload()

@pytest.mark.parametrize("copies", [0, 1])
def test_parameters(copies):
    for _ in range(copies):
        upload()

@pytest.mark.parametrize("which", [
    "current", pytest.param("all", marks=pytest.mark.no_blocking_h2d(threads="all"))])
def test_threads(which):
    thread = threading.Thread(target=upload)
    thread.start()
    thread.join()
""",
        "-rA",
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    outcomes = {
        line.split()[1].partition("::")[2]: line.split()[0]
        for line in result.outlines
        if line.startswith(("PASSED test_it", "FAILED test_it"))
    }
    assert outcomes == {
        "test_by_module": "FAILED",
        "TestIt::test_by_class_once": "PASSED",
        "TestIt::test_by_class_twice": "FAILED",
        "TestIt::test_nearest_wins": "PASSED",
        "test_parameters[0]": "PASSED",
        "test_parameters[1]": "FAILED",
        "test_threads[current]": "PASSED",
        "test_threads[all]": "FAILED",
    }


@pytest.mark.parametrize("said", ["1", "warmup=-1", "warmup='x'", "threads='main'", "warm=1", "'a reason'"])
def test_a_marker_that_says_nothing_is_refused(run: Run, said: str) -> None:
    result = run(f"@pytest.mark.no_blocking_h2d({said})\ndef test_it(): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"ERROR: test_it.py::test_it: the marker is no_blocking_h2d(*not no_blocking_h2d({said.replace('[', '?')})"
        ]
    )


def test_fixtures_do_not_count_and_may_allow(run: Run) -> None:
    run(
        """
@pytest.fixture
def loaded():
    upload()
    yield
    upload()

@pytest.fixture
def allowed():
    with allow("a fixture says so"):
        yield

@pytest.mark.no_blocking_h2d
def test_loaded(loaded): pass

@pytest.mark.no_blocking_h2d
def test_allowed(allowed): upload()

@pytest.mark.no_blocking_h2d
@allow("decorated")
def test_decorated(loaded): upload()

@pytest.mark.no_blocking_h2d
def test_within():
    with allow("within"):
        upload()
"""
    ).assert_outcomes(passed=4)


def test_asynchronous_tests_and_unittest(run: Run) -> None:
    result = run(
        """
import asyncio, unittest
pytestmark = pytest.mark.no_blocking_h2d

async def test_async_blocks():
    await asyncio.sleep(0)
    upload()

async def test_async_passes():
    with allow("in a task"):
        await asyncio.sleep(0)
        upload()

class Case(unittest.TestCase):
    def test_blocks(self):
        upload()
    def test_passes(self):
        cuda.pinned()
    def test_fails_by_itself(self):
        upload()
        self.assertEqual(1, 2)

class Sets(unittest.TestCase):
    def setUp(self):
        upload()
    def test_set_up_counts(self):
        pass

class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def test_isolated_blocks(self):
        upload()
""",
        "-rA",
    )
    result.assert_outcomes(passed=2, failed=5)
    text = result.stdout.str().partition("= FAILURES =")[2]
    assert text.count("BlockingCopyError: 1 host-to-device copy held") >= 4
    result.stdout.fnmatch_lines(["E * AssertionError: 1 != 2"])
    assert "_pytest" not in text


def test_what_the_test_itself_raises_wins(run: Run) -> None:
    result = run(
        """
pytestmark = pytest.mark.no_blocking_h2d

def test_raises():
    upload()
    raise ValueError("mine")

def test_skips():
    upload()
    pytest.skip("no")

@pytest.mark.xfail(raises=BlockingCopyError, strict=True)
def test_expected():
    upload()

@pytest.mark.xfail(strict=True)
def test_expected_and_does_not():
    pass

def test_guards_by_itself():
    with allow("tests the guard"), pytest.raises(BlockingCopyError), no_blocking_h2d():
        upload()
"""
    )
    result.assert_outcomes(failed=2, skipped=1, xfailed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "E * ValueError: mine",
            "*- Captured blocking copies call -*",
            f"1 host-to-device copy held the host for 20 ms at test_it.py:{THE_LINE}",
        ]
    )
