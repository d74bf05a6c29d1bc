"""Runs inputs through the checks, counts, and keeps what fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.inputs import subject
from tests.fuzz.invariants import ALWAYS, no_fault
from tests.fuzz.metamorphic import METAMORPHIC
from tests.fuzz.minimize import smaller
from tests.fuzz.subject import BrokenError, Subject, TimeUpError, limited

LIMIT = 60.0
"""Seconds for one check of one input."""
_SELDOM = 3
"""Of the checks that lint other forms of the input, each is made for one of so many inputs."""
_BY_COMMAND = 150
"""One of so many inputs goes through the command line too."""

Check = Callable[[Subject, Random], None]


@dataclass
class Counts:
    """What was tried and what came of it.

    Args:
        inputs, refused, found, fixed: by kind: how many, how many that are no Python, with findings, with fixes.
        findings, applied: how many in all; fixes are those that were applied with ``--unsafe-fixes``.
        codes: findings by rule.
        checks: how often each invariant was looked at.
        failures: signature to how often it was met.
    """

    inputs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    fixed: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    findings: int = 0
    applied: int = 0

    def add(self, kind: str, subject: Subject) -> None:
        """Count an input that was looked at."""
        self.inputs[kind] += 1
        verdict = subject.verdict
        self.refused[kind] += bool(subject.refusal)
        self.found[kind] += bool(verdict.findings)
        self.findings += len(verdict.findings)
        self.codes.update(finding.code for finding in verdict.findings)
        if subject.fixable:
            self.fixed[kind] += 1
            self.applied += sum(subject.fixed.applied.values())

    def merge(self, other: dict[str, object]) -> None:
        """Add the counts of another process, as ``plain`` gave them."""
        for name, value in other.items():
            mine = getattr(self, name)
            if isinstance(value, dict):
                mine.update(value)
            else:
                setattr(self, name, mine + value)

    def plain(self) -> dict[str, object]:
        """The counts as JSON has them."""
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }


def examine(each: Subject, random: Random, only: str | None = None, counts: Counts | None = None) -> None:
    """Check one input.

    Args:
        each: the input.
        random: decides which of the costly checks are made.
        only: the one invariant to look at.
        counts: where it is noted what was looked at.

    Raises:
        BrokenError: an invariant does not hold.
    """
    seed = random.randrange(2**32)
    _one(no_fault, each, seed, counts)
    if each.refusal or each.verdict.errors:
        return
    checks: list[Check] = [check for check in ALWAYS if check.__name__ != "notebook_agrees"]
    rare = [check for check in (*METAMORPHIC, *ALWAYS) if check not in checks]
    checks += rare if only else [check for check in rare if not random.randrange(_SELDOM)]
    if not only and not random.randrange(_BY_COMMAND):
        checks.append(command_agrees)
    for check in checks:
        if only is None or check.__name__ == only:
            _one(check, each, seed, counts)


def _one(check: Check, each: Subject, seed: int, counts: Counts | None) -> None:
    if counts is not None:
        counts.checks[check.__name__] += 1
    try:
        with limited(LIMIT):
            check(each, Random(seed))
    except TimeUpError as error:
        raise BrokenError("hang", f"{check.__name__} took {error}") from None
    except BrokenError:
        raise
    except Exception as error:
        raise BrokenError("crash", f"{check.__name__}: {type(error).__name__}: {error}") from error


def command_agrees(each: Subject, random: Random) -> None:
    """The command line finds the same, exits as documented, and ``fix`` writes the same bytes."""
    plain = Subject(each.data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "module.py")
        path.write_bytes(each.data)
        options = ["--isolated", "--no-cache", "--cold", "--min-confidence", "low", "module.py"]
        check = _run(["check", "--output-format", "json", *options], folder)
        found = json.loads(check.stdout)["findings"]
        places = [(f.span.line, f.span.column, f.code) for f in plain.verdict.findings]
        if [(item["line"], item["column"], item["code"]) for item in found] != places:
            raise BrokenError("command_agrees", f"{len(found)} findings, not {len(places)}")
        if check.returncode != bool(places) or path.read_bytes() != each.data:
            raise BrokenError("command_agrees", f"exit status {check.returncode}, or the file was changed")
        fix = _run(["fix", "--unsafe-fixes", *options], folder)
        after = plain.fixed
        if path.read_bytes() != after.after or fix.returncode != bool(after.result.findings):
            raise BrokenError(
                "command_agrees", f"fix, status {fix.returncode}: {fix.stdout[-300:]} {fix.stderr[-300:]}"
            )


def _run(arguments: list[str], folder: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "h2dlint", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False)


def signature(error: BrokenError) -> str:
    """What failures of the same cause are likely to have in common."""
    first = str(error).split("\n", 1)[0]
    return re.sub(r"(?<!HTD)\d+|'.*|\".*|<.*", "", first)[:110].strip()


def run_one(
    kind: str, number: int, counts: Counts, folder: Path, state: Path, minimize: float = 30
) -> str | None:
    """Draw an input and check it; what fails is saved.

    Args:
        kind, number: of the input.
        counts: of the run.
        folder: where failures are saved.
        state: folder of this job alone, for the input that is looked at.
        minimize: seconds to spend on making a new kind of failure smaller.

    Returns:
        What failed, in a few lines with the command to repeat it.
    """
    each = subject(kind, number)
    # Were this process killed, its parent would know by what.
    (state / "current.py").write_bytes(each.data)
    (state / "current.txt").write_text(f"{kind}:{number} {each.profile}", encoding="utf-8")
    try:
        examine(each, Random(number), counts=counts)
        counts.add(kind, each)
    except BrokenError as error:
        counts.inputs[kind] += 1
        mark = signature(error)
        counts.failures[mark] += 1
        if counts.failures[mark] > 2:
            return ""
        return _saved(error, each, kind, number, folder, minimize)
    return None


def _saved(error: BrokenError, each: Subject, kind: str, number: int, folder: Path, minimize: float) -> str:
    path = folder / f"{error.invariant}-{kind}-{number}.py"
    path.write_bytes(each.data)
    small = path.with_suffix(".small.py")
    if error.invariant not in ("hang", "command_agrees"):
        small.write_bytes(
            smaller(each.data, lambda data: _fails_alike(data, each.profile, error, number), minimize)
        )
    again = f"python -m tests.fuzz --repeat {kind}:{number}"
    path.with_suffix(".txt").write_text(
        f"{error}\nprofile: {each.profile}\n{again}\n", encoding="utf-8", errors="replace"
    )
    return f"{str(error)[:600]}\n  {again}\n  saved: {path.name}, {small.name}"


def _fails_alike(data: bytes, profile: str, error: BrokenError, number: int) -> bool:
    only = error.invariant if error.invariant not in ("crash", "no_fault") else None
    for attempt in range(3 if "change_" in error.invariant or "changes_" in error.invariant else 1):
        try:
            examine(Subject(data, profile), Random(number + attempt), only)
        except BrokenError as found:
            if signature(found)[:60] == signature(error)[:60]:
                return True
    return False


def repeat(kind: str, number: int) -> None:
    """Check one input again, with every invariant.

    Raises:
        BrokenError: one does not hold.
    """
    each = subject(kind, number)
    examine(each, Random(number))
    for check in (*ALWAYS, *METAMORPHIC):
        if not each.refusal and not each.verdict.errors:
            for seed in range(3):
                check(each, Random(seed))


def shares(counts: Counts) -> list[str]:
    """A line for each kind: how many inputs were Python, had findings and had fixes."""
    lines = []
    for kind, inputs in sorted(counts.inputs.items()):
        read = max(inputs - counts.refused[kind], 1)
        lines.append(
            f"{kind:10} {inputs:7} inputs, {counts.refused[kind]:5} no Python; of the rest "
            f"{100 * counts.found[kind] / read:3.0f} % with findings, "
            f"{100 * counts.fixed[kind] / read:3.0f} % with fixes"
        )
    return lines
