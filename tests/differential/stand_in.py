"""The stand-in for a device, watched for what a real one would not survive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _device

from tests.differential.observe import Watch
from tests.rules.simulated_cuda import Counts, simulated_cuda


class _Watching(TorchFunctionMode):  # type: ignore[misc]  # torch is not followed
    """Notes when an index is out of range, also where the program catches what is raised."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return func(*args, **(kwargs or {}))
        except Exception as error:
            text = str(error)
            if isinstance(error, IndexError) or "out of bounds" in text or "out of range" in text:
                self.watch.out_of_range = True
            raise


@contextmanager
def stand_in() -> Iterator[Watch]:
    """Inside, ``cuda`` is a device."""
    watch = Watch()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(Counts, "land", _land))
        stack.enter_context(mock.patch.object(_device.DeviceContext, "__enter__", _enter))
        stack.enter_context(mock.patch.object(_device.DeviceContext, "__exit__", TorchFunctionMode.__exit__))
        counts = stack.enter_context(simulated_cuda())
        stack.enter_context(_Watching(watch))
        yield watch
    watch.races = counts.races


def _enter(self: TorchFunctionMode) -> None:
    """A default device is asked before the stand-in; PyTorch's own is the last one that is asked."""
    TorchFunctionMode.__enter__(self)


def _land(self: Counts) -> None:
    """As the original, but bit for bit: NaN is itself."""
    with torch._C.DisableTorchFunction(), torch.inference_mode():
        for source, meant in self.flying:
            self.races += not torch.equal(_bytes(source), _bytes(meant))
    self.flying.clear()


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
    return plain.reshape(-1).view(torch.uint8)
