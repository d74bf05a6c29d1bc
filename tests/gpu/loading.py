"""Puts a module and its fixed self side by side: copies, runs h2dlint on one of them, imports both."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from .stale import Fixer, copy_to, h2dlint_fix

_numbers = itertools.count()


@dataclass(frozen=True)
class Pair:
    """The same module before and after the fixes, with the files that they were loaded from."""

    before: ModuleType
    after: ModuleType
    before_path: Path
    after_path: Path


def load_pair(path: Path, how: str, fixer: Fixer = h2dlint_fix) -> Pair:
    """Copy a module or package twice, fix one copy, import both under names of their own.

    The copies are made where no parent folder is named for tests, because h2dlint takes what lies there for
    cold code; they are removed when the program ends.

    Raises:
        FixFailed: h2dlint could not do its job.
    """
    folder = Path(tempfile.mkdtemp(prefix="h2dlint-proof-"))
    _made.append(folder)
    for name in ("before", "after"):
        (folder / name).mkdir()
    before = copy_to(path, folder / "before")
    after = copy_to(path, folder / "after")
    fixer(after, how)
    return Pair(load(before), load(after), before, after)


def load(path: Path) -> ModuleType:
    """Import a module or package from its path under a name that nothing else has.

    The name starts with an underscore and is registered, so that relative imports and dataclasses work.
    """
    name = f"_h2dlint_proof_{next(_numbers)}_{path.stem}"
    file = path / "__init__.py" if path.is_dir() else path
    search = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path.name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


_made: list[Path] = []


def remove_copies() -> None:
    """Remove every folder that ``load_pair`` made."""
    while _made:
        shutil.rmtree(_made.pop(), ignore_errors=True)
