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
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from h2dlint.engine.cache import SETTLED, Cache, version
from h2dlint.engine.files import Discovery, SourceFile
from h2dlint.engine.grounds import Part
from h2dlint.engine.ledger import Ledger, Seen, digest, signature
from h2dlint.engine.listing import Folder, look, walked
from h2dlint.engine.packing import pack, unpack
from h2dlint.engine.places import Grouped, looked_for, still_there
from h2dlint.engine.reading import read_regular
from h2dlint.engine.results import FileResult, Report
from h2dlint.engine.runner import MAX_BYTES, make_report
from h2dlint.engine.settings import Settings
from h2dlint.engine.storing import read_checked, write_checked

FEWEST = 9
"""Files below which it is not worth it."""
MOST = 200
"""Changed files above which everything is looked at again."""
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
        cwd: the working directory.
        part: what still holds of that run, where not all of it does.
    """

    folder: Path
    command: str
    read: set[str]
    cwd: Path
    part: Part | None = None

    @property
    def _path(self) -> Path:
        return self.folder / f"{PREFIX}{digest(self.command.encode('utf-8', 'surrogatepass'))}.json"

    def report(self) -> Report | None:
        """What that run reported, if this one would report the same; else ``part`` may say what is left of it."""
        begun = time.time_ns()
        try:
            kept = read_checked(self._path)
            folders = _same_folders(kept["folders"], kept["names"], kept["signs_of_folders"])
            if folders is None or not _same_marks(kept["marks"]) or not still_there(kept["places"]):
                return None
            files, changed = _compared(kept["files"], kept["signs"], kept["contents"], set(kept["young"]))
            if not changed:
                results = [unpack(packed, path) for path, packed in kept["results"]]
                return replace(make_report(results), checked=len(kept["linted"]))
            if kept["own"] or None in changed.values() or len(changed) > MOST:
                return None
            self.read.update(kept["read"])
            found = tuple(SourceFile(path, self.cwd / path) for path in kept["linted"])
            self.part = Part(
                Discovery(found, (), folders, tuple(kept["tops"]), begun),
                kept["cache"],
                files,
                dict(kept["results"]),
                changed,
                kept,
            )
        except (OSError, ValueError, LookupError, TypeError, RecursionError, AttributeError):
            self.part = None
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
        if self.part is not None and self.part.used:
            self._keep_part(self.part, every, cache, ledger)
            return
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
        young = [
            number for number, (sign, _) in enumerate(grounds.contents.values()) if _young(sign, found.begun)
        ]
        write_checked(
            self._path,
            {
                "folders": list(folders),
                "signs_of_folders": [_sign(seen, found.begun) for seen in folders.values()],
                "names": [seen.names for seen in folders.values()],
                "files": list(grounds.contents),
                "signs": [sign for sign, _ in grounds.contents.values()],
                "contents": [content for _, content in grounds.contents.values()],
                "young": young,
                "marks": marks,
                "places": _outside(grounds.places, folders),
                "roots": sorted(grounds.roots),
                "linted": [result.path for result in every],
                "own": any(file.settings is not None for file in found.files),
                "tops": found.tops,
                "read": sorted(self.read),
                "cache": cache.check,
                "results": [[result.path, pack(result)] for result in every if _says(result)],
            },
        )
        self._tidy()

    def _keep_part(self, part: Part, every: list[FileResult], cache: Cache, ledger: Ledger) -> None:
        """Write a run down of which most was as before."""
        kept = part.kept
        fresh = [str(self.cwd / path) for path in part.fresh]
        grounds = cache.grounds(fresh, ledger)
        if grounds is None or not grounds.add(part.changed) or not grounds.roots <= set(kept["roots"]):
            return
        contents = {**part.files, **grounds.contents}
        begun = part.found.begun
        folders = part.found.folders
        again = set(part.fresh)
        results = {path: packed for path, packed in part.results.items() if path not in again}
        results.update({r.path: pack(r) for r in every if r.path in again and _says(r)})
        new = looked_for(ledger)
        places = {kind: dict(kept["places"][kind]) for kind in new}
        for kind, outside in _outside(new, folders).items():
            for folder, names in outside.items():
                places[kind][folder] = {**places[kind].get(folder, {}), **names}
        told = {
            "signs_of_folders": [_sign(seen, begun) for seen in folders.values()],
            "files": list(contents),
            "signs": [sign for sign, _ in contents.values()],
            "contents": [content for _, content in contents.values()],
            "young": [n for n, (sign, _) in enumerate(contents.values()) if _young(sign, begun)],
            "places": places,
            "cache": cache.check,
            "results": list(results.items()),
        }
        write_checked(self._path, {**kept, **told})

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


def _sign(folder: Folder, begun: int) -> Iterable[int]:
    """What a folder is known by; nothing where it is to be listed each time."""
    # A listing that was made while its folder was being written to does not go by times.
    return [] if folder.loose or folder.sign is None or _young(folder.sign, begun) else folder.sign


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


def _same_folders(folders: list[str], names: list[str], signs: list[list[int]]) -> dict[str, Folder] | None:
    """The folders as they are now, if they hold the same names."""
    found: dict[str, Folder] = {}
    for folder, held, was in zip(folders, names, signs, strict=True):
        now = signature(folder)
        if now is None:
            return None
        if list(now) == was:
            found[folder] = Folder(now, held)
            continue
        seen = look(folder)[0]
        if seen.names != held:
            return None
        found[folder] = seen._replace(sign=now)
    return found


def _compared(
    files: list[str], signs: list[list[int]], contents: list[str], young: set[int]
) -> tuple[dict[str, Seen], dict[str, str | None]]:
    """Files as they are now, and what is in those that have changed; ``None`` where that cannot be read."""
    same: dict[str, Seen] = {}
    changed: dict[str, str | None] = {}
    for number, (path, was, content) in enumerate(zip(files, signs, contents, strict=True)):
        sign = signature(path)
        if sign is not None and list(sign) == was and number not in young:
            same[path] = sign, content
            continue
        try:
            now = digest(read_regular(path, MAX_BYTES))
        except OSError:
            now = None
        if sign is not None and now == content:
            same[path] = sign, content
        else:
            changed[path] = now
    return same, changed


def _same_marks(marks: list[tuple[str, list[int] | int]]) -> bool:
    for path, was in marks:
        if isinstance(was, int):
            if _kind(path) != was:
                return False
        elif list(signature(path) or ()) != was:
            return False
    return True
