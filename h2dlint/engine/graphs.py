"""Whether the call graph of a project says of a file what it said when its verdict was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from h2dlint.analysis.project import Answer, Project
from h2dlint.engine.ledger import digest
from h2dlint.engine.modules import Projects, sources


class Graphs:
    """The call graphs of now and those of the cache.

    A graph is known by what a cheap look at each of its files sees: where that is the same nothing is asked of it.
    Elsewhere the graph is made anew and asked again.

    Args:
        projects: of the run.
    """

    def __init__(self, projects: Projects) -> None:
        self._projects = projects
        self._were: Mapping[str, str] = {}
        self._same: dict[str, bool] = {}
        self.scan: Callable[[str], str | None] = lambda path: None
        """What a cheap look at a file sees, where that is known without looking."""

    def were(self, digests: Mapping[str, str]) -> None:
        """Take over the digests of the cache, by the top of each project."""
        self._were = digests

    def answer(self, location: str, asked: list[list[Any]]) -> bool:
        """Every question about a file has the answer that it had."""
        for root, entries, kind, name, answer in asked:
            if root not in self._same:
                self._same[root] = bool(self._were.get(root)) and self._were.get(root) == self.digest(root)
            if self._same[root]:
                continue
            graph = self._projects.project.calls(root, tuple(entries))
            now: Answer = graph.of(location, name) if kind == "of" else graph.private(location, name)
            if plain(now) != answer:
                return False
        return True

    def digest(self, root: str) -> str:
        """What the files below a folder look like now; empty where that changed while the graph was made."""
        paths = sources(root)
        ledger = self._projects.ledger
        listing = ledger.listings.get(root) if ledger is not None else None
        if listing is not None and listing != digest(repr(paths).encode("utf-8", "surrogatepass")):
            return ""
        known = [(path, self.scan(path) or self._projects.look(path)) for path in paths]
        return digest(repr(known).encode("utf-8", "surrogatepass"))


def plain(answer: Answer) -> bool | list[str] | None:
    """An answer as JSON holds it."""
    return [answer[0].value, answer[1]] if isinstance(answer, tuple) else answer


def questions(project: Project, location: str) -> list[list[Any]]:
    """What was asked for a file, as JSON holds it."""
    asked = project.asked(location)
    return [
        [*question[:1], list(question[1]), *question[2:], plain(answer)] for question, answer in asked.items()
    ]
