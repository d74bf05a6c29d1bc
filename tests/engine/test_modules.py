"""Where an import statement leads, and what of the files is seen."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from h2dlint.engine.files import SourceFile
from h2dlint.engine.fixing import fix_files
from h2dlint.engine.modules import MAX_BYTES, ModuleFinder, Projects, Snapshot
from h2dlint.engine.runner import lint_files, project_top
from h2dlint.engine.settings import Settings

Tree = Callable[..., Path]


def find(cwd: Path, importer: str, name: str) -> str | None:
    """The file that a name leads to, relative to ``cwd``."""
    found = ModuleFinder().find(str(cwd / importer), name)
    return None if found is None else Path(os.path.relpath(found, cwd)).as_posix()


def test_relative_imports(tree: Tree) -> None:
    cwd = tree("pkg/__init__.py", "pkg/a.py", "pkg/sub/__init__.py", "pkg/sub/b.py")
    assert find(cwd, "pkg/a.py", ".sub.b") == "pkg/sub/b.py"
    assert find(cwd, "pkg/a.py", ".sub") == "pkg/sub/__init__.py"
    assert find(cwd, "pkg/sub/b.py", "..a") == "pkg/a.py"
    assert find(cwd, "pkg/sub/b.py", "..") == "pkg/__init__.py"
    assert find(cwd, "pkg/sub/b.py", ".") == "pkg/sub/__init__.py"
    assert find(cwd, "pkg/sub/__init__.py", ".b") == "pkg/sub/b.py"
    assert find(cwd, "pkg/a.py", ".gone") is None
    assert find(cwd, "pkg/a.py", "." * 100 + "a") is None


def test_absolute_imports_of_the_own_package(tree: Tree) -> None:
    cwd = tree("pkg/__init__.py", "pkg/a.py", "pkg/sub/__init__.py", "pkg/sub/b.py")
    assert find(cwd, "pkg/sub/b.py", "pkg.a") == "pkg/a.py"
    assert find(cwd, "pkg/sub/b.py", "pkg") == "pkg/__init__.py"
    assert find(cwd, "pkg/sub/b.py", "pkg.sub.b") == "pkg/sub/b.py"
    assert find(cwd, "pkg/sub/b.py", "sub.b") is None
    assert find(cwd, "pkg/sub/b.py", "a") is None


def test_a_package_hides_a_module_of_its_name(tree: Tree) -> None:
    cwd = tree("pyproject.toml", "main.py", "thing.py", "thing/__init__.py", "thing/part.py")
    assert find(cwd, "main.py", "thing") == "thing/__init__.py"
    assert find(cwd, "main.py", "thing.part") == "thing/part.py"


def test_scripts_see_what_lies_beside_them(tree: Tree) -> None:
    cwd = tree("tools/run.py", "tools/helper.py", "other.py")
    assert find(cwd, "tools/run.py", "helper") == "tools/helper.py"
    # Without a project around them nothing further up.
    assert find(cwd, "tools/run.py", "other") is None


@pytest.mark.parametrize("mark", ["pyproject.toml", "setup.py", "setup.cfg", "h2dlint.toml", ".git/HEAD"])
def test_files_of_a_project_see_its_top(tree: Tree, mark: str) -> None:
    cwd = tree("project/" + mark, "project/tests/unit/test_a.py", "project/helper.py", "outside.py")
    assert find(cwd, "project/tests/unit/test_a.py", "helper") == "project/helper.py"
    assert find(cwd, "project/tests/unit/test_a.py", "outside") is None


def test_src_layout(tree: Tree) -> None:
    cwd = tree("pyproject.toml", "src/pkg/__init__.py", "src/pkg/a.py", "tests/test_a.py")
    assert find(cwd, "src/pkg/a.py", "pkg.a") == "src/pkg/a.py"
    assert find(cwd, "tests/test_a.py", "pkg.a") == "src/pkg/a.py"


def test_namespace_folders(tree: Tree) -> None:
    cwd = tree("space/one/__init__.py", "space/one/a.py", "space/two/b.py", "space/c.py")
    assert find(cwd, "space/one/a.py", "space.two.b") == "space/two/b.py"
    assert find(cwd, "space/two/b.py", "space.one.a") == "space/one/a.py"
    assert find(cwd, "space/two/b.py", "space.c") == "space/c.py"
    assert find(cwd, "space/two/b.py", "space") is None


def test_a_folder_without_code_hides_nothing(tree: Tree) -> None:
    cwd = tree("pyproject.toml", "app/main.py", "app/lib/notes.txt", "lib/__init__.py", "lib/a.py")
    assert find(cwd, "app/main.py", "lib.a") == "lib/a.py"


def test_a_package_nearby_hides_one_further_up(tree: Tree) -> None:
    cwd = tree("pyproject.toml", "app/main.py", "app/lib/__init__.py", "lib/__init__.py", "lib/a.py")
    assert find(cwd, "app/main.py", "lib.a") is None


def test_the_standard_library_is_never_shadowed(tree: Tree) -> None:
    cwd = tree("pkg/__init__.py", "pkg/a.py", "main.py", "random.py", "types.py", "pkg/random.py")
    assert find(cwd, "main.py", "random") is None
    assert find(cwd, "main.py", "types.x") is None
    assert find(cwd, "pkg/a.py", ".random") == "pkg/random.py"
    assert find(cwd, "main.py", "pkg.random") == "pkg/random.py"


def test_what_is_installed_is_not_read(tree: Tree) -> None:
    cwd = tree(
        "pyproject.toml", "env/site-packages/a/__init__.py", "env/site-packages/b/__init__.py", "main.py"
    )
    assert find(cwd, "env/site-packages/a/__init__.py", "b") is None
    assert find(cwd, "env/site-packages/a/__init__.py", "a") == "env/site-packages/a/__init__.py"
    assert find(cwd, "main.py", "b") is None


def test_odd_names(tree: Tree) -> None:
    cwd = tree("a.py", "pkg/__init__.py")
    assert find(cwd, "a.py", "") is None
    assert find(cwd, "a.py", ".a") == "a.py"
    assert find(cwd, "a.py", ".") is None
    assert find(cwd, "a.py", "torch") is None
    assert ModuleFinder().find("/a.py", "....b") is None


def test_the_text_of_a_module_is_read_once(write: Callable[[str, str], Path]) -> None:
    file = write("a.py", "x = 1\n")
    snapshot = Snapshot()
    first = snapshot.read(str(file))
    assert first is not None and first.text == "x = 1\n"
    file.write_text("x = 2\n")
    assert snapshot.read(str(file)) is first
    snapshot.keep(str(file), b"x = 3\n")
    assert snapshot.read(str(file)) is first


def test_what_is_kept_is_seen(write: Callable[[str, str], Path]) -> None:
    file = write("a.py", "x = 2\n")
    snapshot = Snapshot()
    snapshot.keep(str(file), b"x = 1\n")
    seen = snapshot.read(str(file))
    assert seen is not None and seen.text == "x = 1\n"


def test_one_file_under_two_names(write: Callable[[str, str], Path]) -> None:
    file = write("real/a.py", "x = 1\n")
    link = file.parent.parent / "link"
    link.symlink_to("real")
    snapshot = Snapshot()
    snapshot.keep(str(link / "a.py"), b"x = 0\n")
    seen = snapshot.read(str(file))
    assert seen is not None and seen.text == "x = 0\n"


def test_modules_that_cannot_be_read(tmp_path: Path) -> None:
    snapshot = Snapshot()
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "nonsense.py").write_bytes(b"# coding: nonsense\n")
    (tmp_path / "hex.py").write_bytes(b"# coding: hex\n")
    (tmp_path / "large.py").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "dangling.py").symlink_to("nowhere.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    os.mkfifo(tmp_path / "pipe.py")
    names = "latin nonsense hex large folder dangling loop pipe gone".split()
    assert [snapshot.read(str(tmp_path / f"{name}.py")) for name in names] == [None] * len(names)
    finder = ModuleFinder()
    for name in ("folder", "dangling", "loop", "pipe"):
        assert finder.find(str(tmp_path / "main.py"), name) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_module_without_permission(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "a.py").chmod(0)
    assert Snapshot().read(str(tmp_path / "a.py")) is None


def test_symlink_loops_are_harmless(tree: Tree) -> None:
    cwd = tree("pkg/__init__.py", "pkg/a.py")
    (cwd / "pkg" / "again").symlink_to(cwd / "pkg")
    (cwd / "loop").symlink_to("loop")
    assert find(cwd, "pkg/a.py", "pkg.again.again.a") == "pkg/again/again/a.py"
    assert find(cwd, "pkg/again/a.py", "..a") == "pkg/a.py"
    assert find(cwd, "pkg/a.py", "loop") is None
    assert find(cwd, "loop/a.py", "b") is None


def test_text_that_is_no_file_has_no_surroundings(tmp_path: Path) -> None:
    assert Projects().around(Path("a.py")) is None
    projects = Projects()
    one, two = projects.around(tmp_path / "a.py"), projects.around(tmp_path / "b" / ".." / "c.py")
    assert one is not None and two is not None
    assert one.project is two.project
    assert two.location == str(tmp_path / "c.py")


def texts(folder: Path) -> list[str]:
    files = ModuleFinder().scans(str(folder), {})
    return [Path(os.path.relpath(file.path, folder)).as_posix() for file in files]


def test_all_files_of_a_project(tree: Tree) -> None:
    cwd = tree(
        "pyproject.toml", "b.py", "a/c.py", "a/n.txt", ".hidden/x.py", "a/node_modules/y.py", "venv/z.py"
    )
    (cwd / "latin.py").write_bytes(b"x = '\xe9'")
    (cwd / "loop").symlink_to(".")
    assert texts(cwd) == ["a/c.py", "b.py"]


def test_a_folder_that_is_no_project_is_not_searched(tree: Tree) -> None:
    assert texts(tree("b.py", "a/c.py")) == ["b.py"]


def test_too_many_files(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    cwd = tree("pyproject.toml", "a.py", "b.py", "c.py")
    monkeypatch.setattr("h2dlint.engine.listing.MAX_FILES", 2)
    assert texts(cwd) == []


def test_the_top_of_a_project(tree: Tree) -> None:
    cwd = tree(
        "one/__init__.py", "one/two/three/a.py", "two/pyproject.toml", "two/.git/HEAD", "two/pkg/__init__.py"
    )
    assert project_top(cwd / "one/two/three/a.py", Settings()) == cwd / "one"
    assert project_top(cwd / "two/pkg/__init__.py", Settings()) == cwd / "two"
    assert project_top(cwd / "a.py", Settings()) == cwd


PLAIN = Settings(follow_imports=True)
HEAD = "import torch\n"


def test_a_file_that_was_fixed_is_seen_as_it_was(tmp_path: Path) -> None:
    """What is written in a run is not looked at in it, whichever file comes first."""
    texts = {
        "a.py": "import torch\nfrom b import here\ndef f(x):\n"
        "    y = torch.tensor([1, 2], device='cuda')\n    return here(x)\n",
        "b.py": "import torch\nfrom a import f\ndef here(x):\n"
        "    return torch.tensor([x, 2], device='cuda')\ndef g(x):\n    return f(x)\n",
    }
    outcomes = []
    for names in (["a.py", "b.py"], ["b.py", "a.py"]):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        report, _ = fix_files([SourceFile(name, tmp_path / name) for name in names], PLAIN, write=True)
        assert not report.errors
        outcomes.append((report.findings, report.fixed, [(tmp_path / name).read_text() for name in texts]))
        assert outcomes[-1][2] != list(texts.values())
    assert outcomes[0] == outcomes[1]


def test_the_collector_is_left_as_it_was(tmp_path: Path) -> None:
    found = gc.get_threshold()
    before = (700, 10, 10)
    # The command line leaves it raised, as its process ends.
    gc.set_threshold(*before)
    try:
        seen: list[tuple[int, int, int]] = []
        (tmp_path / "a.py").write_text(HEAD)
        lint_files(
            [SourceFile("a.py", tmp_path / "a.py")], PLAIN, lambda done, all: seen.append(gc.get_threshold())
        )
        assert gc.get_threshold() == before
        assert seen[0][0] > before[0]
    finally:
        gc.set_threshold(*found)
