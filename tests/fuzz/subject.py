"""One input of the fuzzer, and what h2dlint makes of it; each answer is worked out once."""

from __future__ import annotations

import ast
import re
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FrameType

from h2dlint.engine.fixing import FixOutcome, fix_source
from h2dlint.engine.results import FileResult
from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Applicability, Confidence, Options, Profile, Transfer
from h2dlint.syntax.source import SourceText

PATH = "module.py"
PROFILES = {
    "plain": Options(),
    "cuda": Options(assume_cuda=True),
    "predicate": Options(profile=Profile(pin_memory="can_pin()", pin_memory_import="from app.pins import can_pin")),
    "helper": Options(
        profile=Profile(
            helper="app.uploads.upload", helper_call="({data}, dtype={dtype?}, device={device}, pin={pin})",
            helper_takes=("list", "array", "tensor"),
        )
    ),
    "pageable": Options(
        assume_cuda=True, strict_pageable=True,
        profile=Profile(pin_memory="torch.cuda.is_available()", transfer=Transfer.PAGEABLE),
    ),
}  # fmt: skip
"""What projects may say of themselves; fixes are written in their style."""

_LINE = re.compile(r"\r\n|\r|\n")


class TimeUpError(BaseException):
    """An input took too long; no ``Exception``, which h2dlint would take for a fault of a rule."""


class BrokenError(AssertionError):
    """An invariant does not hold.

    Args:
        invariant: its name.
        message: what is wrong, in one line or more.
    """

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise ``TimeUpError`` in code that takes more processor time; without effect where there are no such timers."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeUpError(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@dataclass
class Subject:
    """An input.

    Args:
        data: what is in the file.
        profile: key of ``PROFILES``.
    """

    data: bytes
    profile: str = "plain"

    def settings(self, unsafe: bool = True) -> Settings:
        """With which everything that is found is reported."""
        options = PROFILES[self.profile]
        return Settings(cold=True, min_confidence=Confidence.LOW, unsafe_fixes=unsafe, options=options)

    @cached_property
    def source(self) -> SourceText:
        """The text.

        Raises:
            DecodeError: it is none.
        """
        return SourceText.from_bytes(self.data)

    @cached_property
    def refusal(self) -> str:
        """Why CPython does not take the bytes for a module; empty where it does."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(self.data, PATH, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, LookupError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    @cached_property
    def verdict(self) -> FileResult:
        """What is found."""
        return lint_source(PATH, self.data, self.settings())

    @cached_property
    def tree(self) -> ast.Module:
        """Of a text that parses."""
        return parsed(self.source.text)

    @cached_property
    def fixable(self) -> bool:
        """A finding has a fix with edits."""
        return any(f.fix and f.fix.applicability is not Applicability.DISPLAY for f in self.verdict.findings)

    @cached_property
    def fixed(self) -> FixOutcome:
        """With all fixes applied."""
        return fix_source(PATH, self.data, self.settings())

    @cached_property
    def safely_fixed(self) -> FixOutcome:
        """With the safe fixes applied."""
        return fix_source(PATH, self.data, self.settings(unsafe=False))

    @cached_property
    def outcomes(self) -> tuple[FixOutcome, ...]:
        """The different results of fixing."""
        if not self.fixable:
            return ()
        if any(f.fix and f.fix.applicability is Applicability.SAFE for f in self.verdict.findings):
            return self.fixed, self.safely_fixed
        return (self.fixed,)


def parsed(text: str) -> ast.Module:
    """The tree of a text, without what Python warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def compiled(text: str) -> CodeType | None:
    """The code of a text; ``None`` where it parses and yet does not compile."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(text, PATH, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    assert isinstance(code, CodeType)
    return code


def line_starts(text: str) -> list[int]:
    """Offset of each line, found in another way than h2dlint does."""
    return [0, *(match.end() for match in _LINE.finditer(text))]
