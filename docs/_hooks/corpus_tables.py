"""Puts the tables of the corpus and of mutation testing where a page asks for them.

The markers are ``<!-- corpus -->``, ``<!-- corpus-rules -->`` and ``<!-- mutation -->``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARKER = re.compile(r"<!-- *(corpus|corpus-rules|mutation) *-->")
DOCS = Path(__file__).resolve().parent.parent


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the markers."""
    return MARKER.sub(lambda match: TABLES[match[1]](), markdown)


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DOCS / name).read_text(encoding="utf-8"))
    return document


def corpus_table(document: dict[str, Any]) -> str:
    """A row for each package: what was read, what was found, and what the fixes came to.

    Args:
        document: as ``tests/corpus`` writes it.
    """
    lines = [
        "| package | files | lines | findings | by default | safe fixes, files | all fixes, files | processor s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    rows = document["packages"]
    for name, row in rows.items():
        lines.append(f"| {name} {row['version']} | {' | '.join(_cells([row]))} |")
    lines.append(f"| **{len(rows)} packages** | {' | '.join(_cells(list(rows.values())))} |")
    return "\n".join(lines)


def _cells(rows: list[dict[str, Any]]) -> list[str]:
    def total(*keys: str) -> str:
        values = []
        for row in rows:
            value: Any = row
            for key in keys:
                value = value[key]
            values.append(value)
        return f"{round(sum(values)):,}"

    return [
        *(total(key) for key in ("files", "lines", "findings", "default")),
        *(f"{total('fixed', kind, 'fixes')}, {total('fixed', kind, 'files')}" for kind in ("safe", "all")),
        total("processor_seconds"),
    ]


def rules_table(document: dict[str, Any]) -> str:
    """A row for each rule: findings over all packages by what a plain check shows, applicability and confidence.

    Args:
        document: as ``tests/corpus`` writes it.
    """
    columns = ("findings", "default", "safe", "unsafe", "display-only", "none", "high", "medium", "low")
    sums: dict[str, Counter[str]] = {}
    for row in document["packages"].values():
        for rule, counts in row["rules"].items():
            sums.setdefault(rule, Counter()).update(counts)
    lines = [f"| rule | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for rule in sorted(sums):
        lines.append(f"| [{rule}](rules/{rule}.md) | {' | '.join(f'{sums[rule][c]:,}' for c in columns)} |")
    return "\n".join(lines)


def mutation_table(document: dict[str, Any]) -> str:
    """Two rows: what became of the mutants with the tests as they were, and with those that were added.

    Only the first is an estimate for all mutants: the second is of mutants that tests were written for.

    Args:
        document: of ``docs/mutation.json``.
    """
    lines = ["| tests | mutants tried | killed | survived | score |", "|---|---:|---:|---:|---:|"]
    for name in ("before", "after"):
        run = document[name]
        statuses = Counter(run["statuses"])
        killed = statuses["killed"] + statuses["timeout"]
        score = f"{run['score']:.1%}"
        if name == "before":
            low, high = run["interval_95"]
            score += f" (95 % interval {low:.1%} to {high:.1%})"
        lines.append(
            f"| {name} tests were added | {run['tried']:,} of {run['mutants']:,} | {killed:,} "
            f"| {run['tried'] - killed:,} | {score} |"
        )
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "corpus": lambda: corpus_table(_read("corpus.json")),
    "corpus-rules": lambda: rules_table(_read("corpus.json")),
    "mutation": lambda: mutation_table(_read("mutation.json")),
}
"""Marker to what is put in its place."""
