"""Reads the events of a Chrome trace one after the other, so that a file need not fit into memory.

Both forms of the format are read: an object with ``traceEvents``, and a bare array.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from h2dlint.runtime.traces import TraceError

CHUNK = 4 * 1024 * 1024
"""Characters read at a time."""

MAX_VALUE = 256 * 1024 * 1024
"""Characters of one value outside the list of events; more is no trace."""

_GZIP = b"\x1f\x8b"
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_BLANK = " \t\n\r"


class Document:
    """A Chrome trace that is being read.

    Args:
        path: of the file, plain or packed with gzip.

    Attributes:
        header: what stands beside the events; whole only when all events were read.
    """

    def __init__(self, path: Path) -> None:
        self.header: dict[str, Any] = {}
        self._path = path
        # Not strict: names of Python objects may hold raw control characters.
        self._decoder = json.JSONDecoder(strict=False)
        self._text = ""
        self._at = 0
        self._ended = False

    def events(self) -> Iterator[Any]:
        """Yield every event, in the order of the file.

        Raises:
            TraceError: the file cannot be read, ends too early or is no JSON of this form.
        """
        try:
            with _open(self._path) as self._stream:
                yield from self._document()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TraceError(f"a damaged gzip file: {error}") from error
        except OSError as error:
            raise TraceError(f"cannot be read: {error.strerror or error}") from error

    def _document(self) -> Iterator[Any]:
        first = self._peek()
        if first == "[":
            yield from self._array()
            return
        if first != "{":
            raise TraceError("not JSON" if first else "the file is empty")
        self._at += 1
        if self._peek() == "}":
            return
        while True:
            key = self._value()
            self._expect(":")
            if key == "traceEvents" and self._peek() == "[":
                yield from self._array()
            else:
                self.header[str(key)] = self._value()
            if self._expect(",}") == "}":
                return

    def _array(self) -> Iterator[Any]:
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._expect(",]") == "]":
                return

    def _more(self) -> bool:
        """Read on; whether there was anything."""
        piece = "" if self._ended else self._stream.read(max(CHUNK, len(self._text) - self._at))
        self._text = self._text[self._at :] + piece
        self._at = 0
        self._ended = not piece
        return bool(piece)

    def _peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANK:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _expect(self, characters: str) -> str:
        found = self._peek()
        if not found:
            raise TraceError("the file ends in the middle: was the program stopped while it was written?")
        if found not in characters:
            raise TraceError(f"not JSON: {found!r} where {' or '.join(characters)} should be")
        self._at += 1
        return found

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise TraceError("not a trace: nested too deeply") from error
            except ValueError as error:
                # Cut off by the end of what was read, or wrong: the end of the file tells.
                if len(self._text) - self._at > MAX_VALUE:
                    raise TraceError(f"not a trace: {error}") from error
                if not self._more():
                    message = "the file ends in the middle: was the program stopped while it was written?"
                    raise TraceError(message if _cut_off(error) else f"not JSON: {error}") from error
                continue
            # A number at the very end of what was read may go on.
            if end == len(self._text) and self._more():
                continue
            self._at = end
            return value


def _cut_off(error: ValueError) -> bool:
    """Whether a value is wrong because the text ends in it."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    rest = error.doc[error.pos :].strip()
    return "Unterminated" in error.msg or any(word.startswith(rest) for word in _WORDS)


def _open(path: Path) -> IO[str]:
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP
    if packed:
        return gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape")
    return path.open(encoding="utf-8", errors="surrogateescape")
