"""Leaving out findings that are not of interest: known ones, and those on lines that did not change.

A sieve looks at verdicts after they are made, so that the cache holds them whole, and at each round of fixing, so that
what a check leaves out is not fixed either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from h2dlint.engine.results import FileResult, Hidden, Note, Report, Silenced
from h2dlint.model import Finding
from h2dlint.syntax.source import DecodeError, SourceText, read_source

if TYPE_CHECKING:
    from h2dlint.engine.baseline import Baseline
    from h2dlint.engine.changed import Changes

Sift = Callable[[FileResult, bytes], FileResult]
"""Takes a verdict and the bytes that it is on; called again for what fixes make of the same file."""


@dataclass(frozen=True, slots=True)
class Sieve:
    """What to leave out.

    Args:
        baseline: location of a file to the baseline that holds for it, if there is one.
        changes: the lines of interest; ``None`` where all are.
    """

    baseline: Callable[[Path], Baseline | None] = lambda location: None
    changes: Changes | None = None

    def of(self, location: Path, data: bytes) -> Sift:
        """The sieve for one file.

        Args:
            location: absolute path.
            data: what is in the file, before any fix.

        Raises:
            ConfigError: the baseline cannot be read.
        """
        known = self.baseline(location)
        match = known.matcher(location) if known is not None else None

        def sift(result: FileResult, now: bytes) -> FileResult:
            if match is not None and not result.errors:
                result = match(result, now)
            if self.changes is not None and (result.findings or result.silenced or result.notes):
                result = self._touched(result, location, data, now)
            return result

        return sift

    def _touched(self, result: FileResult, location: Path, before: bytes, now: bytes) -> FileResult:
        assert self.changes is not None
        changed, cells = self.changes.of(location, before, now), result.cells

        def touches(first: int, last: int) -> bool:
            # Git knows the lines of a notebook's file, and findings those of its code.
            return (
                changed(first, last) if cells is None else changed(cells.in_file(first), cells.in_file(last))
            )

        kept = tuple(finding for finding in result.findings if touches(*lines(finding)))
        silenced = tuple(each for each in result.silenced if touches(*lines(each.finding)))
        left_out = result.hidden.unchanged + len(result.findings) - len(kept)
        hidden = replace(result.hidden, unchanged=left_out)
        # An unused suppression counts as a finding does.
        notes = tuple(note for note in result.notes if not note.counts or touches(note.line, note.line))
        return replace(result, findings=kept, silenced=silenced, hidden=hidden, notes=notes)


def sift_report(report: Report, sieve: Sieve, places: Mapping[str, Path]) -> Report:
    """A report without what a sieve leaves out.

    Args:
        report: of a run that fixed nothing.
        sieve: what to leave out.
        places: path as reports show it to location, of every file that was checked.

    Raises:
        ConfigError: a baseline cannot be read, or a file is not where git is asked.
    """
    findings: list[Finding] = []
    silenced: list[Silenced] = []
    unchanged = 0
    found = {path: tuple(group) for path, group in groupby(report.findings, lambda finding: finding.path)}
    quiet = {path: tuple(group) for path, group in groupby(report.silenced, lambda each: each.finding.path)}
    told: dict[str, list[Note]] = {}
    for note in report.notes:
        told.setdefault(note.path, []).append(note)
    broken = {error.path for error in report.errors}
    for path in sorted(places.keys() - broken):
        data = _read(places[path]) if path in found or path in quiet else b""
        result = FileResult(
            path,
            found.get(path, ()),
            notes=tuple(told.get(path, ())),
            silenced=quiet.get(path, ()),
            cells=report.notebooks.get(path),
        )
        result = sieve.of(places[path], data)(result, data)
        told[path] = list(result.notes)
        findings += result.findings
        silenced += result.silenced
        unchanged += result.hidden.unchanged
    for path in sorted(broken & found.keys()):
        findings += found[path]
    hidden = Hidden(report.hidden.cold, report.hidden.low_confidence, unchanged)
    findings.sort(key=lambda finding: (*finding.sort_key, finding.span))
    notes = {note for each in told.values() for note in each}
    return replace(
        report,
        findings=tuple(findings),
        silenced=tuple(silenced),
        hidden=hidden,
        notes=tuple(note for note in report.notes if note in notes),
    )


def lines(finding: Finding) -> tuple[int, int]:
    """First and last line of the statement that a finding is in."""
    first, last = finding.statement
    return (finding.span.line, finding.span.end_line) if (first, last) == (0, 0) else (first, last)


def _read(location: Path) -> bytes:
    try:
        return location.read_bytes()
    except OSError:
        return b""


def decoded(path: str, data: bytes) -> SourceText | None:
    """The text of a file, if it is one."""
    try:
        return read_source(path, data)
    except DecodeError:
        return None
