"""``h2dlint completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import click

from h2dlint.cli.base import HELP_OPTIONS, Command, Failure

_NAME = "h2dlint"
_VARIABLE = "_H2DLINT_COMPLETE"
"""Set by the script when the shell asks; click derives it from the name of the program."""


@click.command("completion", cls=Command, context_settings=HELP_OPTIONS)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and rules.

    bash and zsh: eval "$(h2dlint completion bash)" in the shell's start-up file. fish: h2dlint completion
    fish > ~/.config/fish/completions/h2dlint.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"click knows no completion for {shell}")
    try:
        script = kind(ctx.find_root().command, {}, _NAME, _VARIABLE).source()
    except (OSError, RuntimeError) as error:
        # For bash, click asks the program for its version.
        raise Failure(f"{shell}: {error}") from error
    click.echo(script)
