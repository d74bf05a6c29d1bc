"""SARIF 2.1.0, which GitHub code scanning and many viewers read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import h2dlint
from h2dlint.model import Applicability, Finding, Fix, Span
from h2dlint.report.base import Reporter
from h2dlint.report.because import because
from h2dlint.report.json import gain_object, trace_object
from h2dlint.report.measured import measured
from h2dlint.report.places import fingerprints, repository_path, text_of, uri
from h2dlint.report.sarif_rules import LEVELS, rule_object, rules_by_code
from h2dlint.report.style import defused_json, escape

if TYPE_CHECKING:
    from h2dlint.engine.results import Note, Report, Silenced
    from h2dlint.model import FileError

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"
FINGERPRINT = "h2dlint/v1"
"""Raised when what is hashed changes."""

_LINE = re.compile(r"\b(?:at|from) line (\d+)")
_ON_THE_WAY = ("data:", "source:", "index:", "value:", "operand:")
"""Evidence on where the data came from; its lines lead to the copy."""

Object = dict[str, Any]


class SarifReporter(Reporter):
    """One run; the same bytes for the same report."""

    has_statistics = False

    def report(self, report: Report) -> Iterator[str]:
        """Yield the document; findings are in path order, silenced ones among them."""
        every: list[tuple[Finding, Silenced | None]] = [(finding, None) for finding in report.findings]
        every += [(silenced.finding, silenced) for silenced in report.silenced]
        every.sort(key=lambda pair: (*pair[0].sort_key, pair[0].span))
        known = rules_by_code()
        used = sorted({(finding.code, finding.name) for finding, _ in every})
        index = {code: number for number, (code, _) in enumerate(used)}
        findings = [finding for finding, _ in every]
        prints = fingerprints(findings, self.view, self.sources)
        run = {
            "tool": {
                "driver": {
                    "name": "h2dlint",
                    "version": h2dlint.__version__,
                    "semanticVersion": h2dlint.__version__,
                    "rules": [rule_object(code, name, known.get(code)) for code, name in used],
                }
            },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {ROOT: {"description": {"text": "The top of the repository."}}},
            "invocations": [self._invocation(report)],
            "results": [
                self._result(finding, silenced, index[finding.code], fingerprint)
                for (finding, silenced), fingerprint in zip(every, prints, strict=True)
            ],
        }
        document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
        yield defused_json(json.dumps(document, indent=2, ensure_ascii=True)) + "\n"

    def _invocation(self, report: Report) -> Object:
        told = [self._notification(error, "error", error.kind.value) for error in report.errors]
        told += [self._notification(note, "warning", "note") for note in report.notes]
        return {"executionSuccessful": not report.errors, "toolExecutionNotifications": told}

    def _notification(self, said: FileError | Note, level: str, kind: str) -> Object:
        region = None if said.line is None else {"startLine": max(said.line, 1)}
        return {
            "descriptor": {"id": kind},
            "level": level,
            "message": {"text": escape(said.message)},
            "locations": [self._location(said.path, region)],
        }

    def _result(self, finding: Finding, silenced: Silenced | None, rule: int, fingerprint: str) -> Object:
        related = self._related(finding)
        result: Object = {
            "ruleId": finding.code,
            "ruleIndex": rule,
            "level": LEVELS[finding.effect],
            "message": {"text": _message(finding)},
            "locations": [self._copy(finding)],
            "partialFingerprints": {FINGERPRINT: fingerprint},
            # Once one result has them, all must: without them nobody knows.
            "suppressions": [] if silenced is None else [_suppression(silenced)],
            "properties": _properties(finding),
        }
        if related:
            result["relatedLocations"] = [{"id": n, **place} for n, (_, place) in enumerate(related, 1)]
        way = [place for text, place in related if text.startswith(_ON_THE_WAY)]
        if way:
            way.sort(key=lambda place: int(place["physicalLocation"]["region"]["startLine"]))
            end = {**self._copy(finding), "message": {"text": escape(finding.message)}}
            steps = [{"location": place} for place in (*way, end)]
            result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
        # The edits of a notebook speak of its cells, not of the lines of its file.
        if finding.fix is not None and finding.fix.edits and not finding.path.endswith(".ipynb"):
            result["fixes"] = [self._fix(finding.path, finding.fix)]
        return result

    def _copy(self, finding: Finding) -> Object:
        """Where the finding is, with its text."""
        region = _region(finding.span)
        source = text_of(finding.path, self.sources)
        if source is not None and finding.span.end_line <= len(source.line_starts):
            region["snippet"] = {"text": source.slice(finding.span)}
        place = self._location(finding.path, region)
        if finding.function is not None:
            named = {"fullyQualifiedName": finding.function, "kind": "function"}
            place["logicalLocations"] = [named]
        return place

    def _related(self, finding: Finding) -> list[tuple[str, Object]]:
        """What the evidence says of other lines of the file, with the evidence."""
        source = text_of(finding.path, self.sources)
        most = len(source.line_starts) if source is not None else 0
        found: list[tuple[str, Object]] = []
        told = [(text, match) for text in finding.evidence if (match := _LINE.search(text))]
        places = [(text, int(match[1])) for text, match in told]
        if finding.gain is not None and finding.gain.negated_by_line is not None:
            places.append(("the host waits here anyway", finding.gain.negated_by_line))
        for text, line in places:
            if finding.span.line <= line <= finding.span.end_line:
                continue  # It says where the finding is.
            if 1 <= line <= most:
                place = self._location(finding.path, {"startLine": line})
                found.append((text, {**place, "message": {"text": escape(text)}}))
        return found

    def _fix(self, path: str, fix: Fix) -> Object:
        why = f" (unsafe: {'; '.join(fix.reasons)})" if fix.applicability is Applicability.UNSAFE else ""
        edits = [
            {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.content}}
            for edit in fix.edits
        ]
        change = {"artifactLocation": self._artifact(path), "replacements": edits}
        return {
            "description": {"text": escape(fix.title + why)},
            "artifactChanges": [change],
            "properties": {"applicability": fix.applicability.value},
        }

    def _location(self, path: str, region: Object | None) -> Object:
        place: Object = {"artifactLocation": self._artifact(path)}
        if region is not None:
            place["region"] = region
        return {"physicalLocation": place}

    def _artifact(self, path: str) -> Object:
        inside = repository_path(path, self.view)
        return {"uri": uri(path)} if inside is None else {"uri": uri(inside), "uriBaseId": ROOT}


def _message(finding: Finding) -> str:
    """The message, then what it rests on: GitHub shows the first sentence in lists."""
    lines = (
        f"{finding.message}.",
        _sentence("Because: ", because(finding)),
        _sentence("", measured(finding)),
    )
    return "\n".join(escape(line) for line in lines if line)


def _sentence(start: str, text: str) -> str:
    return f"{start}{text}." if text else ""


def _region(span: Span) -> Object:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _suppression(silenced: Silenced) -> Object:
    """As SARIF words it: a comment is in the source, a baseline outside of it."""
    if silenced.comment is None:
        return {"kind": "external", "justification": "in the baseline"}
    reason = silenced.comment.reason
    return {"kind": "inSource", "justification": escape(reason or silenced.comment.text)}


def _properties(finding: Finding) -> Object:
    properties: Object = {
        "name": finding.name,
        "context": finding.context.value,
        "confidence": finding.confidence.label,
        "effect": finding.effect.value,
        "evidence": _escaped(finding.evidence),
        "group": finding.group,
        "gain": None if finding.gain is None else gain_object(finding.gain),
        "trace": None if finding.trace is None else trace_object(finding.trace),
    }
    return {key: value for key, value in properties.items() if value is not None}


def _escaped(lines: Iterable[str]) -> list[str]:
    return [escape(line) for line in lines]
