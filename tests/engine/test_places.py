"""What was looked for on disk, and whether it would be found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from h2dlint.engine.places import grouped, still_there


def looked(top: Path, *names: str) -> dict[str, dict[str, dict[str, bool]]]:
    files = {str(top / name): (top / name).is_file() for name in names}
    marks = {str(top / name): (top / name).exists() for name in (".git", "pkg/.git")}
    return {"files": grouped(files), "marks": grouped(marks)}


NAMES = (
    "pkg/__init__.py",
    "pkg/a.py",
    "pkg/a/__init__.py",
    "other/deep/__init__.py",
    "other/deep.py",
    "x.py",
)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").touch()
    (tmp_path / "pkg/a.py").touch()
    return tmp_path


def test_what_is_not_there_is_kept_once(top: Path) -> None:
    found = looked(top, *NAMES)["files"]
    assert found == {
        str(top): {"other/": False, "x.py": False},
        str(top / "pkg"): {"__init__.py": True, "a.py": True, "a/": False},
    }
    more = grouped({str(top / "pkg/b.py"): False, str(top / "none/y.py"): False}, found)
    assert more[str(top)] == {"other/": False, "x.py": False, "none/": False}
    assert more[str(top / "pkg")] == {"__init__.py": True, "a.py": True, "a/": False, "b.py": False}
    assert "b.py" not in found[str(top / "pkg")]


def a_folder_takes_its_place(top: Path) -> None:
    (top / "pkg/a.py").unlink()
    (top / "pkg/a.py").mkdir()


def a_package_appears(top: Path) -> None:
    (top / "pkg/a").mkdir()
    (top / "pkg/a/__init__.py").touch()


def everything_goes(top: Path) -> None:
    for path in (top / "pkg").iterdir():
        path.unlink()


CHANGES: dict[str, Callable[[Path], None]] = {
    "a file appears": lambda top: (top / "x.py").touch(),
    "a file goes": lambda top: (top / "pkg/a.py").unlink(),
    "a folder takes its place": a_folder_takes_its_place,
    "a package appears": a_package_appears,
    "a folder appears above": lambda top: (top / "other/deep").mkdir(parents=True),
    "everything goes": everything_goes,
    "a link appears": lambda top: (top / "x.py").symlink_to(top / "pkg/a.py"),
    "a mark appears": lambda top: (top / ".git").mkdir(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_seen(top: Path, change: Callable[[Path], None]) -> None:
    places = looked(top, *NAMES)
    assert still_there(places)
    (top / "pkg/unrelated.py").touch()
    (top / "unrelated").mkdir()
    assert still_there(places)
    change(top)
    assert not still_there(places)
