"""Verdicts of a run and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from h2dlint.engine.files import SourceFile
from h2dlint.engine.ledger import Seen
from h2dlint.engine.places import Grouped
from h2dlint.engine.results import FileResult

Asked = list[list[Any]]
"""Questions to the call graph: top of the project, entry points, kind, name, answer."""


@dataclass(slots=True)
class Verdict:
    """A new verdict and what it depends on.

    Args:
        file: that it is on.
        seen: the file as it was read, ``None`` where that is not known.
        needs: the files that were looked into.
        asked: what the call graph was asked.
        root: the top of its project.
    """

    file: SourceFile
    result: FileResult
    seen: Seen | None
    needs: tuple[str, ...]
    asked: Asked
    root: str


@dataclass(slots=True)
class Grounds:
    """What the verdicts of a run rest on.

    Args:
        contents: the files that were read, each as it was before that, and a digest of it.
        roots: the projects whose call graphs were asked.
        places: what was looked for.
        seen: what is known of a file of which this run knows what is in it.
    """

    contents: dict[str, Seen]
    roots: set[str]
    places: dict[str, Grouped]
    seen: Callable[[str], Seen | None]

    def add(self, paths: Iterable[str]) -> bool:
        """Take in more files; tells whether all of them are known."""
        for path in paths:
            if path not in self.contents:
                seen = self.seen(path)
                if seen is None:
                    return False
                self.contents[path] = seen
        return True
