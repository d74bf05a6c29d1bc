from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from h2dlint.engine.diff import unified_diff

CASES = {
    "middle": (
        b"".join(b"line %d\n" % i for i in range(30)),
        b"".join(b"line %d\n" % (i % 17) for i in range(30)),
    ),
    "no newline before": (b"a\nb", b"a\nb\n"),
    "no newline after": (b"a\nb\n", b"a\nc"),
    "no newline in both": (b"a\nb", b"a\nc"),
    "no newline, change far above": (b"a\n" + b"x\n" * 9 + b"b", b"c\n" + b"x\n" * 9 + b"b"),
    "carriage returns": (b"a\r\nb\r\nc\r\n", b"a\r\nB\r\nc\r\n"),
    "line ends changed": (b"a\r\nb\n", b"a\nb\n"),
    "lone carriage return": (b"a\rb\nc\n", b"a\rb\nd\n"),
    "form feed and others": (b"a\x0cb\x0b\x1c\xc2\x85\nc\n", b"a\x0cb\x0b\x1c\xc2\x85\nd\n"),
    "latin-1": (b"\xe4\n\xff\n", b"\xe4\n\xfe\n"),
    "mark": (b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n"),
    "emptied": (b"a\n", b""),
    "filled": (b"", b"a\n"),
    "looks like a header": (b"-- x\n++ y\n@@ z\n", b"-- x\n++ w\n@@ z\n"),
}


def test_text() -> None:
    assert unified_diff("a/x.py", b"import os\n\n\nx = 1", b"\n\nx = 1") == (
        b"--- a/x.py\n+++ a/x.py\n@@ -1,4 +1,3 @@\n-import os\n \n \n x = 1\n\\ No newline at end of file\n"
    )


def test_no_change_no_diff() -> None:
    assert unified_diff("x.py", b"a\n", b"a\n") == b""


TOOLS = {
    "git": ["git", "apply", "-p0", "change.diff"],
    "patch": ["patch", "-p0", "--binary", "-s", "-i", "change.diff"],
}


@pytest.mark.parametrize("name", ["x.py", "a/b/x.py", "a b/x y.py", "\u00e4.py"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("tool", TOOLS)
def test_tools_take_it(tmp_path: Path, tool: str, case: str, name: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    before, after = CASES[case]
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(before)
    (tmp_path / "change.diff").write_bytes(unified_diff(name, before, after))
    done = subprocess.run(TOOLS[tool], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (file.read_bytes() if file.exists() else b"") == after


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_several_files_in_one_diff(tmp_path: Path) -> None:
    diff = b""
    for name in ("x.py", "d/y.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"a\nb")
        diff += unified_diff(name, b"a\nb", b"a\nc")
    subprocess.run(["git", "apply", "-p0"], cwd=tmp_path, input=diff, check=True)
    assert (tmp_path / "x.py").read_bytes() == (tmp_path / "d/y.py").read_bytes() == b"a\nc"
