"""Configuration files that extend others, put together.

As in ruff: the path is relative to the file that names it, what that file says itself comes first, ``extend-exclude``
adds up, and each file is a layer of rule selection. Patterns are relative to the folder of the file they stand in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from h2dlint.engine.errors import ConfigError
from h2dlint.engine.overrides import anchored
from h2dlint.engine.settings import Selection

Values = dict[str, Any]
DEFAULT_SELECT = ("HTD",)


def chain(
    file: Path, read: Callable[[Path], Mapping[str, Any]], shown: Callable[[Path], str]
) -> list[tuple[Path, Values]]:
    """A file and those that it extends, one after the other, each with its checked values.

    Args:
        file: absolute path.
        read: gives the checked values of a file.
        shown: how messages name a file.

    Raises:
        ConfigError: a file cannot be used, or extends itself.
    """
    found: dict[Path, Values] = {}
    current: Path | None = Path(os.path.normpath(file))
    while current is not None:
        if current in found:
            circle = " -> ".join(shown(each) for each in (*found, current))
            raise ConfigError(f'{shown(file)}: "extend" goes in a circle: {circle}')
        values = dict(read(current))
        named = values.pop("extend", None)
        found[current] = values
        if named is None:
            break
        target = Path(os.path.normpath(current.parent / named))
        if not target.is_file():
            reason = "is not a file" if target.exists() else "does not exist"
            raise ConfigError(f'{shown(current)}: "extend" names {shown(target)}, which {reason}')
        current = target
    return list(found.items())


def combine(
    files: Sequence[tuple[Path, Values]], root: Path, relative_to_root: bool
) -> tuple[Values, tuple[Selection, ...]]:
    """What a chain of files says together.

    Args:
        files: by ``chain``.
        root: of the project; the patterns of the first file are relative to it.
        relative_to_root: those of the others are, too.

    Returns:
        The values by key, and the layers of rule selection below that of the first file.
    """
    layers: list[Selection] = []
    merged: Values = {}
    for number, (file, values) in reversed(list(enumerate(files))):
        folder = root if number == 0 or relative_to_root else file.parent
        values = _placed(values, folder, plain=folder == root)
        if number:
            default = DEFAULT_SELECT if number == len(files) - 1 else None
            layers.append(
                Selection(
                    values.pop("select", default), values.pop("ignore", ()), values.pop("extend-select", ())
                )
            )
        if "extend-exclude" in merged and "extend-exclude" in values:
            values["extend-exclude"] = (*values["extend-exclude"], *merged["extend-exclude"])
        merged.update(values)
    if layers and "select" not in merged:
        merged["select"] = None
    return merged, tuple(layers)


def _placed(values: Mapping[str, Any], folder: Path, plain: bool) -> Values:
    """Values whose paths no longer depend on which file they stand in."""
    placed = dict(values)
    if "baseline" in placed:
        placed["baseline"] = os.path.normpath(folder / placed["baseline"])
    if plain:
        return placed
    here = folder.as_posix()
    for key in ("exclude", "extend-exclude"):
        if key in placed:
            placed[key] = tuple(anchored(pattern, here) for pattern in placed[key])
    for key in ("per-file-ignores", "per-file-options"):
        if key in placed:
            placed[key] = tuple((anchored(pattern, here), said) for pattern, said in placed[key])
    return placed
