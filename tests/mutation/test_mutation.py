"""Mutants that are told apart from the original are killed, and the others are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mutation import mutate
from tests.mutation.chosen import MODULES, TESTS
from tests.mutation.forking import function_of

LIBRARY = """\
import os


def double(x):
    mutant = os.environ.get("MUTANT_UNDER_TEST")
    if mutant == "lib.x_double__mutmut_1":
        return x + 2
    if mutant == "lib.x_double__mutmut_2":
        while True:
            pass
    if mutant == "lib.x_double__mutmut_3":
        return x + x
    if mutant == "lib.x_double__mutmut_4":
        os._exit(9)
    return 2 * x
"""
CHECKS = """\
import os
import subprocess
import sys

import lib


def test_two(tmp_path):
    assert not list(tmp_path.iterdir())
    (tmp_path / "left").touch()
    assert lib.double(2) == 4


def test_three():
    assert lib.double(3) == 6


def test_another_process():
    done = subprocess.run([sys.executable, "-c", "import lib; print(lib.double(2))"], stdout=subprocess.PIPE)
    assert done.stdout == b"4\\n"
"""
MUTANTS = [f"lib.x_double__mutmut_{number}" for number in (1, 2, 3, 4)] + ["lib.x_other__mutmut_1"]


def project(tmp_path: Path, tests: str = CHECKS) -> Path:
    tree = tmp_path / "tree"
    plugin = tree / "tests" / "mutation"
    plugin.mkdir(parents=True)
    for folder in (plugin, plugin.parent):
        (folder / "__init__.py").touch()
    for name in ("forking.py", "children.py"):
        text = (mutate.ROOT / "tests" / "mutation" / name).read_text(encoding="utf-8")
        (plugin / name).write_text(text, encoding="utf-8")
    (tree / "lib.py").write_text(LIBRARY, encoding="utf-8")
    (tree / "test_lib.py").write_text(tests, encoding="utf-8")
    names = ["test_lib.py::test_two", "test_lib.py::test_three"]
    seconds = {**dict.fromkeys(names, 0.01), "test_lib.py::test_another_process": 1.0}
    covered = {"tests": {"lib.x_double": names}, "seconds": seconds}
    (tmp_path / "covered.json").write_text(json.dumps(covered), encoding="utf-8")
    return tmp_path


def test_each_mutant_is_run_by_its_tests(tmp_path: Path) -> None:
    build = project(tmp_path)
    mutate.run_tests(build, ["test_lib.py"], MUTANTS, minutes=5, seconds=0.5)
    results = mutate.read_results(build / "results.jsonl")
    assert list(results) == MUTANTS
    told = [(row["status"], row["by"], row["tests"]) for row in results.values()]
    assert told == [
        ("killed", "test_lib.py::test_three", 2),
        ("timeout", None, 2),
        ("survived", None, 2),
        ("broke", None, 2),
        ("no tests", None, 0),
    ]


def test_tests_that_are_new_are_run_for_every_mutant(tmp_path: Path) -> None:
    build = project(tmp_path, CHECKS + "\n\ndef test_new():\n    assert lib.double(10) == 20\n")
    mutate.run_tests(build, ["test_lib.py"], [MUTANTS[0], MUTANTS[4]], minutes=5)
    results = mutate.read_results(build / "results.jsonl")
    assert [row["status"] for row in results.values()] == ["killed", "survived"]
    assert results[MUTANTS[0]]["by"] == "test_lib.py::test_new"


def test_only_tests_that_are_new(tmp_path: Path) -> None:
    build = project(tmp_path, CHECKS + "\n\ndef test_new():\n    assert lib.double(1) > 0\n")
    mutate.run_tests(build, ["test_lib.py"], MUTANTS[:1], minutes=5, only_new=True)
    (row,) = mutate.read_results(build / "results.jsonl").values()
    assert (row["status"], row["tests"]) == ("survived", 1)


def test_results_are_those_of_the_files_as_they_are(tmp_path: Path) -> None:
    tree = project(tmp_path) / "tree"
    mutate.forget_stale(tmp_path, tree)
    assert not (tmp_path / "covered.json").exists()
    for name in ("covered.json", "results.jsonl"):
        (tmp_path / name).touch()
    mutate.forget_stale(tmp_path, tree)
    assert (tmp_path / "covered.json").exists()
    (tree / "tests" / "test_more.py").touch()
    mutate.forget_stale(tmp_path, tree)
    assert not (tmp_path / "results.jsonl").exists()


def test_no_mutant_is_tried_when_the_time_is_over(tmp_path: Path) -> None:
    build = project(tmp_path)
    mutate.run_tests(build, ["test_lib.py"], MUTANTS, minutes=0)
    assert mutate.read_results(build / "results.jsonl") == {}


def test_tests_have_to_pass_without_a_mutant(tmp_path: Path) -> None:
    pytest.importorskip("mutmut")
    build = project(tmp_path, CHECKS.replace("== 6", "== 7"))
    (build / "covered.json").unlink()
    with pytest.raises(RuntimeError, match=r"test_lib\.py::test_three"):
        mutate.run_tests(build, ["test_lib.py"], MUTANTS, minutes=5)


def test_tests_that_cannot_be_collected_are_an_error(tmp_path: Path) -> None:
    build = project(tmp_path, "import no_such_module\n")
    with pytest.raises(RuntimeError, match="no_such_module"):
        mutate.run_tests(build, ["test_lib.py"], MUTANTS, minutes=5)


def test_from_source_to_score(tmp_path: Path) -> None:
    pytest.importorskip("mutmut")
    build = project(tmp_path)
    (build / "covered.json").unlink()
    text = "class A:\n    def m(self, x):\n        return x > 3\n\n\ndef unused():\n    return 1\n"
    (build / "tree" / "lib.py").write_text(text, encoding="utf-8")
    tests = "import lib\n\n\ndef test_m():\n    assert lib.A().m(4)\n\n\ndef test_nothing():\n    pass\n"
    (build / "tree" / "test_lib.py").write_text(tests, encoding="utf-8")
    names = mutate.generate(build / "tree", [Path("lib.py")], build / "kept")
    assert names == [
        "lib.x\u01c1A\u01c1m__mutmut_1",
        "lib.x\u01c1A\u01c1m__mutmut_2",
        "lib.x_unused__mutmut_1",
    ]
    mutate.run_tests(build, ["test_lib.py"], names, minutes=5)
    results = mutate.read_results(build / "results.jsonl")
    assert [(row["status"], row["tests"]) for row in results.values()] == [
        ("survived", 1),
        ("killed", 1),
        ("no tests", 0),
    ]
    diff = mutate.show(build / "tree", names[0])
    assert "-        return x > 3\n+        return x >= 3" in diff
    assert diff.count("\n-") == 1, "nothing else differs"
    summary = mutate.summary(names, results)
    assert (summary["mutants"], summary["tried"], summary["score"]) == (3, 3, 0.3333)


def test_the_order_is_drawn_and_the_same_each_time() -> None:
    names = [f"m{number}" for number in range(50)]
    drawn = mutate.order(names, 1)
    assert sorted(drawn) == sorted(names)
    assert drawn == mutate.order(reversed(names), 1) != mutate.order(names, 2)
    assert drawn != sorted(names)


def test_intervals() -> None:
    assert mutate.interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert mutate.interval(0, 10)[0] == 0.0
    assert mutate.interval(0, 0) == (0.0, 1.0)


def test_every_pattern_names_a_module_and_every_test_is_there() -> None:
    found = mutate.modules(mutate.ROOT, MODULES)
    assert Path("h2dlint/engine/edits.py") in found
    assert all((mutate.ROOT / path).exists() for path in TESTS)
    with pytest.raises(ValueError, match="no module matches"):
        mutate.modules(mutate.ROOT, ["h2dlint/engine/no_such_*.py"])


def test_the_function_of_a_mutant() -> None:
    assert function_of(MUTANTS[0]) == "lib.x_double"
