"""Finding the project's other modules, as an import statement would, without importing anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from h2dlint.analysis.heat import cold_by_path
from h2dlint.analysis.project import Project, Shelf, Surroundings
from h2dlint.analysis.reach import within
from h2dlint.analysis.scan import File, scan
from h2dlint.engine.ledger import Ledger, digest, signature
from h2dlint.engine.listing import MARKS, sources
from h2dlint.engine.places import names_in
from h2dlint.engine.reading import read_regular
from h2dlint.engine.visible import visible_of, without_comments
from h2dlint.syntax.limits import too_many_marks
from h2dlint.syntax.source import SourceText

MAX_BYTES = 2 * 1024 * 1024
"""A larger module is generated; what it defines is not known."""


_INSTALLED = ("site-packages", "dist-packages")


class Snapshot:
    """The text of modules as it was when it was first read.

    Args:
        ledger: where it is written down what was read.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger
        self._texts: dict[str, SourceText | None] = {}
        self._kept: dict[str, SourceText | None] = {}

    def read(self, path: str) -> SourceText | None:
        """The text of a module without its comments; ``None`` where there is none that can be read."""
        real = os.path.realpath(path)
        if real not in self._texts:
            found = self._load(real, path)
            self._texts[real] = None if found is None else without_comments(found)
        elif self._ledger is not None:
            self._ledger.same(path, real)
        source = self._texts[real]
        if source is not None and self._ledger is not None and path not in self._ledger.visible:
            self._ledger.visible[path] = visible_of(source)
        return source

    def text(self, path: str) -> str | None:
        """The whole text of a file; it is not kept, as most are never asked for again."""
        source = self._load(os.path.realpath(path), path)
        return None if source is None else source.text

    def _load(self, real: str, path: str) -> SourceText | None:
        if real in self._kept:
            return self._kept[real]
        sign = signature(real) if self._ledger is not None else None
        data = _bytes_of(real)
        if self._ledger is not None:
            self._ledger.read(path, real, sign, data)
        return _text_of(data)

    def keep(self, path: str, data: bytes) -> None:
        """What is in a file that is about to be written: whoever asks for it later sees this."""
        self._kept.setdefault(os.path.realpath(path), _text_of(data))


class ModuleFinder:
    """Modules on disk, as seen from the files that import them.

    A relative import is looked up where it points. An absolute import is looked up in the folders above the importing
    file (and in ``src`` in them), from the one that holds its outermost package up to the top of its project: the
    nearest folder that looks like one. Above that, the folders are asked only for what the file lies in. So nothing
    that is installed is read.

    Args:
        snapshot: of texts.
        ledger: where it is written down what was looked for.
        brief: it serves one run, for which a folder is listed once; else a module that appears is found.
    """

    def __init__(
        self, snapshot: Snapshot | None = None, ledger: Ledger | None = None, brief: bool = False
    ) -> None:
        self._snapshot = snapshot if snapshot is not None else Snapshot()
        self._ledger = ledger
        self._found: dict[tuple[str, str], str | None] = {}
        self._files: dict[str, bool] = {}
        # Elsewhere names in a listing may be spelled in another way than those that lead to the same file.
        self._listed = brief and sys.platform == "linux"
        self._names: dict[str, frozenset[str] | None] = {}
        self._tops: dict[str, str | None] = {}

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

    def read(self, path: str) -> SourceText | None:
        """The text of a module; ``None`` where it cannot be read."""
        return self._snapshot.read(path)

    def scan(self, path: str, root: str) -> File | None:
        """A cheap look at a file below a folder; ``None`` where it cannot be read."""
        text = self._snapshot.text(path)
        if text is None:
            return None
        file = scan(path, text, cold_by_path(within(path, root)))
        if self._ledger is not None:
            self._ledger.scans[path] = file.digest()
        return file

    def paths(self, root: str) -> list[str]:
        """Every file below a folder, in order of path; nothing where there are too many."""
        paths = sources(root)
        if self._ledger is not None:
            self._ledger.listings[root] = digest(repr(paths).encode("utf-8", "surrogatepass"))
        return paths

    def scans(self, root: str, known: Mapping[str, File]) -> list[File]:
        """A cheap look at every file below a folder, in order of path; nothing where there are too many."""
        found = (known.get(path) or self.scan(path, root) for path in self.paths(root))
        return [file for file in found if file is not None]

    def _find(self, folder: str, name: str) -> str | None:
        bare = name.lstrip(".")
        parts = bare.split(".") if bare else []
        level = len(name) - len(bare)
        if level:
            for _ in range(level - 1):
                folder = os.path.dirname(folder)
            return self._module_file(folder, parts)
        if not parts or parts[0] in sys.stdlib_module_names:
            return None
        within = ""
        while self._isfile(os.path.join(folder, "__init__.py")) and os.path.dirname(folder) != folder:
            folder, within = os.path.split(folder)
        top = self._top(folder)
        beside = not within
        while True:
            inside = top is not None and len(folder) >= len(top)
            if inside or beside or within == parts[0]:
                for place in (folder, os.path.join(folder, "src")) if inside else (folder,):
                    found = self._module_file(place, parts)
                    if found is not None or self._module_file(place, parts[:1]) is not None:
                        return found
            # A folder without ``__init__.py`` of that name hides nothing further up.
            above, within = os.path.split(folder)
            if folder == above:
                return None
            folder, beside = above, False

    def _top(self, folder: str) -> str | None:
        """The top of the project that a folder belongs to, itself or above it."""
        if folder not in self._tops:
            above, name = os.path.split(folder)
            if name in _INSTALLED or above == folder:
                self._tops[folder] = None
            elif any(self._exists(os.path.join(folder, mark)) for mark in MARKS):
                self._tops[folder] = folder
            else:
                self._tops[folder] = self._top(above)
        return self._tops[folder]

    def _isfile(self, path: str) -> bool:
        found = self._files.get(path)
        if found is None:
            # The same folders are looked into for every module that is imported.
            found = self._may_be(path) and os.path.isfile(path)
            if self._ledger is not None:
                self._ledger.files[path] = found
            if found or not self._listed:
                # Of what is not there, which is most of it, no path is kept if it is told as fast.
                self._files[path] = found
        return found

    def _may_be(self, path: str) -> bool:
        """The folder of a path may hold it."""
        if not self._listed:
            return True
        folder, name = os.path.split(path)
        names = names_in(folder, self._names)
        return names is None or name.casefold() in names

    def _exists(self, path: str) -> bool:
        found = os.path.exists(path)
        if self._ledger is not None:
            self._ledger.marks[path] = found
        return found

    def _module_file(self, folder: str, parts: list[str]) -> str | None:
        stem = os.path.join(folder, *parts)
        package = os.path.join(stem, "__init__.py")
        if self._isfile(package):
            return package
        return stem + ".py" if parts and self._isfile(stem + ".py") else None


class Projects:
    """The modules that one run looks into: verdicts are about the files as they were when they were first read.

    Args:
        ledger: where it is written down what the verdicts depend on.
        shelf: where call graphs are kept from run to run.
        brief: as for ``ModuleFinder``.
    """

    def __init__(self, ledger: Ledger | None = None, shelf: Shelf | None = None, brief: bool = False) -> None:
        self.ledger = ledger
        self._snapshot = Snapshot(ledger)
        self._finder = ModuleFinder(self._snapshot, ledger, brief)
        self.project = Project(self._finder, shelf)

    def around(self, location: Path, root: Path | None = None) -> Surroundings | None:
        """What is around a file; ``None`` for text that is no file.

        Args:
            location: of the file.
            root: the top of its project, all files of which are looked at to see what calls what.
        """
        if not location.is_absolute():
            return None
        top = os.path.normpath(root) if root is not None and root.is_absolute() else None
        return Surroundings(self.project, os.path.normpath(location), top)

    def look(self, path: str, root: str) -> str | None:
        """What a cheap look at a file below a folder sees, as a digest; ``None`` where it cannot be read."""
        file = self.scan(path, root)
        return None if file is None else file.digest()

    def paths(self, root: str) -> list[str]:
        """The files whose calls are looked at for a project, in order of path."""
        return self._finder.paths(root)

    def scan(self, path: str, root: str) -> File | None:
        """A cheap look at a file below a folder; ``None`` where it cannot be read."""
        return self._finder.scan(path, root)

    def keep(self, location: Path, data: bytes) -> None:
        """Keep what is in a file that is about to be written, for the files that are linted after it."""
        self._snapshot.keep(os.fspath(location), data)


def _bytes_of(path: str) -> bytes | None:
    try:
        return read_regular(path, MAX_BYTES)
    except (OSError, ValueError):
        return None


def _text_of(data: bytes | None) -> SourceText | None:
    if data is None or len(data) > MAX_BYTES or too_many_marks(data):
        return None
    try:
        return SourceText.from_bytes(data).uniform
    except ValueError:  # DecodeError, and the UnicodeError of codecs that are not for text.
        return None
