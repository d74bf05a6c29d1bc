"""JUnit XML, which most CI systems show as test results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from h2dlint.model import FileError, Finding
from h2dlint.report.base import Reporter
from h2dlint.report.because import because, no_gain
from h2dlint.report.measured import measured
from h2dlint.report.places import shown_path
from h2dlint.report.style import escape

if TYPE_CHECKING:
    from h2dlint.engine.results import Note, Report

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class JunitReporter(Reporter):
    """A suite for each file with findings or errors, a failed test for each; one passed test if there are none."""

    has_statistics = False

    def report(self, report: Report) -> Iterator[str]:
        """Yield the document, in path order."""
        document = JUnitXml("h2dlint")
        every: list[Finding | FileError | Note] = [*report.findings, *report.errors]
        every += (note for note in report.notes if note.counts)
        every.sort(key=lambda each: each.path)
        for path, group in groupby(every, lambda each: each.path):
            suite = TestSuite(_text(shown_path(path, self.view)))
            for each in group:
                suite.add_testcase(self._made(each))
            document.add_testsuite(suite)
        if not every:
            suite = TestSuite("h2dlint")
            suite.add_testcase(TestCase("no findings", classname="h2dlint"))
            document.add_testsuite(suite)
        document.update_statistics()  # type: ignore[no-untyped-call]
        text: bytes = document.tostring()  # type: ignore[no-untyped-call]
        head = "" if text.startswith(b"<?xml") else '<?xml version="1.0" encoding="utf-8"?>\n'
        yield head + text.decode("utf-8") + "\n"

    def _made(self, each: Finding | FileError | Note) -> TestCase:
        if isinstance(each, Finding):
            return self._finding(each)
        return self._error(each) if isinstance(each, FileError) else self._note(each)

    def _note(self, note: Note) -> TestCase:
        """Something that fails the run fails here too."""
        case = self._case(note.path, f"note at line {note.line}")
        failure = Failure(_text(note.message), type_="note")
        failure.text = _text(f"{shown_path(note.path, self.view)}:{note.line}: {note.message}")
        case.result = [failure]
        return case

    def _case(self, path: str, name: str) -> TestCase:
        return TestCase(_text(name), classname=_text(shown_path(path, self.view)))

    def _finding(self, finding: Finding) -> TestCase:
        span = finding.span
        where = f" in {finding.function}" if finding.function is not None else ""
        case = self._case(finding.path, f"{finding.code}{where} at {span.line}:{span.column}")
        place = f"{shown_path(finding.path, self.view)}:{span.line}:{span.column}"
        lines = (f"{place}: {finding.code} {finding.message}", because(finding), no_gain(finding))
        help_text = f"help: {finding.fix.title}" if finding.fix is not None else ""
        failure = Failure(_text(finding.message), type_=finding.name)
        failure.text = "\n".join(_text(line) for line in (*lines, measured(finding), help_text) if line)
        case.result = [failure]
        return case

    def _error(self, error: FileError) -> TestCase:
        line = f" at line {error.line}" if error.line is not None else ""
        case = self._case(error.path, f"{error.kind.value}{line}")
        problem = Error(_text(error.message), type_=error.kind.value)
        problem.text = _text(f"{shown_path(error.path, self.view)}: {error.message}")
        case.result = [problem]
        return case


def _text(text: str) -> str:
    """Text that XML can hold: what it cannot is spelled out."""
    return _NOT_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", escape(text))
