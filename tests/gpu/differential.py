"""Runs drawn programs before and after the fixes: ``python -m tests.gpu.differential --programs 10000``.

On the GPU, or with ``--stand-in`` on the CPU. Writes ``differential.json`` and, where a safe fix changed what a
program does, ``differential_failures.txt`` to the folder that ``H2DLINT_GPU_RESULTS`` names, else to
``build/differential``. Exit status 1 if there is a difference, a fault or a lost process.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import time
from pathlib import Path

from tests.differential.campaign import REAL, STAND_IN, Tally, campaign

FOLDER = "build/differential"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.differential", description=__doc__)
    parser.add_argument("--programs", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0, help="they are drawn from this and their number alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--budget", type=float, default=540.0, help="seconds after which no more are begun")
    parser.add_argument("--stand-in", action="store_true", help="on the CPU, with a stand-in for the device")
    parser.add_argument("--unsafe", action="store_true", help="count what the unsafe fixes change as well")
    given = parser.parse_args()
    began, last = time.monotonic(), [time.monotonic()]
    folder = Path(os.environ.get("H2DLINT_GPU_RESULTS") or FOLDER)
    folder.mkdir(parents=True, exist_ok=True)

    def told(tally: Tally) -> None:
        if time.monotonic() - last[0] > 20:
            last[0] = time.monotonic()
            print(f"{tally.programs} programs, {len(tally.failures)} failures", flush=True)
            # A run that is killed leaves what it has found.
            _write_failures(folder, tally)

    kind = STAND_IN if given.stand_in else REAL
    tally = campaign(
        given.seed, given.first, given.programs, kind, given.jobs, given.budget, given.unsafe, told
    )
    written = _write(folder, tally, given, time.monotonic() - began)
    print(written)
    return 1 if tally.failures or tally.faults or tally.lost else 0


def _write(folder: Path, tally: Tally, given: argparse.Namespace, seconds: float) -> str:
    """Write the figures and the failures; returns the figures."""
    from tests.gpu import results

    command = f"python -m tests.gpu.differential --programs {given.programs} --seed {given.seed}"
    if given.first:
        command += f" --first {given.first}"
    command += (" --stand-in" if given.stand_in else "") + (" --unsafe" if given.unsafe else "")
    numbers = sorted({failure.program.number for failure in tally.failures})
    figures = {
        "device": "stand-in" if given.stand_in else "cuda",
        "seed": given.seed,
        "asked for": given.programs,
        **tally.figures(),
        "seconds": round(seconds),
        "jobs": given.jobs,
        "failing programs": numbers,
    }
    document = {
        "schema": results.SCHEMA,
        **results.machine(),
        "command": command,
        "figures": {"programs": {"hashes": [], **figures}},
    }
    text = json.dumps(document, indent=1) + "\n"
    (folder / "differential.json").write_text(text, encoding="utf-8", newline="\n")
    _write_failures(folder, tally)
    return text


def _write_failures(folder: Path, tally: Tally) -> None:
    """Write the failing programs; where there are none, what an earlier run left is removed."""
    path, report = folder / "differential_failures.txt", _report(tally)
    if report:
        path.write_text(report, encoding="utf-8", newline="\n")
    else:
        path.unlink(missing_ok=True)


def _report(tally: Tally) -> str:
    """The failing programs in full, each with what the fix did to it."""
    parts = [f"fault: {text}" for text in tally.faults] + [f"lost: program {number}" for number in tally.lost]
    for failure in tally.failures:
        program = failure.program
        diff = difflib.unified_diff(
            program.text.splitlines(), failure.fixed.splitlines(), "before", "after", lineterm="", n=200
        )
        parts.append(
            "\n".join(
                [
                    f"== program {program.number} of seed {program.seed}, settings {failure.settings}",
                    f"d = {program.device}",
                    *(f"{name} = {value}" for name, value in program.inputs),
                    *failure.lines,
                    *diff,
                ]
            )
        )
    return "\n\n".join(parts) + "\n" if parts else ""


if __name__ == "__main__":
    sys.exit(main())
