"""Verdicts as plain lists, for a cache that anyone may have written to: nothing in it can run."""

from __future__ import annotations

from typing import Any

from h2dlint.engine.results import FileResult, Hidden, Note, Silenced, Suppression
from h2dlint.model import (
    Applicability,
    Cells,
    Confidence,
    Context,
    Edit,
    Effect,
    ErrorKind,
    FileError,
    Finding,
    Fix,
    Gain,
    Span,
)

Packed = list[Any]


def pack(result: FileResult) -> Packed:
    """A verdict as JSON can hold it, without the path of the file and what a baseline says of it."""
    return [
        [_finding(finding) for finding in result.findings],
        [[error.line, error.kind.value, error.message] for error in result.errors],
        [result.hidden.cold, result.hidden.low_confidence],
        result.suppressed,
        int(result.screened_out),
        [[s.line, s.text, s.codes, int(s.used), s.codes_used, s.reason] for s in result.suppressions],
        [[note.line, note.message, int(note.counts)] for note in result.notes],
        [
            [_finding(each.finding), result.suppressions.index(each.comment)]
            for each in result.silenced
            if each.comment is not None
        ],
        None if result.cells is None else [result.cells.numbers, result.cells.firsts, result.cells.raw],
    ]


def unpack(packed: Packed, path: str) -> FileResult:
    """The verdict again.

    Args:
        packed: by ``pack``.
        path: of the file, as reports show it now.

    Raises:
        ValueError, TypeError, LookupError: it is nothing that ``pack`` made.
    """
    findings, errors, hidden, suppressed, screened_out, suppressions, notes, silenced, cells = packed
    comments = tuple(
        Suppression(line, text, tuple(codes), bool(used), tuple(codes_used), reason)
        for line, text, codes, used, codes_used, reason in suppressions
    )
    return FileResult(
        path,
        tuple(_read_finding(finding, path) for finding in findings),
        tuple(FileError(path, line, ErrorKind(kind), message) for line, kind, message in errors),
        Hidden(*hidden),
        suppressed,
        bool(screened_out),
        comments,
        tuple(Note(path, line, message, bool(counts)) for line, message, counts in notes),
        tuple(Silenced(_read_finding(finding, path), comments[number]) for finding, number in silenced),
        None if cells is None else Cells(*map(tuple, cells)),
    )


def _span(span: Span) -> list[int]:
    return [span.line, span.column, span.end_line, span.end_column]


def _finding(finding: Finding) -> Packed:
    gain, fix = finding.gain, finding.fix
    return [
        _span(finding.span),
        finding.code,
        finding.name,
        finding.message,
        finding.function,
        finding.context.value,
        int(finding.confidence),
        finding.effect.value,
        finding.evidence,
        finding.group,
        None if gain is None else [gain.negated_by_line, gain.idle_us, gain.note],
        None
        if fix is None
        else [
            fix.applicability.value,
            fix.title,
            [[_span(edit.span), edit.content] for edit in fix.edits],
            fix.reasons,
        ],
        finding.statement,
    ]


def _read_finding(packed: Packed, path: str) -> Finding:
    span, code, name, message, function, context, confidence, effect, evidence, group, gain, fix, lines = (
        packed
    )
    return Finding(
        path,
        Span(*span),
        code,
        name,
        message,
        function,
        Context(context),
        Confidence(confidence),
        Effect(effect),
        tuple(evidence),
        group,
        None if gain is None else Gain(*gain),
        None if fix is None else _read_fix(*fix),
        (lines[0], lines[1]),
    )


def _read_fix(applicability: str, title: str, edits: list[Any], reasons: list[str]) -> Fix:
    made = tuple(Edit(Span(*span), content) for span, content in edits)
    return Fix(Applicability(applicability), title, made, tuple(reasons))
