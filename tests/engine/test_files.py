from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from h2dlint.engine.config import ConfigError, load_settings
from h2dlint.engine.files import Discovery, discover, is_excluded
from h2dlint.engine.settings import Settings
from h2dlint.model import ErrorKind
from tests.engine.fakes import NAMES

Tree = Callable[..., Path]
Write = Callable[[str, str], Path]


def run(cwd: Path, *paths: str, **changes: object) -> Discovery:
    return discover(paths, Settings(root=cwd.as_posix(), **changes), cwd)  # type: ignore[arg-type]


def found(cwd: Path, *paths: str, **changes: object) -> list[str]:
    result = run(cwd, *paths, **changes)
    assert not result.errors
    return [file.path for file in result.files]


def test_walk_finds_python_files_in_path_order(tree: Tree) -> None:
    cwd = tree("b.py", "a/z.py", "a/y.pyw", "a.py", "c.pyi", "d.txt", "e.ipynb", "a/Py.PY", "py")
    assert found(cwd) == ["a.py", "a/y.pyw", "a/z.py", "b.py", "e.ipynb"]


def test_locations_are_absolute(tree: Tree) -> None:
    cwd = tree("a/x.py")
    assert [file.location for file in run(cwd, "a").files] == [cwd / "a/x.py"]


def test_named_file_is_taken_whatever_its_name(tree: Tree) -> None:
    assert found(tree("d.txt", "stub.pyi"), "d.txt", "stub.pyi") == ["d.txt", "stub.pyi"]


def test_each_file_once(tree: Tree) -> None:
    cwd = tree("a/x.py", "a/b/y.py")
    assert found(cwd, "a", "a/x.py", "./a/../a/x.py", "a/b", str(cwd / "a")) == ["a/b/y.py", "a/x.py"]


def test_paths_outside_the_working_directory_are_absolute(tree: Tree) -> None:
    top = tree("a/x.py", "b/y.py")
    assert found(top / "a", ".", "../b") == sorted([f"{top.as_posix()}/b/y.py", "x.py"])


def test_parent_folders_are_relative_where_they_can_be(tree: Tree) -> None:
    top = tree("a/x.py")
    assert found(top / "a", "../a") == ["x.py"]


# What is left out.


@pytest.mark.parametrize(
    "folder", [".git", ".venv", "venv", "node_modules", "site-packages", "dist", "_build"]
)
def test_default_excludes(tree: Tree, folder: str) -> None:
    assert found(tree(f"{folder}/x.py", f"a/{folder}/x.py", "a/x.py")) == ["a/x.py"]


def test_excludes_match_names_and_paths(tree: Tree) -> None:
    cwd = tree("gen/x.py", "a/gen/x.py", "a/b/x.py", "b/x.py", "a/y_pb2.py")
    everything = ["a/b/x.py", "a/gen/x.py", "a/y_pb2.py", "b/x.py", "gen/x.py"]
    assert found(cwd) == everything
    assert found(cwd, extend_exclude=("gen",)) == ["a/b/x.py", "a/y_pb2.py", "b/x.py"]
    assert found(cwd, extend_exclude=("a/b",)) == ["a/gen/x.py", "a/y_pb2.py", "b/x.py", "gen/x.py"]
    assert found(cwd, exclude=("*_pb2.py", "./gen")) == ["a/b/x.py", "a/gen/x.py", "b/x.py"]


def test_excludes_are_relative_to_the_root(tree: Tree) -> None:
    top = tree("p/a/x.py", "p/b/x.py")
    settings = Settings(root=(top / "p").as_posix(), exclude=("a/x.py",))
    assert [file.path for file in discover(["p"], settings, top).files] == ["p/b/x.py"]


def test_named_paths_are_taken_though_excluded(tree: Tree) -> None:
    cwd = tree("gen/x.py", "gen/y.py", "z.py")
    assert found(cwd, "gen", "z.py", extend_exclude=("gen", "z.py")) == ["gen/x.py", "gen/y.py", "z.py"]


def test_force_exclude(tree: Tree) -> None:
    cwd = tree("gen/deep/x.py", "z.py", "a.py")
    excluded = {"extend_exclude": ("gen", "z.py"), "force_exclude": True}
    assert found(cwd, "gen/deep/x.py", "gen/deep", "gen", "z.py", "a.py", **excluded) == ["a.py"]


def test_folders_above_the_root_do_not_exclude(tree: Tree) -> None:
    cwd = tree("build/project/x.py")
    settings = Settings(root=(cwd / "build/project").as_posix(), exclude=("build",))
    assert not is_excluded(cwd / "build/project/x.py", settings)
    assert is_excluded(cwd / "build/project/build/x.py", settings)


# Settings of nested folders.


def test_nested_configuration_governs_its_folder(tree: Tree, write: Write) -> None:
    cwd = tree("top/gen/x.py", "top/sub/gen/y.py", "top/sub/own/z.py")
    write("top/h2dlint.toml", 'extend-exclude = ["gen"]\n')
    write("top/sub/h2dlint.toml", 'extend-exclude = ["own"]\ncold = true\n')
    settings = load_settings(["top"], cwd, rules=NAMES)
    result = discover(["top"], settings, cwd)
    assert [file.path for file in result.files] == ["top/sub/gen/y.py"]
    own = result.files[0].settings
    assert own is not None and own.cold is True and own.root == (cwd / "top/sub").as_posix()


def test_a_file_has_the_same_settings_whatever_paths_are_given(tree: Tree, write: Write) -> None:
    cwd = tree("a/x.py", "b/y.py")
    write("h2dlint.toml", "")
    write("a/h2dlint.toml", "cold = true\n")
    for paths in (["."], ["a"], ["a/x.py"], ["a", "b"], ["b", "a/x.py"]):
        settings = load_settings(paths, cwd, rules=NAMES)
        files = {file.path: file.settings or settings for file in discover(paths, settings, cwd).files}
        assert files["a/x.py"].cold is True
        assert "b/y.py" not in files or files["b/y.py"].cold is False


def test_broken_nested_configuration_is_an_error(tree: Tree, write: Write) -> None:
    cwd = tree("a/b/x.py")
    write("h2dlint.toml", "")
    write("a/b/h2dlint.toml", "colld = true\n")
    settings = load_settings([], cwd, rules=NAMES)
    with pytest.raises(ConfigError, match=r"a/b/h2dlint\.toml"):
        discover([], settings, cwd)


# What cannot be looked at.


def test_missing_path_is_an_error_and_the_others_are_found(tree: Tree) -> None:
    result = run(tree("x.py"), "nope.py", "x.py", "x.py/y.py", "no/such")
    assert [file.path for file in result.files] == ["x.py"]
    assert [(error.path, error.kind) for error in result.errors] == [
        ("no/such", ErrorKind.UNREADABLE),
        ("nope.py", ErrorKind.UNREADABLE),
        ("x.py/y.py", ErrorKind.UNREADABLE),
    ]
    assert result.errors[1].message == "No such file or directory"


def test_null_byte_in_a_path(tree: Tree) -> None:
    assert "null" in run(tree("x.py"), "a\0b").errors[0].message


def test_unreadable_folder_is_an_error_and_the_others_are_walked(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    cwd = tree("a/x.py", "secret/y.py", "z.py")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if os.path.basename(path) == "secret":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    result = run(cwd)
    assert [file.path for file in result.files] == ["a/x.py", "z.py"]
    assert [(e.path, e.kind, e.message) for e in result.errors] == [
        ("secret", ErrorKind.UNREADABLE, "Permission denied")
    ]


def test_pipes_are_skipped_and_never_opened(tree: Tree) -> None:
    cwd = tree("a.py")
    os.mkfifo(cwd / "pipe.py")
    assert found(cwd) == ["a.py"]
    named = run(cwd, "pipe.py", "a.py")
    assert [file.path for file in named.files] == ["a.py"]
    assert [(error.path, error.message) for error in named.errors] == [("pipe.py", "not a regular file")]


# Symbolic links.


def test_links_to_folders_are_not_followed(tree: Tree) -> None:
    cwd = tree("a/x.py")
    (cwd / "a/loop").symlink_to(cwd / "a")
    (cwd / "a/up").symlink_to("..")
    (cwd / "b").symlink_to("a")
    assert found(cwd) == ["a/x.py"]


def test_named_link_to_a_folder_is_walked(tree: Tree) -> None:
    cwd = tree("a/x.py")
    (cwd / "b").symlink_to("a")
    assert found(cwd, "b") == ["b/x.py"]
    assert found(cwd, "b", "a") == ["a/x.py"]


def test_linked_file_goes_by_its_own_name(tree: Tree) -> None:
    cwd = tree("z.py", "outside/real.py")
    (cwd / "a.py").symlink_to("z.py")
    (cwd / "b").mkdir()
    (cwd / "b/link.py").symlink_to("../outside/real.py")
    assert found(cwd) == ["outside/real.py", "z.py"]
    assert found(cwd, "b") == ["b/link.py"]
    assert found(cwd, "a.py") == ["a.py"]


def test_broken_link_is_an_error_only_where_it_is_named(tree: Tree) -> None:
    cwd = tree("a.py")
    (cwd / "gone.py").symlink_to("nowhere.py")
    (cwd / "self.py").symlink_to("self.py")
    (cwd / "notes").symlink_to("nowhere")
    result = run(cwd)
    assert [file.path for file in result.files] == ["a.py"]
    assert [error.path for error in result.errors] == ["self.py"]
    (error,) = run(cwd, "gone.py").errors
    assert error.message == "broken symbolic link: No such file or directory"


def test_dots_behind_a_link_mean_what_the_system_means(tree: Tree) -> None:
    cwd = tree("a/deep/x.py", "a/y.py", "y.py")
    (cwd / "link").symlink_to("a/deep")
    assert found(cwd, "link/../y.py") == ["a/y.py"]


def test_two_runs_agree(tree: Tree) -> None:
    cwd = tree(*(f"{folder}/{name}.py" for folder in "abc" for name in "xyz"))
    assert run(cwd, "c", "a", "b") == run(cwd, "b", "c", "a") == replace(run(cwd))
