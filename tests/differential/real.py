"""The GPU as a device to run programs on, with work queued so that nothing arrives at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from tests.differential.observe import Watch

BEHIND = 2_000_000
"""Cycles of work queued before a program, about a millisecond."""
BEFORE_COPY = 500_000
"""Cycles of work queued before a copy: it is still to come when the program goes on, if nobody waits for it."""

_COPIES = frozenset({torch.Tensor.to, torch.Tensor.cuda, torch.Tensor.copy_, torch.Tensor.type_as})


class _Delaying(TorchFunctionMode):  # type: ignore[misc]  # torch is not followed
    """Queues work in front of what may copy."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _COPIES:
            torch.cuda._sleep(BEFORE_COPY)
        return func(*args, **(kwargs or {}))


@contextmanager
def real_device() -> Iterator[Watch]:
    """The GPU, with work queued before the program and before each of its copies.

    Raises:
        RuntimeError: an assertion on the device failed; the process is of no more use.
    """
    torch.cuda.synchronize()
    try:
        with _Delaying():
            yield Watch(queue=lambda: torch.cuda._sleep(BEHIND))
    finally:
        torch.cuda.synchronize()
