from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from h2dlint.engine.write import WriteError, create_atomically, write_atomically


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.py"
    path.write_bytes(b"old\n")
    return path


def only(folder: Path, *names: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o664])
def test_content_is_replaced_and_mode_kept(file: Path, mode: int) -> None:
    file.chmod(mode)
    write_atomically(file, b"new\r\n\xff", expected=b"old\n")
    assert file.read_bytes() == b"new\r\n\xff"
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert only(file.parent, "x.py")


def test_modification_time_is_new(file: Path) -> None:
    os.utime(file, (1_000_000, 1_000_000))
    write_atomically(file, b"new")
    assert file.stat().st_mtime > 2_000_000


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser may give files away"
)
def test_owner_is_kept(file: Path) -> None:
    os.chown(file, 12345, 23456)
    file.chmod(0o4755)
    write_atomically(file, b"new")
    status = file.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 23456, 0o4755)


def test_symbolic_link_stays(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere/link.py"
    link.symlink_to("../x.py")
    second = tmp_path / "second.py"
    second.symlink_to("elsewhere/link.py")
    write_atomically(second, b"new")
    assert second.is_symlink() and link.is_symlink()
    assert os.readlink(link) == "../x.py"
    assert file.read_bytes() == b"new"
    assert only(tmp_path / "elsewhere", "link.py")


def test_changed_file_is_refused(file: Path) -> None:
    with pytest.raises(WriteError, match="changed after it was read"):
        write_atomically(file, b"new", expected=b"older\n")
    assert file.read_bytes() == b"old\n"
    assert only(file.parent, "x.py")


def test_read_only_file_is_refused(file: Path) -> None:
    file.chmod(0o444)
    with pytest.raises(WriteError, match=r"^not written: the file is read-only$"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old\n"
    assert only(file.parent, "x.py")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file"):
        write_atomically(tmp_path / "gone.py", b"new")
    assert only(tmp_path)


def test_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(WriteError, match="not a regular file"):
        write_atomically(tmp_path / "pipe.py", b"new")
    assert only(tmp_path, "pipe.py")


@pytest.mark.parametrize("step", ["replace", "fsync", "utime"])
def test_nothing_is_left_behind_when_a_step_fails(
    file: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*arguments: object, **keywords: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(WriteError, match=r"^not written: No space left on device$"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old\n"
    assert only(file.parent, "x.py")


def test_nothing_is_left_behind_when_interrupted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old\n"
    assert only(file.parent, "x.py")


def test_long_names(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 250 + ".py")
    file.write_bytes(b"old")
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"


def test_a_lock_that_somebody_else_holds_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "a.py"
    path.write_bytes(b"old\n")
    monkeypatch.setattr("h2dlint.engine.write.PATIENCE", 0.1, raising=False)
    with path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(WriteError, match="holds a lock"):
            write_atomically(path, b"new\n", expected=b"old\n")
    assert path.read_bytes() == b"old\n"
    write_atomically(path, b"new\n", expected=b"old\n")
    assert path.read_bytes() == b"new\n"


def test_a_new_file_is_there_with_all_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    umask = os.umask(0o022)
    try:
        create_atomically(path, b"all\r\n\xff")
    finally:
        os.umask(umask)
    assert path.read_bytes() == b"all\r\n\xff"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert only(tmp_path, "new.json")


def test_what_is_there_is_not_replaced_by_a_new_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    for path in (file, tmp_path / "link"):
        with pytest.raises(WriteError, match=r"^not written: a file of that name was made meanwhile"):
            create_atomically(path, b"new")
    assert file.read_bytes() == b"old\n"
    assert only(tmp_path, "x.py", "link")


def test_only_what_was_left_behind_is_removed(file: Path) -> None:
    begun, left, other = (
        file.with_name(name) for name in (".x.py.h2dlint-1.tmp", ".x.py.h2dlint-2.tmp", ".y.py.h2dlint-3.tmp")
    )
    for path in (begun, left, other):
        path.write_bytes(b"half")
    for path in (left, other):
        os.utime(path, (1_000_000, 1_000_000))
    write_atomically(file, b"new")
    assert only(file.parent, "x.py", begun.name, other.name)
