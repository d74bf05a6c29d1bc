"""Files of the cache: JSON with a check sum, or parts behind one another, replaced as a whole."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from h2dlint.engine.ledger import digest

MAX_BYTES = 256 * 1024 * 1024
"""A larger file is not read."""
IGNORE = "# Made by h2dlint.\n*\n"


def read_checked(path: Path) -> Any:
    """What ``write_checked`` wrote.

    Raises:
        OSError, ValueError, RecursionError: there is no such file, or it is damaged.
    """
    return json.loads(read_sections(path)[1][0])


def write_checked(path: Path, content: Any) -> None:
    """Write a file, if it can be written; whoever reads it meanwhile reads the old one or the new one."""
    write_sections(path, content)


def read_sections(path: Path) -> tuple[str, list[bytes]]:
    """The parts of a file that ``write_sections`` wrote, and its check sum; the first part is JSON.

    Raises:
        OSError, ValueError: there is no such file, or it is damaged.
    """
    if os.path.getsize(path) > MAX_BYTES:
        raise ValueError("too large")
    check, _, body = path.read_bytes().partition(b"\n")
    if check.decode() != digest(body):
        raise ValueError("damaged")
    lengths, _, rest = body.partition(b"\n")
    found: list[bytes] = []
    start = 0
    for length in map(int, lengths.split()):
        found.append(rest[start : start + length])
        start += length
    return check.decode(), found


def write_sections(path: Path, content: Any, *more: bytes) -> str:
    """Write a file of several parts, of which all but the first are written as they are.

    Returns:
        Its check sum.
    """
    import tempfile  # Much is imported for it, and most runs write nothing.

    parts = [json.dumps(content, separators=(",", ":")).encode(), *more]
    body = b" ".join(b"%d" % len(part) for part in parts) + b"\n" + b"".join(parts)
    check = digest(body)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        ignore = path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text(IGNORE, encoding="utf-8")
        descriptor, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(check.encode() + b"\n" + body)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    return check


def remove(folder: Path) -> bool:
    """Remove what was written to the folder of a cache, and the folder if nothing else is in it.

    Returns:
        Whether there was anything.

    Raises:
        OSError: something cannot be removed.
    """
    try:
        names = set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False
    ours = {name for name in names if name.startswith((".writing-", "verdicts-", "graph-", "run-"))}
    ignore = folder / ".gitignore"
    with suppress(OSError, ValueError):
        if ".gitignore" in names and ignore.read_text(encoding="utf-8") == IGNORE:
            ours.add(".gitignore")
    for name in ours:
        (folder / name).unlink(missing_ok=True)
    if names <= ours:
        folder.rmdir()
    return bool(ours)
