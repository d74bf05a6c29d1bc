"""What helps a large repository to start: a baseline, only what changed, comments for what is there."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from h2dlint.cli import terminal
from h2dlint.cli.base import Exit, Failure
from h2dlint.engine.errors import ConfigError
from h2dlint.engine.files import Discovery
from h2dlint.engine.results import Report
from h2dlint.engine.settings import Settings
from h2dlint.engine.sieve import Sieve
from h2dlint.report import Sources

if TYPE_CHECKING:
    from h2dlint.cli.session import Job
    from h2dlint.engine.baseline import Baseline

MOST_SHOWN = 10
"""Dropped entries of a baseline that are named one by one."""

_NARROWING = {"select", "ignore", "extend-select", "per-file-ignores", "min-confidence", "cold"}


def check_options(job: Job) -> None:
    """Refuse what does not go together.

    Raises:
        UsageError: options contradict each other.
    """
    writing = "--write-baseline" if job.write_baseline else "--add-noqa" if job.add_noqa is not None else ""
    if job.write_baseline and job.add_noqa is not None:
        raise click.UsageError("--write-baseline and --add-noqa cannot be used together")
    others = {"--fix": job.fix, "--diff": job.dry, "--trace": bool(job.trace), "standard input": job.stdin}
    others |= {
        "--statistics": job.statistics,
        "--show-files": job.show_files,
        "--show-settings": job.show_settings,
    }
    if job.write_baseline:
        others |= {"--diff-only": job.diff_only is not None, "--baseline": "baseline" in job.overrides}
    for name, given in others.items():
        if writing and given:
            raise click.UsageError(f"{writing} cannot be used with {name}")
    if job.diff_only is not None and job.stdin:
        raise click.UsageError("--diff-only cannot be used with standard input")
    if job.no_baseline and "baseline" in job.overrides:
        raise click.UsageError("--baseline and --no-baseline cannot be used together")
    if job.add_noqa is not None and not job.add_noqa.isprintable():
        raise click.UsageError("the reason of --add-noqa must be one line of printable characters")


class Baselines:
    """The baselines of a run: that of the command line, or those that configurations name.

    Args:
        found: the files of the run.
        settings: of the run.
    """

    def __init__(self, found: Discovery, settings: Settings) -> None:
        self._settings = settings
        self._of = {
            file.location: file.settings.baseline for file in found.files if file.settings is not None
        }
        self.read = cache(self._read)
        self.used: dict[str, Baseline] = {}
        roots = {settings.root, *(file.settings.root for file in found.files if file.settings is not None)}
        self._roots = sorted(roots)

    def __call__(self, location: Path) -> Baseline | None:
        """The baseline that holds for a file.

        Raises:
            ConfigError: it cannot be read.
        """
        path = self._of.get(location, self._settings.baseline)
        return self.read(path) if path is not None else None

    def is_inside(self, path: str) -> bool:
        """Whether a baseline lies in a repository, or else a project, of the run."""
        tops = (_repository(Path(root)) for root in self._roots)
        return any(Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top)) for top in tops)

    def _read(self, path: str) -> Baseline:
        from h2dlint.engine.baseline import Baseline

        return self.used.setdefault(path, Baseline.read(Path(path)))


def make_sieve(job: Job, settings: Settings, found: Discovery) -> tuple[Sieve | None, Baselines]:
    """What the run leaves out; ``None`` where nothing.

    Raises:
        Failure: git or a baseline cannot be read.
    """
    baselines = Baselines(found, settings)
    named = {settings.baseline, *(file.settings.baseline for file in found.files if file.settings)}
    use = not (job.no_baseline or job.write_baseline) and named != {None}
    if not use and job.diff_only is None:
        return None, baselines
    try:
        if use and settings.baseline is not None:
            baselines.read(settings.baseline)
        changes = None
        if job.diff_only is not None:
            from h2dlint.engine.changed import changes_since

            changes = changes_since(job.diff_only, Path(settings.root), _git_environment())
    except ConfigError as error:
        raise Failure(str(error)) from error
    return (Sieve(baselines, changes) if use else Sieve(changes=changes)), baselines


def _git_environment() -> dict[str, str]:
    """The environment for git, in English.

    In a hook git may have set the repository without the working tree; a folder below would then count as its top.
    """
    given = dict(os.environ)
    if "GIT_WORK_TREE" not in given:
        given.pop("GIT_DIR", None)
    return {**given, "LC_ALL": "C"}


def shrink(job: Job, baselines: Baselines, cwd: Path) -> None:
    """Take what is gone out of the baselines, and say what that is.

    Nothing is taken out where the command line narrowed what was looked for, and by runs that write no file.
    """
    if job.dry or job.stdin or job.no_baseline or _NARROWING & job.overrides.keys():
        return
    tops = [os.path.normpath(cwd / path) for path in job.paths or (".",)]

    def covered(location: Path) -> bool:
        return any(os.path.commonpath([top, location]) == top for top in tops if _same_drive(top, location))

    for path, baseline in baselines.used.items():
        smaller, gone = baseline.shrunk(covered)
        if smaller.entries == baseline.entries:
            continue
        if "baseline" not in job.overrides and not baselines.is_inside(path):
            # A configuration that came with a repository is not to decide what is written elsewhere.
            terminal.warn(f"{path} lies outside of the repository and is not shortened; --baseline does that")
            continue
        try:
            _replace(Path(path), smaller.to_bytes(), baseline.data)
        except OSError as error:
            terminal.warn(f"cannot write {path}: {error.strerror or error}")
            continue
        if gone and not job.quiet:
            count = sum(number for _, _, number in gone)
            terminal.warn(f"{_shown(Path(path), cwd)}: dropped {_findings(count)} that {_is(count)} gone:")
            for name, entry, number in gone[:MOST_SHOWN]:
                where = f" in {entry.function}" if entry.function else ""
                times = f" ({number} times)" if number > 1 else ""
                terminal.say(f"  {name}: {entry.code}{where}: {entry.statement[:100]}{times}")
            if len(gone) > MOST_SHOWN:
                terminal.say(f"  and {len(gone) - MOST_SHOWN} more")


def write_baseline(job: Job, report: Report, found: Discovery, sources: Sources, cwd: Path) -> int:
    """Write all findings to the baseline; findings that it has in files that were not checked stay in it."""
    from h2dlint.engine.baseline import Baseline

    assert job.write_baseline is not None
    path = Path(os.path.normpath(cwd / job.write_baseline))
    failed = {error.path for error in report.errors}
    places = {file.path: file.location for file in found.files if file.path not in failed}
    try:
        old = Baseline.read(path) if path.exists() else Baseline(path)
        # What the command line did not let be found is not gone; what is goes when a whole run sees it.
        narrowed = bool(_NARROWING & job.overrides.keys())
        new = old.taking(report.findings, sources, places, narrowed)
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, new.to_bytes(), old.data)
    except ConfigError as error:
        raise Failure(f"not written: {error}") from error
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror or error}") from error
    if not job.quiet:
        kept = len(new) - len(report.findings)
        what = "that this run did not look for" if narrowed else "of files that were not checked"
        more = f" (and kept {kept} {what})" if kept else ""
        terminal.say(f"Wrote {_findings(len(report.findings))}{more} to {_shown(path, cwd)}.")
    return Exit.FAILED if report.errors else Exit.CLEAN


def add_comments(job: Job, report: Report, found: Discovery, settings: Settings) -> tuple[Report, int]:
    """Write a suppression comment for each finding; the report with what went wrong, and the exit status."""
    from h2dlint.engine.silencing import silence

    assert job.add_noqa is not None
    if not job.add_noqa and any((file.settings or settings).require_reason for file in found.files):
        raise Failure("require-reason is set: give a reason, --add-noqa=REASON")
    files = {file.path: file for file in found.files}
    done = silence(report.findings, files, settings, job.add_noqa.strip())
    if not job.quiet:
        noun = "suppression comment" if done.comments == 1 else "suppression comments"
        terminal.say(f"Added {done.comments} {noun}.")
    report = replace(report, findings=(), errors=(*report.errors, *done.errors))
    return report, Exit.FAILED if report.errors else Exit.CLEAN


def _repository(folder: Path) -> Path:
    return next((top for top in (folder, *folder.parents) if (top / ".git").exists()), folder)


def _replace(path: Path, data: bytes, before: bytes | None) -> None:
    """Write a baseline, unless another run has written it since it was read."""
    from h2dlint.engine.write import WriteError, create_atomically, write_atomically

    try:
        if before is None:
            create_atomically(Path(os.path.realpath(path)), data)
        else:
            write_atomically(path, data, expected=before)
    except WriteError as error:
        raise OSError(str(error)) from error


def _same_drive(one: str, other: Path) -> bool:
    return os.path.splitdrive(one)[0] == os.path.splitdrive(other)[0]


def _shown(path: Path, cwd: Path) -> str:
    return path.relative_to(cwd).as_posix() if path.is_relative_to(cwd) else str(path)


def _findings(count: int) -> str:
    return f"{count} finding" if count == 1 else f"{count} findings"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
