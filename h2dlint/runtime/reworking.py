"""Fixing one file again and again, each time with another choice of its fixes; nothing is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from h2dlint.runtime.positions import Replacement, Segment, compose

MAX_ROUNDS = 100
"""As in ``fix_source``."""

_Key = tuple[str, int, int, int]
"""What a fix is known by in any run: rule, first and last offset on disk of the finding, and which of those it is."""


@dataclass(frozen=True, slots=True)
class PlannedFix:
    """One fix.

    Args:
        id: its number.
        path: of the file, as reports show it.
        line, column: of the finding, in the file on disk, from 1, in code points.
        code, name: of the rule.
        title: what it does, one line.
        applicability: ``safe`` or ``unsafe``.
        function: ``Class.method`` around it, ``None`` at module level.
        round: 1 for a fix that the linter offers for the file on disk.
    """

    id: int
    path: str
    line: int
    column: int
    code: str
    name: str
    title: str
    applicability: str
    function: str | None = None
    round: int = 1


@dataclass(frozen=True, slots=True)
class FixedText:
    """A file with fixes applied.

    Args:
        path: as reports show it.
        location: absolute path.
        data: what is on disk.
        text: the fixed text, decoded, without a byte order mark.
        encoding: of the file.
        bom: whether it starts with a UTF-8 mark.
        segments: where the text differs from that on disk.
        fixes: ids, in order of application.
    """

    path: str
    location: Path
    data: bytes
    text: str
    encoding: str
    bom: bool
    segments: tuple[Segment, ...]
    fixes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reworked:
    """A file after rounds of fixing: its text, and what was done."""

    text: str
    segments: tuple[tuple[Segment, tuple[_Key, ...]], ...]
    fixes: tuple[tuple[_Key, Any, int, int], ...] = ()
    """Key, finding, round, and offset on disk."""
    errors: tuple[Any, ...] = ()
    held_back: int = 0


class Reworkable:
    """One file, to be fixed with any choice of its fixes."""

    def __init__(self, path: str, location: Path, data: bytes, settings: Any, projects: Any) -> None:
        self._path = path
        self._location = location
        self._data = data
        self._settings = settings
        self._projects = projects
        self._first = self._lint(data)
        self._ids: dict[_Key, int] = {}

    @cached_property
    def all(self) -> Reworked:
        """With every fix."""
        return self._rework(None)

    @property
    def ids(self) -> Collection[int]:
        return self._ids.values()

    def number(self, first: int) -> None:
        """Give the fixes their numbers."""
        self._ids = {key: first + index for index, (key, *_) in enumerate(self.all.fixes)}

    def planned(self) -> Iterable[PlannedFix]:
        """The fixes, for whoever chooses among them."""
        source = self._source(self._data)
        for key, finding, number, offset in self.all.fixes:
            line, column = source.position(offset)
            yield PlannedFix(
                id=self._ids[key],
                path=self._path,
                line=line,
                column=column,
                code=finding.code,
                name=finding.name,
                title=finding.fix.title,
                applicability=finding.fix.applicability.value,
                function=finding.function,
                round=number,
            )

    def fixed(self, ids: frozenset[int] | None) -> FixedText:
        """The file with some of its fixes, or all."""
        work = self.all
        if ids is not None and not ids.issuperset(self.ids):
            work = self._rework(frozenset(key for key, number in self._ids.items() if number in ids))
        source = self._source(self._data)
        segments = tuple(
            segment._replace(fixes=tuple(sorted(self._ids[key] for key in keys)))
            for segment, keys in work.segments
        )
        return FixedText(
            self._path,
            Path(os.path.realpath(self._location)),
            self._data,
            work.text,
            source.encoding,
            bool(source.bom),
            segments,
            tuple(self._ids[key] for key, *_ in work.fixes),
        )

    def _source(self, data: bytes) -> Any:
        from h2dlint.syntax.source import SourceText

        return SourceText.from_bytes(data)

    def _lint(self, data: bytes) -> Any:
        from h2dlint.engine.runner import lint_source

        return lint_source(self._path, data, self._settings, location=self._location, projects=self._projects)

    def _rework(self, chosen: Collection[_Key] | None) -> Reworked:
        """What ``fix_source`` does, with the fixes chosen, and with a record of what went where."""
        from h2dlint.engine import fixing
        from h2dlint.engine.profiles import options_for

        comment = options_for(self._settings, self._location).profile.fix_comment
        data, result = self._data, self._first
        steps: list[_Key] = []  # Segments name the fixes by their index here, which is a number as an id is.
        fixes: list[tuple[_Key, Any, int, int]] = []
        segments: tuple[Segment, ...] = ()
        seen = {data}
        for number in range(1, MAX_ROUNDS + 1):
            if number > 1:
                result = self._lint(data)
            if result.errors and fixes:
                # As in fix_source: the file was fine before, which casts doubt on the fixes.
                return Reworked(self._source(self._data).text, (), (), result.errors)
            wanted = [finding for finding in result.findings if fixing._to_apply(finding, self._settings)]
            if not wanted:
                break
            source = self._source(data)
            keys = self._keys(source, wanted, segments, Counter(key[:3] for key in steps))
            wanted = [finding for finding in wanted if chosen is None or keys[id(finding)] in chosen]
            before = data
            data, applied, errors = fixing._round(
                self._path, data, replace(result, findings=tuple(wanted)), self._settings, comment
            )
            if not applied:
                data, result = before, replace(result, errors=result.errors + errors)
                break
            numbers = {}
            for finding in applied:
                key = keys[id(finding)]
                numbers[id(finding)] = len(steps)
                steps.append(key)
                fixes.append((key, finding, number, key[1]))
            segments = compose(segments, _replacements(source, applied, numbers))
            if data in seen:
                return self._circle(fixes)
            seen.add(data)
        else:
            return self._circle(fixes)
        unsafe = sum(
            not self._settings.unsafe_fixes and fixing._is_unsafe(finding) for finding in result.findings
        )
        if not fixes:
            # A file that could not even be decoded has no text, and needs none.
            return Reworked("", (), (), result.errors, unsafe)
        named = tuple(
            (segment._replace(fixes=()), tuple(steps[index] for index in segment.fixes))
            for segment in segments
        )
        return Reworked(self._source(data).text, named, tuple(fixes), result.errors, unsafe)

    def _keys(
        self, source: Any, findings: Sequence[Any], segments: tuple[Segment, ...], used: Counter[Any]
    ) -> dict[int, _Key]:
        keys: dict[int, _Key] = {}
        for finding in findings:
            span = finding.span
            start = _on_disk(segments, source.offset(span.line, span.column))
            end = _on_disk(segments, source.offset(span.end_line, span.end_column), last=True)
            place = (finding.code, start, end)
            keys[id(finding)] = (*place, used[place])
            used[place] += 1
        return keys

    def _circle(self, fixes: Sequence[tuple[_Key, Any, int, int]]) -> Reworked:
        from h2dlint.model import ErrorKind, FileError

        codes = ", ".join(sorted({finding.code for _, finding, *_ in fixes}))
        message = f"fixes undo each other, so none were applied (rules {codes})"
        text = self._source(self._data).text
        return Reworked(text, (), (), (FileError(self._path, None, ErrorKind.INTERNAL, message),))


def _replacements(source: Any, findings: Sequence[Any], numbers: Mapping[int, int]) -> list[Replacement]:
    """The edits of one round; of a fix with several, those at the place that it is about carry its number."""
    from h2dlint.engine.edits import to_changes

    named: dict[tuple[int, int, str], set[int]] = {}
    for finding in findings:
        changes = to_changes(source, finding.fix.edits)
        span = finding.span
        start = source.offset(span.line, span.column)
        end = source.offset(span.end_line, span.end_column)
        here = [change for change in changes if change.start <= end and start <= change.end] or changes
        for change in changes:
            ids = named.setdefault((change.start, change.end, change.content), set())
            if change in here:
                ids.add(numbers[id(finding)])
    return [
        Replacement(start, end, len(content), tuple(sorted(ids)))
        for (start, end, content), ids in sorted(named.items(), key=lambda item: item[0][:2])
    ]


def _on_disk(segments: tuple[Segment, ...], offset: int, *, last: bool = False) -> int:
    """Offset on disk of an offset in a fixed text; within a segment the start, or the end, of what it replaces."""
    shift = 0
    for part in segments:
        if offset < part.fixed_start or (last and offset == part.fixed_start):
            break
        if offset < part.fixed_end or (last and offset == part.fixed_end):
            return part.end if last else part.start
        shift = part.end - part.fixed_end
    return offset + shift
