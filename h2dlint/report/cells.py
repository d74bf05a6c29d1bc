"""A line of source as a terminal shows it: tabs expanded, controls escaped, cut to a window of columns."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from h2dlint.report.style import escape

TAB = 4
"""Columns between tab stops."""

ELLIPSIS = "…"


def expand(text: str) -> str:
    """The text as shown: tabs become spaces up to the next stop, control characters are spelled out."""
    if "\t" not in text:
        return escape(text)
    parts: list[str] = []
    column = 0
    for index, piece in enumerate(text.split("\t")):
        if index:
            blank = TAB - column % TAB
            parts.append(" " * blank)
            column += blank
        shown = escape(piece)
        parts.append(shown)
        column += cell_len(shown)
    return "".join(parts)


def cell_column(text: str, column: int) -> int:
    """Terminal column (from 0) at which the code point at ``column`` (from 1) of a source line begins."""
    return cell_len(expand(text[: column - 1]))


@dataclass(frozen=True, slots=True)
class Window:
    """The terminal columns that are shown of each line of a frame; ``end`` is exclusive."""

    start: int
    end: int

    @classmethod
    def around(cls, first: int, last: int, longest: int, width: int) -> Window:
        """A window of ``width`` columns that shows the columns from ``first`` to ``last`` as well as it can.

        Args:
            first: the first column that matters.
            last: the end of those that matter, exclusive.
            longest: width of the longest line; where it fits, nothing is cut.
            width: columns there are.
        """
        if longest <= width or last < width:
            return cls(0, width)
        spare = max(width - (last - first), 0)
        start = max(first - max(spare // 2, 4), 0)
        return cls(start, start + width)

    def cut(self, shown: str) -> str:
        """The part of an expanded line inside the window, with an ellipsis where something is missing."""
        if self.start == 0 and cell_len(shown) <= self.end:
            return shown
        parts: list[str] = []
        column = 0
        missing_left = missing_right = False
        for character in shown:
            size = cell_len(character)
            if column < self.start:
                missing_left = missing_left or not character.isspace()
                if column + size > self.start:
                    parts.append(" " * (column + size - self.start))
            elif column + size > self.end:
                missing_right = True
                break
            else:
                parts.append(character)
            column += size
        text = "".join(parts)
        if missing_left:
            text = ELLIPSIS + _drop_first(text)
        if missing_right:
            text = _drop_last(text) + ELLIPSIS
        return text

    def clamp(self, column: int) -> int:
        """A column of the line as a column of the window."""
        return min(max(column, self.start), self.end) - self.start


def _drop_first(text: str) -> str:
    """Without the first character, padded so that the ellipsis in its place shifts nothing."""
    if not text:
        return text
    return " " * (cell_len(text[0]) - 1) + text[1:]


def _drop_last(text: str) -> str:
    while text and cell_len(text[-1]) == 0:
        text = text[:-1]
    return text[:-1]


__all__ = ["Window", "cell_column", "expand"]
