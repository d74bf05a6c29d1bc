"""What was looked for on disk, by folder, and whether a later run would find the same.

A run looks for a hundred thousand files that may be modules, most of them in folders that are not there: of those it is
kept that there is no such folder. The listing of a folder answers for all that was looked for in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from h2dlint.engine.ledger import Ledger

Grouped = dict[str, dict[str, bool]]
"""Folder to name to whether there was such a file; a name with a slash behind it is one of which there is nothing."""

MAX_NAMES = 20_000
"""A folder that holds more is not listed."""


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


def looked_for(ledger: Ledger, before: Mapping[str, Grouped] | None = None) -> dict[str, Grouped]:
    """What a run looked for, and what the call graphs rest on that it took over, by folder: ``files`` and ``marks``.

    Args:
        ledger: of the run; what it took over was compared with what is there.
        before: what an earlier run found, which this one adds to.
    """
    places: dict[str, Grouped] = {}
    for kind, found in (("files", ledger.files), ("marks", ledger.marks)):
        folders = places[kind] = grouped(found, (before or {}).get(kind))
        for rests in ledger.graphs.values():
            for folder, names in rests[kind].items():
                if folders.get(folder) != names:
                    folders[folder] = {**names, **folders.get(folder, {})}
    return places


def still_there(places: Mapping[str, Mapping[str, Mapping[str, bool]]]) -> bool:
    """What was looked for is to be found, or not, as it was.

    Args:
        places: ``files`` and ``marks`` of a ledger, by folder. A mark may be anything, a file must be a file.
    """
    listed: dict[str, dict[str, bool] | None] = {}
    for folder, names in places["files"].items():
        held = listed[folder] = _held(folder)
        for name, was in names.items():
            bare = _bare(name)
            if held is not None and bare not in held and bare.casefold() not in held:
                now = False
            elif held is not None and bare is name and held.get(name, False):
                now = True
            else:
                # A link may lead to a file, and where case does not matter the name may be there in another one.
                now = _is_there(folder, name)
            if now != was:
                return False
    for folder, names in places["marks"].items():
        held = listed.get(folder)
        for name, was in names.items():
            missing = held is not None and _bare(name) not in held and _bare(name).casefold() not in held
            if (not missing and os.path.exists(os.path.join(folder, name))) != was:
                return False
    return True


def _bare(name: str) -> str:
    """A name without the slash of what is not there."""
    return name[:-1] if name[-1:] == "/" else name


def _is_there(folder: str, name: str) -> bool:
    if name[-1:] == "/":
        return os.path.lexists(os.path.join(folder, name[:-1]))
    return os.path.isfile(os.path.join(folder, name))


def _held(folder: str) -> dict[str, bool] | None:
    """The names in a folder, and which are those of files; without case too. ``None`` where it cannot be listed.

    What kind each is comes with the listing, so that the system is asked once for a folder and not once for each file.
    """
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError:
        return None
    # Another case says only that the name is to be looked for.
    return {**{name.casefold(): False for name in found}, **found}


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
            beside = names_in(above, listings) if gap is None else None
            if beside is not None and name.casefold() not in beside:
                gap = above, name
        known[folder] = gap
    return known[folder]


def names_in(folder: str, known: dict[str, frozenset[str] | None]) -> frozenset[str] | None:
    """The names in a folder, without case; ``None`` where it cannot be listed, or holds too many.

    Args:
        folder: to be listed, once.
        known: the folders that were.
    """
    if folder not in known:
        if _missing_above(folder, known):
            # Most of what is looked for is not there, and is told as fast as it is kept.
            return frozenset()
        try:
            with os.scandir(folder) as entries:
                names = frozenset(entry.name.casefold() for entry in islice(entries, MAX_NAMES + 1))
            # A folder of data: to ask for each file takes less.
            known[folder] = names if len(names) <= MAX_NAMES else None
        except (FileNotFoundError, NotADirectoryError):
            known[folder] = frozenset()
        except (OSError, ValueError):
            known[folder] = None
    return known[folder]


def _missing_above(folder: str, known: dict[str, frozenset[str] | None]) -> bool:
    """A folder that was listed does not hold what leads to this one: the system need not be asked."""
    above, name = os.path.split(folder)
    while name and above not in known:
        above, name = os.path.split(above)
    names = known.get(above)
    return bool(name) and names is not None and name.casefold() not in names
