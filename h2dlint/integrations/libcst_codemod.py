"""``h2dlint fix`` as a LibCST codemod, for projects that run their codemods with ``libcst.tool``."""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.codemod import CodemodContext, SkipFile, VisitorBasedCodemodCommand

from h2dlint.engine.fixing import fix_source
from h2dlint.integrations.project import FileByFile, absolute, deep_stack

_LISTS = ("select", "ignore", "extend_select", "per_file_ignores")
_SWITCHES = ("unsafe_fixes", "assume_cuda", "cold")


class RemoveBlockingH2D(VisitorBasedCodemodCommand):
    """Rewrites host-to-device copies so that they do not block the host, as ``h2dlint fix`` does.

    The configuration of the project holds, and the arguments lie on top of it. What is excluded there is skipped.

    Args:
        context: of the file, from LibCST.
        arguments: those of ``add_args``, by name.
    """

    DESCRIPTION = "Rewrite host-to-device copies so that they do not block the host, as `h2dlint fix` does."

    @staticmethod
    def add_args(arg_parser: argparse.ArgumentParser) -> None:
        """Add the arguments, which are those of ``h2dlint fix``."""
        add = arg_parser.add_argument
        add("--unsafe-fixes", action="store_true", default=None, help="Apply unsafe fixes, too.")
        add("--assume-cuda", action="store_true", default=None, help="Take unknown devices for CUDA or ROCm.")
        add("--cold", action="store_true", default=None, help="Fix code that runs once or seldom, too.")
        add("--min-confidence", choices=["low", "medium", "high"], help="The least confidence to fix.")
        add("--select", action="append", metavar="CODES", help="Rules to use, comma separated.")
        add("--ignore", action="append", metavar="CODES", help="Rules not to use.")
        add("--extend-select", action="append", metavar="CODES", help="Rules to use as well.")
        add(
            "--per-file-ignores",
            action="append",
            metavar="PATTERN:CODE",
            help="Rules not to use in some files.",
        )
        add("--config", metavar="FILE", help="Configuration file to use instead of the nearest one.")
        add("--isolated", action="store_true", help="Ignore all configuration files.")

    def __init__(self, context: CodemodContext, **arguments: Any) -> None:
        super().__init__(context)
        self._arguments = arguments

    def transform_module_impl(self, tree: cst.Module) -> cst.Module:
        """The module with its fixes applied.

        Raises:
            SkipFile: the configuration excludes the file.
            ConfigError: the configuration cannot be used.
            RuntimeError: the file could not be linted.
        """
        surroundings = _surroundings(*_decided(self._arguments))
        # Text that is no file is fixed under the configuration of the working directory.
        location = absolute(self.context.filename or "<string>")
        settings = surroundings.settings(location)
        if surroundings.excluded(location):
            raise SkipFile("excluded by the configuration of h2dlint")
        shown = self.context.filename or "<string>"
        with deep_stack():
            outcome = fix_source(
                shown, tree.bytes, settings, location=location, projects=surroundings.projects
            )
        for error in outcome.result.errors:
            self.warn(f"{shown}{f':{error.line}' if error.line else ''}: {error.message}")
        if outcome.result.errors and not outcome.changed:
            raise RuntimeError(outcome.result.errors[0].message)
        if outcome.held_back_unsafe:
            self.warn(f"{outcome.held_back_unsafe} more with --unsafe-fixes")
        if not outcome.changed:
            return tree
        return cst.parse_module(outcome.after, config=tree.config_for_parsing)


Decided = tuple[tuple[tuple[str, object], ...], str | None, bool]


def _decided(arguments: dict[str, Any]) -> Decided:
    """What the arguments say, as something that can be a key."""
    found: dict[str, object] = {}
    for name in _LISTS:
        items = [item.strip() for value in arguments.get(name) or () for item in value.split(",")]
        if any(items):
            found[name] = tuple(item for item in items if item)
    for name in _SWITCHES:
        if arguments.get(name) is not None:
            found[name] = bool(arguments[name])
    if arguments.get("min_confidence"):
        found["min_confidence"] = arguments["min_confidence"]
    keyed = tuple((name.replace("_", "-"), value) for name, value in sorted(found.items()))
    return keyed, arguments.get("config"), bool(arguments.get("isolated"))


@lru_cache(maxsize=8)
def _surroundings(
    overrides: tuple[tuple[str, object], ...], config: str | None, isolated: bool
) -> FileByFile:
    """Kept for all files that a process of LibCST looks at."""
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in overrides}
    return FileByFile(values, Path(config) if config else None, isolated)
