"""What must hold of a text before it may replace another one."""

from __future__ import annotations

import ast
from collections import Counter

from h2dlint.engine.comments import read_comments
from h2dlint.engine.quiet import quiet
from h2dlint.syntax.source import SourceText


class Verifier:
    """Holds what is known of a text, to test others against it.

    Args:
        source: the text that fixes start from.
        added: a comment that fixes may add, without its ``#``.
    """

    def __init__(self, source: SourceText, added: str = "") -> None:
        self._source = source
        self._added = f"# {added}".rstrip() if added else ""
        self._comments, _ = _comments(source.text)

    def problem(self, text: str) -> str | None:
        """Why a text must not replace the one that fixes started from; ``None`` where it may.

        It has to parse, to hold exactly the same comments (but for the one that fixes add), and to survive a round
        trip through the encoding of the file.
        """
        try:
            with quiet():
                ast.parse(text)
        except (SyntaxError, ValueError) as error:
            return f"the result does not parse: {getattr(error, 'msg', None) or error}"
        except (RecursionError, MemoryError):
            return "the result is nested too deeply for the parser"
        comments, complete = _comments(text)
        if not complete:
            return "the result cannot be read to its end"
        if lost := self._comments - comments:
            return f"the result lost the comment {next(iter(lost))!r}"
        if added := {text for text in comments - self._comments if text != self._added}:
            return f"the result has a new comment, {next(iter(added))!r}"
        return self._encoding_problem(text)

    def _encoding_problem(self, text: str) -> str | None:
        source = self._source
        if source.cells is not None:
            # JSON holds any text, and says of no encoding.
            return None
        try:
            data = source.to_bytes(text)
            again = SourceText.from_bytes(data)
        except ValueError:
            return f"the result cannot be written in the encoding of the file, {source.encoding}"
        if again.text != text or again.encoding != source.encoding or again.bom != source.bom:
            return f"the result would read differently in the encoding of the file, {source.encoding}"
        return None


def _comments(text: str) -> tuple[Counter[str], bool]:
    comments, complete = read_comments(text)
    return Counter(comment.text for comment in comments), complete
