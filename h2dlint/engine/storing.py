"""Files of the cache: JSON with a check sum, or parts behind one another, replaced as a whole.

Nothing in them can run, but a verdict may be false. A folder of the usual name may come with a repository that somebody
else made, so what is in it holds only where it was written: the check sum covers when the system says that the ignore
file in the folder was made, which nobody can choose. A folder of another name is one that the user has named
(``--cache-dir``); it may have been restored from elsewhere, as in CI.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from h2dlint.engine.ledger import digest
from h2dlint.engine.reading import read_regular

MAX_BYTES = 256 * 1024 * 1024
"""A larger file is not read."""
IGNORE = "# Made by h2dlint.\n*\n"
USUAL = ".h2dlint_cache"
"""The folder where nobody named one."""
_WRITING = ".writing-"


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
    check, _, body = read_regular(path, MAX_BYTES).partition(b"\n")
    if check.decode() != digest(_home(path.parent) + body):
        raise ValueError("damaged")
    lengths, _, rest = body.partition(b"\n")
    found: list[bytes] = []
    start = 0
    for length in map(int, lengths.split()):
        found.append(rest[start : start + length])
        start += length
    return check.decode(), found


def is_foreign(folder: Path) -> bool:
    """A folder of the usual name is a symbolic link: what is written there might lie outside of the project."""
    return folder.name == USUAL and folder.is_symlink()


def _home(folder: Path) -> bytes:
    """What tells the folder from a copy of it.

    Raises:
        OSError: it was not made by us.
    """
    if folder.name != USUAL:
        return b""
    if folder.is_symlink():
        raise NotADirectoryError(str(folder))
    return b"%d " % os.lstat(folder / ".gitignore").st_ctime_ns


def write_sections(path: Path, content: Any, *more: bytes) -> str:
    """Write a file of several parts, of which all but the first are written as they are.

    Returns:
        Its check sum; empty if it could not be written.
    """
    from h2dlint.engine.write import remove_abandoned

    if is_foreign(path.parent):
        return ""
    parts = [json.dumps(content, separators=(",", ":")).encode(), *more]
    body = b" ".join(b"%d" % len(part) for part in parts) + b"\n" + b"".join(parts)
    check = ""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not through a symbolic link, which may lead anywhere.
        with suppress(FileExistsError), open(path.parent / ".gitignore", "x", encoding="utf-8") as ignore:
            ignore.write(IGNORE)
        home = _home(path.parent)
        remove_abandoned(path.parent, _WRITING)
        # As tempfile does it, for which much would be imported.
        temporary = path.parent / f"{_WRITING}{os.urandom(8).hex()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                check = digest(home + body)
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
    if is_foreign(folder):
        return False
    try:
        names = set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False
    ours = {
        name
        for name in names
        if name.startswith((_WRITING, "verdicts-", "graph-", "scans-", "edges-", "run-"))
    }
    ignore = folder / ".gitignore"
    with suppress(OSError, ValueError):
        if ".gitignore" in names and ignore.read_text(encoding="utf-8") == IGNORE:
            ours.add(".gitignore")
    for name in ours:
        (folder / name).unlink(missing_ok=True)
    if names <= ours:
        folder.rmdir()
    return bool(ours)
