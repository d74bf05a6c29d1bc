"""Runs the pytest plugin in test runs of its own, over a CUDA that is faked below the recorder."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

CONFTEST = f"""
import asyncio, inspect, sys
import pytest
sys.path.insert(0, {str(ROOT)!r})
from tests.runtime.fake_cuda import installed

# For good: the process ends with the run.
keeping = installed()
keeping.__enter__()

def pytest_pyfunc_call(pyfuncitem):
    # What plugins for asynchronous tests do.
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{{name: pyfuncitem.funcargs[name] for name in names}}))
        return True
"""

HEAD = """
import sys
import pytest
from h2dlint.runtime import BlockingCopyError, allow, no_blocking_h2d
from tests.runtime.fake_cuda import cuda

def upload():
    cuda.copy()  # the line
"""
THE_LINE = HEAD.splitlines().index("    cuda.copy()  # the line") + 1


OPTIONS = ("-p", "no:cacheprovider", "--strict-markers", "--strict-config")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # Plugins that happen to be installed would be loaded each time, which takes longer than the tests do.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Run(pytester)


class Run:
    """Runs tests in a process of their own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def __call__(
        self,
        tests: str,
        *options: str,
        ini: str = "",
        conftest: str = CONFTEST,
        head: str = HEAD,
        load: tuple[str, ...] = ("-p", "h2dlint"),
    ) -> pytest.RunResult:
        self.pytester.makeconftest(conftest)
        self.pytester.makeini(f"[pytest]\n{ini}\n")
        self.pytester.path.joinpath("test_it.py").write_text(head + tests, encoding="utf-8")
        return self.pytester.runpytest_subprocess(*OPTIONS, *load, *options)


MARKED = """
@pytest.mark.no_blocking_h2d
def test_blocks():
    upload()

@pytest.mark.no_blocking_h2d
def test_does_not():
    cuda.pinned()
    cuda.synchronize()

def test_is_not_marked():
    upload()
"""
