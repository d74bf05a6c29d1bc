"""What the linter says of a trace: the finding behind each stall, and what became of each finding.

Torch is not imported: a trace can be looked at on a machine without a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from h2dlint.engine.comments import read_comments
from h2dlint.engine.config import load_settings
from h2dlint.engine.diff import unified_diff
from h2dlint.engine.directives import POSSIBLE
from h2dlint.engine.edits import EditError, apply_edits
from h2dlint.engine.errors import ConfigError
from h2dlint.engine.files import SourceFile, discover, display_path, is_excluded
from h2dlint.engine.memory import rare_collections
from h2dlint.engine.modules import Projects
from h2dlint.engine.plan import installed_rules, plan_for
from h2dlint.engine.results import FileResult, Note
from h2dlint.engine.runner import lint_source, read_file
from h2dlint.engine.settings import Selection, Settings
from h2dlint.model import Confidence, Context, FileError, Finding, Ran
from h2dlint.runtime.matching import Joined, join
from h2dlint.runtime.places import Files
from h2dlint.runtime.traces import WAIT, Site, Trace
from h2dlint.syntax.source import DecodeError, SourceText

__all__ = ["Explained", "FindingRow", "Joined", "SiteRow", "SourceLine", "explain", "join"]

AROUND = 3
"""Source lines shown before and after the one that stalls."""

NOT_REPORTED = "not reported"


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of source, without its newline."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding, and what keeps ``h2dlint check`` from showing it.

    Args:
        finding: with ``trace`` set.
        hidden: why the settings leave it out, such as ``cold code (--cold)``; empty where they do not.
        diff: unified diff of the proposed fix, as text; empty without one.
    """

    finding: Finding
    hidden: str = ""
    diff: str = ""

    @property
    def note(self) -> str:
        """That the trace does not tell it from others; empty where it does."""
        measured = self.finding.trace
        return (
            f"one of {measured.among} places that fit" if measured is not None and measured.among > 1 else ""
        )


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site that stalls.

    Args:
        site: index into ``Trace.sites``.
        at: the site.
        path: of its file, relative to the working directory where it lies in it; empty for a thread without Python.
        findings: that it belongs to; several where the trace does not tell them apart, none where no rule sees it.
        source: lines around the one that stalled; empty where the file is gone or is another one now.
    """

    site: int
    at: Site
    path: str
    findings: tuple[FindingRow, ...] = ()
    source: tuple[SourceLine, ...] = ()

    @property
    def finding(self) -> FindingRow | None:
        """The one to show, if there is any: rather one that is reported than one that is hidden."""
        return min(self.findings, key=lambda row: bool(row.hidden), default=None)

    @property
    def reported(self) -> bool:
        """Whether ``h2dlint check`` with the same settings reports it."""
        return any(not row.hidden for row in self.findings)

    @property
    def verdict(self) -> str:
        """The rule's code, with why it is hidden if it is; else ``not reported``."""
        row = self.finding
        if row is None:
            return NOT_REPORTED
        return f"{row.finding.code} ({row.hidden})" if row.hidden else row.finding.code


@dataclass(frozen=True, slots=True)
class Explained:
    """A trace with all that the linter has to say of it.

    Args:
        sites: those that stall, longest held first.
        findings: of all files that were looked at, hidden ones included, in path order.
        errors: files that could not be linted, and roots that are not there.
        notes: what keeps the trace from speaking of a file.
    """

    sites: tuple[SiteRow, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    errors: tuple[FileError, ...] = ()
    notes: tuple[Note, ...] = ()

    def of(self, status: Ran, hidden: bool = False) -> tuple[FindingRow, ...]:
        """Findings with a status; those that ``check`` does not show only with ``hidden``."""
        return tuple(
            row
            for row in self.findings
            if row.finding.trace is not None
            and row.finding.trace.status is status
            and (hidden or not row.hidden)
        )

    @property
    def reported(self) -> tuple[SiteRow, ...]:
        """Stalling sites that ``check`` reports."""
        return tuple(row for row in self.sites if row.reported)

    @property
    def missed(self) -> tuple[SiteRow, ...]:
        """Stalling sites that no rule sees, however much is shown."""
        return tuple(row for row in self.sites if not row.findings)


def explain(
    trace: Trace, roots: Sequence[str] = (".",), settings: Settings | None = None, cwd: Path | None = None
) -> Explained:
    """Lint the files of a trace and join it with what was found.

    Looked at are the files of all stalling sites, wherever they lie, and those under ``roots`` that ran. Findings that
    the settings leave out are worked out as well, and are marked.

    Args:
        trace: of a run.
        roots: files and folders that the user means by their project.
        settings: of the linter; those of the configuration that governs ``roots``, when not given.
        cwd: working directory, that paths are shown relative to; the current one when not given.

    Raises:
        ConfigError: a configuration file cannot be used.
    """
    here = cwd if cwd is not None else Path.cwd()
    governing = settings if settings is not None else load_settings(list(roots), here)
    work = _Files(trace, roots, governing, here)
    lints: dict[str, _Lint] = {}
    projects = Projects()
    with rare_collections():
        for file, reason in work.chosen():
            lints[file.path] = _lint(file, reason, file.settings or governing, projects)
    ordered = [lints[path] for path in sorted(lints)]
    joined = join(
        [finding for lint in ordered for finding in lint.findings], trace, {**work.places, **_places(ordered)}
    )
    rows = tuple(_row(finding, lints[finding.path]) for finding in joined.findings)
    sites = tuple(
        SiteRow(
            index,
            site,
            work.shown(site),
            tuple(rows[owner] for owner in joined.owners[index]),
            _source(site, work.shown(site), lints, joined, index),
        )
        for index, site in enumerate(trace.sites)
        if site.stalls
    )
    return Explained(
        sites=tuple(sorted(sites, key=lambda row: -row.at.held_us)),
        findings=rows,
        errors=(*work.errors, *(error for lint in ordered for error in lint.errors)),
        notes=tuple(note for note in joined.notes if note.path in lints),
    )


@dataclass(slots=True)
class _Lint:
    """All findings of a file, with why some are hidden."""

    file: SourceFile
    findings: tuple[Finding, ...] = ()
    hidden: dict[object, str] = field(default_factory=dict)
    source: SourceText | None = None
    data: bytes = b""
    errors: tuple[FileError, ...] = ()


class _Files:
    """Which files to lint.

    Args:
        trace, roots, settings, cwd: as ``explain`` takes them.
    """

    def __init__(self, trace: Trace, roots: Sequence[str], settings: Settings, cwd: Path) -> None:
        self._trace = trace
        self._settings = settings
        self._cwd = cwd
        found = discover(list(roots), settings, cwd)
        self._mine = {file.path: file for file in found.files}
        self.errors = found.errors
        self.places: dict[str, Path] = {file.path: file.location for file in found.files}
        self._files = Files(self.places)

    def chosen(self) -> Iterator[tuple[SourceFile, str]]:
        """The files, each once, with why ``check`` of the roots would not look at them; empty if it would."""
        done: set[str] = set()
        copying = [site for site in self._trace.sites if site.kind != WAIT]
        stalling = [site.frame.file for site in copying if site.stalls and site.frame is not None]
        # A copy that did not block shows that its file ran, where the lines that ran are not known.
        quiet = [site.frame.file for site in copying if not site.stalls and site.frame is not None]
        for file in dict.fromkeys([*stalling, *quiet, *(self._trace.lines or ())]):
            mine = self._files.candidates(file)
            for path in mine:
                if path not in done:
                    done.add(path)
                    yield self._mine[path], ""
            if mine or file not in stalling or not os.path.isfile(file):
                continue
            location = Path(os.path.abspath(file))
            path = display_path(location, self._cwd)
            if path not in done:
                done.add(path)
                own = self._own(location)
                outside = "excluded" if is_excluded(location, own) else "outside the paths checked"
                yield SourceFile(path, location, own), outside

    def _own(self, location: Path) -> Settings:
        if self._settings.nested is None:
            return self._settings
        try:
            return self._settings.nested(location.parent)
        except ConfigError:
            # That of somebody else's package; it is no reason to say nothing of the file.
            return self._settings

    def shown(self, site: Site) -> str:
        """The path of a site's file, as reports name it."""
        frame = site.frame
        if frame is None:
            return ""
        known = self._files.of(frame.file)
        return known if known is not None else display_path(Path(frame.file), self._cwd)


def _places(lints: Sequence[_Lint]) -> Mapping[str, Path]:
    return {lint.file.path: lint.file.location for lint in lints}


def _lint(file: SourceFile, outside: str, settings: Settings, projects: Projects) -> _Lint:
    data = read_file(file)
    if isinstance(data, FileError):
        return _Lint(file, errors=(data,))
    everything = replace(
        settings,
        select=("ALL",),
        ignore=(),
        extend_select=(),
        command_line=Selection(),
        per_file_ignores=(),
        cold=True,
        min_confidence=Confidence.LOW,
    )

    def found(text: bytes) -> FileResult:
        return lint_source(file.path, text, everything, location=file.location, projects=projects)

    try:
        source = SourceText.from_bytes(data)
    except (DecodeError, ValueError):
        return _Lint(file, errors=found(data).errors)
    shown = found(data)
    result = found(_without_directives(source)) if shown.suppressed else shown
    kept = {_key(finding) for finding in shown.findings}
    plan = plan_for(settings, installed_rules())
    selected = {rule.code for rule in plan.rules}
    wanted = {rule.code for rule in plan.rules_for(file.location)}

    def reason(finding: Finding) -> str:
        if outside:
            return outside
        if finding.code not in selected:
            return "rule not selected"
        if finding.code not in wanted:
            return "rule ignored in this file"
        if _key(finding) not in kept:
            return "suppressed by a comment"
        if finding.context is Context.COLD and not settings.cold:
            return "cold code (--cold)"
        if finding.confidence < settings.min_confidence:
            return f"{finding.confidence.label} confidence (--min-confidence {finding.confidence.label})"
        return ""

    hidden = {_key(finding): reason(finding) for finding in result.findings}
    return _Lint(file, result.findings, hidden, source, data, result.errors)


def _key(finding: Finding) -> object:
    return finding.span, finding.code


def _without_directives(source: SourceText) -> bytes:
    """The text with comments that silence findings blanked out; everything else stays where it is."""
    # Not `splitlines`, for which a form feed ends a line.
    ends = [*source.line_starts[1:], len(source.text)]
    lines = [source.text[start:end] for start, end in zip(source.line_starts, ends, strict=True)]
    for comment in read_comments(source.text)[0]:
        if POSSIBLE.search(comment.text.encode("utf-8", "replace")):
            before, found, after = lines[comment.line - 1].rpartition(comment.text)
            if found:
                lines[comment.line - 1] = before + "#" + " " * (len(comment.text) - 1) + after
    return source.to_bytes("".join(lines))


def _row(finding: Finding, lint: _Lint) -> FindingRow:
    return FindingRow(finding, lint.hidden.get(_key(finding), ""), _diff(finding, lint))


def _diff(finding: Finding, lint: _Lint) -> str:
    if finding.fix is None or not finding.fix.edits or lint.source is None:
        return ""
    try:
        after = lint.source.to_bytes(apply_edits(lint.source, finding.fix.edits))
    except (EditError, ValueError):
        return ""
    return unified_diff(finding.path, lint.data, after).decode("utf-8", "replace")


def _source(
    site: Site, path: str, lints: Mapping[str, _Lint], joined: Joined, index: int
) -> tuple[SourceLine, ...]:
    """Lines around a site, or around its findings where only its function is known."""
    lint = lints.get(path)
    frame = site.frame
    # Lines of another text than the one that was traced would mislead.
    if lint is None or lint.source is None or frame is None or not joined.checked[index]:
        return ()
    owners = joined.owners[index]
    first, last = frame.line, max(frame.line, frame.end_line)
    if not frame.column and len(owners) == 1:
        span = joined.findings[owners[0]].span
        first, last = span.line, span.end_line
    # A last line that is empty is no line: the text ends with a newline.
    end = len(lint.source.line_starts) - (lint.source.text.endswith("\n"))
    numbers = range(max(first - AROUND, 1), min(last + AROUND, end) + 1)
    return tuple(SourceLine(number, lint.source.line_text(number)) for number in numbers)
