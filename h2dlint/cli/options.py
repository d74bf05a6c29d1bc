"""The options that several commands share, and what they mean for the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _list(flag: str, metavar: str, text: str) -> Callable[[F], F]:
    return click.option(flag, multiple=True, metavar=metavar, help=text)


_INPUT = (
    click.argument("paths", nargs=-1, metavar="[PATHS]..."),
    click.option(
        "--stdin-filename",
        metavar="FILE",
        help="Name of the file that comes on standard input (path '-').",
    ),
)

_RULES = (
    _list("--select", "CODES", "Rules to use, by code or prefix, comma separated; or ALL."),
    _list("--ignore", "CODES", "Rules not to use."),
    _list("--extend-select", "CODES", "Rules to use as well as those selected."),
    _list("--per-file-ignores", "PATTERN:CODE", "Rules not to use in the files that a pattern matches."),
    click.option("--cold/--no-cold", default=None, help="Report code that runs once or seldom, too."),
    click.option(
        "--min-confidence",
        type=click.Choice(["low", "medium", "high"]),
        help="The least confidence to report [default: medium].",
    ),
    click.option(
        "--assume-cuda/--no-assume-cuda",
        default=None,
        help="Take devices that are not literals for CUDA or ROCm: more fixes are safe then.",
    ),
    click.option(
        "--warn-unused-suppressions/--no-warn-unused-suppressions",
        default=None,
        help="Report suppression comments that silence nothing; exit 1 if there are any.",
    ),
)

_CONFIGURATION = (
    _list("--exclude", "PATTERNS", "Files and folders to leave out, in place of the default ones."),
    _list("--extend-exclude", "PATTERNS", "Files and folders to leave out as well."),
    click.option(
        "--respect-gitignore/--no-respect-gitignore",
        default=None,
        help="Leave out what git ignores [default: yes].",
    ),
    click.option(
        "--force-exclude/--no-force-exclude",
        default=None,
        help="Exclude as configured even the files named on the command line.",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configuration file to use instead of the nearest one.",
    ),
    click.option("--isolated", is_flag=True, help="Ignore all configuration files."),
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Processes to share the work of a large run [default: as many as there are processors].",
    ),
    click.option("--no-cache", is_flag=True, help="Neither use nor write the verdicts of earlier runs."),
    click.option(
        "--cache-dir",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Where the verdicts of earlier runs are kept [default: .h2dlint_cache at the top of the project].",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print findings and nothing else."),
    click.option("-v", "--verbose", is_flag=True, help="Say more: files, time, configuration, rules."),
)

_SIEVE = (
    click.option(
        "--baseline",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Leave out the findings in FILE, and drop those from it that are gone.",
    ),
    click.option("--no-baseline", is_flag=True, help="Use no baseline, whatever is configured."),
    click.option(
        "--diff-only",
        metavar="REV",
        help="Only findings on lines changed since the git revision REV (since it and HEAD parted).",
    ),
)

_UNSAFE = (
    click.option(
        "--unsafe-fixes/--no-unsafe-fixes",
        default=None,
        help="Count fixes that rest on something unproven as fixable, and apply them when fixing.",
    ),
)


def _apply(options: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def input_options(function: F) -> F:
    """PATHS and ``--stdin-filename``."""
    return _apply(_INPUT)(function)


def rule_options(function: F) -> F:
    """Which findings are wanted."""
    return _apply(_RULES)(function)


def configuration_options(function: F) -> F:
    """Configuration files and how much to say."""
    return _apply(_CONFIGURATION)(function)


def sieve_options(function: F) -> F:
    """Which findings are known, or old."""
    return _apply(_SIEVE)(function)


def unsafe_option(function: F) -> F:
    """``--unsafe-fixes``."""
    return _apply(_UNSAFE)(function)


def output_format_option(default: str) -> Callable[[F], F]:
    """``--output-format``."""
    from h2dlint.report import FORMATS

    return click.option(
        "--output-format",
        type=click.Choice(list(FORMATS)),
        help=f"How to write findings [default: as configured, else {default}].",
    )


def output_file_option(function: F) -> F:
    """``--output-file``."""
    return click.option(
        "-o",
        "--output-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write there instead of to standard output.",
    )(function)


_LISTS = ("select", "ignore", "extend_select", "per_file_ignores", "exclude", "extend_exclude")
_VALUES: tuple[str, ...] = (
    "cold",
    "min_confidence",
    "assume_cuda",
    "force_exclude",
    "respect_gitignore",
    "unsafe_fixes",
)
_VALUES += ("baseline", "warn_unused_suppressions")


def overrides(params: Mapping[str, Any]) -> dict[str, object]:
    """What the command line decides, keyed as in the configuration file; options not given are left out."""
    lists = {key: _split(params[key]) for key in _LISTS if params[key]}
    values = {key: params[key] for key in _VALUES if params.get(key) is not None}
    return {key.replace("_", "-"): value for key, value in {**lists, **values}.items()}


def _split(values: Iterable[str]) -> list[str]:
    items = (item.strip() for value in values for item in value.split(","))
    return [item for item in items if item]
