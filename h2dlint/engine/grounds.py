"""Verdicts of a run and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from h2dlint.engine.files import Discovery, SourceFile
from h2dlint.engine.ledger import Seen
from h2dlint.engine.packing import Packed
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


@dataclass(slots=True)
class Part:
    """What still holds of an earlier run: all but what some files bear on.

    Args:
        found: what is linted.
        check: of the cache as that run left it.
        files: what was read then and is the same now.
        results: packed, by the paths of files on which there is anything to say.
        changed: what is in the other files now, as digests.
        kept: the run as it was written down.
        used: the cache is as that run left it, so that other verdicts need not be looked up.
        fresh: paths of the files whose verdicts are new or were looked up.
    """

    found: Discovery
    check: str
    files: dict[str, Seen]
    results: dict[str, Packed]
    changed: dict[str, str | None]
    kept: dict[str, Any]
    used: bool = False
    fresh: tuple[str, ...] = ()
