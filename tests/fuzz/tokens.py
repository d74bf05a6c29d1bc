"""The tokens of a text by offset, for changing the text between them and nothing else."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

LAYOUT = {
    tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.COMMENT,
    tokenize.ENCODING,
}  # fmt: skip
"""Tokens that say nothing of what the program does but for its blocks."""
_OPENS = {getattr(tokenize, name, -1) for name in ("FSTRING_START", "TSTRING_START")}
_CLOSES = {getattr(tokenize, name, -1) for name in ("FSTRING_END", "TSTRING_END")}


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Args:
        kind: as ``tokenize`` numbers them.
        text: of the token.
        start, end: offsets in code points.
        depth: of brackets around it; those of an opening bracket itself count, those of a closing one do not.
        quoted: it is a part of an f-string that is not the first one.
    """

    kind: int
    text: str
    start: int
    end: int
    depth: int
    quoted: bool


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text whose lines end in ``\\n``.

    Raises:
        SyntaxError: the text does not tokenize (or ``tokenize.TokenError``).
    """
    return list(_read(text))


def _read(text: str) -> Iterator[Token]:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    depth = strings = 0
    for found in tokenize.generate_tokens(io.StringIO(text).readline):
        quoted = strings > 0
        strings += (found.type in _OPENS) - (found.type in _CLOSES)
        if found.type == tokenize.OP and not quoted:
            depth += (found.string in "([{") - (found.string in ")]}")
        start, stop = (
            starts[row - 1] + col if row < len(starts) else len(text) for row, col in (found.start, found.end)
        )
        yield Token(found.type, found.string, min(start, len(text)), min(stop, len(text)), depth, quoted)


def words(text: str) -> list[tuple[int, int]]:
    """Start and end of each token that says something, in order.

    Raises:
        SyntaxError: as ``tokens_of``.
    """
    return [(token.start, token.end) for token in tokens_of(text) if token.kind not in LAYOUT]


def comments(text: str) -> list[str]:
    """The comments of a text in order, without blanks at their end.

    Raises:
        SyntaxError: as ``tokens_of``.
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return [token.text.rstrip() for token in tokens_of(plain) if token.kind == tokenize.COMMENT]
