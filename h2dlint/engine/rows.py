"""What the cache knows of each file: lines that are decoded when a file is asked for.

A run over one file of thousands asks for a few of them and changes one. To decode and write them all would be more than
to look at the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Row = list[Any]
"""Signature, content, what a cheap look sees, when it was read, what other files see of it."""
PARTS = 5
"""Of a row."""


class Rows:
    """What is known of files, in the order in which they became known.

    Args:
        paths: of the files.
        lines: what is known of them as JSON, in the same order.

    Raises:
        ValueError: there are more of the one than of the other.
    """

    def __init__(self, paths: Sequence[str] = (), lines: Sequence[bytes] = ()) -> None:
        self._lines: dict[str, bytes | None] = dict(zip(paths, lines, strict=True))
        self._rows: dict[str, Row] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def get(self, path: str) -> Row | None:
        """What is known of a file, if anything that can be read."""
        row = self._rows.get(path)
        if row is None and (line := self._lines.get(path)) is not None:
            try:
                read = json.loads(line)
            except (ValueError, RecursionError):
                return None
            if isinstance(read, list) and len(read) == PARTS:
                row = self._rows[path] = read
        return row

    def __getitem__(self, path: str) -> Row:
        row = self.get(path)
        if row is None:
            raise KeyError(path)
        return row

    def __setitem__(self, path: str, row: Row) -> None:
        self._lines[path], self._rows[path] = None, row

    def only(self, paths: Iterable[str]) -> Rows:
        """Some of them, in another order."""
        found = Rows()
        for path in paths:
            found._lines[path] = self._lines[path]
            if path in self._rows:
                found._rows[path] = self._rows[path]
        return found

    @property
    def section(self) -> bytes:
        """The lines."""
        return b"\n".join(
            line if line is not None else json.dumps(self._rows[path], separators=(",", ":")).encode()
            for path, line in self._lines.items()
        )

    @classmethod
    def read(cls, paths: Sequence[str], section: bytes) -> Rows:
        """Rows again.

        Raises:
            ValueError: the parts do not fit.
        """
        return cls(paths, section.split(b"\n") if section else [])
