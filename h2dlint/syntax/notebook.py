"""Jupyter notebooks: the code cells as one text, and edits of that text written back into the JSON.

The JSON is not loaded and dumped again: of a cell that changed the strings of its ``source`` are replaced, and every
other character of the file stays as it is.
"""

from __future__ import annotations

import codecs
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from h2dlint.model import Cells
from h2dlint.syntax.magics import APART, cell_magic, mask_magics
from h2dlint.syntax.source import DecodeError, SourceText

SUFFIX = ".ipynb"
_BLANKS = " \t\n\r"


class NotebookError(DecodeError):
    """The file is no notebook that can be read.

    Args:
        message: one line.
        line: of the file, where one is at fault.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Piece:
    """A string of a ``source``: what it says, and where it stands in the file, quotes included."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell of Python.

    Args:
        number: its place among all cells, from 1.
        text: what is in it.
        code: the same, magics masked.
        pieces: the strings that it is made of.
        start, end: where the value of ``source`` stands in the file.
        offset: where it begins in the text of all code cells.
    """

    number: int
    text: str
    code: str
    pieces: tuple[Piece, ...]
    start: int
    end: int
    offset: int


class NotebookText(SourceText):
    """The Python cells of a notebook as one text; a newline is put behind each.

    ``text`` has the magics masked; ``plain`` has them as they stand.

    Args:
        raw: the whole file, without a byte order mark.
        bom: the mark that it started with, or ``b""``.

    Raises:
        NotebookError: the file is no notebook that can be read.
    """

    def __init__(self, raw: str, bom: bytes = b"") -> None:
        self.raw = raw
        self.parts = tuple(_code_cells(raw))
        super().__init__("".join(part.code + "\n" for part in self.parts), "utf-8", bom)

    @classmethod
    def from_bytes(cls, data: bytes) -> NotebookText:
        """Read a notebook file.

        Raises:
            NotebookError: it is not JSON, or no notebook of format 4.
            DecodeError: it is not UTF-8.
        """
        bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        try:
            return cls(data[len(bom) :].decode("utf-8"), bom)
        except UnicodeDecodeError as error:
            raise DecodeError(f"not valid utf-8: {error}") from error

    def to_bytes(self, text: str | None = None) -> bytes:
        """The file as it was read; of a text, its bytes."""
        return self.bom + (self.raw if text is None else text).encode("utf-8", "surrogatepass")

    @property
    def plain(self) -> str:
        """The text with its magics as they stand."""
        return "".join(part.text + "\n" for part in self.parts)

    @cached_property
    def cells(self) -> Cells:
        """Which line belongs to which cell."""
        numbers: list[int] = []
        firsts: list[int] = []
        raw: list[int] = []
        newlines = [at for at, char in enumerate(self.raw) if char == "\n"]
        starts = self.line_starts[:-1] if self.parts else []
        for part in self.parts:
            first = bisect_right(starts, part.offset)
            last = bisect_right(starts, part.offset + len(part.text))
            numbers.append(part.number)
            firsts.append(first)
            ends: list[int] = []
            for piece in part.pieces:
                ends.append((ends[-1] if ends else 0) + len(piece.text))
            for line in range(first, last + 1):
                index = bisect_right(ends, starts[line - 1] - part.offset)
                at = part.pieces[min(index, len(ends) - 1)].start if ends else part.start
                raw.append(bisect_right(newlines, at) + 1)
        return Cells(tuple(numbers), tuple(firsts), tuple(raw))

    @cached_property
    def apart(self) -> tuple[tuple[int, int], ...]:
        """First and last lines of the cells that bind their names for themselves, as below ``%%timeit``."""
        found = []
        for part in self.parts:
            magic = cell_magic(part.text)
            if magic is not None and magic[0] in APART:
                first = bisect_right(self.line_starts, part.offset)
                found.append((first, bisect_right(self.line_starts, part.offset + len(part.text))))
        return tuple(found)

    def cell_text(self, number: int) -> str:
        """What is in a cell, by its number; empty where that is no Python."""
        return next((part.text for part in self.parts if part.number == number), "")

    def rewritten(self, changes: Iterable[tuple[int, int, str]]) -> bytes:
        """The file with changes of the text.

        Args:
            changes: start, end and new content, in offsets of code points of ``text``; disjoint and in order.

        Raises:
            ValueError: a change goes beyond a cell.
        """
        by_cell: dict[int, list[tuple[int, int, str]]] = {}
        for change in changes:
            index, *within = self._within(*change)
            by_cell.setdefault(index, []).append(tuple(within))  # type: ignore[arg-type]
        ascii_only = self.raw.isascii() and not all(
            piece.text.isascii() for part in self.parts for piece in part.pieces
        )
        out: list[str] = []
        done = 0
        for index, inside in sorted(by_cell.items()):
            part = self.parts[index]
            text: list[str] = []
            at = 0
            for start, end, content in inside:
                text += (part.text[at:start], content)
                at = end
            text.append(part.text[at:])
            out += (self.raw[done : part.start], _value(self.raw, part, "".join(text), ascii_only))
            done = part.end
        return self.to_bytes("".join(out) + self.raw[done:])

    def _within(self, start: int, end: int, content: str) -> tuple[int, int, int, str]:
        """A change as one of a cell: its index, and offsets in it."""
        index = bisect_right([part.offset for part in self.parts], start) - 1
        part = self.parts[index]
        start, end = start - part.offset, end - part.offset
        if end == len(part.text) + 1 and start < end:
            # The newline between two cells is not theirs.
            end, content = end - 1, content.removesuffix("\n")
        if end > len(part.text):
            raise ValueError("it goes beyond a cell of the notebook")
        magic = cell_magic(part.text) if start == end else None
        if magic is not None and start < magic[1]:
            # A cell magic has to stay in front.
            if not part.text[: magic[1]].endswith("\n"):
                raise ValueError("there is no room in the cell of the notebook")
            start = end = magic[1]
        return index, start, end, content


def _value(raw: str, part: Cell, text: str, ascii_only: bool) -> str:
    """The value of a cell's ``source`` with another text; strings that stay are as they were."""
    if raw[part.start] == '"':
        return _string(text, ascii_only)
    old = [piece.text for piece in part.pieces]
    new = [line + "\n" for line in text.split("\n")]
    new[-1] = new[-1][:-1]
    new = [line for line in new if line]
    if not part.pieces:
        return "[" + ", ".join(_string(line, ascii_only) for line in new) + "]"
    gaps = [raw[a.end : b.start] for a, b in zip(part.pieces, part.pieces[1:], strict=False)]
    head, tail = raw[part.start : part.pieces[0].start], raw[part.pieces[-1].end : part.end]
    usual = gaps[0] if gaps else "," + (head[1:] or " ")
    found: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            for index in range(a, b):
                gap = gaps[index - 1] if index else usual
                piece = part.pieces[index]
                found += (gap, raw[piece.start : piece.end])
        else:
            for line in new[c:d]:
                found += (usual, _string(line, ascii_only))
    return head + "".join(found[1:]) + tail


def _string(text: str, ascii_only: bool) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        ascii_only = True
    return json.dumps(text, ensure_ascii=ascii_only)


def _code_cells(raw: str) -> Iterator[Cell]:
    """The Python cells of a notebook."""
    try:
        document = _members(raw, _blank(raw, 0))
        if _blank(raw, document.end) != len(raw):
            raise json.JSONDecodeError("Extra data", raw, document.end)
        found = list(_checked(raw, document))
    except json.JSONDecodeError as error:
        raise NotebookError(f"not a notebook: {error.msg}", error.lineno) from error
    except RecursionError as error:
        raise NotebookError("not a notebook: nested too deeply") from error
    offset = 0
    for number, (start, end, pieces) in found:
        text = "".join(piece.text for piece in pieces)
        code = mask_magics(text)
        if code is not None:
            yield Cell(number, text, code, pieces, start, end, offset)
            offset += len(text) + 1


@dataclass(frozen=True, slots=True)
class _Object:
    """Where the values of an object stand, by key, and its end."""

    values: dict[str, tuple[int, int]]
    end: int


def _checked(raw: str, document: _Object) -> Iterator[tuple[int, tuple[int, int, tuple[Piece, ...]]]]:
    def value(of: _Object, key: str) -> Any:
        place = of.values.get(key)
        return None if place is None else json.loads(raw[place[0] : place[1]])

    version = value(document, "nbformat")
    if version is not None and (not isinstance(version, int) or version < 4):
        raise NotebookError(f"a notebook of format {version}; only format 4 is read")
    if "cells" not in document.values or raw[document.values["cells"][0]] != "[":
        raise NotebookError("not a notebook: it has no list of cells")
    if not _is_python(value(document, "metadata")):
        return
    for number, (start, _) in enumerate(_items(raw, document.values["cells"][0])[0], 1):
        cell = _members(raw, start)
        if value(cell, "cell_type") != "code" or "source" not in cell.values:
            continue
        metadata = value(cell, "metadata")
        editor = metadata.get("vscode") if isinstance(metadata, dict) else None
        if isinstance(editor, dict) and editor.get("languageId", "python") != "python":
            continue
        begin, end = cell.values["source"]
        places = _items(raw, begin)[0] if raw[begin] == "[" else [(begin, end)]
        yield number, (begin, end, tuple(_piece(raw, place) for place in places))


def _piece(raw: str, place: tuple[int, int]) -> Piece:
    if raw[place[0]] != '"':
        raise json.JSONDecodeError("The source of a cell is not text", raw, place[0])
    return Piece(scanstring(raw, place[0] + 1)[0], *place)


def _is_python(metadata: Any) -> bool:
    """Whether the kernel runs Python, which it does unless it says otherwise."""
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        info = metadata.get(key) if isinstance(metadata, dict) else None
        language = info.get(name) if isinstance(info, dict) else None
        if isinstance(language, str):
            return language.lower() in {"python", "ipython"}
    return True


_DECODER = json.JSONDecoder()


def _blank(raw: str, at: int) -> int:
    while at < len(raw) and raw[at] in _BLANKS:
        at += 1
    return at


def _skip(raw: str, at: int) -> int:
    """The end of the value that begins at an offset."""
    try:
        return _DECODER.raw_decode(raw, at)[1]
    except StopIteration as error:  # Of the scanner, where nothing is left.
        raise json.JSONDecodeError("Expecting value", raw, at) from error


def _expect(raw: str, at: int, characters: str) -> str:
    if at >= len(raw) or raw[at] not in characters:
        raise json.JSONDecodeError(f"Expecting {' or '.join(map(repr, characters))}", raw, at)
    return raw[at]


def _members(raw: str, at: int) -> _Object:
    """The object that begins at an offset; of equal keys the last one counts, as for ``json``."""
    _expect(raw, at, "{")
    values: dict[str, tuple[int, int]] = {}
    at = _blank(raw, at + 1)
    if raw[at : at + 1] == "}":
        return _Object(values, at + 1)
    while True:
        _expect(raw, at, '"')
        key, at = scanstring(raw, at + 1)
        at = _blank(raw, at)
        _expect(raw, at, ":")
        at = _blank(raw, at + 1)
        end = _skip(raw, at)
        values[key] = (at, end)
        at = _blank(raw, end)
        if _expect(raw, at, ",}") == "}":
            return _Object(values, at + 1)
        at = _blank(raw, at + 1)


def _items(raw: str, at: int) -> tuple[list[tuple[int, int]], int]:
    """Where the items of the array that begins at an offset stand, and its end."""
    _expect(raw, at, "[")
    found: list[tuple[int, int]] = []
    at = _blank(raw, at + 1)
    if raw[at : at + 1] == "]":
        return found, at + 1
    while True:
        end = _skip(raw, at)
        found.append((at, end))
        at = _blank(raw, end)
        if _expect(raw, at, ",]") == "]":
            return found, at + 1
        at = _blank(raw, at + 1)
