"""What other systems have: paths of Windows, names of macOS, every kind of line end."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PureWindowsPath
from typing import cast

import pytest

from h2dlint.engine.files import discover, display_path
from h2dlint.engine.fixing import fix_source
from h2dlint.engine.globs import PathPatterns
from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.report import View
from h2dlint.report.places import repository_path, uri

LINES = [
    "import torch",
    "",
    "def forward(self):",
    "    # ünï 数",
    '    x = torch.tensor([1, 2], device="cuda")  # kept',
    "    return x",
]
FILE = "file:/" + "/"
UNSAFE = Settings(unsafe_fixes=True)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        (r"C:\repo\pkg\x.py", "pkg/x.py"),
        (r"c:\Repo\pkg\x.py", "pkg/x.py"),
        (r"D:\other\x.py", "D:/other/x.py"),
        (r"\\host\share\x.py", "//host/share/x.py"),
        (r"C:\other\x.py", "C:/other/x.py"),
    ],
)
def test_paths_of_windows_are_shown_with_slashes(location: str, shown: str) -> None:
    here = cast(Path, PureWindowsPath(r"C:\repo"))
    assert display_path(cast(Path, PureWindowsPath(location)), here) == shown


@pytest.mark.parametrize(
    ("path", "reference"),
    [
        ("pkg/a b#1.py", "pkg/a%20b%231.py"),
        ("C:/repo/x.py", FILE + "/C:/repo/x.py"),
        ("C:\\repo\\a b.py", FILE + "/C:/repo/a%20b.py"),
        ("//host/share/x.py", FILE + "host/share/x.py"),
        ("\\\\host\\share\\x.py", FILE + "host/share/x.py"),
        ("/repo/x.py", FILE + "/repo/x.py"),
        ("a:b.py", "a%3Ab.py"),
        ("a\\b.py", "a%5Cb.py"),
        (unicodedata.normalize("NFD", "é.py"), "e%CC%81.py"),
        (unicodedata.normalize("NFC", "é.py"), "%C3%A9.py"),
    ],
)
def test_uris(path: str, reference: str) -> None:
    assert uri(path) == reference


def test_paths_in_a_repository_on_a_drive() -> None:
    view = View(folder="C:/repo/pkg", top="C:/repo")
    assert repository_path("x.py", view) == "pkg/x.py"
    assert repository_path("../x.py", view) == "x.py"
    share = View(folder="//host/share/repo", top="//host/share/repo")
    assert repository_path("x.py", share) == "x.py"


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("gen/*.py", "C:/repo/gen/x.py", True),
        ("GEN/*.py", "C:/repo/gen/x.py", False),
        ("*.PY", "C:/repo/gen/x.py", False),
        ("gen", "//host/share/gen", True),
        ("é.py", "C:/repo/" + unicodedata.normalize("NFD", "é.py"), False),
    ],
)
def test_patterns_on_a_drive(pattern: str, path: str, found: bool) -> None:
    assert PathPatterns([pattern], "C:/repo").match(path) is found


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "unended"])
def test_line_ends_are_kept(end: str, last: bool) -> None:
    before = end.join(LINES) + end * last
    outcome = fix_source("x.py", before.encode(), UNSAFE)
    assert outcome.applied, outcome.result
    new = [line.replace('device="cuda")', 'pin_memory=True).to("cuda", non_blocking=True)') for line in LINES]
    assert outcome.after == (end.join(new) + end * last).encode()


def test_mixed_line_ends_are_kept() -> None:
    ends = ["\r\n", "\n", "\r", "\r\n", "\n", "\r"]
    before = "".join(map("".join, zip(LINES, ends, strict=True)))
    outcome = fix_source("x.py", before.encode(), UNSAFE)
    assert outcome.applied
    after = outcome.after.decode()
    assert [char for char in after if char in "\r\n"] == [char for end in ends for char in end]


def test_findings_count_lines_as_python_does() -> None:
    text = "\r".join(LINES) + "\x0c\r\x0b"
    lines = [
        finding.span.line for finding in lint_source("x.py", "\r".join(LINES).encode(), Settings()).findings
    ]
    assert lines == [5]
    assert lint_source(
        "x.py", text.encode(), Settings()
    ).errors  # A vertical tab is no line end, and no blank.


def test_composed_and_decomposed_names_are_two_files(tmp_path: Path) -> None:
    names = {unicodedata.normalize(form, "é.py") for form in ("NFC", "NFD")}
    for name in names:
        (tmp_path / name).write_text("x = 1\n", encoding="utf-8")
    there = {path.name for path in tmp_path.iterdir()}
    found = discover(["."], Settings(root=tmp_path.as_posix()), tmp_path)
    assert {file.path for file in found.files} == there
