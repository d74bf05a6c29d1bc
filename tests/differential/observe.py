"""Runs a program and looks at what came of it: on a real device, or on the stand-in for one."""

from __future__ import annotations

import inspect
import itertools
import random
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from tests.differential.programs import Program
from tests.gpu.compare import differences

_numbers = itertools.count()


@dataclass
class Watch:
    """What a device says of a run.

    Args:
        queue: called when the program is about to begin; queues work on the device.
        races: sources that were written to while a copy of them was under way.
        out_of_range: an index was out of range somewhere, which ends the process on a real device.
    """

    queue: Callable[[], None] = lambda: None
    races: int = 0
    out_of_range: bool = False


RAISED = "the original raised: "
"""How a difference begins that is none on "an input on which the original ran"."""

Device = Callable[[], AbstractContextManager[Watch]]


@contextmanager
def no_device() -> Iterator[Watch]:
    """PyTorch as it is, on a machine without an accelerator."""
    yield Watch()


@dataclass
class Run:
    """What a program did.

    Args:
        value: what it returned, with its inputs as they are afterwards.
        error: what it raised instead.
        caught: what it raised and caught itself.
    """

    value: Any = None
    error: Exception | None = None
    caught: list[str] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)

    @property
    def raised(self) -> str:
        return "" if self.error is None else f"{type(self.error).__name__}: {self.error}"


def run(program: Program, text: str, device: Device) -> Run:
    """Run a program, or what a fix made of it, in a module of its own."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    module = types.ModuleType(f"_differential_{next(_numbers)}")
    sys.modules[module.__name__] = module
    result = Run()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with device() as result.watch:
                try:
                    result.value = _called(program, text, module, result.watch)
                except Exception as error:
                    result.error = error
                finally:
                    torch.set_default_dtype(torch.float32)
                    torch.set_default_device(None)
    finally:
        result.caught = getattr(module, "CAUGHT", [])
        del sys.modules[module.__name__]
    return result


def _called(program: Program, text: str, module: types.ModuleType, watch: Watch) -> Any:
    exec(compile(text, "program.py", "exec", dont_inherit=True), module.__dict__)
    given = {name: eval(value, {"np": np, "torch": torch}) for name, value in program.inputs}
    given["d"] = eval(program.device, {"torch": torch})
    watch.queue()
    value = module.run(**given)
    if inspect.isgenerator(value):
        value = list(value)
    elif inspect.iscoroutine(value):
        try:
            value.send(None)
        except StopIteration as done:
            value = done.value
    return {"out": value, "inputs": given}


def disagreements(before: Run, after: Run) -> list[str]:
    """How two runs differ in what code can observe; empty where they do not."""
    if before.error is not None or after.error is not None:
        if type(before.error) is type(after.error):
            return []
        began = RAISED if before.error is not None else ""
        return [f"{began}raised {before.raised or 'nothing'} before, {after.raised or 'nothing'} after"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = list(_parts("", before.value)), list(_parts("", after.value))
        lines = differences(_plain(before.value), _plain(after.value))
        if not lines:
            lines += _more(first, second)
    if lines and before.caught != after.caught:
        lines.insert(0, f"{RAISED}{before.caught} before, {after.caught} after")
    if after.watch.races > before.watch.races:
        lines.append("a source is written to while it is copied")
    return lines


def _plain(value: Any) -> Any:
    """Dictionaries and lists of what a program gave, without what has no value of its own."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if not name.startswith("_")}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value)) if type(value) in (list, tuple) else list(map(_plain, value))
    if type(value) is torch.Tensor and _history(value) == "forbidden":
        return {"forbidden": value.detach()}
    if type(value) is torch.Tensor and any(getattr(value, "names", ())):
        return {"names": list(value.names), "tensor": value.rename(None)}
    if isinstance(value, (torch.Tensor, np.ndarray, int, float, complex, str, bytes, bytearray, type(None))):
        return value
    return repr(value) if isinstance(value, (torch.device, torch.dtype, np.generic)) else type(value).__name__


def _parts(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Tensors and arrays, with their places."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _parts(f"{where}[{name!r}]", item)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _parts(f"{where}[{number}]", item)
    elif isinstance(value, (torch.Tensor, np.ndarray)):
        yield where, value


def _more(before: list[tuple[str, Any]], after: list[tuple[str, Any]]) -> list[str]:
    """Storage offsets, gradients, and which tensors and arrays share memory."""
    lines = []
    for (where, first), (_, second) in zip(before, after, strict=True):
        if not isinstance(first, torch.Tensor) or first.layout != torch.strided:
            continue
        if first.storage_offset() != second.storage_offset():
            lines.append(f"{where}: storage offset {first.storage_offset()} became {second.storage_offset()}")
        if _history(first) != _history(second):
            lines.append(f"{where}: grad_fn: {_history(first)} became {_history(second)}")
        if (first.is_conj(), first.is_neg()) != (second.is_conj(), second.is_neg()):
            lines.append(f"{where}: conjugate or negative bit changed")
        if first.is_inference() != second.is_inference():
            lines.append(f"{where}: is_inference {first.is_inference()} became {second.is_inference()}")
        if _history(first) != "forbidden" and first.is_leaf and second.is_leaf:
            lines += [f"{where}.grad: {line}" for line in differences(first.grad, second.grad)]
    if _sharing(before) != _sharing(after):
        lines.append("other tensors and arrays share memory than before")
    return lines


def _history(tensor: torch.Tensor) -> str:
    """Whether a tensor has a ``grad_fn``; of some views that were written to, asking raises."""
    try:
        return "none" if tensor.grad_fn is None else "some"
    except RuntimeError:
        return "forbidden"


def _sharing(parts: list[tuple[str, Any]]) -> list[int]:
    """Of each tensor and array, the number of the first one whose memory it shares."""
    ranges: list[tuple[int, int, int]] = []
    groups = []
    for number, (_, value) in enumerate(parts):
        span = _memory(value)
        if span is None:
            groups.append(number)
            continue
        first = next((n for low, high, n in ranges if span[0] < high and low < span[1]), number)
        ranges.append((*span, first))
        groups.append(first)
    return groups


def _memory(value: Any) -> tuple[int, int] | None:
    """The addresses that a tensor's storage or an array's elements take up; ``None`` where there are none."""
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.is_meta or value.numel() == 0:
            return None
        storage = value.untyped_storage()
        start = storage.data_ptr()
        return start, start + storage.nbytes()
    if value.size == 0:
        return None
    low, high = (
        np.lib.array_utils.byte_bounds(value) if hasattr(np.lib, "array_utils") else np.byte_bounds(value)
    )
    return int(low), int(high)
