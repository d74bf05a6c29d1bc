"""A verdict as people read it: tables for a terminal, and Markdown for a pull request."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from h2dlint.report.style import escape
from h2dlint.runtime.verdict import DIFFERENT, IDENTICAL, AppliedFix, Fault, RunFigures, SiteChange, Verdict

if TYPE_CHECKING:
    from rich.console import Console

NONE = "-"
"""Stands for a figure that was not taken."""

MAX_ROWS = 30
"""Lines that a table lists; the JSON has all."""

_STYLES = {IDENTICAL: "bold green", DIFFERENT: "bold red"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the columns named in ``numbers`` are aligned to the right."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Lines:
    """A heading with a list below it; the heading alone is a sentence.

    Args:
        title: one line.
        items: of the list; ``code`` in them is literal text of the program.
        literal: the items are output of the program, to be shown as it is.
    """

    title: str
    items: tuple[str, ...] = ()
    literal: bool = False


def render(verdict: Verdict, console: Console) -> None:
    """Print a verdict on a terminal."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    console.print(
        Text(f"{verdict.state}: {_clean(verdict.reason)}", style=_STYLES.get(verdict.state, "bold yellow"))
    )
    for part in sections(verdict):
        console.print()
        if isinstance(part, Lines):
            console.print(Text(_clean(part.title)))
            for item in part.items:
                console.print(Text(f"  {_clean(item)}"), soft_wrap=True)
            continue
        table = RichTable(
            title=_clean(part.title) or None, title_justify="left", title_style="", box=box.SIMPLE_HEAD
        )
        for index, name in enumerate(part.header):
            table.add_column(name, justify="right" if index in part.numbers else "left", overflow="fold")
        for row in part.rows:
            table.add_row(*(Text(_clean(cell)) for cell in row))
        console.print(table)


def markdown(verdict: Verdict) -> str:
    """A verdict as GitHub Markdown."""
    parts = [f"**h2dlint verify: {verdict.state}**: {_escaped(verdict.reason)}."]
    parts.append(f"{_code(shlex.join(verdict.command))}")
    for part in sections(verdict):
        if isinstance(part, Lines):
            parts.append(_escaped(part.title))
            if part.items and part.literal:
                fence = "`" * max(3, 1 + max(len(run) for run in re.findall("`*", "\n".join(part.items))))
                parts.append("\n".join([f"{fence}text", *map(_clean, part.items), fence]))
            elif part.items:
                parts.append("\n".join(f"- {_code(item)}" for item in part.items))
            continue
        if part.title:
            parts.append(_escaped(part.title))
        ruler = ("---:" if index in part.numbers else "---" for index in range(len(part.header)))
        rows = [part.header, tuple(ruler), *(tuple(map(_cell, row)) for row in part.rows)]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(parts) + "\n"


def sections(verdict: Verdict) -> Iterator[Table | Lines]:
    """What there is to say, in order."""
    if verdict.runs:
        yield _figures(verdict.runs)
    yield from _failures(verdict)
    if len(verdict.runs) >= 3:
        yield _outputs(verdict)
        if verdict.differences:
            yield Lines("What differs:", verdict.differences)
    yield from _faults(verdict)
    if verdict.nondeterministic:
        title = "Not compared, because it differs from run to run of the program as it is:"
        yield Lines(title, verdict.nondeterministic)
    if len(verdict.runs) >= 3:
        yield from _fixes(verdict)
        yield from _sites(verdict)
    notes = [*verdict.notes, *dict.fromkeys(note for run in verdict.runs for note in run.notes)]
    if notes:
        yield Lines("Notes:", tuple(notes))
    if verdict.gpu:
        yield Lines(f"{verdict.gpu}, torch {verdict.torch}, Python {verdict.python}, {verdict.date}")


def _figures(runs: Sequence[RunFigures]) -> Table:
    def row(name: str, show: Callable[[RunFigures], str], traced: bool = True) -> tuple[str, ...]:
        return (name, *(show(run) if run.traced or not traced else NONE for run in runs))

    rows = (
        row("exit status", lambda run: run.status, traced=False),
        row("values recorded", lambda run: f"{run.records:,}", traced=False),
        row("host-to-device copies that held the host", lambda run: f"{run.blocking:,}"),
        row("host time that they held (ms)", lambda run: milliseconds(run.held_us)),
        row("other waits for the device", lambda run: f"{run.waits:,}"),
        row("host time in those (ms)", lambda run: milliseconds(run.waited_us)),
        row("wall time (s)", lambda run: f"{run.wall_s:.2f}", traced=False),
    )
    return Table("", ("", *(run.name for run in runs)), rows, frozenset(range(1, len(runs) + 1)))


def _failures(verdict: Verdict) -> Iterator[Lines]:
    for run in verdict.runs:
        if run.failed:
            tail = [line for line in run.stderr.splitlines() if line.strip()][-20:]
            ended = f"The run {run.name} ended with exit status {run.status}"
            yield Lines(
                f"{ended}. The end of its standard error:" if tail else f"{ended}.", tuple(tail), literal=True
            )


def _outputs(verdict: Verdict) -> Lines:
    if not verdict.records:
        return Lines("Outputs: none were compared.")
    what = f"{_count(verdict.records, 'value')} with {_count(verdict.tensors, 'tensor')} ({size_text(verdict.bytes)})"
    outputs = "identical" if not verdict.differences else "not all identical"
    return Lines(f"Outputs compared: {what}, {outputs}.")


def _faults(verdict: Verdict) -> Iterator[Lines]:
    search = verdict.search
    if search is None:
        return
    for fault in search.faults:
        yield Lines(_blame(fault), _listed(fault.fixes))
        yield Lines("The difference that this makes:", fault.differences)
    runs = _count(search.runs, "run")
    if not search.faults:
        yield Lines(f"No fix at fault was found in {runs}.")
    elif search.complete and all(fault.smallest for fault in search.faults):
        yield Lines(f"Without {'it' if _single(search.faults) else 'these'} nothing differs ({runs}).")
    else:
        yield Lines(f"The search gave up after {runs}: there may be other fixes at fault.")


def _blame(fault: Fault) -> str:
    if len(fault.fixes) == 1:
        return "The fix at fault, which makes a difference when it is applied alone:"
    if fault.smallest:
        return (
            f"These {len(fault.fixes)} fixes make a difference together, and none of them without the others:"
        )
    return f"The smallest set of fixes found that makes a difference ({len(fault.fixes)}; there may be a smaller one):"


def _single(faults: Sequence[Fault]) -> bool:
    return sum(len(fault.fixes) for fault in faults) == 1


def _fixes(verdict: Verdict) -> Iterator[Lines]:
    idle = tuple(fix for fix in verdict.fixes if fix.ran is False)
    unknown = sum(fix.ran is None for fix in verdict.fixes)
    applied = f"Fixes applied: {len(verdict.fixes):,}"
    if unknown:
        yield Lines(f"{applied}. Whether {unknown:,} of them ran is not known: that takes Python 3.12.")
    else:
        yield Lines(
            f"{applied}, of which {verdict.ran:,} {'was' if verdict.ran == 1 else 'were'} seen to run."
        )
    if idle:
        yield Lines("Nothing was shown of these, which did not run:", _listed(idle))


def _listed(fixes: Sequence[AppliedFix]) -> tuple[str, ...]:
    shown = [str(fix) for fix in fixes[:MAX_ROWS]]
    return tuple(shown if len(fixes) <= MAX_ROWS else [*shown, f"and {len(fixes) - MAX_ROWS:,} more"])


def _sites(verdict: Verdict) -> Iterator[Table]:
    gone = [site for site in verdict.sites if site.before and not site.after]
    stay = [site for site in verdict.sites if site.after]
    if gone:
        header: tuple[str, ...] = ("line", "function", "copy", "rule", "copies", "held (ms)")
        rows: list[tuple[str, ...]] = [
            (
                site.place,
                site.function,
                site.operator,
                site.rule,
                f"{site.before:,}",
                milliseconds(site.held_before_us),
            )
            for site in gone[:MAX_ROWS]
        ]
        title = f"Lines that no longer hold the host{_first(gone)}:"
        yield Table(title, header, tuple(rows), frozenset({4, 5}))
    if stay:
        header = (
            "line",
            "function",
            "copy",
            "rule",
            "before",
            "after",
            "held before (ms)",
            "held after (ms)",
        )
        rows = [
            (
                site.place,
                site.function,
                site.operator,
                f"{site.rule}: {site.why}" if site.why else site.rule,
                f"{site.before:,}",
                f"{site.after:,}",
                milliseconds(site.held_before_us),
                milliseconds(site.held_after_us),
            )
            for site in stay[:MAX_ROWS]
        ]
        title = f"Lines that still hold the host{_first(stay)}:"
        yield Table(title, header, tuple(rows), frozenset({4, 5, 6, 7}))


def _first(sites: Sequence[SiteChange]) -> str:
    return f" (the first {MAX_ROWS} of {len(sites):,})" if len(sites) > MAX_ROWS else ""


def milliseconds(us: float) -> str:
    """Microseconds as milliseconds, to the microsecond below one."""
    return f"{us / 1000:,.3f}" if us < 1000 else f"{us / 1000:,.1f}"


def size_text(count: int) -> str:
    """Bytes as people say them."""
    if count < 1000:
        return _count(count, "byte")
    size = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.5 or unit == "TB":
            break
    return f"{size:.3g} {unit}"


def _count(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def _clean(text: str) -> str:
    return escape(text.expandtabs(8))


def _escaped(text: str) -> str:
    """Text that Markdown takes as it is."""
    return re.sub(r"([\\`*_\[\]<>#|~&])", r"\\\1", _clean(text))


def _code(text: str) -> str:
    shown = _clean(text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if "`" in shown or (shown[:1] == shown[-1:] == " ") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _cell(text: str) -> str:
    return _escaped(text) or " "
