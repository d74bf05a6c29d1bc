"""``h2dlint check -``: one file on standard input."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from h2dlint.cli import adoption
from h2dlint.cli.base import Failure
from h2dlint.cli.session import Job, deliver, say_errors
from h2dlint.cli.verbose import explain_run
from h2dlint.engine.config import ConfigError
from h2dlint.engine.files import Discovery, display_path, is_excluded
from h2dlint.engine.fixing import FixOutcome, fix_source
from h2dlint.engine.reading import limited
from h2dlint.engine.results import FileResult, Report
from h2dlint.engine.runner import MAX_BYTES, lint_source
from h2dlint.engine.settings import Settings
from h2dlint.syntax.source import DecodeError, SourceText, read_source


def run_stdin(job: Job, settings: Settings, cwd: Path) -> int:
    """Do the job on standard input and return the exit status."""
    begin = time.monotonic()
    data = limited(sys.stdin.buffer.read, MAX_BYTES)
    if data is None:
        raise Failure(f"standard input: files over {MAX_BYTES // (1024 * 1024)} MiB are not linted")
    try:
        outcome = _outcome(job, settings, cwd, data)
    except ConfigError as error:
        raise Failure(str(error)) from error
    result = outcome.result
    applied = dict(outcome.applied) if job.fixing else {}
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
            return read_source(path, outcome.after)
        except DecodeError:
            return None

    return deliver(job, settings, report, [outcome], sources, outcome.after if job.fixing else None)


def _outcome(job: Job, settings: Settings, cwd: Path, data: bytes) -> FixOutcome:
    path, location = "-", None
    if job.stdin_filename is not None:
        location = Path(os.path.normpath(cwd / job.stdin_filename))
        path = display_path(location, cwd)
        if settings.force_exclude and is_excluded(location, settings):
            return FixOutcome(path, data, data, FileResult(path))
    sift = None
    if location is not None:
        # A baseline goes by the name.
        sieve, _ = adoption.make_sieve(job, settings, Discovery())
        sift = sieve.of(location, data) if sieve is not None else None
    if job.fixing or job.dry:
        return fix_source(path, data, settings, location=location, sift=sift)
    result = lint_source(path, data, settings, location=location)
    return FixOutcome(path, data, data, sift(result, data) if sift is not None else result)
