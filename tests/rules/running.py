"""Loads source text as modules, before and after the fixes, and says how results differ."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from h2dlint.engine.fixing import fix_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence

FIXTURES = Path(__file__).parents[2] / "fixtures"

_numbers = itertools.count()


def fixed(text: str, unsafe: bool) -> str:
    """The text after ``h2dlint fix``, with everything reported; fails the test if the fixes do."""
    settings = Settings(cold=True, min_confidence=Confidence.LOW, unsafe_fixes=unsafe)
    outcome = fix_source("module.py", text.encode(), settings)
    assert not outcome.result.errors
    return outcome.after.decode()


@contextmanager
def module(text: str) -> Iterator[ModuleType]:
    """The text, run as a module that is registered, as dataclasses need it."""
    made = ModuleType(f"_h2dlint_rules_{next(_numbers)}")
    sys.modules[made.__name__] = made
    try:
        exec(compile(text, made.__name__, "exec", dont_inherit=True), made.__dict__)
        yield made
    finally:
        del sys.modules[made.__name__]


@dataclass(frozen=True)
class Outcome:
    """What a call gave: a value, or an exception."""

    value: Any = None
    error: Exception | None = None


def outcome(call: Callable[[], Any]) -> Outcome:
    """Run ``call``; only what torch or Python raise for the arguments is caught."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Outcome(call())
        except (RuntimeError, TypeError, ValueError, OverflowError, AssertionError, IndexError) as error:
            return Outcome(error=error)
