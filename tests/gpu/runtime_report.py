"""Runs the programs of ``tests/gpu/programs`` through the command line, before and after, and writes the figures.

``python -m tests.gpu.runtime_report`` on a machine with a CUDA device; the files go to the folder that the environment
variable ``H2DLINT_GPU_RESULTS`` names. ``docs/measured-runtime.md`` says what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.gpu import results
from tests.gpu.runtime_parts import PROGRAMS, VERIFIED, bench, figures_of_verdict, h2dlint, library, shell
from tests.gpu.stale import CODE, REFERENCE, ROOT, hashes_of_reference, make_hash

COMMAND = "python -m tests.gpu.runtime_report"

LIBRARIES: Mapping[str, str] = {
    "timm": "timm",
    "torchmetrics": "torchmetrics",
    "torch_geometric": "torch_geometric",
    "e3nn": "e3nn",
    "sentence_transformers": "sentence_transformers",
    "torchvision": "torchvision",
    "gpytorch": "gpytorch",
    # Large: what the script uses of it is linted and fixed, not all models.
    "transformers": "transformers/generation transformers/models/llama transformers/models/t5",
}
"""Import name to what is linted and fixed: the package, or paths in the folder that holds it."""

ASSUME = ("--isolated", "--assume-cuda")
REPEATS = 4


def verify_reference(folder: Path) -> dict[str, Any]:
    """The reference logits processor under ``verify``."""
    figures: dict[str, Any] = {}
    program = ["python", str((PROGRAMS / "logits.py").relative_to(ROOT))]
    target = str(REFERENCE.relative_to(ROOT))
    for name, options in (("--assume-cuda", ASSUME), ("--unsafe-fixes", ("--isolated", "--unsafe-fixes"))):
        out = folder / f"reference{name}.json"
        arguments = ["verify", *options, "--path", target, "--json", str(out), "--", *program]
        done = h2dlint(arguments, cwd=ROOT, timeout=180)
        figures[f"logits processor, {name}"] = {
            "hashes": [*hashes_of_reference(), make_hash(PROGRAMS / "logits.py", CODE)],
            "shown_command": f"h2dlint verify {' '.join(options)} --path {target} -- {' '.join(program)}",
            "host_ms_per_batch": [line["host_ms_per_batch"] for line in done.json_lines("host_ms_per_batch")],
            **figures_of_verdict(out, done),
        }
    return figures


def decode_loop(folder: Path) -> dict[str, Any]:
    """The decoding loop: under ``verify``, and plainly, as it is and with the fixes written to a copy."""
    hashes = [make_hash(PROGRAMS / name, CODE) for name in ("decode.py", "engine")]
    before = bench(folder / "before")
    figures: dict[str, Any] = {}
    program = ["python", "decode.py"]
    page = folder / "decode.html"
    traced = h2dlint(
        ["trace", *ASSUME, "--html", str(page), "-o", str(folder / "decode-trace.json"), "--", *program],
        cwd=before,
        timeout=180,
    )
    keep = os.environ.get("H2DLINT_GPU_PAGES")
    if keep and page.exists():
        Path(keep).mkdir(parents=True, exist_ok=True)
        (Path(keep) / "decode.html").write_bytes(page.read_bytes())
    for name, options in (
        ("--assume-cuda", ASSUME),
        ("--assume-cuda --unsafe-fixes", (*ASSUME, "--unsafe-fixes")),
    ):
        out = folder / f"decode{len(figures)}.json"
        arguments = ["verify", *options, "--path", "engine", "--json", str(out), "--", *program]
        done = h2dlint(arguments, cwd=before, timeout=240)
        runs = done.json_lines("steps_per_s")
        after = bench(folder / f"after{len(figures)}")
        fixed = h2dlint(["fix", *options, "-q", "engine"], cwd=after, timeout=120)
        figures[name] = {
            "hashes": hashes,
            "shown_command": f"h2dlint verify {' '.join(options)} --path engine -- {' '.join(program)}",
            "steps_per_s": [run["steps_per_s"] for run in runs],
            "plain": plain_runs(before, after) if fixed.returncode in (0, 1) else {"failed": fixed.tail},
            "trace_exit": traced.returncode,
            **figures_of_verdict(out, done),
        }
    return figures


def plain_runs(before: Path, after: Path) -> dict[str, Any]:
    """Both versions without any recorder, taking turns; the medians.

    The profiler makes the host slower but not the kernels. So the time that the GPU is at work in a step is
    taken from a profile, the time of a step from steps that are not profiled, and what is left of it is idle.
    """
    seen: dict[str, list[dict[str, Any]]] = {"before": [], "after": []}
    for _ in range(2):
        for name, where in (("before", before), ("after", after)):
            done = shell([sys.executable, "decode.py", "--busy"], cwd=where, timeout=120)
            seen[name] += done.json_lines("steps_per_s")
    figures: dict[str, Any] = {}
    for name, runs in seen.items():
        if not runs:
            return {"failed": f"{name}: {done.tail}"}
        middle = {key: statistics.median(run[key] for run in runs) for key in ("steps_per_s", "step_ms")}
        busy = statistics.median(run["busy_ms_per_step"] for run in runs)
        figures[name] = {
            **middle,
            "all_steps_per_s": [run["steps_per_s"] for run in runs],
            "busy_ms_per_step": busy,
            "idle_share": round(1 - busy / middle["step_ms"], 4),
        }
    return figures


def overhead(folder: Path) -> dict[str, Any]:
    """What recording costs a program in which nothing blocks."""
    program = [sys.executable, str(PROGRAMS / "quiet.py")]
    plain, traced, walls = [], [], {"plain": [], "traced": []}  # type: ignore[var-annotated]
    for number in range(REPEATS):
        began = time.perf_counter()
        plain += shell(program, cwd=ROOT, timeout=120).json_lines("loop_s")
        walls["plain"].append(time.perf_counter() - began)
        out = folder / f"quiet{number}.json"
        began = time.perf_counter()
        done = h2dlint(["trace", "-q", "-o", str(out), "--path", str(PROGRAMS), "--", *program], ROOT, 120)
        walls["traced"].append(time.perf_counter() - began)
        traced += done.json_lines("loop_s")
    blocked = sum(site["blocked"] for site in json.loads(out.read_text())["sites"] if site["kind"] == "sync")
    loops = {"plain": [one["loop_s"] for one in plain], "traced": [one["loop_s"] for one in traced]}
    middle = {name: statistics.median(values) for name, values in loops.items()}
    figures = {
        "hashes": [make_hash(PROGRAMS / "quiet.py", CODE)],
        "shown_command": "h2dlint trace -- python tests/gpu/programs/quiet.py",
        "loop_s": loops,
        "overhead_percent": round(100 * (middle["traced"] / middle["plain"] - 1), 3),
        # How far the plain runs lie apart: an overhead below this is none that can be told.
        "spread_percent": round(100 * (max(loops["plain"]) - min(loops["plain"])) / middle["plain"], 3),
        "wall_s": {name: round(statistics.median(values), 3) for name, values in walls.items()},
        "blocking_in_the_whole_program": blocked,
    }
    return {"quiet": figures}


def libraries(folder: Path, names: list[str], jobs: int, verified: list[str]) -> dict[str, Any]:
    """Every library, several at a time: copies are counted, and how long each took is not quoted."""

    def one(name: str) -> dict[str, Any]:
        try:
            return library(name, LIBRARIES[name].split(), folder, verified)
        except Exception:
            return {"hashes": [], "failed": traceback.format_exc()[-2000:]}

    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def write(name: str, figures: Mapping[str, Any], folder: Path, some: bool = False) -> bool:
    """Write one file as the other measured figures are written; returns whether all of them were measured.

    Args:
        name: of the file, without its extension.
        figures: by name.
        folder: made if it is not there.
        some: keep the other figures of a file that the same machine wrote on the same day.
    """
    head = {"schema": results.SCHEMA, **results.machine(), "command": COMMAND}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    kept: dict[str, Any] = {}
    if some and path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        if {key: old.get(key) for key in head} == head:
            kept = old["figures"]
    document = {**head, "figures": {**kept, **figures}}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {path.name}, {path.stat().st_size / 1024:.0f} KiB", flush=True)
    for key, figure in figures.items():
        for where, one in ((key, figure), *((f"{key}, {part}", figure.get(part)) for part in VERIFIED)):
            if one and one.get("failed"):
                print(f"not measured: {where}: {one['failed']}", file=sys.stderr, flush=True)
        for feature, why in figure.get("features_failed", {}).items():
            print(f"{key}: feature {feature} failed: {why}", file=sys.stderr, flush=True)
    return not any(figure.get("failed") for figure in figures.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("verify", "decode", "overhead", "libraries")
    parser.add_argument("--part", action="append", choices=parts, help="only these [default: all]")
    parser.add_argument("--library", action="append", choices=list(LIBRARIES), help="only these")
    parser.add_argument("--jobs", type=int, default=6, help="libraries at a time")
    parser.add_argument(
        "--verified",
        action="append",
        choices=list(VERIFIED),
        help="with which fixes the libraries are verified [default: safe and unsafe]",
    )
    chosen = parser.parse_args()
    target = os.environ.get(results.VARIABLE)
    if not target:
        parser.error(f"set {results.VARIABLE} to the folder for the figures")
    status = 0
    with tempfile.TemporaryDirectory(prefix="h2dlint-report-") as name:
        folder = Path(name)
        works: Mapping[str, Callable[[], dict[str, Any]]] = {
            "verify": lambda: verify_reference(folder),
            "decode": lambda: decode_loop(folder),
            "overhead": lambda: overhead(folder),
            "libraries": lambda: libraries(
                folder, chosen.library or list(LIBRARIES), chosen.jobs, chosen.verified or ["safe", "unsafe"]
            ),
        }
        for part in chosen.part or parts:
            began = time.perf_counter()
            try:
                if not write(part, works[part](), Path(target), some=bool(chosen.library)):
                    status = 1
            except Exception:
                # The other parts are worth having all the same.
                traceback.print_exc()
                status = 1
            print(f"{part}: {time.perf_counter() - began:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
