"""Finding the project's other modules, as an import statement would, without importing anything."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from h2dlint.analysis.project import Project, Surroundings
from h2dlint.syntax.source import DecodeError, SourceText

MAX_BYTES = 2 * 1024 * 1024
"""A larger module is generated; what it defines is not known."""


class ModuleFinder:
    """Modules on disk, as seen from a file of a project.

    An absolute import is looked up in the folders above the importing file, from the one that holds its outermost
    package up to the one above the project root; a relative import where it points. Nothing installed is read.

    Args:
        root: absolute path of the project root.
    """

    def __init__(self, root: str) -> None:
        self._top = os.path.dirname(root)
        self._found: dict[tuple[str, str], str | None] = {}

    def find(self, importer: str, name: str) -> str | None:
        """The file of a module.

        Args:
            importer: absolute path of the importing file.
            name: dotted name; leading dots as in a relative import.
        """
        folder = os.path.dirname(importer)
        key = (folder, name)
        if key not in self._found:
            self._found[key] = self._find(folder, name)
        return self._found[key]

    def _find(self, folder: str, name: str) -> str | None:
        bare = name.lstrip(".")
        parts = bare.split(".") if bare else []
        level = len(name) - len(bare)
        if level:
            for _ in range(level - 1):
                folder = os.path.dirname(folder)
            return _module_file(folder, parts)
        if parts[0] in sys.stdlib_module_names:
            return None
        while os.path.isfile(os.path.join(folder, "__init__.py")):
            folder = os.path.dirname(folder)
        while True:
            if os.path.exists(os.path.join(folder, parts[0])) or os.path.isfile(
                os.path.join(folder, parts[0] + ".py")
            ):
                return _module_file(folder, parts)
            if folder == self._top or len(folder) <= len(self._top):
                return None
            folder = os.path.dirname(folder)

    def read(self, path: str) -> SourceText | None:
        """The text of a module; ``None`` where it cannot be read."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        return _read(path, status.st_mtime_ns, status.st_size)


def surroundings(location: Path, root: str) -> Surroundings | None:
    """The project around a file; ``None`` for text that is no file of a project.

    Args:
        location: of the file.
        root: absolute path of its project root.
    """
    if not location.is_absolute() or not os.path.isabs(root):
        return None
    return Surroundings(_project(root), str(location))


@lru_cache(maxsize=8)
def _project(root: str) -> Project:
    return Project(ModuleFinder(root))


@lru_cache(maxsize=512)
def _read(path: str, mtime: int, size: int) -> SourceText | None:
    del mtime
    if size > MAX_BYTES:
        return None
    try:
        return SourceText.from_bytes(Path(path).read_bytes())
    except (OSError, DecodeError):
        return None


def _module_file(folder: str, parts: list[str]) -> str | None:
    stem = os.path.join(folder, *parts)
    package = os.path.join(stem, "__init__.py")
    if os.path.isfile(package):
        return package
    return stem + ".py" if parts and os.path.isfile(stem + ".py") else None
