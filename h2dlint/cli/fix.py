"""``h2dlint fix``: the codemod."""

from __future__ import annotations

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


@click.command("fix", cls=Command, context_settings=HELP_OPTIONS)
@input_options
@unsafe_option
@click.option("--diff", is_flag=True, help="Show the changes; write no file. Exit 1 if there are any.")
@click.option(
    "--patch",
    type=click.Path(dir_okay=False, allow_dash=False),
    metavar="FILE",
    help="Write the changes to a patch file; write no source. Exit 1 if there are any.",
)
@click.option(
    "--commit-per-rule",
    "commit",
    flag_value="rule",
    help="Commit the fixes of each rule by themselves; needs a clean git work tree.",
)
@click.option(
    "--commit-per-folder",
    "commit",
    flag_value="folder",
    help="Commit the fixes in each top folder by themselves; needs a clean git work tree.",
)
@rule_options
@sieve_options
@output_format_option("concise")
@output_file_option
@click.option("-e", "--exit-zero", is_flag=True, help="Exit 0 even if findings are left.")
@click.option("--exit-non-zero-on-fix", is_flag=True, help="Exit 1 if anything was fixed, too.")
@configuration_options
@click.pass_context
def fix(ctx: click.Context, /, **params: Any) -> None:
    """Rewrite host-to-device copies so that they do not block the host.

    Does what `check --fix` does, lists the findings that are left and counts both by rule.

    PATHS are files and folders; the current folder if there are none, standard input if '-'.

    Exit status: 0 nothing left, 1 findings left (with --diff and --patch: changes), 2 the job could not
    be done for every file.
    """
    from h2dlint.engine.memory import collect_rarely

    collect_rarely()  # Before the imports, as in `check`.
    from h2dlint.cli.session import Job, run

    if params["diff"] and params["patch"] is not None:
        raise click.UsageError("--diff and --patch cannot be used together", ctx)
    if params["commit"] and (params["diff"] or params["patch"] is not None):
        raise click.UsageError("--diff and --patch write no file, so there is nothing to commit", ctx)
    ctx.exit(run(Job.from_params({**params, "fix": True, "fix_table": True})))
