"""``h2dlint check -``: one file on standard input."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from h2dlint.cli import adoption
from h2dlint.cli.base import Failure
from h2dlint.cli.session import Job, deliver, say_errors, used_cache
from h2dlint.cli.verbose import explain_run
from h2dlint.engine.config import ConfigError
from h2dlint.engine.files import Discovery, display_path, is_excluded
from h2dlint.engine.reading import limited
from h2dlint.engine.results import FileResult, Report
from h2dlint.engine.runner import MAX_BYTES, lint_source
from h2dlint.engine.screen import NEEDED
from h2dlint.engine.settings import Settings
from h2dlint.syntax.source import DecodeError, SourceText, read_source

if TYPE_CHECKING:
    from h2dlint.engine.fixing import FixOutcome


def run_stdin(job: Job, settings: Settings, cwd: Path) -> int:
    """Do the job on standard input and return the exit status."""
    begin = time.monotonic()
    data = limited(sys.stdin.buffer.read, MAX_BYTES)
    if data is None:
        raise Failure(f"standard input: files over {MAX_BYTES // (1024 * 1024)} MiB are not linted")
    try:
        result, outcome = _linted(job, settings, cwd, data)
    except ConfigError as error:
        raise Failure(str(error)) from error
    after = outcome.after if outcome is not None else data
    applied = dict(outcome.applied) if outcome is not None and job.fixing else {}
    report = Report(
        findings=result.findings,
        errors=result.errors,
        hidden=result.hidden,
        suppressed=result.suppressed,
        checked=1,
        fixed={result.path: applied} if applied else {},
        notes=result.notes,
        silenced=result.silenced,
        notebooks={} if result.cells is None else {result.path: result.cells},
    )
    if job.verbose:
        explain_run(report, settings, time.monotonic() - begin)
    say_errors(report, quiet=job.quiet)

    def sources(path: str) -> SourceText | None:
        try:
            return read_source(path, after)
        except DecodeError:
            return None

    outcomes = [outcome] if outcome is not None else []
    return deliver(job, settings, report, outcomes, sources, after if job.fixing else None)


def _linted(job: Job, settings: Settings, cwd: Path, data: bytes) -> tuple[FileResult, FixOutcome | None]:
    """The verdict, and what fixing made of the text where that is asked for."""
    path, location = "-", None
    if job.stdin_filename is not None:
        location = Path(os.path.normpath(cwd / job.stdin_filename))
        path = display_path(location, cwd)
        if settings.force_exclude and is_excluded(location, settings):
            return FileResult(path), None
    sift = None
    if location is not None:
        # A baseline goes by the name.
        sieve, _ = adoption.make_sieve(job, settings, Discovery())
        sift = sieve.of(location, data) if sieve is not None else None
    projects = None
    cache = used_cache(job, settings) if location is not None else None
    if cache is not None and settings.follow_imports and NEEDED in data:
        from h2dlint.engine.standing import standing

        projects = standing(cache, settings)
    if job.fixing or job.dry:
        from h2dlint.engine.fixing import fix_source

        outcome = fix_source(path, data, settings, location=location, projects=projects, sift=sift)
        return outcome.result, outcome
    result = lint_source(path, data, settings, location=location, projects=projects)
    return (sift(result, data) if sift is not None else result), None
