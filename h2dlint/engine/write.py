"""Replacing what is in a file, wholly or not at all.

The new content is written beside the file and moved over it, so that no reader sees half of it and a crash loses
nothing. What a killed process leaves behind is a file that no tool of Python takes for a source; the next one that
writes the same file removes it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = ".h2dlint-"
"""In the names of files that are being written."""
ABANDONED = 600
"""Seconds after which one that is still there was left behind."""
PATIENCE = 20
"""Seconds for which the lock of another process is waited for; h2dlint holds one for as long as it writes one file."""


class WriteError(Exception):
    """A file was not written; the message is one line that says why. The file is as it was."""


def write_atomically(path: Path, data: bytes, *, expected: bytes | None = None) -> None:
    """Replace what is in an existing file.

    Mode, and where permitted owner and extended attributes (access control lists are such), are kept. A symbolic link
    stays; the file that it points to is replaced. Of several hard links to a file only this one gets the new content.
    Other processes of h2dlint that write the same file meanwhile wait, where the system has locks; not for ever, as
    a program of another kind may hold one.

    Args:
        path: the file.
        data: the new content.
        expected: what was read from the file; where it now holds something else it is not written.

    Raises:
        WriteError: the file changed, is read-only, missing or locked, or its folder cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
        with _locked(target):
            status = target.stat()
            if not stat.S_ISREG(status.st_mode):
                raise WriteError("not written: not a regular file")
            # The superuser may write any file, but a file without a write bit was made so on purpose.
            if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
                raise WriteError("not written: the file is read-only")
            remove_abandoned(target.parent, _prefix(target))
            with _written(target, data, status) as temporary:
                if expected is not None and target.read_bytes() != expected:
                    raise WriteError("not written: the file changed after it was read")
                os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise WriteError(f"not written: {error.strerror or error}") from error


def create_atomically(path: Path, data: bytes) -> None:
    """Write a new file, which is there with all of its content or not at all.

    Args:
        path: of the file; its folder has to be there. A symbolic link to nothing is not followed.
        data: the content.

    Raises:
        WriteError: there is something of that name by now, or the folder cannot be written.
    """
    try:
        with _written(path, data, None) as temporary:
            if os.path.lexists(path):
                raise WriteError(
                    "not written: a file of that name was made meanwhile, or it is a broken symbolic link"
                )
            os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise WriteError(f"not written: {error.strerror or error}") from error


@contextmanager
def _written(target: Path, data: bytes, like: os.stat_result | None) -> Iterator[str]:
    """The content in a file beside the target, which is gone afterwards unless it was moved."""
    import tempfile  # The cache takes from this module what needs neither this nor shutil.

    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=_prefix(target), suffix=".tmp", dir=target.parent)
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if like is not None:
                _keep_attributes(target, temporary, like)
            else:
                os.chmod(temporary, 0o666 & ~_umask())
            os.fsync(stream.fileno())
        yield temporary
        temporary = None
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the lock of the file that is there under a name now; where there are no locks, nothing."""
    try:
        import fcntl
    except ImportError:  # Windows.
        yield
        return

    def lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # Some network file systems have none.
            pass
        return True

    until = time.monotonic() + PATIENCE
    while True:
        # A named pipe would wait for a writer.
        descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while not lock(descriptor):
                if time.monotonic() > until:
                    raise WriteError("not written: another program holds a lock on the file")
                time.sleep(0.02)
            if os.path.samestat(os.fstat(descriptor), os.stat(target)):
                yield
                return
            # Whoever had the lock has put another file in its place.
        finally:
            os.close(descriptor)


def _prefix(target: Path) -> str:
    # A name may take 255 bytes, and a character of it four.
    return f".{target.name[:40]}{MARK}"


def remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove what processes that were killed have left in a folder.

    Args:
        folder: in which they wrote.
        prefix: that their unfinished files have.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED:
                        os.unlink(entry.path)


def _umask() -> int:
    # There is no other way to ask for it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _keep_attributes(target: Path, temporary: str, status: os.stat_result) -> None:
    if hasattr(os, "chown"):
        with suppress(OSError):
            # Before the mode: a change of owner clears some bits of it.
            os.chown(temporary, status.st_uid, status.st_gid)
    import shutil

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
