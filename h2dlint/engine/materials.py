"""What call graphs are made of, kept from run to run: what was seen of each file, and what its functions call.

So an edit has one file looked at again. What functions of other files call depends on what all files define and
import, and on which modules are there; where that has changed, it is worked out anew for all of them.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from h2dlint.analysis.edges import Kept
from h2dlint.analysis.reach import CallGraph
from h2dlint.analysis.scan import File
from h2dlint.engine.answers import Hidden
from h2dlint.engine.essence import Row, essence, names, renewed, shared
from h2dlint.engine.ledger import Ledger
from h2dlint.engine.places import Grouped, still_there
from h2dlint.engine.scans import packed, unpacked, unzipped
from h2dlint.engine.storing import read_sections, write_sections

FEW = 100
"""One file in so many is looked at again each time rather than all of them written again."""
SEVERAL = 50
"""Of more edited files it is not asked what they say to the graph."""
_DAMAGED = (OSError, ValueError, LookupError, TypeError, RecursionError, AttributeError, zlib.error)


class Materials:
    """What the graph of one project is made of.

    Args:
        scans: where what was seen is kept.
        edges: where what functions call is kept.
        ledger: of the run.
        known: what a cheap look at a file sees, as a digest, where that is known without looking.
    """

    def __init__(self, scans: Path, edges: Path, ledger: Ledger, known: Callable[[str], str | None]) -> None:
        self._scans = scans
        self._edges = edges
        self._ledger = ledger
        self._known = known
        self._rows: dict[str, Row] = {}

    def seen(self) -> dict[str, File]:
        """Files of which a cheap look would see now what it saw then, by path."""
        now = self._ledger.scans
        try:
            first, *parts = read_sections(self._scans)[1]
            digests: list[str] = json.loads(first)
            found = {
                file.path: (file, was)
                for file, was in zip(unpacked(parts), digests, strict=True)
                if was == (now.get(file.path) or self._known(file.path))
            }
        except _DAMAGED:
            return {}
        now.update({path: was for path, (_, was) in found.items()})
        return {path: file for path, (file, _) in found.items()}

    def remember(self, files: Sequence[File], known: int) -> None:
        """Keep what was seen, unless nearly all of it is kept already.

        Args:
            files: all of them.
            known: how many of them ``seen`` told.
        """
        if len(files) - known > len(files) // FEW:
            write_sections(self._scans, [self._ledger.scans[file.path] for file in files], *packed(files))

    def edges(self, files: Sequence[File]) -> Kept | None:
        """What was found of the same files, where all of them define what they defined."""
        try:
            first, *parts, _ = read_sections(self._edges)[1]
            head = json.loads(first)
            rows: list[Row] = head["files"]
            if [row[0] for row in rows] != [file.path for file in files]:
                return None
            valid = set()
            for file, (path, look, definitions, *_) in zip(files, rows, strict=True):
                if self._ledger.scans[path] == look:
                    valid.add(path)
                elif file.definitions() != definitions:
                    return None
            counts, numbers = (array("I", unzipped(part)) for part in parts)
            vague: list[str] = head["names"]
            if (
                sum(counts) != len(numbers)
                or len(counts) != 3 * _warm(files)
                or not still_there(head["places"])
            ):
                return None
            functions = sum(len(file.functions) for file in files)
            if numbers and max(numbers) >= max(2 * functions, len(vague)):
                return None
        except _DAMAGED:
            return None
        self._ledger.graphs[str(self._edges)] = head["places"]
        self._rows = {row[0]: row for row in rows if row[0] in valid}
        return Kept(valid, counts, numbers, vague)

    def keep(self, files: Sequence[File], graph: CallGraph, places: Mapping[str, Grouped], made: str) -> None:
        """Keep what functions call.

        Args:
            files: of the project.
            graph: of it.
            places: what was looked for on disk.
            made: tells this graph from others.
        """
        counts, numbers, vague = graph.edges.kept()
        words, hidden = names(files), graph.told[1]
        rows: list[Row] = []
        for file in files:
            # Where the definitions are as they were, so are the words.
            known = self._rows.get(file.path)
            same = known[2:4] if known is not None else (file.definitions(), essence(file, words))
            rows.append([file.path, self._ledger.scans[file.path], *same, shared(file, hidden)])
        head = {"files": rows, "names": vague, "places": places, "made": made}
        packed_ = (zlib.compress(part.tobytes(), 1) for part in (counts, numbers))
        write_sections(self._edges, head, *packed_, "\n".join(words).encode("utf-8", "surrogatepass"))

    def unmoved(
        self,
        made: str,
        looks: Sequence[tuple[str, str | None]],
        look: Callable[[str], File | None],
        hidden: bytes,
        before: Sequence[int],
    ) -> tuple[bytes, list[int]] | None:
        """Whether what was edited since leaves the graph as it was.

        Args:
            made: as it was kept.
            looks: paths in order, and what is seen of each now.
            look: a cheap look.
            hidden: the table of hidden names.
            before: numbers of the files that had been edited when the table was written.

        Returns:
            The table of now, and which files are edited now; ``None`` if the graph may be another one.
        """
        try:
            first, *_, text = read_sections(self._edges)[1]
            head = json.loads(first)
            rows: list[Row] = head["files"]
            if head["made"] != made or [row[0] for row in rows] != [path for path, _ in looks]:
                return None
            edited = [number for number, row in enumerate(rows) if row[1] != looks[number][1]]
            if len(edited) > SEVERAL:
                return None
            # A file may be again as it was, and the table says what it held in between.
            asked = sorted({*edited, *before})
            words = frozenset(text.decode("utf-8", "surrogatepass").split("\n"))
            known = Hidden([row[0] for row in rows], hidden)
            changed: list[tuple[int, File]] = []
            for number in asked:
                path, _, *were = rows[number]
                file = look(path)
                if file is None or [file.definitions(), essence(file, words), shared(file, known)] != were:
                    return None
                changed.append((number, file))
        except _DAMAGED:
            return None
        now = renewed(hidden, changed)
        return (now, edited) if now is not None else None


def _warm(files: Sequence[File]) -> int:
    return sum(len(file.functions) for file in files if not file.cold)
