"""What importing a module runs: which other modules of the project, so that a new import closes no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Protocol

from h2dlint.syntax.bound import imports_of, is_type_checking
from h2dlint.syntax.source import SourceText


class Modules(Protocol):
    """Where modules are found."""

    def find(self, importer: str, name: str) -> str | None:
        """The file of a module, given the importing file and a dotted name (with dots in front if relative)."""

    def read(self, path: str) -> SourceText | None:
        """Its text; ``None`` where it cannot be read."""


class ImportGraph:
    """The imports of a project's modules, each parsed when it is first reached.

    Args:
        modules: of the project.
    """

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._trees: dict[str, ast.Module | None] = {}
        self._edges: dict[str, list[tuple[str, bool]]] = {}

    def tree(self, path: str) -> ast.Module | None:
        """The syntax tree of a module; ``None`` where there is none."""
        if path not in self._trees:
            self._trees[path] = self._parse(path)
        return self._trees[path]

    def _parse(self, path: str) -> ast.Module | None:
        source = self._modules.read(path)
        try:
            return ast.parse(source.text) if source is not None else None
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def circle(self, importer: str, module: str, name: str | None = None) -> tuple[list[str], set[str]]:
        """How a module that a file would import comes back to that file, while both are being imported.

        Args:
            importer: absolute path of the file.
            module: dotted name of the module.
            name: what is taken from it; ``None`` for the module itself.

        Returns:
            The files on the way, from the module to ``importer``; empty where there is none. And every file that was
            looked at.
        """
        # The packages around the file are being imported already when the file is.
        around = set(self._packages(importer))
        # A name of one of them is there only if what binds it ran first.
        targets = self._targets(importer, module, name)
        start = [path for path, takes_name in targets if takes_name or path not in around]
        came: dict[str, str | None] = dict.fromkeys(start)
        todo = list(start)
        while todo:
            path = todo.pop(0)
            for target, takes_names in self._imports(path):
                if target in came or (target in around and not takes_names):
                    continue
                came[target] = path
                if target == importer:
                    return self._way(came, target), {*came, *around}
                todo.append(target)
        if importer in start:
            return [importer], set(came)
        return [], set(came)

    @staticmethod
    def _way(came: dict[str, str | None], last: str) -> list[str]:
        way: list[str] = []
        step: str | None = last
        while step is not None:
            way.append(step)
            step = came[step]
        return way[::-1]

    def definer(self, importer: str, module: str, name: str) -> tuple[str, str] | None:
        """The file that defines what a module calls ``name``, and its name there; re-exports are followed."""
        seen: set[tuple[str, str]] = set()
        while (importer, f"{module}:{name}") not in seen:
            seen.add((importer, f"{module}:{name}"))
            path = self._modules.find(importer, module)
            tree = self.tree(path) if path is not None else None
            if path is None or tree is None:
                return None
            joint = "" if module.endswith(".") else "."
            found = next((each for each in imports_of(tree.body) if each.local == name), None)
            if found is None:
                found = next((each for each in imports_of(tree.body) if each.name == "*" and self._has(
                    path, each.module, name)), None)  # fmt: skip
                if found is None:
                    inner = self._modules.find(importer, f"{module}{joint}{name}")
                    return (path, name) if inner is None else None
                importer, module = path, found.module
                continue
            if found.name is None:
                return None
            importer, module, name = path, found.module, found.name
        return None

    def _has(self, importer: str, module: str, name: str) -> bool:
        path = self._modules.find(importer, module)
        tree = self.tree(path) if path is not None else None
        if tree is None:
            return False
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
                return True
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return True
        return False

    def _imports(self, path: str) -> list[tuple[str, bool]]:
        if path not in self._edges:
            tree = self._trees[path] if path in self._trees else self._parse(path)
            edges: dict[str, bool] = {}
            for node in _at_import(tree.body) if tree is not None else ():
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        for target, _ in self._targets(path, alias.name, None):
                            edges.setdefault(target, False)
                else:
                    module = "." * node.level + (node.module or "")
                    for alias in node.names:
                        for target, takes in self._targets(path, module, alias.name):
                            edges[target] = edges.get(target, False) or takes
            self._edges[path] = list(edges.items())
        return self._edges[path]

    def _packages(self, path: str) -> Iterator[str]:
        """The ``__init__.py`` files of the packages around a file."""
        dots = "."
        while (init := self._modules.find(path, dots)) is not None:
            if init != path:
                yield init
            dots += "."

    def _targets(self, importer: str, module: str, name: str | None) -> Iterator[tuple[str, bool]]:
        """The files that an import runs: the packages on the way, the module, and one that ``name`` may be."""
        bare = module.lstrip(".")
        dots = module[: len(module) - len(bare)]
        parts = bare.split(".") if bare else []
        for cut in range(1, len(parts)):
            package = self._modules.find(importer, dots + ".".join(parts[:cut]))
            if package is not None:
                yield package, False
        path = self._modules.find(importer, module)
        inner = None
        if name is not None and name != "*":
            joint = "" if module.endswith(".") else "."
            inner = self._modules.find(importer, f"{module}{joint}{name}")
        if path is not None:
            yield path, name is not None and inner is None
        if inner is not None:
            yield inner, False


def _at_import(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when a module is imported."""
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            stack += reversed(node.orelse)
        elif isinstance(node, ast.stmt) and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            stack += [
                child
                for child in ast.iter_child_nodes(node)
                if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case))
            ]
        elif isinstance(node, (ast.ExceptHandler, ast.match_case)):
            stack += node.body
