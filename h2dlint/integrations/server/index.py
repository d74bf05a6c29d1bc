"""What is known of the other files of a project, kept warm from one verdict to the next."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from h2dlint.analysis.reach import CallGraph
from h2dlint.analysis.scan import File
from h2dlint.engine.ledger import Ledger, Signature, signature
from h2dlint.engine.listing import sources
from h2dlint.engine.modules import Projects

Key = tuple[str, tuple[str, ...]]
"""The top of a project and its entry points."""
Look = tuple["Signature | None", str]
"""What the file system said of a file when it was looked at, and what was seen."""


class Index:
    """Hands out views of the files on disk, and keeps the call graphs of projects from one view to the next.

    A graph says how hot code is and not what is found, and making one takes seconds in a large project. So nobody
    waits for it: before there is one nothing is known of other files' calls, and one that files have changed since is
    given out as it is. ``renew`` makes graphs, in a thread of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._graphs: dict[Key, CallGraph] = {}
        self._looks: dict[Key, dict[str, Look]] = {}
        self._missing: set[Key] = set()
        self._projects: Projects | None = None

    @property
    def projects(self) -> Projects:
        """The files as they were when this view was made."""
        with self._lock:
            if self._projects is None:
                self._projects = Projects(shelf=self)
            return self._projects

    def changed(self) -> None:
        """Files on disk changed: the next view sees them as they are then."""
        with self._lock:
            self._projects = None

    @property
    def incomplete(self) -> bool:
        """A graph was asked for that there is not yet."""
        return bool(self._missing)

    def find(self, root: str, entry_points: tuple[str, ...]) -> CallGraph:
        """The call graph of a project; where there is none yet, one that knows of no calls."""
        graph = self._graphs.get((root, entry_points))
        if graph is None:
            self._missing.add((root, entry_points))
            graph = CallGraph.remembered(({}, {}, frozenset()))
        return graph

    def keep(self, root: str, entry_points: tuple[str, ...], graph: CallGraph, files: Sequence[File]) -> None:
        """Not called, as there always is a graph."""

    def edges(self, root: str, files: Sequence[File]) -> None:
        """Not called either."""

    def seen(self, root: str) -> Mapping[str, File]:
        """Nor this."""
        return {}

    def remember(self, root: str, files: Sequence[File], known: int) -> None:
        """Nor this."""

    def renew(self) -> bool:
        """Make the graphs that are missing or whose files changed in what a graph is made of; whether any were."""
        todo = set(self._missing) | {key for key in list(self._graphs) if self._outdated(key)}
        for key in todo:
            ledger = Ledger()
            self._graphs[key] = Projects(ledger).project.calls(*key)
            looks: dict[str, Look] = {}
            for path, look in ledger.scans.items():
                seen = ledger.contents.get(path)
                looks[path] = (seen[0] if seen is not None else None, look)
            self._looks[key] = looks
            self._missing.discard(key)
        if todo:
            self.changed()
        return bool(todo)

    def _outdated(self, key: Key) -> bool:
        root = key[0]
        known = self._looks[key]
        paths = sources(root)
        if set(paths) != known.keys():
            return True
        now = Projects()
        for path in paths:
            sign = signature(path)
            was, look = known[path]
            if sign is not None and sign == was:
                continue
            if now.look(path, root) != look:
                return True
            known[path] = (sign, look)
        return False
