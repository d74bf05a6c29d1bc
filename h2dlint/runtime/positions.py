"""From places in a fixed text back to places in the text on disk. Standard library only.

A fixed text differs from the one on disk in *segments*; between them the two are equal. What stands outside a segment
is mapped to exactly where it stands on disk. What stands inside one did not exist there, and is mapped to the whole
stretch that the segment replaces; where a segment only inserts there is no such stretch, and the node around it stands
for it, or, for a whole statement, the line at which it was inserted.

Offsets of segments count code points; lines and columns are those of ``ast``: lines from 1, columns in UTF-8
bytes from 0.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

_LINE_END = re.compile(rb"\r\n|\r|\n")
_WORDS = re.compile(rb"[^\s].*[^\s]|[^\s]")

Place = tuple[int, int, int, int]
"""Line, column, end line and end column of a node."""


class Segment(NamedTuple):
    """A stretch of text and what it became.

    Args:
        start, end: in the text on disk; equal where text is inserted.
        fixed_start, fixed_end: in the fixed text; equal where text is removed.
        fixes: ids of the fixes that wrote it; of a fix with several edits only those at the place that it is
            about carry its id, so that an import that it adds does not speak for it.
    """

    start: int
    end: int
    fixed_start: int
    fixed_end: int
    fixes: tuple[int, ...] = ()


class Replacement(NamedTuple):
    """One edit: ``length`` code points in place of those from ``start`` to ``end``."""

    start: int
    end: int
    length: int
    fixes: tuple[int, ...] = ()


def compose(segments: Sequence[Segment], edits: Iterable[Replacement]) -> tuple[Segment, ...]:
    """The segments of a text that was edited once more.

    Args:
        segments: from the text on disk to the text before these edits, in order of position.
        edits: in offsets of the text before them, disjoint.

    Returns:
        From the text on disk to the text after the edits. An edit that touches a segment becomes one with it.
    """
    pieces: list[tuple[int, int, int, int, tuple[int, ...]]] = [
        (
            part.fixed_start,
            part.fixed_end,
            part.end - part.start - part.fixed_end + part.fixed_start,
            0,
            part.fixes,
        )
        for part in segments
    ]
    pieces += [(edit.start, edit.end, 0, edit.length - edit.end + edit.start, edit.fixes) for edit in edits]
    pieces.sort(key=lambda piece: piece[:2])
    merged: list[tuple[int, int, int, int, tuple[int, ...]]] = []
    for start, end, before, after, fixes in pieces:
        if merged and start <= merged[-1][1]:
            first, last, was, becomes, known = merged[-1]
            ids = tuple(sorted({*known, *fixes}))
            merged[-1] = (first, max(last, end), was + before, becomes + after, ids)
        else:
            merged.append((start, end, before, after, fixes))
    result: list[Segment] = []
    to_disk = to_fixed = 0
    for start, end, before, after, fixes in merged:
        begin, fixed = start + to_disk, start + to_fixed
        to_disk += before
        to_fixed += after
        result.append(Segment(begin, end + to_disk, fixed, end + to_fixed, fixes))
    return tuple(result)


class PositionMap:
    """Maps the nodes of a fixed text to the text on disk.

    Args:
        original: the text on disk, decoded, newlines as they stand there.
        fixed: the fixed text.
        segments: where they differ, in order of position and disjoint.
    """

    def __init__(self, original: str, fixed: str, segments: Sequence[Segment]) -> None:
        self._original = original.encode("utf-8", "surrogatepass")
        self._fixed = fixed.encode("utf-8", "surrogatepass")
        self.segments = tuple(segments)
        if len(self._original) != len(original) or len(self._fixed) != len(fixed):
            self.segments = _in_bytes(original, fixed, segments)
        self._starts = [part.fixed_start for part in self.segments]
        self._ends = [part.fixed_end for part in self.segments]
        self._lines = _line_starts(self._original)
        self._fixed_lines = _line_starts(self._fixed)
        self._same = [self._unchanged(index) for index in range(len(self._fixed_lines))]

    def start(self, line: int, column: int) -> tuple[int, int]:
        """Where on disk something begins that begins here in the fixed text."""
        same = self._same_line(line)
        if same:
            return same, column
        return self._place(self._start(self.offset(line, column)))

    def end(self, line: int, column: int) -> tuple[int, int]:
        """Where on disk something ends that ends here in the fixed text."""
        same = self._same_line(line)
        if same:
            return same, column
        return self._place(self._end(self.offset(line, column)))

    def relocate(self, tree: ast.AST) -> dict[Place, tuple[int, ...]]:
        """Give every node of the fixed text's tree its place on disk, in place.

        Returns:
            Places on disk of the nodes that fixes wrote, or that hold what they wrote most closely, with the ids of the
            fixes.
        """
        inside: list[tuple[ast.AST, Segment]] = []
        closest: dict[int, tuple[int, ast.AST]] = {}
        todo: list[tuple[Any, Place | None]] = [(tree, None)]
        while todo:
            node, around = todo.pop()
            if hasattr(node, "lineno"):
                if node.end_lineno != node.lineno or not self._same_line(node.lineno):
                    self._attribute(node, inside, closest)
                elif not isinstance(node, ast.stmt):
                    # Nearly all expressions: one line, and not one that changed.
                    node.lineno = node.end_lineno = self._same_line(node.lineno)
                    if node.end_col_offset < node.col_offset:
                        node.end_col_offset = node.col_offset
                    for child in ast.iter_child_nodes(node):
                        todo.append((child, around))
                    continue
                around = self._move(node, around)
            for child in ast.iter_child_nodes(node):
                todo.append((child, around))
        marks: dict[Place, set[int]] = {}
        for node, segment in inside:
            marks.setdefault(place_of(node), set()).update(segment.fixes)
        for index, (_, node) in closest.items():
            marks.setdefault(place_of(node), set()).update(self.segments[index].fixes)
        return {place: tuple(sorted(ids)) for place, ids in marks.items()}

    def lines_of(self, segment: Segment) -> range:
        """The lines on disk that a segment (of ``segments``) lies in."""
        return range(self._place(segment.start)[0], self._place(segment.end)[0] + 1)

    def offset(self, line: int, column: int) -> int:
        """Offset in bytes of a place in the fixed text; a column past the end of its line is taken to be the end."""
        index = min(max(line, 1), len(self._fixed_lines)) - 1
        return min(
            self._fixed_lines[index] + max(column, 0), _line_end(self._fixed, self._fixed_lines, index)
        )

    def _same_line(self, line: int) -> int:
        return self._same[line - 1] if 1 <= line <= len(self._same) else 0

    def _unchanged(self, index: int) -> int:
        """The line on disk that is all of this line of the fixed text; 0 if there is none."""
        begin = self._fixed_lines[index]
        end = _line_end(self._fixed, self._fixed_lines, index)
        # No segment may end in the line, begin in it or go over it; one may end right before, or begin right after.
        first = bisect_right(self._ends, begin)
        if first < len(self._ends) and self._starts[first] <= end:
            return 0
        line, column = self._place(self._start(begin))
        last = self._place(self._end(end))
        if column or last[0] != line or last[1] != end - begin:
            return 0
        return line

    def _start(self, offset: int) -> int:
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return offset
        part = self.segments[index]
        return part.start if offset < part.fixed_end else part.end + offset - part.fixed_end

    def _end(self, offset: int) -> int:
        index = bisect_left(self._starts, offset) - 1
        if index < 0:
            return offset
        part = self.segments[index]
        return part.end if offset <= part.fixed_end else part.end + offset - part.fixed_end

    def _place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1]

    def _move(self, node: Any, around: Place | None) -> Place:
        line, column = self.start(node.lineno, node.col_offset)
        end_line = getattr(node, "end_lineno", None)
        if end_line is None:
            end_line, end_column = line, column
        else:
            end_line, end_column = self.end(end_line, node.end_col_offset)
        if (end_line, end_column) < (line, column):
            # Expressions within f-strings have places of their own making before Python 3.12.
            end_line, end_column = line, column
        if (end_line, end_column) == (line, column):
            if around is None or isinstance(node, ast.stmt):
                line, column, end_line, end_column = self._whole_line(line)
            else:
                line, column, end_line, end_column = around
        node.lineno, node.col_offset = line, column
        node.end_lineno, node.end_col_offset = end_line, end_column
        return line, column, end_line, end_column

    def _whole_line(self, line: int) -> Place:
        begin = self._lines[line - 1]
        text = self._original[begin : _line_end(self._original, self._lines, line - 1)]
        words = _WORDS.search(text)
        return (line, words.start(), line, words.end()) if words else (line, 0, line, 0)

    def _attribute(
        self, node: Any, inside: list[tuple[ast.AST, Segment]], closest: dict[int, tuple[int, ast.AST]]
    ) -> None:
        """Note which segments a node lies in, or holds more closely than the nodes seen so far."""
        start = self.offset(node.lineno, node.col_offset)
        end = self.offset(node.end_lineno, node.end_col_offset)
        index = bisect_left(self._ends, start)
        while index < len(self.segments) and self._starts[index] <= end:
            part = self.segments[index]
            if part.fixes:
                if part.fixed_start <= start and end <= part.fixed_end and start < end:
                    inside.append((node, part))
                elif (
                    start <= part.fixed_start
                    and part.fixed_end <= end
                    and not _is_compound(node)
                    and (index not in closest or end - start <= closest[index][0])
                ):
                    closest[index] = (end - start, node)
            index += 1


def _is_compound(node: ast.AST) -> bool:
    return isinstance(getattr(node, "body", None), list) or isinstance(node, (ast.Try, ast.ExceptHandler))


def place_of(node: Any) -> Place:
    """The place that a node has now."""
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _line_starts(data: bytes) -> list[int]:
    return [0, *(match.end() for match in _LINE_END.finditer(data))]


def _line_end(data: bytes, starts: Sequence[int], index: int) -> int:
    """Offset of the end of a line, without its newline."""
    if index + 1 >= len(starts):
        return len(data)
    end = starts[index + 1]
    return end - 2 if data[end - 2 : end] == b"\r\n" else end - 1


def _in_bytes(original: str, fixed: str, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """The same segments in offsets of UTF-8 bytes."""
    result = []
    at = done = fixed_at = fixed_done = 0
    for part in segments:
        start = at + _size(original[done : part.start])
        end = start + _size(original[part.start : part.end])
        fixed_start = fixed_at + _size(fixed[fixed_done : part.fixed_start])
        fixed_end = fixed_start + _size(fixed[part.fixed_start : part.fixed_end])
        result.append(Segment(start, end, fixed_start, fixed_end, part.fixes))
        at, done, fixed_at, fixed_done = end, part.end, fixed_end, part.fixed_end
    return tuple(result)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
