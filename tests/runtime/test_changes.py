"""Which lines held the host before and after, and what is said of those that stay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from h2dlint.engine.config import load_settings
from h2dlint.runtime.changes import Fixed, site_changes
from h2dlint.runtime.traces import SYNC, WAIT, Frame, Process, Site, Trace
from h2dlint.runtime.verdict import SiteChange
from tests.cli.conftest import Project, project

__all__ = ["project"]

TEXT = "slow(1)\nrisky(2)\nadvise(3)\nseldom(4)\nother(5)\n"
COLUMNS = {1: 8, 2: 9, 3: 10, 4: 10, 5: 9}


def traced(path: Path, copies: Sequence[tuple[int, int]]) -> Trace:
    """A run with so many copies at each of some lines, which take a millisecond each."""
    sites = [
        Site(
            SYNC,
            (Frame(str(path), line, "<module>", 1, line, COLUMNS[line]),),
            0,
            "torch.tensor",
            count,
            count,
            count * 1000.0,
            1000.0,
        )
        for line, count in copies
    ]
    wait = Site(WAIT, (Frame(str(path), 1, "<module>", 1, 1, 8),), 0, "item", 9, 9, 9.0, 1.0)
    return Trace(("python",), (Process(1, (), 0.0, 1.0),), (*sites, wait))


def changes(
    project: Project, before: Sequence[tuple[int, int]], after: Sequence[tuple[int, int]], *fixed: Fixed
) -> dict[int, SiteChange]:
    path = project.write("a.py", TEXT)
    settings = load_settings((".",), project.root)
    found = site_changes(traced(path, before), traced(path, after), settings, project.root, fixed)
    return {change.line: change for change in found}


def test_lines_that_no_longer_hold_the_host(project: Project) -> None:
    found = changes(project, [(1, 3), (5, 7)], [(5, 7)], ("a.py", 1, 1, "HTD101"))
    assert list(found) == [5, 1], "the longest first"
    assert found[1] == SiteChange("a.py", 1, "<module>", "torch.tensor", "HTD101", "", 3, 0, 3000.0, 0.0)
    assert (found[5].rule, found[5].why, found[5].before, found[5].after) == ("not reported", "", 7, 7)


def test_why_lines_still_hold_it(project: Project) -> None:
    every = [(1, 1), (2, 1), (3, 1), (4, 1)]
    found = changes(project, every, every, ("a.py", 1, 1, "HTD101"))
    assert {line: change.why for line, change in found.items()} == {
        1: "although fixed",
        2: "fix is unsafe (--unsafe-fixes)",
        3: "no fix",
        4: "cold code (--cold)",
    }
    assert changes(project, every, every)[1].why == "not among the files chosen"


def test_lines_that_hold_it_only_after(project: Project) -> None:
    found = changes(project, [], [(2, 4)])
    assert (found[2].before, found[2].after, found[2].held_after_us) == (0, 4, 4000.0)
