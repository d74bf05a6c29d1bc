"""Known findings: written, recognised after edits, dropped when they are gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Project


def entries(project: Project, name: str = "known.json") -> list[tuple[str, str, str, int]]:
    document: dict[str, Any] = json.loads(project.read(name))
    return [
        (path, row["code"], row["statement"], row.get("count", 1))
        for path, rows in document["findings"].items()
        for row in rows
    ]


@pytest.fixture
def known(mixed: Project) -> Project:
    """``a.py`` with three findings, all of them in ``known.json``."""
    done = mixed("check", "--write-baseline", "known.json")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "Wrote 3 findings to known.json.\n"
    return mixed


def test_what_is_known_is_not_reported(known: Project) -> None:
    done = known("check", "--baseline", "known.json")
    assert done.exit_code == 0
    assert "3 in the baseline (--no-baseline)" in done.stdout
    assert known("check").exit_code == 1


def test_a_configured_baseline(known: Project) -> None:
    known.write("h2dlint.toml", 'baseline = "known.json"\n')
    assert known("check").exit_code == 0
    assert known("check", "--no-baseline").exit_code == 1
    known.write("sub/c.py", "slow(9)\n")
    assert known("check", "sub").exit_code == 1


def test_edits_elsewhere_and_formatting_change_nothing(known: Project) -> None:
    known.write(
        "a.py",
        "import os\n\n\nif os:\n    slow(\n        1,  # why\n    )\nrisky( 2 )\nadvise(3)\nseldom(4)\ndoubt(5)\n",
    )
    before = known.read("known.json")
    assert known("check", "--baseline", "known.json").exit_code == 0
    assert known.read("known.json") == before


def test_a_new_finding_is_reported_alone(known: Project) -> None:
    known.write("a.py", "slow(1)\nrisky(2)\nslow(1)\nadvise(3)\n")
    done = known("check", "--baseline", "known.json", "--output-format", "json")
    assert done.exit_code == 1
    assert [finding["line"] for finding in json.loads(done.stdout)["findings"]] == [3]
    assert json.loads(done.stdout)["summary"]["baseline"] == 3


def test_it_shrinks_and_says_so(known: Project) -> None:
    known.write("a.py", "slow(1)\n")
    done = known("check", "--baseline", "known.json")
    assert done.exit_code == 0
    assert "known.json: dropped 2 findings that are gone:" in done.stderr
    assert "  a.py: HTD201: advise(3)\n" in done.stderr
    assert entries(known) == [("a.py", "HTD101", "slow(1)", 1)]
    again = known("check", "--baseline", "known.json")
    assert "dropped" not in again.stderr
    known.write("a.py", "slow(1)\nrisky(2)\n")
    assert known("check", "--baseline", "known.json").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("b.py",),
        ("--select", "HTD101"),
        ("--ignore", "HTD101"),
        ("--min-confidence", "high"),
        ("--diff",),
        ("--per-file-ignores", "a.py:HTD101"),
    ],
)
def test_it_does_not_shrink_where_not_everything_was_looked_for(
    known: Project, arguments: tuple[str, ...]
) -> None:
    known.write("a.py", "fast(1)\n")
    before = known.read("known.json")
    known("check", "--baseline", "known.json", *arguments)
    assert known.read("known.json") == before


@pytest.mark.parametrize(
    "arguments", [("--select", "HTD101"), ("--ignore", "HTD201"), ("--min-confidence", "high", "--no-cold")]
)
def test_writing_it_keeps_what_was_not_looked_for(known: Project, arguments: tuple[str, ...]) -> None:
    before = set(entries(known))
    known.write("a.py", "slow((1))\nrisky(2)\nslow(7)\nadvise(3)\n")
    done = known("check", "--write-baseline", "known.json", *arguments)
    assert done.exit_code == 0
    after = {(path, code, text.replace("((1))", "(1)"), count) for path, code, text, count in entries(known)}
    assert after == before | {("a.py", "HTD101", "slow(7)", 1)}
    if "--select" in arguments:
        assert "Wrote 2 findings (and kept 2 that this run did not look for)" in done.stderr
    # Without narrowing it holds what is there.
    known.write("a.py", "slow(7)\n")
    known("check", "--write-baseline", "known.json")
    assert entries(known) == [("a.py", "HTD101", "slow(7)", 1)]


def test_a_file_that_is_gone_or_broken(known: Project) -> None:
    known.write("a.py", "slow(1\n")
    before = known.read("known.json")
    assert known("check", "--baseline", "known.json").exit_code == 2
    assert known.read("known.json") == before
    (known.root / "a.py").unlink()
    assert known("check", "--baseline", "known.json", "b.py").exit_code == 0
    assert known.read("known.json") == before
    assert "dropped 3 findings" in known("check", "--baseline", "known.json").stderr
    assert entries(known) == []
    assert known("check", "--baseline", "known.json").exit_code == 0


def test_what_is_known_is_not_fixed(known: Project) -> None:
    known.write("a.py", "slow(1)\nslow(2)\nrisky(2)\nadvise(3)\n")
    done = known("check", "--fix", "--baseline", "known.json")
    assert done.exit_code == 0, done.output
    assert known.read("a.py") == "slow(1)\nfast(2)\nrisky(2)\nadvise(3)\n"


def test_a_known_finding_whose_statement_a_fix_changes_stays_known(project: Project) -> None:
    project.write("a.py", "use(slow(1), x)\n")
    project("check", "--write-baseline", "known.json")
    project.write("a.py", "use(slow(1), x)\nuse(risky(2), y)\n")
    project("check", "--write-baseline", "known.json")
    project.write("a.py", "use(slow(1), x)\nuse(risky(2), slow(3))\n")
    # The statement changed, so both findings in it are new now; one of them is fixed.
    done = project("check", "--fix", "--baseline", "known.json")
    assert done.exit_code == 1
    assert project.read("a.py") == "use(slow(1), x)\nuse(risky(2), fast(3))\n"
    assert entries(project) == [("a.py", "HTD101", "use(slow(1),x)", 1)]


def test_one_of_two_in_a_statement(project: Project) -> None:
    project.write("a.py", "use(slow(1), slow(2))\n")
    project("check", "--write-baseline", "known.json")
    document = json.loads(project.read("known.json"))
    (row,) = document["findings"]["a.py"]
    assert row.pop("count") == 2
    project.write("known.json", json.dumps(document))
    project("check", "--fix", "--baseline", "known.json")
    assert project.read("a.py") == "use(slow(1), fast(2))\n"
    assert entries(project) == [("a.py", "HTD101", "use(slow(1),fast(2))", 1)]
    assert project("check", "--baseline", "known.json").exit_code == 0


def test_statistics_show_old_and_new(known: Project) -> None:
    known.write("a.py", "slow(1)\nrisky(2)\nadvise(3)\nslow(7)\nslow(8)\n")
    done = known("check", "--statistics", "--baseline", "known.json", "--quiet")
    assert done.stdout == (
        "  new    old  rule\n    2      1  HTD101 [*] slow-call\n    0      2  HTD201 [ ] odd-call\n"
    )
    rows = json.loads(
        known("check", "--statistics", "--baseline", "known.json", "--output-format", "json").stdout
    )
    assert [(row["code"], row["count"], row["baseline"]) for row in rows] == [
        ("HTD101", 2, 1),
        ("HTD201", 0, 2),
    ]


def test_writing_again_keeps_what_was_not_checked(known: Project) -> None:
    known.write("c.py", "slow(6)\n")
    done = known("check", "--write-baseline", "known.json", "c.py")
    assert "Wrote 1 finding (and kept 3 of files that were not checked) to known.json." in done.stderr
    assert [entry[0] for entry in entries(known)] == ["a.py", "a.py", "a.py", "c.py"]


def test_paths_are_relative_to_the_baseline(known: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    known.write("sub/c.py", "slow(6)\n")
    known("check", "--write-baseline", "ci/known.json")
    assert [entry[0] for entry in entries(known, "ci/known.json")] == ["../a.py"] * 3 + ["../sub/c.py"]
    monkeypatch.chdir(known.root / "sub")
    assert known("check", "--baseline", "../ci/known.json").exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "known.json is not a baseline of h2dlint"),
        ("[]", "is not a baseline"),
        ('{"version": 2, "findings": {}}', "has version 2, not 1"),
        ('{"version": 1, "findings": {"a.py": [{"code": 1}]}}', "is not a baseline"),
        (
            '{"version": 1, "findings": {"a.py": [{"code":"x","function":"","statement":"","count":-1}]}}',
            "is not",
        ),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_what_is_no_baseline_is_neither_read_nor_overwritten(
    mixed: Project, text: str | bytes, message: str
) -> None:
    path = mixed.write("known.json", text)
    before = path.read_bytes()
    for option in ("--baseline", "--write-baseline"):
        done = mixed("check", option, "known.json")
        assert done.exit_code == 2
        assert message in done.stderr
    assert path.read_bytes() == before


def test_a_baseline_that_is_not_there(mixed: Project) -> None:
    done = mixed("check", "--baseline", "nowhere.json")
    assert done.exit_code == 2
    assert "cannot be read" in done.stderr
    assert "--write-baseline writes one" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--write-baseline", "k.json", "--fix"),
        ("--write-baseline", "k.json", "--diff-only", "HEAD"),
        ("--write-baseline", "k.json", "--add-noqa"),
        ("--write-baseline", "k.json", "-"),
        ("--baseline", "k.json", "--no-baseline"),
        ("--add-noqa", "--diff"),
        ("--diff-only", "HEAD", "-"),
    ],
)
def test_what_does_not_go_together(mixed: Project, arguments: tuple[str, ...]) -> None:
    done = mixed("check", *arguments)
    assert done.exit_code == 2
    assert "cannot be used" in done.stderr
    assert not Path("k.json").exists()


def test_standard_input_has_the_baseline_of_its_name(known: Project) -> None:
    known.write("h2dlint.toml", 'baseline = "known.json"\n')
    before = known.read("known.json")
    assert known("check", "--stdin-filename", "a.py", stdin="slow(1)\n").exit_code == 0
    assert known("check", "--stdin-filename", "a.py", stdin="slow(2)\n").exit_code == 1
    assert known.read("known.json") == before


def test_sarif_tells_known_from_new(known: Project) -> None:
    known.write("a.py", "slow(1)\nslow(9)\nslow(8)  # noqa: HTD101 so it is\n")
    done = known("check", "--baseline", "known.json", "--output-format", "sarif")
    results = json.loads(done.stdout)["runs"][0]["results"]
    kinds = [[each["kind"] for each in result["suppressions"]] for result in results]
    assert kinds == [["external"], [], ["inSource"]]
    cached = known("check", "--baseline", "known.json", "--output-format", "sarif")
    assert cached.stdout == done.stdout
