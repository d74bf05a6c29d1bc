"""Unified diffs that ``git apply`` and ``patch -p0`` take."""

from __future__ import annotations

import re

_ODD = re.compile(rb'[\x00-\x1f\x7f"\\]')
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
    import difflib

    # Lines end at "\n" alone, as diff and patch see it: a "\r" is part of its line.
    old, new = (_header(f"a/{path}"), _header(f"b/{path}")) if prefixed else (_header(path), _header(path))
    lines = difflib.diff_bytes(difflib.unified_diff, _lines(before), _lines(after), old, new)
    return b"".join(line if line.endswith(b"\n") else line + b"\n" + _NO_NEWLINE for line in lines)


def _header(path: str) -> bytes:
    """A path as git writes it, and git and patch read it: in quotes where it holds what would end the line."""
    name = path.encode("utf-8", "surrogateescape")
    if _ODD.search(name):
        return b'"' + _ODD.sub(lambda match: b"\\%03o" % match[0][0], name) + b'"'
    # A tab ends the name for patch and git, which otherwise stop at the blank.
    return name + b"\t" if b" " in name else name


def _lines(data: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


def readable_diff(path: str, before: bytes, after: bytes) -> bytes:
    """The diff of one file as a person reads it: of a notebook, that of each cell that changed, as ruff shows it.

    Args:
        path: with forward slashes; its name tells a notebook.
        before: the content of the file.
        after: the new content.
    """
    if not path.endswith(".ipynb"):
        return unified_diff(path, before, after)
    from h2dlint.syntax.notebook import NotebookText

    old, new = NotebookText.from_bytes(before), NotebookText.from_bytes(after)
    return b"".join(
        unified_diff(f"{path}:cell {a.number}", _bytes(a.text), _bytes(b.text))
        for a, b in zip(old.parts, new.parts, strict=True)
    )


def _bytes(cell: str) -> bytes:
    # The last line of a cell has no newline, which says nothing.
    return f"{cell}\n".encode("utf-8", "surrogatepass") if cell else b""
