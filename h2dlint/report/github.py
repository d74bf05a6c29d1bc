"""Workflow commands: annotations on the lines of a pull request, in GitHub Actions.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from h2dlint.model import Effect, Finding
from h2dlint.report.base import Reporter
from h2dlint.report.because import because
from h2dlint.report.measured import suffix
from h2dlint.report.places import shown_path
from h2dlint.report.style import escape

if TYPE_CHECKING:
    from h2dlint.engine.results import Report

_LEVELS = {Effect.HAZARD: "error", Effect.BLOCKS: "warning", Effect.MAY_BLOCK: "notice"}


class GithubReporter(Reporter):
    """One command a line; nothing that a file or its name holds ends a command or begins another one."""

    has_statistics = False

    def report(self, report: Report) -> Iterator[str]:
        """Yield an annotation for each finding, error and note, in path order."""
        for finding in report.findings:
            yield self._finding(finding)
        for error in report.errors:
            where = self._where(error.path, error.line)
            yield command("error", {"title": f"h2dlint ({error.kind.value})", **where}, escape(error.message))
        for note in report.notes:
            where = self._where(note.path, note.line)
            yield command("warning", {"title": "h2dlint", **where}, escape(note.message))

    def _where(self, path: str, line: int | None) -> dict[str, str]:
        return {"file": escape(shown_path(path, self.view))} | (
            {"line": str(line)} if line is not None else {}
        )

    def _finding(self, finding: Finding) -> str:
        span = finding.span
        where = {"title": f"h2dlint ({finding.code})", **self._where(finding.path, span.line)}
        if span.line == span.end_line:
            where |= {
                "col": str(span.column),
                "endLine": str(span.end_line),
                "endColumn": str(span.end_column),
            }
        else:
            # Columns count within one line only.
            where["endLine"] = str(span.end_line)
        place = f"{where['file']}:{span.line}:{span.column}"
        why = "; ".join(filter(None, (because(finding), suffix(finding))))
        text = f"{place}: {finding.code} {finding.message}{f' ({why})' if why else ''}"
        return command(_LEVELS[finding.effect], where, escape(text))


def command(name: str, properties: dict[str, str], message: str) -> str:
    """A workflow command, escaped as GitHub's own toolkit does it."""
    pairs = ",".join(f"{key}={_data(value, ':,')}" for key, value in properties.items())
    return f"::{name} {pairs}::{_data(message)}\n"


def _data(text: str, more: str = "") -> str:
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
