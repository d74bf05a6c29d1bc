"""The source around a finding, with a gutter and the span underlined, as rustc and ruff draw it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from h2dlint.model import Span
from h2dlint.report.cells import Window, cell_column, expand
from h2dlint.report.style import Paint
from h2dlint.syntax.source import SourceText

CONTEXT = 2
"""Lines shown before and after a span."""

HEAD, TAIL = 4, 2
"""Lines shown of the beginning and the end of a span too long to show."""


class Frame:
    """The drawing of one span.

    Args:
        source: the text that ``span`` refers to; a span past its end is drawn as far as there is text.
        width: columns for gutter and source together.

    Attributes:
        gutter: columns that the line numbers take.
    """

    def __init__(self, source: SourceText, span: Span, paint: Paint, width: int) -> None:
        self.source = source
        self.span = span
        self.paint = paint
        last = max(_line_count(source), span.line)
        self.end_line, self.end_column = span.end_line, span.end_column
        if self.end_line > last or (self.end_column <= 1 and self.end_line > span.line):
            self.end_line = min(max(self.end_line - 1, span.line), last)
            self.end_column = len(source.line_text(self.end_line)) + 1
        self.first = self._trim(range(max(span.line - CONTEXT, 1), span.line), span.line)
        self.last = self._trim(range(min(self.end_line + CONTEXT, last), self.end_line, -1), self.end_line)
        self.gutter = len(str(self.last))
        self.width = max(width - self.gutter - 3, 20)
        self.window = Window(0, self.width)

    def lines(self) -> Iterator[str]:
        """Yield the lines, without newlines, from the first empty gutter to the last."""
        yield self._number("")
        yield from self._one_line() if self.end_line == self.span.line else self._many_lines()
        yield self._number("")

    def _trim(self, lines: range, default: int) -> int:
        """The outermost of the context lines that is not blank."""
        return next((line for line in lines if self.source.line_text(line).strip()), default)

    def _number(self, line: int | str) -> str:
        return self.paint("gutter", f"{line:>{self.gutter}} |")

    def _row(self, line: int, mark: str = "") -> str:
        text = self.window.cut(expand(self.source.line_text(line)))
        return f"{self._number(line)} {mark}{text}".rstrip()

    def _underline(self, text: str) -> str:
        return f"{self._number('')} {self.paint('caret', text)}"

    def _cell(self, line: int, column: int) -> int:
        return cell_column(self.source.line_text(line), column)

    def _one_line(self) -> Iterator[str]:
        line = self.span.line
        start = self._cell(line, self.span.column)
        end = max(self._cell(line, self.end_column), start + 1)
        longest = cell_len(expand(self.source.line_text(line)))
        self.window = Window.around(start, end, longest, self.width)
        for number in range(self.first, line + 1):
            yield self._row(number)
        left = self.window.clamp(start)
        carets = max(self.window.clamp(end) - left, 1)
        yield f"{self._number('')} {' ' * left}{self.paint('caret', '^' * carets)}"
        for number in range(line + 1, self.last + 1):
            yield self._row(number)

    def _many_lines(self) -> Iterator[str]:
        start = self._cell(self.span.line, self.span.column)
        end = max(self._cell(self.end_line, self.end_column), 1)
        longest = cell_len(expand(self.source.line_text(self.span.line)))
        self.width -= 2
        self.window = Window.around(start, start + 1, longest, self.width)
        for number in range(self.first, self.span.line):
            yield self._row(number, "  ")
        from_margin = not self.source.line_text(self.span.line)[: self.span.column - 1].strip()
        if from_margin and self.window.start == 0:
            yield self._row(self.span.line, self.paint("caret", "/") + " ")
        else:
            yield self._row(self.span.line, "  ")
            yield self._underline(" " + "_" * (self.window.clamp(start) + 1) + "^")
        bar = self.paint("caret", "|") + " "
        inside = range(self.span.line + 1, self.end_line + 1)
        if len(inside) <= HEAD + TAIL + 1:
            for number in inside:
                yield self._row(number, bar)
        else:
            for number in inside[:HEAD]:
                yield self._row(number, bar)
            yield self.paint("gutter", "...")
            for number in inside[-TAIL:]:
                yield self._row(number, bar)
        yield self._underline("|" + "_" * max(self.window.clamp(end), 1) + "^")
        for number in range(self.end_line + 1, self.last + 1):
            yield self._row(number, "  ")


def _line_count(source: SourceText) -> int:
    """Lines that hold text: a newline at the end starts no line."""
    count = len(source.line_starts)
    return count - 1 if count > 1 and source.line_starts[-1] == len(source.text) else count
