"""The garbage collector, while many files are linted."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 2_000_000
"""New objects between two collections: a parsed file makes tens of thousands, which go when it is done."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage less often: looking at every syntax tree again and again is a third of a run."""
    before = gc.get_threshold()
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*before)


def collect_rarely() -> None:
    """Collect garbage less often from now on."""
    before = gc.get_threshold()
    if before[0]:
        gc.set_threshold(max(before[0], OBJECTS), *before[1:])
