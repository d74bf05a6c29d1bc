"""Everything that the configuration and the command line decide, in one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from h2dlint.model import Confidence, Options

DEFAULT_EXCLUDE: tuple[str, ...] = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pypackages__",
    "_build",
    "buck-out",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)
"""The default excludes of ruff 0.17 (``build`` is not among them; it is usually in ``.gitignore``)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One layer of rule selection: a configuration file, or the command line on top of it.

    Args:
        select: replaces what the layers below selected; ``None`` keeps it.
        ignore: taken away, unless a more specific selector of the same layer selects it.
        extend_select: added.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()


FolderSettings = Callable[[Path], "Settings"]
"""Absolute path of a folder to the settings of the files in it; raises ``ConfigError``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run does to the files of one project.

    Args:
        root: absolute path of the project root. Patterns (``exclude``, ``per_file_ignores``) that are not
            absolute are relative to it, or match a bare file or folder name.
        config_file: the file that the configuration was read from, ``None`` where there is none.
        select, ignore, extend_select: the layer of the configuration file (or the defaults); ``select`` is ``None``
            where the file extends another one and leaves it as it is there.
        command_line: the layer on top of it.
        per_file_ignores: pairs of a glob pattern (``!`` in front negates it) and rule selectors.
        output_format: name of the default output format, ``None`` where the configuration names none.
        nested: how the settings of a folder further down that has a configuration of its own are found;
            ``None`` where this value rules everywhere (``--isolated``, ``--config``, hand-made settings).
    """

    root: str = "."
    select: tuple[str, ...] | None = ("HTD",)
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    command_line: Selection = Selection()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    extend_exclude: tuple[str, ...] = ()
    respect_gitignore: bool = True
    force_exclude: bool = False
    cold: bool = False
    min_confidence: Confidence = Confidence.MEDIUM
    unsafe_fixes: bool = False
    follow_imports: bool = True
    """Look at the project's other files: what imported names are, and what calls what."""
    output_format: str | None = None
    baseline: str | None = None
    """Absolute path of the file with the findings that are known."""
    require_reason: bool = False
    """A suppression comment without a reason has no effect."""
    warn_unused_suppressions: bool = False
    """Report suppression comments that silence nothing."""
    extended: tuple[Selection, ...] = ()
    """The layers of the configuration files that this one extends, lowest first."""
    options: Options = field(default_factory=Options)
    per_file_options: tuple[tuple[str, tuple[tuple[str, object], ...]], ...] = ()
    """Pairs of a glob pattern and what the options of its files are, by key; later ones come on top."""
    config_file: str | None = None
    nested: FolderSettings | None = field(default=None, compare=False, repr=False)
