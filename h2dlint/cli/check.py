"""``h2dlint check``: lint, and fix on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from h2dlint.cli.base import HELP_OPTIONS, Command
from h2dlint.cli.options import (
    configuration_options,
    input_options,
    output_file_option,
    output_format_option,
    rule_options,
    sieve_options,
    unsafe_option,
)


class _Check(Command):
    """``--add-noqa`` takes a reason after ``=`` only: what follows after a blank is a path."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        end = args.index("--") if "--" in args else len(args)
        given = ["--add-noqa=" if arg == "--add-noqa" else arg for arg in args[:end]]
        return super().parse_args(ctx, given + args[end:])


@click.command("check", cls=_Check, context_settings=HELP_OPTIONS)
@input_options
@click.option("--fix", is_flag=True, help="Apply safe fixes.")
@unsafe_option
@click.option("--diff", is_flag=True, help="Show what --fix would change; write no file. Exit 1 if anything.")
@rule_options
@output_format_option("full")
@output_file_option
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Say what became of each finding in a trace of `h2dlint trace` or torch.profiler (with stacks).",
)
@sieve_options
@click.option(
    "--write-baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all findings to FILE, for --baseline, and exit 0.",
)
@click.option(
    "--add-noqa",
    metavar="[=REASON]",
    help="Write a suppression comment for each finding, with a reason if one is given.",
)
@click.option("--statistics", is_flag=True, help="Count findings by rule instead of listing them.")
@click.option("-e", "--exit-zero", is_flag=True, help="Exit 0 even if there are findings.")
@click.option("--exit-non-zero-on-fix", is_flag=True, help="Exit 1 if anything was fixed, too.")
@click.option("-w", "--watch", is_flag=True, help="Check again whenever a file changes.")
@click.option("--show-files", is_flag=True, help="List the files that would be checked, and stop.")
@click.option("--show-settings", is_flag=True, help="Show the settings that hold, and stop.")
@configuration_options
@click.pass_context
def check(ctx: click.Context, /, **params: Any) -> None:
    """Find host-to-device copies that block the host.

    PATHS are files and folders; the current folder if there are none, standard input if '-'.

    Exit status: 0 nothing found, 1 findings, 2 the job could not be done for every file.
    """
    from h2dlint.engine.memory import collect_rarely

    # What is imported from here on stays: to look for garbage meanwhile is a tenth of it.
    collect_rarely()
    from h2dlint.cli.session import Job, run

    job = Job.from_params(params)
    if params["watch"]:
        from h2dlint.cli.watching import watch

        ctx.exit(watch(job))
    ctx.exit(run(job))
