"""Runs a program before and after the fixes, and says whether they changed what it computes.

The program as it is runs twice: what differs between the two is nondeterminism, and is left out of the comparison
with the third run, which has the fixes. Each run is a process of its own.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from h2dlint.runtime import ran
from h2dlint.runtime.bisect import MAX_RUNS, bisect
from h2dlint.runtime.compare import Comparison, Part, compare
from h2dlint.runtime.launch import Run
from h2dlint.runtime.records import Recording, read
from h2dlint.runtime.traces import WAIT, Trace
from h2dlint.runtime.verdict import (
    DIFFERENT,
    IDENTICAL,
    NOT_COMPARED,
    AppliedFix,
    Fault,
    RunFigures,
    Search,
    SiteChange,
    Verdict,
)

SHOWN = 20
"""Differences that a verdict lists one by one."""

STDERR = 4000
"""Characters of standard error that a verdict keeps of a run that failed."""

_INTERRUPTED = (-signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)

BEFORE = "before"
AGAIN = "before again"
AFTER = "after"


class PlannedFix(Protocol):
    """What a plan says of a fix; see ``plan.PlannedFix``."""

    @property
    def id(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def applicability(self) -> str: ...


class Plan(Protocol):
    """The fixes to apply; see ``plan.FixPlan``."""

    @property
    def fixes(self) -> Sequence[PlannedFix]: ...

    def write(self, path: Path, ids: Collection[int] | None = None) -> Collection[int]:
        """Write what the program's processes read, with these fixes only if ``ids`` are given; says which it holds."""


class Launcher(Protocol):
    """Runs a program; see ``launch.run``."""

    def __call__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        trace: bool,
        plan: Path | None,
        records: bool,
        timeout_s: float | None,
    ) -> Run: ...


@dataclass(slots=True)
class _Done:
    """A run and what came of it."""

    run: Run
    recording: Recording
    figures: RunFigures


@dataclass(slots=True)
class Verification:
    """One verification.

    Args:
        command: the program and its arguments.
        plan: the fixes; at least one.
        folder: for the files of the runs, one folder each; it must be empty.
        launch: runs a program.
        trace: record copies; off where there is no CUDA, in tests.
        bisect: search for the fixes at fault if there is a difference.
        max_runs: that the search may take.
        timeout_s: for each run.
        sites: which lines held the host, from the traces before and after.
        say: called with one line before each run.
        keep: keep the files of the runs of the search; they may be large.
    """

    command: tuple[str, ...]
    plan: Plan
    folder: Path
    launch: Launcher
    trace: bool = True
    bisect: bool = True
    max_runs: int = MAX_RUNS
    timeout_s: float | None = None
    sites: Callable[[Trace, Trace], Sequence[SiteChange]] = lambda before, after: ()
    say: Callable[[str], None] = lambda line: None
    keep: bool = False
    _runs: list[RunFigures] = field(default_factory=list)
    _noise: set[Part] = field(default_factory=set)
    _noise_shown: dict[Part, str] = field(default_factory=dict)
    _date: str = ""

    def run(self) -> Verdict:
        """Run the program three times, and more often if there is a difference to search for.

        Raises:
            LaunchError: there is no such program.
            KeyboardInterrupt: the program was interrupted, or told to end.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        first = self._run(BEFORE, "as it is")
        if first.figures.failed:
            return self._failed(first)
        second = self._run(AGAIN, "as it is, to see what changes by itself")
        if second.figures.failed:
            return self._failed(second)
        self._learn(compare(first.recording, second.recording))
        plan = self.folder / "plan.json"
        self.plan.write(plan)
        after = self._run(AFTER, f"with {_fixes(len(self.plan.fixes))}", plan)
        compared = compare(first.recording, after.recording, self._noise)
        if self.bisect and (compared.differences or after.figures.failed):
            # What comes and goes by itself does not show in every two runs.
            third = self._start("before once more", "one more run, as it is, before a fix is blamed")
            if third.figures.failed:
                return self._failed(third)
            self._learn(compare(first.recording, third.recording))
            compared = compare(first.recording, after.recording, self._noise)
        verdict = self._verdict(first, after, compared)
        if verdict.state == DIFFERENT and self.bisect:
            verdict = replace(verdict, search=self._search(first, verdict.differences))
        return verdict

    def _run(self, name: str, words: str, plan: Path | None = None) -> _Done:
        """One of the three runs that are reported."""
        done = self._start(name, f"run {len(self._runs) + 1} of 3, {words}", plan)
        self._runs.append(done.figures)
        return done

    def _start(self, name: str, words: str, plan: Path | None = None) -> _Done:
        self.say(words)
        folder = self.folder / name.replace(" ", "-")
        run = self.launch(
            self.command, folder, trace=self.trace, plan=plan, records=True, timeout_s=self.timeout_s
        )
        if run.returncode in _INTERRUPTED and not run.timed_out:
            # The interrupt was meant for us as well; the program has passed it on by its status.
            raise KeyboardInterrupt
        recording = read(folder)
        return _Done(run, recording, _figures(name, run, recording))

    def _learn(self, compared: Comparison) -> None:
        for difference in compared.differences:
            self._noise.add(difference.part)
            self._noise_shown.setdefault(difference.part, f"{difference.part}, such as {difference}")

    def _failed(self, done: _Done) -> Verdict:
        figures = done.figures
        again = "" if figures.name == BEFORE else ", though not each time"
        what = "did not end in time" if figures.timed_out else f"failed with exit status {figures.status}"
        verdict = self._base(NOT_COMPARED, f"the program {what} without any fix{again}", done)
        return verdict if figures in verdict.runs else replace(verdict, runs=(*verdict.runs, figures))

    def _verdict(self, first: _Done, after: _Done, compared: Comparison) -> Verdict:
        differences = _differences(after.figures, compared)
        fixes, known, notes = self._what_ran(after)
        base = replace(
            self._base(NOT_COMPARED, "", after),
            records=compared.records,
            tensors=compared.tensors,
            bytes=compared.bytes,
            differences=_capped(differences),
            nondeterministic=_capped([self._noise_shown[part] for part in sorted(self._noise, key=str)]),
            fixes=fixes,
            ran_known=known,
            sites=tuple(self._sites(first.run, after.run)),
            notes=notes,
        )
        state, reason = self._state(base, first, differences)
        return replace(base, state=state, reason=reason)

    def _state(self, base: Verdict, first: _Done, differences: Sequence[str]) -> tuple[str, str]:
        if differences:
            return DIFFERENT, "the program does not do the same with the fixes as without them"
        if not first.recording.count:
            return NOT_COMPARED, "the program recorded nothing; hand it h2dlint.runtime.record(name, value)"
        if not base.records:
            return NOT_COMPARED, "all that was recorded differs from run to run without any fix"
        # Copies go away where compiled code ran with a fix, too; that there are more of them shows nothing.
        fewer = base.runs[-1].traced and base.runs[0].blocking > base.runs[-1].blocking
        if base.ran_known and not base.ran and not fewer:
            return NOT_COMPARED, "the outputs are identical, but no fix was seen to run"
        return IDENTICAL, "the outputs that were compared are identical in every bit"

    def _base(self, state: str, reason: str, done: _Done) -> Verdict:
        processes = done.run.trace.processes if done.run.trace is not None else ()
        return Verdict(
            state=state,
            reason=reason,
            command=self.command,
            date=self._date,
            runs=tuple(self._runs),
            gpu=next((process.gpu for process in processes if process.gpu), ""),
            torch=next((process.torch for process in processes if process.torch), ""),
            python=next((process.python for process in processes if process.python), ""),
            fixes=tuple(_applied(fix, None) for fix in self.plan.fixes),
        )

    def _what_ran(self, after: _Done) -> tuple[tuple[AppliedFix, ...], bool, tuple[str, ...]]:
        seen = ran.read(after.run.folder)
        notes = [f"{path} was not fixed: {reason}" for path, reason in seen.notes]
        fixes = []
        for fix in self.plan.fixes:
            # One that was never loaded did not run, whether or not lines are watched.
            known = seen.ran is not None or fix.id not in seen.loaded
            fixes.append(_applied(fix, (seen.ran is not None and fix.id in seen.ran) if known else None))
        return tuple(fixes), all(fix.ran is not None for fix in fixes), tuple(notes)

    def _sites(self, before: Run, after: Run) -> Sequence[SiteChange]:
        if before.trace is None:
            return ()
        return self.sites(before.trace, after.trace or Trace(after.command, (), ()))

    def _search(self, first: _Done, of_all: tuple[str, ...]) -> Search:
        """Find the fixes at fault; ``of_all`` are the differences that all of them make together."""
        fixes = {fix.id: _applied(fix, None) for fix in self.plan.fixes}
        found = {tuple(fixes): of_all}
        same: dict[tuple[int, ...], tuple[str, ...]] = {(): ()}
        number = 0

        def differs(ids: tuple[int, ...]) -> bool:
            nonlocal number
            name = f"search-{number + 1}"
            plan = self.folder / f"{name}.json"
            # A fix that hangs on another one is left out with it: then there is nothing new to run.
            applied = tuple(sorted(self.plan.write(plan, ids)))
            if applied in same:
                found[ids] = same[applied]
                return bool(found[ids])
            number += 1
            words = f"search for the fix at fault, run {number}: {len(ids)} of {_fixes(len(fixes))}"
            done = self._start(name, words, plan)
            compared = compare(first.recording, done.recording, self._noise)
            found[ids] = same[applied] = _capped(_differences(done.figures, compared))
            if not self.keep:
                shutil.rmtree(self.folder / name, ignore_errors=True)
                plan.unlink(missing_ok=True)
            return bool(found[ids])

        result = bisect(tuple(fixes), differs, self.max_runs)
        faults = tuple(
            Fault(tuple(fixes[item] for item in culprit.ids), culprit.smallest, found.get(culprit.ids, ()))
            for culprit in result.culprits
        )
        return Search(faults, result.complete, number)


def _figures(name: str, run: Run, recording: Recording) -> RunFigures:
    trace = run.trace
    notes = [*run.damaged, *recording.problems]
    if trace is not None:
        notes += [f"process {process.pid}: {process.note}" for process in trace.processes if process.note]
    failed = run.returncode != 0 or run.timed_out
    return RunFigures(
        name=name,
        returncode=run.returncode,
        wall_s=run.wall_s,
        traced=trace is not None and any(not process.note for process in trace.processes),
        blocking=trace.blocking if trace is not None else 0,
        held_us=trace.held_us if trace is not None else 0.0,
        waits=sum(site.count for site in trace.sites if site.kind == WAIT) if trace is not None else 0,
        waited_us=trace.waited_us if trace is not None else 0.0,
        records=recording.count,
        timed_out=run.timed_out,
        stderr=run.stderr_tail[-STDERR:] if failed else "",
        notes=tuple(notes),
    )


def _applied(fix: PlannedFix, seen: bool | None) -> AppliedFix:
    applicability = str(getattr(fix.applicability, "value", fix.applicability))
    return AppliedFix(
        fix.id, fix.path, fix.line, fix.column, fix.code, fix.name, fix.title, applicability, ran=seen
    )


def _differences(figures: RunFigures, compared: Comparison) -> list[str]:
    lines = [str(difference) for difference in compared.differences]
    return [f"exit status: 0 before, {figures.status} after", *lines] if figures.failed else lines


def _capped(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= SHOWN:
        return tuple(lines)
    return (*lines[:SHOWN], f"and {len(lines) - SHOWN:,} more")


def _fixes(count: int) -> str:
    return f"{count} {'fix' if count == 1 else 'fixes'}"


__all__ = ["Launcher", "Plan", "PlannedFix", "Verification"]
