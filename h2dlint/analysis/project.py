"""The other modules of the project, as far as the linted files ask for them.

A module that is asked for is parsed and its own statements are run, by itself: what it imports is looked up only when a
name of it is used. So what is known of it does not depend on who asked first, and is kept for the whole run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from h2dlint.analysis import values as V
from h2dlint.analysis.bodies import Bodies, Recent
from h2dlint.analysis.edges import Kept
from h2dlint.analysis.import_graph import ImportGraph
from h2dlint.analysis.outline import outline
from h2dlint.analysis.reach import CallGraph, Verdict
from h2dlint.analysis.scan import File
from h2dlint.analysis.skeleton import parse_skeleton
from h2dlint.analysis.summaries import detached
from h2dlint.analysis.values import Kind, Value
from h2dlint.syntax.source import SourceText

if TYPE_CHECKING:
    from h2dlint.analysis.interpreter import Interpreter


Question = tuple[str, tuple[str, ...], str, str]
"""The top of a project, entry points, ``of`` or ``private``, and the name that is asked about."""
Answer = Verdict | bool | None
Scans = Callable[[str, Mapping[str, File]], list[File]]
"""``Modules.scans``."""


class Modules(Protocol):
    """Where modules are found; the engine knows the file system."""

    def find(self, importer: str, name: str) -> str | None:
        """The file of a module, given the importing file and a dotted name (with dots in front if relative)."""

    def read(self, path: str) -> SourceText | None:
        """Its text; ``None`` where it cannot be read."""

    def scans(self, root: str, known: Mapping[str, File]) -> list[File]:
        """A cheap look at every file below a folder, in order of path; nothing where there are too many.

        Args:
            root: the folder.
            known: files that need not be looked at again, by path.
        """


class Shelf(Protocol):
    """Where call graphs are kept from run to run."""

    def find(self, root: str, entry_points: tuple[str, ...]) -> CallGraph | None:
        """The graph of the files that are there now."""

    def edges(self, root: str, files: Sequence[File]) -> Kept | None:
        """What was found of the same files, where they define what they defined."""

    def keep(self, root: str, entry_points: tuple[str, ...], graph: CallGraph, files: Sequence[File]) -> None:
        """Keep a graph and what it was made of."""

    def seen(self, root: str) -> Mapping[str, File]:
        """Files of which a cheap look would see now what it saw in an earlier run, by path."""

    def remember(self, root: str, files: Sequence[File], known: int) -> None:
        """Keep what a cheap look saw.

        Args:
            root: the top of the project.
            files: all of them.
            known: how many of them ``seen`` told.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a linted file stands.

    Args:
        project: its project's other modules.
        location: absolute path of the file.
        root: absolute path of the top of the project, all files of which are looked at to see what calls what;
            ``None`` where they are not to be.
    """

    project: Project
    location: str
    root: str | None = None

    def calls(self, entry_points: tuple[str, ...]) -> Callable[[str], Verdict | None] | None:
        """How often a function of the file runs, by the calls of the whole project, given its name.

        Args:
            entry_points: patterns that are added to those known anyway.
        """
        root, asked = self.root, self.project.asked(self.location)
        if root is None:
            return None

        def of(name: str) -> Verdict | None:
            answer = self.project.calls(root, entry_points).of(self.location, name)
            asked[(root, entry_points, "of", name)] = answer
            return answer

        return of

    def hidden(self, entry_points: tuple[str, ...]) -> Callable[[str], bool] | None:
        """Whether no other file of the project mentions a name of the file that starts with an underscore.

        Args:
            entry_points: as for ``calls``, so that the files are gone over once.
        """
        root, asked = self.root, self.project.asked(self.location)
        if root is None:
            return None

        def private(name: str) -> bool:
            answer = self.project.calls(root, entry_points).private(self.location, name)
            asked[(root, entry_points, "private", name)] = answer
            return answer

        return private


class Project:
    """Resolves imported names to what they are in the module that defines them.

    It lives for one run and reads each module once.

    Args:
        modules: of the project.
        shelf: where call graphs are kept from run to run.
    """

    def __init__(self, modules: Modules, shelf: Shelf | None = None) -> None:
        self._modules = modules
        self._shelf = shelf
        self._loaded: dict[str, Interpreter | None] = {}
        self._recent = Recent()
        self._calls: dict[tuple[str, tuple[str, ...]], CallGraph] = {}
        self._looked_into: dict[str, set[str]] = {}
        self._asked: dict[str, dict[Question, Answer]] = {}
        self._import_graph = ImportGraph(modules)

    def asked(self, location: str) -> dict[Question, Answer]:
        """What was asked of the call graph for a file, with the answers."""
        return self._asked.setdefault(location, {})

    def dependencies(self, location: str) -> set[str]:
        """The files that what is known of a file may depend on: those looked into for it, and for those."""
        found: set[str] = set()
        todo = [location]
        while todo:
            fresh = self._looked_into.get(todo.pop(), set()) - found
            found |= fresh
            todo += fresh
        found.discard(location)
        return found

    def calls(self, root: str, entry_points: tuple[str, ...], scans: Scans | None = None) -> CallGraph:
        """What calls what below a folder; built when it is first asked for.

        Args:
            root: the folder.
            entry_points: patterns that are added to those known anyway.
            scans: looks at the files in another way than one by one.
        """
        key = (root, entry_points)
        if key not in self._calls:
            graph = self._shelf.find(root, entry_points) if self._shelf is not None else None
            if graph is None:
                known = self._shelf.seen(root) if self._shelf is not None else {}
                files = (scans or self._modules.scans)(root, known)
                if self._shelf is not None:
                    self._shelf.remember(root, files, len(known))
                kept = self._shelf.edges(root, files) if self._shelf is not None else None
                graph = CallGraph(files, self._modules.find, root, entry_points, kept)
                if self._shelf is not None:
                    self._shelf.keep(root, entry_points, graph, files)
                graph.forget()
            self._calls[key] = graph
        return self._calls[key]

    def resolve(self, importer: str, qual: str) -> Value | None:
        """What an imported name is.

        Args:
            importer: absolute path of the importing file.
            qual: dotted name, with dots in front for a relative import.

        Returns:
            ``None`` where the project does not define it.
        """
        seen: set[tuple[str, str]] = set()
        found = self._resolve(importer, qual, importer, seen)
        if seen:
            self._looked_into.setdefault(importer, set()).update(path for path, _ in seen)
        return None if found is None else detached(found, foreign=False)

    def find(self, importer: str, name: str) -> str | None:
        """The file of a module of the project, as a file would import it."""
        return self._modules.find(importer, name)

    def circle(self, importer: str, module: str, name: str | None = None) -> list[str]:
        """The files through which importing a module, or its name, at the top of a file comes back; empty if none."""
        way, seen = self._import_graph.circle(importer, module, name)
        self._looked_into.setdefault(importer, set()).update(seen - {importer})
        return way

    def definer(self, importer: str, module: str, name: str) -> tuple[str, str] | None:
        """The file that defines a name of a module, and its name there; ``None`` outside of the project."""
        found = self._import_graph.definer(importer, module, name)
        if found is not None and found[0] != importer:
            self._looked_into.setdefault(importer, set()).add(found[0])
        return found

    def tree(self, importer: str, path: str) -> ast.Module | None:
        """The syntax tree of a file of the project, on behalf of another one."""
        if path != importer:
            self._looked_into.setdefault(importer, set()).add(path)
        return self._import_graph.tree(path)

    def _resolve(self, importer: str, qual: str, origin: str, seen: set[tuple[str, str]]) -> Value | None:
        """Follow a name from module to module; ``origin`` asked first, ``seen`` are the places it led to."""
        bare = qual.lstrip(".")
        dots = qual[: len(qual) - len(bare)]
        parts = bare.split(".") if bare else []
        for cut in range(len(parts), -1 if dots else 0, -1):
            path = self._modules.find(importer, dots + ".".join(parts[:cut]))
            if path is None:
                continue
            if cut < len(parts):
                return self._exported(path, parts[cut:], origin, seen)
            if cut > 1 or (cut and dots):
                # What a package binds hides its module of the same name.
                package = self._modules.find(importer, dots + ".".join(parts[: cut - 1]))
                bound = self._exported(package, parts[-1:], origin, seen) if package is not None else None
                if bound is not None:
                    return bound
            return Value(kind=Kind.OBJ, qual=qual) if self._modules.find(origin, qual) == path else None
        return None

    def _exported(self, path: str, rest: list[str], origin: str, seen: set[tuple[str, str]]) -> Value | None:
        """What a module binds a name to."""
        name = rest[0]
        if len(rest) > 1 or (path, name) in seen:
            return None
        seen.add((path, name))
        interpreter = self._load(path)
        if interpreter is None:
            return None
        if name in interpreter.unsettled_globals:
            return V.UNKNOWN
        value = interpreter.globals.names.get(name)
        if value is None:
            for module in interpreter.star_imports:
                joint = "" if module.endswith(".") else "."
                value = self._resolve(path, f"{module}{joint}{name}", origin, seen)
                if value is not None:
                    return value
            return None
        if value.qual is None:
            return detached(value, False, path)
        if value.kind == V.ANY:
            return self._resolve(path, value.qual, origin, seen)
        if self._modules.find(path, value.qual) != self._modules.find(origin, value.qual):
            # A module that means another one where the name was asked for.
            return None
        return value

    def _load(self, path: str) -> Interpreter | None:
        if path not in self._loaded:
            self._loaded[path] = self._run(path)
        return self._loaded[path]

    def _run(self, path: str) -> Interpreter | None:
        from h2dlint.analysis.interpreter import Interpreter, bodies_that_count, heads_that_count

        source = self._modules.read(path)
        if source is None:
            return None
        try:
            text = source.text
            tree = parse_skeleton(text, bodies_that_count(text), heads_that_count(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        interpreter = Interpreter(outline(tree), source.text, self, path)
        bodies = Bodies(source, interpreter.outline, self._recent)
        interpreter.run_module(record=False)
        bodies.settle()
        return interpreter
