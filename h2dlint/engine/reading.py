"""Reading files that somebody else may have put there: never a pipe or a device, never without end."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

MAX_CONFIG = 4 * 1024 * 1024
"""A larger configuration, or file of what git ignores, is not read."""

MAX_PARTS = 500
"""Of a key in a configuration: the parser of Python takes time that grows with the square of them."""

MAX_BASELINE = 256 * 1024 * 1024
"""A larger baseline is not read."""


class NotReadError(OSError):
    """What is there is not to be read; the text of the exception says why."""


class TooLargeError(NotReadError):
    """The file is larger than what is read.

    Args:
        size: in bytes, as far as it is known.
        limit: in bytes.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"larger than {limit // (1024 * 1024)} MiB")
        self.size = size


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a file.

    It is opened so that a named pipe without a writer does not make the program wait, and looked at only then: what was
    a file a moment ago may be something else now. Not more than the limit is read, whatever size the system says.

    Args:
        path: of the file; symbolic links are followed.
        limit: in bytes.

    Raises:
        NotReadError: it is no regular file, or it is too large.
        OSError: it cannot be read.
    """
    with open(path, "rb", opener=_open) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise NotReadError("not a regular file")
        if status.st_size > limit:
            raise TooLargeError(status.st_size, limit)
        # Files of the kernel say that they are empty, and may have no end.
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise TooLargeError(len(data), limit)
    return data


def why(error: OSError) -> str:
    """The reason of a failure, without the path, which messages name anyway."""
    return error.strerror or str(error)


def is_regular(path: Path) -> bool:
    """A file is there; a folder that may not be looked into holds none (before 3.12 this raises)."""
    try:
        return path.is_file()
    except OSError:
        return False


def has_long_key(text: str) -> bool:
    """Whether a configuration may hold a key that takes minutes to read."""
    if text.count(".") <= MAX_PARTS:
        return False
    tight = re.sub(r"[ \t]", "", text)
    if tight.count('"."') + tight.count("'.'") > MAX_PARTS:
        return True
    return any(word.count(".") > MAX_PARTS and ".." not in word for word in re.findall(r"[\w.-]+", tight))


def limited(read: Callable[[int], bytes], limit: int) -> bytes | None:
    """What a stream holds; ``None`` where that is more than the limit.

    Args:
        read: gives so many bytes at most, and nothing at the end.
        limit: in bytes.
    """
    parts: list[bytes] = []
    left = limit + 1
    while left > 0 and (part := read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts) if left > 0 else None


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
