"""Are two results the same, bit for bit, in everything that code can observe?"""

from __future__ import annotations

import dataclasses
import enum
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

Leaf = tuple[str, Any]
"""Where a value stands in a result, such as ``[0].logits``, and the value."""


def differences(before: Any, after: Any) -> list[str]:
    """One line for each difference; empty if there is none.

    Tensors are compared by values (bitwise, so NaN equals itself and 0.0 is not -0.0), dtype, shape, strides,
    device, layout, ``requires_grad``, ``is_leaf`` and type; containers item by item; and the tensors among
    each other by which of them share memory. Classes are compared by name, because a module that was loaded
    twice has two of each.
    """
    lines = list(_differences("result", before, after))
    if not lines and _sharing(before) != _sharing(after):
        lines.append("result: other tensors share memory than before")
    return lines


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors in a result, in order."""
    return [leaf for _, leaf in _leaves("", value) if isinstance(leaf, torch.Tensor)]


def _differences(where: str, before: Any, after: Any) -> Iterator[str]:
    if type(before).__name__ != type(after).__name__:
        yield f"{where}: {type(before).__name__} became {type(after).__name__}"
    elif isinstance(before, torch.Tensor):
        yield from _tensor_differences(where, before, after)
    elif isinstance(before, np.ndarray):
        same = before.dtype == after.dtype and before.shape == after.shape
        if not same or before.tobytes() != after.tobytes():
            yield f"{where}: the arrays differ"
    elif children := _children(where, before):
        others = _children(where, after)
        if [name for name, _ in children] != [name for name, _ in others]:
            yield f"{where}: {len(children)} items became {len(others)}, or other ones"
            return
        for (name, first), (_, second) in zip(children, others, strict=True):
            yield from _differences(name, first, second)
    elif _bits(before) != _bits(after):
        yield f"{where}: {before!r} became {after!r}"


def _bits(value: Any) -> Any:
    """A form of a plain value that is equal if and only if the value is the same."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, complex):
        return struct.pack("<dd", value.real, value.imag)
    if isinstance(value, enum.Enum):
        return value.name
    return value


def _tensor_differences(where: str, before: torch.Tensor, after: torch.Tensor) -> Iterator[str]:
    same = True
    for name in ("dtype", "shape", "device", "layout", "requires_grad", "is_leaf"):
        first, second = getattr(before, name), getattr(after, name)
        if first != second:
            yield f"{where}: {name} {first} became {second}"
            same = same and name in ("device", "requires_grad", "is_leaf")
    if not same or before.layout != torch.strided:
        if same and not torch.equal(before.to_dense(), after.to_dense()):
            yield f"{where}: the values differ"
        return
    if before.stride() != after.stride():
        yield f"{where}: stride {before.stride()} became {after.stride()}"
    if before.is_meta or after.is_meta:
        return
    if not torch.equal(_bytes(before), _bytes(after)):
        yield f"{where}: the values differ"


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of the values, in order of the index, on the host."""
    plain = (
        tensor.detach()
        .resolve_conj()
        .resolve_neg()
        .cpu()
        .clone(memory_format=torch.contiguous_format)
        .reshape(-1)
    )
    return plain.view(torch.uint8)


def _sharing(value: Any) -> list[int]:
    """Of each tensor, the number of the first one that it shares memory with."""
    first: dict[int, int] = {}
    groups = []
    for number, tensor in enumerate(tensors(value)):
        if tensor.layout != torch.strided or tensor.is_meta or tensor.numel() == 0:
            groups.append(number)
            continue
        groups.append(first.setdefault(tensor.untyped_storage().data_ptr(), number))
    return groups


def _leaves(where: str, value: Any) -> Iterator[Leaf]:
    children = _children(where, value)
    if not children:
        yield where, value
    for name, child in children:
        yield from _leaves(name, child)


def _children(where: str, value: Any) -> list[Leaf]:
    """The items of a container with their places; empty for anything else, and for an empty container."""
    if isinstance(value, Mapping):
        return [(f"{where}[{key!r}]", item) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [(f"{where}[{index}]", item) for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f"{where}.{item.name}", getattr(value, item.name)) for item in dataclasses.fields(value)]
    return []
