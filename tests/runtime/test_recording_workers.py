"""Who recorded a value: workers and threads that the next run gives other work."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from h2dlint.runtime import record
from h2dlint.runtime.compare import compare
from h2dlint.runtime.records import read
from tests.runtime.test_recording import folder, program, recorded

__all__ = ["folder"]


@pytest.mark.parametrize(
    "pool",
    [
        "multiprocessing.get_context('fork').Pool(2)",
        "concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context('fork'))",
    ],
)
def test_which_worker_of_a_pool_gets_a_task_is_chance(
    pool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    text = f"""
import concurrent.futures, multiprocessing, sys, time
from h2dlint.runtime import record

def task(number):
    time.sleep(1 if number == int(sys.argv[1]) else 0)  # The other worker does all the rest.
    record("x", number)

if __name__ == "__main__":
    with {pool} as workers:
        list(workers.map(task, range(6)))
"""
    found = []
    for slow in (0, 5):
        folder = tmp_path / str(slow)
        folder.mkdir()
        assert program(text.replace("sys.argv[1]", str(slow)), folder).returncode == 0
        found.append(read(folder))
    assert [list(recording.series) for recording in found] == [[("pool", "x")]] * 2
    assert compare(found[0], found[1]).differences == ()


def test_which_worker_of_xdist_gets_a_test_is_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from h2dlint.runtime import record\nrecord('x', 1)\n"
    for number in range(2):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        assert program(text, tmp_path).returncode == 0
    assert [len(entries) for entries in read(tmp_path).series.values()] == [2]


def test_threads_of_one_name_are_several(folder: Path) -> None:
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        record("x", 1)
        barrier.wait()

    threads = [threading.Thread(target=work, name="worker") for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({entry.source for entry in recorded(folder)}) == 2
