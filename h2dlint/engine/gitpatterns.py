"""The patterns of ``.gitignore`` files, as git matches them.

Written out rather than taken from a library: pathspec lets a pattern for a folder match what is in it, so
that with ``*``, ``!*/``, ``!*.py`` (ignore everything but Python) it ignores every folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    negated: bool
    folders_only: bool
    by_name: bool


class GitPatterns:
    """The patterns of one ignore file.

    Args:
        lines: of the file, without line ends. A pattern that cannot be read matches nothing, as in git.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        found = [_read(line) for line in lines]
        self._last_first = [pattern for pattern in reversed(found) if pattern is not None]

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Whether a path is ignored, ``None`` where no pattern speaks of it.

        Args:
            path: relative to the folder of the ignore file, with forward slashes. The folders on the way
                are not looked at: what is in an ignored folder is not to be asked about.
            is_folder: whether it is a folder (and no symbolic link to one).
        """
        name = path.rpartition("/")[2]
        for pattern in self._last_first:
            if pattern.folders_only and not is_folder:
                continue
            if pattern.regex.fullmatch(name if pattern.by_name else path):
                return not pattern.negated
        return None


def _read(line: str) -> _Pattern | None:
    if line.startswith("#"):
        return None
    # Trailing blanks do not count unless a backslash stands before them.
    while line.endswith(" ") and not re.search(r"(?<!\\)(?:\\\\)*\\ $", line):
        line = line[:-1]
    negated = line.startswith("!")
    glob = line[1:] if negated else line
    folders_only = glob.endswith("/")
    glob = glob[:-1] if folders_only else glob
    if not glob:
        return None
    by_name = "/" not in glob
    regex = _segment(glob) if by_name else _path(glob.removeprefix("/"))
    return None if regex is None else _Pattern(re.compile(regex, re.DOTALL), negated, folders_only, by_name)


def _path(glob: str) -> str | None:
    """A glob over several levels; ``**`` as a whole level stands for any number of them."""
    levels = glob.split("/")
    out = ""
    for number, level in enumerate(levels):
        last = number == len(levels) - 1
        if level == "**":
            out += ".+" if last else "(?:.*/)?"
            continue
        regex = _segment(level)
        if regex is None:
            return None
        out += regex if last else regex + "/"
    return out


def _segment(glob: str) -> str | None:
    """A glob within one level; ``None`` where a bracket is not closed."""
    out = ""
    i = 0
    while i < len(glob):
        char = glob[i]
        i += 1
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[":
            found = _bracket(glob, i)
            if found is None:
                return None
            regex, i = found
            out += regex
        elif char == "\\":
            if i == len(glob):
                return None
            out += re.escape(glob[i])
            i += 1
        else:
            out += re.escape(char)
    return out


def _bracket(glob: str, i: int) -> tuple[str, int] | None:
    """The class that opened just before ``i``, and where the glob goes on after it."""
    negated = glob[i : i + 1] in ("!", "^")
    i += negated
    out = ""
    first = True
    while True:
        char = glob[i : i + 1]
        if not char:
            return None
        if char == "]" and not first:
            break
        first = False
        if char == "[" and glob[i + 1 : i + 2] == ":" and ":]" in glob[i + 2 :]:
            name, _, _ = glob[i + 2 :].partition(":]")
            if name not in _CLASSES:
                return None
            out += _CLASSES[name]
            i += len(name) + 4
            continue
        low, i = _member(glob, i)
        if glob[i : i + 1] == "-" and glob[i + 1 : i + 2] not in ("", "]"):
            high, i = _member(glob, i + 1)
            if low <= high:  # A range the wrong way round holds nothing.
                out += f"{re.escape(low)}-{re.escape(high)}"
        else:
            out += re.escape(low)
    body = f"[^{out}]" if negated else f"[{out}]"
    if not out:
        body = "[^/]" if negated else "(?!)"
    return f"(?!/){body}", i + 1


def _member(glob: str, i: int) -> tuple[str, int]:
    """One character of a class, and where the next one is."""
    if glob[i] == "\\" and i + 1 < len(glob):
        i += 1
    return glob[i], i + 1
