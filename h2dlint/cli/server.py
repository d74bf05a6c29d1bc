"""``h2dlint server``: the language server."""

from __future__ import annotations

from importlib.util import find_spec

import click

from h2dlint.cli.base import HELP_OPTIONS, Command, Failure


@click.command("server", cls=Command, context_settings=HELP_OPTIONS)
@click.option("--stdio", is_flag=True, help="Speak over standard input and output, as it does anyway.")
def server(stdio: bool) -> None:
    """Serve an editor: diagnostics, quick fixes and explanations, by the Language Server Protocol."""
    missing = [name for name in ("pygls", "lsprotocol") if find_spec(name) is None]
    if missing:
        raise Failure(
            f'{" and ".join(missing)} not installed; the server needs: pip install "h2dlint[server]"'
        )
    from h2dlint.integrations.server.features import start

    start()
