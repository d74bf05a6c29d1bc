"""A trace as the page's script reads it: plain JSON, each text written once, fit to be shown."""

from __future__ import annotations

import os
import shlex
import tokenize
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from h2dlint.report.style import escape
from h2dlint.runtime.page.rows import FindingRow, Reported, SiteRow
from h2dlint.runtime.traces import WAIT, Frame, Site, Trace

RULES = 8
"""Rules with a colour of their own; those with the least time held share one."""
LANES = 256
"""Threads drawn by themselves; those with the least time held share one line."""
AROUND = 3
"""Source lines shown on either side of the user's."""

_LARGEST = 4 << 20
_WIDEST = 400

Read = Callable[[str], "Sequence[str] | None"]


def read_lines(path: str) -> Sequence[str] | None:
    """The lines of a source file, decoded as Python does; ``None`` where there is no such text."""
    try:
        # A name in a trace can be anything: only plain files of the size of source code are opened.
        if not os.path.isfile(path) or os.path.getsize(path) > _LARGEST:
            return None
        with tokenize.open(path) as file:
            return file.read().splitlines()
    except (OSError, SyntaxError, ValueError):
        return None


class Payload:
    """Collects what the page shows.

    Args:
        trace: a recorded run.
        rows: what is known of its sites.
        extra: findings under which nothing blocked.
        notes: what else the reader has to know, one line each.
        read: gives the lines of a file, or ``None``.
        root: files in this folder are shown relative to it.
    """

    def __init__(
        self,
        trace: Trace,
        rows: Sequence[SiteRow],
        extra: Sequence[FindingRow],
        notes: Sequence[str],
        read: Read,
        root: str,
    ) -> None:
        self.trace = trace
        self.rows = {row.site: row for row in rows}
        # Rather what is reported first than what is hidden; the first gives a site its colour.
        self.found = {
            row.site: sorted(row.reported, key=lambda found: bool(found.hidden))
            for row in rows
            if row.reported
        }
        self.extra = extra
        self.notes = notes
        self.read = read
        self.root = root.rstrip(os.sep) + os.sep
        self.files: dict[str, int] = {}
        self.frames: dict[Frame, int] = {}
        self.lines: dict[str, Sequence[str] | None] = {}
        self.newer: dict[str, bool] = {}
        self.classes, self.class_of = _classes(list(map(self._rule, trace.sites)), trace.sites)

    def build(self) -> dict[str, Any]:
        """Everything, ready for ``json.dumps``."""
        trace = self.trace
        lanes, stalls = self._stalls()
        sites = [self._site(index, site) for index, site in enumerate(trace.sites)]
        began = min((process.started for process in trace.processes), default=0.0)
        ends = [(process.started - began + process.wall_s) * 1e6 for process in trace.processes]
        ends += [stall.start_us + stall.held_us for stall in trace.stalls]
        return {
            "command": escape(shlex.join(trace.command)),
            "source": escape(trace.source),
            "recorded": _date(began),
            "span": max(ends, default=0.0),
            "blocking": trace.blocking,
            "held": round(trace.held_us, 3),
            "waited": round(trace.waited_us, 3),
            "processes": [
                {
                    "pid": process.pid,
                    "argv": escape(shlex.join(process.argv)),
                    "start": round((process.started - began) * 1e6, 1),
                    "wall": round(process.wall_s * 1e6, 1),
                    "gpu": escape(process.gpu),
                    "torch": escape(process.torch),
                    "python": escape(process.python),
                    "dropped": process.dropped,
                    "note": escape(process.note),
                }
                for process in trace.processes
            ],
            "classes": self.classes,
            "sites": sites,
            "frames": [self._frame(frame) for frame in self.frames],
            "lanes": lanes,
            "stalls": stalls,
            "extra": [{**self._brief(row), "status": escape(row.status)} for row in self.extra],
            "notes": [escape(note) for note in self.notes],
            # Last: the others add files to it.
            "files": [self._file(path) for path in self.files],
        }

    def _rule(self, site: Site) -> tuple[str, str]:
        found = self.found.get(site)
        return (found[0].finding.code, found[0].finding.name) if found else ("", "")

    def _site(self, index: int, site: Site) -> dict[str, Any]:
        found, row = self.found.get(site, []), self.rows.get(site)
        return {
            "kind": site.kind,
            "operator": escape(site.operator),
            "user": site.user,
            "frames": [self.frames.setdefault(frame, len(self.frames)) for frame in site.frames],
            "source": self._source(site.frame, row) if site.frame else [],
            "count": site.count,
            "blocked": site.blocked,
            "held": round(site.held_us, 3),
            "max": round(site.max_us, 3),
            "bytes": site.bytes,
            "pinned": site.pinned,
            "threads": [escape(name) for name in site.threads],
            "streams": site.streams,
            "processes": list(site.processes),
            "compiling": site.compiling,
            "stalls": site.stalls,
            "class": self.class_of[index],
            "reason": escape(row.reason) if row else "",
            "findings": list(map(self._finding, found)),
            "reported": any(not each.hidden for each in found),
        }

    def _brief(self, row: FindingRow | Reported) -> dict[str, Any]:
        """A finding in a list: there may be thousands that never ran."""
        finding, measured = row.finding, row.finding.trace
        return {
            "copies": measured.count if measured else 0,
            "code": escape(finding.code),
            "name": escape(finding.name),
            "message": escape(finding.message),
            "file": self._file_index(finding.path),
            "line": finding.span.line,
            "column": finding.span.column,
            "function": escape(finding.function or "module level"),
            "hidden": escape(row.hidden),
            "note": escape(row.note),
        }

    def _finding(self, row: Reported) -> dict[str, Any]:
        finding, fix = row.finding, row.finding.fix
        return {
            **self._brief(row),
            "context": finding.context.value,
            "confidence": finding.confidence.label,
            "evidence": [escape(line) for line in finding.evidence],
            "fix": fix
            and {
                "title": escape(fix.title),
                "applicability": fix.applicability.value,
                "reasons": [escape(reason) for reason in fix.reasons],
            },
            "diff": [shown(line) for line in _body(row.diff)],
        }

    def _file_index(self, path: str) -> int:
        return self.files.setdefault(path, len(self.files))

    def _file(self, path: str) -> dict[str, Any]:
        short = path[len(self.root) :] if path.startswith(self.root) else path
        for folder in ("/site-packages/", "/dist-packages/"):
            short = short.rpartition(folder)[2]
        return {"path": escape(path), "short": escape(short), "newer": self._is_newer(path)}

    def _is_newer(self, path: str) -> bool:
        """Whether the file was written after the recording began: its lines may not be those that ran."""
        if path not in self.newer:
            began = min((process.started for process in self.trace.processes), default=0.0)
            try:
                self.newer[path] = os.path.getmtime(path) > began > 0
            except (OSError, ValueError):
                self.newer[path] = False
        return self.newer[path]

    def _text(self, path: str) -> Sequence[str]:
        if path not in self.lines:
            self.lines[path] = None if self._is_newer(path) else self.read(path)
        return self.lines[path] or ()

    def _frame(self, frame: Frame) -> list[Any]:
        lines = self._text(frame.file)
        text = shown(lines[frame.line - 1].strip()) if 0 < frame.line <= len(lines) else ""
        return [self._file_index(frame.file), frame.line, escape(frame.function), text]

    def _source(self, frame: Frame, row: SiteRow | None) -> list[list[Any]]:
        """Number, text, and first and end column of what ran, for each line around the user's frame."""
        source = list(row.source) if row else []
        # A row without source is one whose file is known to be gone or to be another one now.
        if row is None:
            lines = self._text(frame.file)
            last = max(frame.line, min(frame.end_line, frame.line + 2 * AROUND))
            numbers = range(max(1, frame.line - AROUND), min(len(lines), last + AROUND) + 1)
            source = [(number, lines[number - 1]) for number in numbers]
        return [[number, *_marked(number, text, frame)] for number, text in source]

    def _stalls(self) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
        held: defaultdict[tuple[int, str], float] = defaultdict(float)
        for stall in self.trace.stalls:
            held[stall.process, stall.thread] += stall.held_us
        for index in range(len(self.trace.processes)):
            if not any(process == index for process, _ in held):
                held[index, ""] = 0.0
        # The main thread first, then those that were held longest.
        ranked = sorted(held, key=lambda lane: (lane[1] != "MainThread", -held[lane], lane))
        ranked, others = ranked[:LANES], ranked[LANES:]
        ranked.sort(key=lambda lane: lane[0])
        place = {lane: index for index, lane in enumerate(ranked)}
        lanes = [{"process": process, "name": escape(name)} for process, name in ranked]
        if others:
            place.update(dict.fromkeys(others, len(lanes)))
            lanes.append({"process": -1, "name": f"{len(others)} other threads"})
        stalls = self.trace.stalls
        return lanes, {
            "start": [round(stall.start_us, 1) for stall in stalls],
            "held": [round(stall.held_us, 1) for stall in stalls],
            "site": [stall.site for stall in stalls],
            "lane": [place[stall.process, stall.thread] for stall in stalls],
        }


def _classes(
    rules: Sequence[tuple[str, str]], sites: Sequence[Site]
) -> tuple[list[dict[str, Any]], list[int]]:
    """The colours: rules by the time held, then what no rule reports, then other waits; and that of each site."""
    held: defaultdict[tuple[str, str], float] = defaultdict(float)
    for rule, site in zip(rules, sites, strict=True):
        if site.kind != WAIT and rule[0]:
            held[rule] += site.held_us
    ranked = sorted(held, key=lambda rule: (-held[rule], rule))
    named = ranked if len(ranked) <= RULES else ranked[: RULES - 1]
    classes: list[dict[str, Any]] = [
        {"kind": "rule", "label": escape(code), "name": escape(name), "colour": index}
        for index, (code, name) in enumerate(named)
    ]
    if len(named) < len(ranked):
        rest = ", ".join(escape(code) for code, _ in ranked[len(named) :])
        classes.append({"kind": "rule", "label": "other rules", "name": rest, "colour": RULES - 1})
    place = {rule: min(index, len(classes) - 1) for index, rule in enumerate(ranked)}
    none = len(classes)
    classes.append({"kind": "none", "label": "no rule", "name": "the linter does not report it"})
    classes.append({"kind": "wait", "label": "other waits", "name": "not for a copy to the device"})
    return classes, [
        none + 1 if site.kind == WAIT else place.get(rule, none)
        for rule, site in zip(rules, sites, strict=True)
    ]


def _marked(number: int, text: str, frame: Frame) -> tuple[str, int, int]:
    """A line with tabs expanded and nothing in it that could mislead, and where in it the frame's expression stands."""
    first = end = 0
    if frame.line <= number <= max(frame.line, frame.end_line):
        stop = len(text)
        begin = len(text) - len(text.lstrip())
        if frame.column and number == frame.line:
            begin = frame.column - 1
        if frame.end_column and number == frame.end_line:
            stop = frame.end_column - 1
        if begin < stop:
            first, end = len(shown(text[:begin])), len(shown(text[:stop]))
    return shown(text), first, end


def shown(line: str) -> str:
    """A line of source as it may be shown: tabs as spaces, control characters spelled out, not without end."""
    line = escape(line.expandtabs(4).rstrip("\r\n"))
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


def _body(diff: str) -> list[str]:
    # Only newlines end a line of a diff: a form feed is a part of its text.
    lines = diff.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if len(lines) > 1 and lines[0].startswith("--- ") and lines[1].startswith("+++ "):
        return lines[2:]
    return lines


def _date(seconds: float) -> str:
    if seconds <= 0:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def build(
    trace: Trace,
    rows: Sequence[SiteRow],
    extra: Sequence[FindingRow],
    notes: Sequence[str] = (),
    read: Read = read_lines,
    root: str | None = None,
) -> Mapping[str, Any]:
    """What the page's script reads; see `Payload` for the arguments."""
    return Payload(trace, rows, extra, notes, read, root or str(Path.cwd())).build()
