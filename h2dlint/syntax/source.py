"""The text of one file: decoding as CPython does it, lines, and conversion between coordinates."""

from __future__ import annotations

import ast
import codecs
import io
import re
import tokenize
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate, chain, count
from operator import add

from h2dlint.model import Cells, Span
from h2dlint.syntax.uncomment import blanked

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LINE = re.compile(r"\r\n|\r|\n")
_LONE = re.compile(r"\r(?!\n)")

SLOW = frozenset({"idna", "punycode"})
"""Encodings of domain names, to decode which takes time that grows with the square of the text."""


class DecodeError(ValueError):
    """The bytes are not text in the encoding that the file declares (or UTF-8)."""


class SourceText:
    """The decoded text of a file, with everything needed to write it back byte for byte.

    Args:
        text: the whole text, without a byte order mark, newlines as they stand in the file.
        encoding: codec name to encode with.
        bom: the byte order mark that the file started with, or ``b""``.
    """

    def __init__(self, text: str, encoding: str = "utf-8", bom: bytes = b"") -> None:
        self.text = text
        self.encoding = encoding
        self.bom = bom

    @classmethod
    def from_bytes(cls, data: bytes) -> SourceText:
        """Decode as CPython does: a UTF-8 mark, else a PEP 263 declaration, else UTF-8.

        Raises:
            DecodeError: the declaration names no codec, or the bytes do not decode.
        """
        bom = b""
        if data.startswith(codecs.BOM_UTF8):
            bom = codecs.BOM_UTF8
            data = data[len(bom) :]
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(bom + _head(data)).readline)
        except SyntaxError as error:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as cause:
                # More useful than CPython's "invalid or missing encoding declaration".
                hint = "; UTF-16 is not an encoding of Python source" if data[:2] in _UTF_16 else ""
                raise DecodeError(f"not valid utf-8: {cause}{hint}") from cause
            raise DecodeError(str(error)) from error
        if encoding.lower().replace("_", "-") in SLOW:
            raise DecodeError(f"encoding {encoding} is not read")
        if encoding == "utf-8-sig":
            encoding = "utf-8"
        try:
            text = data.decode(encoding)
        except (UnicodeDecodeError, LookupError) as error:
            raise DecodeError(f"not valid {encoding}: {error}") from error
        return cls(text, encoding, bom)

    def to_bytes(self, text: str | None = None) -> bytes:
        """Encode ``text`` (or the text as read) the way the file was encoded."""
        return self.bom + (self.text if text is None else text).encode(self.encoding)

    def rewritten(self, changes: Iterable[tuple[int, int, str]]) -> bytes:
        """The file with changes of the text.

        Args:
            changes: start, end and new content, in offsets of code points; disjoint and in order.

        Raises:
            ValueError: a change cannot be written.
        """
        parts: list[str] = []
        done = 0
        for start, end, content in changes:
            parts += (self.text[done:start], content)
            done = end
        return self.to_bytes("".join(parts) + self.text[done:])

    @property
    def uniform(self) -> SourceText:
        r"""The same text with a line end that is a lone ``\r`` as ``\n``, at the same offsets.

        Hardly any file has such a line end, and what reads code need not know of it. An edit made of this text is right
        for the other: newlines in its content become those of the file.
        """
        # A text that held itself would stay until garbage is collected.
        return self._lone or self

    @cached_property
    def _lone(self) -> SourceText | None:
        if type(self) is not SourceText or "\r" not in self.text or not _LONE.search(self.text):
            return None
        return SourceText(_LONE.sub("\n", self.text), self.encoding, self.bom)

    @property
    def cells(self) -> Cells | None:
        """Of a notebook, which line belongs to which cell."""
        return None

    @property
    def apart(self) -> tuple[tuple[int, int], ...]:
        """First and last lines of what binds its names for itself, as some cells of a notebook do."""
        return ()

    def cell_text(self, number: int) -> str:
        """What is in a cell of a notebook, by its number; a file that is none is all one."""
        return self.text

    @cached_property
    def code(self) -> str:
        """The text with blanks in the place of comments, at the same offsets: what asks for words asks this one."""
        return blanked(self.text)

    @cached_property
    def line_starts(self) -> Sequence[int]:
        """Offset of the first character of each line, in code points."""
        # An array, because many texts are kept for a while.
        if "\r" in self.text:
            return array("I", chain((0,), (match.end() for match in _LINE.finditer(self.text))))
        lengths = map(len, self.text.split("\n"))
        starts = array("I", chain((0,), map(add, accumulate(lengths), count(1))))
        # Behind the end of the text no line starts.
        starts.pop()
        return starts

    @cached_property
    def _ascii(self) -> bool:
        return self.text.isascii()

    def line_text(self, line: int) -> str:
        """The text of a line (from 1) without its newline; empty past the end."""
        starts = self.line_starts
        if not 1 <= line <= len(starts):
            return ""
        end = starts[line] if line < len(starts) else len(self.text)
        return self.text[starts[line - 1] : end].rstrip("\r\n")

    def offset(self, line: int, column: int) -> int:
        """Offset in code points of a position (both from 1)."""
        return self.line_starts[line - 1] + column - 1

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column (from 1) of an offset in code points."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def slice(self, span: Span) -> str:
        """The text that a span covers."""
        return self.text[self.offset(span.line, span.column) : self.offset(span.end_line, span.end_column)]

    def column(self, line: int, byte_offset: int) -> int:
        """Column from 1, in code points, of an ``ast`` column (UTF-8 bytes from 0)."""
        if self._ascii:
            return byte_offset + 1
        prefix = self.line_text(line).encode("utf-8", "surrogatepass")[:byte_offset]
        return len(prefix.decode("utf-8", "replace")) + 1

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.arg) -> Span:
        """The span of an ``ast`` node."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return Span(
            node.lineno,
            self.column(node.lineno, node.col_offset),
            node.end_lineno,
            self.column(node.end_lineno, node.end_col_offset),
        )


def _head(data: bytes) -> bytes:
    """The first two lines, which may declare the encoding, ended by what ``tokenize`` takes for the end of a line."""
    if b"\r" not in data:
        return data
    return b"\n".join(re.split(rb"\r\n|\r|\n", data, maxsplit=2)[:2])


def read_source(path: str, data: bytes, notebook: bool | None = None) -> SourceText:
    """The text of a file: of a notebook, that of its Python cells.

    Args:
        path: of the file, as far as its name tells a notebook.
        data: what is in it.
        notebook: what it is, where that is known.

    Raises:
        DecodeError: it cannot be read.
    """
    if path.endswith(".ipynb") if notebook is None else notebook:
        from h2dlint.syntax.notebook import NotebookText

        return NotebookText.from_bytes(data)
    return SourceText.from_bytes(data)
