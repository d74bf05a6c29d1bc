"""What was looked for on disk, by folder, and whether a later run would find the same.

A run looks for tens of thousands of files that may be modules. Asked one by one, that is most of what a run costs that
has nothing to lint; the listing of a folder answers for all that was looked for in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

FEW = 3
"""Up to so many paths of one folder are asked for one by one."""

Grouped = dict[str, dict[str, bool]]
"""Folder to name to whether there was such a file."""


def grouped(found: Mapping[str, bool], before: Mapping[str, Mapping[str, bool]] | None = None) -> Grouped:
    """What was found, by folder.

    Args:
        found: by path.
        before: what an earlier run found, which this one adds to.
    """
    folders: Grouped = {folder: dict(names) for folder, names in (before or {}).items()}
    for path, was in found.items():
        folder, name = os.path.split(path)
        folders.setdefault(folder, {})[name] = was
    return folders


def still_there(places: Mapping[str, Mapping[str, Mapping[str, bool]]]) -> bool:
    """What was looked for is to be found, or not, as it was.

    Args:
        places: ``files`` and ``marks`` of a ledger, by folder. A mark may be anything, a file must be a file.
    """
    listings: dict[str, frozenset[str] | None] = {}
    for folder, names in places["files"].items():
        above, _, own = folder.rpartition("/")
        beside = _listing(above, listings) if above else None
        if beside is not None and own.casefold() not in beside:
            # Most of what is looked for is a package of the name of a module: there is no such folder.
            if True in names.values():
                return False
            continue
        if len(names) > FEW and folder not in listings:
            _listing(folder, listings)
        here = listings.get(folder)
        for name, was in names.items():
            absent = here is not None and name.casefold() not in here
            if (not absent and os.path.isfile(os.path.join(folder, name))) != was:
                return False
    return all(
        os.path.exists(os.path.join(folder, name)) == was
        for folder, names in places["marks"].items()
        for name, was in names.items()
    )


_EMPTY: frozenset[str] = frozenset()


def _listing(folder: str, known: dict[str, frozenset[str] | None]) -> frozenset[str] | None:
    """The names in a folder, without case; ``None`` where it cannot be listed.

    Args:
        folder: to be listed, once.
        known: the folders that were.
    """
    if folder in known:
        return known[folder]
    above, _, own = folder.rpartition("/")
    beside = _listing(above, known) if above and above != folder else None
    names: frozenset[str] | None
    if beside is not None and own.casefold() not in beside:
        names = _EMPTY
    else:
        try:
            names = frozenset(map(str.casefold, os.listdir(folder)))
        except (FileNotFoundError, NotADirectoryError):
            names = _EMPTY
        except OSError:
            names = None
    known[folder] = names
    return names
