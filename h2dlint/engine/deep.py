"""Running what needs a deep stack: code that is nested far deeper than people write, but not too deep for CPython."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STACK_BYTES = 512 * 1024 * 1024
"""Of address space; memory is used as far as the stack grows."""
FRAMES = 60_000
"""Deep enough for whatever CPython compiles, and far less than the stack holds."""

_one_at_a_time = threading.Lock()


def deeply(run: Callable[[], T]) -> T:
    """Call ``run`` in a thread with a deep stack and wait for it.

    What it raises is raised here.

    Raises:
        RecursionError: the stack is not deep enough, or the system does not give one.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(run())
        except BaseException as error:
            errors.append(error)

    # Both limits are those of the process.
    with _one_at_a_time:
        frames = sys.getrecursionlimit()
        try:
            size = threading.stack_size(STACK_BYTES)
        except ValueError as error:
            raise RecursionError("the system gives no deep stack") from error
        try:
            sys.setrecursionlimit(max(FRAMES, frames))
            thread = threading.Thread(target=work, name="h2dlint-deep", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise RecursionError("the system gives no deep stack") from error
            finally:
                threading.stack_size(size)
            thread.join()
        finally:
            sys.setrecursionlimit(frames)
    if errors:
        raise errors[0]
    return results[0]
