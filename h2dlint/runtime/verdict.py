"""What ``h2dlint verify`` found out: runs, differences, fixes at fault; and its JSON. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

KIND = "h2dlint-verdict"
VERSION = 1

IDENTICAL = "identical"
DIFFERENT = "different"
NOT_COMPARED = "not compared"

EXIT = {IDENTICAL: 0, DIFFERENT: 1, NOT_COMPARED: 2}
"""Exit status of the command by state."""


@dataclass(frozen=True, slots=True)
class AppliedFix:
    """One fix of the plan.

    Args:
        id: number in the plan.
        path, line, column: of the finding, from 1.
        code, name: of the rule.
        title: what the fix does.
        applicability: ``safe`` or ``unsafe``.
        ran: it was seen to run; ``None`` where that cannot be told.
    """

    id: int
    path: str
    line: int
    column: int
    code: str
    name: str
    title: str
    applicability: str
    ran: bool | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.name}, {self.path}:{self.line}: {self.title}"


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What was measured in one run.

    Args:
        name: ``before``, ``before again`` or ``after``.
        returncode: of the program; negative for a signal.
        wall_s: from start to end.
        traced: whether copies were recorded: a process used CUDA, and the recording worked.
        blocking: host-to-device copies that held the host.
        held_us: host time that they held.
        waits: other waits for the device, and
        waited_us: host time in them.
        records: values that were recorded.
        timed_out: the program was killed because it took too long.
        stderr: the end of what it wrote on standard error; kept where it failed.
        notes: what was not recorded, one sentence each.
    """

    name: str
    returncode: int
    wall_s: float
    traced: bool
    blocking: int
    held_us: float
    waits: int
    waited_us: float
    records: int
    timed_out: bool = False
    stderr: str = ""
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return self.returncode != 0 or self.timed_out

    @property
    def status(self) -> str:
        """Exit status in words."""
        if self.timed_out:
            return f"killed after {self.wall_s:.0f} s (--timeout)"
        return f"killed by signal {-self.returncode}" if self.returncode < 0 else str(self.returncode)


@dataclass(frozen=True, slots=True)
class SiteChange:
    """A line of the program whose copies held the host, before or after.

    Args:
        path, line, function: where; the path is relative to the working directory where it lies in it.
        operator: what copied: ``torch.tensor``.
        rule: code of the rule that it falls under, or ``not reported``.
        why: why it was not fixed, where it was not; else empty.
        before, after: how many copies held the host in the first run and in the last.
        held_before_us, held_after_us: for how long.
    """

    path: str
    line: int
    function: str
    operator: str
    rule: str
    why: str
    before: int
    after: int
    held_before_us: float
    held_after_us: float

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}" if self.path else "(no Python)"


@dataclass(frozen=True, slots=True)
class Fault:
    """Fixes that make a difference when they alone are applied.

    Args:
        fixes: one, or several that differ only together.
        smallest: none of them can be left out; ``False`` if the search ran out of runs.
        differences: that they make, one line each.
    """

    fixes: tuple[AppliedFix, ...]
    smallest: bool
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """The search for the fixes at fault.

    Args:
        faults: what was found.
        complete: the other fixes were seen to make no difference.
        runs: of the program.
    """

    faults: tuple[Fault, ...]
    complete: bool
    runs: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verification.

    Args:
        state: ``IDENTICAL``, ``DIFFERENT`` or ``NOT_COMPARED``.
        reason: one sentence on the state.
        command: the program.
        date: of the first run, ISO 8601 in UTC.
        gpu, torch, python: of the program, as far as it used CUDA.
        runs: figures, in the order of running.
        records, tensors, bytes: what was compared between before and after.
        differences: one line each.
        nondeterministic: what differed between runs of the program as it is, and was therefore left out, one line each.
        fixes: that were applied.
        ran_known: whether it could be told which fixes ran.
        sites: lines whose copies held the host.
        search: for the fixes at fault, if there was any.
        notes: what else a reader should know, one sentence each.
    """

    state: str
    reason: str
    command: tuple[str, ...]
    date: str
    runs: tuple[RunFigures, ...] = ()
    gpu: str = ""
    torch: str = ""
    python: str = ""
    records: int = 0
    tensors: int = 0
    bytes: int = 0
    differences: tuple[str, ...] = ()
    nondeterministic: tuple[str, ...] = ()
    fixes: tuple[AppliedFix, ...] = ()
    ran_known: bool = False
    sites: tuple[SiteChange, ...] = ()
    search: Search | None = None
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT[self.state]

    @property
    def ran(self) -> int:
        """How many fixes were seen to run."""
        return sum(fix.ran is True for fix in self.fixes)


def to_json(verdict: Verdict) -> str:
    """All figures as JSON, version 1: the attributes of ``Verdict``, by their names."""
    content: dict[str, Any] = {"kind": KIND, "version": VERSION, "exit_code": verdict.exit_code}
    return json.dumps({**content, **asdict(verdict)}, indent=1, ensure_ascii=True) + "\n"
