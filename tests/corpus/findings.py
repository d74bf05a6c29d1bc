"""What is kept of each finding: enough to tell that it is there and fixed as before, and nothing of the source.

A file of findings has a line for each file with findings, and under it, indented, a line for each of them::

    package/module.py
      120:8 HTD101 safe high hot default 3f2a91

Line and column; rule; applicability of the fix, or ``none``; confidence; context; whether a plain ``h2dlint check``
shows it; and the first digits of a digest of the fix's edits.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERYTHING = ("--cold", "--min-confidence", "low")
EDIT = ("cell", "line", "column", "end_line", "end_column", "content")
PROGRAM = "from h2dlint.cli import main; main()"


@dataclass(frozen=True, order=True)
class Found:
    """One finding.

    Args:
        path: of the file within its wheel.
        line: from 1.
        column: from 1, in code points.
        rule: its code.
        fix: applicability, or ``none``.
        confidence: as the report has it.
        context: as the report has it.
        shown: ``default`` where a plain check shows it, else ``hidden``.
        digest: of the fix's edits; ``-`` without any.
    """

    path: str
    line: int
    column: int
    rule: str
    fix: str
    confidence: str
    context: str
    shown: str
    digest: str

    @property
    def place(self) -> tuple[str, int, int, str]:
        """What makes it the same finding in two runs."""
        return self.path, self.line, self.column, self.rule

    @property
    def said(self) -> str:
        """What may change of one finding, in words."""
        return f"{self.fix} {self.confidence} {self.context} {self.shown} {self.digest}"

    @staticmethod
    def parse(raw: Mapping[str, Any], shown: bool) -> Found:
        """The finding of one JSON object; ``shown`` tells whether a plain check shows it."""
        fix = raw["fix"]
        # Another revision of h2dlint may say more or less of an edit.
        edits = [{key: edit.get(key) for key in EDIT} for edit in (fix["edits"] if fix else [])]
        digest = hashlib.sha256(json.dumps(edits, sort_keys=True).encode()).hexdigest()[:6] if edits else "-"
        applicability = fix["applicability"] if fix else "none"
        words = (raw["confidence"], raw["context"], "default" if shown else "hidden", digest)
        return Found(raw["path"], raw["line"], raw["column"], raw["code"], applicability, *words)


@dataclass(frozen=True)
class Checked:
    """What two runs over a tree said.

    Args:
        findings: sorted.
        errors: kind of error to the number of files.
        internal: messages of internal errors.
        files: number of files checked.
    """

    findings: tuple[Found, ...]
    errors: Mapping[str, int]
    internal: tuple[str, ...]
    files: int


def run(tree: Path, code: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run the h2dlint that lies in the folder ``code``, in ``tree``, without regard to any configuration."""
    environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, encoding="utf-8"
    )


def report(tree: Path, code: Path, options: Sequence[str], paths: Sequence[str] = (".",)) -> dict[str, Any]:
    """The JSON report on a tree, or on some of its files.

    Raises:
        RuntimeError: there is none.
    """
    done = run(tree, code, ["check", "--isolated", "--output-format", "json", *options, *paths])
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"h2dlint ended with {done.returncode} in {tree}: {done.stderr[-500:]}") from error
    return document


def check(tree: Path, code: Path, cache: Path | None = None) -> Checked:
    """Check a tree with everything shown, and what has findings once more as a plain ``h2dlint check`` does.

    Args:
        tree: what to check.
        code: folder that holds the package h2dlint.
        cache: folder for verdicts; no cache where not given.

    Raises:
        RuntimeError: h2dlint said nothing of use, or the plain run shows what the full one does not.
    """
    kept = ["--no-cache"] if cache is None else ["--cache-dir", str(cache)]
    full = report(tree, code, [*EVERYTHING, *kept])
    # A verdict does not depend on which paths are given.
    paths = sorted({raw["path"] for raw in full["findings"]})
    plain = {_span(raw) for raw in report(tree, code, kept, paths)["findings"]} if paths else set()
    if lost := plain - {_span(raw) for raw in full["findings"]}:
        raise RuntimeError(f"shown by default, but not with {' '.join(EVERYTHING)}: {min(lost)}")
    found = tuple(sorted(Found.parse(raw, _span(raw) in plain) for raw in full["findings"]))
    errors = full["errors"]
    internal = [f"{raw['path']}: {raw['message']}" for raw in errors if raw["kind"] == "internal"]
    kinds = Counter(str(raw["kind"]) for raw in errors)
    return Checked(found, dict(sorted(kinds.items())), tuple(internal), full["summary"]["files_checked"])


def _span(raw: Mapping[str, Any]) -> tuple[str, int, int, int, int, str]:
    """What tells findings of one run apart: ``x[i][j]`` is two at one place."""
    return raw["path"], raw["line"], raw["column"], raw["end_line"], raw["end_column"], raw["code"]


def dump(findings: Iterable[Found]) -> str:
    """The text of a file of findings."""
    lines: list[str] = []
    path = ""
    for item in sorted(findings):
        if item.path != path:
            path = item.path
            lines.append(path)
        lines.append(f"  {item.line}:{item.column} {item.rule} {item.said}")
    return "".join(f"{line}\n" for line in lines)


def load(text: str) -> tuple[Found, ...]:
    """The findings of such a text.

    Raises:
        ValueError: a line is not of the form that ``dump`` writes.
    """
    found = []
    path = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("  "):
            path = line
            continue
        try:
            at, rule, fix, confidence, context, shown, digest = line.split()
            row, column = at.split(":")
            found.append(Found(path, int(row), int(column), rule, fix, confidence, context, shown, digest))
        except ValueError as error:
            raise ValueError(f"line {number} is no finding: {line}") from error
    return tuple(sorted(found))


def counts(findings: Iterable[Found]) -> dict[str, dict[str, int]]:
    """For each rule the number of findings, of those shown by default, and of each applicability and confidence."""
    table: dict[str, Counter[str]] = {}
    for item in findings:
        row = table.setdefault(item.rule, Counter())
        row.update(["findings", item.fix, item.confidence] + (["default"] if item.shown == "default" else []))
    columns = ("findings", "default", "safe", "unsafe", "display-only", "none", "high", "medium", "low")
    return {rule: {column: table[rule][column] for column in columns} for rule in sorted(table)}
