"""Reads what the processes of a run have recorded. Standard library only: the values need neither torch nor numpy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from h2dlint.runtime.encode import Node
from h2dlint.runtime.recording import KIND, VERSION

Series = tuple[str, str]
"""What names a series of records: the process, as every run names it, and the name that the program gave."""

LOST = "lost"
"""The kind of a value that a process announced and died before it could write."""

BLOCK = 1 << 20
"""Bytes that are read at a time."""


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded value.

    Args:
        name: that the program gave.
        process: label of the process.
        index: in the series, from 0.
        source: number of the process and name of the thread that recorded it.
        value: the tree; see ``encode``.
        data: the file that the tree points into.
    """

    name: str
    process: str
    index: int
    source: tuple[int, str]
    value: Node
    data: Path


@dataclass(frozen=True, slots=True)
class Recording:
    """What a run recorded.

    Args:
        series: the records of each series, in order.
        problems: files that could not be read to their end, one sentence each.
    """

    series: dict[Series, tuple[Record, ...]]
    problems: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(len(records) for records in self.series.values())


def read(folder: Path) -> Recording:
    """Read the records of a run.

    Args:
        folder: of the run.

    Returns:
        All of them; a file that ends in the middle of a record, because its process was killed, gives those before it.
    """
    files = []
    problems: list[str] = []
    for path in folder.glob("records-*.jsonl"):
        header, entries, problem = _entries(path)
        if problem:
            problems.append(f"{path.name}: {problem}")
        if header is not None:
            files.append((str(header["label"]), float(header["started"]), path, entries))
    series: dict[Series, list[Record]] = {}
    for number, (label, _, path, entries) in enumerate(sorted(files, key=lambda item: item[:3])):
        for entry in entries:
            records = series.setdefault((label, entry["name"]), [])
            source = number, entry["thread"]
            data = path.with_suffix(".bin")
            records.append(Record(entry["name"], label, len(records), source, entry["value"], data))
    return Recording({key: tuple(series[key]) for key in sorted(series)}, tuple(sorted(problems)))


def _entries(path: Path) -> tuple[dict[str, Any] | None, list[dict[str, Any]], str]:
    """Header, entries in the order of recording, and what is wrong with the file."""
    header: dict[str, Any] | None = None
    entries: dict[int, dict[str, Any]] = {}
    problem = ""
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            try:
                if not line.endswith("\n"):
                    raise ValueError("incomplete")
                content = json.loads(line)
            except ValueError:
                problem = "ends in the middle of a record; the process was killed, or the disk is full"
                break
            if header is None:
                if content.get("kind") != KIND or content.get("version") != VERSION:
                    return None, [], "not written by this version of h2dlint"
                header = content
                continue
            # A value that came from a device later than it was announced is the second line of its number.
            entry = entries.setdefault(content["seq"], {})
            entry.update(content)
    for entry in entries.values():
        if "value" not in entry:
            reason = entry.get(LOST, "the process ended before the device had the value")
            entry["value"] = {"k": LOST, "v": reason}
    return header, [entries[sequence] for sequence in sorted(entries)], problem


def blobs(node: Node) -> Iterator[Node]:
    """The nodes of a tree that have bytes."""
    if node.get("n"):
        yield node
    for child in _children(node):
        yield from blobs(child)


def size(node: Node) -> int:
    """Bytes of tensors and arrays in a tree."""
    return sum(leaf["n"] for leaf in blobs(node))


def _children(node: Node) -> Iterator[Node]:
    if node["k"] in {"list", "tuple", "set"}:
        yield from node["items"]
    elif node["k"] in {"dict", "object"}:
        for _, child in node["items"]:
            yield child
    elif "parts" in node:
        yield from node["parts"].values()


def blocks(data: Path, leaf: Node) -> Iterator[bytes]:
    """The bytes of a leaf, ``BLOCK`` at a time.

    Raises:
        OSError: the file cannot be read, or ends too early.
    """
    left = leaf["n"]
    with data.open("rb") as stream:
        stream.seek(leaf["at"])
        while left:
            block = stream.read(min(left, BLOCK))
            if not block:
                raise OSError(f"{data.name} ends too early")
            left -= len(block)
            yield block


def digest(data: Path, node: Node) -> str:
    """A value as one short text: equal for equal values, and for no others."""
    if node["k"] == "set":
        items = sorted(digest(data, item) for item in node["items"])
        return _hashed([node.get("class"), *items])
    if node["k"] in {"list", "tuple"}:
        return _hashed([node["k"], node.get("class"), *(digest(data, item) for item in node["items"])])
    if node["k"] in {"dict", "object"}:
        pairs = [[key_text(key), digest(data, item)] for key, item in node["items"]]
        return _hashed([node["k"], node.get("class"), pairs if node.get("ordered") else sorted(pairs)])
    plain = {name: value for name, value in node.items() if name not in {"at", "parts"}}
    parts = {name: digest(data, part) for name, part in node.get("parts", {}).items()}
    content = hashlib.sha256()
    if node.get("n"):
        for block in blocks(data, node):
            content.update(block)
    return _hashed([plain, parts, content.hexdigest()])


def key_text(key: Any) -> str:
    """The key of a dictionary, or the name of a field, as one text."""
    return json.dumps(_in_order(key), sort_keys=True)


def _in_order(key: Any) -> Any:
    """A key with the members of its sets in one order: they are in another one in each run."""
    if isinstance(key, list):
        return [_in_order(item) for item in key]
    if not isinstance(key, dict):
        return key
    found = {name: _in_order(item) for name, item in key.items()}
    if key.get("k") == "set":
        found["items"].sort(key=lambda item: json.dumps(item, sort_keys=True))
    return found


def _hashed(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
