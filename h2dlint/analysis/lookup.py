"""What names mean in a project whose files were scanned: through imports, base classes and mixins."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from h2dlint.analysis.heat import CONSTRUCTORS
from h2dlint.analysis.scan import Class, File, Function

MAX_HOPS = 8
"""Modules that a name is handed on through."""


class Lookup:
    """Looks names up in scanned files.

    Args:
        files: scanned, in order of path.
        find: the file of a module, given the importing file and a dotted name.
    """

    def __init__(self, files: Iterable[File], find: Callable[[str, str], str | None]) -> None:
        self.files = {file.path: file for file in files}
        self.find = find
        self.methods: dict[str, list[Function]] = {}
        """By their own names."""
        self.bases: dict[Class, list[Class]] = {}
        self._below: dict[Class, list[Class]] = {}
        self._known: dict[tuple[str, str], Function | Class | None] = {}
        self._link()

    def _link(self) -> None:
        for file in self.files.values():
            for cls in file.classes.values():
                for name, method in cls.methods.items():
                    self.methods.setdefault(name, []).append(method)
                bases = [self.class_(file, name) for name in cls.bases]
                self.bases[cls] = [base for base in bases if base is not None and base is not cls]
                for base in self.bases[cls]:
                    self._below.setdefault(base, []).append(cls)

    def class_(self, file: File, name: str) -> Class | None:
        """The class that a dotted name means at the top of a file."""
        found = self.meaning(file, name)
        return found if isinstance(found, Class) else None

    def meaning(self, file: File, name: str) -> Function | Class | None:
        """What a dotted name means at the top of a file."""
        key = (file.path, name)
        if key not in self._known:
            self._known[key] = self._named(file, name, set())
        return self._known[key]

    def _named(self, file: File, name: str, seen: set[tuple[str, str]]) -> Function | Class | None:
        if (file.path, name) in seen or len(seen) > MAX_HOPS:
            return None
        seen.add((file.path, name))
        own = file.functions.get(name) or file.classes.get(name)
        if own is not None:
            return own
        head, _, rest = name.partition(".")
        target = file.imports.get(head)
        if target is not None:
            return self._imported(file, target + ("." + rest if rest else ""), seen)
        for module in file.stars:
            joint = "" if module.endswith(".") else "."
            found = self._imported(file, f"{module}{joint}{name}", seen)
            if found is not None:
                return found
        return None

    def _imported(self, file: File, target: str, seen: set[tuple[str, str]]) -> Function | Class | None:
        bare = target.lstrip(".")
        dots = target[: len(target) - len(bare)]
        parts = bare.split(".")
        if not dots and self.find(file.path, parts[0]) is None:
            return None
        for cut in range(len(parts) - 1, -1 if dots else 0, -1):
            path = self.find(file.path, dots + ".".join(parts[:cut]))
            module = self.files.get(path) if path is not None else None
            if module is not None:
                return self._named(module, ".".join(parts[cut:]), seen)
        return None

    def method(self, cls: Class, name: str, below: bool = True) -> list[Function]:
        """The methods that ``self.name`` may be: the inherited one, and those that override it (``below``)."""
        found: dict[Function, None] = {}
        todo, seen = deque([cls]), {cls}
        while todo:
            here = todo.popleft()
            if name in here.methods:
                found[here.methods[name]] = None
                break
            fresh = [base for base in self.bases[here] if base not in seen]
            seen.update(fresh)
            todo.extend(fresh)
        todo, seen = deque(self._below.get(cls, ()) if below else ()), {cls}
        while todo:
            here = todo.popleft()
            if here in seen:
                continue
            seen.add(here)
            if name in here.methods:
                found[here.methods[name]] = None
            todo.extend(self._below.get(here, ()))
        return list(found)

    def beside(self, cls: Class, name: str) -> list[Function]:
        """The methods that ``self.name`` may be in a mixin: those that the classes made of it have from elsewhere."""
        found: dict[Function, None] = {}
        todo, seen = deque(self._below.get(cls, ())), {cls}
        while todo:
            here = todo.popleft()
            if here in seen:
                continue
            seen.add(here)
            found.update(dict.fromkeys(self.method(here, name)))
            todo.extend(self._below.get(here, ()))
        return list(found)

    def constructors(self, cls: Class) -> list[Function]:
        """What runs where a class is called."""
        for name in CONSTRUCTORS:
            found = [method for method in self.method(cls, name) if method.owner is cls]
            if found:
                return found
        return []

    def inherited(self, cls: Class, name: str) -> list[Function]:
        """The method that ``super().name`` is."""
        found = (self.method(base, name, below=False) for base in self.bases[cls])
        return next((methods for methods in found if methods), [])

    def is_module(self, cls: Class) -> bool:
        """A subclass of ``nn.Module``, by the names of its bases."""
        todo, seen = [cls], {cls}
        while todo:
            here = todo.pop()
            if any(base.endswith("Module") for base in here.bases):
                return True
            fresh = [base for base in self.bases[here] if base not in seen]
            seen.update(fresh)
            todo.extend(fresh)
        return False
