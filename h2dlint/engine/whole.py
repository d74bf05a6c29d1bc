"""What an earlier run of the same command reported, for as long as nothing has changed.

Most runs over a tree come after one that saw the same. Then no folder is walked, no pattern matched and no verdict
looked up: every folder that was listed and every file that was read is compared by what the file system says of it, and
the report of that run is the report of this one.

What is compared: the folders of the walk, those of the call graphs and those where modules were looked for (a folder
that was written to is listed, and must hold the same names); the files that were read; configuration and ignore files,
those that were not there included. A file that was written so shortly before it was read that its times do not vouch
for it is read again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from h2dlint.engine.cache import SETTLED, Cache, version
from h2dlint.engine.files import Discovery
from h2dlint.engine.ledger import Ledger, digest, signature
from h2dlint.engine.listing import Folder, look, walked
from h2dlint.engine.packing import pack, unpack
from h2dlint.engine.places import Grouped, still_there
from h2dlint.engine.results import FileResult, Report
from h2dlint.engine.runner import make_report
from h2dlint.engine.settings import Settings
from h2dlint.engine.storing import read_checked, write_checked

FEWEST = 9
"""Files below which it is not worth it."""
KEPT = 8
"""Commands of which the last run is kept."""
PREFIX = "run-"
_CONFIGURATION = (".gitignore", ".h2dlint.toml", "h2dlint.toml", "pyproject.toml")
_MARKS = (".git", "__init__.py")


def command(settings: Settings, told: object) -> str:
    """Everything but the files that decides what a run looks at, and how.

    Args:
        settings: of the run.
        told: the working directory, the paths and the options.
    """
    return repr((version(), replace(settings, nested=None), told))


@dataclass(slots=True)
class WholeRun:
    """The last run of one command.

    Args:
        folder: of the cache.
        command: see ``command``.
        read: the configuration files that were read, as far as that is known; it grows.
    """

    folder: Path
    command: str
    read: set[str]

    @property
    def _path(self) -> Path:
        return self.folder / f"{PREFIX}{digest(self.command.encode('utf-8', 'surrogatepass'))}.json"

    def report(self) -> Report | None:
        """What that run reported, if this one would report the same."""
        try:
            kept = read_checked(self._path)
            if not _same_folders(kept["folders"], kept["names"], kept["signs_of_folders"]):
                return None
            if not _same_files(kept["files"], kept["signs"], kept["young"]):
                return None
            if not _same_marks(kept["marks"]) or not still_there(kept["places"]):
                return None
            results = [unpack(packed, path) for path, packed in kept["results"]]
            return replace(make_report(results), checked=int(kept["checked"]))
        except (OSError, ValueError, LookupError, TypeError, RecursionError, AttributeError):
            return None

    def keep(self, found: Discovery, results: Iterable[FileResult], cache: Cache, ledger: Ledger) -> None:
        """Write a run down, if it can be told later whether it would be the same.

        Args:
            found: what was linted.
            results: on all of it.
            cache: that has just been saved.
            ledger: what was read in this run.
        """
        every = list(results)
        if found.errors or len(every) < FEWEST:
            return
        folders = dict(found.folders)
        projects: list[str] = []
        grounds = cache.grounds([str(file.location) for file in found.files], ledger)
        if grounds is None:
            return
        for root in grounds.roots:
            paths, below = walked(root)
            projects += paths
            for folder in below:
                if folder not in folders:
                    with suppress(OSError):
                        folders[folder] = look(folder)[0]
        if any(seen.sign is None for seen in folders.values()) or not grounds.add(projects):
            return
        marks = self._marks(found, folders)
        # Whatever was looked at after the run began must not have changed since.
        later = [sign for _, sign in marks if isinstance(sign, list)]
        later += [
            list(seen.sign) for name, seen in folders.items() if name not in found.folders and seen.sign
        ]
        if any(_young(sign, found.begun) for sign in later):
            return
        young = {
            number: content
            for number, (sign, content) in enumerate(grounds.contents.values())
            if _young(sign, found.begun)
        }
        write_checked(
            self._path,
            {
                "folders": list(folders),
                # A listing that was made while its folder was being written to does not go by times.
                "signs_of_folders": [
                    [] if _young(seen.sign or (), found.begun) else seen.sign for seen in folders.values()
                ],
                "names": [seen.names for seen in folders.values()],
                "files": list(grounds.contents),
                "signs": [sign for sign, _ in grounds.contents.values()],
                "young": young,
                "marks": marks,
                "places": _outside(grounds.places, folders),
                "checked": len(every),
                "results": [[result.path, pack(result)] for result in every if _says(result)],
            },
        )
        self._tidy()

    def _marks(self, found: Discovery, folders: Mapping[str, Folder]) -> list[tuple[str, list[int] | int]]:
        """Configuration, ignore files and what marks a project, where the listings of folders do not tell."""
        above = {os.fspath(p) for top in found.tops for p in (Path(top), *Path(top).parents)}
        names = {os.path.join(folder, name) for folder in {*above, *folders} for name in _CONFIGURATION}
        repositories = [git for folder in {*above, *folders} if _kind(git := os.path.join(folder, ".git"))]
        names |= {os.path.join(git, "info", "exclude") for git in repositories}
        marks: list[tuple[str, list[int] | int]] = []
        for path in sorted(names | self.read):
            sign = signature(path)
            # What is not there would be in the listing of its folder.
            if sign is not None or os.path.dirname(path) not in folders:
                marks.append((path, list(sign) if sign is not None else 0))
        for folder in sorted(above):
            marks += [(path, _kind(path)) for path in (os.path.join(folder, name) for name in _MARKS)]
        return marks

    def _tidy(self) -> None:
        """Let go of the runs that were longest ago."""
        with suppress(OSError), os.scandir(self.folder) as entries:
            runs = [(e.stat().st_mtime_ns, e.path) for e in entries if e.name.startswith(PREFIX)]
            for _, path in sorted(runs)[:-KEPT]:
                os.unlink(path)


def _kind(path: str) -> int:
    """Whether something is there, and what it is."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return 0


def _young(sign: Iterable[int], begun: int) -> bool:
    """Whether a change after ``begun`` may not show in the times of a file."""
    return max([*sign][:2], default=0) + SETTLED >= begun


def _says(result: FileResult) -> bool:
    return replace(result, path="", screened_out=False, suppressions=()) != _NOTHING


_NOTHING = FileResult("")


def _outside(places: Mapping[str, Grouped], folders: Mapping[str, Folder]) -> dict[str, Grouped]:
    """What was looked for where no listing tells; links may lead anywhere."""
    return {
        kind: {
            folder: left
            for folder, names in grouped.items()
            if (
                left := {
                    name: was
                    for name, was in names.items()
                    if folder not in folders or (was and os.path.islink(os.path.join(folder, name)))
                }
            )
        }
        for kind, grouped in places.items()
    }


def _same_folders(folders: list[str], names: list[str], signs: list[list[int]]) -> bool:
    for folder, held, was in zip(folders, names, signs, strict=True):
        now = signature(folder)
        if (now is None or list(now) != was) and (now is None or look(folder)[0].names != held):
            return False
    return True


def _same_files(files: list[str], signs: list[list[int]], young: Mapping[str, str]) -> bool:
    numbers = set(young)
    for number, (path, was) in enumerate(zip(files, signs, strict=True)):
        status = os.stat(path)
        if was == [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino]:
            if not numbers or str(number) not in numbers:
                continue
            if not stat.S_ISREG(status.st_mode):
                return False
            with open(path, "rb") as stream:
                if digest(stream.read()) == young[str(number)]:
                    continue
        return False
    return True


def _same_marks(marks: list[tuple[str, list[int] | int]]) -> bool:
    for path, was in marks:
        if isinstance(was, int):
            if _kind(path) != was:
                return False
        elif list(signature(path) or ()) != was:
            return False
    return True
