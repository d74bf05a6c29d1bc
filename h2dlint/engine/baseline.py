"""Findings that are known: a file of them, which only ever gets shorter by itself.

An entry is a rule, a path, the enclosing function, the statement without what a formatter may change, and how many such
findings there are; no line numbers, so that edits elsewhere change nothing. Paths are relative to the folder of the
file, one entry stands on one line, and entries are sorted, so that changes are easy to read and to merge.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from h2dlint.engine.errors import ConfigError
from h2dlint.engine.reading import MAX_BASELINE, read_regular, why
from h2dlint.engine.results import FileResult, Silenced
from h2dlint.engine.sieve import decoded, lines
from h2dlint.model import Finding
from h2dlint.syntax.normal import normal, shortened, squeezed
from h2dlint.syntax.source import SourceText

VERSION = 1


class Entry(NamedTuple):
    """What a known finding is recognised by, within its file."""

    code: str
    function: str
    statement: str


Entries = dict[str, "Counter[Entry]"]


@dataclass
class Baseline:
    """Known findings.

    Args:
        path: absolute path of the file; paths in it are relative to its folder.
        entries: path of a source file to the findings in it that are known.
    """

    path: Path
    entries: Entries = field(default_factory=dict)
    _left: Entries = field(default_factory=dict)
    data: bytes | None = field(default=None, compare=False, repr=False)
    """What was in the file; ``None`` where there was none."""

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """Read a file.

        Raises:
            ConfigError: there is none, or it is no baseline.
        """
        try:
            data = read_regular(path, MAX_BASELINE)
            text = data.decode("utf-8")
        except OSError as error:
            hint = "; --write-baseline writes one" if isinstance(error, FileNotFoundError) else ""
            raise ConfigError(f"the baseline {path} cannot be read: {why(error)}{hint}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"the baseline {path} is not UTF-8") from error
        try:
            document = json.loads(text)
            if document["version"] != VERSION:
                raise ConfigError(f"the baseline {path} has version {document['version']}, not {VERSION}")
            return cls(path, {name: _read(rows) for name, rows in document["findings"].items()}, data=data)
        except ConfigError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(f"{path} is not a baseline of h2dlint") from error

    def matcher(self, location: Path) -> Callable[[FileResult, bytes], FileResult]:
        """What tells the known findings of one file from the others.

        Called again for what fixes make of the file, it takes those for known whose statements only changed because
        of another fix in them.

        Args:
            location: absolute path of the file.
        """
        name = self._name(location)
        known = self.entries.get(name, Counter())
        stored = {_loose(entry): entry for entry in known}
        first: list[tuple[Counter[tuple[str, str]], set[Entry]]] = []

        def match(result: FileResult, data: bytes) -> FileResult:
            room = Counter(known)
            old: list[tuple[Finding, Entry]] = []
            new: list[tuple[Finding, Entry]] = []
            source = decoded(result.path, data) if result.findings else None
            for finding in result.findings:
                entry = entry_of(finding, source)
                entry = stored.get(_loose(entry), entry)
                (old if room[entry] > 0 else new).append((finding, entry))
                room[entry] -= 1
            if first:
                missing = first[0][0] - Counter(entry[:2] for _, entry in old)
                # Those that were new before stay new; what is left changed its statement.
                for pair in sorted(new, key=lambda pair: pair[1] in first[0][1]):
                    if missing[pair[1][:2]] > 0:
                        missing[pair[1][:2]] -= 1
                        old.append(pair)
                new = [pair for pair in new if pair not in old]
            else:
                first.append((Counter(entry[:2] for _, entry in old), {entry for _, entry in new}))
            self._left[name] = Counter(entry for _, entry in old)
            silenced = [*result.silenced, *(Silenced(finding) for finding, _ in old)]
            silenced.sort(key=lambda each: (*each.finding.sort_key, each.finding.span))
            return replace(result, findings=tuple(finding for finding, _ in new), silenced=tuple(silenced))

        return match

    def shrunk(self, covered: Callable[[Path], bool]) -> tuple[Baseline, list[tuple[str, Entry, int]]]:
        """The baseline without what is gone, and what that is: path, entry, how many.

        Only files that were matched against it are looked at, and those that are no longer there.

        Args:
            covered: whether a path lies in what was to be checked.
        """
        entries: Entries = {}
        gone: list[tuple[str, Entry, int]] = []
        for name, known in self.entries.items():
            location = self.path.parent / name
            left = self._left.get(name)
            if left is None:
                there = os.path.lexists(location) or not covered(Path(os.path.normpath(location)))
                left = known if there else Counter()
            # Of some a fix changed the statement: they are still there.
            changed = Counter(entry[:2] for entry in (left - known).elements())
            for entry, count in sorted((known - left).items()):
                same = min(count, changed[entry[:2]])
                changed[entry[:2]] -= same
                if count > same:
                    gone.append((name, entry, count - same))
            if left:
                entries[name] = left
        return Baseline(self.path, entries), gone

    def taking(
        self, findings: Iterable[Finding], source: Source, places: Places, narrowed: bool = False
    ) -> Baseline:
        """A baseline of findings, with what this one says of files that were not checked.

        Args:
            findings: to be known.
            source: path of a finding to the text that it is in.
            places: path as reports show it to location, of every file that was checked.
            narrowed: not everything was looked for; what this baseline says of the files that were checked stays too.
        """
        checked = {self._name(location) for location in places.values()}
        entries = {name: known for name, known in self.entries.items() if name not in checked}
        for finding in findings:
            name = self._name(places[finding.path])
            entries.setdefault(name, Counter())[entry_of(finding, source(finding.path))] += 1
        if narrowed:
            for name in checked & self.entries.keys():
                now = entries.setdefault(name, Counter())
                stored = {_loose(entry): entry for entry in now}
                for entry, count in self.entries[name].items():
                    same = stored.get(_loose(entry), entry)
                    now[same] = max(now[same], count)
        return Baseline(self.path, entries)

    def __len__(self) -> int:
        return sum(known.total() for known in self.entries.values())

    def to_bytes(self) -> bytes:
        """The file: JSON, one finding a line, sorted."""
        files = [
            f"    {_json(name)}: [\n" + ",\n".join(_rows(self.entries[name])) + "\n    ]"
            for name in sorted(self.entries)
            if self.entries[name]
        ]
        body = "{\n" + ",\n".join(files) + "\n  }" if files else "{}"
        return f'{{\n  "version": {VERSION},\n  "findings": {body}\n}}\n'.encode("ascii")

    def _name(self, location: Path) -> str:
        """A path relative to the folder of the baseline, with forward slashes; absolute on another drive."""
        try:
            return Path(os.path.relpath(location, self.path.parent)).as_posix()
        except ValueError:
            return location.as_posix()


Source = Callable[[str], "SourceText | None"]
Places = dict[str, Path]


def entry_of(finding: Finding, source: SourceText | None) -> Entry:
    """What a finding is recognised by."""
    return Entry(finding.code, finding.function or "", shortened(statement_of(finding, source)))


def statement_of(finding: Finding, source: SourceText | None) -> str:
    """The statement that a finding is in, without what a formatter may change."""
    if source is None:
        return ""
    first, last = lines(finding)
    return normal("\n".join(source.line_text(line) for line in range(first, last + 1)))


def _read(rows: Any) -> Counter[Entry]:
    found: Counter[Entry] = Counter()
    known: dict[Entry, Entry] = {}
    for row in rows:
        values = (row["code"], row["function"], row["statement"])
        count = row.get("count", 1)
        if not all(isinstance(value, str) for value in values) or type(count) is not int or count < 1:
            raise ValueError(row)
        entry = Entry(*values)
        found[known.setdefault(_loose(entry), entry)] += count
    return found


def _loose(entry: Entry) -> Entry:
    """What two entries have in common that differ in parentheses alone."""
    return entry._replace(statement=squeezed(entry.statement))


def _rows(known: Counter[Entry]) -> Iterator[str]:
    for entry, count in sorted(known.items()):
        row: dict[str, object] = entry._asdict()
        if count != 1:
            row["count"] = count
        yield f"      {_json(row)}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)
