"""Work shared among processes: the same results in the same order, whatever happens to a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from h2dlint.engine import pool

# A program without a ``__main__`` guard, as one that uses h2dlint may be.
SHARED = """\
import json, sys
from pathlib import Path
from h2dlint.engine import pool
from h2dlint.engine.config import load_settings
from h2dlint.engine.files import discover
from h2dlint.engine.runner import lint_files

pool.LEAST_BYTES = 1
forks = []
fork = pool.os.fork
pool.os.fork = lambda: forks.append(1) or fork()
root = Path(sys.argv[1])
settings = load_settings(["."], root, None, True, {"cold": True, "min-confidence": "low"})
done = []
report = lint_files(
    discover(["."], settings, root), settings, lambda n, of: done.append(n), jobs=int(sys.argv[2])
)
print(json.dumps([len(forks), done[-1], report.checked, [repr(f) for f in report.findings]]))
"""

ENDS = """\
import os, sys
from h2dlint.engine import pool

parent = os.getpid()

def work(item):
    if item == 7 and os.getpid() != parent:
        {end}
    return item * item

found, notes = pool.run(list(range(40)), [1] * 40, work, 2, lambda n: None, os.getpid)
assert found == [n * n for n in range(40)], found
assert notes[-1] == parent
print("done", len(notes))
"""


def run(program: str, *arguments: str, seed: str = "0") -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").touch()
    for number in range(12):
        before = f"from pkg.m{number - 1} import made as inner\n" if number else ""
        made = "inner(n)" if number % 3 else "torch.zeros(n)"
        (tmp_path / f"pkg/m{number}.py").write_text(
            f"import torch\n{before}\n\ndef made(n):\n    return {made}\n\n\n"
            f"def forward(x, n: list[int]):\n"
            f"    y = torch.tensor(n, device=x.device)\n    return made(4).to(x.device), y\n"
        )
    return tmp_path


def test_the_number_of_processes_and_hash_seeds_change_nothing(project: Path) -> None:
    runs = [
        json.loads(run(SHARED, str(project), jobs, seed=seed))
        for jobs, seed in (("1", "0"), ("2", "1"), ("3", "2"))
    ]
    assert [one[0] for one in runs] == [0, 2, 3]
    assert [one[1:] for one in runs] == [runs[0][1:]] * 3
    assert runs[0][1] == runs[0][2] == 13
    assert len(runs[0][3]) > 12


@pytest.mark.parametrize(
    "end", ["os._exit(3)", "os.kill(os.getpid(), 9)", "raise RuntimeError", "sys.exit()"]
)
def test_what_a_worker_leaves_behind_is_done_all_the_same(end: str) -> None:
    assert run(ENDS.format(end=end)).startswith("done ")


LARGE = """\
import os, sys, threading
from h2dlint.engine import pool

pool.LARGE = pool.ROOM = 0
parent = os.getpid()
seen = []

def work(item):
    return item, os.getpid()

def done(more):
    # As a progress bar does.
    threading.Thread(target=seen.append, args=(more,)).start()

# The sizes make few pieces of several items.
found, notes = pool.run(list(range(40)), [0, 0, 0, 1] * 10, work, 2, done, os.getpid)
assert [item for item, _ in found] == list(range(40)), found
made = {process for _, process in found}
# Each item was done by a worker of its own, and all of them have told what they noted.
assert len(made) == 40 and parent not in made, made
assert made <= set(notes), (made, notes)

def dies(item):
    if item == 22 and os.getpid() != parent:
        os._exit(3)
    return work(item)

# One that dies in the midst of a piece of which a part is done.
found, _ = pool.run(list(range(40)), [0, 0, 0, 1] * 10, dies, 2, done, int)
assert [item for item, _ in found] == list(range(40)), found
assert (22, parent) in found, found
print("done", len(notes))
"""


def test_a_worker_that_is_large_hands_over() -> None:
    assert run(LARGE).startswith("done ")


APART = """\
import os, sys
from h2dlint.engine import pool

parent = os.getpid()
process, held = pool.apart(lambda: (os.getpid(), "x" * 10))
assert process != parent and held == "x" * 10
assert pool.apart(lambda: os._exit(3)) is None
assert pool.apart(lambda: 1 / 0) is None
assert pool.in_memory() > 1_000_000
print("done")
"""


def test_what_is_done_apart_leaves_its_memory_there() -> None:
    assert run(APART) == "done\n"


def test_a_program_with_threads_is_not_forked() -> None:
    program = "import threading\nfrom h2dlint.engine.pool import can_fork\n"
    program += (
        "e = threading.Event()\nt = threading.Thread(target=e.wait)\nt.start()\nprint(can_fork())\ne.set()"
    )
    assert run(program) == "False\n"


def test_pieces_hold_everything_once_and_are_of_like_size() -> None:
    sizes = [5, 1, 1, 100, 1, 1, 1, 50, 2] * 20
    found = pool.pieces(sizes, 2)
    assert [index for piece in found for index in piece] == list(range(len(sizes)))
    assert len(found) <= 2 * pool.PIECES + 1
    assert pool.pieces([], 2) == []
    assert pool.pieces([0, 0], 2) == [range(0, 2)]
