"""What ``verify`` says of programs, by a launcher that a test scripts; see ``test_verify_command`` for real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from h2dlint.runtime.launch import Run
from h2dlint.runtime.recording import Writer
from h2dlint.runtime.traces import STAGED, SYNC, WAIT, Frame, Process, Site, Trace
from h2dlint.runtime.verdict import (
    DIFFERENT,
    IDENTICAL,
    NOT_COMPARED,
    AppliedFix,
    SiteChange,
    Verdict,
    to_json,
)
from h2dlint.runtime.verdict_text import markdown, render, size_text
from h2dlint.runtime.verify import Verification


class FakePlan:
    """Some fixes; a fix hangs on another one where ``needs`` says so."""

    def __init__(self, count: int, needs: dict[int, int] | None = None) -> None:
        self.fixes = tuple(
            AppliedFix(number, "a.py", number, 1, "HTD101", "some-rule", f"Fix {number}", "safe")
            for number in range(1, count + 1)
        )
        self._needs = needs or {}

    def write(self, path: Path, ids: Collection[int] | None = None) -> tuple[int, ...]:
        asked = {fix.id for fix in self.fixes} if ids is None else set(ids)
        applied = tuple(sorted(fix for fix in asked if self._needs.get(fix, fix) in asked))
        path.write_text(json.dumps(applied))
        return applied


@dataclass
class Script:
    """A program, as a function from the fixes that are applied and the number of the run to what it does.

    ``runs`` has the fixes of each run.
    """

    records: Callable[[Collection[int], int], dict[str, list[Any]]]
    returncode: Callable[[Collection[int], int], int] = lambda fixes, run: 0
    trace: Callable[[Collection[int]], Trace | None] = lambda fixes: None
    ran: Callable[[Collection[int]], Collection[int] | None] = lambda fixes: fixes
    timed_out: Callable[[Collection[int]], bool] = lambda fixes: False
    runs: list[tuple[int, ...] | None] = field(default_factory=list)

    def __call__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        trace: bool,
        plan: Path | None,
        records: bool,
        timeout_s: float | None,
    ) -> Run:
        assert records
        folder.mkdir(parents=True)
        fixes = tuple(json.loads(plan.read_text())) if plan else None
        self.runs.append(fixes)
        number = len(self.runs)
        writer = Writer(folder)
        for name, values in self.records(fixes or (), number).items():
            for value in values:
                writer.write(name, value)
        ran = self.ran(fixes or ())
        lines = [{"loaded": fixes or ()}, {"known": False} if ran is None else {"ran": sorted(ran)}]
        (folder / "ran-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        status = self.returncode(fixes or (), number)
        return Run(
            command=tuple(command),
            returncode=status,
            wall_s=1.5,
            trace=self.trace(fixes or ()),
            folder=folder,
            stderr_tail="Traceback\nValueError: no\n" if status else "",
            timed_out=self.timed_out(fixes or ()),
        )


def verify(script: Script, tmp_path: Path, fixes: int = 8, **options: Any) -> Verdict:
    plan = options.pop("plan", None) or FakePlan(fixes)
    return Verification(("python", "bench.py"), plan, tmp_path / "runs", script, **options).run()


def shown(verdict: Verdict) -> str:
    console = Console(width=140, no_color=True)
    with console.capture() as captured:
        render(verdict, console)
    return captured.get()


def broken_by(*culprits: int) -> Script:
    """A program that computes something else once all of these fixes are applied."""
    return Script(lambda fixes, run: {"x": [1, 2.5 if set(culprits) <= set(fixes) else 2.0]})


def test_identical(tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"x": [1, 2], "y": [b"z"]})
    verdict = verify(script, tmp_path)
    assert (verdict.state, verdict.exit_code) == (IDENTICAL, 0)
    assert script.runs == [None, None, tuple(range(1, 9))]
    assert (verdict.records, verdict.search, verdict.differences) == (3, None, ())
    assert (verdict.ran, verdict.ran_known) == (8, True)
    assert "Outputs compared: 3 values with 0 tensors (0 bytes), identical." in shown(verdict)


@pytest.mark.parametrize("culprit", [1, 5, 8])
def test_the_fix_at_fault_is_named_with_the_difference_that_it_makes(culprit: int, tmp_path: Path) -> None:
    script = broken_by(culprit)
    verdict = verify(script, tmp_path)
    assert (verdict.state, verdict.exit_code) == (DIFFERENT, 1)
    assert verdict.differences == ("x[1]: 2.0 before, 2.5 after, a difference of 0.5",)
    assert verdict.search is not None
    (fault,) = verdict.search.faults
    assert [fix.id for fix in fault.fixes] == [culprit]
    assert fault.differences == verdict.differences
    assert script.runs[3] is None, "the program runs as it is once more before a fix is blamed"
    assert (culprit,) in script.runs
    assert verdict.search.runs == len(script.runs) - 4
    text = shown(verdict)
    assert "The fix at fault, which makes a difference when it is applied alone:\n" in text
    assert f"  HTD101 some-rule, a.py:{culprit}: Fix {culprit}\n" in text
    assert list((tmp_path / "runs").glob("search-*")) == [], "large recordings are not left behind"


def test_fixes_that_differ_together_only(tmp_path: Path) -> None:
    verdict = verify(broken_by(2, 7), tmp_path)
    assert verdict.search is not None
    (fault,) = verdict.search.faults
    assert ([fix.id for fix in fault.fixes], fault.smallest, verdict.search.complete) == ([2, 7], True, True)
    assert "These 2 fixes make a difference together" in shown(verdict)


def test_a_single_fix_is_tried_again_before_it_is_blamed(tmp_path: Path) -> None:
    verdict = verify(broken_by(1), tmp_path, fixes=1)
    assert verdict.search is not None
    assert (verdict.search.runs, verdict.search.faults[0].differences) == (1, verdict.differences)


@pytest.mark.parametrize("fixes", [1, 2])
def test_a_race_that_shows_in_the_third_run_alone_is_no_fault_of_a_fix(fixes: int, tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"x": [2 if run == 3 else 1]})
    verdict = verify(script, tmp_path, fixes=fixes)
    assert verdict.state == DIFFERENT
    assert verdict.search is not None
    assert verdict.search.faults == ()
    assert "No fix at fault was found in" in shown(verdict)


def test_a_search_that_gives_up_says_so(tmp_path: Path) -> None:
    script = broken_by(2, 7)
    verdict = verify(script, tmp_path, max_runs=3)
    assert len(script.runs) == 4 + 3
    assert "The search gave up after 3 runs" in shown(verdict)
    assert "there may be a smaller one" in shown(verdict)


def test_without_a_search(tmp_path: Path) -> None:
    script = broken_by(2)
    assert verify(script, tmp_path, bisect=False).exit_code == 1
    assert len(script.runs) == 3


def test_fixes_that_hang_on_others_are_not_run_twice(tmp_path: Path) -> None:
    script = broken_by(4)
    verdict = verify(script, tmp_path, plan=FakePlan(4, needs={4: 1}))
    assert verdict.search is not None
    assert [fix.id for fix in verdict.search.faults[0].fixes] == [1, 4]
    asked = [run for run in script.runs if run is not None]
    assert len(asked) == len(set(asked))
    assert () not in asked


def test_nondeterminism_is_named_and_not_blamed(tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"loss": [{"time": float(run), "value": 3.0}]})
    verdict = verify(script, tmp_path)
    assert verdict.state == IDENTICAL
    assert verdict.nondeterministic == (
        "loss[*]['time'], such as loss[0]['time']: 1.0 before, 2.0 after, a difference of 1",
    )
    assert "Not compared, because it differs from run to run of the program as it is:" in shown(verdict)


def test_a_number_of_records_that_varies_is_left_out(tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"tick": [0] * run, "x": [1]})
    verdict = verify(script, tmp_path)
    assert (verdict.state, verdict.records) == (IDENTICAL, 1)
    assert verdict.nondeterministic[0].startswith("tick (the whole series)")


def test_a_difference_that_comes_and_goes_is_not_blamed(tmp_path: Path) -> None:
    """Odd in the third run and in the fourth, which has no fixes."""
    script = Script(lambda fixes, run: {"x": [1], "race": [int(run >= 3)]})
    verdict = verify(script, tmp_path)
    assert (verdict.state, verdict.search, verdict.records) == (IDENTICAL, None, 1)
    assert script.runs == [None, None, tuple(range(1, 9)), None]
    assert verdict.nondeterministic[0].startswith("race[*]")


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (lambda fixes, run: {}, "recorded nothing"),
        (lambda fixes, run: {"x": [run]}, "differs from run to run"),
    ],
)
def test_not_compared(records: Any, reason: str, tmp_path: Path) -> None:
    verdict = verify(Script(records), tmp_path)
    assert (verdict.state, verdict.exit_code) == (NOT_COMPARED, 2)
    assert reason in verdict.reason
    assert shown(verdict).startswith("not compared: ")


def test_fixes_that_never_ran_are_no_proof(tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"x": [1]}, ran=lambda fixes: ())
    verdict = verify(script, tmp_path, fixes=2)
    assert (verdict.state, verdict.reason) == (
        NOT_COMPARED,
        "the outputs are identical, but no fix was seen to run",
    )
    one = Script(lambda fixes, run: {"x": [1]}, ran=lambda fixes: set(fixes) & {2})
    partly = verify(one, tmp_path / "partly", fixes=2)
    assert partly.state == IDENTICAL
    assert "Fixes applied: 2, of which 1 was seen to run." in shown(partly)
    assert "which did not run:\n  HTD101 some-rule, a.py:1: Fix 1\n" in shown(partly)


def test_more_copies_do_not_prove_fixes_that_never_ran(tmp_path: Path) -> None:
    script = Script(
        lambda fixes, run: {"x": [1]}, ran=lambda fixes: (), trace=lambda fixes: traced(3 if fixes else 2)
    )
    assert verify(script, tmp_path, fixes=2).state == NOT_COMPARED


def test_which_fixes_ran_is_not_known_everywhere(tmp_path: Path) -> None:
    verdict = verify(Script(lambda fixes, run: {"x": [1]}, ran=lambda fixes: None), tmp_path, fixes=2)
    assert (verdict.state, verdict.ran_known) == (IDENTICAL, False)
    assert "Fixes applied: 2. Whether 2 of them ran is not known: that takes Python 3.12." in shown(verdict)


@pytest.mark.parametrize(("failing", "runs", "where"), [(1, 1, "before"), (2, 2, "before again")])
def test_a_program_that_fails_by_itself(failing: int, runs: int, where: str, tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"x": [1]}, lambda fixes, run: 3 if run == failing else 0)
    verdict = verify(script, tmp_path)
    assert (verdict.exit_code, len(script.runs)) == (2, runs)
    assert "failed with exit status 3 without any fix" in verdict.reason
    text = shown(verdict)
    assert f"The run {where} ended with exit status 3. The end of its standard error:" in text
    assert "  ValueError: no\n" in text


def test_a_program_that_fails_after_the_fixes_only(tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"x": [1]}, lambda fixes, run: -11 if 3 in fixes else 0)
    verdict = verify(script, tmp_path)
    assert verdict.exit_code == 1
    assert verdict.differences == ("exit status: 0 before, killed by signal 11 after",)
    assert verdict.search is not None
    assert [fix.id for fix in verdict.search.faults[0].fixes] == [3]


def test_a_program_that_fails_now_and_then_is_nobodys_fault(tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"x": [1]}, lambda fixes, run: int(run >= 3))
    verdict = verify(script, tmp_path)
    assert verdict.exit_code == 2
    assert "without any fix, though not each time" in verdict.reason


def test_a_program_that_takes_too_long_with_the_fixes(tmp_path: Path) -> None:
    script = Script(
        lambda fixes, run: {"x": [1]},
        lambda fixes, run: -9 if fixes else 0,
        timed_out=lambda fixes: bool(fixes),
    )
    verdict = verify(script, tmp_path, fixes=1, timeout_s=1.5)
    assert verdict.differences == ("exit status: 0 before, killed after 2 s (--timeout) after",)


@pytest.mark.parametrize("run", [1, 3, 6])
def test_an_interrupt_ends_the_verification(run: int, tmp_path: Path) -> None:
    script = broken_by(2)
    script.returncode = lambda fixes, number: -2 if number == run else 0
    with pytest.raises(KeyboardInterrupt):
        verify(script, tmp_path)
    assert len(script.runs) == run


def traced(blocking: int) -> Trace:
    def site(kind: str, line: int, count: int, held_us: float) -> Site:
        frame = Frame("/p/a.py", line, "step")
        return Site(kind, (frame,), 0, "torch.tensor", count, count, held_us, held_us)

    sites = [site(WAIT, 9, 2, 4000.0)]
    if blocking:
        sites += [site(SYNC, 1, blocking, 20_500.0), site(STAGED, 2, 1, 700.0)]
    process = Process(1, ("bench.py",), 0.0, 1.0, gpu="NVIDIA H200", torch="2.11", python="3.12")
    return Trace(("python",), (process,), tuple(sites))


def test_the_figures_of_the_traces(tmp_path: Path) -> None:
    changes = (
        SiteChange("a.py", 1, "step", "torch.tensor", "HTD101", "", 3, 0, 20_500.0, 0.0),
        SiteChange("b|`.py", 2, "<module>", "Tensor.to", "HTD206", "no fix", 1, 1, 700.0, 650.0),
    )
    script = Script(lambda fixes, run: {"x": [1]}, trace=lambda fixes: traced(0 if fixes else 3))
    verdict = verify(script, tmp_path, fixes=1, sites=lambda before, after: changes)
    rows = [line.split() for line in shown(verdict).splitlines()]
    assert ["host-to-device", "copies", "that", "held", "the", "host", "4", "4", "0"] in rows
    assert ["host", "time", "that", "they", "held", "(ms)", "21.2", "21.2", "0.000"] in rows
    assert ["host", "time", "in", "those", "(ms)", "4.0", "4.0", "4.0"] in rows
    assert ["a.py:1", "step", "torch.tensor", "HTD101", "3", "20.5"] in rows
    text = markdown(verdict)
    assert "| wall time (s) | 1.50 | 1.50 | 1.50 |" in text
    assert "| b\\|\\`.py:2 | \\<module\\> | Tensor.to | HTD206: no fix | 1 | 1 | 0.700 | 0.650 |" in text
    assert "NVIDIA H200, torch 2.11, Python 3.12" in text
    content = json.loads(to_json(verdict))
    assert (content["kind"], content["state"], content["exit_code"]) == ("h2dlint-verdict", "identical", 0)
    assert [run["held_us"] for run in content["runs"]] == [21_200.0, 21_200.0, 0.0]
    assert content["sites"][0]["path"] == "a.py"


def test_output_of_the_program_cannot_break_the_markdown(tmp_path: Path) -> None:
    script = Script(lambda fixes, run: {"x": ["``` `<b>|\x1b[31m" + str(len(fixes))]})
    text = markdown(verify(script, tmp_path, fixes=1))
    assert "\x1b" not in text
    assert "- ```` x[0]: " in text


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 byte"), (999, "999 bytes"), (1500, "1.5 kB"), (10**9, "1 GB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size_text(count) == text
