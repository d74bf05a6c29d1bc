"""The rules as a flake8 plugin: the verdicts of ``h2dlint check``, with its configuration and its suppressions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from h2dlint import __version__

if TYPE_CHECKING:
    from h2dlint.integrations.project import FileByFile

FAILED = "HTD900"
"""Reported where h2dlint itself could not look at a file, so that this is not taken for a clean one."""

Problem = tuple[int, int, str, type[Any]]
"""What flake8 wants: line from 1, column from 0, code and message, and the plugin."""


class Plugin:
    """What flake8 makes of each file that parses.

    Args:
        tree: of the file; not used, as flake8 must be asked for it to run the plugin once a file.
        filename: as flake8 shows it.
        lines: of the file, decoded.
    """

    name = "h2dlint"
    version = __version__

    def __init__(self, tree: ast.AST, filename: str, lines: list[str]) -> None:
        self.filename = filename
        self.lines = lines

    def run(self) -> Iterator[Problem]:
        """Yield the findings of the file.

        Raises:
            ConfigError: the configuration cannot be used; flake8 ends with its message.
        """
        from h2dlint.engine.runner import lint_source
        from h2dlint.integrations.project import absolute, deep_stack, encoded

        location = absolute(self.filename)
        surroundings = _surroundings()
        settings = surroundings.settings(location)
        if surroundings.excluded(location):
            return
        with deep_stack():
            result = lint_source(
                self.filename,
                encoded("".join(self.lines)),
                settings,
                location=location,
                projects=surroundings.projects,
            )
        for error in result.errors:
            yield error.line or 1, 0, f"{FAILED} not checked: {error.message}", type(self)
        for finding in result.findings:
            yield finding.span.line, finding.span.column - 1, f"{finding.code} {finding.message}", type(self)


@lru_cache(maxsize=1)
def _surroundings() -> FileByFile:
    """Kept for all files that a process of flake8 looks at."""
    from h2dlint.integrations.project import FileByFile

    return FileByFile()
