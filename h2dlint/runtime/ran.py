"""Which fixes ran: a program that never executed a fix says nothing about it.

Each process adds lines to a file of its own in the run folder, at once when there is something to say, so that
workers that are killed, forked, or leave by ``os._exit`` have said it: ``ran-<pid>.jsonl``. From Python 3.12 on
``sys.monitoring`` tells of each line of fixed code once; only the functions that hold a fix are watched. Before
that it is known which fixes were loaded, not which ran. What ``torch.compile`` compiled does not run as Python:
such fixes are loaded, and not seen to run unless the function also ran uncompiled.

Standard library only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from h2dlint.runtime.positions import Place, PositionMap

_TOOL = "h2dlint-fixes"
_FREE = (3, 4, 5, 2)
"""Ids that no tool of the standard library claims come first."""


class FixRuns(NamedTuple):
    """What the processes of a run said of its fixes.

    Args:
        loaded: ids of the fixes in modules that were loaded.
        ran: ids of those of which a line was seen to run; ``None`` where a process could not tell.
        notes: pairs of a file that was not fixed and the reason.
    """

    loaded: frozenset[int] = frozenset()
    ran: frozenset[int] | None = frozenset()
    notes: tuple[tuple[str, str], ...] = ()


def read(folder: os.PathLike[str] | str) -> FixRuns:
    """What is known after a run.

    Args:
        folder: of the run.
    """
    import json
    from pathlib import Path

    loaded: set[int] = set()
    ran: set[int] = set()
    notes: set[tuple[str, str]] = set()
    known = True
    for path in sorted(Path(folder).glob("ran-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # The process was killed while it wrote.
                continue
            loaded.update(entry.get("loaded", ()))
            ran.update(entry.get("ran", ()))
            known = known and entry.get("known", True)
            if "note" in entry:
                notes.add((entry["note"][0], entry["note"][1]))
    return FixRuns(frozenset(loaded), frozenset(ran) if known else None, tuple(sorted(notes)))


class Ran:
    """Takes down what happens to fixes in this process and in those that it forks.

    Args:
        folder: of the run; ``None`` to take nothing down.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = os.path.abspath(folder) if folder is not None else None
        self._marks: dict[tuple[int, int], set[int]] = {}
        self._codes: list[CodeType] = []
        self._seen: set[int] = set()
        self._tool: int | None = None
        self._asked = False

    def loaded(self, fixes: Iterable[int]) -> None:
        """A module was compiled with these fixes in it."""
        self._say({"loaded": sorted(fixes)})

    def note(self, path: str, reason: str) -> None:
        """A file was not fixed."""
        self._say({"note": [path, reason]})

    def watch(self, code: CodeType, places: PositionMap, marks: Mapping[Place, tuple[int, ...]]) -> None:
        """See which fixes in a module run.

        Args:
            code: of the module.
            places: the map by which its nodes were placed.
            marks: places of what fixes wrote, to their ids.
        """
        if self._folder is None:
            return
        monitoring: Any = getattr(sys, "monitoring", None)
        if not self._start(monitoring):
            return
        wanted = {fix for segment in places.segments for fix in segment.fixes}
        found = list(_marked(code, marks))
        missed = wanted.difference(*(ids for _, _, ids in found)) if found else wanted
        # What leaves no instruction of its own behind (a constant that was folded) is known by its line.
        for segment in places.segments:
            left = missed.intersection(segment.fixes)
            if left:
                found += _on_lines(code, places.lines_of(segment), tuple(left))
        for inner, line, ids in found:
            if (id(inner), line) not in self._marks:
                self._marks[id(inner), line] = set()
                self._codes.append(inner)
            self._marks[id(inner), line].update(ids)
            wanted_events = monitoring.events.LINE
            if line == inner.co_firstlineno:
                # Python 3.13 tells of no line where a function of one line starts.
                wanted_events |= monitoring.events.PY_START
            events = monitoring.get_local_events(self._tool, inner)
            monitoring.set_local_events(self._tool, inner, events | wanted_events)

    def _start(self, monitoring: Any) -> bool:
        if not self._asked:
            self._asked = True
            free = [tool for tool in _FREE if monitoring.get_tool(tool) is None] if monitoring else []
            if not free:
                self._say({"known": False})
                return False
            self._tool = free[0]
            monitoring.use_tool_id(self._tool, _TOOL)
            monitoring.register_callback(self._tool, monitoring.events.LINE, self._line)
            monitoring.register_callback(self._tool, monitoring.events.PY_START, self._started)
        return self._tool is not None

    def _started(self, code: CodeType, _offset: int) -> object:
        return self._line(code, code.co_firstlineno)

    def _line(self, code: CodeType, line: int) -> object:
        ids = self._marks.get((id(code), line))
        if ids is not None and not ids <= self._seen:
            self._seen |= ids
            self._say({"ran": sorted(ids)})
        return sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]

    def _say(self, entry: dict[str, Any]) -> None:
        if self._folder is None:
            return
        import json

        path = os.path.join(self._folder, f"ran-{os.getpid()}.jsonl")
        try:
            # One write to a file opened for appending: lines of threads do not mix.
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(handle, (json.dumps(entry) + "\n").encode("utf-8"))
            finally:
                os.close(handle)
        except OSError:
            # The program must not suffer for what we would like to know.
            return


def _marked(
    code: CodeType, marks: Mapping[Place, tuple[int, ...]]
) -> Iterable[tuple[CodeType, int, tuple[int, ...]]]:
    """Code objects, lines and fixes of the instructions that stand at a marked place."""
    positions: Any = getattr(code, "co_positions", None)
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for line, end_line, column, end_column in positions() if positions is not None else ():
        ids = marks.get((line, column, end_line, end_column))
        if ids is not None and (line, ids) not in seen:
            seen.add((line, ids))
            yield code, line, ids
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _marked(constant, marks)


def _on_lines(
    code: CodeType, lines: range, ids: tuple[int, ...]
) -> list[tuple[CodeType, int, tuple[int, ...]]]:
    own = {line for *_, line in code.co_lines() if line is not None and line in lines}
    found = [(code, line, ids) for line in sorted(own)]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _on_lines(constant, lines, ids)
    return found
