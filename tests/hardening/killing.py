"""Kill ``h2dlint`` at random moments, and see that nothing is lost: ``python -m tests.hardening.killing 200``.

Each run is a fork of this process, which has everything imported: what is hit is the work and not the start. Files, the
cache and the baseline are looked at after each kill.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from h2dlint.cli import main
from h2dlint.engine.storing import read_checked
from h2dlint.engine.write import MARK

FILES = 12
OLD = """import torch


def forward(self, xs: list[int]) -> torch.Tensor:
    # Number {number}.
    a = torch.tensor([1, {number}], device="cuda")
    b = torch.tensor([2, {number}], device="cuda")
    return a + b
"""
COMMANDS = (
    ["fix", "--quiet", "src"],
    ["check", "--quiet", "src"],
    ["check", "--quiet", "--write-baseline", "known.json", "src"],
)


def run(arguments: list[str], seconds: float | None = None) -> int:
    """Run the command line in a fork; its exit status, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        try:
            main(arguments)
        except SystemExit as end:
            os._exit(int(end.code or 0))
        finally:
            os._exit(99)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def make(folder: Path) -> dict[Path, bytes]:
    """A tree of files that have safe fixes, and what is in them."""
    (folder / "src").mkdir(exist_ok=True)
    (folder / ".git").mkdir(exist_ok=True)
    texts = {folder / f"src/m{n}.py": OLD.format(number=n).encode() for n in range(FILES)}
    for path, text in texts.items():
        path.write_bytes(text)
    return texts


def look(folder: Path, old: dict[Path, bytes], new: dict[Path, bytes]) -> tuple[int, int]:
    """Fail where a file is neither old nor new; how many are new, and how many temporary files there are."""
    done = 0
    for path in old:
        text = path.read_bytes()
        assert text in (old[path], new[path]), f"{path.name} is neither old nor new"
        done += text == new[path]
    left = [path.name for path in (folder / "src").iterdir() if path not in old]
    assert all(MARK in name and name.endswith(".tmp") for name in left), left
    baseline = folder / "known.json"
    if baseline.exists():
        json.loads(baseline.read_bytes())
    for path in (folder / ".h2dlint_cache").glob("*.json"):
        read_checked(path)
    return done, len(left)


def kills(count: int, seed: int) -> dict[str, int]:
    """Kill so many runs; what was seen."""
    chance = random.Random(seed)
    seen = {"killed": 0, "ended before": 0, "with some files new": 0, "temporary files": 0, "trees": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        os.chdir(folder)
        old = make(folder)
        assert run(["fix", "--quiet", "src"]) == 0
        new = {path: path.read_bytes() for path in old}
        assert all(new[path] != old[path] for path in old)
        while seen["killed"] < count:
            make(folder)
            seen["trees"] += 1
            for file in (folder / "known.json", *(folder / ".h2dlint_cache").glob("*")):
                file.unlink(missing_ok=True)
            begin = time.monotonic()
            run(["fix", "--quiet", "--diff", "src"])
            usual = time.monotonic() - begin
            for _ in range(6):
                status = run(list(chance.choice(COMMANDS)), chance.uniform(0, usual * 1.2))
                seen["killed" if status == -signal.SIGKILL else "ended before"] += 1
                done, left = look(folder, old, new)
                seen["with some files new"] += 0 < done < FILES
                seen["temporary files"] = max(seen["temporary files"], left)
            # Left behind by now, as far as the clock says.
            for path in (folder / "src").glob(".*.tmp"):
                os.utime(path, (0, 0))
            (folder / "known.json").unlink(missing_ok=True)
            before = look(folder, old, new)[0]
            assert run(["fix", "--quiet", "src"]) == 0
            assert look(folder, old, new)[0] == FILES
            if before == 0:
                assert look(folder, old, new)[1] == 0, "temporary files were not removed"
        os.chdir("/")
    return seen


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(json.dumps(kills(wanted, int(sys.argv[2]) if len(sys.argv) > 2 else 1)))
