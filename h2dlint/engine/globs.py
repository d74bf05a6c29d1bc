"""Glob patterns as ruff reads them (``exclude``, ``per-file-ignores``).

As in ruff, ``*`` and ``?`` cross folder separators, ``{a,b}`` alternates, and a pattern is tried both against
the bare name and against the whole path.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from functools import lru_cache

from h2dlint.engine.linear import is_slow, matches

MAX_BRACES = 20
LONGEST = 4096
"""Characters of a path."""

_LITERAL = re.compile(r"(?!\.\.?$)[\w.-]+")
"""A bare name without wildcards."""


class PatternError(ValueError):
    """A glob pattern that cannot be read; the message says what is wrong with it."""


@lru_cache(maxsize=1024)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob to a regular expression that has to match a whole string.

    Raises:
        PatternError: a bracket or brace is not closed.
    """
    return re.compile(_translate(pattern), re.DOTALL)


def _translate(pattern: str) -> str:
    out: list[str] = []
    depth = 0
    i = 0
    while i < len(pattern):
        char = pattern[i]
        i += 1
        if char == "*":
            stars_end = i
            while stars_end < len(pattern) and pattern[stars_end] == "*":
                stars_end += 1
            whole = stars_end - i == 1 and (i == 1 or pattern[i - 2] == "/")
            if whole and pattern[stars_end : stars_end + 1] == "/":
                # `**/` stands for any number of folders, none included.
                out.append("(?:.*/)?")
                i = stars_end + 1
            else:
                out.append(".*")
                i = stars_end
        elif char == "?":
            out.append(".")
        elif char == "[":
            i = _bracket(pattern, i, out)
        elif char == "{":
            depth += 1
            if depth > MAX_BRACES:
                raise PatternError(f'"{pattern[:60]}" has braces nested more than {MAX_BRACES} deep')
            out.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            out.append(")")
        elif char == "," and depth:
            out.append("|")
        elif char == "\\" and i < len(pattern):
            out.append(re.escape(pattern[i]))
            i += 1
        else:
            out.append(re.escape(char))
    if depth:
        raise PatternError(f'"{pattern}" has a "{{" that is not closed')
    return "".join(out)


def _bracket(pattern: str, start: int, out: list[str]) -> int:
    """Translate a character class that opened just before ``start``; returns where it ends."""
    i = start
    negated = pattern[i : i + 1] in ("!", "^")
    if negated:
        i += 1
    end = pattern.find("]", i + 1)  # A `]` in the first place is an ordinary character.
    if end < 0:
        raise PatternError(f'"{pattern}" has a "[" that is not closed')
    members = pattern[i:end]
    body = re.sub(r"([\\\[\]^&~|])", r"\\\1", members)
    try:
        re.compile(f"[{body}]")
    except re.error as error:
        raise PatternError(f'"{pattern}" has a character class that cannot be read: {error}') from error
    out.append(f"[{'^' if negated else ''}{body}]")
    return end + 1


class PathPatterns:
    """A set of patterns to match files and folders against.

    Args:
        patterns: globs; one that is not absolute is relative to ``root``, or matches a bare name.
        root: absolute path of a folder.

    Raises:
        PatternError: a pattern cannot be read.
    """

    def __init__(self, patterns: Iterable[str], root: str) -> None:
        literal: set[str] = set()
        names: list[str] = []
        globs: list[str] = []
        paths: list[str] = []
        for pattern in patterns:
            if _LITERAL.fullmatch(pattern):
                # A name without wildcards, as nearly all excludes are: a path that matches has this name.
                literal.add(pattern)
                continue
            globs.append(pattern)
            compile_glob(pattern)  # Alone first, so that an error names the pattern that it is in.
            if "/" not in pattern:
                names.append(_translate(pattern))
            paths.append(_translate(absolute_pattern(pattern, root)))
        # With a root in front there are more characters to match, and no more ways to do it.
        self._globs = [(glob, "/" not in glob, absolute_pattern(glob, root)) for glob in globs]
        self._slow = [glob for glob in globs if is_slow(glob, LONGEST)]
        self._literal = frozenset(literal)
        self._names = re.compile("|".join(names), re.DOTALL) if names else None
        self._paths = re.compile("|".join(paths), re.DOTALL) if paths else None

    def match(self, path: str) -> bool:
        """Whether one path (absolute, forward slashes) matches, its parents aside."""
        name = path.rpartition("/")[2]
        if self._slow and any(is_slow(glob, len(path)) for glob in self._slow):
            return self._match_slowly(name, path)
        return bool(
            name in self._literal
            or (self._names and self._names.fullmatch(name))
            or (self._paths and self._paths.fullmatch(path))
        )

    def _match_slowly(self, name: str, path: str) -> bool:
        return name in self._literal or any(
            (by_name and matches(glob, name)) or matches(place, path) for glob, by_name, place in self._globs
        )


def absolute_pattern(pattern: str, root: str) -> str:
    """A pattern over absolute paths: ``root`` in front of a relative one, ``.`` and ``..`` resolved."""
    if os.path.isabs(pattern):
        return posixpath.normpath(pattern)
    escaped = re.sub(r"([*?\[\]{}\\])", r"[\1]", root.replace(os.sep, "/"))
    return posixpath.normpath(f"{escaped}/{pattern}")
