"""Which functions of a project run per step or request, and which only once: the call graph, and what is reached in it.

It is built from a cheap look at every file (``scan``). A name is resolved through imports, ``self.m`` through base
classes and those that override it, and ``x.m()`` on an object of unknown class by the method's name, where few classes
define it and it is no everyday word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from h2dlint.analysis.edges import Edges, Kept
from h2dlint.analysis.heat import CONSTRUCTORS, Names, cold_by_name, cold_by_path, is_cached
from h2dlint.analysis.lookup import Lookup
from h2dlint.analysis.scan import File, Function
from h2dlint.model import Context

SHOWN = 4
"""Links of a chain that are shown."""

Verdict = tuple[Context, str]
Told = tuple[dict[tuple[str, str], Verdict], dict[str, str], frozenset[str]]
"""How often functions run, by file and name; the file of each hidden name, empty where there are several; the files."""


class CallGraph:
    """The functions of a project, and what each one calls.

    Args:
        files: scanned, in order of path.
        find: the file of a module, given the importing file and a dotted name.
        root: absolute path of the project's folder: where a file lies in it can make it cold.
        entry_points: patterns that are added to those known here.
        kept: what an earlier run found of the same definitions.
    """

    def __init__(
        self,
        files: Iterable[File],
        find: Callable[[str, str], str | None],
        root: str,
        entry_points: tuple[str, ...],
        kept: Kept | None = None,
    ) -> None:
        self._lookup = Lookup(files, find)
        self._paths = frozenset(self._lookup.files)
        self._cold_files = {path for path in self._lookup.files if cold_by_path(within(path, root))}
        self._names = Names(entry_points)
        self._loose: set[tuple[str, str]] = set()
        self.edges = edges = Edges(self._lookup, self._cold_files, kept)
        self._calls, self._loops, self._vague = edges.calls, edges.loops, edges.vague
        self._collect_loose()
        self._verdicts = self._reach()

    @classmethod
    def remembered(cls, told: Told) -> CallGraph:
        """The graph of which ``told`` was said, as far as it is asked anything."""
        graph = cls.__new__(cls)
        graph._verdicts, graph._private, graph._paths = told
        return graph

    @property
    def told(self) -> Told:
        """Everything that the graph answers with."""
        return self._verdicts, self._private, self._paths

    def of(self, path: str, name: str) -> Verdict | None:
        """How often a function runs, and one line that says why; ``None`` where nothing is known.

        Args:
            path: absolute path of the file.
            name: ``Class.method``, with the names of enclosing functions in front.
        """
        return self._verdicts.get((path, name))

    def private(self, path: str, short: str) -> bool:
        """No other file of the project holds a name that starts with an underscore, be it in a string or a comment."""
        return path in self._paths and self._private.get(short, path) == path

    def _collect_loose(self) -> None:
        """Names that are mentioned where it cannot be said what they are called by, or from."""
        self._private: dict[str, str] = {}
        for file in self._lookup.files.values():
            cold = file.path in self._cold_files
            if not cold:
                loose = {_last(chain) for chain in file.mentions}
                if file.path.endswith("__init__.py"):
                    loose.update(target.rpartition(".")[2] for target in file.imports.values())
                for function in file.functions.values():
                    loose.update(chain[1:] for chain in function.mentions if chain[0] == "$")
                # What is private is meant to be used in its own file.
                self._loose.update((file.path if name[:1] == "_" else "", name) for name in loose)
            for name in file.hidden:
                if self._private.setdefault(name, file.path) != file.path:
                    self._private[name] = ""

    # Verdicts

    def _reach(self) -> dict[tuple[str, str], Verdict]:
        cold: dict[Function, str] = {}
        hot: dict[Function, str] = {}
        chains: dict[Function, tuple[str, ...]] = {}
        for function in self._calls:
            owner = function.owner.name if function.owner is not None else None
            why = cold_by_name(function.short, function.name, owner, function.decorators)
            if why:
                cold[function] = why
            elif self._names.entry(function.short, function.name):
                hot[function] = f"hot: {function.name} is an entry point"
                chains[function] = (function.name,)
        self._spread(hot, cold, chains)
        self._inherit_cold(hot, cold)
        for function, callees in self._loops.items():
            if function in cold or function in hot:
                continue
            for callee, served in callees.items():
                if callee not in hot and callee not in cold:
                    hot[callee] = f"hot: called in a loop of {function.name}"
                    if served:
                        chains[callee] = (function.name, callee.name)
        self._spread(hot, cold, chains)
        verdicts: dict[tuple[str, str], Verdict] = {}
        for function in self._calls:
            key = (function.file.path, function.name)
            if function in hot:
                verdicts[key] = (Context.HOT, hot[function])
            elif function in cold:
                verdicts[key] = (Context.COLD, cold[function])
        return verdicts

    def _spread(
        self, hot: dict[Function, str], cold: dict[Function, str], chains: dict[Function, tuple[str, ...]]
    ) -> None:
        """What hot functions call is hot, unless it is cold by its name."""
        todo = deque(function for function in hot if function in chains)
        while todo:
            function = todo.popleft()
            chain = chains[function]
            for callee in self._calls.get(function, ()):
                if callee in chains or callee not in self._calls:
                    continue
                if callee in cold and not self._made_per_step(callee):
                    continue
                hot.setdefault(callee, "hot: reached from " + " -> ".join(_shortened(chain)))
                chains[callee] = (*chain, callee.name)
                todo.append(callee)

    def _made_per_step(self, function: Function) -> bool:
        """The constructor of a class that is no module."""
        return (
            function.short in CONSTRUCTORS
            and function.owner is not None
            and not self._lookup.is_module(function.owner)
        )

    def _inherit_cold(self, hot: dict[Function, str], cold: dict[Function, str]) -> None:
        """A function is cold where all that calls it was seen, and is cold."""
        callers: dict[Function, list[Function]] = {}
        handed: set[Function] = set()
        for function, callees in self._calls.items():
            for callee, called in callees.items():
                callers.setdefault(callee, []).append(function)
                if not called:
                    handed.add(callee)
        waiting = [
            function
            for function in callers
            if function not in hot
            and function not in cold
            and function not in handed
            and not function.short.startswith("__")
            and ("", function.short) not in self._loose
            and (function.file.path, function.short) not in self._loose
            and all(
                is_cached((name,)) or name in ("staticmethod", "classmethod") for name in function.decorators
            )
        ]
        while True:
            fresh = {}
            for function in waiting:
                known = [
                    c for c in (*callers[function], *self._vague.get(function.short, ())) if c is not function
                ]
                if known and all(caller in cold for caller in known):
                    fresh[function] = f"cold: called only from {known[0].name}"
            if not fresh:
                return
            cold.update(fresh)
            waiting = [function for function in waiting if function not in fresh]

    def forget(self) -> None:
        """Keep the verdicts and nothing else."""
        del self._lookup, self.edges
        self._vague.clear()
        self._loose.clear()
        self._calls.clear()
        self._loops.clear()


def within(path: str, root: str) -> str:
    """A path relative to a folder, with forward slashes."""
    return path[len(root) :].replace("\\", "/").lstrip("/") if path.startswith(root) else path


def _last(chain: str) -> str:
    return chain.rstrip("(").lstrip("$").rpartition(".")[2]


def _shortened(chain: tuple[str, ...]) -> tuple[str, ...]:
    return chain if len(chain) <= SHOWN else (chain[0], "..", *chain[2 - SHOWN :])
