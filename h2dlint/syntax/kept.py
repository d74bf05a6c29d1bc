"""Whether edits of a text keep its comments."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable

from h2dlint.model import Edit
from h2dlint.syntax.source import SourceText


def keeps_comments(source: SourceText, edits: Iterable[Edit]) -> bool:
    """Whether every comment is there afterwards, in the same order, and no other one.

    Args:
        source: the text that the edits are for.
        edits: disjoint, in any order.
    """
    ordered = sorted(edits, key=lambda edit: edit.span, reverse=True)
    if not any("#" in source.slice(edit.span) or "#" in edit.content for edit in ordered):
        return True
    text = source.text
    for edit in ordered:
        span = edit.span
        start, end = source.offset(span.line, span.column), source.offset(span.end_line, span.end_column)
        text = text[:start] + edit.content + text[end:]
    before, after = _comments(source.text), _comments(text)
    return before is not None and before == after


def _comments(text: str) -> list[str] | None:
    """The comments of a text in order; ``None`` where it cannot be read to its end."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return [
            token.string.rstrip()
            for token in tokenize.generate_tokens(io.StringIO(plain).readline)
            if token.type == tokenize.COMMENT
        ]
    except (tokenize.TokenError, SyntaxError):
        return None
