"""Making an input that fails smaller, as long as it fails in the same way."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from tokenize import TokenError

from tests.fuzz.tokens import tokens_of


def smaller(data: bytes, fails: Callable[[bytes], bool], seconds: float) -> bytes:
    """The smallest input found that still fails: lines are taken away, then tokens.

    Args:
        data: what fails.
        fails: whether an input fails in the same way.
        seconds: to spend on it.
    """
    end = time.monotonic() + seconds
    for split in (_lines, _tokens, _lines, _tokens):
        data = _reduced(split(data), fails, end)
    return data


def _reduced(pieces: list[bytes], fails: Callable[[bytes], bool], end: float) -> bytes:
    """Pieces taken away by halves, quarters and so on, down to single ones (Zeller's ddmin without complements)."""
    size = max(len(pieces) // 2, 1)
    while True:
        start = 0
        while start < len(pieces):
            if time.monotonic() > end:
                return b"".join(pieces)
            rest = [*pieces[:start], *pieces[start + size :]]
            if rest and fails(b"".join(rest)):
                pieces = rest
            else:
                start += size
        if size == 1:
            return b"".join(pieces)
        size //= 2


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _tokens(data: bytes) -> list[bytes]:
    """Tokens, each with what stands before it; characters where it is no text of tokens."""
    try:
        text = data.decode()
        ends = sorted({token.end for token in tokens_of(text)} | {0, len(text)})
    except (SyntaxError, TokenError, ValueError):
        return [bytes([each]) for each in data] if len(data) < 400 else [data]
    return [text[start:stop].encode() for start, stop in pairwise(ends)]
