"""Reading the options of the command line that override the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from h2dlint.engine.errors import ConfigError
from h2dlint.engine.globs import absolute_pattern
from h2dlint.engine.schema import KEYS, SELECTORS, check_values, read_value
from h2dlint.engine.selectors import nearest


def read_overrides(overrides: Mapping[str, object], cwd: Path, rules: Mapping[str, str]) -> dict[str, Any]:
    """Check the options of the command line.

    Args:
        overrides: as ``load_settings`` takes them.
        cwd: absolute path of the working directory, which patterns with a folder in them are relative to.
        rules: rule code to rule name.

    Returns:
        What ``Settings`` holds, by kebab-case key; only the options that were given.

    Raises:
        ConfigError: an option cannot be used.
    """
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        key = name.replace("_", "-")
        if key not in KEYS or key == "extend":
            raise ConfigError(f"unknown option --{key}{nearest(key, KEYS)}")
        if value is None:
            continue
        if key == "per-file-ignores" and not isinstance(value, Mapping):
            value = _pairs(value)
        elif key in SELECTORS:
            value = _split([value] if isinstance(value, str) else value)
        values[key] = read_value(key, value, f"--{key}")
    check_values(values, rules, lambda key: f"--{key}")
    here = cwd.as_posix()
    for key in ("exclude", "extend-exclude"):
        if key in values:
            values[key] = tuple(anchored(pattern, here) for pattern in values[key])
    if "baseline" in values:
        values["baseline"] = os.path.normpath(cwd / values["baseline"])
    if "per-file-ignores" in values:
        values["per-file-ignores"] = tuple(
            (anchored(pattern, here), codes) for pattern, codes in values["per-file-ignores"]
        )
    return values


def _pairs(value: object) -> dict[str, list[str]]:
    """``PATTERN:SELECTOR`` items (commas between several) as a table."""
    table: dict[str, list[str]] = {}
    for item in _split([value] if isinstance(value, str) else value):
        pattern, colon, code = item.rpartition(":")
        if not colon or not pattern.strip() or not code.strip():
            raise ConfigError(f'--per-file-ignores: expected PATTERN:RULE, got "{item}"')
        table.setdefault(pattern.strip(), []).append(code.strip())
    return table


def _split(items: object) -> list[str]:
    """The parts between commas of strings that the command line collected."""
    if not isinstance(items, Iterable):
        return [str(items)]
    parts = [part.strip() for item in items for part in str(item).split(",")]
    return [part for part in parts if part]


def anchored(pattern: str, folder: str) -> str:
    """A pattern with a folder in it, relative to ``folder``; a bare name goes for every folder."""
    bang = "!" if pattern.startswith("!") else ""
    glob = pattern[len(bang) :]
    return bang + (absolute_pattern(glob, folder) if "/" in glob else glob)
