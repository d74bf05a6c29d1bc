"""Which files get which fixed text under ``h2dlint verify``: the linter makes it, the program reads it from a file.

Fixes are numbered from 1 over all files, in order of path; in a file round by round, in a round by position. A
fix of a later round is one that had to wait (it overlaps another one) or that the linter offers only because of
what was fixed before. Any set of fixes can be asked for. What is then applied is what the linter does if it may
use those alone: in each round the fixes among them that it offers for the text at hand. A fix of a later round
so hangs on those without which it is not offered, and is left out when they are; ``FixPlan.applied`` tells.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from h2dlint.runtime.importing import KIND, VERSION
from h2dlint.runtime.reworking import FixedText, PlannedFix, Reworkable


class PackageError(ValueError):
    """There is no such package, or none with source files; the message says which."""


@dataclass(frozen=True)
class FixPlan:
    """What ``build`` found.

    Args:
        fixes: all of them; ids count from 1.
        errors: files that could not be linted, and fixes that are no good, as the linter reports them.
        held_back: how many unsafe fixes were left out because the settings do not allow them.
        checked: how many files were looked at.
    """

    fixes: tuple[PlannedFix, ...]
    errors: tuple[Any, ...] = ()
    held_back: int = 0
    checked: int = 0
    _files: tuple[Reworkable, ...] = field(default=(), repr=False)

    @property
    def files(self) -> int:
        """How many files have fixes."""
        return len(self._files)

    def texts(self, ids: Collection[int] | None = None) -> tuple[FixedText, ...]:
        """The files that change.

        Args:
            ids: of the fixes to apply; all when not given.
        """
        wanted = None if ids is None else frozenset(ids)
        found = (
            file.fixed(wanted) for file in self._files if wanted is None or not wanted.isdisjoint(file.ids)
        )
        return tuple(text for text in found if text.fixes)

    def applied(self, ids: Collection[int] | None = None) -> tuple[int, ...]:
        """Ids of the fixes that are applied when these are asked for: fewer where one hangs on one not asked for."""
        return tuple(sorted(fix for text in self.texts(ids) for fix in text.fixes))

    def write(self, path: Path, ids: Collection[int] | None = None) -> tuple[int, ...]:
        """Write what the import hook reads.

        Args:
            path: of the file to write.
            ids: of the fixes to apply; all when not given.

        Returns:
            Ids of the fixes that are in it.

        Raises:
            OSError: it cannot be written.
        """
        texts = self.texts(ids)
        document = {"kind": KIND, "version": VERSION, "files": [_entry(text) for text in texts]}
        path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8", newline="\n")
        return tuple(sorted(fix for text in texts for fix in text.fixes))


def build(
    paths: Sequence[str] | None = None,
    overrides: Mapping[str, object] | None = None,
    cwd: Path | None = None,
    *,
    packages: Sequence[str] = (),
    config: Path | None = None,
    isolated: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FixPlan:
    """Lint and fix in memory.

    Args:
        paths: files and folders, as ``h2dlint fix`` takes them; when not given, ``cwd`` if no package is.
        overrides: options of the command line, as ``load_settings`` takes them.
        cwd: absolute path of the working directory.
        packages: import names of installed packages. They are governed by ``overrides`` and ``config`` alone: what the
            configuration of the project and ``.gitignore`` say is about the project, and the default excludes
            are about what is installed below it.
        config, isolated: as ``load_settings`` takes them.
        progress: called after each file with the number done and the number of all.

    Raises:
        ConfigError: a configuration or an option cannot be used.
        PackageError: there is no such package.
    """
    from h2dlint.engine.memory import rare_collections
    from h2dlint.engine.modules import Projects
    from h2dlint.engine.runner import is_notebook, read_file
    from h2dlint.model import FileError

    here = Path.cwd() if cwd is None else cwd
    chosen: dict[str, tuple[Any, Any]] = {}
    errors: list[Any] = []
    if paths or (paths is None and not packages):
        found, settings = _discover([*(paths or ["."])], here, overrides, config, isolated)
        errors += found.errors
        chosen.update((os.path.realpath(file.location), (file, settings)) for file in found.files)
    for name in packages:
        for place in find_package(name):
            found, settings = _discover_package(place, here, overrides, config)
            errors += found.errors
            for file in found.files:
                chosen.setdefault(os.path.realpath(file.location), (file, settings))
    projects = Projects()
    # No program imports a notebook.
    imported = [item for item in chosen.values() if not is_notebook(item[0].location)]
    todo = sorted(imported, key=lambda item: item[0].path)
    files: list[Reworkable] = []
    fixes: list[PlannedFix] = []
    held_back = 0
    with rare_collections():
        for done, (file, settings) in enumerate(todo, 1):
            data = read_file(file)
            if isinstance(data, FileError):
                errors.append(data)
            else:
                work = Reworkable(file.path, file.location, data, file.settings or settings, projects)
                errors += work.all.errors
                held_back += work.all.held_back
                if work.all.fixes:
                    work.number(len(fixes) + 1)
                    fixes += work.planned()
                    files.append(work)
            if progress is not None:
                progress(done, len(todo))
    errors.sort(key=lambda error: (error.path, error.line or 0, error.message))
    return FixPlan(tuple(fixes), tuple(errors), held_back, len(todo), tuple(files))


def find_package(name: str) -> tuple[Path, ...]:
    """Where an installed package lies, without importing it.

    Args:
        name: import name, ``timm`` or ``timm.layers``.

    Returns:
        Its folder, all of its folders if it is a namespace package, or the file of a module.

    Raises:
        PackageError: there is none, or it has no source files.
    """
    top, *below = name.split(".")
    try:
        spec = importlib.util.find_spec(top) if all(part.isidentifier() for part in (top, *below)) else None
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise PackageError(f'no package "{name}" is installed here{_hint(name)}')
    if spec.submodule_search_locations is None:
        tops = [Path(spec.origin)] if spec.has_location and spec.origin else []
    else:
        tops = [Path(folder) for folder in spec.submodule_search_locations]
    places: list[Path] = []
    for place in tops:
        inner = place.joinpath(*below)
        module = inner.with_suffix(".py")
        if inner.is_dir() or (not below and inner.suffix in (".py", ".pyw") and inner.is_file()):
            places.append(inner.absolute())
        elif below and module.is_file():
            places.append(module.absolute())
    if not places:
        missing = f'"{top}" has no "{".".join(below)}"' if below and tops else f'"{name}" has no source files'
        raise PackageError(f"nothing to fix: {missing}")
    return tuple(places)


def _hint(name: str) -> str:
    """What someone may have meant who gave the name of a distribution."""
    wanted = name.lower().replace("_", "-")
    found = sorted(
        module
        for module, names in packages_distributions().items()
        if any(each.lower().replace("_", "-") == wanted for each in names) and not module.startswith("_")
    )
    return f"; the distribution of that name has {', '.join(found)}" if found else ""


def _discover(
    paths: list[str], cwd: Path, overrides: Mapping[str, object] | None, config: Path | None, isolated: bool
) -> tuple[Any, Any]:
    from h2dlint.engine.config import load_settings
    from h2dlint.engine.files import discover

    settings = load_settings(paths, cwd, config, isolated, overrides)
    return discover(paths, settings, cwd), settings


def _discover_package(
    place: Path, cwd: Path, overrides: Mapping[str, object] | None, config: Path | None
) -> tuple[Any, Any]:
    from h2dlint.engine.config import load_settings
    from h2dlint.engine.files import discover

    settings = load_settings([str(place)], cwd, config, config is None, overrides)
    settings = replace(
        settings,
        root=(place if place.is_dir() else place.parent).as_posix(),
        exclude=(),
        respect_gitignore=False,
        force_exclude=False,
        nested=None,
    )
    return discover([str(place)], settings, cwd), settings


def _entry(text: FixedText) -> dict[str, Any]:
    return {
        "path": str(text.location),
        "sha256": sha256(text.data).hexdigest(),
        "encoding": text.encoding,
        "bom": text.bom,
        "text": text.text,
        "segments": [
            [part.start, part.end, part.fixed_start, part.fixed_end, part.fixes] for part in text.segments
        ],
        "fixes": text.fixes,
    }
