"""What git ignores: nested ``.gitignore`` files and ``.git/info/exclude``, inside a repository.

As in ruff, files named ``.gitignore`` outside a git repository say nothing, and a file that matches is left out
even where git tracks it. The user's global ignore file is not read: a verdict should not depend on whose
machine it is.

The patterns are matched by pathspec. What it reads in another way than git is in ``DIFFERENCES`` in
``tests/engine/test_gitignore.py``. Case counts everywhere.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from h2dlint.engine.linear import is_slow, matches
from h2dlint.engine.reading import MAX_CONFIG, read_regular

if TYPE_CHECKING:
    from pathspec import Pattern

_FILE, _FOLDER, _EITHER = "/\0f", "/\0d", "/\0?"
"""What is put behind a path, and behind a pattern, before they are matched.

pathspec lets a pattern that matches a folder match all that is in it, so that with ``*``, ``!*/``, ``!*.py``
(ignore everything but Python) one cannot tell which pattern spoke of a file and which of a folder above it. With a
last level that no name on disk can have, a pattern matches a path itself or not at all.
"""


class _Patterns:
    """The patterns of one ignore file.

    Args:
        lines: of the file, without line ends. A pattern that cannot be read matches nothing, as in git.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._last_first = [pattern for line in lines for pattern in _compile(line)][::-1]

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Whether a path is ignored, ``None`` where no pattern speaks of it.

        Args:
            path: relative to the folder of the ignore file, with forward slashes. The folders on the way
                are not looked at: what is in an ignored folder is not to be asked about.
            is_folder: whether it is a folder (and no symbolic link to one).
        """
        mark = _FOLDER if is_folder else _FILE
        name = path.rpartition("/")[2]
        for by_name, pattern, glob in self._last_first:
            text = (name if by_name else path) + mark
            if matches(glob, text, crossing=False) if is_slow(glob, len(text)) else pattern.match_file(text):
                return pattern.include
        return None


class IgnoreStack:
    """The ignore files that bear on one folder, the nearest first.

    Args:
        folder: absolute path.
        specs: pairs of the folder that an ignore file speaks for and its patterns, nearest first.
        active: whether the folder lies in a repository.
    """

    def __init__(
        self, folder: str, specs: tuple[tuple[str, _Patterns], ...] = (), active: bool = False
    ) -> None:
        self._folder = folder
        self._specs = specs
        self._active = active

    @classmethod
    def at(cls, folder: str) -> IgnoreStack:
        """The stack of a folder that is not reached by a walk: from the repository root down to it.

        A folder that is itself ignored was asked for by name, so what ignores it is left out.
        """
        chain = [Path(folder), *Path(folder).parents]
        top = next((i for i, parent in enumerate(chain) if (parent / ".git").exists()), None)
        if top is None:
            return cls(folder)
        stack = cls(str(chain[top])).enter(str(chain[top]))
        for parent in reversed(chain[:top]):
            if stack.ignores(str(parent), is_folder=True):
                stack = cls(str(parent), (), active=True)
            stack = stack.enter(str(parent))
        return stack

    def enter(self, folder: str) -> IgnoreStack:
        """The stack of a folder below; a nested repository starts afresh.

        Raises:
            OSError: an ignore file is there and cannot be read.
        """
        specs = self._specs
        active = self._active
        git = os.path.join(folder, ".git")
        if os.path.exists(git):
            active = True
            specs = _read(os.path.join(git, "info", "exclude"), folder)
        if active:
            specs = _read(os.path.join(folder, ".gitignore"), folder) + specs
        return IgnoreStack(folder, specs, active)

    def ignores(self, path: str, is_folder: bool) -> bool:
        """Whether a file or folder directly in the folder of this stack is ignored."""
        for folder, spec in self._specs:
            relative = path[len(folder) :].lstrip(os.sep).replace(os.sep, "/")
            verdict = spec.verdict(relative, is_folder)
            if verdict is not None:
                return verdict
        return False


def _read(file: str, folder: str) -> tuple[tuple[str, _Patterns], ...]:
    if not os.path.isfile(file):
        return ()
    text = read_regular(file, MAX_CONFIG).decode("utf-8-sig", "surrogateescape")
    return ((folder, _Patterns(line.removesuffix("\r") for line in text.split("\n"))),)


def _compile(line: str) -> list[tuple[bool, Pattern, str]]:
    """The pattern in a line, if any, whether it is for a bare name rather than for a path, and its glob."""
    glob = line.rstrip(" ")
    if glob != line and (len(glob) - len(glob.rstrip("\\"))) % 2:
        glob += " "  # A blank at the end counts behind a backslash.
    negated = glob.startswith("!")
    glob = glob.removeprefix("!")
    mark = _FOLDER if glob.endswith("/") else _EITHER
    glob = glob.removesuffix("/")
    if not glob or line.startswith("#"):
        return []
    by_name = "/" not in glob
    glob = "/" + glob.removeprefix("/")
    if glob.endswith("/**"):
        glob += "/*"  # What is in a folder, not the folder itself.
    from pathspec import GitIgnoreSpec  # Many projects have no ignore file.

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `re` has doubts about `[[` and the like.
            spec = GitIgnoreSpec.from_lines([f"{'!' * negated}{glob}{mark}"])
    except (ValueError, re.error):
        return []
    return [(by_name, pattern, glob[1:] + mark) for pattern in spec.patterns]
