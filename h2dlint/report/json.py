"""The format for programs, version 1."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

from h2dlint.model import Applicability, Confidence, Context, Edit, FileError, Finding, Fix, Gain, Measured
from h2dlint.report.base import Reporter
from h2dlint.report.statistics import count_rules
from h2dlint.report.style import defused_json
from h2dlint.report.summary import count_fixable

if TYPE_CHECKING:
    from h2dlint.engine.results import Note, Report

VERSION = 1
"""Raised when a key changes its meaning or goes away; a new key does not raise it."""


class JsonReporter(Reporter):
    """One object with findings, errors and summary; the same bytes for the same report."""

    cells = True

    def report(self, report: Report) -> Iterator[str]:
        """Yield the object; findings are in path order."""
        yield _dump(
            {
                "version": VERSION,
                "findings": [finding_object(finding) for finding in report.findings],
                "errors": [error_object(error) for error in report.errors],
                "notes": [note_object(note) for note in report.notes],
                "summary": summary_object(report),
            }
        )

    def statistics(self, report: Report) -> Iterator[str]:
        """Yield an array with an object for each rule that fired, as ruff does."""
        yield _dump(
            [
                {
                    "code": row.code,
                    "name": row.name,
                    "count": row.count,
                    "fixable": row.fixable > 0,
                    "fixable_count": row.fixable,
                    "baseline": row.known,
                }
                for row in count_rules(report, self.view)
            ]
        )


def finding_object(finding: Finding) -> dict[str, Any]:
    """A finding as version 1 writes it; why a fix is not safe ends ``evidence``, prefixed ``fix: ``."""
    reasons = finding.fix.reasons if finding.fix is not None else ()
    return {
        "path": finding.path,
        "cell": finding.cell,
        "line": finding.span.line,
        "column": finding.span.column,
        "end_line": finding.span.end_line,
        "end_column": finding.span.end_column,
        "code": finding.code,
        "name": finding.name,
        "message": finding.message,
        "function": finding.function,
        "context": finding.context.value,
        "confidence": finding.confidence.label,
        "effect": finding.effect.value,
        "evidence": [*finding.evidence, *(f"fix: {reason}" for reason in reasons)],
        "group": finding.group,
        "gain": None if finding.gain is None else gain_object(finding.gain),
        "trace": None if finding.trace is None else trace_object(finding.trace),
        "fix": None if finding.fix is None else fix_object(finding.fix),
    }


def gain_object(gain: Gain) -> dict[str, Any]:
    """What a fix is worth as version 1 writes it."""
    return {"negated_by_line": gain.negated_by_line, "idle_us": gain.idle_us, "note": gain.note}


def trace_object(measured: Measured) -> dict[str, Any]:
    """What a recorded run says of a finding as version 1 writes it; times are in microseconds."""
    return {
        "status": measured.status.value,
        "count": measured.count,
        "blocked": measured.blocked,
        "held_us": round(measured.held_us, 3),
        "max_us": round(measured.max_us, 3),
        "bytes": measured.bytes,
        "among": measured.among,
    }


def fix_object(fix: Fix) -> dict[str, Any]:
    """A fix as version 1 writes it."""
    return {
        "applicability": fix.applicability.value,
        "title": fix.title,
        "edits": [_edit_object(edit) for edit in fix.edits],
    }


def error_object(error: FileError) -> dict[str, Any]:
    """An error as version 1 writes it."""
    return {
        "path": error.path,
        "cell": error.cell,
        "line": error.line,
        "kind": error.kind.value,
        "message": error.message,
    }


def note_object(note: Note) -> dict[str, Any]:
    """A note as version 1 writes it."""
    return {"path": note.path, "line": note.line, "message": note.message}


def summary_object(report: Report) -> dict[str, Any]:
    """The counts of a report; every context, confidence and applicability is there, be it with 0."""
    findings = report.findings
    fixable = count_fixable(findings)
    return {
        "files_checked": report.checked,
        "findings": len(findings),
        "by_code": dict(sorted(Counter(finding.code for finding in findings).items())),
        "by_context": _tally(Context, [finding.context for finding in findings]),
        "by_confidence": {
            level.label: sum(finding.confidence is level for finding in findings)
            for level in sorted(Confidence, reverse=True)
        },
        "fixable": {applicability.value: fixable[applicability] for applicability in Applicability},
        "hidden": {
            "cold": report.hidden.cold,
            "low_confidence": report.hidden.low_confidence,
            "unchanged": report.hidden.unchanged,
        },
        "baseline": len(report.known),
        "suppressed": report.suppressed,
        "fixed": report.fixed_count,
        "errors": len(report.errors),
    }


def _tally(kinds: type[Enum], values: list[Any]) -> dict[str, int]:
    counts = Counter(values)
    return {kind.value: counts[kind] for kind in kinds}


def _edit_object(edit: Edit) -> dict[str, Any]:
    return {
        "cell": edit.cell,
        "line": edit.span.line,
        "column": edit.span.column,
        "end_line": edit.span.end_line,
        "end_column": edit.span.end_column,
        "content": edit.content,
    }


def _dump(value: object) -> str:
    return defused_json(json.dumps(value, indent=2, ensure_ascii=True)) + "\n"
