"""What must not change a verdict: comments and blank lines, and how a statement is laid out."""

from __future__ import annotations

import ast
import re
import sys
from bisect import bisect_left
from collections.abc import Callable
from random import Random
from tokenize import TokenError

from h2dlint.engine.fixing import fix_source
from h2dlint.model import Finding, Span
from tests.fuzz.layout import broken, plain, spread
from tests.fuzz.subject import PATH, BrokenError, Subject, line_starts, parsed
from tests.fuzz.tokens import words

_LINES = re.compile(r"\b(lines?) (\d+)")
_FSTRINGS = sys.version_info >= (3, 12)
"""Before, an f-string is one token, and what is in it has positions of its own."""


class Places:
    """Positions of a text as numbers of its tokens, which comments and line breaks leave as they are."""

    def __init__(self, text: str) -> None:
        found = words(text)
        self._begins = [start for start, _ in found]
        self._ends = [end for _, end in found]
        self._starts = line_starts(text)

    def begin(self, line: int, column: int = 1) -> int:
        """The first token that begins at a position or behind it."""
        return bisect_left(self._begins, self._starts[line - 1] + column - 1)

    def end(self, line: int, column: int) -> int:
        """The first token that ends at a position or behind it."""
        return bisect_left(self._ends, self._starts[line - 1] + column - 1)

    def worded(self, text: str) -> str:
        """A message, with lines as tokens."""
        return _LINES.sub(lambda match: f"{match[1]} <{self.begin(int(match[2]))}>", text)

    def of(self, finding: Finding, words_too: bool) -> tuple[object, ...]:
        """What a finding says, with places as tokens; without words only what and where."""
        span = finding.span
        where = (self.begin(span.line, span.column), self.end(span.end_line, span.end_column))
        if not words_too:
            return (finding.code, *where, finding.effect, finding.confidence, finding.context)
        fix = finding.fix
        said = (
            None
            if fix is None
            else (fix.applicability, self.worded(fix.title), *map(self.worded, fix.reasons))
        )
        group = finding.gain.note if finding.gain is not None else None
        evidence = tuple(map(self.worded, finding.evidence))
        return (
            finding.code, *where, finding.effect, finding.confidence, finding.context, self.worded(finding.message),
            finding.function, evidence, said, group,
        )  # fmt: skip


def _other(subject: Subject, change: Callable[[str, Random], str], random: Random) -> tuple[str, str] | None:
    """The text and another layout of it, both with plain newlines; ``None`` where there is no other."""
    text = plain(subject.source.text)
    try:
        other = change(text, random)
        if other == text or ast.dump(parsed(other)) != ast.dump(parsed(text)):
            return None
    except (SyntaxError, TokenError, RecursionError, MemoryError):
        return None
    return text, other


def _compared(
    subject: Subject, texts: tuple[str, str], name: str, words_too: bool
) -> tuple[Subject, Subject]:
    """Raise unless both are found the same."""
    subjects = tuple(Subject(text.encode("utf-8", "surrogatepass"), subject.profile) for text in texts)
    said = []
    for each, text in zip(subjects, texts, strict=True):
        places = Places(text)
        quoted = _quoted(each)
        said.append([places.of(f, words_too) for f in each.verdict.findings if f.span not in quoted])
    one, two = said
    if one != two:
        gone = [item for item in one if item not in two]
        new = [item for item in two if item not in one]
        raise BrokenError(
            name, f"gone: {gone[:2]}\n  new: {new[:2]}\n  of {len(one)} and {len(two)}\n{texts[1]}"
        )
    return subjects[0], subjects[1]


def _quoted(subject: Subject) -> set[Span]:
    """Where expressions in f-strings stand, as far as this Python tells."""
    if _FSTRINGS:
        return set()
    strings = [node for node in ast.walk(subject.tree) if isinstance(node, ast.JoinedStr)]
    return {
        subject.source.span(node)
        for string in strings
        for node in ast.walk(string)
        if isinstance(node, ast.expr)
    }


def comments_change_nothing(subject: Subject, random: Random) -> None:
    """Comments and blank lines between statements change neither the verdict nor the fixes."""
    texts = _other(subject, spread, random)
    if texts is None:
        return
    before, after = _compared(subject, texts, "comments_change_nothing", words_too=True)
    if not before.fixable:
        return
    fixed = []
    for each in (before, after):
        outcome = fix_source(PATH, each.data, each.settings())
        fixed.append((dict(outcome.applied), _said(parsed(outcome.after.decode("utf-8", "surrogatepass")))))
    if fixed[0] != fixed[1]:
        raise BrokenError("comments_change_nothing", f"fixed otherwise with comments:\n{texts[1]}")


def _said(tree: ast.Module) -> tuple[str, list[str]]:
    """A module as text, its imports apart: where a new one goes depends on the comments around the others."""
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    tree.body = [node for node in tree.body if node not in imports]
    return ast.dump(tree), sorted(map(ast.dump, imports))


def layout_changes_nothing(subject: Subject, random: Random) -> None:
    """Line breaks, blank lines and comments within brackets change nothing of what is found; fixes may give up."""
    texts = _other(subject, broken, random)
    if texts is not None:
        _compared(subject, texts, "layout_changes_nothing", words_too=False)


def newlines_change_nothing(subject: Subject, random: Random) -> None:
    """A file of another kind of newlines has the same findings at the same places, and the same fixes."""
    text = plain(subject.source.text)
    one = Subject(text.encode("utf-8", "surrogatepass"), subject.profile)
    newline = random.choice(("\r\n", "\r\n", "\r"))
    two = Subject(one.data.replace(b"\n", newline.encode()), subject.profile)
    if one.refusal or two.refusal:
        return
    if _kinds(one) != _kinds(two):
        raise BrokenError("newlines_change_nothing", f"other findings with {newline!r}")
    if one.fixable:
        first, second = (fix_source(PATH, each.data, each.settings()).after for each in (one, two))
        if second.replace(newline.encode(), b"\n") != first:
            raise BrokenError("newlines_change_nothing", f"fixed otherwise with {newline!r}")


def _kinds(subject: Subject) -> list[object]:
    return [
        (f.span, f.code, f.fix.applicability if f.fix else None, f.evidence) for f in subject.verdict.findings
    ]


METAMORPHIC: tuple[Callable[[Subject, Random], None], ...] = (
    comments_change_nothing,
    layout_changes_nothing,
    newlines_change_nothing,
)
"""Of texts that parse and hold findings."""
