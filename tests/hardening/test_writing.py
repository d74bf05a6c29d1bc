from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from h2dlint.engine.write import ABANDONED, MARK, WriteError, create_atomically, write_atomically

ROOT = Path(__file__).parents[2]
SLOW = 'import torch\n\n\ndef forward(self):\n    return torch.tensor([1, 2], device="cuda")\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.py"
    path.write_bytes(b"old\n")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_of_hard_links_one_is_replaced(file: Path) -> None:
    os.link(file, file.with_name("same.py"))
    write_atomically(file, b"new")
    assert (file.read_bytes(), file.with_name("same.py").read_bytes()) == (b"new", b"old\n")


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes here")
def test_extended_attributes_are_kept(file: Path) -> None:
    try:
        os.setxattr(file, "user.note", b"mine")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    write_atomically(file, b"new")
    assert os.getxattr(file, "user.note") == b"mine"


@pytest.mark.parametrize("name", ["数" * 80 + ".py", "\U0001f600" * 60 + ".py", "x" * 252 + ".py"])
def test_names_as_long_as_they_may_be(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"old")
    write_atomically(file, b"new", expected=b"old")
    assert file.read_bytes() == b"new"
    assert names(tmp_path) == [name]


def test_links_out_of_the_tree_stay(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside.py").write_bytes(b"old")
    link = tmp_path / "tree/link.py"
    link.symlink_to(tmp_path / "outside.py")
    write_atomically(link, b"new")
    assert link.is_symlink() and (tmp_path / "outside.py").read_bytes() == b"new"


@pytest.mark.parametrize("target", ["nowhere.py", "x.py"])
def test_links_to_nothing_and_in_circles_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "x.py").symlink_to(target)
    with pytest.raises(WriteError, match="not written: "):
        write_atomically(tmp_path / "x.py", b"new")
    assert names(tmp_path) == ["x.py"] and os.readlink(tmp_path / "x.py") == target


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(file: Path) -> None:
    left, fresh, foreign = (
        file.with_name(name) for name in (f".x.py{MARK}abc.tmp", f".x.py{MARK}def.tmp", ".x.py.swp")
    )
    for path in (left, fresh, foreign):
        path.write_bytes(b"")
    for path in (left, foreign):
        os.utime(path, (time.time() - ABANDONED - 60,) * 2)
    write_atomically(file, b"new")
    assert names(file.parent) == sorted([fresh.name, foreign.name, "x.py"])


def test_a_second_writer_waits_and_then_sees_what_the_first_one_wrote(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fcntl")
    inside, go = threading.Event(), threading.Event()
    move = os.replace

    def slowly(source: str, target: Path) -> None:
        inside.set()
        assert go.wait(20)
        move(source, target)

    monkeypatch.setattr(os, "replace", slowly)
    first = threading.Thread(target=write_atomically, args=(file, b"first"), kwargs={"expected": b"old\n"})
    first.start()
    assert inside.wait(20)
    problems: list[str] = []

    def second() -> None:
        try:
            write_atomically(file, b"second", expected=b"old\n")
        except WriteError as error:
            problems.append(str(error))

    later = threading.Thread(target=second)
    later.start()
    later.join(0.2)
    assert later.is_alive() and not problems
    go.set()
    first.join(20)
    later.join(20)
    assert problems == ["not written: the file changed after it was read"]
    assert file.read_bytes() == b"first" and names(file.parent) == ["x.py"]


def test_a_new_file_is_there_with_all_of_its_content_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_atomically(tmp_path / "a", b"text")
    assert (tmp_path / "a").read_bytes() == b"text"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~_umask()
    with pytest.raises(WriteError, match="was made meanwhile"):
        create_atomically(tmp_path / "a", b"other")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(WriteError, match="broken symbolic link"):
        create_atomically(tmp_path / "link", b"other")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left"):
        create_atomically(tmp_path / "b", b"text")
    assert names(tmp_path) == ["a", "link"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
from h2dlint.cli import main
main(sys.argv[1:])
"""


def test_a_disk_that_is_full_is_told_of(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    (tmp_path / "x.py").write_text(SLOW, encoding="utf-8")
    command = [sys.executable, "-B", "-c", LIMITED, "fix", "x.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert "error: x.py: not written: File too large" in done.stderr
    assert (tmp_path / "x.py").read_text(encoding="utf-8") == SLOW
    assert names(tmp_path) == ["x.py"]
