"""``h2dlint init``: what a repository does about pinned memory, and the configuration that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from h2dlint.cli.base import HELP_OPTIONS, Command, Exit, Failure

if TYPE_CHECKING:
    from h2dlint.engine.proposals import Proposal
    from h2dlint.engine.survey import Place, Survey

_SHOWN = 5
"""Places and candidates that are listed of each kind."""


@click.command("init", cls=Command, context_settings=HELP_OPTIONS)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--write", is_flag=True, help="Write what is proposed into the configuration file.")
@click.option("-q", "--quiet", is_flag=True, help="Print the proposed configuration and nothing else.")
@click.option("-v", "--verbose", is_flag=True, help="List every place.")
@click.pass_context
def init(ctx: click.Context, path: Path, write: bool, quiet: bool, verbose: bool) -> None:
    """Propose a configuration: the repository's own helper, predicate and entry points.

    PATH is the top of the repository; the current folder by default. With --write, keys that are not there yet go
    into [tool.h2dlint] of its pyproject.toml (or its h2dlint.toml); without a pyproject.toml into .h2dlint.toml.

    Exit status: 0, or 2 if the job could not be done.
    """
    from h2dlint.cli.progress import ProgressBar
    from h2dlint.cli.terminal import Output
    from h2dlint.engine.config import load_settings
    from h2dlint.engine.errors import ConfigError
    from h2dlint.engine.files import discover
    from h2dlint.engine.proposals import propose
    from h2dlint.engine.survey import survey

    root = Path(path).resolve()
    try:
        settings = load_settings([str(root)], Path.cwd())
        found = discover([str(root)], settings, Path.cwd())
    except ConfigError as error:
        raise Failure(str(error)) from error
    with ProgressBar("Looking", enabled=not quiet) as progress:
        seen = survey(found, root, progress)
    proposal = propose(seen)
    lines: list[str] = []
    if not quiet:
        lines += [f"{line}\n" for line in _told(seen, proposal, None if verbose else _SHOWN)]
    lines += _section(proposal)
    Output().write(lines)
    if write:
        from h2dlint.cli.toml import file_for

        # One further up that rules here must not be hidden by a new one.
        file = Path(settings.config_file) if settings.config_file is not None else file_for(root)
        _write(file, proposal, quiet)
    ctx.exit(Exit.CLEAN)


def _told(seen: Survey, proposal: Proposal, most: int | None) -> Iterator[str]:
    """What was seen, with places."""
    yield f"Looked at {_count(seen.files, 'Python file')}."
    yield ""
    yield "Upload helpers (host data in, device tensor out, through pinned memory, without blocking):"
    for helper in seen.helpers[:most]:
        takes = ", ".join(helper.uploader.takes)
        yield f"  {helper.place}: {helper.uploader.name}{helper.template}"
        why = helper.usable
        yield f"    takes {takes}; called in {_count(helper.calls, 'place')}" + (
            f"; not proposed: {why}" if why else ""
        )
    yield from _rest(seen.helpers, most)
    yield ""
    yield "What decides whether memory is pinned:"
    for predicate in seen.predicates[:most]:
        needs = f" ({predicate.statement})" if predicate.statement else ""
        yield f"  {predicate.expression}{needs}: {predicate.kind}, {_count(len(predicate.places), 'place')}"
        if predicate.defined is not None:
            yield f"    defined at {predicate.defined}"
        yield f"    {_places(predicate.places, most)}"
    yield from _rest(seen.predicates, most)
    if seen.literal:
        yield ""
        yield f"Pinned without asking (pin_memory=True, .pin_memory()): {_count(len(seen.literal), 'place')}"
        yield f"    {_places(seen.literal, most)}"
    if seen.hooks:
        yield ""
        yield "Checks of the repository that speak of pinning:"
        for place, line in seen.hooks[:most]:
            yield f"  {place}: {line[:100]}"
        yield from _rest(seen.hooks, most)
    if seen.entries:
        yield ""
        yield "Methods under inference_mode or no_grad whose names say nothing (candidates for entry-points):"
        for name, place in seen.entries[:most]:
            yield f"  {place}: {name}"
        yield from _rest(seen.entries, most)
    yield ""
    if proposal.values:
        yield "Proposed, because it is what is used most:"
        yield from (f"  {reason}" for reason in proposal.reasons)
    else:
        yield "Nothing to propose: no helper and no predicate of its own was found."
        if seen.literal:
            yield "Memory is pinned without asking, which is what fixes do by themselves; see assume-cuda."
    yield ""


def _rest(items: Iterable[Any], most: int | None) -> Iterator[str]:
    listed = list(items)
    if not listed:
        yield "  none"
    elif most is not None and len(listed) > most:
        yield f"  and {len(listed) - most} more (--verbose lists them)"


def _places(places: list[Place], most: int | None) -> str:
    shown = ", ".join(map(str, places[:most]))
    more = len(places) - len(places[:most])
    return f"{shown} and {more} more" if more else shown


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _section(proposal: Proposal) -> list[str]:
    if not proposal.values:
        return []
    import json

    def shown(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    return ["[tool.h2dlint]\n", *(f"{key} = {shown(value)}\n" for key, value in proposal.values.items())]


def _write(file: Path, proposal: Proposal, quiet: bool) -> None:
    from h2dlint.cli.terminal import Output
    from h2dlint.cli.toml import TomlError, add_keys

    if not proposal.values:
        if not quiet:
            Output(err=True).write([f"{file.name}: nothing to write\n"])
        return
    try:
        added, kept = add_keys(file, proposal.values)
    except TomlError as error:
        raise Failure(str(error)) from error
    if quiet:
        return
    said = [f"Wrote {', '.join(added)} to {file}\n"] if added else [f"{file}: nothing to add\n"]
    said += [f"{file}: {key} is there already, and stays as it is\n" for key in kept]
    Output(err=True).write(said)
