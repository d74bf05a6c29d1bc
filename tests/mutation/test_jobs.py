"""Several mutants at once: the same verdicts, each with the time that it took itself."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.mutation import mutate
from tests.mutation.test_mutation import MUTANTS, project

FIRST = "lib.x_double__mutmut_1"
SLOW = """\
import os
import subprocess
import sys
import time
from pathlib import Path

import lib

SPIN = "import time\\nwhile time.process_time() < 0.6:\\n    pass"


def test_two():
    if os.environ["MUTANT_UNDER_TEST"] == "{first}":
        subprocess.run([sys.executable, "-c", SPIN], check=True)
    else:
        Path("{running}", str(os.getpid())).touch()
        time.sleep({sleep})


def test_three():
    pass
"""


def test_several_at_once_say_what_one_says(tmp_path: Path) -> None:
    build = project(tmp_path)
    mutate.run_tests(build, ["test_lib.py"], MUTANTS, minutes=5, seconds=0.5, jobs=3)
    lines = (build / "results.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    assert {row["mutant"]: (row["status"], row["by"]) for row in told} == {
        MUTANTS[0]: ("killed", "test_lib.py::test_three"),
        MUTANTS[1]: ("timeout", None),
        MUTANTS[2]: ("survived", None),
        MUTANTS[3]: ("broke", None),
        MUTANTS[4]: ("no tests", None),
    }
    assert len(told) == len(MUTANTS)
    names = [row["mutant"] for row in told]
    assert names.index(MUTANTS[1]) > names.index(MUTANTS[2]), "the endless one came second, and ends later"


def test_a_mutant_is_given_its_own_processor_time(tmp_path: Path) -> None:
    """Not that of those beside it; but that of the processes that its tests start."""
    running = tmp_path / "running"
    running.mkdir()
    build = project(tmp_path, SLOW.format(first=FIRST, running=running, sleep=1))
    mutate.run_tests(build, ["test_lib.py"], MUTANTS[:3], minutes=5, jobs=3)
    seconds = {name: row["seconds"] for name, row in mutate.read_results(build / "results.jsonl").items()}
    assert seconds[FIRST] >= 0.6
    assert max(seconds[name] for name in MUTANTS[1:3]) < 0.5


def test_an_interrupt_kills_what_runs(tmp_path: Path) -> None:
    running = tmp_path / "running"
    running.mkdir()
    build = project(tmp_path, SLOW.format(first=FIRST, running=running, sleep=600))
    call = (
        "from pathlib import Path; from tests.mutation import mutate; mutate.stop_on_signals(); "
        f"mutate.run_tests(Path({str(build)!r}), ['test_lib.py'], {MUTANTS[1:3]!r}, 5, jobs=2)"
    )
    process = subprocess.Popen([sys.executable, "-c", call], cwd=mutate.ROOT)
    while len(list(running.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    for each in running.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(each.name), 0)
    assert not mutate.read_results(build / "results.jsonl")


def test_the_tests_are_divided_to_see_what_they_run(tmp_path: Path) -> None:
    pytest.importorskip("mutmut")
    found = []
    for jobs in (1, 2):
        build = project(tmp_path / str(jobs))
        (build / "covered.json").unlink()
        text = "def double(x):\n    return 2 * x\n"
        (build / "tree" / "lib.py").write_text(text, encoding="utf-8")
        names = mutate.generate(build / "tree", [Path("lib.py")], build / "kept")
        mutate.run_tests(build, ["test_lib.py"], names, minutes=5, jobs=jobs)
        covered = json.loads((build / "covered.json").read_text(encoding="utf-8"))
        found.append({function: set(tests) for function, tests in covered["tests"].items()})
        assert len(covered["seconds"]) == 3
    assert found[0] == found[1] == {"lib.x_double": {"test_lib.py::test_two", "test_lib.py::test_three"}}


def test_what_is_missing_ends_the_sample() -> None:
    results = {name: {"mutant": name} for name in "abdx"}
    assert list(mutate.sample("abcde", results)) == ["a", "b"]
    assert list(mutate.sample("ab", results)) == ["a", "b"]


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_numbers_of_jobs(text: str) -> None:
    assert mutate.at_least_one("16") == 16
    with pytest.raises(argparse.ArgumentTypeError):
        mutate.at_least_one(text)


def test_a_copy_without_git(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("a.py", "pkg/b.py", "build/c.py", ".hidden/d.py", "pkg/__pycache__/e.pyc"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    mutate.copy_tree(root, tmp_path / "copy")
    copied = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert sorted(path.name for path in copied) == ["a.py", "b.py"]
