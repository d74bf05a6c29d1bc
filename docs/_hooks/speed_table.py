"""Puts the figures of ``docs/speed.json`` where a page asks for them with ``<!-- speed -->``."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

MARKER = re.compile(r"<!-- *speed *-->")
FILE = Path(__file__).resolve().parent.parent / "speed.json"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the marker."""
    return MARKER.sub(lambda _: speed_table(json.loads(FILE.read_text(encoding="utf-8"))), markdown)


def speed_table(document: dict[str, Any]) -> str:
    """What was timed on which tree, and a row for each command: the median of its runs.

    Args:
        document: as ``tests/bench`` writes it.
    """
    tree, machine = document["tree"], document["machine"]
    lines = [
        f"Measured on {document['date']} on `{tree['requirement']}` ({tree['files']:,} files, "
        f"{tree['lines']:,} lines), {machine['cores']} processors, Python {machine['python']}.",
        "",
        "| command | time | largest process |",
        "|---|---:|---:|",
    ]
    for name, runs in document["commands"].items():
        seconds, memory = (statistics.median(run[key] for run in runs) for key in ("seconds", "memory"))
        lines.append(f"| {name} | {seconds:.2f} s | {memory:.0f} MiB |")
    return "\n".join(lines)
