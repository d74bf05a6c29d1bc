"""The answers of a call graph as they are kept: bytes, of which only those are decoded that are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from h2dlint.model import Context

Verdict = tuple[Context, str]


class Verdicts(dict[tuple[str, str], Verdict]):
    """How often functions run, by file and name.

    Args:
        paths: of the files.
        lines: by ``packed``, one line for each of them.
    """

    def __init__(self, paths: Sequence[str], lines: bytes) -> None:
        super().__init__()
        rows = lines.split(b"\n")
        if len(rows) != len(paths):
            raise ValueError("lines are missing")
        self._lines = dict(zip(paths, rows, strict=True))

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """The verdict on a function."""
        line = self._lines.pop(key[0], b"")
        if line:
            for name, context, why in json.loads(line):
                self[key[0], name] = Context(context), why
        return super().get(key, default)

    @staticmethod
    def packed(verdicts: Mapping[tuple[str, str], Verdict], paths: Sequence[str]) -> bytes:
        """Verdicts as bytes; a file without any is an empty line."""
        found: dict[str, list[list[str]]] = {path: [] for path in paths}
        for (path, name), (context, why) in verdicts.items():
            found[path].append([name, context.value, why])
        dump = json.JSONEncoder(separators=(",", ":")).encode
        return b"\n".join(dump(rows).encode() if rows else b"" for rows in found.values())


class Hidden(dict[str, str]):
    """The file of each name that starts with an underscore, empty where there are several.

    Args:
        paths: of the files.
        lines: by ``packed``.
    """

    def __init__(self, paths: Sequence[str], lines: bytes) -> None:
        super().__init__()
        self._paths = paths
        self._data = lines

    def get(self, key: str, default: Any = None) -> Any:
        """The file that alone holds a name."""
        head = b"\n%b " % key.encode("utf-8", "surrogatepass")
        start = self._data.find(head)
        if start < 0:
            return default
        number = int(self._data[start + len(head) : self._data.index(b"\n", start + 1)])
        return self._paths[number] if number >= 0 else ""

    @staticmethod
    def packed(hidden: Mapping[str, str], paths: Sequence[str]) -> bytes:
        """A line for each name: the name, and the number of its file or -1."""
        number = {path: index for index, path in enumerate(paths)}
        rows = [f"{name} {number.get(path, -1)}" for name, path in hidden.items()]
        return "\n".join(["", *rows, ""]).encode("utf-8", "surrogatepass")
