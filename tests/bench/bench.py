"""Times h2dlint beside ruff and ast-grep as whole processes, on the same tree in the same minutes.

    python tests/bench/bench.py "sglang==0.5.11"

The wheel is fetched once into ``build/bench``. The commands take turns, so that a slow moment of the machine
falls on all of them alike; the first round warms the file cache and is not counted.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

BUILD = Path(__file__).parent.parent.parent / "build" / "bench"
PATTERN = "torch.tensor($$$A, device=$D)"


def fetch(requirement: str, build: Path = BUILD) -> Path:
    """The unpacked wheel of a requirement such as ``sglang==0.5.11``."""
    tree = build / re.sub(r"[^\w.=-]", "_", requirement)
    if (tree / ".complete").exists():
        return tree
    wheels = tree.with_suffix(tree.suffix + ".wheel")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(wheels), requirement], check=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree)
    (tree / ".complete").touch()
    return tree


def commands(tree: Path, bin_folder: Path) -> dict[str, list[str]]:
    """Name to command line."""
    h2dlint, ruff, ast_grep = (str(bin_folder / name) for name in ("h2dlint", "ruff", "ast-grep"))
    return {
        "h2dlint check": [h2dlint, "check", "--isolated", "--exit-zero", "--quiet", str(tree)],
        "ruff check --no-cache": [ruff, "check", "--isolated", "--no-cache", "--exit-zero", "-q", str(tree)],
        "ast-grep run": [ast_grep, "run", "-p", PATTERN, "-l", "python", str(tree)],
    }


def once(command: Sequence[str]) -> float:
    """Seconds that a command takes as a whole process.

    Raises:
        RuntimeError: it ended with a status that means it could not do its job.
    """
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return seconds


def alternate(todo: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each command in each round, after one round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in todo}
    for turn in range(rounds + 1):
        for name, command in todo.items():
            seconds = once(command)
            if turn:
                times[name].append(seconds)
    return times


def table(times: dict[str, list[float]]) -> str:
    """The times as a Markdown table; the last column compares medians with the first command's."""
    lines = ["| command | median s | least s | most s | of the first |", "|---|---|---|---|---|"]
    first = statistics.median(next(iter(times.values())))
    for name, seconds in times.items():
        median = statistics.median(seconds)
        least, most = min(seconds), max(seconds)
        lines.append(f"| `{name}` | {median:.2f} | {least:.2f} | {most:.2f} | {median / first:.2f} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("requirement", nargs="?", default="sglang==0.5.11")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    tree = fetch(options.requirement)
    files = [path for path in tree.rglob("*.py") if path.is_file()]
    lines = sum(path.read_bytes().count(b"\n") for path in files)
    print(f"{options.requirement}: {len(files):,} files, {lines:,} lines; {os.cpu_count()} cores")
    print(f"{options.rounds} rounds, alternated\n", flush=True)
    print(table(alternate(commands(tree, Path(sys.executable).parent), options.rounds)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
