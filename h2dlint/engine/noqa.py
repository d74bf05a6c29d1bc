"""Writing suppression comments for findings.

As in ruff: a comment at the end of the line that the finding begins on, codes added to a ``# noqa`` that is there.
Where that line has no place for a comment, because it ends in a backslash or within a string, a later line of the
statement has; a comment counts for the whole statement.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from h2dlint.engine.directives import Directive, Kind, read_directives
from h2dlint.engine.quiet import quiet
from h2dlint.engine.sieve import lines
from h2dlint.model import Finding
from h2dlint.syntax.source import SourceText

_NOQA = re.compile(r"#\s*noqa\s*:\s*((?:[A-Z]+[0-9]+[\s,]*)+)", re.IGNORECASE)
_CODE_FIRST = re.compile(r"[A-Z]+[0-9]")


@dataclass
class _Places:
    """Where comments stand, and where one may."""

    open: set[int] = field(default_factory=set)
    comments: dict[int, tuple[int, str]] = field(default_factory=dict)


def add_noqa(
    source: SourceText, findings: Sequence[Finding], reason: str = "", require_reason: bool = False
) -> tuple[str, int, tuple[Finding, ...]]:
    """A text with a comment for each finding.

    Args:
        source: the text that the findings are in.
        findings: to be silenced.
        reason: written after the codes; one line.
        require_reason: a comment without a reason has no effect.

    Returns:
        The new text, how many comments were written or added to, and the findings for which there was no place.
    """
    places = _places(source.text)
    wanted: dict[int, set[str]] = {}
    homeless: list[Finding] = []
    for finding in findings:
        line = _line_for(finding, places)
        if line is None:
            homeless.append(finding)
        else:
            wanted.setdefault(line, set()).add(finding.code)
    text = source.text
    for line in sorted(wanted, reverse=True):
        begin = source.line_starts[line - 1]
        whole = source.line_text(line)
        column, comment = places.comments.get(line, (len(whole.rstrip()), ""))
        changed = _comment(comment, sorted(wanted[line]), reason, require_reason)
        blanks = "" if comment else "  "
        text = f"{text[: begin + column]}{blanks}{changed}{text[begin + len(whole.rstrip()) :]}"
    return text, len(wanted), tuple(homeless)


def same_program(before: str, after: str) -> bool:
    """Whether two texts are the same but for comments at the ends of lines."""
    with quiet():
        try:
            trees = (_nodes(ast.parse(text)) for text in (before, after))
            return all(one == two for one, two in zip_longest(*trees))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False


def _nodes(tree: ast.Module) -> Iterator[tuple[object, ...]]:
    """What there is to say of each node, in a fixed order: ``ast.dump`` without its recursion."""
    for node in ast.walk(tree):
        fields = (getattr(node, name, None) for name in (*node._fields, *node._attributes))
        yield (type(node), *map(_said, fields))


def _said(value: object) -> object:
    if isinstance(value, ast.AST):
        return type(value)
    if isinstance(value, list):
        return [_said(item) for item in value]
    # ``1``, ``1.0`` and ``True`` are equal, and so are ``0.0`` and ``-0.0``.
    return type(value), repr(value)


def _places(text: str) -> _Places:
    found = _Places()
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    within: list[int] = []
    with quiet():
        try:
            for token in tokenize.generate_tokens(io.StringIO(plain).readline):
                name = tokenize.tok_name[token.type]
                line, column = token.start
                if name in {"FSTRING_START", "TSTRING_START"}:
                    within.append(line)
                elif name in {"FSTRING_END", "TSTRING_END"}:
                    within.pop()
                elif token.type == tokenize.COMMENT:
                    found.comments[line] = (column, token.string.rstrip())
                elif token.type in {tokenize.NEWLINE, tokenize.NL} and not within:
                    found.open.add(line)
        except (tokenize.TokenError, SyntaxError, IndexError):
            return _Places()
    return found


def _line_for(finding: Finding, places: _Places) -> int | None:
    """The line to write on: one that has codes of ours already, else from where the finding begins."""
    first, last = lines(finding)
    every = [line for line in range(first, last + 1) if line in places.open]
    for line in every:
        match = _NOQA.search(places.comments.get(line, (0, ""))[1])
        if match is not None and "HTD" in match[1]:
            return line
    later = [line for line in every if line >= finding.span.line]
    return next(iter(later or reversed(every)), None)


def _comment(comment: str, codes: Sequence[str], reason: str, require_reason: bool) -> str:
    """A comment that silences some codes, and says what the given one said."""
    listed = ", ".join(codes)
    because = f" {'# ' if _CODE_FIRST.match(reason) else ''}{reason}" if reason else ""
    gap = "  " if comment else ""
    options = []
    match = _NOQA.search(comment)
    if match is not None:
        end = match.start(1) + len(match[1].rstrip(" \t,"))
        # A code that is there lacks a reason only.
        there = set(re.split(r"[\s,]+", match[1]))
        merged = ", ".join([comment[:end], *(code for code in codes if code not in there)])
        rest = comment[end:]
        options += [f"{merged}{because}{rest}"] if not rest.strip() else [f"{merged}{rest}"]
    else:
        options.append(f"{comment}{gap}# noqa: {listed}{because}")
    for option in options:
        if all(_silences(option, code, require_reason) for code in codes):
            return option
    return f"{comment}{gap}# h2dlint: ignore[{listed}]{f' {reason}' if reason else ''}"


def _silences(comment: str, code: str, require_reason: bool) -> bool:
    return any(
        isinstance(found, Directive)
        and found.kind is not Kind.FILE
        and (not found.codes or code in found.codes)
        and (bool(found.reason) or not require_reason)
        for found in read_directives(comment, (code,), {})
    )
