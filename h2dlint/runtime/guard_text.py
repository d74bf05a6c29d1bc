"""What a failed guard says: the lines that blocked, as text and as a traceback that ends there."""

from __future__ import annotations

import ast
import linecache
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType, FunctionType, TracebackType

from h2dlint.runtime.stacks import is_user
from h2dlint.runtime.traces import STAGED, Frame

MAX_CALLERS = 12
"""Callers shown of one line; the ones further out say less."""

_RUNNERS = tuple(f"{os.sep}{name}{os.sep}" for name in ("_pytest", "pluggy", "pytest_asyncio"))
"""What runs a test is not what called the line."""


@dataclass(slots=True)
class BlockingLine:
    """One line of the user's code from which host-to-device copies held the host.

    Args:
        frames: the line itself, then what called it, the first time, outwards; torch's own frames are left out. Empty
            for a thread that runs no Python.
        operator: what copied: ``torch.tensor``, ``Tensor.to``; empty if that is not known.
        kind: ``sync`` (the host waited for all work queued before) or ``staged`` (the driver held it).
        count: how many copies.
        held_us: host time in the CUDA calls, the sum, and
        max_us: the longest, in microseconds.
        bytes: moved, the sum.
        threads: names of the threads that were held.
        reason: that ``allow`` gave; empty for copies that are not allowed.
    """

    frames: tuple[Frame, ...]
    operator: str
    kind: str
    count: int = 0
    held_us: float = 0.0
    max_us: float = 0.0
    bytes: int = 0
    threads: tuple[str, ...] = ()
    reason: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """File and line; an empty file where no Python ran."""
        return (self.frames[0].file, self.frames[0].line) if self.frames else ("", 0)


def callers(frames: Sequence[Frame], user: int, entered: tuple[str, str] | None = None) -> tuple[Frame, ...]:
    """The user's line and what called it, without the frames that say nothing.

    Args:
        frames: innermost first, and
        user: index of the user's line, as in ``traces.Site``.
        entered: file and function of the frame that entered the guard; what lies further out is left off.
    """
    kept: list[Frame] = []
    for frame in frames[max(user, 0) :]:
        if kept and (frame.function == "pytest_pyfunc_call" or any(name in frame.file for name in _RUNNERS)):
            break
        if not kept or is_user(frame.file):
            kept.append(frame)
        if (frame.file, frame.function.rpartition(".")[2]) == entered:
            break
    return tuple(kept)


def summary(lines: Sequence[BlockingLine]) -> str:
    """How many copies there were, how long they held the host, and from where: one line."""
    number = sum(line.count for line in lines)
    copies = "1 host-to-device copy" if number == 1 else f"{number} host-to-device copies"
    held = duration(sum(line.held_us for line in lines))
    others = len({line.place for line in lines}) - 1
    more = f" and {others} other line{'s' if others > 1 else ''}" if others > 0 else ""
    return f"{copies} held the host for {held} at {_location(lines[0])}{more}"


def describe(lines: Sequence[BlockingLine]) -> str:
    """Each line with its source, what it did and what called it."""
    return "\n".join(_described(line) for line in lines)


def duration(microseconds: float) -> str:
    """A time with its unit, as long as it needs to be."""
    if microseconds < 999.5:
        return f"{microseconds:.0f} \N{MICRO SIGN}s"
    if microseconds < 999_500:
        return f"{microseconds / 1e3:.3g} ms"
    return f"{microseconds / 1e6:.2f} s"


def shown_path(file: str) -> str:
    """A file as the user would type it: relative where it lies in the working directory."""
    try:
        relative = os.path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if relative.startswith(os.pardir) or not os.path.isabs(file) else relative


def _location(line: BlockingLine) -> str:
    if not line.frames:
        return f"a thread that runs no Python ({', '.join(line.threads)})"
    return f"{shown_path(line.frames[0].file)}:{line.frames[0].line}"


def _described(line: BlockingLine) -> str:
    text = [_frame(line.frames[0]) if line.frames else _location(line)]
    times = "once" if line.count == 1 else f"{line.count} times"
    held = duration(line.held_us)
    if line.count > 1:
        held += f" in all, {duration(line.max_us)} at most"
    how = (
        "held by the driver, which staged pageable memory" if line.kind == STAGED else "waited for the stream"
    )
    where = "" if line.threads in ((), ("MainThread",)) else f", on {', '.join(line.threads)}"
    text.append(f"    {line.operator or 'a copy'}: {times}, {held}, {line.bytes} bytes; {how}{where}")
    if line.reason:
        text.append(f"    allowed: {line.reason}")
    for caller in line.frames[1 : MAX_CALLERS + 1]:
        text.append("  called from " + _frame(caller))
    if len(line.frames) > MAX_CALLERS + 1:
        text.append(f"  and {len(line.frames) - MAX_CALLERS - 1} more")
    return "\n".join(text)


def _frame(frame: Frame) -> str:
    source = linecache.getline(frame.file, frame.line).strip()
    where = f"{shown_path(frame.file)}:{frame.line} in {frame.function}"
    return f"{where}\n      {source}" if source else where


def traceback_to(frames: Sequence[Frame]) -> TracebackType | None:
    """A traceback that ends at a line which has run already, so that pytest, editors and ``pdb`` go there.

    The frames in it are made for it and hold no variables: those that ran are gone, and would have kept tensors alive.

    Args:
        frames: innermost first.
    """
    trace = None
    for frame in frames:
        made = _made(frame)
        if made is not None:
            python, instruction = made
            trace = TracebackType(trace, python, instruction, frame.line)
    return trace


def _made(frame: Frame) -> tuple[FrameType, int] | None:
    """A Python frame that stands at an expression, and the offset of its instruction."""
    name = frame.function.rpartition(".")[2]
    if frame.line < 1:
        return None
    # A function of one call, compiled as if it stood where the expression does.
    call = ast.Call(ast.Name("capture", ast.Load()), [], [])
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    tree = ast.Expression(ast.Lambda(nothing, call))
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.lineno, node.end_lineno, node.col_offset, node.end_col_offset = _span(frame)
    try:
        outer = compile(tree, frame.file, "eval")
    except (SyntaxError, ValueError):  # a span that is none: the file was changed meanwhile
        return None
    inner = next(constant for constant in outer.co_consts if hasattr(constant, "co_code"))
    caught: list[tuple[FrameType, int]] = []

    def capture() -> None:
        python = sys._getframe(1)
        caught.append((python, python.f_lasti))

    scope = {"capture": capture, "__name__": name, "__file__": frame.file}
    FunctionType(inner.replace(co_name=name), scope)()
    # What was caught would keep itself alive in a circle.
    scope.clear()
    return caught[0]


def _span(frame: Frame) -> tuple[int, int, int, int]:
    """First and last line, first and last column in bytes from 0; the whole line where columns are not known."""
    line = linecache.getline(frame.file, frame.line)
    if not frame.column:
        stripped = line.rstrip("\n")
        return (
            frame.line,
            frame.line,
            _bytes(line, len(line) - len(line.lstrip())),
            _bytes(line, len(stripped)),
        )
    last = linecache.getline(frame.file, frame.end_line)
    return frame.line, frame.end_line, _bytes(line, frame.column - 1), _bytes(last, frame.end_column - 1)


def _bytes(line: str, column: int) -> int:
    # Where the source is not there, a column in code points is as good as any.
    return len(line[:column].encode("utf-8", "surrogatepass")) if line else column
