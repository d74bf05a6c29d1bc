from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from h2dlint.engine.faults import DEEP
from h2dlint.engine.runner import MAX_BYTES, lint_source
from h2dlint.engine.settings import Settings
from h2dlint.model import ErrorKind
from h2dlint.syntax.limits import MAX_DEPTH, MAX_MARKS

ROOT = Path(__file__).parents[2]
HEAD = "import torch\n\n\ndef forward(self, n, d):\n    y = torch.tensor([1, 2, {}], device=d)\n"
MANY = 10_000
DEEP_ONES = {
    "parentheses": "(" * MANY + "n" + ")" * MANY,
    "lists": "[" * MANY + "n" + "]" * MANY,
    "calls": "f(" * MANY + "n" + ")" * MANY,
    "attributes": "n" + ".b" * MANY,
    "methods": "n" + ".b()" * MANY,
    "subscripts": "n" + "[0]" * MANY,
    "sums": "n" + "+n" * MANY,
    "powers": "n" + "**n" * MANY,
    "signs": "-" * MANY + "n",
    "not": "not " * MANY + "n",
    "and": "n" + " and n" * MANY,
    "comparisons": "n" + "<n" * MANY,
    "conditions": "n if n else " * MANY + "n",
    "lambdas": "lambda: " * MANY + "n",
    "strings": "'a' " * MANY,
    "f-strings": "f'{n}' " * MANY,
    "just allowed": "f(" * 150 + "n" + ")" * 150,
    "a thousand sums": "n" + "+n" * 1000,
    "a thousand methods": "n" + ".b()" * 1000,
}
OUTSIDE = {
    "elif": "if a:\n    pass\n" + "elif a:\n    pass\n" * MANY,
    "blocks": "".join(" " * i + "if a:\n" for i in range(3000)) + " " * 3000 + "pass\n",
    "targets": "a = " * MANY + "1\n",
    "decorators": "@a\n" * MANY + "def f(): pass\n",
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "h2dlint", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_no_nesting_ends_the_process(tmp_path: Path) -> None:
    for name, inner in DEEP_ONES.items():
        (tmp_path / f"{name}.py").write_text(HEAD.format(inner), encoding="utf-8")
    for name, text in OUTSIDE.items():
        (tmp_path / f"{name}.py").write_text(HEAD.format("n") + text, encoding="utf-8")
    for command in (["check", "--no-cache", "--output-format", "json"], ["fix", "--diff", "--unsafe-fixes"]):
        done = run(tmp_path, *command, ".")
        assert done.returncode == 2, done.stderr[-2000:]
        assert "Error:" not in done.stderr and "internal" not in done.stderr
        if command[0] == "check":
            report = json.loads(done.stdout)
            seen = {each["path"] for each in (*report["findings"], *report["errors"])}
            assert seen == {f"{name}.py" for name in (*DEEP_ONES, *OUTSIDE)}
            found = {each["path"]: each for each in report["findings"]}
            assert {"just allowed.py", "and.py", "strings.py", "comparisons.py"} <= found.keys()
            assert found["just allowed.py"]["fix"]["edits"]
            assert not (found["and.py"]["fix"] or {}).get("edits")
            assert "nested too deeply, or too large, to be rewritten" in str(found["and.py"]["evidence"])
            assert {each["kind"] for each in report["errors"]} <= {"syntax", "too-large"}


def lint(data: bytes, path: str = "x.py") -> tuple[str, str]:
    result = lint_source(path, data, Settings())
    (error,) = result.errors
    return error.kind.value, error.message


def test_what_does_not_fit_on_the_usual_stack_gets_a_deeper_one() -> None:
    assert not lint_source("x.py", HEAD.format("n" + "+n" * 600).encode(), Settings()).errors


def test_where_there_is_no_deeper_stack_the_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(run: Callable[[], object]) -> object:
        raise RecursionError("the system gives no deep stack")

    monkeypatch.setattr("h2dlint.engine.deep.deeply", refused)
    # Tests of the command line raise it for the whole process.
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    try:
        kind, message = lint(HEAD.format("n" + "+n" * 600).encode())
    finally:
        sys.setrecursionlimit(before)
    assert (kind, message) == (
        "too-large",
        f"nested too deeply to be analysed: over {DEEP} levels, more than fit on Python's stack",
    )
    assert MAX_DEPTH > DEEP


def test_a_literal_of_a_million_elements_is_refused_before_it_is_parsed() -> None:
    kind, message = lint(HEAD.format("1," * 1_000_000).encode())
    assert kind == "too-large" and f"over {MAX_MARKS:,} marks" in message


def test_text_in_one_long_line_is_no_code() -> None:
    text = HEAD.format("n") + f"z = '{'a' * 10_000_000}'\n"
    assert not lint_source("x.py", text.encode(), Settings(min_confidence=Settings().min_confidence)).errors


def test_a_file_of_100_megabytes_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "big.py", "wb") as stream:
        stream.write(b"import torch\n")
        stream.truncate(100 * 1024 * 1024)
    done = run(tmp_path, "check", "--no-cache", ".")
    assert done.returncode == 2
    assert f"big.py: 100.0 MiB; files over {MAX_BYTES // 2**20} MiB are not linted" in done.stderr


@pytest.mark.parametrize("command", [["check", "-"], ["fix", "-"]])
def test_standard_input_has_an_end(tmp_path: Path, command: list[str]) -> None:
    with open("/dev/zero", "rb") as endless:
        done = subprocess.run(
            [sys.executable, "-m", "h2dlint", *command],
            stdin=endless,
            capture_output=True,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert done.returncode == 2 and done.stdout == b""
    assert b"standard input: files over 20 MiB are not linted" in done.stderr


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"import torch\nx = '\0'\n", "syntax", "null bytes"),
        ("import torch\n".encode("utf-16"), "encoding", "UTF-16 is not an encoding of Python source"),
        ("import torch\n".encode("utf-16-be"), "syntax", "null bytes"),
        (b"import torch\nx = '\xed\xa0\x80'\n", "encoding", "not valid utf-8"),
        (b"# coding: no-such\nimport torch\n", "encoding", "unknown encoding: no-such"),
        (b"# coding: hex\nimport torch\n", "encoding", "not a text encoding"),
        (b"# coding: zip\nimport torch\n", "encoding", "not a text encoding"),
        (b"# coding: punycode\nimport torch\n", "encoding", "encoding punycode is not read"),
        (b"# coding: idna\nimport torch\n", "encoding", "encoding idna is not read"),
        (b"# coding: undefined\nimport torch\n", "encoding", "undefined"),
        (b"\xef\xbb\xbf\xef\xbb\xbfimport torch\n", "syntax", "U+FEFF"),
        (HEAD.format("9" * 100_000).encode(), "syntax", "4300 digits"),
    ],
)
def test_bytes_that_are_no_source(data: bytes, kind: str, words: str) -> None:
    found, message = lint(data)
    assert found == kind and words in message


LARGE = json.dumps(
    {
        "nbformat": 4,
        "cells": [{"cell_type": "code", "source": "import torch\n" + "torch.tensor(x).cuda()\n" * 200_000}],
    }
)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ('{"cells":[{"source":"import torch","x":' + "[" * 100_000 + "]" * 100_000 + "}]}", "nested too deeply"),
        ('{"cells":[null, "torch"],"nbformat":4}', "Expecting"),
        ('{"cells":{"torch":1},"nbformat":4}', "no list of cells"),
        ('{"nbformat":NaN,"cells":[],"torch":1}', "format nan"),
        ('{"nbformat":' + "9" * 5000 + ',"cells":[],"torch":1}', "4300 digits"),
        (LARGE, "marks"),
        ('{"nbformat":4,"cells":[{"cell_type":"code","source":"import torch\\nx=\'\\u0000\'"}]}', "null bytes"),
    ],
    ids=["deep", "null", "object", "nan", "digits", "large", "nul"],
)  # fmt: skip
def test_documents_that_are_no_notebook(document: str, words: str) -> None:
    assert words in lint(document.encode(), "x.ipynb")[1]


def test_many_directives_in_one_comment_take_no_time() -> None:
    text = HEAD.format("n") + "# h2dlint: ignore[" * 25_000 + "\n"
    result = lint_source("x.py", text.encode(), Settings())
    assert all(error.kind is not ErrorKind.INTERNAL for error in result.errors)


def test_many_functions_of_one_name_take_no_time() -> None:
    cell = "def forward(self, d):\n    return torch.tensor([1, n], device=d)\n"
    result = lint_source("x.py", ("import torch\n" + cell * 1000).encode(), Settings())
    assert len(result.findings) == 1000
