"""Which files to lint.

Folders are walked for ``.py``, ``.pyw`` and ``.ipynb`` files (a stub runs nothing); a file that the user names is
linted whatever it is called. As in ruff, a named path is taken even where it is excluded (unless
``force-exclude`` is set) or ignored by git, symbolic links to folders are not followed, and links to files
are. Named pipes, sockets and devices are never opened.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from h2dlint.engine.gitignore import IgnoreStack
from h2dlint.engine.globs import PathPatterns
from h2dlint.engine.listing import Folder, look
from h2dlint.engine.settings import Settings
from h2dlint.model import ErrorKind, FileError

SUFFIXES = (".py", ".pyw", ".ipynb")
"""What the walk of a folder looks for."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to lint.

    Args:
        path: as reports show it: relative to the working directory with forward slashes, absolute outside it.
        location: absolute path to open.
        settings: those that govern the file, where they are not those of the run.
    """

    path: str
    location: Path
    settings: Settings | None = None


@dataclass(frozen=True, slots=True)
class Discovery:
    """The files to lint, sorted by path and one for each file on disk, and what could not be looked at.

    Args:
        files: to lint.
        errors: of paths that are no files.
        folders: those that were walked, as they were then.
        tops: where the walk began, and the folders of files that were named.
        begun: nanoseconds since the epoch, before anything was looked at.
    """

    files: tuple[SourceFile, ...] = ()
    errors: tuple[FileError, ...] = ()
    folders: dict[str, Folder] = field(default_factory=dict, compare=False, repr=False)
    tops: tuple[str, ...] = field(default=(), compare=False)
    begun: int = field(default=0, compare=False)


def discover(paths: Sequence[str], settings: Settings, cwd: Path) -> Discovery:
    """Find the files to lint.

    Args:
        paths: files and folders as the user named them; none means ``cwd``.
        settings: of the run; folders with a configuration of their own are found through ``settings.nested``.
        cwd: absolute path of the working directory.

    Returns:
        The files, and an error for each path that does not exist or cannot be read.

    Raises:
        ConfigError: the configuration of a folder on the way cannot be used.
    """
    walk = _Walk(settings, cwd)
    for path in paths or ["."]:
        walk.start(path)
    errors = tuple(sorted(walk.errors, key=lambda error: (error.path, error.message)))
    return Discovery(walk.files(), errors, walk.folders, tuple(walk.tops), walk.begun)


def display_path(location: Path, cwd: Path) -> str:
    """A path as reports show it: relative to the working directory, absolute outside it, forward slashes."""
    try:
        return location.relative_to(cwd).as_posix()
    except ValueError:
        return location.as_posix()


def is_excluded(location: Path, settings: Settings) -> bool:
    """Whether ``exclude`` or ``extend-exclude`` matches a path, or a folder above it within the project."""
    patterns = _patterns(settings)
    root = Path(settings.root)
    for path in (location, *location.parents):
        if path == root:
            break
        if patterns.match(path.as_posix()):
            return True
    return False


@lru_cache(maxsize=1024)
def _patterns(settings: Settings) -> PathPatterns:
    return PathPatterns(settings.exclude + settings.extend_exclude, settings.root)


class _Walk:
    """One run of ``discover``."""

    def __init__(self, settings: Settings, cwd: Path) -> None:
        self._settings = settings
        self._cwd = cwd
        self._found: dict[str, SourceFile] = {}
        self._plain: set[str] = set()
        """Of those, the ones that are no symbolic links."""
        self.folders: dict[str, Folder] = {}
        self.tops: dict[str, None] = {}
        self.begun = time.time_ns()
        self.errors: set[FileError] = set()

    def files(self) -> tuple[SourceFile, ...]:
        """One entry for each file on disk: its own name rather than that of a link to it."""
        by_identity: dict[str, SourceFile] = {}
        folders: dict[str, str] = {}
        for path, file in sorted(self._found.items()):
            folder, name = os.path.split(path)
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            link = path not in self._plain and os.path.islink(path)
            identity = os.path.realpath(path) if link else os.path.join(folders[folder], name)
            known = by_identity.get(identity)
            if known is None or path == identity != str(known.location):
                by_identity[identity] = file
        return tuple(sorted(by_identity.values(), key=lambda file: file.path))

    def start(self, path: str) -> None:
        """Take in one path that the user named."""
        given = os.path.join(self._cwd, path)
        location = os.path.normpath(given)
        try:
            status = os.stat(given)
            if not os.path.exists(location) or not os.path.samefile(given, location):
                location = os.path.realpath(given)  # `..` behind a symbolic link.
        except (OSError, ValueError) as error:
            self._fail(location, error)
            return
        here = Path(location)
        folder = here if stat.S_ISDIR(status.st_mode) else here.parent
        settings = self._of(folder)
        self.tops[os.fspath(folder)] = None
        if settings.force_exclude and is_excluded(here, settings):
            return
        if stat.S_ISDIR(status.st_mode):
            self._folder(location)
        elif stat.S_ISREG(status.st_mode):
            self._add(location, settings)
        else:
            self._fail(location, "not a regular file")

    def _of(self, folder: Path) -> Settings:
        return self._settings.nested(folder) if self._settings.nested else self._settings

    def _folder(self, top: str) -> None:
        try:
            stacks = IgnoreStack.at(top)
        except OSError as error:
            self._fail(error.filename or top, error)
            stacks = IgnoreStack(top)
        todo = [(top, stacks)]
        while todo:
            folder, ignored = todo.pop()
            settings = self._of(Path(folder))
            try:
                self.folders[folder], listing = look(folder)
            except OSError as error:
                self._fail(folder, error)
                continue
            for entry in self._wanted(listing, settings, ignored):
                if not entry.is_dir(follow_symlinks=False):
                    self._entry(entry, settings)
                    continue
                try:
                    todo.append((entry.path, ignored.enter(entry.path)))
                except OSError as error:
                    self._fail(error.filename or entry.path, error)

    @staticmethod
    def _wanted(
        listing: Iterable[os.DirEntry[str]], settings: Settings, ignored: IgnoreStack
    ) -> Iterable[os.DirEntry[str]]:
        patterns = _patterns(settings)
        for entry in listing:
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_folder and not entry.name.endswith(SUFFIXES):
                continue
            if patterns.match(entry.path.replace(os.sep, "/")):
                continue
            if settings.respect_gitignore and ignored.ignores(entry.path, is_folder):
                continue
            yield entry

    def _entry(self, entry: os.DirEntry[str], settings: Settings) -> None:
        """Take in something that the walk met and that has the name of a source file."""
        try:
            if entry.is_file(follow_symlinks=False):
                # The listing said so: the file itself is not asked.
                self._plain.add(entry.path)
                self._add(entry.path, settings)
                return
            mode = entry.stat().st_mode
        except FileNotFoundError:
            # Removed meanwhile, or a link to nothing, as editors leave for a lock: nothing to lint.
            return
        except OSError as error:
            self._fail(entry.path, error)
            return
        if stat.S_ISREG(mode):
            self._add(entry.path, settings)

    def _add(self, location: str, settings: Settings) -> None:
        here = Path(location)
        own = None if settings == self._settings else settings
        self._found.setdefault(location, SourceFile(display_path(here, self._cwd), here, own))

    def _fail(self, location: str, error: Exception | str) -> None:
        if isinstance(error, OSError):
            message = error.strerror or str(error)
            if os.path.islink(location):
                message = f"broken symbolic link: {message}"
        else:
            message = str(error)
        shown = display_path(Path(location), self._cwd)
        self.errors.add(FileError(shown, None, ErrorKind.UNREADABLE, message))
