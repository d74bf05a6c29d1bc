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

_MAKERS = frozenset({torch.tensor, torch.as_tensor, torch.asarray})
_COPIES = frozenset({torch.Tensor.to, torch.Tensor.cuda, torch.Tensor.copy_, torch.Tensor.type_as})


class _Waiting(TorchFunctionMode):  # type: ignore[misc]  # torch is not followed
    """Waits after what may copy."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _COPIES:
            torch.cuda.synchronize()
        return result


@contextmanager
def calm_device() -> Iterator[Watch]:
    """The GPU, where every copy has run before the program goes on: what a program without races gives there too."""
    torch.cuda.synchronize()
    try:
        with _Waiting():
            yield Watch()
    finally:
        torch.cuda.synchronize()


class _Unwaited(TorchFunctionMode):  # type: ignore[misc]  # torch is not followed
    """Does what blocks as a copy from pinned memory that nobody else knows of, and does not wait for it."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func in _MAKERS and "cuda" in str(given.get("device")):
            device = given.pop("device")
            made = func(*args, **{**given, "device": "cpu"})
            torch.cuda._sleep(BEFORE_COPY)
            return made.detach().clone().pin_memory().to(device, non_blocking=True)
        if func in _COPIES:
            torch.cuda._sleep(BEFORE_COPY)
            at = 1 if func is torch.Tensor.copy_ else 0
            source = args[at] if len(args) > at else None
            plain = func in (torch.Tensor.to, torch.Tensor.cuda, torch.Tensor.copy_)
            waits = plain and not any(isinstance(a, bool) for a in args) and "non_blocking" not in given
            if waits and isinstance(source, torch.Tensor) and not source.is_cuda:
                pinned = source.detach().clone().pin_memory()
                return func(*args[:at], pinned, *args[at + 1 :], **{**given, "non_blocking": True})
        return func(*args, **given)


@contextmanager
def unwaited_device() -> Iterator[Watch]:
    """The GPU, where no copy waits: what is right only because one does shows."""
    torch.cuda.synchronize()
    try:
        with _Unwaited():
            yield Watch(queue=lambda: torch.cuda._sleep(BEHIND))
    finally:
        torch.cuda.synchronize()


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
