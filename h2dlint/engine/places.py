"""What was looked for on disk, by folder, and whether a later run would find the same.

A run looks for a hundred thousand files that may be modules, most of them in folders that are not there: of those it is
kept that there is no such folder. The listing of a folder answers for all that was looked for in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

Grouped = dict[str, dict[str, bool]]
"""Folder to name to whether there was such a file; a name with a slash behind it is one of which there is nothing."""


def grouped(found: Mapping[str, bool], before: Mapping[str, Mapping[str, bool]] | None = None) -> Grouped:
    """What was found, by folder.

    Args:
        found: by path.
        before: what an earlier run found, which this one adds to.
    """
    folders: Grouped = {folder: dict(names) for folder, names in (before or {}).items()}
    listings: dict[str, frozenset[str] | None] = {}
    gaps: dict[str, tuple[str, str] | None] = {}
    for path, was in found.items():
        folder, name = os.path.split(path)
        gap = _gap(folder, gaps, listings) if not was else None
        if gap is None:
            folders.setdefault(folder, {})[name] = was
        else:
            folders.setdefault(gap[0], {})[gap[1] + "/"] = False
    return folders


def still_there(places: Mapping[str, Mapping[str, Mapping[str, bool]]]) -> bool:
    """What was looked for is to be found, or not, as it was.

    Args:
        places: ``files`` and ``marks`` of a ledger, by folder. A mark may be anything, a file must be a file.
    """
    listings: dict[str, frozenset[str] | None] = {}
    for folder, names in places["files"].items():
        here = _listing(folder, listings)
        for name, was in names.items():
            missing = here is not None and name.rstrip("/").casefold() not in here
            if name[-1:] == "/":
                now = not missing and os.path.lexists(os.path.join(folder, name[:-1]))
            else:
                now = not missing and os.path.isfile(os.path.join(folder, name))
            if now != was:
                return False
    return all(
        os.path.exists(os.path.join(folder, name)) == was
        for folder, names in places["marks"].items()
        for name, was in names.items()
    )


def _gap(
    folder: str,
    known: dict[str, tuple[str, str] | None],
    listings: dict[str, frozenset[str] | None],
) -> tuple[str, str] | None:
    """Where a path leads nowhere: the last folder that is there, and the name that it does not hold."""
    if folder not in known:
        above, name = os.path.split(folder)
        gap = None
        if name and above != folder:
            gap = _gap(above, known, listings)
            beside = _listing(above, listings) if gap is None else None
            if beside is not None and name.casefold() not in beside:
                gap = above, name
        known[folder] = gap
    return known[folder]


def _listing(folder: str, known: dict[str, frozenset[str] | None]) -> frozenset[str] | None:
    """The names in a folder, without case; ``None`` where it cannot be listed.

    Args:
        folder: to be listed, once.
        known: the folders that were.
    """
    if folder not in known:
        try:
            known[folder] = frozenset(map(str.casefold, os.listdir(folder)))
        except (FileNotFoundError, NotADirectoryError):
            known[folder] = frozenset()
        except OSError:
            known[folder] = None
    return known[folder]
