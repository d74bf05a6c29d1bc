"""``h2dlint trace``: run a program, and tell which of its copies made the host wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from h2dlint.cli.base import HELP_OPTIONS, Command
from h2dlint.cli.options import configuration_options, rule_options

RUN_OPTIONS: dict[str, Any] = {**HELP_OPTIONS, "allow_interspersed_args": False}
"""What follows the program's name is the program's, be it an option or not."""


@click.command("trace", cls=Command, context_settings=RUN_OPTIONS)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the trace there, for `check --trace` and for later.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page to look at: time line, sites, source, proposed fixes.",
)
@click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="PATH",
    help="Files and folders whose findings are compared with what ran [default: the current folder].",
)
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="Installed package whose findings are compared, by its import name; without --path, nothing else is.",
)
@rule_options
@configuration_options
@click.pass_context
def trace(ctx: click.Context, /, **params: Any) -> None:
    """Run a program and record the host-to-device copies that make the host wait.

    COMMAND is run as it is: `python train.py`, `python -m package`, `pytest tests`, `torchrun ...`. Worker
    processes that it starts are recorded too. Needs an NVIDIA GPU and PyTorch.

    Exit status: that of the program; 2 if nothing could be recorded.
    """
    from h2dlint.cli.tracing import Request, run

    ctx.exit(run(Request.from_params(params)))
