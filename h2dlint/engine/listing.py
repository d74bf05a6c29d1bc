"""Which files belong to a project, and what a folder held when it was looked at."""

from __future__ import annotations

import os
from typing import NamedTuple

from h2dlint.engine.ledger import Signature, digest, signature

MAX_FILES = 20_000
"""Of a project with more files, or folders, it is not worked out what calls what."""

MARKS = ("pyproject.toml", ".git", "setup.py", "setup.cfg", "h2dlint.toml", ".h2dlint.toml")
"""What stands at the top of a project."""
OURS = ".h2dlint_cache"
_LOOKED_FOR = (".py", ".pyw", ".ipynb", ".gitignore")
_SKIPPED = frozenset(
    {"__pycache__", "node_modules", "site-packages", "dist-packages", "venv", "build", "dist"}
)


class Folder(NamedTuple):
    """A folder when it was listed.

    Args:
        sign: as it was just before.
        names: a digest of the names in it that a run may look for, and of which are folders or symbolic links.
        loose: a symbolic link in it leads to no file. One may come to be there, which does not show in the folder.
    """

    sign: Signature | None
    names: str
    loose: bool = False


def look(folder: str) -> tuple[Folder, list[os.DirEntry[str]]]:
    """List a folder.

    Raises:
        OSError: it cannot be listed.
    """
    sign = signature(folder)
    with os.scandir(folder) as entries:
        listing = list(entries)
    # What we write ourselves does not count, nor what nobody looks for.
    kinds = [
        (entry.name, entry.is_symlink(), entry.is_dir(follow_symlinks=False))
        for entry in listing
        if entry.name.endswith(_LOOKED_FOR)
        or entry.name in MARKS
        or ((entry.is_symlink() or entry.is_dir()) and entry.name != OURS)
    ]
    loose = sorted(entry.name for entry in listing if entry.is_symlink() and _is_loose(entry))
    told = repr((sorted(kinds), loose)).encode("utf-8", "surrogatepass")
    return Folder(sign, digest(told), bool(loose)), listing


def _is_loose(link: os.DirEntry[str]) -> bool:
    """Whether a link has the name of something that is read, and there is nothing to read."""
    if not link.name.endswith(_LOOKED_FOR) and link.name not in MARKS:
        return False
    try:
        return not (link.is_file() or (link.name == ".git" and link.is_dir()))
    except OSError:
        return True


def sources(root: str) -> list[str]:
    """Python files below a folder; not what is installed, generated or hidden."""
    return walked(root)[0]


def walked(root: str) -> tuple[list[str], list[str]]:
    """The same, and the folders that were listed for it."""
    found: list[str] = []
    # A folder that is no project may hold anything: only what lies beside the file is looked at.
    deep = any(os.path.exists(os.path.join(root, mark)) for mark in (*MARKS, "__init__.py"))
    folders = [root]
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if deep and entry.name[0] != "." and entry.name not in _SKIPPED:
                            folders.append(entry.path)
                    elif entry.name.endswith(".py") and not _leads_nowhere(entry):
                        found.append(entry.path)
        except OSError:
            continue
        if len(found) > MAX_FILES or len(folders) > MAX_FILES:
            return [], folders
    return sorted(found), folders


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    # Editors lock a file with a link of a like name; it would keep anything from being known of the project.
    return entry.is_symlink() and not os.path.isfile(entry.path)
