"""The other modules of the project, as far as a linted file asks for them.

A module that is asked for is parsed and its own statements are run, by itself: what it imports is looked up only when a
name of it is used. So what is known of it does not depend on who asked first.
"""

from __future__ import annotations

import ast
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import outline
from h2dlint.analysis.values import Kind, Value
from h2dlint.syntax.source import SourceText

if TYPE_CHECKING:
    from h2dlint.analysis.interpreter import Interpreter

MAX_MODULES = 256
"""Modules kept parsed at a time."""


class Modules(Protocol):
    """Where modules are found; the engine knows the file system."""

    def find(self, importer: str, name: str) -> str | None:
        """The file of a module, given the importing file and a dotted name (with dots in front if relative)."""

    def read(self, path: str) -> SourceText | None:
        """Its text; the same object as long as the file does not change."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a linted file stands.

    Args:
        project: its project's other modules.
        location: absolute path of the file.
    """

    project: Project
    location: str


class Project:
    """Resolves imported names to what they are in the module that defines them."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._loaded: OrderedDict[str, tuple[SourceText, Interpreter | None]] = OrderedDict()

    def begin(self) -> None:
        """Forget what was worked out for the file before: a verdict must not depend on the order of files."""
        for _, interpreter in self._loaded.values():
            if interpreter is not None:
                interpreter.forget()

    def resolve(self, importer: str, qual: str, depth: int = 0) -> Value | None:
        """What an imported name is.

        Args:
            importer: absolute path of the importing file.
            qual: dotted name, with dots in front for a relative import.

        Returns:
            ``None`` where the project does not define it.
        """
        if depth > 6:
            return None
        bare = qual.lstrip(".")
        dots = qual[: len(qual) - len(bare)]
        parts = bare.split(".") if bare else []
        for cut in range(len(parts), -1 if dots else 0, -1):
            path = self._modules.find(importer, dots + ".".join(parts[:cut]))
            if path is None:
                continue
            rest = parts[cut:]
            if not rest:
                return Value(kind=Kind.OBJ, qual=qual)
            interpreter = self._load(path)
            if interpreter is None:
                return None
            return self._exported(interpreter, rest, depth)
        return None

    def _exported(self, interpreter: Interpreter, rest: list[str], depth: int) -> Value | None:
        name = rest[0]
        value = interpreter.globals.names.get(name)
        if value is None:
            for module in interpreter.star_imports:
                found = self.resolve(interpreter.path, f"{module}.{name}", depth + 1)
                if found is not None:
                    value = found
                    break
        elif name in interpreter.unsettled_globals:
            return V.UNKNOWN
        if value is not None and value.kind == V.ANY and value.qual is not None:
            value = self.resolve(interpreter.path, value.qual, depth + 1)
        if value is None:
            return None
        for attribute in rest[1:]:
            found = interpreter.class_attribute(value, attribute)
            if found is None:
                return None
            value = found
        return value

    def _load(self, path: str) -> Interpreter | None:
        source = self._modules.read(path)
        if source is None:
            return None
        known = self._loaded.get(path)
        if known is not None and known[0] is source:
            self._loaded.move_to_end(path)
            return known[1]
        interpreter = self._run(path, source)
        self._loaded[path] = (source, interpreter)
        while len(self._loaded) > MAX_MODULES:
            self._loaded.popitem(last=False)
        return interpreter

    def _run(self, path: str, source: SourceText) -> Interpreter | None:
        from h2dlint.analysis.interpreter import Interpreter

        try:
            tree = ast.parse(source.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        interpreter = Interpreter(outline(tree), source.text, self, path)
        interpreter.run_module(record=False)
        return interpreter
