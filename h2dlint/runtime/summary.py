"""What ``h2dlint trace`` prints: where the host was held, by the time that it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from h2dlint.engine.files import display_path
from h2dlint.model import Ran
from h2dlint.report.measured import duration, size
from h2dlint.report.style import escape
from h2dlint.runtime.join import Explained, FindingRow, SiteRow
from h2dlint.runtime.traces import WAIT, Frame, Site, Trace

MOST_SITES = 30
"""Rows of the table; a line says what the others come to."""

WIDE = 110
"""Columns of a terminal below which the table leaves out what matters least."""

MOST_QUIET = 10
"""Lines of findings that ran without blocking."""

MOST_WAITS = 3


@dataclass(slots=True)
class _Row:
    """All that held the host at one line, whichever way it was called."""

    where: str
    verdict: str
    reported: bool
    known: bool
    kinds: set[str] = field(default_factory=set)
    blocked: int = 0
    count: int = 0
    held_us: float = 0.0
    max_us: float = 0.0
    bytes: int = 0
    threads: set[str] = field(default_factory=set)


def render(trace: Trace, explained: Explained, console: Console) -> None:
    """Print the report of a trace.

    Args:
        trace: what was recorded.
        explained: what the linter says of it.
        console: to print to; its width is that of the table.
    """
    _say(console, _headline(trace), "bold")
    rows = _rows(explained)
    if rows:
        console.print(_table(rows, trace, console.width))
        rest = rows[MOST_SITES:]
        if rest:
            held = duration(sum(row.held_us for row in rest))
            _say(console, f"and {_plural(len(rest), 'more site')}, {held} in all")
        _say(console, _reported(explained, rows))
    for line in _quiet(explained):
        _say(console, line)
    for line in (*_waits(trace), *_notes(trace, explained)):
        _say(console, line)
    if trace.sites and trace.source == "h2dlint":
        _say(
            console,
            "Times are those of the CUDA calls, until their thread goes on in Python: waiting for other Python "
            "threads is in them. What recording costs is not, but it is in the time of the run.",
        )


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(escape(text), style=style), soft_wrap=True)


def _headline(trace: Trace) -> str:
    if not trace.processes:
        return "No process used CUDA, so there is nothing to report."
    wall = sum(process.wall_s for process in trace.processes)
    processes = len(trace.processes)
    where = "" if processes == 1 else f" of {processes} processes"
    if not trace.blocking:
        return f"No host-to-device copy held the host in {duration(wall * 1e6)}{where}."
    copies = _plural(trace.blocking, "host-to-device copy", "host-to-device copies")
    # One thread may wait while another one works: the share can pass 100 %.
    share = f" ({_percent(trace.held_us, wall * 1e6)} of {duration(wall * 1e6)}{where})" if wall else ""
    return f"{copies} held the host for {duration(trace.held_us)}{share}."


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"


def _rows(explained: Explained) -> list[_Row]:
    """A row for each line, the longest held first; chains that lead to it are added up."""
    rows: dict[tuple[object, ...], _Row] = {}
    for site in explained.sites:
        frame = site.at.frame
        place = (frame.file, frame.line, frame.column, frame.end_line, frame.end_column) if frame else ()
        key = (*place, site.at.operator, site.verdict, site.at.compiling)
        row = rows.setdefault(key, _Row(_where(site), site.verdict, site.reported, bool(site.findings)))
        row.kinds.add(f"{site.at.kind} (compiling)" if site.at.compiling else site.at.kind)
        row.blocked += site.at.blocked
        row.count += site.at.count
        row.held_us += site.at.held_us
        row.max_us = max(row.max_us, site.at.max_us)
        row.bytes += site.at.bytes
        row.threads.update(site.at.threads)
    return sorted(rows.values(), key=lambda row: -row.held_us)


def _where(site: SiteRow) -> str:
    frame = site.at.frame
    if frame is None:
        return "no Python code known of this thread"
    line = frame.line
    if not frame.column and len(site.findings) == 1:
        line = site.findings[0].finding.span.line
    called = f", {site.at.operator}" if site.at.operator else ""
    return f"{site.path}:{line} {_function(frame)}{called}"


def _function(frame: Frame) -> str:
    return frame.function if frame.function.startswith("<") else f"{frame.function}()"


def _table(rows: Sequence[_Row], trace: Trace, width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    total = sum(row.held_us for row in rows)
    several = len({thread for site in trace.sites for thread in site.threads}) > 1
    wide = width >= WIDE
    for name in ("#", "held ms", *(("share",) if wide else ()), "count", "longest ms"):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("bytes", justify="right", no_wrap=True)
        table.add_column("kind", no_wrap=True)
    table.add_column("site", overflow="fold", ratio=2, min_width=16)
    table.add_column("rule", overflow="fold", ratio=1, min_width=12)
    if several and wide:
        table.add_column("threads", overflow="fold")
    for number, row in enumerate(rows[:MOST_SITES], 1):
        cells = [str(number), f"{row.held_us / 1e3:.3f}"]
        if wide:
            cells.append(_percent(row.held_us, total) if total else "")
        cells += [
            str(row.blocked) if row.blocked == row.count else f"{row.blocked} of {row.count}",
            f"{row.max_us / 1e3:.3f}",
        ]
        if wide:
            cells += [size(row.bytes), ", ".join(sorted(row.kinds))]
        cells += [row.where, row.verdict]
        if several and wide:
            cells.append(", ".join(sorted(row.threads)))
        # As text, so that nothing in a name is taken for markup.
        table.add_row(*(Text(escape(cell)) for cell in cells))
    return table


def _reported(explained: Explained, rows: Sequence[_Row]) -> str:
    shown = sum(row.reported for row in rows)
    hidden = sum(row.known and not row.reported for row in rows)
    parts = [f"h2dlint check reports {shown} of {_plural(len(rows), 'line')}"]
    if hidden:
        parts.append(
            f"{hidden} more with the options in brackets" if hidden > 1 else "1 more as said in brackets"
        )
    missed = len(rows) - shown - hidden
    if missed:
        parts.append(
            f"no rule sees {'the other' if shown or hidden else 'any'}{f' {missed}' if missed > 1 else ''}"
        )
    return "; ".join(parts) + "."


def _quiet(explained: Explained) -> Iterable[str]:
    """Findings that are false alarms, as far as this run goes, and those that it says nothing of."""
    quiet = explained.of(Ran.WITHOUT_BLOCKING)
    if quiet:
        yield f"Ran without blocking ({_plural(len(quiet), 'finding')}):"
        lines = _grouped(quiet)
        yield from (f"  {line}" for line in lines[:MOST_QUIET])
        if len(lines) > MOST_QUIET:
            yield f"  and {len(lines) - MOST_QUIET} more"
    for status, words in (
        (Ran.NEVER, "never ran"),
        (Ran.UNKNOWN, "did not block and are not known to have run"),
    ):
        rows = explained.of(status)
        if rows:
            verb = words if len(rows) > 1 else words.replace("are not", "is not")
            yield f"{_plural(len(rows), 'finding')} in the files of this trace {verb}."


def _grouped(rows: Sequence[FindingRow]) -> list[str]:
    lines: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        lines[row.finding.path, row.finding.code].append(row.finding.span.line)
    return [
        f"{path}:{', '.join(map(str, sorted(numbers)))} {code}"
        for (path, code), numbers in sorted(lines.items())
    ]


def _waits(trace: Trace) -> Iterable[str]:
    waits = [site for site in trace.sites if site.kind == WAIT]
    if not waits:
        return
    count = sum(site.count for site in waits)
    yield f"Other waits for the device: {_plural(count, 'time')}, {duration(trace.waited_us)} in all. The longest:"
    by_line: defaultdict[tuple[str, int, str], list[Site]] = defaultdict(list)
    for site in waits:
        frame = site.frame
        place = (frame.file, frame.line, _function(frame)) if frame else ("", 0, "")
        by_line[place].append(site)
    held = {place: sum(site.held_us for site in sites) for place, sites in by_line.items()}
    for place in sorted(held, key=lambda place: -held[place])[:MOST_WAITS]:
        file, line, function = place
        operators = sorted({site.operator for site in by_line[place]} - {""})
        times = _plural(sum(site.count for site in by_line[place]), "time")
        where = (
            f"{display_path(Path(file), Path.cwd())}:{line} {function}"
            if file
            else "no Python code known of this thread"
        )
        what = f", {', '.join(operators)}" if operators else ""
        yield f"  {duration(held[place])}, {times}: {where}{what}"


def _notes(trace: Trace, explained: Explained) -> Iterable[str]:
    for process in trace.processes:
        if process.note:
            yield f"Process {process.pid}: {process.note}."
        if process.dropped:
            dropped = _plural(process.dropped, "stall")
            yield f"Process {process.pid}: {dropped} are counted but not kept one by one, nor drawn."
    if trace.processes and trace.lines is None:
        because = "a profiler's trace" if trace.source != "h2dlint" else "before Python 3.12"
        yield f"Which lines ran is not known ({because})."
    for note in explained.notes:
        yield f"{note.path}:{note.line}: {note.message}."
    for error in explained.errors:
        yield f"{error.path}: not linted: {error.message}."


def _plural(count: int, noun: str, plural: str = "") -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"
