"""What ``trace`` does: run, read, explain, report."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from h2dlint.cli import terminal
from h2dlint.cli.base import Failure
from h2dlint.cli.options import overrides
from h2dlint.engine.config import ConfigError, load_settings
from h2dlint.runtime import launch
from h2dlint.runtime.join import explain
from h2dlint.runtime.summary import render
from h2dlint.runtime.traces import Trace, save


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    command: tuple[str, ...]
    output: Path | None
    html: Path | None
    paths: tuple[str, ...]
    overrides: Mapping[str, object]
    config: Path | None
    isolated: bool
    quiet: bool
    verbose: bool

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Request:
        """Take what click parsed."""
        if params["quiet"] and params["verbose"]:
            raise click.UsageError("--quiet and --verbose cannot be used together")
        return cls(
            command=tuple(params["command"]),
            output=params["output"],
            html=params["html"],
            paths=_paths(params["paths"], params["packages"]),
            overrides=overrides({**params, "unsafe_fixes": None}),
            config=params["config"],
            isolated=params["isolated"],
            quiet=params["quiet"],
            verbose=params["verbose"],
        )


def _paths(paths: Sequence[str], packages: Sequence[str]) -> tuple[str, ...]:
    """Files and folders whose findings are looked at: the current folder where nothing is named."""
    from h2dlint.runtime.plan import PackageError, find_package

    try:
        installed = [str(place) for name in packages for place in find_package(name)]
    except PackageError as error:
        raise Failure(str(error)) from error
    return (*paths, *installed) or (".",)


def run(request: Request) -> int:
    """Do it and return the exit status."""
    # What can be refused is refused before the program runs: it may take an hour.
    cwd = Path.cwd()
    try:
        settings = load_settings(request.paths, cwd, request.config, request.isolated, request.overrides)
    except ConfigError as error:
        raise Failure(str(error)) from error
    for target in (request.output, request.html):
        _writable(target)
    if (
        request.output is not None
        and request.html is not None
        and request.output.resolve() == request.html.resolve()
    ):
        raise Failure(f"--output and --html name the same file: {request.html}")
    problem = launch.cuda_problem()
    if problem is not None:
        raise Failure(f"nothing was run: {problem}")
    with _folder() as folder:
        try:
            done = launch.run(request.command, folder, tee=False)
        except launch.LaunchError as error:
            raise Failure(str(error)) from error
    for line in done.damaged:
        terminal.warn(f"a process left a trace that cannot be read: {line}")
    trace = _recorded(done)
    if done.unfinished:
        who = (
            "a process that used CUDA"
            if done.unfinished == 1
            else f"{done.unfinished} processes that used CUDA"
        )
        terminal.warn(f"{who} {_CUT_OFF}: the trace lacks what came last, up to 30 seconds of it")
    if request.output is not None:
        save(trace, request.output)
    explained = explain(trace, request.paths, settings, cwd)
    if request.html is not None:
        from h2dlint.runtime.page import page_notes, page_rows
        from h2dlint.runtime.page import render as page

        rows, extra = page_rows(explained)
        text = page(trace, rows, extra, notes=page_notes(explained))
        request.html.write_text(text, encoding="ascii", newline="\n")
    if not request.quiet:
        output = terminal.Output()
        console = Console(
            width=output.width if not output.terminal else None,
            color_system="auto" if output.colour else None,
            force_terminal=output.colour or None,
            highlight=False,
            soft_wrap=False,
        )
        render(trace, explained, console)
    for target, what in ((request.output, "trace"), (request.html, "page")):
        if target is not None and not request.quiet:
            click.echo(f"The {what} is in {target}.", err=True)
    return _status(done.returncode)


_CUT_OFF = "was killed, ended by os._exit or exec, or still runs"


def _recorded(done: launch.Run) -> Trace:
    """The trace of a run, if it recorded anything."""
    ended = f"; it ended with exit status {_status(done.returncode)}" if done.returncode else ""
    if not done.processes:
        raise Failure(
            f"no Python process of the program could be watched{ended} (python -I, -E and -S shut the recorder out)"
        )
    if done.trace is None and done.unfinished:
        raise Failure(
            f"nothing was recorded: the process that used CUDA {_CUT_OFF}, before anything was saved{ended}"
        )
    if done.trace is None:
        raise Failure(f"no process of the program used CUDA through PyTorch{ended}")
    notes = [process.note for process in done.trace.processes]
    if all(notes):
        raise Failure(f"nothing was recorded: {notes[0]}{ended}")
    return done.trace


def _status(returncode: int) -> int:
    """An exit status as shells tell it: 128 and the number of the signal for a program that was killed."""
    return returncode if returncode >= 0 else 128 - returncode


def _writable(target: Path | None) -> None:
    if target is None:
        return
    folder = target.absolute().parent
    if not folder.is_dir():
        raise Failure(f"cannot write {target}: there is no folder {folder}")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise Failure(f"cannot write {target}: permission denied")


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for what the processes write; the last workers may still be at it when it goes."""
    folder = Path(tempfile.mkdtemp(prefix="h2dlint-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
