"""Indexing on the stand-in for a CUDA device: which indices and values are copied there, as measured on an H200."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch

Upload = Callable[[torch.Tensor, bool], None]


class IsThere(Protocol):
    """Tells a tensor that says it is on the device."""

    def __call__(self, tensor: object) -> bool: ...


def _items(index: Any) -> list[Any]:
    return list(index) if isinstance(index, tuple) else [index]


def _host_indices(index: Any, there: IsThere) -> Iterator[torch.Tensor]:
    for item in _items(index):
        if (isinstance(item, (list, range, tuple)) and len(item)) or (
            isinstance(item, np.ndarray) and item.ndim
        ):
            yield torch.as_tensor(np.asarray(item))
        elif isinstance(item, torch.Tensor) and item.dim() and not there(item):
            yield item


def handlers(there: IsThere, upload: Upload) -> dict[Any, Callable[..., Any]]:
    """What to do instead of PyTorch's functions, which are then called too.

    Args:
        there: tells a tensor that says it is on the device.
        upload: counts the copy of a host tensor, and whether it is non-blocking.
    """

    def getitem(tensor: torch.Tensor, index: Any) -> Any:
        if there(tensor):
            for host in _host_indices(index, there):
                # A mask of the host is counted there, and its positions are sent through pinned memory.
                if host.dtype != torch.bool or not isinstance(index, torch.Tensor):
                    upload(host, False)
        return torch.Tensor.__getitem__(tensor, index)

    def setitem(tensor: torch.Tensor, index: Any, value: Any) -> None:
        if there(tensor):
            for host in _host_indices(index, there):
                upload(host, False)
            positions = any(
                (isinstance(item, torch.Tensor) and item.dim() and item.dtype != torch.bool)
                or isinstance(item, (list, range, np.ndarray))
                for item in _items(index)
            )
            if isinstance(value, torch.Tensor):
                # With no dimension it fills several elements as an argument of the kernel.
                element = not torch.Tensor.__getitem__(tensor, index).dim()
                if not there(value) and (value.dim() or positions or element):
                    upload(value, False)
            elif positions or not torch.Tensor.__getitem__(tensor, index).dim():
                upload(torch.tensor(value), False)
        torch.Tensor.__setitem__(tensor, index, value)

    def operands(function: Any) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            given = [*args, *kwargs.values()]
            if any(there(value) for value in given):
                for value in given:
                    for tensor in value if isinstance(value, (tuple, list)) else [value]:
                        if isinstance(tensor, torch.Tensor) and not there(tensor):
                            upload(tensor, False)
            return function(*args, **kwargs)

        return run

    return {
        torch.Tensor.__getitem__: getitem,
        torch.Tensor.__setitem__: setitem,
        **{f: operands(f) for f in (torch.where, torch.Tensor.where, torch.Tensor.index_put_)},
    }
