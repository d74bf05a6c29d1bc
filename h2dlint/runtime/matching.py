"""Findings and a trace brought together: which copy belongs to which finding.

A copy belongs to the finding whose expression was running in the innermost frame of the user's code. What is known of
that frame differs: its columns (Python 3.11 and later), its line, or only its function (a profiler's trace).
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from h2dlint.engine.results import Note
from h2dlint.model import Effect, Finding, Measured, Ran, Span
from h2dlint.runtime.places import Files, Outline, Place, contains, last_name, overlaps
from h2dlint.runtime.traces import ASYNC, SYNC, WAIT, Frame, Site, Trace

CHROME = "chrome"
"""``Trace.source`` of a trace whose frames know their functions and not their lines."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Findings that carry what was measured, and sites that know their findings.

    Args:
        findings: as they were given, with ``trace`` set, and with a line of evidence where the match is not exact.
        owners: for each site of the trace, indices into ``findings``; empty where it belongs to none.
        checked: for each site of the trace, whether its file is among those that were looked at.
        notes: what keeps the trace from speaking of a file, for the user.
    """

    findings: tuple[Finding, ...]
    owners: tuple[tuple[int, ...], ...]
    checked: tuple[bool, ...]
    notes: tuple[Note, ...] = ()


@dataclass(slots=True)
class _Match:
    """What one site has to do with a finding."""

    site: Site
    among: int
    how: str


@dataclass(slots=True)
class _Found:
    """The findings that a site may belong to.

    Args:
        indices: of the findings.
        how: they were found, where that is not exact.
        among: how many places fit as well, findings or not.
    """

    indices: list[int] = field(default_factory=list)
    how: str = ""
    among: int = 1


def join(findings: Sequence[Finding], trace: Trace, places: Mapping[str, Path]) -> Joined:
    """Say of each finding what the trace knows of it.

    Args:
        findings: of a run of the linter.
        trace: recorded from the same sources, here or elsewhere.
        places: absolute paths of all files that were looked at, by the path that findings name.
    """
    return _Join(findings, trace, places).result()


class _Join:
    def __init__(self, findings: Sequence[Finding], trace: Trace, places: Mapping[str, Path]) -> None:
        self.findings = tuple(findings)
        self.trace = trace
        self.places = places
        self.files = Files(places)
        self.by_path: defaultdict[str, list[int]] = defaultdict(list)
        for index, finding in enumerate(self.findings):
            self.by_path[finding.path].append(index)
        self.matches: defaultdict[int, list[_Match]] = defaultdict(list)
        self.fitting: Counter[str] = Counter()
        self.strange: defaultdict[str, list[int]] = defaultdict(list)
        self.doubtful: set[str] = set()
        self._outlines: dict[str, Outline | None] = {}

    def result(self) -> Joined:
        owners: list[tuple[int, ...]] = []
        checked: list[bool] = []
        for site in self.trace.sites:
            paths = self._paths(site.frame)
            checked.append(bool(paths))
            owners.append(self._attach(site, paths))
        ran = self._ran()
        self.doubtful = self._other_text() | self._doubtful()
        findings = tuple(
            self._measured(finding, self.matches.get(index, []), ran)
            for index, finding in enumerate(self.findings)
        )
        return Joined(findings, tuple(owners), tuple(checked), tuple(self._notes(ran)))

    def outline(self, path: str) -> Outline | None:
        if path not in self._outlines:
            self._outlines[path] = Outline.read(self.places[path]) if path in self.places else None
        return self._outlines[path]

    # From the site to its findings.

    def _paths(self, frame: Frame | None) -> list[str]:
        """The files that a frame may lie in: one, or several for a path that was cut short."""
        if frame is None:
            return []
        candidates = self.files.candidates(frame.file)
        fitting = [path for path in candidates if self._fits(path, frame)]
        if candidates and not fitting:
            for path in candidates:
                self.strange[path].append(frame.line)
        self.fitting.update(fitting)
        return fitting if self.trace.source == CHROME or len(fitting) == 1 else []

    def _fits(self, path: str, frame: Frame) -> bool:
        outline = self.outline(path)
        if outline is None:
            return False
        last = frame.function.rpartition(".")[2]
        if self.trace.source == CHROME and last != "<module>":
            return bool(outline.body(frame.function, frame.line))
        return outline.runs(frame.function, frame.line)

    def _attach(self, site: Site, paths: Sequence[str]) -> tuple[int, ...]:
        frame = site.frame
        if frame is None or site.kind == WAIT or not paths:
            return ()
        owned: list[int] = []
        hazards: list[int] = []
        found = [self._candidates(path, frame, site, hazard=False) for path in paths]
        races = [self._candidates(path, frame, site, hazard=True) for path in paths]
        among = sum(item.among for item in found if item.indices)
        for item in found:
            owned += item.indices
            for index in item.indices:
                self.matches[index].append(_Match(site, among, item.how))
        if site.kind == ASYNC or not owned:
            # A race needs a copy that nobody waits for; a stall there is none of its business.
            for item in races:
                hazards += item.indices
                for index in item.indices:
                    self.matches[index].append(_Match(site, 1, item.how))
        return tuple(sorted(owned if site.stalls else owned + hazards))

    def _candidates(self, path: str, frame: Frame, site: Site, hazard: bool) -> _Found:
        mine = [
            index
            for index in self.by_path.get(path, ())
            if (self.findings[index].effect is Effect.HAZARD) == hazard
        ]
        if not mine:
            return _Found()
        if self.trace.source == CHROME:
            return self._by_function(path, mine, frame, site.operator, site.kind)
        if frame.column and frame.end_line:
            return self._by_columns(path, mine, frame, site.operator)
        return self._by_line(path, mine, frame, site.operator)

    def _by_columns(self, path: str, mine: list[int], frame: Frame, operator: str) -> _Found:
        here = Span(frame.line, frame.column, frame.end_line, frame.end_column)
        exact = [index for index in mine if self.findings[index].span == here]
        if exact:
            return _Found(exact, among=1)
        # The call that ran is a part of the finding's expression (a chain over several lines), or has it as an
        # argument; then the names tell whether it is the call that the finding speaks of.
        near = [
            index
            for index in mine
            if overlaps(self.findings[index].span, here)
            and self._speaks_of(path, self.findings[index], operator)
        ]
        if not near:
            return _Found()
        within = [index for index in near if contains(self.findings[index].span, here)]
        best = min(within or near, key=lambda index: _size(self.findings[index].span))
        return _Found([index for index in near if self.findings[index].span == self.findings[best].span])

    def _by_line(self, path: str, mine: list[int], frame: Frame, operator: str) -> _Found:
        on_line = [
            index
            for index in mine
            if self.findings[index].span.line <= frame.line <= self.findings[index].span.end_line
        ]
        if not on_line:
            around = [
                index
                for index in mine
                if self.findings[index].statement[0] <= frame.line <= self.findings[index].statement[1]
            ]
            on_line = around if len(around) == 1 else []
        named = [index for index in on_line if self._speaks_of(path, self.findings[index], operator)]
        chosen = named or on_line
        return _Found(chosen, "matched by line", len(chosen))

    def _by_function(self, path: str, mine: list[int], frame: Frame, operator: str, kind: str) -> _Found:
        outline = self.outline(path)
        if outline is None:
            return _Found()
        bodies = outline.body(frame.function, frame.line)
        inside = [
            index
            for index in mine
            if any(
                outline.directly(self.findings[index].span, body)
                and (frame.function != "<module>" or outline.innermost(self.findings[index].span) is None)
                for body in bodies
            )
        ]
        name = last_name(operator)
        if not name or operator.startswith("aten::"):
            return _Found(inside, "matched by function", len(inside))
        # Other calls of that name may be what copied, be they findings or not.
        places = [place for place in outline.places(name, bodies) if _may(kind, name, place)]
        if operator.startswith("torch.") and any(place.device for place in places):
            places = [place for place in places if place.device]
        spans = {place.span for place in places}
        named = [index for index in inside if self.findings[index].span in spans]
        return _Found(named, "matched by function", len(spans))

    def _speaks_of(self, path: str, finding: Finding, operator: str) -> bool:
        outline = self.outline(path)
        names = outline.operators(finding.span) if outline is not None else ()
        return not operator or not names or last_name(operator) in names

    # From the findings to their figures.

    def _ran(self) -> dict[str, frozenset[int]] | None:
        """The lines that ran, by the path that findings name; ``None`` where that was not recorded."""
        if self.trace.lines is None:
            return None
        found: dict[str, frozenset[int]] = {}
        for file, numbers in self.trace.lines.items():
            path = self.files.of(file)
            if path is not None:
                found[path] = found.get(path, frozenset()) | frozenset(numbers)
        return found

    def _measured(
        self, finding: Finding, matches: list[_Match], ran: dict[str, frozenset[int]] | None
    ) -> Finding:
        stalls = [match.site for match in matches if match.site.stalls]
        sites = [match.site for match in matches]
        among = max((match.among for match in matches), default=1)
        status = self._status(finding, bool(stalls), bool(sites), ran)
        if finding.effect is Effect.HAZARD:
            stalls = []
        measured = Measured(
            status=status,
            count=sum(site.count for site in sites),
            blocked=sum(site.blocked for site in stalls),
            held_us=sum(site.held_us for site in stalls),
            max_us=max((site.max_us for site in stalls), default=0.0),
            bytes=sum(site.bytes for site in sites),
            among=among,
        )
        said = tuple(dict.fromkeys(filter(None, (_evidence(match) for match in matches))))
        if stalls and all(site.compiling for site in stalls):
            said += ("trace: only while torch.compile was at work, not in each step",)
        return replace(finding, trace=measured, evidence=finding.evidence + said)

    def _status(
        self, finding: Finding, stalled: bool, copied: bool, ran: dict[str, frozenset[int]] | None
    ) -> Ran:
        hazard = finding.effect is Effect.HAZARD
        if stalled and not hazard:
            return Ran.CONFIRMED
        went = Ran.RAN if hazard else Ran.WITHOUT_BLOCKING
        if copied:
            return went
        # Where the text is another one, or the file could be several, lines say nothing of the finding.
        if ran is None or finding.path in self.doubtful:
            return Ran.UNKNOWN
        lines = range(finding.span.line, finding.span.end_line + 1)
        return went if not ran.get(finding.path, frozenset()).isdisjoint(lines) else Ran.NEVER

    def _other_text(self) -> set[str]:
        """Files that are not what was traced; a single frame may be odd, as those that torch.compile makes are."""
        return {path for path, lines in self.strange.items() if len(lines) >= self.fitting[path]}

    def _doubtful(self) -> set[str]:
        return {path for file in self.files.ambiguous for path in self.files.candidates(file)}

    def _notes(self, ran: dict[str, frozenset[int]] | None) -> Iterable[Note]:
        for path in sorted(self._other_text()):
            yield Note(
                path,
                min(self.strange[path]),
                "not the text that was traced: another function is at this line",
            )
        if self.trace.source != CHROME:
            for path in sorted(self._doubtful()):
                yield Note(
                    path, 1, "the trace names a file that could be this one or another; it is left out"
                )
        ended = max((item.started + item.wall_s for item in self.trace.processes), default=0.0)
        spoken = {self.findings[index].path for index in self.matches} | set(ran or ())
        for path in sorted(spoken & self.by_path.keys() - self._other_text()):
            if ended and _modified(self.places[path]) > ended:
                yield Note(path, 1, "newer than the trace: its lines may have moved")


def _evidence(match: _Match) -> str:
    if match.among > 1:
        return f"trace: {match.how or 'matched by column'}, one of {match.among} places that fit"
    # A line is as good as a column where only one finding is on it.
    return f"trace: {match.how}" if match.how == "matched by function" else ""


def _may(kind: str, name: str, place: Place) -> bool:
    """Whether a call, as it is written, can be what copied: one that asks not to wait does not wait."""
    if name not in ("to", "cuda", "copy_"):
        return True
    return place.non_blocking is not (kind == SYNC)


def _size(span: Span) -> tuple[int, int]:
    return span.end_line - span.line, span.end_column - span.column


def _modified(location: Path) -> float:
    try:
        return os.stat(location).st_mtime
    except OSError:
        return 0.0
