"""The comment that accepts one finding."""

from __future__ import annotations

import re

from h2dlint.engine.edits import apply_edits
from h2dlint.engine.noqa import same_program
from h2dlint.engine.suppressions import apply_suppressions
from h2dlint.model import Edit, Finding, Span
from h2dlint.syntax.source import SourceText

_NOQA = re.compile(r"#\s*noqa\s*:\s*[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*(?![\w-])", re.IGNORECASE)


def noqa_edit(source: SourceText, finding: Finding, names: dict[str, str]) -> Edit | None:
    """An insertion that silences a finding, ``None`` where there is no room for a comment.

    It is tried at the end of each line of the statement, the last one first, and taken where the code is the same
    afterwards and the finding is silenced: a line may end in a string or a backslash. A ``noqa`` that is there is
    extended.

    Args:
        source: the text.
        finding: with positions in it.
        names: rule code to rule name, of all rules there are.
    """
    first, last = finding.statement
    lines = [*range(last, first - 1, -1), finding.span.end_line, finding.span.line]
    for line in dict.fromkeys(line for line in lines if line > 0):
        text = source.line_text(line)
        found = list(_NOQA.finditer(text))
        if found:
            column, content = found[-1].end() + 1, f", {finding.code}"
        else:
            column, content = len(text) + 1, f"  # noqa: {finding.code}"
        edit = Edit(Span(line, column, line, column), content)
        after = SourceText(apply_edits(source, [edit]), source.encoding, source.bom)
        if not same_program(source.text, after.text):
            continue
        if not apply_suppressions(after, finding.path, [finding], names).kept:
            return edit
    return None
