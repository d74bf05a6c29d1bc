from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from h2dlint.engine.config import ConfigError, load_settings
from h2dlint.engine.settings import Selection, Settings
from h2dlint.model import Confidence, Options
from tests.engine.fakes import NAMES

Write = Callable[[str, str], Path]
Tree = Callable[..., Path]


def load(cwd: Path, *paths: str, **overrides: object) -> Settings:
    return load_settings(paths, cwd, overrides=overrides, rules=NAMES)


def message(cwd: Path, *paths: str, **overrides: object) -> str:
    with pytest.raises(ConfigError) as error:
        load(cwd, *paths, **overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_key(write: Write, tmp_path: Path) -> None:
    write(
        "pyproject.toml",
        """
        [tool.h2dlint]
        select = ["HTD1", "calls-ping"]
        ignore = ["HTD101"]
        extend-select = ["HTD2"]
        exclude = ["a"]
        extend-exclude = ["b/c"]
        respect-gitignore = false
        force-exclude = true
        cold = true
        min-confidence = "high"
        unsafe-fixes = true
        output-format = "json"
        assume-cuda = true
        entry-points = ["Runner.step"]
        strict-pageable = true
        torch-version = "2.8.1"
        [tool.h2dlint.per-file-ignores]
        "tests/*" = ["HTD"]
        "!src/*" = ["HTD102"]
        """,
    )
    assert replace(load(tmp_path), nested=None) == Settings(
        root=tmp_path.as_posix(),
        select=("HTD1", "calls-ping"),
        ignore=("HTD101",),
        extend_select=("HTD2",),
        per_file_ignores=(("tests/*", ("HTD",)), ("!src/*", ("HTD102",))),
        exclude=("a",),
        extend_exclude=("b/c",),
        respect_gitignore=False,
        force_exclude=True,
        cold=True,
        min_confidence=Confidence.HIGH,
        unsafe_fixes=True,
        output_format="json",
        options=Options(
            assume_cuda=True, entry_points=("Runner.step",), strict_pageable=True, torch_version=(2, 8)
        ),
        config_file=str(tmp_path / "pyproject.toml"),
    )


def test_settings_are_hashable(write: Write, tmp_path: Path) -> None:
    write("h2dlint.toml", '[per-file-ignores]\n"a" = ["HTD"]\n')
    assert hash(load(tmp_path)) == hash(load(tmp_path))


def test_without_configuration_the_defaults_hold(tmp_path: Path) -> None:
    found = load(tmp_path, **{"cold": None})
    assert replace(found, root=".") == Settings()


# Where the configuration comes from.


def test_nearest_folder_wins_and_nothing_is_inherited(write: Write, tmp_path: Path) -> None:
    write("pyproject.toml", "[tool.h2dlint]\ncold = true\nassume-cuda = true\n")
    write("a/pyproject.toml", "[tool.other]\nx = 1\n")
    write("a/b/h2dlint.toml", "cold = false\n")
    assert load(tmp_path, "a").root == tmp_path.as_posix()
    inner = load(tmp_path, "a/b")
    assert inner.root == (tmp_path / "a/b").as_posix()
    assert inner.options == Options()


def test_precedence_within_a_folder(write: Write, tmp_path: Path) -> None:
    write("pyproject.toml", '[tool.h2dlint]\noutput-format = "pyproject"\n')
    assert load(tmp_path).output_format == "pyproject"
    write("h2dlint.toml", 'output-format = "plain"\n')
    assert load(tmp_path).output_format == "plain"
    write(".h2dlint.toml", 'output-format = "dot"\n')
    assert load(tmp_path).output_format == "dot"


def test_empty_table_is_a_configuration(write: Write, tmp_path: Path) -> None:
    write("pyproject.toml", "[tool.h2dlint]\n")
    (tmp_path / "a/.git").mkdir(parents=True)
    assert load(tmp_path, "a").root == tmp_path.as_posix()


def test_common_folder_of_several_paths(write: Write, tree: Tree) -> None:
    cwd = tree("a/b/x.py", "a/c/y.py")
    write("a/h2dlint.toml", "cold = true\n")
    write("a/b/h2dlint.toml", "cold = false\n")
    assert load(cwd, "a/b/x.py").cold is False
    assert load(cwd, "a/b/x.py", "a/c/y.py").cold is True
    assert load(cwd, "a/b/no/such/file.py").cold is False


def test_nested_settings_carry_the_command_line(write: Write, tmp_path: Path) -> None:
    write("h2dlint.toml", 'select = ["HTD101"]\n')
    write("a/h2dlint.toml", 'select = ["HTD102"]\nextend-exclude = ["own"]\n')
    top = load(tmp_path, cold=True, ignore=["HTD3"], extend_exclude=["given"])
    assert top.nested is not None
    inner = top.nested(tmp_path / "a" / "deeper")
    assert inner.select == ("HTD102",)
    assert inner.cold is True
    assert inner.command_line == Selection(None, ("HTD3",))
    assert inner.extend_exclude == ("own", "given")
    assert inner.root == (tmp_path / "a").as_posix()


def test_root_is_the_folder_with_git(tree: Tree) -> None:
    cwd = tree("repo/.git/config", "repo/pkg/__init__.py", "repo/pkg/sub/__init__.py", "repo/pkg/sub/x.py")
    assert load(cwd, "repo/pkg/sub/x.py").root == (cwd / "repo").as_posix()


def test_root_is_the_top_package(tree: Tree) -> None:
    cwd = tree("lib/pkg/__init__.py", "lib/pkg/sub/__init__.py", "lib/pkg/sub/x.py", "lib/loose.py")
    assert load(cwd, "lib/pkg/sub/x.py").root == (cwd / "lib/pkg").as_posix()
    assert load(cwd, "lib/loose.py").root == (cwd / "lib").as_posix()


def test_configuration_beats_git(write: Write, tree: Tree) -> None:
    cwd = tree("sub/.git/config", "sub/x.py")
    write("h2dlint.toml", "")
    assert load(cwd, "sub/x.py").root == cwd.as_posix()


def test_isolated_reads_nothing(write: Write, tmp_path: Path) -> None:
    write("h2dlint.toml", "not TOML at all")
    settings = load_settings([], tmp_path, isolated=True, overrides={"cold": True}, rules=NAMES)
    assert settings.config_file is None
    assert settings.cold is True


def test_explicit_configuration_rules_everywhere(write: Write, tmp_path: Path) -> None:
    write("h2dlint.toml", "cold = false\n")
    file = write("elsewhere/any-name.toml", "cold = true\n")
    settings = load_settings(["x"], tmp_path, config=Path("elsewhere/any-name.toml"), rules=NAMES)
    assert (settings.cold, settings.root, settings.nested) == (True, tmp_path.as_posix(), None)
    assert settings.config_file == str(file)


# What is wrong with it.


def explicit_message(cwd: Path, config: str, isolated: bool = False) -> str:
    with pytest.raises(ConfigError) as error:
        load_settings([], cwd, config=Path(config), isolated=isolated, rules=NAMES)
    return str(error.value)


def test_explicit_configuration_that_is_no_good(write: Write, tmp_path: Path) -> None:
    write("folder/pyproject.toml", "[tool.other]\n")
    assert explicit_message(tmp_path, "no.toml") == "configuration file no.toml does not exist"
    assert explicit_message(tmp_path, "folder") == "configuration file folder is not a file"
    assert explicit_message(tmp_path, "folder/pyproject.toml") == (
        "folder/pyproject.toml: has no [tool.h2dlint] table"
    )
    assert "--isolated" in explicit_message(tmp_path, "folder/pyproject.toml", isolated=True)


BAD = [
    ('selct = ["HTD"]', 'h2dlint.toml: unknown key "selct"; did you mean "select"?'),
    ("min_confidence = 1", 'h2dlint.toml: unknown key "min_confidence"; did you mean "min-confidence"?'),
    ("zzz = 1", 'h2dlint.toml: unknown key "zzz"'),
    ('select = "HTD"', 'h2dlint.toml: "select" must be a list of strings, got the string "HTD"'),
    (
        'select = ["HTD", 3]',
        'h2dlint.toml: "select" must be a list of strings, got a list that holds the integer 3',
    ),
    ("select = {}", 'h2dlint.toml: "select" must be a list of strings, got a table'),
    ('cold = "yes"', 'h2dlint.toml: "cold" must be true or false, got the string "yes"'),
    ("cold = 1", 'h2dlint.toml: "cold" must be true or false, got the integer 1'),
    ("unsafe-fixes = []", 'h2dlint.toml: "unsafe-fixes" must be true or false, got a list'),
    ("output-format = true", 'h2dlint.toml: "output-format" must be a string, got true'),
    (
        "min-confidence = 1.5",
        'h2dlint.toml: "min-confidence" must be "low", "medium" or "high", got the number 1.5',
    ),
    (
        'min-confidence = "hi"',
        'h2dlint.toml: "min-confidence" must be "low", "medium" or "high", got the string "hi"',
    ),
    (
        "per-file-ignores = []",
        'h2dlint.toml: "per-file-ignores" must be a table of patterns with lists of rules, got a list',
    ),
    (
        '[per-file-ignores]\n"a" = "HTD"',
        'h2dlint.toml: "per-file-ignores" must be a table of patterns with lists of rules, '
        'got a table in which "a" is the string "HTD"',
    ),
    ('select = ["htd101"]', 'h2dlint.toml: "select": unknown rule "htd101"; did you mean "HTD101"?'),
    ('ignore = ["E501"]', 'h2dlint.toml: "ignore": unknown rule "E501"'),
    (
        'extend-select = ["calls-pong"]',
        'h2dlint.toml: "extend-select": unknown rule "calls-pong"; did you mean "calls-ping"?',
    ),
    (
        '[per-file-ignores]\n"a" = ["HTD9"]',
        'h2dlint.toml: "per-file-ignores": unknown rule "HTD9"; did you mean "HTD"?',
    ),
    ('exclude = ["a/{b"]', 'h2dlint.toml: "exclude": the pattern "a/{b" has a "{" that is not closed'),
    (
        '[per-file-ignores]\n"![x" = ["HTD"]',
        'h2dlint.toml: "per-file-ignores": the pattern "[x" has a "[" that is not closed',
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_bad_value(write: Write, tmp_path: Path, text: str, expected: str) -> None:
    write("h2dlint.toml", text + "\n")
    found = message(tmp_path)
    assert found == expected or (found.startswith(expected) and "did you mean" in found)


def test_file_is_named_relative_to_the_working_directory(write: Write, tmp_path: Path) -> None:
    write("h2dlint.toml", "zzz = 1\n")
    (tmp_path / "a").mkdir()
    assert message(tmp_path / "a") == f'{tmp_path}/h2dlint.toml: unknown key "zzz"'
    assert message(tmp_path, "a") == 'h2dlint.toml: unknown key "zzz"'


@pytest.mark.parametrize(
    ("text", "line"),
    [("[tool.h2dlint\n", 1), ("[project]\nx = 1\nx = 2\n", 3), ("a = [\n1,\n2", 3), ("x = \n", 1)],
)
def test_broken_toml(write: Write, tmp_path: Path, text: str, line: int) -> None:
    write("pyproject.toml", text)
    assert message(tmp_path).startswith(f"pyproject.toml:{line}: invalid TOML: ")


def test_table_that_is_no_table(write: Write, tmp_path: Path) -> None:
    write("pyproject.toml", "[tool]\nh2dlint = 3\n")
    assert message(tmp_path) == "pyproject.toml: [tool.h2dlint] must be a table"


def test_configuration_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "h2dlint.toml").write_bytes(b"select = ['\xff']\n")
    assert message(tmp_path) == "h2dlint.toml: is not UTF-8"


# The command line.


def test_command_line_replaces(write: Write, tmp_path: Path) -> None:
    write(
        "h2dlint.toml",
        'exclude = ["a"]\nmin-confidence = "high"\nassume-cuda = true\n[per-file-ignores]\n"x" = ["HTD1"]\n',
    )
    found = load(
        tmp_path,
        **{
            "exclude": ["b"],
            "min-confidence": "low",
            "assume-cuda": False,
            "per-file-ignores": ["y:HTD2,z:HTD3", "y:HTD101"],
        },
    )
    assert found.exclude == ("b",)
    assert found.min_confidence is Confidence.LOW
    assert found.options.assume_cuda is False
    assert found.per_file_ignores == (("y", ("HTD2", "HTD101")), ("z", ("HTD3",)))


def test_selectors_may_be_separated_by_commas(tmp_path: Path) -> None:
    found = load(tmp_path, select=["HTD101, HTD102", "calls-ping"], ignore="HTD101")
    assert found.command_line == Selection(("HTD101", "HTD102", "calls-ping"), ("HTD101",))


def test_patterns_of_the_command_line_are_relative_to_the_working_directory(
    write: Write, tmp_path: Path
) -> None:
    write("h2dlint.toml", "")
    cwd = tmp_path / "a"
    cwd.mkdir()
    found = load(cwd, **{"extend-exclude": ["name", "b/c"], "per-file-ignores": {"!b/*": ["HTD"]}})
    assert found.root == tmp_path.as_posix()
    assert found.extend_exclude == ("name", f"{cwd.as_posix()}/b/c")
    assert found.per_file_ignores == ((f"!{cwd.as_posix()}/b/*", ("HTD",)),)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"select": ["HTD10l"]}, '--select: unknown rule "HTD10l"'),
        ({"min_confidence": "hi"}, '--min-confidence must be "low", "medium" or "high", got the string "hi"'),
        ({"per-file-ignores": ["x"]}, '--per-file-ignores: expected PATTERN:RULE, got "x"'),
        ({"per-file-ignores": ["x:"]}, '--per-file-ignores: expected PATTERN:RULE, got "x:"'),
        ({"per-file-ignores": ["x:HTD777"]}, '--per-file-ignores: unknown rule "HTD777"'),
        ({"exclude": ["[x"]}, '--exclude: the pattern "[x" has a "[" that is not closed'),
        ({"colld": True}, 'unknown option --colld; did you mean "cold"?'),
    ],
)
def test_bad_option(tmp_path: Path, overrides: dict[str, object], expected: str) -> None:
    assert message(tmp_path, **overrides).startswith(expected)
