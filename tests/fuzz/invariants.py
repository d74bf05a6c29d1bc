"""What holds of every input, whatever is in it. Each function raises ``BrokenError`` where it does not.

The checks use nothing of what they check: offsets, lines, comments and spans are worked out anew.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from itertools import pairwise
from random import Random

from h2dlint.engine.edits import choose
from h2dlint.engine.noqa import add_noqa, same_program
from h2dlint.engine.results import Report
from h2dlint.engine.runner import ALWAYS_PARSED, lint_source, make_report
from h2dlint.engine.suppressions import apply_suppressions
from h2dlint.model import Applicability, ErrorKind, Finding, Span
from h2dlint.report import FORMATS, View
from h2dlint.rules import all_rules
from h2dlint.syntax.source import SourceText
from tests.fuzz.layout import plain
from tests.fuzz.subject import PATH, BrokenError, Subject, compiled, line_starts, parsed
from tests.fuzz.tokens import comments

_KNOWN = (ErrorKind.SYNTAX, ErrorKind.ENCODING)
_DEEP = "nested too deeply"
_NEWLINES = re.compile(r"\r\n|\r|\n")


def no_fault(subject: Subject, random: Random) -> None:
    """Nothing is raised, and errors are those of the file: one is reported just where CPython refuses it."""
    errors = subject.verdict.errors
    for error in errors:
        if error.kind not in _KNOWN:
            raise BrokenError("no_fault", f"{error.kind.value} error: {error.message}")
        if not subject.refusal and _DEEP not in error.message:
            raise BrokenError("no_fault", f"CPython takes it, h2dlint does not: {error.message}")
        lines = subject.data.count(b"\n") + subject.data.count(b"\r") + 1
        if error.line is not None and not 1 <= error.line <= lines + 1:
            raise BrokenError("no_fault", f"error in line {error.line} of {lines}")
    if (
        subject.refusal
        and not errors
        and not (subject.verdict.screened_out and len(subject.data) > ALWAYS_PARSED)
    ):
        raise BrokenError("no_fault", f"CPython refuses it, h2dlint does not: {subject.refusal}")


def spans_are_expressions(subject: Subject, random: Random) -> None:
    """A finding's span is that of an expression, and lies within its statement."""
    source, text = subject.source, subject.source.text
    starts = line_starts(text)
    lines = _NEWLINES.split(text)
    nodes = {_span(node, lines) for node in ast.walk(subject.tree) if isinstance(node, ast.expr)}
    for finding in subject.verdict.findings:
        span = finding.span
        name = f"{finding.code} at {span.line}:{span.column}-{span.end_line}:{span.end_column}"
        if span not in nodes:
            raise BrokenError("spans_are_expressions", f"{name} is no expression")
        start, end = (starts[line - 1] + column - 1 for line, column in _ends(span))
        if not start < end or source.slice(span) != text[start:end]:
            raise BrokenError(
                "spans_are_expressions", f"{name} is {source.slice(span)!r}, not {text[start:end]!r}"
            )
        first, last = finding.statement
        if not first <= span.line <= span.end_line <= last:
            raise BrokenError(
                "spans_are_expressions", f"{name} is not within its statement, lines {first} to {last}"
            )
        for edit in finding.fix.edits if finding.fix is not None else ():
            for line, column in _ends(edit.span):
                if not (1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1):
                    raise BrokenError("spans_are_expressions", f"{name} has an edit at {line}:{column}")


def _ends(span: Span) -> tuple[tuple[int, int], tuple[int, int]]:
    return (span.line, span.column), (span.end_line, span.end_column)


def _span(node: ast.expr, lines: list[str]) -> Span:
    assert node.end_lineno is not None and node.end_col_offset is not None

    def column(line: int, offset: int) -> int:
        return len(lines[line - 1].encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace")) + 1

    return Span(
        node.lineno,
        column(node.lineno, node.col_offset),
        node.end_lineno,
        column(node.end_lineno, node.end_col_offset),
    )


def fixes_parse(subject: Subject, random: Random) -> None:
    """The fixed text parses and compiles as the text before did, and no fix had to be left out."""
    compiles = None
    for outcome in subject.outcomes:
        for error in outcome.result.errors:
            raise BrokenError("fixes_parse", f"{error.kind.value} error: {error.message}")
        text = SourceText.from_bytes(outcome.after).text
        try:
            parsed(text)
        except SyntaxError as error:
            raise BrokenError("fixes_parse", f"{error}") from error
        compiles = compiled(subject.source.text) is not None if compiles is None else compiles
        if compiles and compiled(text) is None:
            raise BrokenError("fixes_parse", "the fixed text parses and does not compile")


def fixes_are_stable(subject: Subject, random: Random) -> None:
    """Fixing what was fixed changes nothing, and the verdict that fixing gives is that of a check."""
    for outcome, unsafe in zip(subject.outcomes, (True, False), strict=False):
        again = lint_source(PATH, outcome.after, subject.settings(unsafe))
        if again.errors or again.findings != outcome.result.findings:
            raise BrokenError(
                "fixes_are_stable", "a check of the fixed text finds something else than fixing did"
            )
        kinds = (Applicability.SAFE, Applicability.UNSAFE) if unsafe else (Applicability.SAFE,)
        left = [f for f in again.findings if f.fix is not None and f.fix.applicability in kinds]
        if left:
            raise BrokenError(
                "fixes_are_stable", f"{left[0].code} in line {left[0].span.line} would be fixed again"
            )
        if not outcome.changed:
            raise BrokenError("fixes_are_stable", "there are fixes, and fixing changed nothing")


def only_edits_change(subject: Subject, random: Random) -> None:
    """What lies outside the edits is the same byte for byte."""
    for outcome, unsafe in zip(subject.outcomes, (True, False), strict=False):
        data = subject.data
        for _ in range(100):
            result = lint_source(PATH, data, subject.settings(unsafe))
            kinds = (Applicability.SAFE, Applicability.UNSAFE) if unsafe else (Applicability.SAFE,)
            wanted = [f for f in result.findings if f.fix is not None and f.fix.applicability in kinds]
            if not wanted:
                break
            data = _with_edits(data, choose(SourceText.from_bytes(data), wanted)[0])
        if data != outcome.after:
            raise BrokenError(
                "only_edits_change", "the fixed file differs from the file with the edits applied"
            )
        before, after = (set(_NEWLINES.findall(_decoded(each))) for each in (subject.data, outcome.after))
        if not after <= (before or {"\n"}):
            raise BrokenError("only_edits_change", f"newlines {sorted(before)} became {sorted(after)}")


def _decoded(data: bytes) -> str:
    return SourceText.from_bytes(data).text


def _with_edits(data: bytes, findings: list[Finding]) -> bytes:
    """Bytes with edits applied, the last one first, each in bytes."""
    source = SourceText.from_bytes(data)
    text, starts = source.text, line_starts(source.text)
    first = re.search(r"\r\n|\r|\n", text.replace("\r\n", "\n") if "\n" in text else text)
    newline = "\r\n" if re.match(r"[^\n]*\r\n", text) else "\r" if first and "\n" not in text else "\n"

    def place(line: int, column: int) -> int:
        return len(source.bom) + len(text[: starts[line - 1] + column - 1].encode(source.encoding))

    edits = {
        (
            place(edit.span.line, edit.span.column),
            place(edit.span.end_line, edit.span.end_column),
            edit.content,
        )
        for finding in findings
        for edit in (finding.fix.edits if finding.fix is not None else ())
    }
    for start, end, content in sorted(edits, reverse=True):
        content = content.replace("\r\n", "\n").replace("\n", newline) if newline != "\n" else content
        data = data[:start] + content.encode(source.encoding) + data[end:]
    return data


def comments_are_kept(subject: Subject, random: Random) -> None:
    """Every comment is in the fixed text, in the order in which it was."""
    if not subject.outcomes:
        return
    before = comments(subject.source.text)
    for outcome in subject.outcomes:
        after = comments(_decoded(outcome.after))
        if before != after:
            gone = next((b for b, a in zip([*before, ""], [*after, ""], strict=False) if a != b), "")
            raise BrokenError(
                "comments_are_kept", f"{len(before)} comments became {len(after)}; the first is {gone!r}"
            )


def safe_fixes_are_fixes(subject: Subject, random: Random) -> None:
    """What is fixed safely is fixed with unsafe fixes too, and ends in the same text where those come after."""
    verdict = lint_source(PATH, subject.data, subject.settings(unsafe=False))
    if verdict != subject.verdict:
        raise BrokenError("safe_fixes_are_fixes", "whether unsafe fixes are wanted changes what is found")
    if len(subject.outcomes) < 2:
        return
    safe, every = subject.safely_fixed, subject.fixed
    if sum(safe.applied.values()) > sum(every.applied.values()):
        raise BrokenError("safe_fixes_are_fixes", f"safe {dict(safe.applied)}, all {dict(every.applied)}")


def reports_agree(subject: Subject, random: Random) -> None:
    """Every format can be written, and the JSON says where the model says it is."""
    report: Report = make_report([subject.verdict])
    for name, reporter in FORMATS.items():
        text = "".join(reporter(View(), lambda path: subject.source).report(report))
        if name != "json":
            continue
        found = json.loads(text)["findings"]
        for finding, item in zip(report.findings, found, strict=True):
            if Span(item["line"], item["column"], item["end_line"], item["end_column"]) != finding.span:
                raise BrokenError(
                    "reports_agree", f"JSON has {finding.code} at {item['line']}:{item['column']}"
                )
    for one, two in pairwise(report.findings):
        if one.sort_key > two.sort_key or (one.span, one.code) == (two.span, two.code):
            raise BrokenError("reports_agree", f"{one.code} and {two.code} are not in order, or the same")


def noqa_silences(subject: Subject, random: Random) -> None:
    """The comments of ``--add-noqa`` leave the program as it is and silence what they were written for."""
    findings = subject.verdict.findings
    if not findings:
        return
    text, _, homeless = add_noqa(subject.source, findings, "checked")
    if not same_program(subject.source.text, text):
        raise BrokenError("noqa_silences", "the comments change the program")
    names = {rule.code: rule.name for rule in all_rules()}
    left = apply_suppressions(SourceText(text), PATH, findings, names).kept
    if len(left) > len(homeless):
        raise BrokenError("noqa_silences", f"{left[0].code} in line {left[0].span.line} is not silenced")


def notebook_agrees(subject: Subject, random: Random) -> None:
    """As the one cell of a notebook the same is found, and fixed to the same text."""
    text = plain(subject.source.text)
    if not text.strip() or re.match(r"\s*%%", text) or len(text) > 100_000:
        return
    module = Subject(text.encode("utf-8", "surrogatepass"), subject.profile)
    if module.refusal:
        return
    cell: dict[str, object] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    book = {
        "cells": [{**cell, "source": text.splitlines(keepends=True)}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    data = json.dumps(book).encode()
    result = lint_source("module.ipynb", data, subject.settings())
    one, two = ([(f.span, f.code, f.fix) for f in found.findings] for found in (module.verdict, result))
    if result.errors or one != two:
        message = result.errors[0].message if result.errors else f"{len(two)} findings, not {len(one)}"
        raise BrokenError("notebook_agrees", message)


ALWAYS: tuple[Callable[[Subject, Random], None], ...] = (
    spans_are_expressions,
    fixes_parse,
    fixes_are_stable,
    only_edits_change,
    comments_are_kept,
    safe_fixes_are_fixes,
    reports_agree,
    noqa_silences,
    notebook_agrees,
)
"""Of every text that parses; ``no_fault`` holds of everything."""
