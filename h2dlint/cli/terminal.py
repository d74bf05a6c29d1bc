"""Where text goes, and how it may look there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import click

from h2dlint.cli.base import Failure, silence_stdout
from h2dlint.report.style import Paint, escape

WIDTH = 140
"""Columns for source lines where no terminal sets a limit."""


def is_terminal(stream: IO[Any] | None) -> bool:
    """Whether a person reads the stream; one that is closed, or ``None``, nobody reads."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def wants_colour(stream: IO[Any] | None) -> bool:
    """Whether to colour what goes to the stream.

    ``FORCE_COLOR`` decides, then ``NO_COLOR``, then whether it is a terminal.
    """
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def width(stream: IO[Any] | None) -> int:
    """Columns for source lines."""
    if is_terminal(stream):
        import shutil  # It brings the formats of archives with it.

        return max(shutil.get_terminal_size((WIDTH, 24)).columns, 60)
    return WIDTH


def error(message: str) -> None:
    """Print an error to standard error."""
    click.echo(f"{Paint(wants_colour(sys.stderr))('code', 'error')}: {escape(message)}", err=True)


def warn(message: str) -> None:
    """Print a warning to standard error."""
    click.echo(f"{Paint(wants_colour(sys.stderr))('note', 'warning')}: {escape(message)}", err=True)


def say(message: str) -> None:
    """Print a line to standard error."""
    click.echo(escape(_inert(message)), err=True)


def _inert(line: str) -> str:
    """A line that GitHub Actions does not take for a command: blanks in front of one do not matter to it."""
    return line.replace(":", r"\x3a", 1) if line.lstrip().startswith("::") else line


class Output:
    """Where a report or a diff goes.

    A reader that goes away (``| head``) ends the output and nothing else: the exit status still tells
    what was found.

    Args:
        file: write there instead of to a standard stream; folders are made as needed.
        err: write to standard error.
    """

    def __init__(self, file: Path | None = None, err: bool = False) -> None:
        self.file = file
        self.err = err
        self.colour = file is None and wants_colour(self._stream)
        self.terminal = file is None and is_terminal(self._stream)
        self.width = width(self._stream) if file is None else WIDTH

    @property
    def _stream(self) -> IO[str] | None:
        return sys.stderr if self.err else sys.stdout

    def write(self, parts: Iterable[str] | Iterable[bytes]) -> None:
        """Write all parts, one after the other."""
        if self.file is not None:
            data = b"".join(_encoded(part) for part in parts)
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self.file.write_bytes(data)
            except OSError as fault:
                raise Failure(f"cannot write {self.file}: {fault.strerror or fault}") from fault
            return
        try:
            for part in parts:
                click.echo(part, nl=False, err=self.err, color=self.colour or None)
        except BrokenPipeError:
            silence_stdout()
        except OSError as fault:
            silence_stdout()
            raise Failure(f"cannot write the output: {fault.strerror or fault}") from fault


def _encoded(part: str | bytes) -> bytes:
    return part if isinstance(part, bytes) else part.encode("utf-8", "backslashreplace")


def pretty_diff(diff: bytes, output: Output) -> Iterable[bytes] | Iterable[str]:
    """A diff as its destination takes it.

    Into a pipe or a file it goes untouched; on a terminal it is escaped, and coloured if that is wanted.
    """
    if not (output.terminal or output.colour):
        return [diff]
    paint = Paint(output.colour)
    styles = {"+": "added", "-": "removed", "@": "fixable"}
    lines: list[str] = []
    for line in diff.decode("utf-8", "backslashreplace").split("\n"):
        shown = escape(line.rstrip("\r").expandtabs(8))
        style = "bold" if line.startswith(("+++", "---")) else styles.get(line[:1])
        lines.append(paint(style, shown) if style else shown)
    return ["\n".join(lines)]
