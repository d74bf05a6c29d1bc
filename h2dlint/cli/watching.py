"""``h2dlint check --watch``: check again whenever a file changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from h2dlint.cli import terminal
from h2dlint.cli.base import Exit, Failure
from h2dlint.engine.cache import FOLDER
from h2dlint.engine.config import FILE_NAMES
from h2dlint.engine.files import SUFFIXES
from h2dlint.engine.settings import DEFAULT_EXCLUDE

if TYPE_CHECKING:
    from watchfiles import Change

    from h2dlint.cli.session import Job

DEBOUNCE = 300
"""Milliseconds in which changes are taken together: a branch is switched file by file."""
PAUSE = 200
"""Milliseconds after which the watcher says that nothing changed."""
_OTHERS = (*FILE_NAMES, "pyproject.toml", ".gitignore")


def watch(job: Job) -> int:
    """Check, and again after each change, until somebody interrupts it.

    Raises:
        Failure: watching is not possible, or the first check is not.
        KeyboardInterrupt: the way it ends.
    """
    from h2dlint.cli.session import run

    if job.stdin:
        raise Failure("--watch cannot be used with standard input")
    if job.show_files or job.show_settings:
        raise Failure("--watch cannot be used with --show-files or --show-settings")
    if job.write_baseline is not None or job.add_noqa is not None:
        raise Failure("--watch cannot be used with --write-baseline or --add-noqa")
    if find_spec("watchfiles") is None:
        raise Failure('watchfiles is not installed; --watch needs: pip install "h2dlint[watch]"')
    places = [Path(path).resolve() for path in job.paths or (".",)]
    for place in places:
        if not place.exists():
            raise Failure(f"{place}: no such file or folder")
    changes = _changes(places, job.output_file.resolve() if job.output_file is not None else None)
    _say("Checking, and again whenever a file changes; Ctrl-C ends it.", job.quiet)
    # Started before the first check, so that what changes meanwhile is not missed.
    next(changes)
    status = run(job)
    for found in changes:
        if not found:
            continue
        if terminal.is_terminal(sys.stdout):
            click.clear()
        _say(f"[{time.strftime('%H:%M:%S')}] Files changed, checking again.", job.quiet)
        try:
            status = run(job)
        except click.ClickException as error:
            # A configuration that is being edited is not always right.
            error.show()
    return Exit(status)


def _say(message: str, quiet: bool) -> None:
    if not quiet:
        click.echo(message, err=True)


def _changes(places: list[Path], output: Path | None) -> Iterator[Collection[object]]:
    """Yield what changed, and now and then that nothing did."""
    from watchfiles import watch as changes

    # An editor replaces a file, and what watches the old one sees nothing any more: the folder is watched.
    folders = sorted({place if place.is_dir() else place.parent for place in places})
    wanted = _filter(places, output)
    return changes(
        *folders, watch_filter=wanted, debounce=DEBOUNCE, step=50, rust_timeout=PAUSE, yield_on_timeout=True
    )


def _filter(places: list[Path], output: Path | None) -> Callable[[Change, str], bool]:
    def wanted(_: Change, name: str) -> bool:
        path = Path(name)
        if path == output or not (path.suffix in SUFFIXES or path.name in _OTHERS):
            return False
        if path in places:
            return True
        within = [path.relative_to(place) for place in places if place in path.parents]
        # The cache gets a .gitignore of its own when the first check makes it.
        return any(not set(inside.parts) & {*DEFAULT_EXCLUDE, FOLDER} for inside in within)

    return wanted
