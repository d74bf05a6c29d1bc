"""The parts of the benchmark that need neither a wheel nor the other tools."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench import bench


def test_commands_take_turns_and_the_first_round_is_not_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
    todo = {name: [sys.executable, "-c", program, str(log), name] for name in "ab"}
    times = bench.alternate(todo, 2)
    assert log.read_text() == "ababab"
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 2, "b": 2}


def test_a_command_that_fails_is_no_time() -> None:
    with pytest.raises(RuntimeError, match="ended with 2"):
        bench.once([sys.executable, "-c", "raise SystemExit(2)"])


def test_the_table_compares_medians() -> None:
    assert bench.table({"one": [1.0, 2.0, 9.0], "two": [4.0]}).splitlines()[2:] == [
        "| `one` | 2.00 | 1.00 | 9.00 | 1.00 |",
        "| `two` | 4.00 | 4.00 | 4.00 | 2.00 |",
    ]


def test_a_tree_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    tree = tmp_path / "thing==1"
    tree.mkdir()
    (tree / ".complete").touch()
    assert bench.fetch("thing==1", tmp_path) == tree
