"""Positions: h2dlint counts lines and code points from 1, editors from 0 and in units of an encoding."""

from __future__ import annotations

from lsprotocol import types

from h2dlint.engine.edits import Change
from h2dlint.model import Span
from h2dlint.syntax.source import SourceText

UTF16 = types.PositionEncodingKind.Utf16


class Positions:
    """Converts between a text and what an editor says of it.

    Args:
        source: the text.
        encoding: in whose units the editor counts columns.
    """

    def __init__(self, source: SourceText, encoding: types.PositionEncodingKind | str = UTF16) -> None:
        self.source = source
        self.encoding = types.PositionEncodingKind(encoding)

    def position(self, line: int, column: int) -> types.Position:
        """What an editor calls a place.

        Args:
            line, column: from 1, in code points.
        """
        prefix = self.source.line_text(line)[: column - 1]
        return types.Position(line - 1, self._units(prefix))

    def range(self, span: Span) -> types.Range:
        """What an editor calls a span."""
        return types.Range(
            self.position(span.line, span.column), self.position(span.end_line, span.end_column)
        )

    def of_change(self, change: Change) -> types.TextEdit:
        """A change in offsets as an editor makes it."""
        start, end = self.source.position(change.start), self.source.position(change.end)
        return types.TextEdit(types.Range(self.position(*start), self.position(*end)), change.content)

    def place(self, position: types.Position) -> tuple[int, int]:
        """Line and column from 1 of a position; one past the end of a line is its end."""
        line = position.line + 1
        units = 0
        column = 1
        for char in self.source.line_text(line):
            if units >= position.character:
                break
            units += self._units(char)
            column += 1
        return line, column

    def _units(self, text: str) -> int:
        if self.encoding is types.PositionEncodingKind.Utf32:
            return len(text)
        if self.encoding is types.PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(char > "\uffff" for char in text)
