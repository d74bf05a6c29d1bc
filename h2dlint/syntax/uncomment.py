"""Source text without its comments, for what asks the text alone what a module mentions."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A ``#`` in a string starts no comment, quotes in a comment start no string. A string without an end reaches to that
# of the text, or of its line: to look for its end again from each quote in it would take for ever.
_STRING = "|".join(
    rf"{q}{q}{q}[^{q}\\]*(?:(?:\\.|{q}(?!{q}{q}))[^{q}\\]*)*(?:{q}{{3}}|\\?\Z)"
    rf"|{q}[^{q}\\\r\n]*(?:\\(?:\r\n|.)[^{q}\\\r\n]*)*{q}?"
    for q in ("'", '"')
)
# Each alternative begins with a plain character, so that ``re`` looks for these and tries nowhere else; the empty group
# tells a comment.
_COMMENT = re.compile(rf"#[^\r\n]*()|{_STRING}", re.DOTALL)


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each comment, in order."""
    if "#" in text:
        for match in _COMMENT.finditer(text):
            if match.lastindex:
                yield match.span()


def removed(text: str) -> str:
    """A text without comments and the blanks in front of them; every line keeps its number."""
    parts: list[str] = []
    done = 0
    for start, end in _comments(text):
        parts.append(text[done:start].rstrip(" \t"))
        done = end
    return "".join(parts) + text[done:]


def blanked(text: str) -> str:
    """A text with blanks in the place of comments; every character keeps its offset."""
    parts: list[str] = []
    done = 0
    for start, end in _comments(text):
        parts += (text[done:start], " " * (end - start))
        done = end
    return "".join(parts) + text[done:]
