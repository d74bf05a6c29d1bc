"""What tools that hand over one file at a time share: settings by folder, and what was learnt of other modules."""

from __future__ import annotations

import io
import os
import sys
import tokenize
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from h2dlint.engine.config import load_settings
from h2dlint.engine.files import is_excluded
from h2dlint.engine.modules import Projects
from h2dlint.engine.settings import Settings

RECURSION = 6000
"""As the command line has it: long ``elif`` and method chains nest deeply, and what CPython parses is to be linted."""


@dataclass
class FileByFile:
    """The surroundings of files that come one by one; kept for as long as the process runs.

    Args:
        overrides: options on top of the configuration, as ``load_settings`` takes them.
        config: the only configuration file to use.
        isolated: use no configuration file.
    """

    overrides: Mapping[str, object] = field(default_factory=dict)
    config: Path | None = None
    isolated: bool = False
    projects: Projects = field(default_factory=Projects)
    _settings: dict[Path, Settings] = field(default_factory=dict)

    def settings(self, location: Path) -> Settings:
        """The settings that govern a file.

        Args:
            location: absolute path.

        Raises:
            ConfigError: the configuration cannot be used.
        """
        folder = location.parent
        if folder not in self._settings:
            self._settings[folder] = load_settings(
                (str(location),), Path.cwd(), self.config, self.isolated, self.overrides
            )
        return self._settings[folder]

    def excluded(self, location: Path) -> bool:
        """Whether the configuration leaves a file out.

        Raises:
            ConfigError: the configuration cannot be used.
        """
        return is_excluded(location, self.settings(location))


def absolute(filename: str) -> Path:
    """The path of a file that a tool names relative to the working directory."""
    return Path(os.path.normpath(Path.cwd() / filename))


def encoded(text: str) -> bytes:
    """A decoded file as bytes again, in the encoding that it declares."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return text.encode(encoding)
    except (SyntaxError, ValueError, LookupError):
        # What the text was read as is not what it declares, so the declaration says nothing.
        return data


@contextmanager
def deep_stack() -> Iterator[None]:
    """Room for deeply nested code, while a file is linted inside of another program."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
