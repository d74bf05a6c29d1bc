"""Turns the figures in ``docs/measured`` into Markdown tables. Standard library only.

The files are written by ``tests/gpu`` (see ``docs/proof.md``); a figure that is missing is said to be.
"""

from __future__ import annotations

import importlib
import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).resolve().parent.parent / "measured"

Figure = Mapping[str, Any]


def render_measured(name: str, folder: Path = MEASURED) -> str:
    """The table for a name: ``logits_processor``, ``rules``, a rule's code, or a key of ``runtime_figures.TABLES``.

    Hyphens in the name stand for underscores.
    """
    name = name.replace("-", "_")
    runtime = _tables()
    if name in runtime:
        file, rows = runtime[name]
        document = _load(folder / file)
        lines = _table(*rows(document.get("figures", {})))
        return "\n".join([_machine(document), "", *lines]) if lines else f"*Not measured yet: {name}.*"
    document = _load(folder / ("logits_processor.json" if name == "logits_processor" else "rules.json"))
    races = _load(folder / "hazards.json")
    if name in races.get("figures", {}):
        return "\n".join([_machine(races), "", *_races(races["figures"][name])])
    figures: Mapping[str, Figure] = document.get("figures", {})
    if name == "logits_processor":
        lines = _logits_processor(figures)
    elif name == "rules":
        lines = _rules(figures)
    else:
        lines = _rule(figures.get(name, {}))
    if not lines:
        return f"*Not measured yet: {name}.*"
    return "\n".join([_machine(document), "", *lines])


def _tables() -> Mapping[str, Any]:
    """Those of ``runtime_figures``, which lies beside this file; mkdocs imports neither as part of a package."""
    prefix = f"{__package__}." if __package__ else ""
    tables: Mapping[str, Any] = importlib.import_module(f"{prefix}runtime_figures").TABLES
    return tables


def _load(path: Path) -> Mapping[str, Any]:
    try:
        document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return document


def _machine(document: Mapping[str, Any]) -> str:
    return (
        f"Measured on {document['date']}: {document['gpu']}, torch {document['torch']}, "
        f"CUDA {document['cuda']}, driver {document['driver']}, Python {document['python']}, "
        f"with `{document['command']}`."
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return [f"| {' | '.join(header)} |", "|" + "---|" * len(header), *body] if body else []


def _logits_processor(figures: Mapping[str, Figure]) -> list[str]:
    rows = []
    for name, figure in figures.items():
        before, after = figure["before"], figure["after"]
        rows.append(
            [
                name,
                str(figure["batches"]),
                f"{_numbers(before['h2d_syncs_per_batch'])} → {_numbers(after['h2d_syncs_per_batch'])}",
                _causes(before["other_syncs"]),
                f"{_ms(before)} → {_ms(after)}",
            ]
        )
    header = [
        "batches",
        "number, all bit-identical",
        "blocking H2D copies a batch",
        "other waits in all batches (the same before and after)",
        f"host held behind {_queued(figures.values())} of queued work",
    ]
    return _table(header, rows)


def _numbers(values: Sequence[int]) -> str:
    """``3``, or ``3 to 5``."""
    return str(values[0]) if len(values) == 1 else f"{min(values)} to {max(values)}"


def _causes(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {cause}" for cause, count in sorted(counted.items())) or "none"


def _ms(side: Figure) -> str:
    return _time(side["held_ms"])


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds >= 1 else f"{milliseconds:.2f} ms"


def _queued(figures: Iterable[Figure]) -> str:
    """The queued work, typical of all sides."""
    sides = [side for figure in figures for side in (figure["before"], figure["after"]) if side]
    taken = [side["queued_ms"] for side in sides if "queued_ms" in side]
    return f"{statistics.median(taken):.0f} ms" if taken else "some ms"


def _cases(figure: Figure) -> dict[str, Figure]:
    functions: Mapping[str, Figure] = figure.get("functions", {})
    return {name: one for name, one in functions.items() if name.startswith("case_")}


def _rules(figures: Mapping[str, Figure]) -> list[str]:
    rows = []
    for code, figure in figures.items():
        cases = _cases(figure)
        fixed = [one for one in cases.values() if one["after"]]
        silent = len(figure["functions"]) - len(cases)
        copies = [sum(one[side]["h2d_syncs"] for one in fixed) for side in ("before", "after")]
        held = [[one[side]["held_ms"] for one in fixed] for side in ("before", "after")]
        rows.append(
            [
                f"[{code}](rules/{code}.md)",
                f"{len(fixed)} of {len(cases)}",
                f"{copies[0]} → {copies[1]}" if fixed else "",
                f"{_time(statistics.median(held[0]))} → {_time(statistics.median(held[1]))}" if fixed else "",
                str(silent),
            ]
        )
    every = [one for figure in figures.values() for one in _cases(figure).values()]
    header = [
        "rule",
        "cases with a fix, all bit-identical",
        "blocking H2D copies in them",
        f"host held behind {_queued(every)} of queued work, median case",
        "functions that hold nobody",
    ]
    return _table(header, rows)


def _rule(figure: Figure) -> list[str]:
    cases = _cases(figure)
    rows = []
    for name, one in cases.items():
        before, after = one["before"], one["after"]
        rows.append(
            [
                f"`{name}`",
                _counted(one["findings"]),
                f"{before['h2d_syncs']} → {after['h2d_syncs']}" if after else f"{before['h2d_syncs']}",
                f"{_ms(before)} → {_ms(after)}" if after else _ms(before),
            ]
        )
    held = f"host held behind {_queued(cases.values())} of queued work"
    return _table(["case", "findings: fix", "blocking H2D copies", held], rows)


def _counted(findings: Iterable[str]) -> str:
    """What was found, each once: ``HTD101: unsafe (3), HTD101: safe``."""
    counts = Counter(findings)
    return ", ".join(f"{what} ({count})" if count > 1 else what for what, count in counts.items())


def _races(figure: Figure) -> list[str]:
    """How often the reported cases of a race were wrong, and what they were after the fix."""
    functions: Mapping[str, Figure] = figure["functions"]
    rows = []
    for name, one in functions.items():
        after = one["wrong_after"]
        rows.append(
            [
                f"`{name}`",
                _counted(one["findings"]) or "none",
                f"{one['wrong_before']} of {one['runs']}",
                "" if after is None else f"{after} of {one['runs']}",
            ]
        )
    return _table(["function", "findings: fix", "wrong behind queued work", "wrong after the fix"], rows)
