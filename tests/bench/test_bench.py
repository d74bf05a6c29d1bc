"""The parts of the benchmark that need neither a wheel nor the other tools."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench import bench
from tests.bench.bench import Command, Run


def of(*seconds: float) -> Command:
    return Command(["x"], runs=[Run(one, 2 * one, 10) for one in seconds])


def test_commands_take_turns_and_the_first_round_is_not_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + sys.stdin.read())"
    before = []
    todo = {
        name: Command([sys.executable, "-c", program, str(log), name], lambda: before.append(1), stdin="!")
        for name in "ab"
    }
    bench.alternate(todo, 2)
    assert log.read_text() == "a!b!a!b!a!b!"
    assert [len(command.runs) for command in todo.values()] == [2, 2]
    assert len(before) == 6
    assert all(run.memory > 1 and run.seconds > 0 for command in todo.values() for run in command.runs)


def test_a_command_that_fails_is_no_time() -> None:
    with pytest.raises(RuntimeError, match="ended with 2: why"):
        bench.once(Command([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(2)"]))


def test_the_table_shows_medians() -> None:
    assert bench.table({"one": of(1.0, 2.0, 9.0), "two": of(4.0), "three": of()}).splitlines()[2:] == [
        "| one | 2.00 | 1.00 | 9.00 | 4.00 | 10 |",
        "| two | 4.00 | 4.00 | 4.00 | 8.00 | 10 |",
    ]


def test_what_was_asked_for_is_compared_by_medians() -> None:
    asked = (("a / b", "a", "b", 2.0), ("b / a", "b", "a", 2.0), ("c / a", "c", "a", 2.0))
    assert bench.ratios({"a": of(1, 2, 3), "b": of(8), "c": of()}, asked) == [
        ["a / b", "0.25", "2.00", "yes"],
        ["b / a", "4.00", "2.00", "no"],
    ]


def test_a_tree_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    tree = tmp_path / "thing==1"
    tree.mkdir()
    (tree / ".complete").touch()
    assert bench.fetch("thing==1", tmp_path) == tree


def test_a_part_of_a_tree_holds_its_share_of_the_files(tmp_path: Path) -> None:
    for number in range(16):
        path = tmp_path / "tree" / f"d{number % 2}" / f"{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = bench.part(tmp_path / "tree", 4, tmp_path)
    assert len(list(found.rglob("*.py"))) == 4
    assert bench.part(tmp_path / "tree", 4, tmp_path) == found


def test_the_files_that_are_linted_alone_lie_in_the_project(tmp_path: Path) -> None:
    tree = tmp_path / "thing==1"
    (tree / "thing").mkdir(parents=True)
    (tree / "thing/first.py").write_text("import torch\n\nx = torch.tensor(1)\n")
    (tree / ".complete").touch()
    assert bench.fetch("thing==1", tmp_path) == tree
    # Its own top: what the index covers.
    assert (tree / ".git").exists()
    todo = bench.commands(tree, tmp_path / "bin", tmp_path)
    assert {path.name for path in (tree / "thing").iterdir()} == {
        "first.py",
        "h2dlint_bench_candidate.py",
        "h2dlint_bench_none.py",
    }
    for name, file in (
        ("h2dlint, one file changed", "first.py"),
        ("h2dlint, a file with a candidate", "h2dlint_bench_candidate.py"),
        ("h2dlint, a file without a candidate", "h2dlint_bench_none.py"),
    ):
        before = (tree / "thing" / file).read_text()
        change = todo[name].before
        assert change is not None
        change()
        after = (tree / "thing" / file).read_text()
        assert after != before
        assert after.startswith(before)
        assert "--no-cache" not in todo[name].line
