"""Lints pinned wheels, and shows what is found, lost or fixed otherwise than the committed findings say.

    make corpus                      # compare with tests/corpus/findings; exit 1 on a difference
    make corpus ACCEPT=1             # write the findings and docs/corpus.json anew
    make corpus AGAINST=main         # compare with h2dlint as it is in another revision; nothing committed is read
    make corpus PACKAGES="timm e3nn" # some of the wheels

All fixes are applied to copies as well, the safe ones and then all: changed files have to compile, a second run has
to change nothing, and no internal error may be told of. The full list of changes goes to ``build/corpus/changes.txt``.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.corpus import compare, findings, fixes, wheels
from tests.corpus.compare import Difference
from tests.corpus.findings import Checked, Found
from tests.corpus.wheels import Pin

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Places:
    """Where things are.

    Args:
        pins: the requirements file.
        findings: folder of the committed findings.
        table: the committed counts.
        build: folder for what is fetched and made.
        code: folder that holds the package h2dlint.
    """

    pins: Path = ROOT / "tests" / "corpus" / "wheels.txt"
    findings: Path = ROOT / "tests" / "corpus" / "findings"
    table: Path = ROOT / "docs" / "corpus.json"
    build: Path = ROOT / "build" / "corpus"
    code: Path = ROOT


def committed(places: Places, pin: Pin) -> tuple[Found, ...]:
    """The committed findings of a package; none where there is no file.

    Raises:
        ValueError: the file is not of the form that it is written in.
    """
    path = places.findings / f"{pin.name}.txt"
    return findings.load(path.read_text(encoding="utf-8")) if path.exists() else ()


def revision(places: Places, ref: str) -> Path:
    """A folder with h2dlint as it is in a revision of this repository.

    Raises:
        RuntimeError: there is no such revision.
    """
    asked = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"],
        cwd=places.code,
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        raise RuntimeError(f"no such revision: {ref}")
    sha = asked.stdout.strip()
    folder = places.build / "revisions" / sha
    if not (folder / "h2dlint").exists():
        archive = subprocess.run(
            ["git", "archive", "--format=zip", sha, "h2dlint"],
            cwd=places.code,
            check=True,
            capture_output=True,
        )
        with zipfile.ZipFile(io.BytesIO(archive.stdout)) as packed:
            packed.extractall(folder)
    return folder


def row(
    pin: Pin, tree: Path, checked: Checked, fixed: Mapping[str, fixes.Fixed], seconds: float
) -> dict[str, Any]:
    """What the table says of a package; ``seconds`` of processor time that it took."""
    shown = sum(item.shown == "default" for item in checked.findings)
    lines = sum(path.read_bytes().count(b"\n") for path in tree.rglob("*") if path.suffix in wheels.SUFFIXES)
    return {
        "version": pin.version,
        "sha256": pin.sha256,
        "files": checked.files,
        "lines": lines,
        "findings": len(checked.findings),
        "default": shown,
        "errors": dict(checked.errors),
        "rules": findings.counts(checked.findings),
        "fixed": {kind: {"files": done.files, "fixes": done.fixes} for kind, done in fixed.items()},
        "processor_seconds": round(seconds, 1),
    }


def of_tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What of a row of the table is not in its findings: files read, errors, fixes that were applied."""
    keys = ("sha256", "files", "errors", "fixed")
    return [f"{key}: {old.get(key)} -> {new[key]}" for key in keys if old.get(key) != new[key]]


def main(argv: Sequence[str] | None = None, places: Places | None = None) -> int:
    """Lint, compare, print; 0 without a difference, 1 with one or with a broken fix, 2 where it cannot be told."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("packages", nargs="*", help="names of wheels; all of them without")
    parser.add_argument("--accept", action="store_true", help="write down what is found now")
    parser.add_argument("--against", metavar="REF", help="compare with another revision of h2dlint")
    parser.add_argument("--no-fixes", action="store_true", help="do not apply the fixes to copies")
    parser.add_argument("--cap", type=int, default=compare.CAP, help="findings shown of a rule in a package")
    options = parser.parse_args(argv)
    places = places or Places()
    if options.accept and (options.against or options.no_fixes):
        parser.error("--accept takes neither --against nor --no-fixes")
    try:
        pins = wheels.read_pins(places.pins)
        if unknown := set(options.packages) - {pin.name for pin in pins}:
            raise RuntimeError(f"not in {places.pins.name}: {', '.join(sorted(unknown))}")
        chosen = [pin for pin in pins if not options.packages or pin.name in options.packages]
        return _run(places, chosen, pins, options)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 2


def _run(places: Places, chosen: Sequence[Pin], pins: Sequence[Pin], options: argparse.Namespace) -> int:
    other = revision(places, options.against) if options.against else None
    rows = _rows(places)
    differences: dict[str, Difference] = {}
    problems: list[str] = []
    full: list[str] = []
    for pin in chosen:
        tree = wheels.unpacked(pin, places.build)
        if options.accept:
            # The time that is written down is that of a first run.
            shutil.rmtree(places.build / "cache", ignore_errors=True)
        start = _seconds()
        checked = findings.check(tree, places.code, places.build / "cache")
        problems += (f"{pin}: internal error: {text}" for text in checked.internal)
        fixed = {} if options.no_fixes else _fixed(places, pin, tree, checked, problems)
        new = row(pin, tree, checked, fixed, _seconds() - start)
        if other is not None:
            before = findings.check(tree, other, places.build / "cache").findings
        else:
            before = committed(places, pin)
        differences[pin.name] = difference = compare.compare(before, checked.findings)
        others = of_tables(rows.get(pin.name, {}), new) if other is None and not options.no_fixes else []
        if difference or others:
            print(
                "\n".join(
                    compare.describe(str(pin), difference, tree, options.cap) + [f"  {o}" for o in others]
                )
            )
            full += [*compare.describe(str(pin), difference, tree, None), *(f"  {line}" for line in others)]
        else:
            print(f"{pin}: the same, {len(checked.findings)} findings")
        sys.stdout.flush()
        rows[pin.name] = new
        if options.accept:
            places.findings.mkdir(parents=True, exist_ok=True)
            (places.findings / f"{pin.name}.txt").write_text(
                findings.dump(checked.findings), encoding="utf-8"
            )
    (places.build / "changes.txt").write_text("".join(f"{line}\n" for line in full), encoding="utf-8")
    _conclude(places, differences, problems, full)
    if options.accept:
        known = {pin.name for pin in pins}
        chosen_rows = {pin.name: rows[pin.name] for pin in chosen}
        # Read again: another run may have put its packages there meanwhile.
        rows = {**_rows(places), **chosen_rows}
        kept = {name: rows[name] for name in sorted(rows) if name in known}
        places.table.write_text(json.dumps({"packages": kept}, indent=1) + "\n", encoding="utf-8")
        for path in places.findings.glob("*.txt"):
            if path.stem not in known:
                path.unlink()
        return 1 if problems else 0
    return 1 if problems or full else 0


def _rows(places: Places) -> dict[str, Any]:
    table = json.loads(places.table.read_text(encoding="utf-8")) if places.table.exists() else {}
    return dict(table.get("packages", {}))


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _fixed(
    places: Places, pin: Pin, tree: Path, checked: Checked, problems: list[str]
) -> dict[str, fixes.Fixed]:
    copy = places.build / "fixed" / str(pin)
    done = {}
    for name, kind in (("safe", fixes.SAFE), ("all", fixes.ALL)):
        done[name] = fixes.fix(tree, places.code, checked.findings, copy, kind)
        problems += (f"{pin}, {name} fixes: {text}" for text in done[name].problems)
    return done


def _conclude(
    places: Places, differences: Mapping[str, Difference], problems: Sequence[str], full: Sequence[str]
) -> None:
    if sums := compare.matrix(differences):
        print("\nall packages\n" + "\n".join(f"  {line}" for line in sums))
    if full:
        shown = places.build / "changes.txt"
        print(
            f"\nthe full list: {shown.relative_to(places.code) if shown.is_relative_to(places.code) else shown}"
        )
    for text in problems:
        print(re.sub(r"[^\x20-\x7e\xa0-\uffff]", "?", text), file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
