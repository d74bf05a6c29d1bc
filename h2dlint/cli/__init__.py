"""The command line: the only layer that prints, reads the environment or exits.

Each command is a file of its own and is imported only when it is called for; what runs it, only when it runs.
"""

from __future__ import annotations

import click

from h2dlint import __version__
from h2dlint.cli.base import HELP_OPTIONS, Root

main = Root(
    "h2dlint",
    commands={
        "check": "h2dlint.cli.check:check",
        "fix": "h2dlint.cli.fix:fix",
        "rule": "h2dlint.cli.rule:rule",
        "init": "h2dlint.cli.init:init",
        "trace": "h2dlint.cli.trace:trace",
        "verify": "h2dlint.cli.verify:verify",
        "clean": "h2dlint.cli.clean:clean",
        "server": "h2dlint.cli.server:server",
        "completion": "h2dlint.cli.completion:completion",
    },
    context_settings=HELP_OPTIONS,
    help="Find and fix the host-to-device copies that make PyTorch code wait.",
)
main = click.version_option(
    __version__, "-V", "--version", prog_name="h2dlint", message="%(prog)s %(version)s"
)(main)

__all__ = ["main"]
