"""Verdicts as the cache holds them: bytes that are decoded when one is asked for.

A run that looks at one file of thousands needs one entry, and of the others only on which files they rest. So what each
rests on is one array of numbers, and the rest of each entry a line of JSON by itself.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

Entry = list[Any]
"""Settings in short, top of the project, content, questions to the call graph with answers, packed verdict."""


class Entries:
    """Verdicts by location.

    Args:
        locations: of the files.
        lines: the entries as JSON, in the same order.
        counts: on how many other files each rests.
        needs: the numbers of those, one entry behind the other.
    """

    def __init__(
        self,
        locations: Sequence[str] = (),
        lines: Sequence[bytes] = (),
        counts: Sequence[int] = (),
        needs: array[int] | None = None,
    ) -> None:
        if len(locations) != len(lines) or len(locations) != len(counts):
            raise ValueError("entries are missing")
        flat = needs if needs is not None else _numbers(b"")
        self._lines = dict(zip(locations, lines, strict=True))
        self._needs: dict[str, array[int]] = {}
        end = 0
        for location, count in zip(locations, counts, strict=True):
            self._needs[location] = flat[end : end + count]
            end += count
        if end != len(flat):
            raise ValueError("numbers are missing")

    def __contains__(self, location: str) -> bool:
        return location in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._lines))

    def __len__(self) -> int:
        return len(self._lines)

    def needs(self, location: str) -> array[int]:
        """The numbers of the files that a verdict rests on, beside its own."""
        return self._needs[location]

    def entry(self, location: str) -> Entry:
        """The rest of an entry.

        Raises:
            ValueError, LookupError: there is none that can be read.
        """
        found: Entry = json.loads(self._lines[location])
        return found

    def put(self, location: str, needs: Sequence[int], entry: Entry) -> None:
        """Add an entry, in the place of the one that there was."""
        self._lines[location] = json.dumps(entry, separators=(",", ":")).encode()
        self._needs[location] = array("I", needs)

    def drop(self, location: str) -> None:
        """Forget an entry."""
        self._lines.pop(location, None)
        self._needs.pop(location, None)

    def renumber(self, numbers: Sequence[int]) -> None:
        """Give files other numbers.

        Args:
            numbers: the new one for each old one.
        """
        for location, needs in self._needs.items():
            self._needs[location] = array("I", [numbers[need] for need in needs if need < len(numbers)])

    @property
    def head(self) -> dict[str, Any]:
        """What is written in front of ``sections``."""
        return {"locations": list(self._lines), "counts": [len(self._needs[path]) for path in self._lines]}

    @property
    def sections(self) -> tuple[bytes, bytes]:
        """The numbers and the lines."""
        flat = array("I")
        for location in self._lines:
            flat.extend(self._needs[location])
        if sys.byteorder == "big":
            flat.byteswap()
        return flat.tobytes(), b"\n".join(self._lines.values())

    @classmethod
    def read(cls, head: dict[str, Any], numbers: bytes, lines: bytes) -> Entries:
        """Entries again.

        Raises:
            ValueError, LookupError, TypeError: the parts do not fit.
        """
        rows = lines.split(b"\n") if lines else []
        return cls(head["locations"], rows, head["counts"], _numbers(numbers))


def _numbers(data: bytes) -> array[int]:
    found = array("I")
    found.frombytes(data)
    if sys.byteorder == "big":
        found.byteswap()
    return found
