"""What a run read and looked for on disk: what its verdicts depend on, for the cache."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

Signature = tuple[int, int, int, int]
"""Of a file: when it was written, when it was changed in any way, how long it is, and which one it is."""


def signature(path: str) -> Signature | None:
    """What the file system says of a file that can be told without reading it; ``None`` where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return signature_of(status)


def signature_of(status: os.stat_result) -> Signature:
    """The same, of what is known of a file already."""
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def digest(data: bytes) -> str:
    """Tells one content from another."""
    return blake2b(data, digest_size=16).hexdigest()


Seen = tuple[Signature, str]
"""A file as it was before it was read, and a digest of what was in it."""


Value = TypeVar("Value")


def _news(now: dict[str, Value], was: dict[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in now.items() if key not in was or was[key] != value}


@dataclass(slots=True)
class Ledger:
    """What was read and looked for.

    Args:
        contents: of files by path; ``None`` where one could not be read.
        files: whether there is a file of a path.
        marks: whether there is anything of a path.
        scans: what a cheap look at a file saw, as a digest.
        listings: what files there were below a folder, as a digest.
        visible: what other files see of one that was looked into, as a digest.
        graphs: what call graphs of earlier runs rest on, as ``places`` has it, by the names of their files.
        before: the same, when ``mark`` was called.
    """

    contents: dict[str, Seen | None] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)
    marks: dict[str, bool] = field(default_factory=dict)
    scans: dict[str, str] = field(default_factory=dict)
    listings: dict[str, str] = field(default_factory=dict)
    visible: dict[str, str] = field(default_factory=dict)
    graphs: dict[str, dict[str, dict[str, dict[str, bool]]]] = field(default_factory=dict)
    before: Ledger | None = None

    def mark(self) -> None:
        """From now on ``news`` is asked for."""
        self.before = Ledger(
            dict(self.contents),
            dict(self.files),
            dict(self.marks),
            dict(self.scans),
            dict(self.listings),
            dict(self.visible),
            dict(self.graphs),
        )

    def news(self) -> Ledger:
        """What was written down since ``mark``."""
        was = self.before if self.before is not None else Ledger()
        return Ledger(
            _news(self.contents, was.contents),
            _news(self.files, was.files),
            _news(self.marks, was.marks),
            _news(self.scans, was.scans),
            _news(self.listings, was.listings),
            _news(self.visible, was.visible),
            _news(self.graphs, was.graphs),
        )

    def read(self, path: str, real: str, sign: Signature | None, data: bytes | None) -> None:
        """Write down what was in a file.

        Args:
            path: by which it was asked for.
            real: without symbolic links.
            sign: its signature before it was read.
            data: what was in it.
        """
        seen = (sign, digest(data)) if sign is not None and data is not None else None
        if self.contents.setdefault(real, seen) != seen:
            # It was read before, and was another one then.
            seen = self.contents[real] = None
        self.contents[path] = seen

    def same(self, path: str, real: str) -> None:
        """A file that was read before is asked for by another path."""
        self.contents.setdefault(path, self.contents.get(real))

    def add(self, other: Ledger) -> None:
        """Take over what another process wrote down; what they do not agree on is not known."""
        for path, seen in other.contents.items():
            if self.contents.setdefault(path, seen) != seen:
                self.contents[path] = None
        self.files.update(other.files)
        self.marks.update(other.marks)
        self.scans.update(other.scans)
        self.visible.update(other.visible)
        self.graphs.update(other.graphs)
        for root, listing in other.listings.items():
            if self.listings.setdefault(root, listing) != listing:
                self.listings[root] = ""
