"""From configuration files and command-line options to ``Settings``.

The settings of a file are those of the nearest folder above it (its own included) that holds a configuration:
``.h2dlint.toml``, ``h2dlint.toml`` or a ``pyproject.toml`` with a ``[tool.h2dlint]`` table, in that order of
precedence. The files of one run may so have different settings, as in ruff; nothing is inherited from a
configuration further up. That folder is the project root; without a configuration it is the nearest folder
with ``.git``, else the outermost package around the file, else the file's folder. A configuration may name
another one that it extends (`h2dlint.engine.extending`).

With ``--config FILE`` that file rules everywhere and the working directory is the root; with ``--isolated``
no file is read. Options of the command line lie on top in every case.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from h2dlint.engine.errors import ConfigError
from h2dlint.engine.extending import chain, combine
from h2dlint.engine.overrides import read_overrides
from h2dlint.engine.profiles import PROFILE, check_profiles, read_file_options, with_values
from h2dlint.engine.reading import MAX_CONFIG, MAX_PARTS, has_long_key, is_regular, read_regular, why
from h2dlint.engine.schema import KEYS, OPTIONS, SELECTORS, check_values, read_value
from h2dlint.engine.selectors import nearest
from h2dlint.engine.settings import Selection, Settings

__all__ = ["ConfigError", "Resolver", "load_settings"]

FILE_NAMES = (".h2dlint.toml", "h2dlint.toml")
_PYPROJECT = "pyproject.toml"
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def load_settings(
    paths: Sequence[str],
    cwd: Path,
    config: Path | None = None,
    isolated: bool = False,
    overrides: Mapping[str, object] | None = None,
    rules: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of a run.

    What comes back governs the common folder of ``paths`` (this is where the output format comes from);
    ``Settings.nested`` finds the settings of folders that have a configuration of their own.

    Args:
        paths: as the user gave them; none means ``cwd``.
        cwd: absolute path of the working directory.
        config: the only configuration file to use.
        isolated: use no configuration file.
        overrides: options of the command line, by the keys of the configuration (kebab or snake case).
            ``None`` means not given. ``select``, ``ignore`` and ``extend-select`` form a layer on top of the
            configuration's, ``extend-exclude`` is added, everything else replaces. ``per-file-ignores`` may
            be a list of ``PATTERN:SELECTOR``. Patterns are relative to ``cwd``.
        rules: rule code to rule name; the rules that there are, when not given.

    Raises:
        ConfigError: a file or an option cannot be used.
    """
    names = rules if rules is not None else _RuleNames()
    resolver = Resolver(cwd, read_overrides(overrides or {}, cwd, names), isolated, names)
    if config is not None:
        if isolated:
            raise ConfigError("a configuration file and --isolated cannot be given together")
        return resolver.explicit(cwd / config)
    return resolver(_common_folder(paths, cwd))


@dataclass
class Resolver:
    """Finds the settings of a folder; remembers what it read.

    Args:
        cwd: absolute path of the working directory; messages name files relative to it.
        command_line: checked values by key.
        isolated: read no configuration.
        rules: rule code to rule name.
    """

    cwd: Path
    command_line: Mapping[str, Any]
    isolated: bool
    rules: Mapping[str, str]
    read: set[str] = field(default_factory=set)
    """The files that were read, whether they held a configuration or not."""
    _files: dict[Path, Path | None] = field(default_factory=dict)
    _made: dict[tuple[Path, Path | None], Settings] = field(default_factory=dict)
    _seen: dict[str, bool] = field(default_factory=dict)

    def __call__(self, folder: Path) -> Settings:
        """The settings of the files in a folder (absolute path).

        Raises:
            ConfigError: a configuration file above it cannot be used.
        """
        file = None if self.isolated else self._file_above(folder)
        root = file.parent if file else root_without_config(folder, self._seen)
        if (root, file) not in self._made:
            self._made[root, file] = self._make(root, file)
        return self._made[root, file]

    def explicit(self, file: Path) -> Settings:
        """The settings that one file lays down for everything, with the working directory as root.

        Raises:
            ConfigError: there is no such file, or it cannot be used.
        """
        if not file.is_file():
            reason = "is not a file" if file.exists() else "does not exist"
            raise ConfigError(f"configuration file {self._shown(file)} {reason}")
        if file.name == _PYPROJECT and _table(file, self._shown(file)) is None:
            raise ConfigError(f"{self._shown(file)}: has no [tool.h2dlint] table")
        return replace(self._make(self.cwd, file), nested=None)

    def _file_above(self, folder: Path) -> Path | None:
        if folder not in self._files:
            found = self._file_in(folder)
            if found is None and folder.parent != folder:
                found = self._file_above(folder.parent)
            self._files[folder] = found
        return self._files[folder]

    def _file_in(self, folder: Path) -> Path | None:
        for name in FILE_NAMES:
            if is_regular(folder / name):
                return folder / name
        file = folder / _PYPROJECT
        if is_regular(file):
            self.read.add(os.fspath(file))
            if _table(file, self._shown(file)) is not None:
                return file
        return None

    def _make(self, root: Path, file: Path | None) -> Settings:
        values: dict[str, Any] = {}
        extended: tuple[Selection, ...] = ()
        if file is not None:
            shown = self._shown(file)
            files = chain(file, self._checked, self._shown)
            values, extended = combine(files, root, relative_to_root=root != file.parent)
        settings = _merge(values, self.command_line)
        if file is not None:
            check_profiles(settings, values, lambda key: f'{shown}: "{key}"')
        return replace(
            settings,
            extended=extended,
            root=root.as_posix(),
            config_file=str(file) if file else None,
            nested=self,
        )

    def _checked(self, file: Path) -> dict[str, Any]:
        """The checked values of one file."""
        self.read.add(os.fspath(file))
        shown = self._shown(file)
        table = _table(file, shown)
        if table is None:
            raise ConfigError(f"{shown}: has no [tool.h2dlint] table")
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in KEYS:
                raise ConfigError(f'{shown}: unknown key "{key}"{nearest(key, KEYS)}')
            values[key] = read_value(key, value, f'{shown}: "{key}"')
        check_values(values, self.rules, lambda key: f'{shown}: "{key}"')
        read_file_options(values, lambda key: f'{shown}: "{key}"')
        return values

    def _shown(self, file: Path) -> str:
        try:
            return file.relative_to(self.cwd).as_posix()
        except ValueError:
            return str(file)


def root_without_config(folder: Path, seen: dict[str, bool] | None = None) -> Path:
    """The project root of a folder that no configuration governs.

    The nearest folder with ``.git``, else the outermost package that the folder belongs to, else the folder.

    Args:
        folder: absolute path.
        seen: what was looked for and whether it was there, for a run that asks for many folders.
    """
    seen = {} if seen is None else seen

    def has(place: str, name: str, test: Callable[[str], bool]) -> bool:
        path = f"{place}/{name}"
        found = seen.get(path)
        if found is None:
            found = seen[path] = test(path)
        return found

    start = parent = os.fspath(folder)
    while not has(parent, ".git", os.path.exists):
        above = os.path.dirname(parent)
        if above == parent:
            break
        parent = above
    else:
        return Path(parent)
    top = start
    while has(top, "__init__.py", os.path.isfile):
        above = os.path.dirname(top)
        if above == top or not has(above, "__init__.py", os.path.isfile):
            break
        top = above
    return Path(top)


def _table(file: Path, shown: str) -> dict[str, Any] | None:
    """The configuration in a file; ``None`` for a ``pyproject.toml`` that has none."""
    try:
        text = read_regular(file, MAX_CONFIG).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {why(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: is not UTF-8") from error
    if has_long_key(text):
        raise ConfigError(f"{shown}: invalid TOML: a key of more than {MAX_PARTS} parts")
    # Imported where there is a configuration to read.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        # mypy reads this branch (it checks for 3.10) wherever it runs; tomli is installed only there.
        import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{shown}: invalid TOML: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        line = (place and place[1]) or str(text.count("\n") + (not text.endswith("\n")))
        reason = _PLACE.sub("", message).splitlines()[0]
        raise ConfigError(f"{shown}:{line}: invalid TOML: {reason}") from error
    if file.name != _PYPROJECT:
        return document
    tool = document.get("tool")
    if not isinstance(tool, dict) or "h2dlint" not in tool:
        return None
    table = tool["h2dlint"]
    if not isinstance(table, dict):
        raise ConfigError(f"{shown}: [tool.h2dlint] must be a table")
    return table


def _merge(file: Mapping[str, Any], command_line: Mapping[str, Any]) -> Settings:
    """Defaults, then the configuration file, then the command line."""
    values: dict[str, Any] = {**file}
    for key, value in command_line.items():
        if key == "extend-exclude":
            values[key] = (*values.get(key, ()), *value)
        elif key not in SELECTORS:
            values[key] = value
    options = {key.replace("-", "_"): values.pop(key) for key in OPTIONS & values.keys()}
    profile = {key: values.pop(key) for key in PROFILE & values.keys()}
    settings = Settings(**{key.replace("-", "_"): value for key, value in values.items()})
    return replace(
        settings,
        command_line=Selection(
            command_line.get("select"), command_line.get("ignore", ()), command_line.get("extend-select", ())
        ),
        options=with_values(replace(settings.options, **options), profile),
    )


def _common_folder(paths: Sequence[str], cwd: Path) -> Path:
    """The nearest existing folder that holds all of the paths."""
    absolute = [os.path.normpath(cwd / path) for path in paths] or [str(cwd)]
    folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in absolute]
    try:
        common = Path(os.path.commonpath(folders))
    except ValueError:  # Windows: on different drives.
        common = cwd
    while not common.is_dir() and common.parent != common:
        common = common.parent
    return common


class _RuleNames(Mapping[str, str]):
    """The names of the installed rules, which are imported when a selector is to be checked."""

    @cached_property
    def _names(self) -> dict[str, str]:
        from h2dlint import rules

        return {rule.code: rule.name for rule in rules.all_rules()}

    def __getitem__(self, code: str) -> str:
        return self._names[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
