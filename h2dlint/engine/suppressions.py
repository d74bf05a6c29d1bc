"""Which findings are silenced by comments, and which comments silenced something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from h2dlint.engine.comments import Comment, read_comments
from h2dlint.engine.directives import WORDS, Directive, Kind, read_directives
from h2dlint.engine.results import Note, Suppression
from h2dlint.model import Finding
from h2dlint.syntax.source import SourceText


@dataclass(frozen=True, slots=True)
class Verdict:
    """Findings sorted out by the comments of their file."""

    kept: tuple[Finding, ...]
    suppressed: tuple[tuple[Finding, int], ...] = ()
    """With the place in ``suppressions`` of the comment nearest to each."""
    suppressions: tuple[Suppression, ...] = ()
    notes: tuple[Note, ...] = ()


def may_suppress(data: bytes) -> bool:
    """Whether the bytes of a file can hold a directive at all."""
    # Many times as fast as a pattern that ignores case, on every file that the screen lets through.
    lower = data.lower()
    return any(word in lower for word in WORDS)


def apply_suppressions(
    source: SourceText,
    path: str,
    findings: Sequence[Finding],
    rules: Mapping[str, str],
    require_reason: bool = False,
) -> Verdict:
    """Sort out the findings of a file.

    A comment at the end of a line, or between lines, silences a statement that it shares a line with.
    ``# h2dlint: ignore`` and ``# gpu-sync-ok`` do so too from a block of comment lines directly above the
    statement. File-level directives stand on a line of their own, anywhere in the file.

    Args:
        source: the file.
        path: as findings name it.
        findings: what the rules found.
        rules: rule code to rule name, of all rules there are.
        require_reason: a directive that gives no reason has no effect.
    """
    comments, _ = read_comments(source.text)
    names = {name: code for code, name in rules.items()}
    own_lines = {comment.line for comment in comments if comment.alone}
    table = _Table()
    notes: list[Note] = []
    for comment in comments:
        for directive in read_directives(comment.text, rules.keys(), names):
            if not isinstance(directive, Directive):
                notes.append(Note(path, comment.line, f"suppression ignored: {directive.message}"))
            elif directive.kind is Kind.FILE and not comment.alone:
                # Flake8 does not honour it there either; ours is worth a word.
                if "h2dlint" in directive.text.lower():
                    message = f'suppression ignored: "{directive.text}" must be on a line of its own'
                    notes.append(Note(path, comment.line, message))
            else:
                table.add(comment, directive, own_lines)
    if require_reason:
        notes += table.drop_bare(path, findings)
    kept: list[Finding] = []
    suppressed: list[tuple[Finding, int]] = []
    for finding in findings:
        number = table.silences(finding)
        if number is None:
            kept.append(finding)
        else:
            suppressed.append((finding, number))
    return Verdict(tuple(kept), tuple(suppressed), table.summary(), tuple(notes))


class _Table:
    """The directives of a file by the lines that they bear on."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, Directive, set[str]]] = []
        self._by_line: dict[int, list[int]] = {}
        self._whole_file: list[int] = []

    def add(self, comment: Comment, directive: Directive, own_lines: set[int]) -> None:
        """Enter a directive."""
        number = len(self._entries)
        self._entries.append((comment.line, directive, set()))
        if directive.kind is Kind.FILE:
            self._whole_file.append(number)
            return
        lines = [comment.line]
        if directive.kind is Kind.STATEMENT and comment.alone:
            below = comment.line + 1
            while below in own_lines:
                below += 1
            lines.append(below)
        for line in lines:
            self._by_line.setdefault(line, []).append(number)

    def silences(self, finding: Finding) -> int | None:
        """The number of a directive that covers a finding; every one that does counts as used."""
        covering = list(self._covering(finding))
        for number in covering:
            self._entries[number][2].add(finding.code)
        # What stands nearer comes after what holds for the whole file.
        return covering[-1] if covering else None

    def drop_bare(self, path: str, findings: Iterable[Finding]) -> list[Note]:
        """Take the directives without a reason out; a note on each that would have silenced something."""
        bare = {n for n, (_, directive, _) in enumerate(self._entries) if not directive.reason}
        missed: set[int] = set()
        for finding in findings:
            covering = set(self._covering(finding))
            if covering <= bare:
                missed |= covering
        self._whole_file = [number for number in self._whole_file if number not in bare]
        self._by_line = {
            line: [number for number in numbers if number not in bare]
            for line, numbers in self._by_line.items()
        }
        return [
            Note(path, line, f'suppression ignored: "{directive.text}" gives no reason (require-reason)')
            for line, directive, _ in (self._entries[number] for number in sorted(missed))
        ]

    def _covering(self, finding: Finding) -> Iterator[int]:
        first, last = finding.statement
        if (first, last) == (0, 0):
            first, last = finding.span.line, finding.span.end_line
        numbers: Iterable[int] = (n for line in range(first, last + 1) for n in self._by_line.get(line, ()))
        for number in (*self._whole_file, *numbers):
            codes = self._entries[number][1].codes
            if not codes or finding.code in codes:
                yield number

    def summary(self) -> tuple[Suppression, ...]:
        """Every directive entered, with what it was used for."""
        return tuple(
            Suppression(
                line,
                directive.text,
                directive.codes,
                bool(used),
                tuple(code for code in directive.codes if code in used),
                directive.reason,
            )
            for line, directive, used in self._entries
        )
