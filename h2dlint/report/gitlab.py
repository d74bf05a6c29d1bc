"""GitLab's Code Quality report.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from h2dlint.model import Effect
from h2dlint.report.base import Reporter
from h2dlint.report.because import because
from h2dlint.report.measured import suffix
from h2dlint.report.places import digest, fingerprints, shown_path
from h2dlint.report.style import defused_json, escape

if TYPE_CHECKING:
    from h2dlint.engine.results import Report

_SEVERITIES = {Effect.HAZARD: "critical", Effect.BLOCKS: "major", Effect.MAY_BLOCK: "minor"}


class GitlabReporter(Reporter):
    """An array of issues; GitLab tells by their fingerprints which ones a merge request adds."""

    has_statistics = False

    def report(self, report: Report) -> Iterator[str]:
        """Yield the array, in path order, then what could not be checked."""
        prints = fingerprints(report.findings, self.view, self.sources)
        issues = []
        for finding, fingerprint in zip(report.findings, prints, strict=True):
            why = "; ".join(filter(None, (because(finding), suffix(finding))))
            text = f"{finding.code}: {finding.message}{f' ({why})' if why else ''}"
            place = self._place(finding.path, finding.span.line, finding.span.end_line)
            severity = _SEVERITIES[finding.effect]
            issues.append(_issue(finding.code, text, fingerprint, severity, place))
        seen: dict[str, int] = {}
        for error in report.errors:
            base = digest("error", shown_path(error.path, self.view), error.kind.value)
            seen[base] = seen.get(base, 0) + 1
            fingerprint = digest(base, str(seen[base]))
            place = self._place(error.path, error.line or 1, error.line or 1)
            issues.append(_issue(f"{error.kind.value}-error", error.message, fingerprint, "blocker", place))
        for note in (note for note in report.notes if note.counts):
            base = digest("note", shown_path(note.path, self.view), note.message)
            seen[base] = seen.get(base, 0) + 1
            fingerprint = digest(base, str(seen[base]))
            place = self._place(note.path, note.line, note.line)
            issues.append(_issue("note", note.message, fingerprint, "minor", place))
        yield defused_json(json.dumps(issues, indent=2, ensure_ascii=True)) + "\n"

    def _place(self, path: str, line: int, end: int) -> dict[str, Any]:
        # A name that is not UTF-8 has no spelling in JSON; half a surrogate pair would cost the whole report.
        name = shown_path(path, self.view).encode("utf-8", "backslashreplace").decode("utf-8")
        return {"path": name, "lines": {"begin": line, "end": end}}


def _issue(check: str, text: str, fingerprint: str, severity: str, place: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "issue",
        "check_name": check,
        "description": escape(text),
        "categories": ["Performance"],
        "severity": severity,
        "fingerprint": fingerprint,
        "location": place,
    }
