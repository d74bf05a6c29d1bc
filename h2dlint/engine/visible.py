"""What other files can see of a module: its text without comments.

A module is looked into by this text and no other, so an edit that leaves it as it is changes no verdict on another
file. Lines stay where they are, because evidence names them.
"""

from __future__ import annotations

from h2dlint.engine.ledger import digest
from h2dlint.syntax.source import SourceText
from h2dlint.syntax.uncomment import removed


def without_comments(source: SourceText) -> SourceText:
    """A text as other files see it; every line keeps its number."""
    return SourceText(removed(source.text).rstrip(" \t\n") + "\n", source.encoding, source.bom)


def visible(data: bytes) -> str | None:
    """A digest of what other files see of a file; ``None`` where it cannot be decoded."""
    try:
        return visible_of(without_comments(SourceText.from_bytes(data)))
    except ValueError:  # DecodeError, and the UnicodeError of codecs that are not for text.
        return None


def visible_of(source: SourceText) -> str:
    """The same, of a text that has no comments."""
    return digest(source.text.encode("utf-8", "surrogatepass"))
