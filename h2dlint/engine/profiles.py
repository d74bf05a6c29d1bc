"""The keys of the configuration that say how a project writes its copies, and those that hold for some files only."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from h2dlint.engine.errors import ConfigError
from h2dlint.engine.globs import PathPatterns, PatternError
from h2dlint.engine.schema import read_value
from h2dlint.engine.selectors import nearest
from h2dlint.engine.settings import Settings
from h2dlint.model import Options, Profile, Transfer

PROFILE = frozenset(
    {
        "fix-comment",
        "helper",
        "helper-call",
        "helper-import",
        "helper-takes",
        "pin-memory",
        "pin-memory-import",
        "transfer",
    }
)
"""The keys that end up in ``Options.profile``."""

PER_FILE = PROFILE | {"assume-cuda"}
"""The keys that ``per-file-options`` may hold."""

TAKES = ("list", "array", "tensor")
_PLACES = re.compile(r"\{([^{}]*)\}")
_KNOWN = frozenset({"data", "dtype", "dtype?", "device", "pin"})


def options_for(settings: Settings, location: Path) -> Options:
    """The options of one file: those of the project, and on top what ``per-file-options`` says of it.

    Args:
        settings: that govern the file.
        location: of the file; a relative one counts from the project root.
    """
    options = settings.options
    for pattern, values in settings.per_file_options:
        if _matcher(pattern.removeprefix("!"), settings.root).match(
            (Path(settings.root) / location).as_posix()
        ) != pattern.startswith("!"):
            options = with_values(options, dict(values))
    return options


@lru_cache(maxsize=256)
def _matcher(pattern: str, root: str) -> PathPatterns:
    return PathPatterns([pattern], root)


def with_values(options: Options, values: Mapping[str, Any]) -> Options:
    """Options with checked values on top, by the keys of the configuration; unknown keys are not looked at."""
    profile = {key.replace("-", "_"): value for key, value in values.items() if key in PROFILE}
    if "assume-cuda" in values:
        options = replace(options, assume_cuda=values["assume-cuda"])
    return replace(options, profile=replace(options.profile, **profile)) if profile else options


def read_file_options(values: dict[str, Any], label: Callable[[str], str]) -> None:
    """Check the tables of ``per-file-options``, in place.

    Raises:
        ConfigError: a pattern, a key or a value is no good.
    """
    read = []
    for pattern, table in values.get("per-file-options", ()):
        name = f'{label("per-file-options")}, "{pattern}"'
        try:
            PathPatterns([pattern.removeprefix("!")], "/")
        except PatternError as error:
            raise ConfigError(f"{name}: the pattern {error}") from error
        for key in dict(table):
            if key not in PER_FILE:
                raise ConfigError(f'{name}: unknown key "{key}"{nearest(key, PER_FILE)}')
        read.append(
            (
                pattern,
                tuple((key, read_value(key, value, f'{name}: "{key}"')) for key, value in table),
            )
        )
    if read:
        values["per-file-options"] = tuple(read)


def check_profiles(settings: Settings, values: Mapping[str, Any], label: Callable[[str], str]) -> None:
    """Check the profile of a configuration, and those for some files.

    Args:
        settings: with the values of the configuration.
        values: what the configuration gives, by key.
        label: key to what a message calls it.

    Raises:
        ConfigError: a key cannot be used, or needs another one.
    """
    check_profile(settings.options, values, label)
    for pattern, table in settings.per_file_options:
        where = f'{label("per-file-options")}, "{pattern}"'
        check_profile(
            with_values(settings.options, dict(table)),
            dict(table),
            lambda key, where=where: f'{where}: "{key}"',  # type: ignore[misc]
        )


def check_profile(options: Options, values: Mapping[str, Any], label: Callable[[str], str]) -> None:
    """Check that what a profile says can be written into a program.

    Args:
        options: with the profile as it holds.
        values: those of the keys that were given.
        label: key to what a message calls it.

    Raises:
        ConfigError: a key cannot be used, or needs another one.
    """
    profile = options.profile
    if "pin-memory" in values and profile.pin_memory:
        _check_pin(profile.pin_memory, label("pin-memory"))
    if profile.pin_memory_import and not profile.pin_memory and "pin-memory-import" in values:
        raise ConfigError(f"{label('pin-memory-import')} needs pin-memory")
    for key, statement in (
        ("pin-memory-import", profile.pin_memory_import),
        ("helper-import", profile.helper_import),
    ):
        if key in values and statement:
            _check_import(statement, label(key))
    if "helper" in values and profile.helper:
        parts = profile.helper.split(".")
        if not all(part.isidentifier() for part in parts) or (len(parts) < 2 and not profile.helper_import):
            raise ConfigError(
                f'{label("helper")} must be a dotted name such as "app.utils.upload", got "{profile.helper}"'
            )
    if "helper-call" in values or "helper" in values:
        _check_call(profile, label("helper-call"))
    if "helper-takes" in values:
        odd = next((item for item in profile.helper_takes if item not in TAKES), None)
        if odd is not None or not profile.helper_takes:
            got = f'"{odd}"' if odd is not None else "nothing"
            raise ConfigError(
                f'{label("helper-takes")} must hold some of "list", "array", "tensor", got {got}'
            )
    if profile.transfer is Transfer.HELPER and not profile.helper:
        raise ConfigError(f'{label("transfer")}: "helper" needs the key helper')
    if profile.transfer is Transfer.PAGEABLE and options.strict_pageable:
        raise ConfigError(
            f'{label("transfer")}: "pageable" writes what strict-pageable reports; use one of them'
        )
    if "fix-comment" in values and len(profile.fix_comment.splitlines()) > 1:
        raise ConfigError(f"{label('fix-comment')} must be one line")


def _check_pin(text: str, label: str) -> None:
    if odd := next((name for name in _PLACES.findall(text) if name != "device"), None):
        raise ConfigError(f'{label}: unknown placeholder "{{{odd}}}"; there is {{device}}')
    tree = _expression(_PLACES.sub("_", text), label)
    for node in ast.walk(tree):
        if isinstance(node, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.Lambda)):
            raise ConfigError(f"{label} must be a plain expression")


def _check_call(profile: Profile, label: str) -> None:
    text = profile.helper_call
    if not (text.startswith("(") and text.endswith(")")):
        raise ConfigError(
            f'{label} must be arguments in parentheses, such as "({{data}}, device={{device}})"'
        )
    places = _PLACES.findall(text)
    if odd := next((name for name in places if name not in _KNOWN), None):
        raise ConfigError(f'{label}: unknown placeholder "{{{odd}}}"')
    if places.count("data") != 1 or places.count("device") > 1:
        raise ConfigError(f"{label} must hold {{data}} once, and {{device}} at most once")
    tree = _expression(f"f{_PLACES.sub('_', text)}", label)
    if not isinstance(tree, ast.Call):
        raise ConfigError(f"{label} must be the arguments of one call")
    if "dtype?" in places and not re.search(r"\w+\s*=\s*\{dtype\?\}", text):
        raise ConfigError(f"{label}: {{dtype?}} can only be left out where it is a keyword argument")


def _check_import(text: str, label: str) -> None:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f'{label} must be an import statement, got "{text}"') from error
    statement = body[0] if len(body) == 1 else None
    if not isinstance(statement, (ast.Import, ast.ImportFrom)) or len(statement.names) != 1:
        raise ConfigError(f'{label} must be one import of one name, got "{text}"')
    if statement.names[0].name == "*" or (isinstance(statement, ast.ImportFrom) and statement.level):
        raise ConfigError(f'{label} must be an absolute import of one name, got "{text}"')
    if isinstance(statement, ast.Import) and not statement.names[0].asname and "." in statement.names[0].name:
        raise ConfigError(f'{label} must be "import module as name" or "from module import name"')


def _expression(text: str, label: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f'{label} is no Python expression: "{text[:200]}"') from error
