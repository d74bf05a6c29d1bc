"""Mutation testing of the fix engine and of what in the rules builds fixes.

    python -m tests.mutation.mutate run --minutes 40     # or: make mutation
    python -m tests.mutation.mutate run --jobs 16 --most 2000    # the first 2000 of the order, 16 at once
    python -m tests.mutation.mutate show NAME ..         # what mutants change, as diffs

mutmut makes the mutants. All of a module stand side by side in one file, so that nothing is written between two of
them, and ``tests/mutation/forking.py`` runs the tests that cover each. The mutants are tried in an order drawn with
a seed: however far a run gets, what it has tried is a sample of all.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import math
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

from tests.mutation.chosen import MODULES, TESTS

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "mutation"
MEASURED = ROOT / "docs" / "mutation.json"
SEED = 7
KILLED = ("killed", "timeout")


def modules(root: Path, patterns: Iterable[str]) -> list[Path]:
    """The modules to mutate, relative to ``root``.

    Raises:
        ValueError: a pattern matches nothing.
    """
    found: set[Path] = set()
    for pattern in patterns:
        matches = {path.relative_to(root) for path in root.glob(pattern)}
        if not matches:
            raise ValueError(f"no module matches {pattern}")
        found |= matches
    return sorted(found)


def copy_tree(root: Path, target: Path) -> None:
    """A copy of the files that git knows of, as they are now; without git, of all but what is made or hidden."""
    shutil.rmtree(target, ignore_errors=True)
    if (root / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            check=True,
            capture_output=True,
        )
        names = listed.stdout.decode().split("\0")
    else:
        found = (path.relative_to(root) for path in root.rglob("*"))
        names = [
            str(path)
            for path in found
            if path.parts[0] not in ("build", "dist")
            and not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
        ]
    for name in names:
        if name and (root / name).is_file():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, copy)


def generate(tree: Path, paths: Iterable[Path], kept: Path) -> list[str]:
    """Put the mutants into the modules of a tree, and give their names.

    Args:
        tree: a copy of the sources.
        paths: of modules within it.
        kept: folder for modules with their mutants, by a digest of the module: making them takes minutes.
    """
    from mutmut.configuration import config
    from mutmut.mutation.file_mutation import mutate_file_contents

    # mutmut wants a configuration, of which nothing that is used here is read.
    (tree / "setup.cfg").write_text("[mutmut]\nsource_paths=h2dlint\n", encoding="utf-8")
    here = os.getcwd()
    os.chdir(tree)
    try:
        config()
    finally:
        os.chdir(here)
    names: list[str] = []
    for path in paths:
        text = (tree / path).read_text(encoding="utf-8")
        digest = hashlib.sha256(f"{version('mutmut')}\0{path}\0{text}".encode()).hexdigest()
        known = kept / f"{digest}.json"
        if not known.exists():
            mutated = mutate_file_contents(str(path), text)
            made = {"code": mutated.code, "names": list(mutated.mutant_names)}
            kept.mkdir(parents=True, exist_ok=True)
            known.write_text(json.dumps(made), encoding="utf-8")
        made = json.loads(known.read_text(encoding="utf-8"))
        (tree / path).write_text(made["code"], encoding="utf-8")
        module = ".".join(path.with_suffix("").parts)
        names += (f"{module}.{name}" for name in made["names"])
    return names


def order(names: Iterable[str], seed: int) -> list[str]:
    """The mutants in a drawn order, which depends on nothing but their names and the seed."""
    drawn = sorted(names)
    random.Random(seed).shuffle(drawn)
    return drawn


def sample(ordered: Sequence[str], results: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The results up to the first mutant without one.

    After an interrupt, what came later is left out: it was quicker than what was being tried.
    """
    return {name: results[name] for name in takewhile(results.__contains__, ordered)}


def interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's interval for a share, 95 percent."""
    if not of:
        return 0.0, 1.0
    z = 1.959964
    share = hits / of
    middle = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def forget_stale(build: Path, tree: Path) -> None:
    """Remove the results of earlier runs, unless modules and tests are as they were."""
    digest = hashlib.sha256()
    for path in sorted(
        [*tree.glob("h2dlint/**/*.py"), *tree.glob("tests/**/*.py"), *tree.glob("fixtures/**/*")]
    ):
        if path.is_file():
            digest.update(f"{path.relative_to(tree)}\0".encode() + path.read_bytes() + b"\0")
    known = build / "inputs.txt"
    if not known.exists() or known.read_text(encoding="utf-8") != digest.hexdigest():
        for name in ("covered.json", "results.jsonl"):
            (build / name).unlink(missing_ok=True)
        known.write_text(digest.hexdigest(), encoding="utf-8")


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """Name to the last result."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["mutant"]: row for row in rows}


def summary(names: Sequence[str], results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Population, sample, and score with its interval."""
    statuses = Counter(row["status"] for row in results.values())
    killed, tried = sum(statuses[status] for status in KILLED), len(results)
    low, high = interval(killed, tried)
    return {
        "mutants": len(names),
        "tried": tried,
        "statuses": dict(sorted(statuses.items())),
        "score": round(killed / tried, 4) if tried else None,
        "interval_95": [round(low, 4), round(high, 4)],
        "processor_seconds": round(sum(row["seconds"] for row in results.values())),
    }


def record(path: Path, name: str, figures: Mapping[str, Any]) -> None:
    """Put figures under a name into a file of results, beside what is there."""
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    document[name] = dict(figures)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def run_tests(
    build: Path,
    tests: Sequence[str],
    mutants: Sequence[str],
    minutes: float,
    seconds: float = 10.0,
    only_new: bool = False,
    jobs: int = 1,
) -> None:
    """Try mutants in this order for so many minutes; what was begun by then is ended.

    Args:
        build: folder with the tree, for results and the like.
        tests: what to give to pytest.
        mutants: their names.
        minutes: after which no further mutant is tried.
        seconds: of processor time that a mutant may take whatever its tests took.
        only_new: run only tests that were added since the first run: the others are known to let it live.
        jobs: how many mutants are tried at once.

    Raises:
        RuntimeError: the tests cannot be run, or fail without a mutant.
    """
    tree = build / "tree"
    plan = {
        "mutants": list(mutants),
        "minutes": minutes,
        "seconds": seconds,
        "only_new": only_new,
        "jobs": jobs,
    }
    (build / "mutants.json").write_text(json.dumps(plan), encoding="utf-8")
    environment = {
        **os.environ,
        # What was on the path stays there: installed packages may lie in a folder that it names.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH")])),
        "H2DLINT_MUTATION": str(build),
        # Forks of a process with threads hang.
        "OMP_NUM_THREADS": "1",
    }
    plugins = ["-p", "tests.mutation.forking", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *tests]
    with subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            out, errors = process.communicate()
        except BaseException:
            # It kills its children; were it killed itself, they would go on.
            process.terminate()
            process.communicate()
            raise
    # Without tests of its own, pytest says 5.
    if process.returncode not in (0, 5):
        failing = build / "unmutated.txt"
        told = failing.read_text(encoding="utf-8") if failing.exists() else out[-2000:] + errors[-500:]
        raise RuntimeError(f"pytest ended with {process.returncode}: {told}")


def show(tree: Path, mutant: str) -> str:
    """What a mutant changes, as a diff of its function."""
    module, _, name = mutant.rpartition(".")
    path = Path(*module.split(".")).with_suffix(".py")
    text = (tree / path).read_text(encoding="utf-8")
    before = _definition(text, name.partition("__mutmut_")[0] + "__mutmut_orig")
    after = _definition(text, name)
    first = [line.replace("__mutmut_orig", "") for line in before]
    second = [re.sub(r"__mutmut_\d+\b", "", line, count=1) for line in after]
    return "\n".join(difflib.unified_diff(first, second, str(path), mutant, lineterm="", n=4))


def _definition(text: str, name: str) -> list[str]:
    """The lines of a function in a module with mutants; names of mutants are unique."""
    lines = text.split("\n")
    start = next(i for i, line in enumerate(lines) if re.match(rf"\s*(async )?def {re.escape(name)}\(", line))
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines):
        line = lines[end]
        if line.strip() and len(line) - len(line.lstrip()) <= indent and not line.lstrip().startswith(")"):
            break
        end += 1
    return [line for line in lines[start:end] if line.strip()]


def at_least_one(text: str) -> int:
    """A number for an option.

    Raises:
        argparse.ArgumentTypeError: it is none, or below one.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of 1 or more")
    return int(text)


def stop_on_signals() -> None:
    """Have SIGTERM do what Ctrl-C does: what was started is stopped as well."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def main(argv: Sequence[str] | None = None) -> int:
    """Make mutants, try them, and print the score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("action", choices=["run", "retry", "show", "score"])
    parser.add_argument("mutants", nargs="*")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--record", metavar="NAME", help=f"put the score into {MEASURED.name} under this name"
    )
    parser.add_argument("--jobs", type=at_least_one, default=1, help="mutants that are tried at once")
    parser.add_argument(
        "--most", type=at_least_one, metavar="K", help="try the first K of the order, or of the survivors"
    )
    options = parser.parse_args(argv)
    stop_on_signals()
    tree, results = BUILD / "tree", BUILD / "results.jsonl"
    if options.action == "show":
        print("\n\n".join(show(tree, mutant) for mutant in options.mutants))
        return 0
    if options.action != "score":
        copy_tree(ROOT, tree)
        names = generate(tree, modules(tree, MODULES), BUILD / "kept")
        (BUILD / "names.json").write_text(json.dumps(names), encoding="utf-8")
    names = json.loads((BUILD / "names.json").read_text(encoding="utf-8"))
    if options.action == "run":
        forget_stale(BUILD, tree)
    ordered, done = order(names, options.seed), read_results(results)
    if options.action == "run":
        # What was tried already is not tried again.
        todo = [name for name in ordered[: options.most] if name not in done]
        run_tests(BUILD, TESTS, todo, options.minutes, jobs=options.jobs)
    elif options.action == "retry":
        # After tests were added: what survived, once more.
        survivors = [name for name in ordered if name in done and done[name]["status"] not in KILLED]
        todo = (options.mutants or survivors)[: options.most]
        new = not options.mutants
        run_tests(BUILD, TESTS, todo, options.minutes, only_new=new, jobs=options.jobs)
    figures = summary(names, sample(ordered, read_results(results)))
    print(json.dumps(figures, indent=1))
    if options.record:
        made = {"seed": options.seed, "mutmut": version("mutmut"), "python": platform.python_version()}
        record(MEASURED, options.record, {**made, **figures})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
