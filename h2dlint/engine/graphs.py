"""The call graphs of projects, kept from run to run, and whether they say of a file what they said before.

A graph is known by what a cheap look at each of the project's files sees: where all of that is as it was, the graph is,
and its answers are. Elsewhere it is made anew and asked again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from h2dlint.engine.ledger import Ledger, digest
from h2dlint.engine.places import looked_for, still_there
from h2dlint.engine.storing import read_sections, write_sections

if TYPE_CHECKING:
    from h2dlint.analysis.edges import Kept
    from h2dlint.analysis.project import Answer, Project
    from h2dlint.analysis.reach import CallGraph
    from h2dlint.analysis.scan import File
    from h2dlint.engine.materials import Materials
    from h2dlint.engine.modules import Projects


class Held:
    """Call graphs that were made by another process."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, tuple[str, ...]], CallGraph] = {}

    def hold(self, root: str, entry_points: tuple[str, ...], graph: CallGraph) -> None:
        """Have a graph found from now on."""
        self._held[root, entry_points] = graph

    def find(self, root: str, entry_points: tuple[str, ...]) -> CallGraph | None:
        """The graph of a project, if it is held."""
        return self._held.get((root, entry_points))

    def edges(self, root: str, files: Sequence[File]) -> Kept | None:
        """Nothing is known from an earlier run."""
        return None

    def keep(self, root: str, entry_points: tuple[str, ...], graph: CallGraph, files: Sequence[File]) -> None:
        """Nothing is kept from run to run."""

    def seen(self, root: str) -> Mapping[str, File]:
        """Nothing is known from an earlier run."""
        return {}

    def remember(self, root: str, files: Sequence[File], known: int) -> None:
        """Nothing is kept from run to run."""


class Graphs(Held):
    """The call graphs of now and those of the cache.

    Args:
        folder: where they are kept.
        version: of all that makes a graph what it is but for the files.
        ledger: of the run.
    """

    def __init__(self, folder: Path, version: str, ledger: Ledger) -> None:
        super().__init__()
        self._folder = folder
        self._version = version
        self._ledger = ledger
        self._were: Mapping[str, str] = {}
        self._same: dict[str, bool] = {}
        self._looks: dict[str, str] = {}
        self._now: dict[str, list[tuple[str, str | None]]] = {}
        self._made_of: dict[str, Materials] = {}
        self.scan: Callable[[str], str | None] = lambda path: None
        """What a cheap look at a file sees, where that is known without looking."""

    @cached_property
    def projects(self) -> Projects:
        """The modules that the run looks into."""
        from h2dlint.engine.modules import Projects

        return Projects(self._ledger, self, brief=True)

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
            graph = self.projects.project.calls(root, tuple(entries))
            now: Answer = graph.of(location, name) if kind == "of" else graph.private(location, name)
            if plain(now) != answer:
                return False
        return True

    def still(self, location: str, asked: list[list[Any]]) -> bool:
        """The same, of a file that is not of this run: a graph of which nothing was asked is not looked at."""
        return self.answer(location, [question for question in asked if question[0] in self._looks])

    def sees_the_same(self, path: str, scan: str | None) -> bool:
        """A cheap look at a file sees what it saw, in every project whose graph was asked.

        Args:
            path: of the file.
            scan: what it saw, as a digest; ``None`` where it was not looked at.
        """
        return scan is None or all(self.projects.look(path, root) == scan for root in self._were)

    def stay(self) -> None:
        """No graph has changed."""
        for root, digest_ in self._were.items():
            self._looks[root], self._same[root] = digest_, True

    def moved(self, roots: Iterable[str]) -> bool:
        """A graph that was looked at is not what it was; its answers may be."""
        return any(self._were.get(root, "") != self._looks[root] for root in roots if root in self._looks)

    def latest(self, root: str) -> str:
        """The digest of a graph: of now, or that of the cache where nothing was asked of it."""
        if root in self._looks or root not in self._were or root in self._ledger.listings:
            return self.digest(root)
        return self._were[root]

    def digest(self, root: str) -> str:
        """What the files below a folder look like now; empty where that changed while the graph was made."""
        if root not in self._looks:
            from h2dlint.engine.listing import sources

            paths = sources(root)
            listing = digest(repr(paths).encode("utf-8", "surrogatepass"))
            if self._ledger.listings.setdefault(root, listing) != listing:
                return ""
            seen = self._now[root] = self._seen(root, paths)
            self._looks[root] = digest(repr(seen).encode("utf-8", "surrogatepass"))
        return self._looks[root]

    def _seen(self, root: str, paths: Sequence[str]) -> list[tuple[str, str | None]]:
        """What a cheap look at files sees now."""
        from h2dlint.analysis.heat import cold_by_path
        from h2dlint.analysis.reach import within
        from h2dlint.analysis.scan import mark

        seen, look = self._ledger.scans, self.projects.look
        found: list[tuple[str, str | None]] = []
        for path in paths:
            # Another project, below or above, may have looked at it as one that is cold there.
            begin = mark(cold_by_path(within(path, root)))
            known = (told for told in (seen.get(path), self.scan(path)) if told and told.startswith(begin))
            found.append((path, next(known, None) or look(path, root)))
        return found

    def _path(self, kind: str, *what: object) -> Path:
        name = digest(repr((self._version, *what)).encode("utf-8", "surrogatepass"))
        return self._folder / f"{kind}-{name}.json"

    def _materials(self, root: str) -> Materials:
        if root not in self._made_of:
            from h2dlint.engine.materials import Materials

            scans, edges = self._path("scans", root), self._path("edges", root)
            self._made_of[root] = Materials(scans, edges, self._ledger, self.scan)
        return self._made_of[root]

    def seen(self, root: str) -> Mapping[str, File]:
        """Files of which a cheap look would see now what it saw in an earlier run, by path."""
        return self._materials(root).seen()

    def remember(self, root: str, files: Sequence[File], known: int) -> None:
        """Keep what a cheap look saw."""
        self._materials(root).remember(files, known)

    def edges(self, root: str, files: Sequence[File]) -> Kept | None:
        """What was found of the same files, where they define what they defined."""
        return self._materials(root).edges(files)

    def find(self, root: str, entry_points: tuple[str, ...]) -> CallGraph | None:
        """The graph of the files that are there now."""
        held = super().find(root, entry_points)
        if held is not None:
            return held
        try:
            kept = self._path("graph", root, entry_points)
            first, lines, hidden = read_sections(kept)[1]
            read = json.loads(first)
            now = self.digest(root)
            if not now or not still_there(read["places"]):
                return None
            paths: list[str] = read["paths"]
            if read["looks"] != now:
                look = partial(self.projects.scan, root=root)
                looks = self._now.get(root, [])
                unmoved = self._materials(root).unmoved(read["made"], looks, look, hidden, read["edited"])
                if unmoved is None:
                    return None
                hidden, edited = unmoved
                write_sections(kept, {**read, "looks": now, "edited": edited}, lines, hidden)
            from h2dlint.analysis.reach import CallGraph
            from h2dlint.engine.answers import Hidden, Verdicts

            found = CallGraph.remembered((Verdicts(paths, lines), Hidden(paths, hidden), frozenset(paths)))
            # Nothing is looked for now, but verdicts rest on where this graph found modules.
            self._ledger.graphs[str(kept)] = read["places"]
            return found
        except (OSError, ValueError, LookupError, TypeError, RecursionError, AttributeError):
            return None

    def keep(self, root: str, entry_points: tuple[str, ...], graph: CallGraph, files: Sequence[File]) -> None:
        """Keep a graph and what it was made of."""
        verdicts, hidden, known = graph.told
        paths = sorted(known)
        looks = digest(
            repr([(path, self._ledger.scans.get(path)) for path in paths]).encode("utf-8", "surrogatepass")
        )
        if looks != self.digest(root):
            # A file that cannot be read, or one that changed meanwhile.
            return
        from h2dlint.engine.answers import Hidden, Verdicts

        materials = self._materials(root)
        places = looked_for(self._ledger)
        materials.keep(files, graph, places, looks)
        told = {"looks": looks, "made": looks, "edited": [], "places": places, "paths": paths}
        sections = Verdicts.packed(verdicts, paths), Hidden.packed(hidden, paths)
        write_sections(self._path("graph", root, entry_points), told, *sections)


def plain(answer: Answer) -> bool | list[str] | None:
    """An answer as JSON holds it."""
    return [answer[0].value, answer[1]] if isinstance(answer, tuple) else answer


def questions(project: Project, location: str) -> list[list[Any]]:
    """What was asked for a file, as JSON holds it."""
    asked = project.asked(location)
    return [[root, list(entries), *rest, plain(answer)] for (root, entries, *rest), answer in asked.items()]
