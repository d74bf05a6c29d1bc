"""``make fuzz``: inputs through the checks for a given time. ``python -m tests.fuzz --help`` lists the options.

The work is done by children, because an input may kill the process that looks at it. Failures go to ``build/fuzz``,
each with the input, a smaller one that fails alike, and the command to repeat it. The exit status is 1 if there are
any.
"""

from __future__ import annotations

import argparse
import datetime
import faulthandler
import json
import os
import platform
import random
import signal
import sys
import time
import traceback
from importlib import metadata
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from tests.fuzz.campaign import LIMIT, Counts, repeat, run_one, shares
from tests.fuzz.inputs import KINDS
from tests.fuzz.jobs import OWN_FAULT, Job, Jobs
from tests.fuzz.subject import BrokenError

VARIABLE = "H2DLINT_FUZZ_RESULTS"
FOLDER = Path("build/fuzz")
SCHEMA = 1


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="processor time to spend, for each job")
    parser.add_argument("--jobs", type=int, default=1, help="how many workers there are at once")
    parser.add_argument("--seed", type=int, help="of the first input; drawn and printed if not given")
    parser.add_argument(
        "--kind", choices=KINDS, action="append", help="only inputs of this kind; may be repeated"
    )
    parser.add_argument("--repeat", metavar="KIND:NUMBER", help="check one input again")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where failures go")
    parser.add_argument("--worker", metavar="JOB", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error("--jobs takes a number of 1 or more")
    if options.repeat:
        kind, _, number = options.repeat.partition(":")
        try:
            repeat(kind, int(number))
        except BrokenError as error:
            print(error)
            return 1
        print("no invariant is broken")
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    kinds = options.kind or [kind for kind in KINDS if kind != "grammar" or find_spec("hypothesmith")]
    seed = options.seed if options.seed is not None else random.randrange(10**9)
    if options.worker:
        return work(kinds, seed, options.seconds, options.folder, options.folder / options.worker)
    again = f"--seconds={options.seconds:g} --jobs={options.jobs} --seed={seed}"
    again = " ".join(["python -m tests.fuzz", again, *(f"--kind={kind}" for kind in options.kind or ())])
    print(f"{again}\nkinds {', '.join(kinds)}", flush=True)
    jobs = Jobs(kinds, options.seconds, options.folder)
    return report(jobs.run(seed, options.jobs), again)


def work(kinds: list[str], seed: int, seconds: float, folder: Path, state: Path) -> int:
    """Check inputs from a seed on.

    Args:
        kinds: of the inputs.
        seed: the number of the first one.
        seconds: of processor time.
        folder: where failures are saved.
        state: the job's own folder: the input that is looked at, and in ``counts.json`` the counts so far.

    Returns:
        The exit status.
    """
    weighted = [kind for kind in kinds for _ in range(KINDS[kind][1])]
    counts = Counts()
    # Ctrl-C, or a signal from whoever started the run: what was done so far is reported.
    stop: list[int] = []
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, frame: stop.append(number))
    for number in count(seed):
        if stop or time.process_time() > seconds:
            break
        # Native code cannot be stopped by a signal handler.
        faulthandler.dump_traceback_later(20 * LIMIT, exit=True)
        kind = weighted[number % len(weighted)]
        try:
            failure = run_one(kind, number, counts, folder, state)
        except Exception:
            traceback.print_exc()
            return OWN_FAULT
        if failure:
            print(failure, flush=True)
        if number % 10 == 0:
            _write(
                state / "counts.json", {**counts.plain(), "next": number + 1, "spent": time.process_time()}
            )
    faulthandler.cancel_dump_traceback_later()
    _write(state / "counts.json", {**counts.plain(), "next": number, "spent": time.process_time()})
    return 0


def report(jobs: list[Job], again: str) -> int:
    """Print what jobs did, and write it down where that is asked for; the exit status.

    Args:
        jobs: of one run.
        again: the command that repeats it.
    """
    if any(job.fault for job in jobs):
        return OWN_FAULT
    counts = Counts()
    for job in jobs:
        counts.merge(job.counts.plain())
    spent = sum(job.spent for job in jobs)
    print(*shares(counts), sep="\n")
    failures = sum(counts.failures.values())
    print(
        f"{sum(counts.inputs.values())} inputs, {counts.findings} findings, {counts.applied} fixes, {failures} failures"
        f" in {spent:.0f} s of processor time"
    )
    for mark, times in counts.failures.most_common():
        print(f"{times:6} x {mark}")
    if os.environ.get(VARIABLE):
        results = Path(os.environ[VARIABLE])
        results.mkdir(parents=True, exist_ok=True)
        figures = {"fuzzing": {"hashes": [], **counts.plain()}}
        _write(results / "fuzz.json", {**_machine(again, len(jobs), spent), "figures": figures})
    return 1 if failures else 0


def _machine(again: str, jobs: int, spent: float) -> dict[str, object]:
    names = ("libcst", "hypothesmith")
    versions = {name: metadata.version(name) if find_spec(name) else "none" for name in names}
    return {
        "schema": SCHEMA,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        **versions,
        "command": again,
        "jobs": jobs,
        "seconds": round(spent),
    }


def _write(path: Path, document: dict[str, object]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
