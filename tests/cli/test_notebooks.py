"""Notebooks, from the command line: cells are one program, and the file stays as it is where nothing is fixed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Project
from tests.syntax.test_notebook import notebook, sources

MARKDOWN = {"cell_type": "markdown", "metadata": {}, "source": ["slow(1)\n"]}
THREE = notebook(
    MARKDOWN, ["%matplotlib inline\n", "x = 1\n", "slow(x)"], ["y = 2\n", "slow(y)  # é\n", "risky(y)"]
)


def test_positions_are_those_of_cells(project: Project) -> None:
    project.write("a.ipynb", THREE)
    result = project("check", "--output-format", "concise", "-q")
    assert result.exit_code == 1
    places = [line.split(": ")[0] for line in result.stdout.splitlines()]
    assert places == ["a.ipynb:cell 2:3:1", "a.ipynb:cell 3:2:1", "a.ipynb:cell 3:3:1"]


def test_full_shows_the_cell_as_it_stands(project: Project) -> None:
    project.write("a.ipynb", THREE)
    text = project("check", "-q").stdout
    assert "--> a.ipynb:cell 2:3:1" in text
    assert "1 | %matplotlib inline\n2 | x = 1\n3 | slow(x)\n  | ^^^^^^^" in text
    assert "  - slow(x)\n3 + fast(x)" in text
    # What is shown ends with the cell.
    assert "y = 2" not in text.partition("cell 3")[0]


def test_json_names_the_cell(project: Project) -> None:
    project.write("a.ipynb", THREE)
    project.write("b.py", "slow(1)\n")
    found = json.loads(project("check", "--output-format", "json").stdout)["findings"]
    assert [(f["path"], f["cell"], f["line"]) for f in found] == [
        ("a.ipynb", 2, 3),
        ("a.ipynb", 3, 2),
        ("a.ipynb", 3, 3),
        ("b.py", None, 1),
    ]
    edit = found[1]["fix"]["edits"][0]
    assert (edit["cell"], edit["line"], edit["column"], edit["content"]) == (3, 2, 1, "fast")
    assert found[3]["fix"]["edits"][0]["cell"] is None


def test_fix_changes_the_strings_of_changed_cells_only(project: Project) -> None:
    raw = THREE.replace('"metadata": {}', '"metadata":   {}')
    project.write("a.ipynb", raw)
    result = project("fix", "a.ipynb")
    assert result.exit_code == 1, "the unsafe one is left"
    after = project.read("a.ipynb")
    assert after == raw.replace('"slow(x)"', '"fast(x)"').replace('"slow(y)  # é', '"fast(y)  # é')
    assert project("fix", "--unsafe-fixes", "a.ipynb").exit_code == 0
    assert sources(project.read("a.ipynb").encode())[1:] == [
        "%matplotlib inline\nx = 1\nfast(x)",
        "y = 2\nfast(y)  # é\nfast(y)",
    ]
    assert json.loads(project.read("a.ipynb"))["cells"][0] == MARKDOWN


def test_diff_is_by_cell_and_a_patch_is_of_the_file(project: Project) -> None:
    project.write("a.ipynb", THREE)
    diff = project("check", "--diff", "a.ipynb").stdout
    assert "--- a.ipynb:cell 2\t\n+++ a.ipynb:cell 2\t\n@@ -1,3 +1,3 @@\n %matplotlib inline\n" in diff
    assert "-slow(x)\n+fast(x)\n--- a.ipynb:cell 3" in diff
    assert project.read("a.ipynb") == THREE
    project("fix", "--patch", "out.patch", "a.ipynb")
    patch = project.read("out.patch")
    assert patch.startswith("--- a/a.ipynb\n+++ b/a.ipynb\n")
    assert '-    "slow(x)"\n+    "fast(x)"\n' in patch


def test_standard_input(project: Project) -> None:
    result = project("check", "--stdin-filename", "a.ipynb", "--output-format", "concise", "-q", stdin=THREE)
    assert result.stdout.startswith("a.ipynb:cell 2:3:1: HTD101")
    fixed = project("check", "--fix", "--stdin-filename", "a.ipynb", "-q", stdin=THREE)
    assert fixed.stdout == THREE.replace('"slow(x)', '"fast(x)').replace('"slow(y)', '"fast(y)')


@pytest.mark.parametrize(
    "comment", ["# noqa: HTD101", "# h2dlint: ignore[HTD101] wanted", "# gpu-sync-ok: wanted"]
)
def test_suppressions_in_cells(project: Project, comment: str) -> None:
    project.write("a.ipynb", notebook([f"slow(1)  {comment}\n"], ["slow(2)"]))
    result = project("check", "--output-format", "concise", "-q")
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == ["a.ipynb:cell 2:1:1"]


def test_a_comment_that_says_nothing_is_told_of_by_cell(project: Project) -> None:
    project.write("a.ipynb", notebook(["x = 1"], ["\n", "slow(1)  # h2dlint: ignore[HTD999]"]))
    assert "a.ipynb:cell 2:2: suppression ignored" in project("check").stderr


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("{", "error: a.ipynb:1: not a notebook"),
        (notebook(["x = 1"], ["y = (\n"]), "error: a.ipynb:cell 2:1: "),
        (b'{"cells": ["\xff"]}', "error: a.ipynb: not valid utf-8"),
    ],
)
def test_a_broken_notebook_is_an_error(project: Project, raw: str | bytes, message: str) -> None:
    project.write("a.ipynb", raw)
    project.write("b.py", "slow(1)\n")
    result = project("check", "--output-format", "json")
    assert result.exit_code == 2
    assert message in result.stderr
    report = json.loads(result.stdout)
    assert [finding["path"] for finding in report["findings"]] == ["b.py"]
    assert report["errors"][0]["kind"] == ("encoding" if isinstance(raw, bytes) else "syntax")


def test_verdicts_on_notebooks_are_kept(project: Project) -> None:
    project.write("a.ipynb", THREE)
    first = project("check", "--output-format", "json", "--cache-dir", "kept").stdout
    assert project("check", "--output-format", "json", "--cache-dir", "kept").stdout == first


def test_formats_without_cells_are_given_lines_of_the_file(project: Project, monkeypatch: Any) -> None:
    from h2dlint.report.concise import ConciseReporter

    monkeypatch.setattr(ConciseReporter, "cells", False)
    project.write("a.ipynb", THREE)
    lines = project("check", "--output-format", "concise", "-q").stdout.splitlines()
    numbers = [int(line.split(":")[1]) for line in lines]
    file = THREE.splitlines()
    assert [file[number - 1].strip(' ",') for number in numbers] == ["slow(x)", "slow(y)  # é\\n", "risky(y)"]
    assert "(line 3 of cell 2)" in lines[0]
