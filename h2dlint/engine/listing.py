"""Which files belong to a project."""

from __future__ import annotations

import os

MAX_FILES = 20_000
"""Of a project with more files, or folders, it is not worked out what calls what."""

MARKS = ("pyproject.toml", ".git", "setup.py", "setup.cfg", "h2dlint.toml", ".h2dlint.toml")
"""What stands at the top of a project."""
_SKIPPED = frozenset(
    {"__pycache__", "node_modules", "site-packages", "dist-packages", "venv", "build", "dist"}
)


def sources(root: str) -> list[str]:
    """Python files below a folder; not what is installed, generated or hidden."""
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
                    elif entry.name.endswith(".py"):
                        found.append(entry.path)
        except OSError:
            continue
        if len(found) > MAX_FILES or len(folders) > MAX_FILES:
            return []
    return sorted(found)
