"""Replacing what is in a file, wholly or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


class WriteError(Exception):
    """A file was not written; the message is one line that says why. The file is as it was."""


def write_atomically(path: Path, data: bytes, *, expected: bytes | None = None) -> None:
    """Replace what is in an existing file.

    The new content is written beside the file and moved over it, so that no reader sees half of it and a
    crash loses nothing. Mode, and where permitted owner and extended attributes, are kept. A symbolic link
    stays; the file that it points to is replaced. Of several hard links to a file only this one gets the
    new content.

    Args:
        path: the file.
        data: the new content.
        expected: what was read from the file; where it now holds something else it is not written.

    Raises:
        WriteError: the file changed, is read-only or missing, or its folder cannot be written.
    """
    temporary: str | None = None
    try:
        target = Path(os.path.realpath(path))
        status = target.stat()
        if not stat.S_ISREG(status.st_mode):
            raise WriteError("not written: not a regular file")
        # The superuser may write any file, but a file without a write bit was made so on purpose.
        if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise WriteError("not written: the file is read-only")
        descriptor, temporary = tempfile.mkstemp(
            prefix=f".{target.name[:100]}.", suffix=".tmp", dir=target.parent
        )
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            _keep_attributes(target, temporary, status)
            os.fsync(stream.fileno())
        if expected is not None and target.read_bytes() != expected:
            raise WriteError("not written: the file changed after it was read")
        os.replace(temporary, target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        raise WriteError(f"not written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _keep_attributes(target: Path, temporary: str, status: os.stat_result) -> None:
    if hasattr(os, "chown"):
        with suppress(OSError):
            # Before the mode: a change of owner clears some bits of it.
            os.chown(temporary, status.st_uid, status.st_gid)
    shutil.copystat(target, temporary)
    os.utime(temporary)  # The times are not to be kept: the content is new.


def _sync_folder(folder: Path) -> None:
    """Make the move itself last through a crash; best effort, since the content is in place already."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
