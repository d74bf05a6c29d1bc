"""Verdicts of earlier runs, for the files on which nothing that they depend on has changed.

A verdict depends on the bytes of its file, on the settings, on h2dlint and Python, on the bytes of every other file
that was looked into for it, on what there was to be found where modules were looked for, and on the answers of the call
graph of its project. Each of these is compared before a verdict is used again. A file that the file system says is as
it was is not read, unless it was written so shortly before that this could not be told.

The cache is one file for each set of settings, JSON and numbers. It is replaced as a whole, so that runs at the same
time do not disturb each other; what is damaged, or was written by another version, counts as not there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import h2dlint
from h2dlint.engine.entries import Entries, Entry
from h2dlint.engine.files import SourceFile
from h2dlint.engine.graphs import Graphs
from h2dlint.engine.grounds import Grounds, Part, Verdict
from h2dlint.engine.ledger import Ledger, Seen, Signature, digest, signature
from h2dlint.engine.packing import pack, unpack
from h2dlint.engine.places import Grouped, looked_for, still_there
from h2dlint.engine.reading import read_regular
from h2dlint.engine.results import FileResult
from h2dlint.engine.rows import Rows
from h2dlint.engine.runner import MAX_BYTES
from h2dlint.engine.settings import Settings
from h2dlint.engine.storing import USUAL, read_sections, write_sections
from h2dlint.engine.visible import visible
from h2dlint.model import ErrorKind

FOLDER = USUAL
FORMAT = 7
LIBRARIES = ("libcst", "pathspec")
"""What else decides on findings and fixes, and on which files are looked at."""
SETTLED = 3_000_000_000
"""Nanoseconds after which a change of a file shows in its times, on the coarsest of file systems."""
MANY = 1000
"""Files that are gone, but still written of, before they are looked for."""
_LASTING = (ErrorKind.SYNTAX, ErrorKind.ENCODING)
"""Errors that are in the bytes of a file."""


class Cache:
    """The verdicts of earlier runs under some settings.

    Args:
        folder: where it is kept.
        settings: of the run.
        graphs: what the call graphs of now say.
        part: what still holds of an earlier run of the same command.
    """

    def __init__(self, folder: Path, settings: Settings, graphs: Graphs, part: Part | None = None) -> None:
        self._settings = settings
        self._graphs = graphs
        self._prints: dict[Settings, str] = {}
        self._version = version()
        self._path = folder / f"verdicts-{self._print(settings)}.json"
        self._known = Entries()
        self._paths: list[str] = []
        self._numbers: dict[str, int] = {}
        self._files = Rows()
        self._roots: dict[str, list[str]] = {}
        self._places: dict[str, Grouped] = {"files": {}, "marks": {}}
        self._now: dict[str, str | None] = {}
        self._signs: dict[str, Signature | None] = {}
        self._compared: set[int] = set()
        self._changed: set[int] = set()
        self._begun = time.time_ns()
        self._part = part
        self.check = ""
        """The check sum of the file as it was read or written last."""
        self._load()
        for path, (sign, content) in part.files.items() if part is not None else ():
            self._signs[path], self._now[path] = sign, content
        graphs.scan = self.scan

    # Reading

    def _load(self) -> None:
        try:
            self.check, (first, numbers, lines, rows) = read_sections(self._path)
            read = json.loads(first)
            self._files, self._roots = Rows.read(read["files"], rows), read["roots"]
            self._places, self._known = read["places"], Entries.read(read["entries"], numbers, lines)
            told = self._part is not None and self.check == self._part.check
            if not told and not still_there(self._places):
                # A module may be found elsewhere now.
                self._known, self._roots = Entries(), {}
            self._graphs.were(read["graphs"])
            self._paths = list(self._files)
        except (OSError, ValueError, LookupError, TypeError, RecursionError, AttributeError):
            self._files, self._known, self._roots, self._paths = Rows(), Entries(), {}, []
        self._numbers = {path: number for number, path in enumerate(self._paths)}

    def staying(self) -> set[str] | None:
        """Locations of files whose verdicts the earlier run tells; ``None`` where the cache is not as it left it."""
        part = self._part
        if part is None or self.check != part.check or not len(self._known):
            return None
        different: set[int] = set()
        for path, content in part.changed.items():
            row = self._files.get(path)
            if row is None or content is None or not self._graphs.sees_the_same(path, row[2]):
                return None
            if row[4] is None or self._visible(path, content) != row[4]:
                different.add(self._numbers[path])
        self._graphs.stay()
        part.used = True
        return {
            location
            for location in self._known
            if location not in part.changed
            and (not different or different.isdisjoint(self._known.needs(location)))
        }

    def find(self, file: SourceFile, root: str) -> FileResult | None:
        """The verdict on a file, where it still holds.

        Args:
            file: to be linted.
            root: the top of its project.
        """
        location = str(file.location)
        if location not in self._known:
            return None
        try:
            settings, top, content, asked, packed = self._known.entry(location)
            if settings != self._print(file.settings or self._settings) or top != root:
                return None
            if self.content(location) != content or not self._are_same(self._known.needs(location)):
                return None
            if not self._graphs.answer(location, asked):
                return None
            return unpack(packed, file.path)
        except (ValueError, TypeError, LookupError):
            return None

    def _are_same(self, numbers: Sequence[int]) -> bool:
        """The files of some rows are as they were; each is compared once, as most are needed by many."""
        fresh = set(numbers) - self._compared
        for number in fresh:
            path = self._paths[number]
            _, content, _, _, seen = self._files[path]
            if self.content(path) != content and (
                seen is None or self._visible(path, self.content(path)) != seen
            ):
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
            was, content, _, when, _ = known
            if tuple(was) == sign and max(sign[0], sign[1]) + SETTLED < when:
                return str(content)
        try:
            return digest(read_regular(path, MAX_BYTES))
        except (OSError, ValueError):
            return None

    def _visible(self, path: str, content: str | None) -> str | None:
        """What other files see of a file, if that is in it which is said to be."""
        try:
            data = read_regular(path, MAX_BYTES)
        except OSError:
            return None
        return visible(data) if digest(data) == content else None

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
        changed: set[int] = set()
        different: set[int] = set()
        written: dict[str, int | None] = {}

        def number(path: str) -> int | None:
            if path not in written:
                written[path] = self._write_row(path, ledger, changed, different)
            return written[path]

        fresh: dict[str, tuple[list[int], Entry]] = {}
        for verdict in verdicts:
            location = str(verdict.file.location)
            needs = [found for found in map(number, verdict.needs) if found is not None]
            passing = any(error.kind not in _LASTING for error in verdict.result.errors)
            if verdict.seen is None or len(needs) < len(verdict.needs) or passing or number(location) is None:
                continue
            prints = self._print(verdict.file.settings or self._settings)
            entry = [prints, verdict.root, verdict.seen[1], verdict.asked, pack(verdict.result)]
            fresh[location] = needs, entry
        for path in ledger.scans:
            number(path)
        shared: set[int] = set()
        for location in kept:
            number(location)
            shared.update(self._known.needs(location))
        for need in sorted(shared):
            number(self._paths[need])
        places = looked_for(ledger, self._places if len(self._known) else {})
        for location in {str(verdict.file.location) for verdict in verdicts} | self._outdated(
            changed, different
        ):
            self._known.drop(location)
            self._roots.pop(location, None)
        for location, (needs, entry) in fresh.items():
            self._known.put(location, needs, entry)
            if entry[3]:
                self._roots[location] = sorted({question[0] for question in entry[3]})
        self._tidy(set(written))
        roots = {root for several in self._roots.values() for root in several}
        told = {root: graphs.latest(root) for root in roots}
        self._places = places
        head = {
            "files": list(self._files),
            "roots": self._roots,
            "places": places,
            "graphs": told,
            "entries": self._known.head,
        }
        self.check = write_sections(self._path, head, *self._known.sections, self._files.section)

    def _write_row(self, path: str, ledger: Ledger, changed: set[int], different: set[int]) -> int | None:
        """Write down what this run knows of a file.

        Args:
            path: of the file.
            ledger: of the run.
            changed: takes the number of the row, if there was another content before.
            different: takes it, if other files see something else now.

        Returns:
            The number of its row; ``None`` where it is not known what is in it.
        """
        seen = ledger.contents[path] if path in ledger.contents else self._vouched(path)
        if seen is None:
            return None
        shown = ledger.visible.get(path)
        was = self._files.get(path)
        if path not in self._numbers:
            self._numbers[path] = len(self._paths)
            self._paths.append(path)
        elif was is not None:
            if was[1] != seen[1]:
                changed.add(self._numbers[path])
                shown = shown or (self._visible(path, seen[1]) if was[4] else None)
                if shown is None or shown != was[4]:
                    different.add(self._numbers[path])
            shown = shown or was[4]
        # No file was read before this run began.
        scan = ledger.scans.get(path) or self.scan(path)
        self._files[path] = [seen[0], seen[1], scan, self._begun, shown]
        return self._numbers[path]

    def _outdated(self, changed: set[int], different: set[int]) -> set[str]:
        """Files, also those that are not of this run, on whose verdicts something bears that has changed."""
        found: set[str] = set()
        for location in self._known:
            own = self._numbers.get(location)
            if (
                own is None
                or own in changed
                or (different and not different.isdisjoint(self._known.needs(location)))
            ):
                found.add(location)
            elif location in self._roots and self._graphs.moved(self._roots[location]):
                try:
                    if not self._graphs.still(location, self._known.entry(location)[3]):
                        found.add(location)
                except (ValueError, TypeError, LookupError):
                    found.add(location)
        return found

    def _tidy(self, written: set[str]) -> None:
        """Forget files that are no longer there, once they are many."""
        if not MANY < len(self._paths) - len(written) < 4 * len(written):
            return
        gone = {path for path in self._paths if path not in written and not os.path.exists(path)}
        gone_numbers = {self._numbers[path] for path in gone}
        if len(gone) < MANY:
            return
        for location in self._known:
            if location in gone or not gone_numbers.isdisjoint(self._known.needs(location)):
                self._known.drop(location)
                self._roots.pop(location, None)
        left = [path for path in self._paths if path not in gone]
        numbers = {path: number for number, path in enumerate(left)}
        self._known.renumber([numbers.get(path, 0) for path in self._paths])
        self._files = self._files.only(left)
        self._paths, self._numbers = left, numbers

    def grounds(self, locations: Iterable[str], ledger: Ledger) -> Grounds | None:
        """What the verdicts on files rest on, once they are saved; ``None`` where one of them is not kept.

        Args:
            locations: of the files.
            ledger: what was read in this run.
        """
        needs: set[int] = set()
        paths: list[str] = []
        roots: set[str] = set()
        for location in locations:
            if location not in self._known:
                return None
            paths.append(location)
            needs.update(self._known.needs(location))
            roots.update(self._roots.get(location, ()))

        def seen(path: str) -> Seen | None:
            if path in ledger.contents:
                return ledger.contents[path]
            return self._vouched(path) if path in self._now else None

        found = Grounds({}, roots, self._places, seen)
        return found if found.add([*paths, *(self._paths[need] for need in needs)]) else None

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
