"""Choosing edits that do not get in each other's way, and applying them to a text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from h2dlint.model import Edit, Finding, Span
from h2dlint.syntax.source import SourceText


class EditError(ValueError):
    """An edit lies outside the text, or edits overlap."""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """An edit in offsets of code points; ``start == end`` inserts."""

    start: int
    end: int
    content: str


def apply_edits(source: SourceText, edits: Iterable[Edit]) -> str:
    """The text with all edits applied.

    Newlines in the content become those of the file. Of identical edits one is applied: several fixes may ask
    for the same import. Different insertions at one place are applied in the order given.

    Args:
        source: the text that the spans speak of.
        edits: in any order.

    Raises:
        EditError: an edit lies outside the text, or edits overlap.
    """
    parts: list[str] = []
    done = 0
    for change in to_changes(source, edits):
        parts += (source.text[done : change.start], change.content)
        done = change.end
    return "".join(parts) + source.text[done:]


def to_changes(source: SourceText, edits: Iterable[Edit]) -> list[Change]:
    """Edits in offsets and in order of position, identical ones once.

    Raises:
        EditError: an edit lies outside the text, or edits overlap.
    """
    unique = dict.fromkeys(to_change(source, edit) for edit in edits)
    changes = sorted(unique, key=lambda change: (change.start, change.end))
    for before, after in pairwise(changes):
        if after.start < before.end:
            line = bisect_right(source.line_starts, after.start)
            raise EditError(f"two edits overlap at line {line}")
    return changes


def to_change(source: SourceText, edit: Edit) -> Change:
    """An edit in offsets.

    Raises:
        EditError: it lies outside the text.
    """
    span = edit.span
    start = _offset(source, span.line, span.column, span)
    end = _offset(source, span.end_line, span.end_column, span)
    if end < start:
        raise EditError(f"an edit ends before it starts: {_place(span)}")
    newline = _newline(source.text)
    content = edit.content.replace("\r\n", "\n").replace("\n", newline) if newline != "\n" else edit.content
    return Change(start, end, content)


def _offset(source: SourceText, line: int, column: int, span: Span) -> int:
    if not (1 <= line <= len(source.line_starts) and 1 <= column <= len(source.line_text(line)) + 1):
        raise EditError(f"an edit lies outside the text: {_place(span)}")
    return source.offset(line, column)


def _place(span: Span) -> str:
    return f"{span.line}:{span.column} to {span.end_line}:{span.end_column}"


def _newline(text: str) -> str:
    """The line end of a file, by its first line."""
    end = text.find("\n")
    if end > 0 and text[end - 1] == "\r":
        return "\r\n"
    return "\r" if end < 0 and "\r" in text else "\n"


class Occupied:
    """The places of a text that chosen fixes change."""

    def __init__(self) -> None:
        self._changes: list[Change] = []

    def admit(self, changes: Sequence[Change]) -> bool:
        """Take in the changes of one fix, unless one of them gets in the way of another fix.

        Overlap gets in the way, and so does an insertion at the border of another change, where the order
        of the two would be arbitrary. A change that an earlier fix makes too, identically, does not.
        """
        fresh = [change for change in changes if not self._shared(change)]
        if any(self._conflicts(change) for change in fresh):
            return False
        for change in fresh:
            self._changes.insert(bisect_left(self._changes, change), change)
        return True

    def _shared(self, change: Change) -> bool:
        index = bisect_left(self._changes, change)
        return index < len(self._changes) and self._changes[index] == change

    def _conflicts(self, change: Change) -> bool:
        # Changes of different fixes never touch where one of them inserts, so the neighbours tell all.
        index = bisect_left(self._changes, Change(change.start, change.start, ""))
        for other in islice(self._changes, max(0, index - 1), None):
            if other.start > change.end:
                return False
            if _collide(other, change):
                return True
        return False


def _collide(a: Change, b: Change) -> bool:
    if a.start == a.end or b.start == b.end:
        return a.start <= b.end and b.start <= a.end
    return a.start < b.end and b.start < a.end


def choose(
    source: SourceText, findings: Iterable[Finding]
) -> tuple[list[Finding], list[tuple[Finding, EditError]]]:
    """The findings whose fixes can be applied together, first come first served in order of position.

    Args:
        source: the text that the spans speak of.
        findings: with fixes that have edits.

    Returns:
        The chosen findings, and those whose edits are no good, with the reason. A finding in neither list
        is left for the next round.
    """
    occupied = Occupied()
    ready: list[tuple[list[Change], Finding]] = []
    faulty: list[tuple[Finding, EditError]] = []
    for finding in findings:
        assert finding.fix is not None
        try:
            changes = to_changes(source, finding.fix.edits)
        except EditError as error:
            faulty.append((finding, error))
        else:
            ready.append((changes, finding))
    ready.sort(key=lambda item: (item[0][0], item[1].sort_key))
    return [finding for changes, finding in ready if occupied.admit(changes)], faulty
