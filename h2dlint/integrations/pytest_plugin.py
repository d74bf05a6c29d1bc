"""The pytest plugin: tests that fail where a host-to-device copy held the host. ``docs/guard.md`` is the page.

It is loaded into every test run where h2dlint is installed, so it imports next to nothing until a test is guarded, and
asks nothing of pytest and pluggy that old releases do not have.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from h2dlint.runtime.guard import Threads, Watch

MARKER = "no_blocking_h2d"
OFF, FAIL, REPORT = MODES = ("off", "fail", "report")

_REPORT_KEY = "h2dlint"
"""Attribute of a test report: what was seen, as JSON knows it, so that xdist carries it to the process that tells."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--h2d-watch`` and the two keys of the configuration."""
    group = parser.getgroup("h2dlint", "blocking host-to-device copies (h2dlint)")
    group.addoption(
        "--h2d-watch",
        nargs="?",
        const=FAIL,
        default=None,
        metavar="fail|report|off",
        help="guard every test as if it were marked no_blocking_h2d; =report fails none of them and lists the lines "
        "that blocked at the end",
    )
    parser.addini("h2d_watch", "fail, report or off: what --h2d-watch is without the option", default=OFF)
    parser.addini("h2d_warmup", "how often each line may block in a test before it counts", default="0")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what acts on it."""
    config.addinivalue_line(
        "markers",
        f'{MARKER}(warmup=0, threads="current"): fail the test if a host-to-device copy holds the host while it runs; '
        "docs/guard.md of h2dlint",
    )
    config.pluginmanager.register(_Plugin(config), "h2dlint-guard")


class _Plugin:
    """One test run.

    Args:
        config: of the run.

    Raises:
        pytest.UsageError: an option says something that there is not.
    """

    def __init__(self, config: pytest.Config) -> None:
        option = config.getoption("--h2d-watch")
        self.mode: str = option if option is not None else config.getini("h2d_watch")
        if self.mode not in MODES:
            source = "--h2d-watch" if option is not None else "h2d_watch"
            hint = "; write --h2d-watch=fail before a path" if option is not None else ""
            raise pytest.UsageError(f"{source} is fail, report or off, not {self.mode!r}{hint}")
        warmup = config.getini("h2d_warmup")
        if not str(warmup).strip().isdecimal():
            raise pytest.UsageError(f"h2d_warmup is a number from 0, not {warmup!r}")
        self.warmup = int(warmup)
        self._last: dict[str, Any] | None = None
        """What was seen of the test that has just run, until its report is made."""
        self.seen: list[dict[str, Any]] = []
        self.unwatched: dict[str, int] = {}
        self.said = False

    def pytest_report_header(self) -> str | None:
        if self.mode == OFF:
            return None
        from h2dlint.runtime.guard_cuda import unlikely

        if why := unlikely():
            self.said = True
            return f"h2dlint: host-to-device copies are not watched: {why}"
        what = "fail a test" if self.mode == FAIL else "are listed at the end"
        return f"h2dlint: host-to-device copies that block {what}"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # Before anything runs: a marker that says nothing must not look like one that watches.
        for item in items:
            _arguments(item, self.warmup)

    # The old kind of wrapper, because pluggy before 1.2 refuses the new one, and with it the whole test run. As near
    # to the test as can be: what the wrappers of other plugins do is not the test's.
    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        arguments = _arguments(item, self.warmup)
        if arguments is None and self.mode == OFF:
            yield
            return
        warmup, threads = arguments or (self.warmup, "current")
        must_fail = arguments is not None or self.mode == FAIL

        from h2dlint.runtime import guard, guard_cuda, guard_text

        why = guard_cuda.why_not()
        watch: Watch | None = None
        blind: guard.GuardError | None = None
        if not why:
            try:
                watch = guard.Watch(guard.no_blocking_h2d(warmup=warmup, threads=threads), over_all=True)
            except guard.GuardError as error:
                why = str(error)
                blind = guard.GuardError(why)
        outcome = yield
        raised = getattr(outcome, "excinfo", None)
        if watch is None:
            self._last = {"unwatched": why}
            if blind is not None and must_fail and raised is None:
                _force(outcome, _at(blind, item))
            return
        watch.finish()
        lines = watch.blocked
        self._last = {"lines": [_as_data(line) for line in lines]}
        if not lines or not must_fail:
            return
        if raised is None:
            _force(outcome, _at(guard.failure(lines), item))
        elif not isinstance(raised[1], guard.BlockingCopyError):
            text = f"{guard_text.summary(lines)}\n{guard_text.describe(lines)}"
            item.add_report_section("call", "blocking copies", text)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, None]:
        outcome = yield
        if call.when == "call" and self._last is not None:
            setattr(outcome.get_result(), _REPORT_KEY, self._last)
            self._last = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        seen = getattr(report, _REPORT_KEY, None)
        if not seen:
            return
        if "unwatched" in seen:
            self.unwatched[seen["unwatched"]] = self.unwatched.get(seen["unwatched"], 0) + 1
        for line in seen.get("lines", ()):
            self.seen.append({**line, "test": report.nodeid})

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.mode == REPORT and (self.seen or not self.unwatched):
            terminalreporter.section("blocking host-to-device copies")
            for text in _table(self.seen):
                terminalreporter.line(text)
        for why, tests in sorted(self.unwatched.items()):
            # The header may have said so already.
            if not self.said:
                number = "1 test was" if tests == 1 else f"{tests} tests were"
                terminalreporter.line(f"h2dlint: {number} not watched: {why}")


def _arguments(item: pytest.Item, warmup: int) -> tuple[int, Threads] | None:
    """What the marker nearest to a test says; ``None`` without one.

    Raises:
        pytest.UsageError: it says something that there is not.
    """
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    values = {"warmup": warmup, "threads": "current", **marker.kwargs}
    right = (
        not marker.args
        and set(values) == {"warmup", "threads"}
        and type(values["warmup"]) is int
        and values["warmup"] >= 0
        and values["threads"] in ("current", "all")
    )
    if not right:
        said = ", ".join(
            [*map(repr, marker.args), *(f"{key}={value!r}" for key, value in marker.kwargs.items())]
        )
        raise pytest.UsageError(
            f'{item.nodeid}: the marker is {MARKER}(warmup=0, threads="current" or "all"), not {MARKER}({said})'
        )
    return values["warmup"], values["threads"]


def _at(error: BaseException, item: pytest.Item) -> BaseException:
    """The error with a traceback that names the test, if it has none; without, pytest would show its own insides."""
    if error.__traceback__ is not None:
        return error
    from h2dlint.runtime.guard_text import traceback_to
    from h2dlint.runtime.traces import Frame

    file, line, name = item.location
    frame = Frame(str(getattr(item, "path", file)), (line or 0) + 1, name)
    return error.with_traceback(traceback_to((frame,)))


def _force(outcome: Any, error: BaseException) -> None:
    """Make a test fail that has passed."""
    if hasattr(outcome, "force_exception"):
        outcome.force_exception(error)
    else:  # pluggy before 1.1
        outcome._excinfo = (type(error), error, error.__traceback__)


def _as_data(line: Any) -> dict[str, Any]:
    file, number = line.place
    return {
        "file": file,
        "line": number,
        "function": line.frames[0].function if line.frames else "",
        "operator": line.operator,
        "count": line.count,
        "held_us": line.held_us,
    }


def _table(seen: Iterable[dict[str, Any]]) -> list[str]:
    """The lines that blocked, the longest held first, with the tests that ran them."""
    from h2dlint.runtime.guard_text import duration, shown_path

    places: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for entry in seen:
        places.setdefault((entry["file"], entry["line"]), []).append(entry)
    if not places:
        return ["no copy held the host"]
    text = []
    for (file, line), entries in sorted(
        places.items(), key=lambda item: -sum(entry["held_us"] for entry in item[1])
    ):
        held = duration(sum(entry["held_us"] for entry in entries))
        count = sum(entry["count"] for entry in entries)
        operators = ", ".join(sorted({entry["operator"] or "a copy" for entry in entries}))
        where = (
            f"{shown_path(file)}:{line} in {entries[0]['function']}"
            if file
            else "a thread that runs no Python"
        )
        text.append(f"{held:>8}  {count:>5} x  {where}  ({operators})")
        tests = list(dict.fromkeys(entry["test"] for entry in entries))
        text.extend(f"{'':18}{test}" for test in tests[:MAX_TESTS])
        if len(tests) > MAX_TESTS:
            text.append(f"{'':18}and {len(tests) - MAX_TESTS} more tests")
    return text


MAX_TESTS = 5
"""Tests named of one line in the report."""
