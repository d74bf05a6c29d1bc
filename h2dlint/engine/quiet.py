"""Keeping the warnings about linted code to ourselves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what Python warns of while it parses code that is not ours, such as invalid escapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
