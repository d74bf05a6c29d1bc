"""Programs that end, fork and change their surroundings in unusual ways: they are neither broken nor lied of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from h2dlint.runtime.launch import Run, run

from .test_launch import program

WATCHES_LINES = sys.version_info >= (3, 12)


def test_the_folder_for_temporary_files_is_still_the_programs_to_choose(world: Path) -> None:
    text = (
        "import os, sys, torch\n"
        "torch.cuda.init().upload()\n"
        "assert 'tempfile' not in sys.modules or sys.modules['tempfile'].tempdir is None\n"
        "os.environ['TMPDIR'] = sys.argv[1]\n"
        "import tempfile\n"
        "assert tempfile.gettempdir() == sys.argv[1], tempfile.gettempdir()\n"
    )
    (world / "temporary").mkdir()
    assert program(world, text, str(world / "temporary")).returncode == 0


def test_a_program_without_standard_error(world: Path) -> None:
    text = (
        "import sys\n"
        "sys.stderr = None\n"
        "import torch\n"
        "from h2dlint.runtime import recorder\n"
        "from h2dlint.runtime.cupti import CuptiError\n"
        "def refuse(sink):\n    raise CuptiError('another profiler holds it')\n"
        "recorder.hub.subscribe = refuse\n"
        "[call() for call in torch.cuda._queued]\n"
    )
    done = program(world, text)
    assert done.returncode == 0
    assert done.trace is not None
    assert done.trace.processes[0].note == "another profiler holds it"


def test_a_fault_of_the_recorder_is_not_the_programs(world: Path) -> None:
    text = (
        "import torch\n"
        "from h2dlint.runtime import recorder\n"
        "def refuse(sink):\n    raise OSError('a library that cannot be read')\n"
        "recorder.hub.subscribe = refuse\n"
        "[call() for call in torch.cuda._queued]\n"
    )
    done = program(world, text)
    assert done.returncode == 0
    assert done.trace is not None
    assert "a library that cannot be read" in done.trace.processes[0].note


@pytest.mark.skipif(not WATCHES_LINES, reason="lines are watched since Python 3.12")
def test_finalizers_run_when_the_interpreter_goes(world: Path) -> None:
    # Code of a file that no line was recorded of yet: torch's here, the standard library's as well.
    (world / "torch" / "late.py").write_text(
        "import os\nclass Late:\n    def __del__(self, write=os.write):\n        write(1, b'finalized')\n",
        encoding="utf-8",
    )
    text = "import sys, torch\nfrom torch.late import Late\ntorch.cuda.init()\nsys.late = Late()\n"
    script = world / "program.py"
    script.write_text(text, encoding="utf-8")
    out = world / "out"
    shell = f'exec "{sys.executable}" "{script}" > "{out}"'
    done = run(["sh", "-c", shell], world / "run")
    assert done.returncode == 0
    assert out.read_text() == "finalized"
    assert done.stderr_tail == ""


def test_a_program_that_replaces_itself_keeps_what_both_recorded(world: Path) -> None:
    text = (
        "import os, sys, time, torch\n"
        "cuda = torch.cuda.init()\n"
        "cuda.upload()\n"
        "if len(sys.argv) == 1:\n"
        "    time.sleep(3.5)\n"
        "    os.execv(sys.executable, [sys.executable, __file__, 'again'])\n"
    )
    done = program(world, text)
    assert done.returncode == 0
    assert done.trace is not None
    assert done.trace.blocking == 2


def test_a_program_that_ends_without_a_word(world: Path) -> None:
    done = program(world, "import os, torch\ntorch.cuda.init().upload()\nos._exit(0)\n")
    assert done.unfinished == 1
    assert done.trace is None


def test_a_program_that_ends_as_it_should_is_finished(world: Path) -> None:
    assert program(world, "import torch\ntorch.cuda.init().upload()\n").unfinished == 0


def test_another_interpreter_does_not_see_our_packages(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    # As one that h2dlint is not installed for: without site-packages, and without the folder of this repository.
    text = "import sys\nprint(sys.path, 'h2dlint.runtime.bootstrap' in sys.modules)\n"
    script = world / "program.py"
    script.write_text(text, encoding="utf-8")
    shell = f'cd "{world}" && exec "{_base()}" program.py > out'
    done = run(["sh", "-c", shell], world / "run")
    assert done.returncode == 0
    seen = (world / "out").read_text()
    assert seen.rstrip().endswith("True"), "it is watched all the same"
    assert str(Path(__file__).parents[2]) not in seen


def _base() -> str:
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def test_a_process_that_outlives_the_run_is_left_alone(world: Path) -> None:
    shell = f'rm -rf "$H2DLINT_RUN"; exec "{sys.executable}" -c "import sys; sys.exit(5)"'
    done: Run = run(["sh", "-c", shell], world / "run")
    assert (done.returncode, done.stderr_tail) == (5, "")


def test_a_sitecustomize_that_fails_does_not_shut_the_recorder_out(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world / "theirs").mkdir()
    (world / "theirs" / "sitecustomize.py").write_text("raise ValueError('theirs')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(world / "theirs"))
    done = program(world, "import torch\ntorch.cuda.init().upload()\n")
    assert done.trace is not None
    assert done.trace.blocking == 1
    assert "theirs" in done.stderr_tail


@pytest.mark.skipif(not WATCHES_LINES, reason="lines are watched since Python 3.12")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_what_ran_where_no_cuda_was_used_did_run(world: Path, method: str) -> None:
    text = (
        "import multiprocessing, torch\n"
        "def work():\n"
        "    return 1\n"
        "if __name__ == '__main__':\n"
        f"    worker = multiprocessing.get_context('{method}').Process(target=work)\n"
        "    worker.start()\n"
        "    worker.join()\n"
        "    torch.cuda.init().upload()\n"
    )
    done = program(world, text)
    assert done.trace is not None
    assert len(done.trace.processes) == 1
    assert done.trace.lines is not None
    assert 3 in done.trace.lines[str(world / "program.py")]
