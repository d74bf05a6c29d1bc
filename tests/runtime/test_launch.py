"""Programs that run below the command: they are watched, and do not notice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from h2dlint.runtime.launch import LaunchError, Run, run


def program(world: Path, text: str, *arguments: str, **options: object) -> Run:
    script = world / "program.py"
    script.write_text(text, encoding="utf-8")
    return run([sys.executable, str(script), *arguments], world / "run", **options)  # type: ignore[arg-type]


def test_copies_of_a_program_are_recorded(world: Path) -> None:
    done = program(world, "import torch\ncuda = torch.cuda.init()\nfor _ in range(3):\n    cuda.upload(16)\n")
    assert done.returncode == 0
    assert done.trace is not None
    (site,) = done.trace.sites
    assert (site.kind, site.count, site.bytes) == ("sync", 3, 48)
    frame = site.frame
    assert frame is not None
    assert (Path(frame.file).name, frame.line, frame.function) == ("program.py", 4, "<module>")
    (process,) = done.trace.processes
    assert (process.gpu, process.torch) == ("a fake GPU", "9.9")
    assert process.argv[-1] == str(world / "program.py")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="which lines ran is known since Python 3.12")
def test_lines_that_ran(world: Path) -> None:
    done = program(
        world,
        "import torch\ndef never():\n    return 1\ndef once():\n    return 2\ntorch.cuda.init()\nonce()\n",
    )
    assert done.trace is not None
    assert done.trace.lines is not None
    assert done.trace.lines[str(world / "program.py")] == (1, 2, 4, 5, 6, 7)
    assert not any("/torch/" in file for file in done.trace.lines)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_are_merged(world: Path, method: str) -> None:
    text = (
        "import multiprocessing, os, torch\n"
        "def work(n):\n"
        "    cuda = torch.cuda.init()\n"
        "    for _ in range(n):\n"
        "        cuda.upload()\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context('{method}')\n"
        "    workers = [context.Process(target=work, args=(n,)) for n in (1, 2, 3)]\n"
        "    [w.start() for w in workers]\n"
        "    [w.join() for w in workers]\n"
        "    work(4)\n"
    )
    done = program(world, text)
    assert done.returncode == 0
    assert done.trace is not None
    assert len(done.trace.processes) == 4
    assert done.trace.blocking == 10
    lines = {site.frame.line for site in done.trace.sites if site.frame}
    assert lines == {5}


def test_a_program_does_not_notice(world: Path) -> None:
    text = (
        "import json, os, sys\n"
        "shown = {'path': sys.path, 'argv': sys.argv, 'meta': [type(f).__name__ if not isinstance(f, type) else\n"
        "  f.__name__ for f in sys.meta_path], 'main': __name__}\n"
        "open(sys.argv[1], 'w').write(json.dumps(shown))\n"
        "sys.exit(7)\n"
    )
    import subprocess

    script = world / "program.py"
    script.write_text(text, encoding="utf-8")
    plain = subprocess.run([sys.executable, str(script), str(world / "plain.json")], check=False)
    done = run([sys.executable, str(script), str(world / "watched.json")], world / "run", trace=False)
    assert plain.returncode == done.returncode == 7
    seen = [json.loads((world / name).read_text(encoding="utf-8")) for name in ("plain.json", "watched.json")]
    for shown in seen:
        shown["argv"].pop()
    assert seen[0] == seen[1]
    assert done.trace is None
    assert done.processes == 1


def test_the_environments_own_sitecustomize_runs(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (world / "theirs").mkdir()
    (world / "theirs" / "sitecustomize.py").write_text("MARK = 5\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(world / "theirs"))
    done = program(world, "import sitecustomize, sys\nsys.exit(sitecustomize.MARK)\n")
    assert done.returncode == 5


def test_what_a_killed_program_had_saved_is_kept(world: Path) -> None:
    text = (
        "import os, signal, time, torch\n"
        "cuda = torch.cuda.init()\n"
        "cuda.upload()\n"
        "import h2dlint.runtime.bootstrap as b\n"
        "time.sleep(3.5)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = program(world, text)
    assert done.returncode == -9
    assert done.trace is not None
    assert done.trace.blocking == 1


def test_the_end_of_standard_error_is_kept(world: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = program(
        world, "import sys\nsys.stderr.write('x' * 200_000 + 'the end')\nsys.exit(3)\n", trace=False
    )
    assert done.returncode == 3
    assert done.stderr_tail.endswith("the end")
    assert len(done.stderr_tail) <= 64 * 1024
    assert capfd.readouterr().err.endswith("the end")


def test_a_program_that_takes_too_long_is_killed(world: Path) -> None:
    done = program(world, "import time\ntime.sleep(600)\n", timeout_s=1.0)
    assert done.timed_out


def test_no_such_program(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="no program surely-not-there"):
        run(["surely-not-there"], tmp_path)


def test_a_process_that_cannot_record_says_why(world: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = (
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
    assert "another profiler holds it" in capfd.readouterr().err
