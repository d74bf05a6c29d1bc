"""What an editor shows: diagnostics, quick fixes and hovers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from h2dlint.engine.runner import make_report
from h2dlint.integrations.server.buffers import Buffer, Verdict
from h2dlint.integrations.server.noqa import noqa_edit
from h2dlint.model import Applicability, Effect, FileError, Finding
from h2dlint.report.notebooks import in_cells
from h2dlint.syntax.source import DecodeError

if TYPE_CHECKING:
    from h2dlint.rules.base import Rule

SOURCE = "h2dlint"
FIX_ALL = "source.fixAll.h2dlint"
_CODE = re.compile(r"\bHTD[0-9]{3}\b")
_SEVERITY = {
    # A race gives wrong results; the others cost time.
    Effect.HAZARD: types.DiagnosticSeverity.Error,
    Effect.BLOCKS: types.DiagnosticSeverity.Warning,
    Effect.MAY_BLOCK: types.DiagnosticSeverity.Information,
}


def diagnostics(verdict: Verdict) -> dict[str, list[types.Diagnostic]]:
    """Diagnostics by document, for each document of a buffer."""
    buffer = verdict.buffer
    found: dict[str, list[types.Diagnostic]] = {part.uri: [] for part in buffer.parts}
    told = in_cells(make_report([verdict.result])).findings
    for finding, worded in zip(verdict.result.findings, told, strict=True):
        uri, span = buffer.range(finding.span)
        found[uri].append(_diagnostic(finding, worded, span))
    for error in verdict.result.errors:
        uri, span = _place(buffer, error)
        message = f"{error.kind.value} error: {error.message}"
        found[uri].append(types.Diagnostic(span, message, types.DiagnosticSeverity.Error, source=SOURCE))
    return found


def _diagnostic(finding: Finding, worded: Finding, span: types.Range) -> types.Diagnostic:
    lines = [worded.message, *worded.evidence]
    if worded.gain is not None and worded.gain.negated_by_line is not None:
        lines.append(f"no gain: line {worded.gain.negated_by_line} synchronizes")
    return types.Diagnostic(
        span, "\n".join(lines), _SEVERITY[finding.effect], code=finding.code, source=SOURCE
    )


def _place(buffer: Buffer, error: FileError) -> tuple[str, types.Range]:
    """Where an error is shown: the line, else the beginning."""
    part, line = buffer.place(error.line or 1)
    positions = buffer.positions(part)
    end = positions.position(line, len(positions.source.line_text(line)) + 1)
    return part.uri, types.Range(types.Position(line - 1, 0), end)


def actions(verdict: Verdict, params: types.CodeActionParams, versioned: bool) -> Iterator[types.CodeAction]:
    """Yield the quick fixes of the findings that a range touches.

    Args:
        verdict: on the buffer as it is.
        params: of the request.
        versioned: the client takes changes of documents with their versions.
    """
    if not _wanted(params, types.CodeActionKind.QuickFix):
        return
    found = verdict.at(params.text_document.uri, params.range)
    for finding in found:
        yield from _quick_fix(verdict, finding, params, versioned)
    for finding in found:
        yield from _suppress(verdict, finding, params, versioned)


def wants_fix_all(params: types.CodeActionParams) -> bool:
    """Whether a request asks for what fixes a whole file."""
    return _wanted(params, FIX_ALL)


def _wanted(params: types.CodeActionParams, kind: str) -> bool:
    only = params.context.only
    return only is None or any(
        kind == each or kind.startswith(f"{_text(each)}.") for each in map(_text, only)
    )


def _text(kind: Any) -> str:
    return str(getattr(kind, "value", kind))


def _quick_fix(
    verdict: Verdict, finding: Finding, params: types.CodeActionParams, versioned: bool
) -> Iterator[types.CodeAction]:
    fix = finding.fix
    if fix is None or fix.applicability is Applicability.DISPLAY:
        return
    edits = verdict.buffer.text_edits(fix.edits)
    if edits is None:
        return
    safe = fix.applicability is Applicability.SAFE
    reason = f" (unsafe: {fix.reasons[0]})" if fix.reasons else " (unsafe)"
    yield types.CodeAction(
        f"{finding.code}: {fix.title}{'' if safe else reason}",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=_of(finding, verdict, params),
        is_preferred=safe,
        edit=workspace_edit(verdict.buffer, edits, versioned),
    )


def _suppress(
    verdict: Verdict, finding: Finding, params: types.CodeActionParams, versioned: bool
) -> Iterator[types.CodeAction]:
    try:
        edit = noqa_edit(verdict.buffer.source, finding, rule_names())
    except DecodeError:
        return
    if edit is None:
        return
    uri, span = verdict.buffer.range(edit.span)
    edits = {uri: [types.TextEdit(span, edit.content)]}
    yield types.CodeAction(
        f"{finding.code}: Accept it here (# noqa: {finding.code})",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=_of(finding, verdict, params),
        is_preferred=False,
        edit=workspace_edit(verdict.buffer, edits, versioned),
    )


def _of(finding: Finding, verdict: Verdict, params: types.CodeActionParams) -> list[types.Diagnostic]:
    """The client's diagnostics of a finding."""
    span = verdict.buffer.range(finding.span)[1]
    return [
        each
        for each in params.context.diagnostics
        if each.source == SOURCE and each.code == finding.code and each.range == span
    ]


def workspace_edit(
    buffer: Buffer, edits: dict[str, list[types.TextEdit]], versioned: bool
) -> types.WorkspaceEdit:
    """Edits as a client takes them; with versions, so that one that is late is refused."""
    if not versioned:
        return types.WorkspaceEdit(changes={uri: list(each) for uri, each in edits.items()})
    versions = {part.uri: part.version for part in buffer.parts}
    return types.WorkspaceEdit(
        document_changes=[
            types.TextDocumentEdit(
                types.OptionalVersionedTextDocumentIdentifier(uri, versions.get(uri)), list(each)
            )
            for uri, each in edits.items()
        ]
    )


def hover(verdict: Verdict, params: types.HoverParams) -> types.Hover | None:
    """The text of the rules of the findings at a position, or of the rule that a comment there names."""
    uri, position = params.text_document.uri, params.position
    findings = verdict.at(uri, types.Range(position, position))
    if findings:
        codes = dict.fromkeys(finding.code for finding in findings)
        return types.Hover(_pages(codes), verdict.buffer.range(findings[0].span)[1])
    part = next((part for part in verdict.buffer.parts if part.uri == uri), None)
    if part is None:
        return None
    positions = verdict.buffer.positions(part)
    line, column = positions.place(position)
    for found in _CODE.finditer(positions.source.line_text(line)):
        if found.start() < column <= found.end() + 1 and found[0] in _rules():
            start = positions.position(line, found.start() + 1)
            return types.Hover(
                _pages([found[0]]), types.Range(start, positions.position(line, found.end() + 1))
            )
    return None


def _pages(codes: Iterable[str]) -> types.MarkupContent:
    rules = _rules()
    text = "\n\n---\n\n".join(
        f"### {rules[code].name} ({code})\n\n{rules[code].documentation()}" for code in codes
    )
    return types.MarkupContent(types.MarkupKind.Markdown, text)


@lru_cache(maxsize=1)
def _rules() -> dict[str, Rule]:
    from h2dlint.rules import all_rules

    return {rule.code: rule for rule in all_rules()}


def rule_names() -> dict[str, str]:
    """Code to name, of all rules."""
    return {code: rule.name for code, rule in _rules().items()}
