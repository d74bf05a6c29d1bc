"""``check --trace``: what a recorded run says of findings, and of what the filters would leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from h2dlint.cli.base import Failure
from h2dlint.engine.results import Hidden, Report
from h2dlint.engine.runner import hides
from h2dlint.engine.settings import Settings
from h2dlint.model import Finding, Ran
from h2dlint.report.base import Unreported

if TYPE_CHECKING:
    from h2dlint.runtime.traces import Trace

EVERYTHING = {"cold": True, "min-confidence": "low"}
"""What the command line has to say for nothing to be left out."""


def read_trace(files: tuple[Path, ...]) -> Trace | None:
    """The traces of ``--trace``, added up; ``None`` where there are none.

    Raises:
        Failure: one of them cannot be read.
    """
    if not files:
        return None
    from h2dlint.runtime.reading import read_all
    from h2dlint.runtime.traces import TraceError

    try:
        return read_all(files)
    except TraceError as error:
        raise Failure(str(error)) from error


def traced(
    report: Report, trace: Trace, places: Mapping[str, Path], settings: Settings
) -> tuple[Report, Unreported]:
    """The report with what the trace says of each finding, and what it says of no finding.

    Args:
        report: with everything in it.
        trace: of a run.
        places: path as reports show it to location.
        settings: whose filters leave out a finding, unless it held the host: a measurement knows better than a
            guess how often code runs.
    """
    from h2dlint.runtime.matching import join

    joined = join(report.findings, trace, places)
    shown: list[Finding] = []
    hidden: Counter[str] = Counter()
    for finding in joined.findings:
        location = places.get(finding.path)
        here = settings.nested(location.parent) if settings.nested and location is not None else settings
        reason = hides(here, finding)
        if reason is None or (finding.trace is not None and finding.trace.status is Ran.CONFIRMED):
            shown.append(finding)
        else:
            hidden[reason] += 1
    missed = [
        checked or site.frame is None
        for site, owners, checked in zip(trace.sites, joined.owners, joined.checked, strict=True)
        if site.stalls and not owners
    ]
    told = replace(
        report,
        findings=tuple(shown),
        hidden=Hidden(hidden["cold"], hidden["low_confidence"], report.hidden.unchanged),
        notes=tuple(sorted({*report.notes, *joined.notes})),
    )
    return told, Unreported(len(missed), missed.count(False))
