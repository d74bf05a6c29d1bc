"""What ``check`` and ``fix`` do: settings, files, verdicts, output, exit status."""

from __future__ import annotations

import atexit
import gc
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from h2dlint.cli import adoption, terminal
from h2dlint.cli.base import Exit, Failure
from h2dlint.cli.measuring import EVERYTHING, read_trace, traced
from h2dlint.cli.options import overrides
from h2dlint.cli.progress import ProgressBar
from h2dlint.cli.verbose import explain_run, rule_names, settings_text
from h2dlint.engine.cache import FOLDER
from h2dlint.engine.config import ConfigError, load_settings
from h2dlint.engine.diff import readable_diff, unified_diff
from h2dlint.engine.files import Discovery, discover
from h2dlint.engine.memory import collect_rarely
from h2dlint.engine.pool import cores
from h2dlint.engine.results import Report
from h2dlint.engine.runner import lint_files
from h2dlint.engine.settings import Settings
from h2dlint.engine.sieve import Sieve, sift_report
from h2dlint.engine.storing import is_foreign
from h2dlint.report import FORMATS, Reporter, Sources, Unreported, View
from h2dlint.report.notebooks import in_cells, in_file, place
from h2dlint.report.style import escape
from h2dlint.report.summary import would_fix
from h2dlint.syntax.source import DecodeError, SourceText, read_source

if TYPE_CHECKING:
    from h2dlint.engine.fixing import FixOutcome
    from h2dlint.engine.whole import WholeRun


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asks for; names are those of the options."""

    paths: tuple[str, ...]
    stdin_filename: str | None
    overrides: Mapping[str, object]
    config: Path | None
    isolated: bool
    quiet: bool
    verbose: bool
    exit_zero: bool
    exit_non_zero_on_fix: bool
    output_format: str | None
    output_file: Path | None
    fix: bool = False
    diff: bool = False
    patch: str | None = None
    commit: str | None = None
    fix_table: bool = False
    trace: tuple[Path, ...] = ()
    statistics: bool = False
    show_files: bool = False
    show_settings: bool = False
    jobs: int | None = None
    no_cache: bool = False
    cache_dir: Path | None = None
    no_baseline: bool = False
    write_baseline: Path | None = None
    diff_only: str | None = None
    add_noqa: str | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Job:
        """Take what click parsed."""
        if params["quiet"] and params["verbose"]:
            raise click.UsageError("--quiet and --verbose cannot be used together")
        names = {field.name for field in fields(cls)}
        known = {name: value for name, value in params.items() if name in names}
        job = cls(**{**known, "overrides": overrides(params)})
        if "-" in job.paths and len(job.paths) > 1:
            raise click.UsageError("standard input ('-') cannot be checked together with other paths")
        if job.stdin_filename is not None and job.paths not in {(), ("-",)}:
            raise click.UsageError("--stdin-filename goes with standard input, not with other paths")
        if job.commit and job.stdin:
            raise click.UsageError("standard input cannot be committed")
        if job.trace and (job.fix or job.dry):
            raise click.UsageError(
                "--trace cannot be used with --fix or --diff: the trace is of the files as they are"
            )
        if job.trace and job.stdin:
            raise click.UsageError("--trace cannot be used with standard input")
        adoption.check_options(job)
        return job

    @property
    def stdin(self) -> bool:
        """Whether the text comes on standard input."""
        return self.stdin_filename is not None or self.paths == ("-",)

    @property
    def dry(self) -> bool:
        """Whether changes are shown and not made."""
        return self.diff or self.patch is not None

    @property
    def fixing(self) -> bool:
        """Whether changes are made."""
        return self.fix and not self.dry


def run(job: Job) -> int:
    """Do the job and return the exit status."""
    begin = time.monotonic()
    collect_rarely()
    # What is in memory goes with the process: taking it apart object by object is a twentieth of a run.
    atexit.register(gc.freeze)
    cwd = Path.cwd()
    settings = _settings(job, cwd)
    if job.show_settings:
        terminal.Output().write([settings_text(settings)])
        return Exit.CLEAN
    _reporter(job, settings)
    trace = read_trace(job.trace)
    if job.stdin:
        from h2dlint.cli.stdin import run_stdin

        return run_stdin(job, settings, cwd)
    whole = _whole(job, settings, cwd)
    again = whole.report() if whole is not None else None
    if again is not None:
        return _tell(job, settings, again, _Places(cwd), begin)
    try:
        found = whole.part.found if whole is not None and whole.part is not None else None
        if found is None:
            found = discover(job.paths or (".",), settings, cwd)
    except ConfigError as error:
        raise Failure(str(error)) from error
    if job.show_files:
        terminal.Output().write(f"{escape(str(file.location))}\n" for file in found.files)
        say_errors(Report(errors=found.errors))
        return Exit.FAILED if found.errors else Exit.CLEAN
    if not found.files and not found.errors and not job.quiet:
        terminal.warn("no Python files found under the given paths")
    sieve, baselines = adoption.make_sieve(job, settings, found)
    places = {file.path: file.location for file in found.files}
    try:
        # What held the host is shown, however cold the code is taken to be: filtered when it is known what did.
        asked = (
            settings
            if trace is None
            else _settings(replace(job, overrides={**job.overrides, **EVERYTHING}), cwd)
        )
        report, outcomes = _verdict(job, found, asked, sieve, whole)
        if sieve is not None and not (job.fixing or job.dry):
            report = sift_report(report, sieve, places)
    except ConfigError as error:
        raise Failure(str(error)) from error
    if job.write_baseline is not None:
        say_errors(report, quiet=job.quiet)
        return adoption.write_baseline(job, report, found, _file_sources(places), cwd)
    if job.add_noqa is not None:
        report, status = adoption.add_comments(job, report, found, settings)
        say_errors(report, quiet=job.quiet)
        return status
    unreported = None
    if trace is not None:
        report, unreported = traced(report, trace, places, settings)
    status = _tell(job, settings, report, places, begin, outcomes, unreported)
    adoption.shrink(job, baselines, cwd)
    return status


def _tell(
    job: Job,
    settings: Settings,
    report: Report,
    places: Mapping[str, Path],
    begin: float,
    outcomes: Iterable[FixOutcome] = (),
    unreported: Unreported | None = None,
) -> int:
    if job.verbose:
        explain_run(report, settings, time.monotonic() - begin)
    say_errors(report, quiet=job.quiet)
    return deliver(job, settings, report, outcomes, _file_sources(places), traced=unreported)


def _whole(job: Job, settings: Settings, cwd: Path) -> WholeRun | None:
    """Where the run as a whole is kept: of a plain check of folders, on which nothing else bears."""
    others = (job.fix, job.dry, job.trace, job.show_files, job.no_cache, job.write_baseline, job.diff_only)
    if any(others) or job.add_noqa is not None or (settings.baseline and not job.no_baseline):
        return None
    paths = job.paths or (".",)
    if not any(os.path.isdir(path) for path in paths):
        return None
    from h2dlint.engine.whole import WholeRun, command

    told = (cwd.as_posix(), paths, sorted(job.overrides.items()), str(job.config), job.isolated)
    read: set[str] = getattr(settings.nested, "read", set())
    return WholeRun(cache_folder(job.cache_dir, settings), command(settings, told), read, cwd)


class _Places(dict[str, Path]):
    """Where files lie that reports name."""

    def __init__(self, cwd: Path) -> None:
        super().__init__()
        self._cwd = cwd

    def __missing__(self, path: str) -> Path:
        self[path] = self._cwd / path
        return self[path]


def _settings(job: Job, cwd: Path) -> Settings:
    paths: tuple[str, ...] = job.paths or (".",)
    if job.stdin:
        paths = (job.stdin_filename,) if job.stdin_filename is not None else (".",)
    try:
        return load_settings(paths, cwd, job.config, job.isolated, job.overrides)
    except ConfigError as error:
        raise Failure(str(error)) from error


def _reporter(job: Job, settings: Settings) -> type[Reporter]:
    default = "concise" if job.fix_table else "full"
    name = job.output_format or settings.output_format or default
    if name not in FORMATS:
        raise Failure(f'unknown output format "{name}"; there are {", ".join(FORMATS)}')
    if job.statistics and not FORMATS[name].has_statistics:
        raise Failure(f"--statistics cannot be written as {name}; there are full, concise and json")
    return FORMATS[name]


def _verdict(
    job: Job,
    found: Discovery,
    settings: Settings,
    sieve: Sieve | None = None,
    whole: WholeRun | None = None,
) -> tuple[Report, tuple[FixOutcome, ...]]:
    label = "Fixing" if job.fixing else "Checking"
    with ProgressBar(label, enabled=not job.quiet) as progress:
        if job.commit and job.fixing:
            from h2dlint.cli.commits import commit_fixes

            said: list[str] = []
            try:
                twin = adoption.make_sieve(job, settings, found)[0]
                sieves = (sieve, twin) if sieve is not None and twin is not None else None
                return commit_fixes(
                    found, settings, job.commit, progress, said.append, sieves, job.jobs or cores()
                )
            finally:
                if not job.quiet:
                    terminal.Output(err=True).write(f"committed {line}\n" for line in said)
        if job.fixing or job.dry:
            from h2dlint.engine.fixing import fix_files

            return fix_files(
                found,
                settings,
                write=job.fixing,
                progress=progress,
                sieve=sieve,
                jobs=job.jobs or cores(),
            )
        cache = used_cache(job, settings)
        kept = whole if sieve is None else None
        return lint_files(found, settings, progress, jobs=job.jobs or cores(), cache=cache, whole=kept), ()


def repository_top(folder: Path, settings: Settings) -> Path:
    """The top of the repository that a folder is in; else the root of the project, or the folder."""
    for parent in (folder, *folder.parents):
        if (parent / ".git").exists():
            return parent
    root = Path(settings.root)
    return root if folder.is_relative_to(root) else folder


def cache_folder(given: Path | None, settings: Settings) -> Path:
    """Where verdicts are kept: where the command line says, else at the top of the project."""
    return given if given is not None else Path(settings.root) / FOLDER


def used_cache(job: Job, settings: Settings) -> Path | None:
    """The folder of the cache, if one is to be used; a warning where it cannot be."""
    cache = None if job.no_cache else cache_folder(job.cache_dir, settings)
    if cache is not None and is_foreign(cache):
        terminal.warn(f"{cache} is a symbolic link and is not used; --cache-dir names another folder")
        return None
    return cache


def _file_sources(places: Mapping[str, Path]) -> Sources:
    """Read the files that findings lie in, as they are now: fixes are written by then."""

    @lru_cache(maxsize=4)
    def source(path: str) -> SourceText | None:
        try:
            return read_source(places[path].name, places[path].read_bytes())
        except (KeyError, OSError, DecodeError):
            return None

    return source


def say_errors(report: Report, quiet: bool = False) -> None:
    """Print errors, and warnings, to standard error; ``quiet`` leaves out those that do not fail the run."""
    told = in_cells(report)
    for error in told.errors:
        terminal.error(f"{place(error.path, error.line, error.cell)}: {error.message}")
    for note in told.notes:
        if note.counts or not quiet:
            terminal.warn(f"{place(note.path, note.line, note.cell)}: {note.message}")


def deliver(
    job: Job,
    settings: Settings,
    report: Report,
    outcomes: Iterable[FixOutcome],
    sources: Sources,
    fixed_text: bytes | None = None,
    traced: Unreported | None = None,
) -> int:
    """Write what the job is to write and return the exit status.

    Args:
        job: what the command line asks for.
        settings: those of the run.
        report: the verdict.
        outcomes: of the files that were, or would be, changed.
        sources: the text that findings refer to.
        fixed_text: of standard input; it goes to standard output, and findings to standard error.
        traced: with ``--trace``, what the trace holds beside the findings.
    """
    if job.dry:
        return _deliver_diff(job, report, [outcome for outcome in outcomes if outcome.changed], outcomes)
    if fixed_text is not None:
        terminal.Output().write([fixed_text])
    output = terminal.Output(job.output_file, err=fixed_text is not None)
    view = View(
        colour=output.colour,
        width=output.width,
        unsafe_fixes=settings.unsafe_fixes,
        fixing=job.fixing,
        fix_table=job.fix_table,
        summary=not job.quiet,
        min_confidence=settings.min_confidence,
        traced=traced,
        names=rule_names() if job.fix_table else {},
        folder=Path.cwd().as_posix(),
        top=repository_top(Path.cwd(), settings).as_posix(),
    )
    reporter = _reporter(job, settings)(view, sources)
    placed = in_cells(report) if reporter.cells else in_file(report)
    output.write(reporter.statistics(report) if job.statistics else reporter.report(placed))
    touched = job.exit_non_zero_on_fix and report.fixed_count > 0
    counts = any(note.counts for note in report.notes)
    return _status(job, report, bool(report.findings) or touched or counts)


def _deliver_diff(job: Job, report: Report, changed: list[FixOutcome], outcomes: Iterable[FixOutcome]) -> int:
    # A patch is for the files; what is shown of a notebook is its cells.
    diff_of = readable_diff if job.patch is None else partial(unified_diff, prefixed=True)
    diff = b"".join(diff_of(outcome.path, outcome.before, outcome.after) for outcome in changed)
    output = terminal.Output(job.output_file if job.patch is None else Path(job.patch))
    if diff or output.file is not None:
        output.write(terminal.pretty_diff(diff, output))
    if not job.quiet:
        fixed = sum(sum(outcome.applied.values()) for outcome in changed)
        held_back = sum(outcome.held_back_unsafe for outcome in outcomes)
        terminal.Output(err=job.patch is None).write([would_fix(fixed, held_back)])
    return _status(job, report, bool(changed))


def _status(job: Job, report: Report, findings: bool) -> int:
    if report.errors:
        return Exit.FAILED
    return Exit.FINDINGS if findings and not job.exit_zero else Exit.CLEAN
