"""Times h2dlint beside ruff, ast-grep, semgrep and TorchFix as whole processes, on the same tree in the same minutes.

    python tests/bench/bench.py "sglang==0.5.23"

The wheel and the slow peers are fetched once into ``build/bench``. The commands take turns, so that a slow moment of
the machine falls on all of them alike; the first round warms the file cache and is not counted. Of each command there
are the median of the time that passed, of the processor time, and the most memory that one process took. What is asked
for in ratios is printed as ratios, with what was asked for.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"
RESULTS = ROOT / "docs" / "speed.json"
PATTERN = "torch.tensor($$$A, device=$D)"
SEMGREP_RULE = """\
rules:
- {id: tensor, pattern: "torch.tensor(..., device=$D)", message: m, languages: [python], severity: INFO}
"""
SLOW = {"semgrep": "semgrep", "TorchFix": "torchfix"}
"""Peers that are installed into environments of their own, where the index has them."""
SLOW_ROUNDS = 1
SUBSET = 150
"""Files that TorchFix is given: it takes minutes for a tree."""
CANDIDATE = (
    "import torch\n\n\ndef f(xs: list[int], d: torch.device):\n    return torch.tensor(xs, device=d)\n"
)
OURS = "h2dlint_bench"
"""What the names of files begin with that are put into the tree."""
NONE = "import os\n\n\ndef f(x):\n    return os.path.join(x, 'a')\n"


@dataclass(frozen=True)
class Run:
    """What one command took.

    Args:
        seconds: that passed.
        processor: seconds of processor time, of all its processes.
        memory: MiB that the largest process took at most.
    """

    seconds: float
    processor: float
    memory: float


@dataclass
class Command:
    """One command line.

    Args:
        line: program and arguments.
        before: what is done before each time it is run.
        stdin: what it is given.
    """

    line: list[str]
    before: Callable[[], object] | None = None
    stdin: str = ""
    runs: list[Run] = field(default_factory=list)

    def median(self, what: str = "seconds") -> float:
        return float(statistics.median(getattr(run, what) for run in self.runs))


def fetch(requirement: str, build: Path = BUILD) -> Path:
    """The unpacked wheel of a requirement such as ``sglang==0.5.11``."""
    tree = build / re.sub(r"[^\w.=-]", "_", requirement)
    if (tree / ".complete").exists():
        (tree / ".git").mkdir(exist_ok=True)
        return tree
    wheels = tree.with_suffix(tree.suffix + ".wheel")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(wheels), requirement], check=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree)
    # A project of its own, all files of which count: else it would be a part of the one around it.
    (tree / ".git").mkdir()
    (tree / ".complete").touch()
    return tree


def install(name: str, package: str, build: Path = BUILD) -> Path | None:
    """The program of a peer in an environment of its own; ``None`` where it is not to be had."""
    program = build / name / "bin" / package
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(build / name)], check=True)
            pip = [str(build / name / "bin/python"), "-m", "pip", "install", "--quiet", package]
            subprocess.run(pip, check=True, timeout=600)
        except (OSError, subprocess.SubprocessError):
            return None
    return program if program.exists() else None


def once(command: Command) -> Run:
    """What a command takes as a whole process.

    Raises:
        RuntimeError: it ended with a status that means it could not do its job.
    """
    if command.before is not None:
        command.before()
    # Measured by a small process of its own, whose only child it is.
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command.line],
        input=command.stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    *said, last = done.stderr.rstrip().split("\n")
    measured = json.loads(last)
    if measured["status"] not in (0, 1):
        told = " ".join(said)[-500:]
        raise RuntimeError(f"{command.line[0]} ended with {measured['status']}: {told}")
    return Run(measured["seconds"], measured["processor"], measured["memory"])


_MEASURE = """\
import json, resource, subprocess, sys, time
start = time.perf_counter()
status = subprocess.call(sys.argv[1:])
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"status": status, "seconds": seconds, "processor": used.ru_utime + used.ru_stime,
    "memory": used.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)}), file=sys.stderr)
"""


def alternate(todo: dict[str, Command], rounds: int) -> None:
    """Run each command in each round, after one round that is not counted."""
    for turn in range(rounds + 1):
        for command in todo.values():
            run = once(command)
            if turn:
                command.runs.append(run)


def table(commands: dict[str, Command]) -> str:
    """What the commands took as a Markdown table."""
    lines = [
        "| command | median s | least s | most s | processor s | MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, command in commands.items():
        if not command.runs:
            continue
        times = [run.seconds for run in command.runs]
        lines.append(
            f"| {name} | {command.median():.2f} | {min(times):.2f} | {max(times):.2f} "
            f"| {command.median('processor'):.2f} | {max(run.memory for run in command.runs):.0f} |"
        )
    return "\n".join(lines)


def ratios(commands: dict[str, Command], asked: Sequence[tuple[str, str, str, float]]) -> list[list[str]]:
    """What was asked for: a name, two commands, and how many times the second the first may take at most."""
    rows = []
    for name, one, other, most in asked:
        if commands[one].runs and commands[other].runs:
            ratio = commands[one].median() / commands[other].median()
            rows.append([name, f"{ratio:.2f}", f"{most:.2f}", "yes" if ratio <= most else "no"])
    return rows


def part(tree: Path, share: int, build: Path = BUILD) -> Path:
    """A copy of every ``share``-th file of a tree, as a project of its own: about that share of its lines.

    Of the imports in it only as large a share leads somewhere, so there is also less to follow for each line.
    """
    target = build / f"part-{share}"
    (target / ".git").mkdir(parents=True, exist_ok=True)
    if len(list(target.iterdir())) > 1:
        return target
    for index, path in enumerate(sorted(tree.rglob("*.py"))):
        if index % share == 0:
            copy = target / path.relative_to(tree)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return target


def commands(tree: Path, bin_folder: Path, build: Path = BUILD) -> dict[str, Command]:
    """Name to command."""
    h2dlint, ruff, ast_grep = (str(bin_folder / name) for name in ("h2dlint", "ruff", "ast-grep"))
    check = [h2dlint, "check", "--isolated", "--exit-zero", "--quiet"]
    cache = build / "cache"
    touched = max(
        (path for path in tree.rglob("*.py") if not path.name.startswith(OURS)),
        key=lambda path: (b"torch.tensor" in path.read_bytes(), -len(str(path))),
    )
    text = touched.read_text(encoding="utf-8")
    # In the project, whose index is warm, as a file is that was just edited.
    candidate, none = (touched.with_name(f"{OURS}_{name}.py") for name in ("candidate", "none"))
    candidate.write_text(CANDIDATE)
    none.write_text(NONE)
    kept = ["--cache-dir", str(cache)]

    def changing(path: Path, content: str) -> Callable[[], object]:
        return lambda: path.write_text(f"{content}# {time.time_ns()}\n", encoding="utf-8")

    def restore() -> None:
        touched.write_text(text, encoding="utf-8")

    return {
        "h2dlint, cold": Command(
            [*check, *kept, str(tree)], lambda: shutil.rmtree(cache, ignore_errors=True)
        ),
        "h2dlint, warm": Command([*check, *kept, str(tree)]),
        "h2dlint, one file changed": Command([*check, *kept, str(tree)], changing(touched, text)),
        "h2dlint, a file without a candidate": Command([*check, *kept, str(none)], changing(none, NONE)),
        "h2dlint, a file with a candidate": Command(
            [*check, *kept, str(candidate)], changing(candidate, CANDIDATE)
        ),
        "h2dlint, standard input": Command(
            [*check, *kept, "--stdin-filename", str(candidate), "-"], stdin=CANDIDATE
        ),
        "h2dlint, one process, no cache": Command([*check, "--no-cache", "-j1", str(tree)], restore),
        "ruff": Command(
            [ruff, "check", "--no-cache", "--isolated", "--select", "E7,B,F", "-q", "--exit-zero", str(tree)]
        ),
        "ast-grep": Command([ast_grep, "run", "-p", PATTERN, "-l", "python", str(tree)]),
        "import click": Command([str(bin_folder / "python"), "-c", "import click"]),
        "import libcst": Command([str(bin_folder / "python"), "-c", "import libcst"]),
    }


ASKED = (
    ("cold / ast-grep", "h2dlint, cold", "ast-grep", 2.0),
    ("warm / ruff", "h2dlint, warm", "ruff", 0.5),
    ("one file changed / ruff", "h2dlint, one file changed", "ruff", 0.6),
    ("one file with a candidate / import libcst", "h2dlint, a file with a candidate", "import libcst", 1.5),
)


def slow_peers(tree: Path, build: Path = BUILD) -> dict[str, Command]:
    """The peers that take long, as far as they are to be had."""
    found: dict[str, Command] = {}
    for name, package in SLOW.items():
        program = install(name, package, build)
        if program is None:
            continue
        if name == "semgrep":
            rule = build / "rule.yml"
            rule.write_text(SEMGREP_RULE)
            line = [str(program), "scan", "--metrics=off", "--quiet", "--config", str(rule), str(tree)]
        else:
            line = [str(program), *map(str, sorted(tree.rglob("*.py"))[:: _every(tree)])]
        found[name] = Command(line)
    return found


def _every(tree: Path) -> int:
    return max(1, sum(1 for _ in tree.rglob("*.py")) // SUBSET)


def lines_of(paths: Sequence[Path]) -> int:
    return sum(path.read_bytes().count(b"\n") for path in paths)


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, run, print, and write down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("requirement", nargs="?", default="sglang==0.5.23")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-slow", action="store_true", help="leave semgrep and TorchFix out")
    parser.add_argument("--no-growth", action="store_true", help="leave the parts of the tree out")
    options = parser.parse_args(argv)
    tree = fetch(options.requirement)
    files = [path for path in tree.rglob("*.py") if path.is_file()]
    lines = lines_of(files)
    print(f"{options.requirement}: {len(files):,} files, {lines:,} lines; {os.cpu_count()} cores")
    print(f"{options.rounds} rounds, alternated\n", flush=True)
    # As pip installs it: with PYTHONDONTWRITEBYTECODE an edited checkout would be compiled in each run.
    compileall.compile_dir(ROOT / "h2dlint", quiet=1)
    todo = commands(tree, Path(sys.executable).parent)
    alternate(todo, options.rounds)
    slow = {} if options.no_slow else slow_peers(tree)
    for command in slow.values():
        command.runs += [once(command) for _ in range(SLOW_ROUNDS)]
    every = {**todo, **slow}
    print(table(every), "\n")
    rows = ratios(every, ASKED)
    added = todo["h2dlint, a file without a candidate"].median() - todo["import click"].median()
    rows.append(
        [
            "one file without a candidate - import click, s",
            f"{added:.2f}",
            "0.10",
            "yes" if added <= 0.1 else "no",
        ]
    )
    if "TorchFix" in slow:
        subset = lines_of(sorted(tree.rglob("*.py"))[:: _every(tree)])
        per_line = slow["TorchFix"].median() / subset / (todo["h2dlint, cold"].median() / lines)
        rows.append(
            [
                "TorchFix / cold, per line (at least)",
                f"{per_line:.0f}",
                "100",
                "yes" if per_line >= 100 else "no",
            ]
        )
    memory = max(run.memory for name in ("h2dlint, cold", "h2dlint, warm") for run in todo[name].runs)
    rows.append(["MiB of the largest process", f"{memory:.0f}", "250", "yes" if memory <= 250 else "no"])
    growth: dict[str, float] = {}
    if not options.no_growth:
        check = [todo["h2dlint, cold"].line[0], "check", "--isolated", "--exit-zero", "--quiet", "--no-cache"]
        parts = {str(share): Command([*check, str(part(tree, share))]) for share in (8, 4, 2)}
        parts["1"] = Command([*check, str(tree)])
        alternate(parts, 1)
        growth = {f"1/{share}": command.median() for share, command in parts.items()}
        ratio = growth["1/1"] / growth["1/2"]
        rows.append(["whole / half of the tree", f"{ratio:.2f}", "2.30", "yes" if ratio <= 2.3 else "no"])
    print("| what | measured | asked | met |\n|---|---|---|---|")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "tree": {"requirement": options.requirement, "files": len(files), "lines": lines},
        "commands": {name: [asdict(run) for run in command.runs] for name, command in every.items()},
        "growth": growth,
        "ratios": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {RESULTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
