"""What git ignores: nested ``.gitignore`` files and ``.git/info/exclude``, inside a repository.

As in ruff, files named ``.gitignore`` outside a git repository say nothing. The user's global ignore file is
not read: a verdict should not depend on whose machine it is.
"""

from __future__ import annotations

import os
from pathlib import Path

from h2dlint.engine.gitpatterns import GitPatterns


class IgnoreStack:
    """The ignore files that bear on one folder, the nearest first.

    Args:
        folder: absolute path.
        specs: pairs of the folder that an ignore file speaks for and its patterns, nearest first.
        active: whether the folder lies in a repository.
    """

    def __init__(
        self, folder: str, specs: tuple[tuple[str, GitPatterns], ...] = (), active: bool = False
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


def _read(file: str, folder: str) -> tuple[tuple[str, GitPatterns], ...]:
    if not os.path.isfile(file):
        return ()
    with open(file, "rb") as stream:
        text = stream.read().decode("utf-8-sig", "surrogateescape")
    return ((folder, GitPatterns(line.removesuffix("\r") for line in text.split("\n"))),)
