"""``make fuzz``: inputs through the checks for a given time. ``python -m tests.fuzz --help`` lists the options.

The work is done by a child, because an input may kill the process that looks at it. Failures go to ``build/fuzz``, each
with the input, a smaller one that fails alike, and the command to repeat it. The exit status is 1 if there are any.
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
import subprocess
import sys
import time
import traceback
from importlib import metadata
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from tests.fuzz.campaign import LIMIT, Counts, repeat, run_one, shares
from tests.fuzz.inputs import KINDS
from tests.fuzz.subject import BrokenError

VARIABLE = "H2DLINT_FUZZ_RESULTS"
FOLDER = Path("build/fuzz")
SCHEMA = 1
_OWN_FAULT = 70
"""Exit status where the fuzzer itself is at fault."""


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="processor time to spend")
    parser.add_argument("--seed", type=int, help="of the first input; drawn and printed if not given")
    parser.add_argument(
        "--kind", choices=KINDS, action="append", help="only inputs of this kind; may be repeated"
    )
    parser.add_argument("--repeat", metavar="KIND:NUMBER", help="check one input again")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where failures go")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
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
        return work(kinds, seed, options.seconds, options.folder)
    return conduct(kinds, seed, options.seconds, options.folder)


def work(kinds: list[str], seed: int, seconds: float, folder: Path) -> int:
    """Check inputs from a seed on; the counts so far are always in ``counts.json``."""
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
            failure = run_one(kind, number, counts, folder)
        except Exception:
            traceback.print_exc()
            return _OWN_FAULT
        if failure:
            print(failure, flush=True)
        if number % 10 == 0:
            _write(
                folder / "counts.json", {**counts.plain(), "next": number + 1, "spent": time.process_time()}
            )
    faulthandler.cancel_dump_traceback_later()
    _write(folder / "counts.json", {**counts.plain(), "next": number, "spent": time.process_time()})
    return 0


def conduct(kinds: list[str], seed: int, seconds: float, folder: Path) -> int:
    """Let a child work, start another one where it is killed, and report."""
    print(f"seed {seed}, {seconds:g} s of processor time, kinds {', '.join(kinds)}", flush=True)
    counts, spent, start = Counts(), 0.0, seed
    while spent < seconds:
        (folder / "counts.json").unlink(missing_ok=True)
        options = [f"--kind={kind}" for kind in kinds]
        command = [
            sys.executable,
            "-m",
            "tests.fuzz",
            "--worker",
            f"--seed={start}",
            f"--seconds={seconds - spent}",
        ]
        try:
            process = subprocess.Popen([*command, *options, "--folder", str(folder)])
            status = process.wait()
        except KeyboardInterrupt:
            # It got the signal too, and comes to an end.
            status = process.wait()
        state = json.loads((folder / "counts.json").read_text()) if (folder / "counts.json").exists() else {}
        start, spent = state.pop("next", start), spent + state.pop("spent", 1.0)
        counts.merge(state)
        if status == 0:
            break
        if status == _OWN_FAULT:
            return _OWN_FAULT
        name = (folder / "current.txt").read_text(encoding="utf-8").split()[0]
        counts.failures[f"crash: status {status}"] += 1
        (folder / f"killed-{name.replace(':', '-')}.py").write_bytes((folder / "current.py").read_bytes())
        print(
            f"the process died with status {status}\n  python -m tests.fuzz --repeat {name}",
            flush=True,
        )
        start = int(name.partition(":")[2]) + 1
    print(*shares(counts), sep="\n")
    failures = sum(counts.failures.values())
    print(
        f"{sum(counts.inputs.values())} inputs, {counts.findings} findings, {counts.applied} fixes, {failures} failures"
    )
    for mark, times in counts.failures.most_common():
        print(f"{times:6} x {mark}")
    if os.environ.get(VARIABLE):
        results = Path(os.environ[VARIABLE])
        results.mkdir(parents=True, exist_ok=True)
        figures = {"fuzzing": {"hashes": [], **counts.plain()}}
        _write(results / "fuzz.json", {**_machine(seed, spent), "figures": figures})
    return 1 if failures else 0


def _machine(seed: int, spent: float) -> dict[str, object]:
    names = ("libcst", "hypothesmith")
    versions = {name: metadata.version(name) if find_spec(name) else "none" for name in names}
    return {
        "schema": SCHEMA,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        **versions,
        "command": f"make fuzz FUZZ_SECONDS={round(spent)} FUZZ_SEED={seed}",
        "seconds": round(spent),
    }


def _write(path: Path, document: dict[str, object]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
