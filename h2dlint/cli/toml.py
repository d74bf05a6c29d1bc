"""Adding keys to a configuration file; everything else in it stays as it is, comments and layout included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from h2dlint.engine.config import FILE_NAMES
from h2dlint.engine.write import WriteError, create_atomically, write_atomically


class TomlError(Exception):
    """The file cannot be read or written; the message says why."""


def file_for(root: Path) -> Path:
    """The configuration file of a repository that has none: a ``pyproject.toml`` if there is one, else our own."""
    for name in FILE_NAMES:
        if (root / name).is_file():
            return root / name
    if (root / "pyproject.toml").is_file():
        return root / "pyproject.toml"
    return root / FILE_NAMES[0]


def add_keys(file: Path, values: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Add keys to the configuration in a file; those that are there are not touched.

    Args:
        file: a ``pyproject.toml``, or a file of our own, which need not exist.
        values: by key.

    Returns:
        The keys that were added, and those that were there.

    Raises:
        TomlError: the file cannot be read or written, or holds no TOML.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        before = file.read_bytes() if file.exists() else b""
        text = before.decode("utf-8")
        document = tomlkit.parse(text)
    except (OSError, ValueError, TOMLKitError) as error:
        raise TomlError(f"{file}: cannot be read: {error}") from error
    table: Any = document
    if file.name == "pyproject.toml":
        tool: Any = document.get("tool")
        if tool is None:
            tool = tomlkit.table(is_super_table=True)
            document["tool"] = tool
        if "h2dlint" not in tool:
            tool["h2dlint"] = tomlkit.table()
        table = tool["h2dlint"]
    added = [key for key in values if key not in table]
    kept = [key for key in values if key in table]
    for key in added:
        table[key] = values[key]
    if not added:
        return [], kept
    after = tomlkit.dumps(document).encode("utf-8")
    try:
        if file.exists():
            write_atomically(file, after, expected=before)
        else:
            create_atomically(file, after)
    except (OSError, WriteError) as error:
        raise TomlError(f"{file}: cannot be written: {error}") from error
    return added, kept
