"""Turns what ``tests/gpu/runtime_report.py`` measured into Markdown tables. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Figure = Mapping[str, Any]


def verify_rows(figures: Mapping[str, Figure]) -> tuple[Sequence[str], list[list[str]]]:
    """Runs of ``verify``: the reference module, or the decoding loop."""
    header = [
        "fixes",
        "outputs",
        "fixes applied, of them ran",
        "blocking H2D copies",
        "host held by them",
        "other waits",
        "host held by those",
    ]
    rows = []
    for name, figure in figures.items():
        if not figure.get("runs"):
            rows.append([name, f"not measured: {_last(figure.get('failed', ''))}", *[""] * 5])
            continue
        before, after = _ends(figure)
        rows.append(
            [
                name,
                f"{figure['state']}: {figure['records']} records, {figure['tensors']} tensors",
                f"{figure['fixes']}, {_known(figure['fixes_ran'])}",
                f"{before['blocking']:,} → {after['blocking']:,}",
                f"{_ms(before['held_us'])} → {_ms(after['held_us'])}",
                f"{before['waits']:,} → {after['waits']:,}",
                f"{_ms(before['waited_us'])} → {_ms(after['waited_us'])}",
            ]
        )
    return header, rows


def decode_rows(figures: Mapping[str, Figure]) -> tuple[Sequence[str], list[list[str]]]:
    """Steps per second of the decoding loop."""
    header = [
        "fixes",
        "steps/s under `verify`: before, before again, after",
        "steps/s without a recorder",
        "time of a step",
        "GPU at work in a step",
        "GPU idle",
    ]
    rows = []
    for name, figure in figures.items():
        plain = figure.get("plain", {})
        under = ", ".join(f"{value:.0f}" for value in figure.get("steps_per_s", ())) or "not measured"
        if "before" not in plain or "after" not in plain:
            rows.append([name, under, *["not measured"] * 4])
            continue
        sides = [plain["before"], plain["after"]]
        rows.append(
            [
                name,
                under,
                " → ".join(f"{side['steps_per_s']:.0f}" for side in sides),
                " → ".join(f"{side['step_ms']:.2f} ms" for side in sides),
                " → ".join(f"{side['busy_ms_per_step']:.2f} ms" for side in sides),
                " → ".join(f"{side['idle_share']:.0%}" for side in sides),
            ]
        )
    return header, rows


def recall_rows(figures: Mapping[str, Figure]) -> tuple[Sequence[str], list[list[str]]]:
    """Of each library, how much of what blocked is reported, and how much that is reported did not block."""
    header = [
        "library",
        "features that ran",
        "lines that blocked",
        "of them reported, by default",
        "of the time held",
        "reported with cold code and low confidence",
        "of the time held",
        "findings that blocked",
        "findings that ran without blocking",
    ]
    rows = []
    for name, figure in figures.items():
        if "blocked" not in figure:
            rows.append([name, f"not measured: {_last(figure.get('failed', ''))}", *[""] * 7])
            continue
        all_of, some, most = (figure[key] for key in ("blocked", "reported", "reported_with_everything"))
        rows.append(
            [
                f"{name} {figure['version']}",
                f"{figure['features'] - len(figure['features_failed'])} of {figure['features']}",
                f"{all_of['places']:,}",
                f"{some['places']:,} ({_share(some['places'], all_of['places'])})",
                _share(some["held_us"], all_of["held_us"]),
                f"{most['places']:,} ({_share(most['places'], all_of['places'])})",
                _share(most["held_us"], all_of["held_us"]),
                f"{figure['confirmed']:,}",
                f"{figure['false_alarms']:,}",
            ]
        )
    return header, rows


def package_rows(figures: Mapping[str, Figure]) -> tuple[Sequence[str], list[list[str]]]:
    """``verify --package`` on each library."""
    header = [
        "library",
        "fixes: options",
        "outputs",
        "left out as nondeterministic",
        "applied, of them ran",
        "blocking H2D copies in the whole run",
    ]
    rows = []
    for name, figure in figures.items():
        for key, label in (
            ("safe", "`--assume-cuda`"),
            ("unsafe", "`--assume-cuda --unsafe-fixes`"),
            ("everything", "and `--cold --min-confidence low`"),
        ):
            result = figure.get(key)
            if result is None:
                continue
            if not result.get("runs"):
                rows.append([name, label, f"not measured: {_last(result.get('failed', ''))}", "", "", ""])
                continue
            before, after = _ends(result)
            rows.append(
                [
                    name,
                    label,
                    f"{result['state']}: {result['records']} records, {result['tensors']} tensors",
                    str(len(result["nondeterministic"])),
                    f"{result['fixes']}, {_known(result['fixes_ran'])}",
                    f"{before['blocking']:,} → {after['blocking']:,}",
                ]
            )
    return header, rows


def overhead_rows(figures: Mapping[str, Figure]) -> tuple[Sequence[str], list[list[str]]]:
    """What recording costs where nothing blocks."""
    header = [
        "program",
        "loops, plain",
        "loops, traced",
        "overhead",
        "spread of the plain runs",
        "whole process",
    ]
    rows = []
    for figure in figures.values():
        loops, wall = figure["loop_s"], figure["wall_s"]
        plain, traced = (sorted(loops[key])[len(loops[key]) // 2] for key in ("plain", "traced"))
        rows.append(
            [
                f"`{figure['shown_command']}`",
                f"{plain:.3f} s",
                f"{traced:.3f} s",
                f"{figure['overhead_percent']:+.1f} %",
                f"{figure['spread_percent']:.1f} %",
                f"{wall['plain']:.1f} s → {wall['traced']:.1f} s",
            ]
        )
    return header, rows


Rows = Callable[[Mapping[str, Figure]], tuple[Sequence[str], list[list[str]]]]

TABLES: Mapping[str, tuple[str, Rows]] = {
    "runtime_verify": ("verify.json", verify_rows),
    "runtime_decode": ("decode.json", decode_rows),
    "runtime_decode_verify": ("decode.json", verify_rows),
    "runtime_libraries": ("libraries.json", recall_rows),
    "runtime_packages": ("libraries.json", package_rows),
    "runtime_overhead": ("overhead.json", overhead_rows),
}
"""Name in a marker to file and table."""


def _ends(figure: Figure) -> tuple[Figure, Figure]:
    """The first run and the one with the fixes."""
    runs = {run["name"]: run for run in figure["runs"]}
    return runs["before"], runs.get("after", runs["before"])


def _known(count: int | None) -> str:
    return "not known" if count is None else str(count)


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1e3:,.1f} ms"


def _last(text: str) -> str:
    """The last line of what a command said."""
    return text.strip().rpartition("\n")[2][:120] or "no reason given"
