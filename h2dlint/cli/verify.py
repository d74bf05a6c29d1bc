"""``h2dlint verify``: the program before and after the fixes."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from h2dlint.cli import terminal
from h2dlint.cli.base import HELP_OPTIONS, Command, Failure
from h2dlint.cli.options import configuration_options, overrides, rule_options, unsafe_option

if TYPE_CHECKING:
    from h2dlint.engine.settings import Settings
    from h2dlint.runtime.plan import FixPlan
    from h2dlint.runtime.verdict import Verdict


@click.command(
    "verify",
    cls=Command,
    # What follows the program's name is the program's.
    context_settings={**HELP_OPTIONS, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
@click.option("--path", "paths", multiple=True, metavar="PATH", help="File or folder to fix [default: .].")
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="Installed package to fix, by its import name; without --path, nothing else is fixed.",
)
@unsafe_option
@rule_options
@click.option("--markdown", metavar="FILE", help="Write the result as Markdown; '-' for standard output.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all figures as JSON.",
)
@click.option("--bisect/--no-bisect", default=True, help="On a difference, search for the fix at fault.")
@click.option(
    "--max-runs",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    metavar="N",
    help="How often the search may run the program.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Kill a run that takes longer.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Keep what the runs recorded, in a folder that is empty or new.",
)
@configuration_options
@click.pass_context
def verify(ctx: click.Context, /, **params: Any) -> None:
    """Run a program before and after the fixes, and compare what it records.

    The program runs twice as it is and once with the fixes, which are applied in memory: no file is
    touched. Compared are the exit status and, bit for bit, the values that the program hands to
    h2dlint.runtime.record(name, value). What differs between the first two runs is left out.

    Exit status: 0 identical, 1 different, 2 nothing could be said (nothing to fix, nothing recorded, no
    fix ran, the program fails without the fixes, no CUDA device).
    """
    if params["quiet"] and params["verbose"]:
        raise click.UsageError("--quiet and --verbose cannot be used together", ctx)
    if problem := _cuda_problem():
        raise Failure(f"{problem}; verify has nothing to measure, and ran nothing")
    ctx.exit(_run(params))


def _cuda_problem() -> str | None:
    from h2dlint.runtime.launch import cuda_problem

    return cuda_problem()


def _run(params: dict[str, Any]) -> int:
    from h2dlint.runtime.launch import LaunchError, run
    from h2dlint.runtime.verify import Verification

    cwd = Path.cwd()
    plan, settings = _planned(params, cwd)
    fixed = {(fix.path, fix.line, fix.column, fix.code) for fix in plan.fixes}

    def sites(before: Any, after: Any) -> Any:
        from h2dlint.runtime.changes import site_changes

        return site_changes(before, after, settings, cwd, fixed)

    with _folder(params["keep"]) as folder, _one_hash_seed():
        verification = Verification(
            command=tuple(params["command"]),
            plan=plan,
            folder=folder,
            launch=run,
            bisect=params["bisect"],
            max_runs=params["max_runs"],
            timeout_s=params["timeout"],
            sites=sites,
            say=(lambda line: None) if params["quiet"] else _say,
            keep=params["keep"] is not None,
        )
        try:
            verdict = verification.run()
        except LaunchError as error:
            raise Failure(str(error)) from error
    _deliver(verdict, params)
    return verdict.exit_code


def _planned(params: dict[str, Any], cwd: Path) -> tuple[FixPlan, Settings]:
    """The fixes, of which there is at least one, and what the linter reports."""
    from h2dlint.cli.progress import ProgressBar
    from h2dlint.engine.config import ConfigError, load_settings
    from h2dlint.runtime.plan import PackageError, build

    paths, packages = params["paths"], params["packages"]
    decided = overrides(params)
    try:
        settings = load_settings(paths or (".",), cwd, params["config"], params["isolated"], decided)
        with ProgressBar("Fixing", enabled=not params["quiet"]) as progress:
            plan = build(
                paths or None,
                decided,
                cwd,
                packages=packages,
                config=params["config"],
                isolated=params["isolated"],
                progress=progress,
            )
    except (ConfigError, PackageError) as error:
        raise Failure(str(error)) from error
    for fault in plan.errors:
        place = fault.path if fault.line is None else f"{fault.path}:{fault.line}"
        terminal.warn(f"{place}: {fault.message}")
    if not plan.fixes:
        held = f"; {plan.held_back} more with --unsafe-fixes" if plan.held_back else ""
        raise Failure(
            f"there is nothing to fix in {plan.checked} files{held}: nothing was run, nothing verified"
        )
    return plan, settings


@contextlib.contextmanager
def _one_hash_seed() -> Iterator[None]:
    """Have sets of strings in the same order in all runs; otherwise a fix may be blamed for another one."""
    if os.environ.get("PYTHONHASHSEED"):
        yield
        return
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        yield
    finally:
        del os.environ["PYTHONHASHSEED"]


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the runs write: the folder to keep, or one that goes away again."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="h2dlint-verify-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise Failure(f"--keep: {keep} is not empty")
    except OSError as error:
        raise Failure(f"--keep: {keep}: {error.strerror or error}") from error
    yield keep.absolute()


def _say(line: str) -> None:
    click.echo(f"h2dlint verify: {line}", err=True)


def _deliver(verdict: Verdict, params: dict[str, Any]) -> None:
    from rich.console import Console

    from h2dlint.runtime.verdict import to_json
    from h2dlint.runtime.verdict_text import markdown, render

    if params["json_file"] is not None:
        terminal.Output(params["json_file"]).write([to_json(verdict)])
    if params["markdown"] == "-":
        terminal.Output().write([markdown(verdict)])
        return
    if params["markdown"] is not None:
        terminal.Output(Path(params["markdown"])).write([markdown(verdict)])
    output = terminal.Output()
    console = Console(
        file=sys.stdout,
        width=output.width,
        force_terminal=output.colour,
        no_color=not output.colour,
        highlight=False,
    )
    with console.capture() as captured:
        render(verdict, console)
    output.write([captured.get()])
