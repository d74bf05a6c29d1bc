"""Makes the reference of the command line from the commands themselves: ``<!-- commands -->`` asks for it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import click

from h2dlint.cli import main

MARKER = re.compile(r"<!-- *commands *-->")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the marker."""
    return MARKER.sub(lambda _: "\n\n".join(reference()), markdown)


def reference() -> Iterator[str]:
    """A section for each command: what it does, how it is called, its options."""
    root = click.Context(main, info_name="h2dlint")
    for name in main.list_commands(root):
        command = main.get_command(root, name)
        if command is None:
            raise ValueError(f"no command {name}")
        context = click.Context(command, info_name=name, parent=root, **command.context_settings)
        yield f"## {name}"
        yield text_of(command)
        pieces = " ".join(command.collect_usage_pieces(context))
        yield f"```text\nh2dlint {name} {pieces}\n```"
        rows = [row for param in command.params for row in _row(param, context)]
        if rows:
            yield "\n".join(["| option | what it does |", "|---|---|", *rows])


def text_of(command: click.Command) -> str:
    """A command's help as paragraphs; what ``\\b`` kept from being filled becomes a block."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(
        "```text\n" + part.removeprefix("\b").strip("\n") + "\n```"
        if part.startswith("\b")
        else _escaped(part)
        for part in paragraphs
    )


def _row(param: click.Parameter, context: click.Context) -> Iterator[str]:
    record = param.get_help_record(context)
    if record is not None and record[1]:
        flags, text = (part.replace("|", "\\|") for part in record)
        yield f"| `{flags}` | {_escaped(text)} |"


def _escaped(text: str) -> str:
    """Text of a terminal for Markdown: brackets and angles are no markup there; what is in backticks stays."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\[\]<>*_])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
