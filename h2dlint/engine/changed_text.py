"""Changed lines of files that git does not compare as they lie on the disk.

Git compares what it would store. A filter (``nbstripout``, LFS) makes other lines of a file than those that are
there, and with the attribute ``-diff`` nothing is said of any line. What is on the disk is compared then.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from h2dlint.engine.files import SUFFIXES


class Git(Protocol):
    """Runs git; see `h2dlint.engine.changed`."""

    def __call__(
        self, *arguments: str, fails: bool = False, differs: bool = False, given: bytes | None = None
    ) -> bytes:
        """What it prints."""


def unusual(git: Git, base: str) -> dict[bytes, bytes]:
    """Changed files that git does not compare as they are: name to the name that each had before.

    Args:
        git: runs in the top of the working tree.
        base: the commit to compare with.
    """
    names = dict(_changed(git("diff", "--name-status", "-z", "--find-renames", "--no-relative", base, "--")))
    if not names:
        return {}
    said = git("check-attr", "-z", "--stdin", "diff", "filter", given=b"\0".join(names) + b"\0").split(b"\0")
    found = {name for name, attribute, value in _triples(said) if _matters(attribute, value)}
    return {name: old for name, old in names.items() if name in found}


def text_diff(git: Git, base: str, before: str, now: bytes) -> bytes | None:
    """A diff of what is on the disk against what a checkout of a commit would write; ``None`` if that is nothing.

    Args:
        git: runs in the top of the working tree.
        base: the commit.
        before: name of the file in the commit, relative to the top.
        now: what is on the disk.
    """
    place = f"{base}:{before}"
    if not git("rev-parse", "--verify", "--quiet", place, fails=True):
        return None
    old = git("cat-file", "--filters", place, fails=True) or git("cat-file", "blob", place)
    with tempfile.TemporaryDirectory() as folder:
        # Names that no attribute is for.
        paths = (Path(folder, "before"), Path(folder, "now"))
        for path, data in zip(paths, (old, now), strict=True):
            path.write_bytes(data)
        options = ("--unified=0", "--inter-hunk-context=0", "--text", "--no-color", "--no-ext-diff")
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
        return git("diff", "--no-index", *options, *prefixes, "--", *map(str, paths), differs=True)


def _changed(listing: bytes) -> Iterator[tuple[bytes, bytes]]:
    """New name and old one of each changed file that is looked at."""
    words = iter(listing.split(b"\0"))
    for status in words:
        if not status:
            continue
        old = next(words)
        new = next(words) if status[:1] in {b"R", b"C"} else old
        if status != b"D" and new.endswith(tuple(suffix.encode() for suffix in SUFFIXES)):
            yield new, old


def _triples(words: list[bytes]) -> Iterable[tuple[bytes, bytes, bytes]]:
    return zip(words[0::3], words[1::3], words[2::3], strict=False)


def _matters(attribute: bytes, value: bytes) -> bool:
    if attribute == b"diff":
        return value == b"unset"
    return value not in {b"unspecified", b"unset"}
