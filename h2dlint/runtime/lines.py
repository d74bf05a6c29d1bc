"""Which lines ran, at next to no cost: each line is told of once (``sys.monitoring``, Python 3.12 and later).

A finding that did not block is a false alarm only if it ran; this is how a trace knows.
"""

from __future__ import annotations

import sys
from types import CodeType
from typing import Any

from h2dlint.runtime.stacks import is_user

_TOOL = "h2dlint"
_FREE = (4, 3, 5, 2)
"""Ids that no tool of the standard library claims come first: 0 is the debugger's, 1 coverage's, 2 the profiler's,
5 the optimizer's."""


class LineWatch:
    """Watches the user's files from ``start`` on.

    Attributes:
        lines: file to the lines that ran; ``None`` where they are not known.
    """

    def __init__(self) -> None:
        self.lines: dict[str, set[int]] | None = None
        self._tool: int | None = None

    def start(self) -> None:
        """Begin; does nothing before Python 3.12, or where other tools have taken every id."""
        monitoring: Any = getattr(sys, "monitoring", None)
        if monitoring is None:
            return
        for tool in _FREE:
            if monitoring.get_tool(tool) is None:
                break
        else:
            return
        monitoring.use_tool_id(tool, _TOOL)
        self._tool = tool
        lines: dict[str, set[int]] = {}
        disable, line_event, events = monitoring.DISABLE, monitoring.events.LINE, monitoring.events

        def started(code: CodeType, _offset: int) -> object:
            file = code.co_filename
            if file not in lines:
                # Torch may be not imported yet, so that its files are not known for what they are; they are left out
                # when the trace is written.
                if not is_user(file):
                    return disable
                # Another thread may have done so meanwhile: a line is told of only once.
                lines.setdefault(file, set())
            monitoring.set_local_events(tool, code, line_event)
            return disable

        def ran(code: CodeType, line: int) -> object:
            lines[code.co_filename].add(line)
            return disable

        monitoring.register_callback(tool, events.PY_START, started)
        monitoring.register_callback(tool, events.LINE, ran)
        monitoring.set_events(tool, events.PY_START)
        self.lines = lines

    def stop(self) -> None:
        """End; the lines stay. As the interpreter goes, what the callbacks need is gone before the last code runs."""
        if self._tool is not None:
            monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            monitoring.set_events(self._tool, 0)
            monitoring.register_callback(self._tool, monitoring.events.PY_START, None)
            monitoring.register_callback(self._tool, monitoring.events.LINE, None)
            monitoring.free_tool_id(self._tool)
            self._tool = None
