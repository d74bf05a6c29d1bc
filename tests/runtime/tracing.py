"""Traces made by hand over real sources: frames with the positions that Python would give them."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from h2dlint.runtime.traces import ASYNC, SYNC, WAIT, Frame, Process, Site, Trace
from h2dlint.syntax.source import SourceText

PROCESS = Process(pid=7, argv=("python", "run.py"), started=4e9, wall_s=2.0, gpu="a GPU", python="3.12.3")
"""Recorded in the far future, so that files written by a test are older."""


def frame_of(path: Path, text: str, function: str, nth: int = 0, file: str = "") -> Frame:
    """The frame that runs an expression of a file, the ``nth`` one that reads so."""
    source = SourceText.from_bytes(path.read_bytes())
    nodes = [
        node
        for node in ast.walk(ast.parse(source.text))
        if isinstance(node, ast.expr) and ast.get_source_segment(source.text, node) == text
    ]
    span = sorted(source.span(node) for node in nodes)[nth]
    return Frame(file or str(path), span.line, function, span.column, span.end_line, span.end_column)


def by_line(frame: Frame) -> Frame:
    """The frame as Python 3.10 gives it."""
    return replace(frame, column=0, end_line=0, end_column=0)


def sync(frame: Frame | None, operator: str, count: int = 1, held_us: float = 100.0, **more: object) -> Site:
    """Copies that were waited for."""
    given: dict[str, object] = {
        "kind": SYNC,
        "frames": (frame,) if frame is not None else (),
        "user": 0,
        "operator": operator,
        "count": count,
        "blocked": count,
        "held_us": held_us,
        "max_us": held_us / count,
        "bytes": 8 * count,
        "threads": ("MainThread",),
    }
    return Site(**{**given, **more})  # type: ignore[arg-type]


def asynchronous(frame: Frame, operator: str, count: int = 1) -> Site:
    """Copies from pinned memory that nobody waited for."""
    return sync(frame, operator, count, 5.0, kind=ASYNC, blocked=0, pinned=True)


def wait(frame: Frame, operator: str, count: int = 1, held_us: float = 50.0) -> Site:
    """Waits for something else."""
    return sync(frame, operator, count, held_us, kind=WAIT, bytes=0)


def trace_of(*sites: Site, lines: dict[str, tuple[int, ...]] | None = None, source: str = "h2dlint") -> Trace:
    """A trace of one process."""
    ordered = sorted(sites, key=lambda site: -site.held_us)
    return Trace(("python", "run.py"), (PROCESS,), tuple(ordered), (), lines, source)
