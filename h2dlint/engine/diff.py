"""Unified diffs that ``git apply`` and ``patch -p0`` take."""

from __future__ import annotations

import difflib
import re

_NO_NEWLINE = b"\\ No newline at end of file\n"


def unified_diff(path: str, before: bytes, after: bytes, prefixed: bool = False) -> bytes:
    """The diff of one file; empty where nothing changed.

    Bytes, since a file of any encoding must come through. As in ruff the path stands plain in both headers,
    so ``patch -p0`` and ``git apply -p0`` apply it in the working directory.

    Args:
        path: with forward slashes.
        before: the content of the file.
        after: the new content.
        prefixed: put ``a/`` and ``b/`` in front of the path, as git does, so that ``git apply`` needs no option.
    """
    if before == after:
        return b""
    name = path.encode("utf-8", "surrogateescape")
    if b" " in name:
        name += b"\t"  # Ends the name for patch and git, which otherwise stop at the blank.
    # Lines end at "\n" alone, as diff and patch see it: a "\r" is part of its line.
    old, new = (b"a/" + name, b"b/" + name) if prefixed else (name, name)
    lines = difflib.diff_bytes(difflib.unified_diff, _lines(before), _lines(after), old, new)
    return b"".join(line if line.endswith(b"\n") else line + b"\n" + _NO_NEWLINE for line in lines)


def _lines(data: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+", data)
