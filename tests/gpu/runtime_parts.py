"""The pieces of ``runtime_report``: running commands, reading verdicts, what a library's trace says of the linter."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from h2dlint.engine.config import load_settings
from h2dlint.model import Ran
from h2dlint.runtime.join import Explained, FindingRow, SiteRow, explain
from h2dlint.runtime.traces import Trace, from_json
from tests.gpu.stale import CODE, ROOT, make_hash

PROGRAMS = Path(__file__).resolve().parent / "programs"
LISTED = 80
"""Entries of a list in a file of results, at most."""
TAIL = 1500

VERIFIED: Mapping[str, tuple[str, ...]] = {
    "safe": ("--assume-cuda",),
    "unsafe": ("--assume-cuda", "--unsafe-fixes"),
    "everything": ("--assume-cuda", "--unsafe-fixes", "--cold", "--min-confidence", "low"),
}
"""What is fixed when a library is verified, as options of ``h2dlint verify``."""


@dataclass(frozen=True)
class Done:
    """A command that has run.

    Args:
        returncode: -1 if it was killed because it took too long.
        out: its standard output.
        tail: the end of its standard error.
        wall_s: from start to end.
    """

    returncode: int
    out: str
    tail: str
    wall_s: float = 0.0

    def json_lines(self, key: str) -> list[dict[str, Any]]:
        """The lines of standard output that are JSON objects with a key."""
        found = []
        for line in self.out.splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and key in value:
                found.append(value)
        return found


_running: set[int] = set()
"""Commands that have been started and have not ended."""


def stop_all() -> None:
    """Kill every command that runs, and what it has started."""
    for pid in list(_running):
        _kill(pid)


def _kill(pid: int) -> None:
    """Kill a process and all below it: what ``h2dlint verify`` runs is in a group of its own."""
    below: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            below.setdefault(parent, []).append(int(stat.parent.name))
    doomed = [pid]
    for one in doomed:
        doomed += below.get(one, ())
    for one in doomed:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)


def shell(command: Sequence[str], cwd: Path, timeout: float) -> Done:
    """Run a command; what it says goes into the result, and to the terminal one line: how long it took."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Nothing here asks a server; some libraries wait for one unless they are told.
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        list(command),
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    _running.add(process.pid)
    late = ""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        late = f"killed after {timeout:.0f} s\n"
        _kill(process.pid)
        try:
            out, err = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            out, err = "", "something that it left behind holds its output"
    finally:
        _running.discard(process.pid)
    wall = time.perf_counter() - began
    returncode = -1 if late else process.returncode
    shown = " ".join(Path(word).name if os.sep in word else word for word in command)[:150]
    print(f"{wall:6.1f} s, exit {returncode}: {shown}", flush=True)
    return Done(returncode, out, late + err[-TAIL:], wall)


def h2dlint(arguments: Sequence[str], cwd: Path, timeout: float) -> Done:
    """Run ``h2dlint`` of this repository; ``python`` in the program's command is this interpreter."""
    own = [sys.executable if one == "python" else one for one in arguments]
    return shell([sys.executable, "-m", "h2dlint", *own], cwd, timeout)


def bench(folder: Path) -> Path:
    """A copy of the decoding loop where no folder is named for tests: h2dlint takes what lies there for cold."""
    folder.mkdir(parents=True)
    for name in ("decode.py", "driving.py"):
        shutil.copyfile(PROGRAMS / name, folder / name)
    shutil.copytree(PROGRAMS / "engine", folder / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def figures_of_verdict(path: Path, done: Done) -> dict[str, Any]:
    """What ``verify`` wrote, short enough to be kept; what it said where it wrote nothing."""
    if not path.exists():
        return {"exit": done.returncode, "failed": done.tail}
    verdict = json.loads(path.read_text(encoding="utf-8"))
    runs = [
        {
            key: round(run[key], 4) if isinstance(run[key], float) else run[key]
            for key in (
                "name",
                "returncode",
                "wall_s",
                "traced",
                "blocking",
                "held_us",
                "waits",
                "waited_us",
                "records",
                "timed_out",
            )
        }
        for run in verdict["runs"]
    ]
    return {
        "exit": done.returncode,
        "state": verdict["state"],
        "reason": verdict["reason"],
        "runs": runs,
        "records": verdict["records"],
        "tensors": verdict["tensors"],
        "bytes": verdict["bytes"],
        "differences": verdict["differences"][:20],
        "nondeterministic": verdict["nondeterministic"][:20],
        "fixes": len(verdict["fixes"]),
        "fixes_by_rule": dict(sorted(Counter(fix["code"] for fix in verdict["fixes"]).items())),
        "fixes_ran": sum(fix["ran"] is True for fix in verdict["fixes"]) if verdict["ran_known"] else None,
        "search": verdict["search"],
        "notes": verdict["notes"][:10],
        # Why the copies that are left are left.
        "left": dict(
            Counter(
                f"{site['rule']}: {site['why']}" if site["why"] else site["rule"]
                for site in verdict["sites"]
                if site["after"]
            ).most_common(20)
        ),
    }


Step = Callable[[float], dict[str, Any]]
"""Takes the seconds that it may take, and returns the figures to be added."""


def library(
    name: str, parts: Sequence[str], folder: Path, verified: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Step]]:
    """What is known of a library before anything is run, and the steps that measure the rest, in order.

    Args:
        name: of the package that is imported, and of the script: ``lib_NAME.py``.
        parts: the package, or files and folders in the folder that holds it, as paths with slashes.
        folder: for files that are made on the way.
        verified: keys of ``VERIFIED``.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return {"hashes": [], "failed": f"{name} is not installed"}, {}
    package = Path(next(iter(spec.submodule_search_locations))).resolve()
    roots = [str(package.parent / part) for part in parts]
    script = PROGRAMS / f"lib_{name}.py"
    program = ["python", str(script)]
    where = folder / name
    where.mkdir()
    chosen = (
        ["--package", name] if list(parts) == [name] else [one for root in roots for one in ("--path", root)]
    )

    def trace(seconds: float) -> dict[str, Any]:
        out, judged = where / "trace.json", where / "recall.json"
        arguments = ["trace", "-q", "--isolated", "-o", str(out), "--path", str(script), "--", *program]
        done = h2dlint(arguments, where, min(200, seconds))
        told = done.json_lines("features")
        figures = {
            "features": told[-1]["features"] if told else 0,
            "features_failed": told[-1]["failed"] if told else {},
            "trace_exit": done.returncode,
        }
        if not out.exists():
            return {**figures, "failed": done.tail or "the trace was not written"}
        # On its own: several libraries are linted at once, and threads of one process would take turns.
        command = [sys.executable, "-m", "tests.gpu.runtime_parts", str(out), str(judged), str(package)]
        done = shell([*command, *roots], where, max(1.0, min(300, seconds - done.wall_s)))
        if not judged.exists():
            return {**figures, "failed": done.tail or "what the linter says was not written"}
        return {**figures, **json.loads(judged.read_text(encoding="utf-8"))}

    def verify(key: str, seconds: float) -> dict[str, Any]:
        result, options = where / f"{key}.json", VERIFIED[key]
        arguments = ["verify", "--isolated", "--max-runs", "8", "--timeout", "200", *options, *chosen]
        # Only what a fix changes shall differ from run to run.
        command = [*program, "--deterministic"]
        done = h2dlint([*arguments, "--json", str(result), "--", *command], where, min(420, seconds))
        what = " ".join(chosen) if "--package" in chosen else "--path .."
        shown = f"h2dlint verify {' '.join(options)} {what} -- python lib_{name}.py --deterministic"
        return {key: {"shown_command": shown, **figures_of_verdict(result, done)}}

    steps: dict[str, Step] = {"trace": trace}
    for key in verified:
        steps[f"verify {key}"] = partial(verify, key)
    return {"hashes": [make_hash(script, CODE)], "version": _version(name)}, steps


def judge(trace_file: Path, target: Path, package: Path, roots: Sequence[str]) -> None:
    """Write what the linter knew of the copies of a trace."""
    trace = from_json(trace_file.read_text(encoding="utf-8"))
    cwd = Path.cwd()
    settings = load_settings(roots, cwd, None, True, {"assume-cuda": True})
    figures = {
        "notes": [process.note for process in trace.processes if process.note],
        **recall(trace, explain(trace, roots, settings, cwd), package, cwd),
    }
    target.write_text(json.dumps(figures), encoding="utf-8")


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def recall(trace: Trace, explained: Explained, package: Path, cwd: Path) -> dict[str, Any]:
    """How much of what blocked in a package the linter reports, and how much of what it reports did not block.

    A *place* is a line; all chains of calls that led there count together. Hazards are no claim that a line
    blocks, and are left out of the false alarms.

    Args:
        trace, explained: of a run.
        package: folder of the package.
        cwd: that the paths of findings are relative to.
    """
    inside = [row for row in explained.sites if _within(row, package)]
    lines = _lines(trace, package)
    default = [
        row
        for row in explained.of(Ran.WITHOUT_BLOCKING, hidden=True)
        if row.finding.code[:4] != "HTD4" and _in(cwd / row.finding.path, package)
    ]
    shown = [row for row in default if not row.hidden]
    confirmed = [
        row for row in explained.of(Ran.CONFIRMED, hidden=True) if _in(cwd / row.finding.path, package)
    ]
    return {
        "ran_lines": lines,
        "blocking_elsewhere": sum(row.at.blocked for row in explained.sites if row not in inside),
        "blocked": _sums(inside),
        "reported": _sums(row for row in inside if row.reported),
        "reported_with_everything": _sums(row for row in inside if row.findings),
        "hidden": dict(Counter(row.finding.hidden for row in inside if row.finding and not row.reported)),
        "missed": _missed([row for row in inside if not row.findings], package),
        "confirmed": sum(not row.hidden for row in confirmed),
        "confirmed_with_everything": len(confirmed),
        "false_alarms": len(shown),
        "false_alarms_with_everything": len(default),
        "false_alarms_listed": [_finding(row, package, cwd) for row in shown][:LISTED],
        "errors": [f"{error.path}: {error.message}"[:200] for error in explained.errors][:5],
        "compiling": sum(row.at.compiling for row in inside),
    }


def _within(row: SiteRow, package: Path) -> bool:
    frame = row.at.frame
    return frame is not None and _in(frame.file, package)


def _in(path: str | Path, package: Path) -> bool:
    return package in Path(path).resolve().parents


def _place(row: SiteRow) -> tuple[str, int]:
    frame = row.at.frame
    assert frame is not None, "sites of the package have a frame"
    return frame.file, frame.line


def _sums(rows: Iterable[SiteRow]) -> dict[str, float]:
    rows = list(rows)
    return {
        "places": len({_place(row) for row in rows}),
        "copies": sum(row.at.blocked for row in rows),
        "held_us": round(sum(row.at.held_us for row in rows), 1),
    }


def _missed(rows: Sequence[SiteRow], package: Path) -> list[dict[str, Any]]:
    """The places that no rule sees, those that held longest first."""
    merged: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        frame = row.at.frame
        assert frame is not None
        text = next((line.text.strip() for line in row.source if line.number == frame.line), "")
        entry = merged.setdefault(
            _place(row),
            {
                "at": f"{Path(frame.file).resolve().relative_to(package.parent).as_posix()}:{frame.line}",
                "function": frame.function,
                "operator": row.at.operator,
                "kind": row.at.kind,
                "copies": 0,
                "held_us": 0.0,
                "text": text[:160],
            },
        )
        entry["copies"] += row.at.blocked
        entry["held_us"] = round(entry["held_us"] + row.at.held_us, 1)
    return sorted(merged.values(), key=lambda entry: -entry["held_us"])[:LISTED]


def _finding(row: FindingRow, package: Path, cwd: Path) -> dict[str, str]:
    finding = row.finding
    path = (cwd / finding.path).resolve().relative_to(package.parent).as_posix()
    return {
        "at": f"{path}:{finding.span.line}",
        "code": finding.code,
        "function": finding.function or "",
        "confidence": finding.confidence.name.lower(),
    }


def _lines(trace: Trace, package: Path) -> int | None:
    """How many lines of the package ran; ``None`` where that was not recorded."""
    if trace.lines is None:
        return None
    return sum(len(numbers) for file, numbers in trace.lines.items() if _in(file, package))


if __name__ == "__main__":
    judge(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
