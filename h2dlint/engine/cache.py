"""Verdicts of earlier runs, for the files on which nothing that they depend on has changed.

A verdict depends on the bytes of its file, on the settings, on h2dlint and Python, on the bytes of every other file
that was looked into for it, on what there was to be found where modules were looked for, and on the answers of the call
graph of its project. Each of these is compared before a verdict is used again. A file that the file system says is as
it was is not read, unless it was written so shortly before that this could not be told.

The cache is one JSON file for each set of settings. It is replaced as a whole, so that runs at the same time do not
disturb each other; what is damaged, or was written by another version, counts as not there.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import h2dlint
from h2dlint.engine.files import SourceFile
from h2dlint.engine.graphs import Graphs
from h2dlint.engine.ledger import Ledger, Seen, Signature, digest, signature
from h2dlint.engine.packing import pack, unpack
from h2dlint.engine.places import Grouped, grouped, still_there
from h2dlint.engine.reading import read_regular
from h2dlint.engine.results import FileResult
from h2dlint.engine.runner import MAX_BYTES
from h2dlint.engine.settings import Settings
from h2dlint.engine.storing import USUAL, read_checked, write_checked
from h2dlint.model import ErrorKind

FOLDER = USUAL
FORMAT = 5
LIBRARIES = ("libcst", "pathspec")
"""What else decides on findings and fixes, and on which files are looked at."""
SETTLED = 3_000_000_000
"""Nanoseconds after which a change of a file shows in its times, on the coarsest of file systems."""
_LASTING = (ErrorKind.SYNTAX, ErrorKind.ENCODING)
"""Errors that are in the bytes of a file."""

Asked = list[list[Any]]
"""Questions to the call graph: top of the project, entry points, kind, name, answer."""


@dataclass(slots=True)
class Verdict:
    """A new verdict and what it depends on.

    Args:
        file: that it is on.
        seen: the file as it was read, ``None`` where that is not known.
        needs: the files that were looked into.
        asked: what the call graph was asked.
        root: the top of its project.
    """

    file: SourceFile
    result: FileResult
    seen: Seen | None
    needs: tuple[str, ...]
    asked: Asked
    root: str


class _Table:
    """Rows about files, referred to by number: signature, content, what a cheap look saw, when it was read."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {}
        self._numbers: dict[str, int] = {}

    def number(self, path: str) -> int:
        """The place of a row: rows are never taken out."""
        if path not in self._numbers:
            for known in list(self.rows)[len(self._numbers) :]:
                self._numbers[known] = len(self._numbers)
        return self._numbers[path]


class Cache:
    """The verdicts of earlier runs under some settings.

    Args:
        folder: where it is kept.
        settings: of the run.
        graphs: what the call graphs of now say.
    """

    def __init__(self, folder: Path, settings: Settings, graphs: Graphs) -> None:
        self._settings = settings
        self._graphs = graphs
        self._prints: dict[Settings, str] = {}
        self._version = version()
        self._path = folder / f"verdicts-{self._print(settings)}.json"
        self._known: dict[str, list[Any]] = {}
        self._paths: list[str] = []
        self._files: dict[str, list[Any]] = {}
        self._places: dict[str, Grouped] = {"files": {}, "marks": {}}
        self._now: dict[str, str | None] = {}
        self._signs: dict[str, Signature | None] = {}
        self._compared: set[int] = set()
        self._changed: set[int] = set()
        self._begun = time.time_ns()
        self._load()
        graphs.scan = self.scan

    # Reading

    def _load(self) -> None:
        try:
            read = read_checked(self._path)
            self._files, self._known = read["files"], read["verdicts"]
            self._paths, self._places = list(self._files), read["places"]
            if not still_there(self._places):
                # A module may be found elsewhere now.
                self._known = {}
            self._graphs.were(read["graphs"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError, AttributeError):
            self._files, self._known, self._paths = {}, {}, []

    def find(self, file: SourceFile, root: str) -> FileResult | None:
        """The verdict on a file, where it still holds.

        Args:
            file: to be linted.
            root: the top of its project.
        """
        known = self._known.get(str(file.location))
        if known is None:
            return None
        try:
            settings, top, content, needs, asked, packed = known
            if settings != self._print(file.settings or self._settings) or top != root:
                return None
            if self.content(str(file.location)) != content or not self._are_same(needs):
                return None
            if not self._graphs.answer(str(file.location), asked):
                return None
            result = unpack(packed, file.path)
        except (ValueError, TypeError, LookupError):
            return None
        return result

    def _are_same(self, numbers: list[int]) -> bool:
        """The files of some rows are as they were; each is compared once, as most are needed by many."""
        fresh = set(numbers) - self._compared
        for number in fresh:
            path = self._paths[number]
            if self.content(path) != self._files[path][1]:
                self._changed.add(number)
        self._compared |= fresh
        return self._changed.isdisjoint(numbers)

    def content(self, path: str) -> str | None:
        """A digest of what is in a file; it is read only where the file system does not vouch for it."""
        if path not in self._now:
            self._now[path] = self._content(path)
        return self._now[path]

    def _content(self, path: str) -> str | None:
        sign = self._signs[path] = signature(path)
        known = self._files.get(path)
        if known is not None and sign is not None:
            was, content, _, when = known
            if tuple(was) == sign and max(sign[0], sign[1]) + SETTLED < when:
                return str(content)
        try:
            return digest(read_regular(path, MAX_BYTES))
        except (OSError, ValueError):
            return None

    def scan(self, path: str) -> str | None:
        """A digest of what a cheap look at a file saw, if the file is as it was."""
        known = self._files.get(path)
        if known is None or self.content(path) != known[1]:
            return None
        return str(known[2]) if known[2] else None

    # Writing

    def save(self, verdicts: list[Verdict], kept: set[str], ledger: Ledger, graphs: Graphs) -> None:
        """Write what is known now.

        Args:
            verdicts: the new ones.
            kept: locations of files whose verdicts were used again.
            ledger: what was read and looked for in this run.
            graphs: of now.
        """
        for verdict in verdicts:
            # What was read twice and was not the same each time is not known.
            seen = ledger.contents.setdefault(str(verdict.file.location), verdict.seen)
            if seen != verdict.seen:
                ledger.contents[str(verdict.file.location)] = verdict.seen = None
        table = _Table()

        def number(path: str) -> int | None:
            if path not in table.rows:
                seen = ledger.contents[path] if path in ledger.contents else self._vouched(path)
                if seen is None:
                    return None
                # No file was read before this run began.
                table.rows[path] = [seen[0], seen[1], ledger.scans.get(path) or self.scan(path), self._begun]
            return table.number(path)

        known: dict[str, list[Any]] = {}
        for verdict in verdicts:
            location = str(verdict.file.location)
            needs = [number(path) for path in verdict.needs]
            passing = any(error.kind not in _LASTING for error in verdict.result.errors)
            if verdict.seen is None or None in needs or passing or number(location) is None:
                continue
            prints = self._print(verdict.file.settings or self._settings)
            packed = pack(verdict.result)
            known[location] = [prints, verdict.root, verdict.seen[1], needs, verdict.asked, packed]
        for path in ledger.scans:
            number(path)
        shared: set[int] = set()
        for location in kept:
            number(location)
            shared.update(self._known[location][3])
        for need in sorted(shared):
            number(self._paths[need])
        self._carry({str(verdict.file.location) for verdict in verdicts}, table, known)
        for path, row in self._files.items():
            if path not in table.rows and os.path.exists(path):
                table.rows[path] = row
        places = {
            kind: grouped(found, self._places[kind] if self._known else None)
            for kind, found in (("files", ledger.files), ("marks", ledger.marks))
        }
        roots = {question[0] for entry in known.values() for question in entry[4]}
        told = {root: graphs.latest(root) for root in roots}
        write_checked(self._path, {"files": table.rows, "verdicts": known, "places": places, "graphs": told})

    def _carry(self, looked: set[str], table: _Table, known: dict[str, list[Any]]) -> None:
        """Keep the old verdicts, also on files that are not of this run, but those whose grounds have changed.

        Args:
            looked: locations of files that have new ones.
            table: of what is known of files now.
            known: verdicts by location, which these are added to.
        """

        def changed(path: str) -> bool:
            was = self._files[path]
            return bool(table.rows.setdefault(path, was)[1] != was[1])

        compared: set[int] = set()
        different: set[int] = set()
        carried: list[tuple[str, list[Any]]] = []
        for location, entry in self._known.items():
            if location in looked:
                continue
            try:
                _, _, _, needs, asked, _ = entry
                # Most are needed by many.
                for need in set(needs) - compared:
                    if changed(self._paths[need]):
                        different.add(need)
                    compared.add(need)
                if changed(location) or not different.isdisjoint(needs):
                    continue
                if self._graphs.still(location, asked):
                    carried.append((location, entry))
            except (ValueError, TypeError, LookupError):
                continue
        now = {need: table.number(self._paths[need]) for need in compared}
        for location, (settings, top, content, needs, asked, packed) in carried:
            known[location] = [settings, top, content, [now[need] for need in needs], asked, packed]

    def _vouched(self, path: str) -> Seen | None:
        """A file that this run has not read again."""
        content = self.content(path)
        sign = self._signs.get(path)
        return (sign, content) if sign is not None and content is not None else None

    def _print(self, settings: Settings) -> str:
        """Everything but the files that a verdict depends on, in short."""
        if settings not in self._prints:
            same = replace(settings, nested=None, output_format=None, unsafe_fixes=False, baseline=None)
            told = repr((same, settings.nested is not None))
            self._prints[settings] = digest(repr((self._version, told)).encode())
        return self._prints[settings]


@cache
def version() -> str:
    """What h2dlint and Python are: of h2dlint also its files, as its version stays the same while it is worked on."""
    top = Path(h2dlint.__file__).parent
    found = []
    for folder in (top, *(top / name for name in ("analysis", "engine", "rules", "syntax"))):
        with suppress(OSError), os.scandir(folder) as entries:
            found += [
                (entry.name, entry.stat().st_size, entry.stat().st_mtime_ns)
                for entry in entries
                if entry.name.endswith(".py")
            ]
    libraries = [installed(name) for name in LIBRARIES]
    return digest(repr((h2dlint.__version__, sys.version, FORMAT, sorted(found), libraries)).encode())


def installed(name: str) -> tuple[str, ...]:
    """Which release of a package there is, without importing it or the machinery that reads its metadata."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return ()
    folder = os.path.dirname(spec.origin)
    above = os.path.dirname(folder)
    told = [repr(signature(spec.origin))]
    with suppress(OSError):
        told += [entry for entry in os.listdir(above) if entry.startswith(f"{name}-")]
    return tuple(sorted(told))
