"""What the names of a profiler's events say: Python functions, built-in functions, operators."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from h2dlint.runtime.traces import Frame

_FRAME = re.compile(r"^(?P<file>.*)\((?P<line>\d+)\): (?P<function>.*)$", re.DOTALL)
_METHOD = re.compile(r"^<built-in method (\w+) of (?:[\w.]*\.)?(\w+)")
_FUNCTION = re.compile(r"^<built-in (?:function|method) (\w+)")

_SUBSCRIPTS = {
    # Subscripts are no calls, so their operators stand in the user's function directly; a list is made a tensor and
    # moved.
    "aten::index": "__getitem__",
    "aten::to": "__getitem__",
    "aten::index_put_": "__setitem__",
    "aten::copy_": "__setitem__",
    "aten::fill_": "__setitem__",
}

_OWNERS = (
    ("torch/nn/modules/module.py", "Module"),
    ("torch/_tensor.py", "Tensor"),
    ("torch/nn/utils/rnn.py", "PackedSequence"),
)


class Named(NamedTuple):
    """Name of an event, and whether it is one of a Python function or of an operator."""

    python: bool
    text: str


def python_frame(named: Named) -> Frame | None:
    """The frame of a Python function; ``None`` for anything else, such as a built-in function.

    The line is that of the ``def`` (of its first decorator), or where a function was when the profiler was started.
    """
    match = _FRAME.match(named.text) if named.python and not named.text.startswith("<built-in") else None
    if match is None:
        return None
    return Frame(match["file"], int(match["line"]), match["function"])


def is_profiler(file: str) -> bool:
    """Whether a file is the profiler's own."""
    name = file.replace("\\", "/")
    return "torch/profiler/" in name or name.endswith("torch/autograd/profiler.py")


def is_user(file: str) -> bool:
    """Whether a file is code that somebody may want to change, as far as a shortened path tells.

    Paths begin after the entry of ``sys.path`` that they lie in, so the standard library is known by the names of its
    modules only: a file of the user's with such a name beside the script is taken for it.
    """
    if file.startswith("<"):
        return False
    parts = file.replace("\\", "/").split("/")
    for folder in ("site-packages", "dist-packages"):
        if folder in parts:
            parts = parts[parts.index(folder) + 1 :]
            return bool(parts) and not _is_torch(parts[0])
    if file.startswith("/") or ":" in parts[0]:
        return not re.search(r"/lib(?:64)?/python3\.\d+/", file.replace("\\", "/"))
    top = parts[0].removesuffix(".py")
    return not _is_torch(top) and top not in sys.stdlib_module_names and top != "h2dlint"


def _is_torch(name: str) -> bool:
    return name in ("torch", "triton", "functorch")


def operator(inside: Sequence[Named]) -> str:
    """What the user's function called that copied or waited.

    Args:
        inside: the events within the user's function and around the call, outermost first.
    """
    python = [named for named in inside if named.python]
    if not python:
        first = next((named.text for named in inside), "")
        return _SUBSCRIPTS.get(first, first)
    frame = python_frame(python[0])
    if frame is not None and frame.function != "__torch_function__":
        return _of_torch(frame)
    # Under a mode, such as that of a default device, torch hands the call on by Python code of its own.
    builtin = python[-1] if frame is not None else python[0]
    return _builtin(builtin.text)


def _of_torch(frame: Frame) -> str:
    name = frame.file.replace("\\", "/")
    for file, owner in _OWNERS:
        if name.endswith(file):
            return f"{owner}.{frame.function}"
    return frame.function


def _builtin(text: str) -> str:
    match = _METHOD.match(text)
    if match is None:
        plain = _FUNCTION.match(text)
        return plain[1] if plain else ""
    name, owner = match[1], match[2]
    # `torch.tensor` and its like are methods of a class that torch makes for them.
    return (
        f"torch.{name}"
        if owner == "type"
        else f"Tensor.{name}"
        if owner == "Parameter"
        else f"{owner}.{name}"
    )
