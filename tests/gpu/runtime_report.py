"""Runs the programs of ``tests/gpu/programs`` through the command line, before and after, and writes the figures.

``python -m tests.gpu.runtime_report`` on a machine with a CUDA device; the files go to the folder that the environment
variable ``H2DLINT_GPU_RESULTS`` names. ``docs/measured-runtime.md`` says what the figures mean. Each file is written
anew whenever a step has ended, so that a run which is killed has left what it had measured.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from tests.gpu import results
from tests.gpu.runtime_parts import (
    PROGRAMS,
    VERIFIED,
    Done,
    bench,
    figures_of_verdict,
    h2dlint,
    library,
    shell,
    stop_all,
)
from tests.gpu.stale import CODE, REFERENCE, ROOT, hashes_of_reference, make_hash

COMMAND = "python -m tests.gpu.runtime_report"

LIBRARIES: Mapping[str, str] = {
    "timm": "timm",
    "torchmetrics": "torchmetrics",
    "torch_geometric": "torch_geometric",
    "e3nn": "e3nn",
    "sentence_transformers": "sentence_transformers",
    "gpytorch": "gpytorch",
    "torchvision": "torchvision",
    # Large: what the script uses of it is linted and fixed, not all models.
    "transformers": "transformers/generation transformers/models/llama transformers/models/t5",
}
"""Import name to what is linted and fixed: the package, or paths in the folder that holds it. In this order."""

FIRST = ("trace", "verify", "plain and traced")
"""Steps whose failure is the figure's own, and not that of a part of it."""

ASSUME = ("--isolated", "--assume-cuda")
REPEATS = 4
MODELS = ("1b", "7b")
"""Sizes that the decoding loop is run with: one that the host cannot keep up with, and one that it can."""
TURNS = 2


class Budget:
    """The seconds that are left, and whether a step is likely to fit into them.

    Args:
        seconds: for all steps together, from now; ``None`` if there is no limit.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._end = float("inf") if seconds is None else time.monotonic() + seconds
        self._took: dict[str, float] = {}

    def left(self) -> float:
        return self._end - time.monotonic()

    def fits(self, kind: str) -> bool:
        """Whether a step may be started: it is taken to last as long as the last of its kind."""
        return self.left() > max(1.0, self._took.get(kind, 0.0))

    def limit(self, seconds: float) -> float:
        """The time that a command may take at most."""
        return max(1.0, min(seconds, self.left()))

    def took(self, kind: str, seconds: float) -> None:
        self._took[kind] = seconds


class Report:
    """A file of figures, written anew after each step, by several threads.

    Args:
        path: of the file; its folder is made if it is not there.
        steps: all that is to be measured, as (figure, step).
        some: keep the other figures of a file that the same machine wrote on the same day.
    """

    def __init__(self, path: Path, steps: Iterable[tuple[str, str]], some: bool = False) -> None:
        self.path = path
        self.head = {"schema": results.SCHEMA, **results.machine(), "command": COMMAND}
        self.figures: dict[str, dict[str, Any]] = {}
        self._pending = [f"{name}: {step}" for name, step in steps]
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        if some and path.exists():
            old = json.loads(path.read_text(encoding="utf-8"))
            if {key: old.get(key) for key in self.head} == self.head:
                self.figures = old["figures"]
                self._pending = [*dict.fromkeys([*old.get("not_measured", ()), *self._pending])]

    def add(self, name: str, step: str, figures: Mapping[str, Any]) -> None:
        """Add what a step has measured to a figure, and write the file."""
        with self._lock:
            old = dict(self.figures.get(name, {}))
            if step in FIRST:
                # It may have failed in a run before, or with fewer repeats.
                old.pop("failed", None)
            self.figures[name] = {**old, **figures}
            done = f"{name}: {step}"
            self._pending = [one for one in self._pending if one != done]
            document = {**self.head, "figures": self.figures, "not_measured": self._pending}
            text = json.dumps(document, indent=1) + "\n"
            whole = self.path.with_suffix(".tmp")
            whole.write_text(text, encoding="utf-8", newline="\n")
            whole.replace(self.path)
        where = f"{name}, {step}"
        for part, one in ((where, figures), *((where, figures.get(key) or {}) for key in VERIFIED)):
            if one.get("failed"):
                print(f"not measured: {part}: {one['failed']}", file=sys.stderr, flush=True)
        for feature, why in figures.get("features_failed", {}).items():
            print(f"{name}: feature {feature} failed: {why}", file=sys.stderr, flush=True)

    def complete(self) -> bool:
        """Whether all was measured; says what was not."""
        for one in self._pending:
            print(f"not measured: {one}", file=sys.stderr, flush=True)
        failed = any(
            part.get("failed")
            for figure in self.figures.values()
            for part in (figure, *(figure.get(key) or {} for key in (*VERIFIED, "plain")))
        )
        return not failed and not self._pending


def verify_reference(folder: Path, path: Path, budget: Budget) -> Report:
    """The reference logits processor under ``verify``."""
    variants = {"--assume-cuda": ASSUME, "--unsafe-fixes": ("--isolated", "--unsafe-fixes")}
    report = Report(path, ((f"logits processor, {name}", "verify") for name in variants))
    program = ["python", str((PROGRAMS / "logits.py").relative_to(ROOT))]
    target = str(REFERENCE.relative_to(ROOT))
    for name, options in variants.items():
        if not budget.fits("reference"):
            break
        out = folder / f"reference{name}.json"
        arguments = ["verify", *options, "--path", target, "--json", str(out), "--", *program]
        done = h2dlint(arguments, cwd=ROOT, timeout=budget.limit(180))
        budget.took("reference", done.wall_s)
        figures = {
            "hashes": [*hashes_of_reference(), make_hash(PROGRAMS / "logits.py", CODE)],
            "shown_command": f"h2dlint verify {' '.join(options)} --path {target} -- {' '.join(program)}",
            "host_ms_per_batch": [line["host_ms_per_batch"] for line in done.json_lines("host_ms_per_batch")],
            **figures_of_verdict(out, done),
        }
        report.add(f"logits processor, {name}", "verify", figures)
    return report


def decode_loop(folder: Path, path: Path, budget: Budget, verified: Iterable[str]) -> Report:
    """The decoding loop: under ``verify``, and plainly, as it is and with the fixes written to a copy."""
    hashes = [make_hash(PROGRAMS / name, CODE) for name in ("decode.py", "driving.py", "engine")]
    variants = {
        f"{model}, {' '.join(VERIFIED[key])}": (model, ("--isolated", *VERIFIED[key]))
        for key in verified
        for model in MODELS
    }
    report = Report(path, ((name, step) for name in variants for step in ("verify", "plain")))
    before = bench(folder / "before")
    plain: dict[str, list[dict[str, Any]]] = {
        model: [] for model in MODELS
    }  # of the program as it is: run once
    for number, (name, (model, options)) in enumerate(variants.items()):
        program = ["python", "decode.py", "--model", model]
        if budget.fits("verify"):
            out = folder / f"decode{number}.json"
            arguments = [
                "verify",
                *options,
                "--no-bisect",
                "--path",
                "engine",
                "--json",
                str(out),
                "--",
                *program,
            ]
            done = h2dlint(arguments, cwd=before, timeout=budget.limit(240))
            budget.took("verify", done.wall_s)
            figures = {
                "hashes": hashes,
                "shown_command": f"h2dlint verify {' '.join(options)} --path engine -- {' '.join(program)}",
                "steps_per_s": [run["steps_per_s"] for run in done.json_lines("steps_per_s")],
                **figures_of_verdict(out, done),
            }
            report.add(name, "verify", figures)
        if not budget.fits("plain"):
            continue
        after = bench(folder / f"after{number}")
        fixed = h2dlint(["fix", *options, "-q", "engine"], cwd=after, timeout=budget.limit(120))
        if fixed.returncode not in (0, 1):
            report.add(name, "plain", {"hashes": hashes, "plain": {"failed": fixed.tail}})
            continue
        for figures in plain_runs(before, after, model, plain[model], budget):
            report.add(name, "plain", {"hashes": hashes, "plain": figures})
    pages = os.environ.get("H2DLINT_GPU_PAGES")
    if pages and budget.fits("verify"):
        page = Path(pages).absolute() / "decode.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        traced = ["trace", "-q", *ASSUME, "--html", str(page), "--", "python", "decode.py"]
        h2dlint(traced, cwd=before, timeout=budget.limit(120))
    return report


def plain_runs(
    before: Path, after: Path, model: str, plain: list[dict[str, Any]], budget: Budget
) -> Iterable[dict[str, Any]]:
    """Both versions without any recorder, taking turns; the medians so far, whenever both have run.

    The profiler makes the host slower but not the kernels. So the time that the GPU is at work in a step is
    taken from a profile, the time of a step from steps that are not profiled, and what is left of it is idle.

    Args:
        model: the size, for ``decode.py``.
        plain: runs of the program as it is; those that are there already are not run again.
    """
    seen: dict[str, list[dict[str, Any]]] = {"before": plain, "after": []}
    for turn in range(TURNS):
        for name, where in (("before", before), ("after", after)):
            if len(seen[name]) > turn:
                continue
            if not budget.fits("plain"):
                return
            command = [sys.executable, "decode.py", "--busy", "--model", model]
            done = shell(command, cwd=where, timeout=budget.limit(120))
            budget.took("plain", done.wall_s)
            lines = done.json_lines("steps_per_s")
            if not lines:
                yield {"failed": f"{name}: exit {done.returncode}: {done.tail}"}
                return
            seen[name] += lines[-1:]
        yield {name: medians(runs) for name, runs in seen.items()}


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the plain runs of one version."""
    middle = {key: statistics.median(run[key] for run in runs) for key in ("steps_per_s", "step_ms")}
    busy = statistics.median(run["busy_ms_per_step"] for run in runs)
    return {
        **middle,
        "all_steps_per_s": [run["steps_per_s"] for run in runs],
        "busy_ms_per_step": busy,
        "idle_share": round(1 - busy / middle["step_ms"], 4),
    }


def overhead(folder: Path, path: Path, budget: Budget) -> Report:
    """What recording costs a program in which nothing blocks."""
    report = Report(path, [("quiet", "plain and traced")])
    program = [sys.executable, str(PROGRAMS / "quiet.py")]
    runs: dict[str, list[Done]] = {"plain": [], "traced": []}
    for number in range(REPEATS):
        if not budget.fits("pair"):
            break
        out = folder / f"quiet{number}.json"
        runs["plain"].append(shell(program, cwd=ROOT, timeout=budget.limit(120)))
        traced = [
            "trace",
            "-q",
            "--isolated",
            "-o",
            str(out),
            "--path",
            str(PROGRAMS / "quiet.py"),
            "--",
            *program,
        ]
        runs["traced"].append(h2dlint(traced, ROOT, budget.limit(120)))
        budget.took("pair", sum(done[-1].wall_s for done in runs.values()))
        report.add("quiet", "plain and traced", overhead_figures(runs, out))
    return report


def overhead_figures(runs: Mapping[str, list[Done]], out: Path) -> dict[str, Any]:
    """The figures of the runs so far.

    Raises:
        RuntimeError: one of the runs failed; the message has its exit status and what it said.
    """
    loops: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    ended = set()
    for name, some in runs.items():
        for done in some:
            lines = done.json_lines("loop_s")
            if done.returncode or not lines or not lines[-1]["seconds"]:
                said = f"{done.out[-500:]}{done.tail}"
                raise RuntimeError(f"the {name} run failed, exit {done.returncode}: {said}")
            loops.setdefault(name, []).append(lines[-1]["loop_s"])
            failed.update(lines[-1]["failed"])
            ended.add(tuple(lines[-1]["seconds"]))
    if len(ended) > 1:
        raise RuntimeError(f"not the same loops ended in all runs: {failed}")
    sites = json.loads(out.read_text(encoding="utf-8"))["sites"]
    middle = {name: statistics.median(values) for name, values in loops.items()}
    return {
        "hashes": [make_hash(PROGRAMS / "quiet.py", CODE)],
        "shown_command": "h2dlint trace -- python tests/gpu/programs/quiet.py",
        "loop_s": loops,
        "features_failed": failed,
        "overhead_percent": round(100 * (middle["traced"] / middle["plain"] - 1), 3),
        # How far the plain runs lie apart: an overhead below this is none that can be told.
        "spread_percent": round(100 * (max(loops["plain"]) - min(loops["plain"])) / middle["plain"], 3),
        "wall_s": {name: round(statistics.median(d.wall_s for d in some), 3) for name, some in runs.items()},
        "blocking_in_the_whole_program": sum(site["blocked"] for site in sites if site["kind"] == "sync"),
    }


def libraries(
    folder: Path, path: Path, budget: Budget, names: list[str], jobs: int, verified: list[str], some: bool
) -> Report:
    """Every library, several at a time: copies are counted, and how long each took is not quoted."""
    steps = ["trace", *(f"verify {key}" for key in verified)]
    report = Report(path, ((name, step) for name in names for step in steps), some)

    def one(name: str) -> None:
        known, todo = library(name, LIBRARIES[name].split(), folder, verified)
        if not todo:
            report.add(name, steps[0], known)
        for step, work in todo.items():
            if not budget.fits(step):
                break
            began = time.monotonic()
            try:
                figures = work(budget.limit(600))
            except Exception:
                failed = {"failed": traceback.format_exc()[-2000:]}
                figures = failed if step in FIRST else {step.removeprefix("verify "): failed}
            budget.took(step, time.monotonic() - began)
            report.add(name, step, {**known, **figures})

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, names))
    return report


def stopped(signum: int, _frame: FrameType | None) -> None:
    """End at once, and all that was started with us: what is measured has been written."""
    stop_all()
    os._exit(128 + signum)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("verify", "overhead", "decode", "libraries")
    parser.add_argument("--part", action="append", choices=parts, help="only these [default: all]")
    parser.add_argument("--library", action="append", choices=list(LIBRARIES), help="only these")
    parser.add_argument("--jobs", type=int, default=8, help="libraries at a time")
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="start nothing that would end later")
    parser.add_argument(
        "--verified",
        action="append",
        choices=list(VERIFIED),
        help="with which fixes the decoding loop and the libraries are verified [default: safe]",
    )
    chosen = parser.parse_args()
    target = os.environ.get(results.VARIABLE)
    if not target:
        parser.error(f"set {results.VARIABLE} to the folder for the figures")
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stopped)
    status, budget = 0, Budget(chosen.budget)
    verified, names = chosen.verified or ["safe"], chosen.library or list(LIBRARIES)
    with tempfile.TemporaryDirectory(prefix="h2dlint-report-", ignore_cleanup_errors=True) as name:
        folder, file = Path(name), {part: Path(target) / f"{part}.json" for part in parts}
        works: Mapping[str, Callable[[], Report]] = {
            "verify": lambda: verify_reference(folder, file["verify"], budget),
            "overhead": lambda: overhead(folder, file["overhead"], budget),
            "decode": lambda: decode_loop(folder, file["decode"], budget, verified),
            "libraries": lambda: libraries(
                folder, file["libraries"], budget, names, chosen.jobs, verified, bool(chosen.library)
            ),
        }
        for part in chosen.part or parts:
            began = time.perf_counter()
            try:
                if not works[part]().complete():
                    status = 1
            except Exception:
                # The other parts are worth having all the same.
                traceback.print_exc()
                status = 1
            print(f"{part}: {time.perf_counter() - began:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
