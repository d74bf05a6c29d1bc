"""What other files can see of a module: its text without comments.

A module is looked into by this text and no other, so an edit that leaves it as it is changes no verdict on another
file. Lines stay where they are, because evidence names them.
"""

from __future__ import annotations

import re

from h2dlint.engine.ledger import digest
from h2dlint.syntax.source import SourceText

# A ``#`` in a string starts no comment, quotes in a comment start no string. A string without an end reaches to that
# of the text, or of its line: to look for its end again from each quote in it would take for ever.
_STRING = "|".join(
    rf"{q}{{3}}[^{q}\\]*(?:(?:\\.|{q}(?!{q}{q}))[^{q}\\]*)*(?:{q}{{3}}|\\?\Z)"
    rf"|{q}[^{q}\\\r\n]*(?:\\(?:\r\n|.)[^{q}\\\r\n]*)*{q}?"
    for q in ("'", '"')
)
_COMMENT = re.compile(rf"({_STRING})|(?<![ \t])[ \t]*#[^\r\n]*", re.DOTALL)


def without_comments(source: SourceText) -> SourceText:
    """A text as other files see it; every line keeps its number."""
    text = source.text
    if "#" in text:
        text = _COMMENT.sub(r"\1", text)
    return SourceText(text.rstrip(" \t\n") + "\n", source.encoding, source.bom)


def visible(data: bytes) -> str | None:
    """A digest of what other files see of a file; ``None`` where it cannot be decoded."""
    try:
        return visible_of(without_comments(SourceText.from_bytes(data)))
    except ValueError:  # DecodeError, and the UnicodeError of codecs that are not for text.
        return None


def visible_of(source: SourceText) -> str:
    """The same, of a text that has no comments."""
    return digest(source.text.encode("utf-8", "surrogatepass"))
