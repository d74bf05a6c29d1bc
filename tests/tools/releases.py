"""Tells whether copies that engineers later removed were reported before the change, and not after it.

    python tests/tools/releases.py EARLIER LATER truth.json [--package NAME] [--json OUT] [-- CHECK OPTIONS]

EARLIER and LATER are two unpacked releases. The truth is a JSON list of objects, one for each copy that the
earlier release made and the later one does not:

``file``         path within both trees
``line``         first line of the copy in the earlier file; ``end_line`` its last one (optional)
``later_lines``  ``[first, last]`` line of what stands in its place in the later file; absent or null where
                 nothing does
``package``, ``earlier``, ``later``, ``decided_by``
                 optional; ``--earlier-name`` and its like pick the entries that belong to these two trees,
                 and the recall is given for each ``decided_by`` by itself

*Reported before* is a finding on one of the copy's lines, told apart as ``default`` (what a plain
``h2dlint check`` shows) and ``hidden`` (low confidence or cold). *Silent after* means that no finding of the
effect ``blocks`` stands on the later lines; a transfer that only ``may-block`` counts as silent and is named.

Only the files that the truth names are checked: a verdict does not depend on which paths are given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SHOW_ALL = ("--isolated", "--cold", "--min-confidence", "low", "--output-format", "json")

Finding = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One removed copy, as the truth file has it."""

    file: str
    line: int
    end_line: int
    later_lines: tuple[int, int] | None
    decided_by: str

    @staticmethod
    def parse(raw: Mapping[str, Any]) -> Entry:
        """The entry of one JSON object.

        Raises:
            ValueError: a field is missing, of the wrong type, or its lines are out of order.
        """
        try:
            line = int(raw["line"])
            end = int(raw.get("end_line") or line)
            after = raw.get("later_lines")
            later = None if not after else (int(after[0]), int(after[-1]))
            entry = Entry(str(raw["file"]), line, end, later, str(raw.get("decided_by") or "unsaid"))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a truth entry: {raw!r}") from error
        if end < line or (later is not None and later[1] < later[0]):
            raise ValueError(f"lines out of order: {raw!r}")
        return entry


@dataclass(frozen=True)
class Outcome:
    """What the linter said of one entry; ``before`` and ``after`` are lists of ``CODE confidence context``."""

    file: str
    line: int
    decided_by: str
    reported: str
    """``default``, ``hidden`` or ``missed``."""
    silent_after: bool
    before: list[str]
    after: list[str]


def touching(findings: Iterable[Finding], first: int, last: int) -> list[Finding]:
    """The findings that share a line with ``first`` to ``last``, both inclusive."""
    return [found for found in findings if found["line"] <= last and found["end_line"] >= first]


def shown_by_default(finding: Finding) -> bool:
    """Whether a plain ``h2dlint check`` would print it."""
    return bool(finding["confidence"] != "low" and finding["context"] != "cold")


def label(finding: Finding) -> str:
    """One finding in a few words."""
    return f"{finding['code']} {finding['confidence']} {finding['context']} {finding['effect']}"


def judge(entry: Entry, before: Iterable[Finding], after: Iterable[Finding]) -> Outcome:
    """What became of one entry, given the findings of its file in both trees."""
    hits = touching(before, entry.line, entry.end_line)
    left = touching(after, *entry.later_lines) if entry.later_lines else []
    reported = "missed" if not hits else "default" if any(map(shown_by_default, hits)) else "hidden"
    silent = not any(found["effect"] == "blocks" for found in left)
    return Outcome(
        entry.file,
        entry.line,
        entry.decided_by,
        reported,
        silent,
        [label(found) for found in hits],
        [label(found) for found in left],
    )


def run_check(tree: Path, files: Iterable[str], options: Sequence[str] = ()) -> dict[str, list[Finding]]:
    """The findings of each file, by its path within ``tree``; ``options`` are further options of ``check``.

    A file that is not there has none: the later release may have dropped it.

    Raises:
        RuntimeError: the linter could not do its job for a file.
    """
    found: dict[str, list[Finding]] = {file: [] for file in sorted(set(files)) if (tree / file).is_file()}
    if not found:
        return found
    program = "from h2dlint.cli import main; main()"
    command = [sys.executable, "-c", program, "check", *SHOW_ALL, *options, *found]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, encoding="utf-8")
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"h2dlint said nothing of use in {tree}: {done.stderr.strip()[-500:]}") from error
    if report["errors"]:
        raise RuntimeError(f"h2dlint could not read {report['errors'][0]['path']} in {tree}")
    for finding in report["findings"]:
        found[finding["path"]].append(finding)
    return found


def compare(
    earlier: Path, later: Path, entries: Sequence[Entry], options: Sequence[str] = ()
) -> list[Outcome]:
    """One outcome for each entry, in their order.

    Raises:
        RuntimeError: the earlier tree lacks a file of the truth, or the linter could not do its job.
    """
    lost = sorted({entry.file for entry in entries if not (earlier / entry.file).is_file()})
    if lost:
        raise RuntimeError(f"not in {earlier}: {lost[0]}")
    before = run_check(earlier, (entry.file for entry in entries), options)
    after = run_check(later, (entry.file for entry in entries if entry.later_lines), options)
    return [judge(entry, before[entry.file], after.get(entry.file, [])) for entry in entries]


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """Recall by what decides an entry: a line each."""
    lines = []
    for kind in sorted({outcome.decided_by for outcome in outcomes}):
        group = [outcome for outcome in outcomes if outcome.decided_by == kind]
        shown = sum(outcome.reported == "default" for outcome in group)
        known = sum(outcome.reported != "missed" for outcome in group)
        silent = sum(outcome.silent_after for outcome in group)
        before = f"{known} of {len(group)} reported before ({shown} by default)"
        lines.append(f"{kind}: {before}, {silent} of {len(group)} silent after")
    return lines


def select(truth: Iterable[Mapping[str, Any]], wanted: Mapping[str, str | None]) -> list[Entry]:
    """The entries whose fields equal every value in ``wanted`` that is not None."""
    kept = (
        raw for raw in truth if all(value is None or raw.get(name) == value for name, value in wanted.items())
    )
    return [Entry.parse(raw) for raw in kept]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each entry and the recall; 0 if every entry was reported before and is silent after."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("earlier", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--package", help="only the entries of this package")
    parser.add_argument("--earlier-name", help="only the entries with this ``earlier``")
    parser.add_argument("--later-name", help="only the entries with this ``later``")
    parser.add_argument("--json", type=Path, help="write the outcomes there, too")
    parser.epilog = "What follows -- goes to h2dlint check."
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    args, options = parser.parse_args(given[:cut]), given[cut + 1 :]
    wanted = {"package": args.package, "earlier": args.earlier_name, "later": args.later_name}
    try:
        entries = select(json.loads(args.truth.read_text(encoding="utf-8")), wanted)
        outcomes = compare(args.earlier, args.later, entries, options)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"releases: {error}", file=sys.stderr)
        return 2
    for outcome in outcomes:
        after = "silent" if outcome.silent_after else "still reported"
        seen = ", ".join(outcome.before) or "-"
        print(f"{outcome.file}:{outcome.line}: before {outcome.reported} ({seen}); after {after}", end="")
        print(f" ({', '.join(outcome.after)})" if outcome.after else "")
    print("\n".join(summary(outcomes)))
    if args.json:
        args.json.write_text(
            json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n", encoding="utf-8"
        )
    return 0 if all(outcome.reported != "missed" and outcome.silent_after for outcome in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
