"""The grammar of suppression comments.

``# noqa`` is read as ruff 0.17 reads it: the word in any case, codes of capitals and digits, separated by
commas or blanks, up to the first thing that is no code. ``# noqa: E501`` speaks to other tools only. The
file-level forms ``# h2dlint: noqa`` and ``# flake8: noqa`` take codes in the same way. ``# ruff: noqa``
speaks to ruff, not to us.

Our own ``# h2dlint: ignore[HTD101, HTD103] reason`` and ``# h2dlint: ignore-file[HTD101] reason`` take
codes in any case and rule names, and stand for everything without brackets. ``# gpu-sync-ok: reason`` is in
use in PyTorch projects and stands for everything.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

WORDS = (b"noqa", b"h2dlint", b"gpu-sync-ok")
"""In any case: the bytes of a file with a directive hold one of them."""
POSSIBLE = re.compile(b"|".join(WORDS), re.IGNORECASE)

_NOQA = re.compile(r"#\s*noqa", re.IGNORECASE)
_FILE_NOQA = re.compile(r"#\s*(?:h2dlint|flake8)\s*:\s*noqa", re.IGNORECASE)
_OWN = re.compile(r"#\s*h2dlint\s*:\s*(?!\s|noqa)([a-z-]*)", re.IGNORECASE)
_SYNC_OK = re.compile(r"#\s*gpu-sync-ok(?=[:\s]|$)", re.IGNORECASE)
_CODE = re.compile(r"[A-Z]+[0-9]+")
_SEPARATORS = re.compile(r"[\s,]*")
_BRACKETS = re.compile(r"\s*\[([^\[\]]*)\]")


class Kind(enum.Enum):
    """Where a directive has its effect."""

    LINE = "any line of the statement"
    STATEMENT = "any line of the statement, or alone just above it"
    FILE = "the whole file"


@dataclass(frozen=True, slots=True)
class Directive:
    """What one directive asks for.

    Args:
        kind: where it has its effect.
        text: as it stands in the file.
        codes: of our rules; empty means all of them.
        reason: what follows it in the comment.
    """

    kind: Kind
    text: str
    codes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A directive that says nothing; ``message`` says why."""

    message: str


def read_directives(
    comment: str, codes: Collection[str], names: dict[str, str]
) -> Iterator[Directive | Invalid]:
    """The directives in a comment.

    Args:
        comment: from its ``#`` on.
        codes: of all our rules.
        names: rule name to code.
    """
    if match := _FILE_NOQA.search(comment):
        yield from _noqa(comment, match, Kind.FILE)
    elif match := _NOQA.search(comment):
        yield from _noqa(comment, match, Kind.LINE)
    for match in _OWN.finditer(comment):
        yield from _own(comment, match, codes, names)
    if match := _SYNC_OK.search(comment):
        yield Directive(Kind.STATEMENT, comment[match.start() :], reason=_reason(comment[match.end() :]))


def _reason(rest: str) -> str:
    """What a comment says after a directive, without the signs that part the two and without another directive."""
    text = rest.lstrip(" \t:#,-\u2013\u2014").rstrip()
    end = re.search(r"#\s*(?:noqa|type:|pragma:|pylint:|pyright:|h2dlint\s*:)", rest, re.IGNORECASE)
    if end is not None:
        text = rest[: end.start()].strip(" \t:#,-\u2013\u2014")
    return text if any(character.isalnum() for character in text) else ""


def _noqa(comment: str, match: re.Match[str], kind: Kind) -> Iterator[Directive | Invalid]:
    rest = comment[match.end() :]
    word = match[0]
    if not rest.lstrip().startswith(":"):
        if not rest or rest[0].isspace() or rest[0] == "#":
            yield Directive(kind, word, reason=_reason(rest))
        elif "HTD" in rest:
            yield Invalid(f'expected ":" and rule codes after "{word}"')
        return
    start = rest.index(":") + 1
    codes, end, problem = _codes(rest, start)
    ours = tuple(code for code in codes if code.startswith("HTD"))
    if problem:
        # Directives that are not about our rules are the business of the tools that they are about.
        if "HTD" in rest.upper():
            yield Invalid(problem)
    elif ours:
        yield Directive(kind, word + rest[:end], ours, _reason(rest[end:]))


def _codes(text: str, start: int) -> tuple[list[str], int, str | None]:
    """The codes from an offset on, where the last one ends, and what is wrong if anything is."""
    codes: list[str] = []
    end = start
    while True:
        separators = _SEPARATORS.match(text, end)
        match = _CODE.match(text, separators.end() if separators else end)
        if match is None:
            break
        codes.append(match[0])
        end = match.end()
        following = text[end : end + 1]
        # As in ruff, a code may be glued to the next one (`HTD101HTD102`) but to nothing else.
        if following and not (following.isspace() or following in ",#" or _CODE.match(text, end)):
            return [], end, f'a rule code is capitals and digits, got "{match[0]}{following}.."'
    return codes, end, None if codes else "expected rule codes, such as HTD101, after the colon"


def _own(
    comment: str, match: re.Match[str], known: Collection[str], names: dict[str, str]
) -> Iterator[Directive | Invalid]:
    word = match[1].lower()
    kinds = {"ignore": Kind.STATEMENT, "ignore-file": Kind.FILE}
    if word not in kinds:
        yield Invalid(f'unknown directive "{match[1]}"; there are ignore, ignore-file and noqa')
        return
    rest = comment[match.end() :]
    brackets = _BRACKETS.match(rest)
    if brackets is None:
        if rest.lstrip().startswith("["):
            yield Invalid('a "[" is not closed')
        elif rest and not rest[0].isspace() and rest[0] not in ":#":
            yield Invalid(f'unknown directive "{match[1]}{rest.split()[0]}"')
        else:
            yield Directive(kinds[word], match[0], reason=_reason(rest))
        return
    items = [item for item in re.split(r"[\s,]+", brackets[1]) if item]
    codes = [names.get(item.lower(), item.upper()) for item in items]
    for item, code in zip(items, codes, strict=True):
        if code not in known:
            yield Invalid(f'unknown rule "{item}"')
    ours = tuple(code for code in codes if code in known)
    if ours:
        yield Directive(kinds[word], match[0] + brackets[0], ours, _reason(rest[brackets.end() :]))
    elif not items:
        yield Invalid("no rule between the brackets; without brackets it stands for all rules")
