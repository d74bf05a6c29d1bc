"""A declared stand-in for a CUDA device, so that fixtures run on any machine and their waits can be counted.

Tensors "on the device" are host tensors of a subclass that says ``device`` is ``cuda:0``. A move to the device
copies, as the real one does, and is counted: waited for, or staged, or neither. Pinning copies and raises where
the real one does. A copy that nobody waits for arrives when the device is synchronized, or at the end; a source that
was written to before that is counted as a race. Everything else is PyTorch itself. What this cannot show (streams,
kernels, what the driver does) is measured on a GPU, in ``tests/gpu``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from tests.rules import simulated_indexing as indexing

HERE = torch.device("cuda", 0)

LEGACY = {
    "FloatTensor": torch.float32,
    "DoubleTensor": torch.float64,
    "HalfTensor": torch.float16,
    "LongTensor": torch.int64,
    "IntTensor": torch.int32,
    "ShortTensor": torch.int16,
    "ByteTensor": torch.uint8,
    "BoolTensor": torch.bool,
}


class OnDevice(torch.Tensor):  # type: ignore[misc]  # torch is not followed
    """A tensor that says that it is on the device."""

    @property
    def device(self) -> torch.device:
        return HERE

    @property
    def is_cuda(self) -> bool:
        return True


@dataclass
class Counts:
    """Host-to-device copies so far: waited for, and staged by the driver."""

    waited: int = 0
    staged: int = 0
    unhindered: int = 0
    pinned: dict[int, Any] = field(default_factory=dict)
    flying: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    """Sources of the copies that nobody has waited for yet, with what they held when they were asked for."""
    races: int = 0
    """Sources that were written to before that."""

    def land(self) -> None:
        """All copies have arrived: what their sources hold now is what arrived."""
        with torch._C.DisableTorchFunction():
            self.races += sum(not torch.equal(source, meant) for source, meant in self.flying)
        self.flying.clear()

    def upload(self, tensor: torch.Tensor, non_blocking: bool) -> None:
        """Count the copy of a host tensor."""
        if tensor.numel() == 0:
            return
        if not non_blocking:
            self.waited += 1
        elif self.is_pinned(tensor) and _dense(tensor):
            self.unhindered += 1
            with torch._C.DisableTorchFunction():
                self.flying.append((tensor.detach(), tensor.detach().clone()))
        else:
            self.staged += 1

    def pin(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        # Kept, so that no other tensor gets the address.
        self.pinned[storage.data_ptr()] = storage
        return tensor

    def is_pinned(self, tensor: torch.Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self.pinned


def _dense(tensor: torch.Tensor) -> bool:
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def is_cuda(device: object) -> bool:
    """A device argument names the device."""
    if isinstance(device, torch.device):
        return bool(device.type == "cuda")
    return (isinstance(device, int) and not isinstance(device, bool)) or str(device).startswith("cuda")


def put(tensor: torch.Tensor) -> torch.Tensor:
    """``tensor``, said to be on the device."""
    return tensor if isinstance(tensor, OnDevice) else tensor.as_subclass(OnDevice)


class Mode(TorchFunctionMode):  # type: ignore[misc]  # torch is not followed
    """Catches what makes, moves and pins tensors."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self.counts = counts
        self.handlers: dict[Any, Callable[..., Any]] = {
            torch.tensor: self.tensor,
            torch.as_tensor: self.as_tensor,
            torch.asarray: self.asarray,
            torch.Tensor.to: self.to,
            torch.Tensor.cuda: self.cuda,
            torch.Tensor.type_as: self.type_as,
            torch.Tensor.type: self.type,
            torch.Tensor.cpu: self.cpu,
            torch.Tensor.pin_memory: self.pin_memory,
            torch.Tensor.copy_: self.copy_,
            torch.Tensor.is_pinned: self.counts.is_pinned,
            torch.Tensor.new_tensor: self.new_tensor,
            torch.Tensor.new: self.new,
            **indexing.handlers(lambda tensor: isinstance(tensor, OnDevice), counts.upload),
        }

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        handler = self.handlers.get(func)
        if handler is not None:
            return handler(*args, **given)
        return self.factory(func, args, given)

    def factory(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        pin = kwargs.pop("pin_memory", False) if "pin_memory" in kwargs else False
        there = kwargs.get("device") is not None and is_cuda(kwargs["device"])
        if there:
            if pin:
                raise RuntimeError("Only dense CPU tensors can be pinned")
            kwargs["device"] = "cpu"
            grad = kwargs.pop("requires_grad", False)
            return put(func(*args, **kwargs)).requires_grad_(grad)
        if args and isinstance(args[0], OnDevice) and kwargs.get("requires_grad"):
            # Of ``new_full`` and the like; a subclass would wrap the leaf and so make it none.
            del kwargs["requires_grad"]
            return func(*args, **kwargs).requires_grad_()
        result = func(*args, **kwargs)
        return self.counts.pin(result) if pin else result

    def tensor(self, data: Any, **kwargs: Any) -> torch.Tensor:
        pin, device = kwargs.pop("pin_memory", False), kwargs.pop("device", None)
        if pin and isinstance(data, (np.ndarray, torch.Tensor)):
            raise RuntimeError("Can't pin tensor constructed from numpy or a variable")
        if device is None or not is_cuda(device):
            there = device is None and isinstance(data, OnDevice)
            result = torch.tensor(data, device=device, **kwargs)
            if there:
                return put(result)
            return self.counts.pin(result) if pin else result
        grad = kwargs.pop("requires_grad", False)
        with torch._C.DisableTorchFunctionSubclass():
            result = torch.tensor(data, **kwargs)
        if not isinstance(data, OnDevice):
            self.counts.upload(result, non_blocking=False)
        return put(result.as_subclass(torch.Tensor)).requires_grad_(grad)

    def as_tensor(self, data: Any, dtype: Any = None, device: Any = None) -> torch.Tensor:
        if device is None or not is_cuda(device):
            return torch.as_tensor(data, dtype=dtype, device=device)
        host = torch.as_tensor(data, dtype=dtype)
        return self.move(host, None, non_blocking=False, copy=False)

    def asarray(self, obj: Any, **kwargs: Any) -> torch.Tensor:
        device = kwargs.pop("device", None)
        if device is None or not is_cuda(device):
            return torch.asarray(obj, device=device, **kwargs)
        grad = kwargs.pop("requires_grad", False)
        return self.move(torch.asarray(obj, **kwargs), None, non_blocking=False, copy=False).requires_grad_(
            grad
        )

    def move(self, tensor: torch.Tensor, dtype: Any, non_blocking: bool, copy: bool) -> torch.Tensor:
        """``tensor`` on the device: itself if it is there, else a copy with the strides that ``to`` keeps."""
        if isinstance(tensor, OnDevice):
            return tensor.to(dtype=dtype or tensor.dtype, copy=copy)
        self.counts.upload(tensor, non_blocking)
        if dtype is not None and dtype != tensor.dtype:
            return put(tensor.to(dtype))
        return put(tensor.clone())

    def to(self, tensor: torch.Tensor, /, *args: Any, **kwargs: Any) -> torch.Tensor:
        rest = list(args)
        target = kwargs.get("device", kwargs.get("tensor"))
        dtype = kwargs.get("dtype")
        if rest and target is None:
            first = rest.pop(0)
            if isinstance(first, torch.dtype):
                dtype = first
            else:
                target = first
                if rest and (rest[0] is None or isinstance(rest[0], torch.dtype)):
                    dtype = rest.pop(0)
        if isinstance(target, torch.Tensor):
            target, dtype = target.device, target.dtype
        if target is None or not is_cuda(target):
            if isinstance(tensor, OnDevice) and target is not None:
                tensor = tensor.as_subclass(torch.Tensor).clone()
            return tensor.to(dtype=dtype) if target is None else tensor.to(device=target, dtype=dtype)
        flags = [*rest, None, None]
        return self.move(
            tensor,
            dtype,
            non_blocking=bool(kwargs.get("non_blocking", flags[0])),
            copy=bool(kwargs.get("copy", flags[1])),
        )

    def cuda(self, tensor: torch.Tensor, device: Any = None, non_blocking: bool = False) -> torch.Tensor:
        return self.move(tensor, None, non_blocking, copy=False)

    def type_as(self, tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return self.to(tensor, other)

    def type(self, tensor: torch.Tensor, dtype: Any) -> torch.Tensor:
        name = dtype if isinstance(dtype, str) else getattr(dtype, "name", "")
        if not name.startswith("torch.cuda."):
            return tensor.type(dtype)
        return self.move(tensor, LEGACY[name.rsplit(".", 1)[1]], non_blocking=False, copy=False)

    def cpu(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.as_subclass(torch.Tensor).clone() if isinstance(tensor, OnDevice) else tensor

    def pin_memory(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, OnDevice):
            raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")
        if self.counts.is_pinned(tensor):
            return tensor
        if tensor.is_complex() and tensor.requires_grad and torch.is_grad_enabled():
            raise RuntimeError(
                "pin_memory does not support automatic differentiation for outputs with complex dtype"
            )
        # The real one keeps the strides whatever they are.
        copy = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype)
        return self.counts.pin(copy.copy_(tensor))

    def copy_(self, tensor: torch.Tensor, src: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        if isinstance(tensor, OnDevice) and not isinstance(src, OnDevice):
            # Otherwise it is made contiguous in the shape of the destination first, in pageable memory.
            as_it_is = src.is_contiguous() and src.shape == tensor.shape
            if tensor.is_contiguous() or as_it_is or not non_blocking:
                self.counts.upload(src, non_blocking)
            elif tensor.numel():
                self.counts.staged += 1
        return tensor.copy_(src)

    def new_tensor(self, tensor: torch.Tensor, data: Any, **kwargs: Any) -> torch.Tensor:
        device = kwargs.pop("device", None) or tensor.device
        kwargs["dtype"] = kwargs.get("dtype") or tensor.dtype
        return self.tensor(data, device=device, **kwargs)

    def new(self, tensor: torch.Tensor, *args: Any) -> torch.Tensor:
        if not isinstance(tensor, OnDevice):
            return tensor.new(*args)
        if len(args) == 1 and isinstance(args[0], (list, tuple)) and not isinstance(args[0], torch.Size):
            return self.tensor(args[0], device=HERE, dtype=tensor.dtype)
        return put(torch.empty(*args, dtype=tensor.dtype))


class LegacyType:
    """``torch.cuda.LongTensor`` and the like."""

    def __init__(self, name: str, mode: Mode) -> None:
        self.name = f"torch.cuda.{name}"
        self._dtype = LEGACY[name]
        self._mode = mode

    def __call__(self, *args: Any) -> torch.Tensor:
        if (
            len(args) == 1
            and isinstance(args[0], (list, tuple, np.ndarray))
            and not isinstance(args[0], torch.Size)
        ):
            return self._mode.tensor(args[0], dtype=self._dtype, device=HERE)
        return put(torch.empty(*args, dtype=self._dtype))


@contextmanager
def simulated_cuda() -> Iterator[Counts]:
    """Inside, ``cuda`` is a device."""
    counts = Counts()
    mode = Mode(counts)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch.cuda, "current_device", lambda: 0))
        stack.enter_context(mock.patch.object(torch.cuda, "synchronize", lambda device=None: counts.land()))
        for name in LEGACY:
            stack.enter_context(mock.patch.object(torch.cuda, name, LegacyType(name, mode)))
        stack.enter_context(mode)
        yield counts
        counts.land()
