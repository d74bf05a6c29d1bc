"""``h2dlint clean``: remove what earlier runs left for later ones."""

from __future__ import annotations

from pathlib import Path

import click

from h2dlint.cli.base import HELP_OPTIONS, Command, Failure


@click.command("clean", cls=Command, context_settings=HELP_OPTIONS)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the verdicts of earlier runs are kept, if not at the top of the project.",
)
def clean(paths: tuple[str, ...], cache_dir: Path | None) -> None:
    """Remove the verdicts of earlier runs.

    PATHS are files and folders of the projects; the current folder if there are none.
    """
    from h2dlint.engine.cache import FOLDER
    from h2dlint.engine.config import ConfigError, load_settings
    from h2dlint.engine.storing import remove
    from h2dlint.report.style import escape

    cwd = Path.cwd()
    try:
        folders = {
            Path(load_settings((path,), cwd, None, False, {}).root) / FOLDER for path in paths or (".",)
        }
    except ConfigError as error:
        raise Failure(str(error)) from error
    # What was run with --isolated may lie elsewhere.
    folders |= {Path(load_settings((path,), cwd, None, True, {}).root) / FOLDER for path in paths or (".",)}
    for folder in sorted(folders) if cache_dir is None else [cache_dir]:
        try:
            removed = remove(folder)
        except OSError as error:
            raise Failure(f"{folder}: cannot be removed: {error.strerror or error}") from error
        if removed:
            click.echo(escape(f"removed the verdicts in {folder}"), err=True)
