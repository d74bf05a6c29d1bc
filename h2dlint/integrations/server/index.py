"""What is known of the other files of a project, kept warm from one verdict to the next."""

from __future__ import annotations

import threading

from h2dlint.analysis.reach import CallGraph
from h2dlint.engine.ledger import Ledger, Signature, signature
from h2dlint.engine.listing import sources
from h2dlint.engine.modules import Projects

Key = tuple[str, tuple[str, ...]]
"""The top of a project and its entry points."""


class Index:
    """Hands out views of the files on disk, and keeps the call graphs of projects from one view to the next.

    A graph is given out as it is even where files have changed since: it says how hot code is and not what is found,
    and making one anew takes seconds in a large project. ``renew`` does that, in a thread of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._graphs: dict[Key, CallGraph] = {}
        self._looks: dict[Key, dict[str, tuple[Signature | None, str]]] = {}
        self._ledger = Ledger()
        self._projects: Projects | None = None

    @property
    def projects(self) -> Projects:
        """The files as they were when this view was made."""
        with self._lock:
            if self._projects is None:
                self._ledger = Ledger()
                self._projects = Projects(self._ledger, self)
            return self._projects

    def changed(self) -> None:
        """Files on disk changed: the next view sees them as they are then."""
        with self._lock:
            self._projects = None

    def find(self, root: str, entry_points: tuple[str, ...]) -> CallGraph | None:
        """The call graph of a project, where there is one."""
        return self._graphs.get((root, entry_points))

    def keep(self, root: str, entry_points: tuple[str, ...], graph: CallGraph) -> None:
        """Keep a graph that the current view made."""
        self._store((root, entry_points), graph, self._ledger)

    def _store(self, key: Key, graph: CallGraph, ledger: Ledger) -> None:
        looks = {}
        for path, look in list(ledger.scans.items()):
            seen = ledger.contents.get(path)
            looks[path] = (seen[0] if seen is not None else None, look)
        self._graphs[key], self._looks[key] = graph, looks

    def renew(self) -> bool:
        """Make the graphs anew whose files changed in what a graph is made of; whether there were any."""
        renewed = False
        for key in list(self._graphs):
            if not self._outdated(key):
                continue
            ledger = Ledger()
            fresh = Projects(ledger)
            graph = fresh.project.calls(*key)
            self._store(key, graph, ledger)
            renewed = True
        if renewed:
            self.changed()
        return renewed

    def _outdated(self, key: Key) -> bool:
        root = key[0]
        known = self._looks.get(key, {})
        paths = sources(root)
        if set(paths) != known.keys():
            return True
        looks = Projects()
        for path in paths:
            sign = signature(path)
            was, look = known[path]
            if sign is not None and sign == was:
                continue
            if looks.look(path, root) != look:
                return True
            known[path] = (sign, look)
        return False
