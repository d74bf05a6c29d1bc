"""What the commands share: late import, exit codes, and an end without a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from enum import IntEnum
from importlib import import_module
from typing import Any, NoReturn

import click

HELP_OPTIONS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Exit(IntEnum):
    """What the exit status says."""

    CLEAN = 0
    FINDINGS = 1
    FAILED = 2
    """The job could not be done, or not for every file."""
    INTERRUPTED = 130


class Failure(click.ClickException):
    """Something that the user has to put right: one line on standard error, exit 2."""

    exit_code = Exit.FAILED

    def show(self, file: Any = None) -> None:
        """Print the message as errors of files are printed."""
        from h2dlint.cli.terminal import error

        error(self.format_message())


class Command(click.Command):
    """A command whose internal faults end in a short message; with ``--verbose``, in a traceback too."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if _is_broken_pipe(error):
                raise
            verbose = bool(ctx.params.get("verbose"))
            if verbose:
                import traceback

                from h2dlint.report.style import escape

                lines = traceback.format_exc().splitlines()
                click.echo("\n".join(map(escape, lines)), err=True)
            raise Failure(_internal(error, hint=not verbose)) from error


class Root(click.Group):
    """The ``h2dlint`` command.

    Args:
        commands: name of each command to ``module:attribute``, imported when the command is called for.
    """

    def __init__(self, name: str, commands: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(name, **attributes)
        self.places = dict(commands)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help text."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.places:
            return None
        module, attribute = self.places[cmd_name].split(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command line and exit; nothing that happens ends in a traceback."""
        kwargs["standalone_mode"] = False
        # Long ``elif`` and method chains nest deeply, and what CPython parses is to be linted.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 6000))
        _never_fail_to_encode()
        try:
            status = super().main(*args, **kwargs)
        except click.ClickException as error:
            if isinstance(error, click.UsageError):
                from h2dlint.report.style import escape

                # A shell pattern may have put the name of a file where an option goes.
                error = click.UsageError(escape(error.format_message()), error.ctx)
            error.show()
            status = Exit.FAILED
        except (KeyboardInterrupt, click.Abort):
            status = Exit.INTERRUPTED
        except Exception as error:
            if _is_broken_pipe(error):
                status = Exit.CLEAN
            else:
                click.echo(f"error: {_internal(error)}", err=True)
                status = Exit.FAILED
        sys.exit(_flushed(int(status or 0)))


def silence_stdout() -> None:
    """Send what is still to come on standard output nowhere: its reader has gone."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def _is_broken_pipe(error: BaseException) -> bool:
    return isinstance(error, BrokenPipeError) or (isinstance(error, OSError) and error.errno == errno.EPIPE)


def _flushed(status: int) -> int:
    """The status, once standard output is flushed; nothing is left for the interpreter to stumble over."""
    if sys.stdout is None:
        return status
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
    except (OSError, ValueError) as error:
        click.echo(f"error: cannot write to standard output: {error}", err=True)
        silence_stdout()
        return Exit.FAILED
    return status


def _internal(error: BaseException, hint: bool = False) -> str:
    detail = str(error).split("\n", 1)[0]
    name = type(error).__name__
    tail = " (--verbose shows where)" if hint else ""
    return f"internal fault: {name}{': ' if detail else ''}{detail}{tail}"


def _never_fail_to_encode() -> None:
    """Spell out characters that the terminal's encoding does not have, rather than raise."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
