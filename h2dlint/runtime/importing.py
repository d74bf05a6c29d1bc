"""The import hook of ``h2dlint verify``: modules of a plan are compiled from their fixed text; no file is touched.

``install`` replaces ``SourceFileLoader.get_code``, the one method by which everything that imports source files
comes to its code: the import system, ``reload``, ``python -m``, ``spec_from_file_location``. A finder in front
of ``sys.meta_path`` would miss what other finders there load. Modules keep their true loader and spec; all that
is read from disk, by ``inspect``, ``linecache``, ``torch.jit.script`` or Triton, is the text on disk, and the
code says it came from there: nodes of the fixed text carry the places that they have on disk
(``positions.py``). Compiled code is neither read from ``__pycache__`` nor written there.

What reads its source and compiles that gets the text on disk, which is not fixed: ``torch.jit.script``, Triton
kernels, ``exec(open(path).read())``, ``coverage run``, and import hooks with loaders that compile for
themselves (jaxtyping, beartype, typeguard). Modules in zip files are left alone. Files that are run by
``runpy.run_path`` (which is how workers of ``multiprocessing`` import the main file) are fixed, and test
modules that pytest rewrites, too (``assertions.py``).

A warning about an invalid escape sequence, which Python gives while it reads the text, has the line of the fixed text.
Standard library only; a fault of ours leaves the module as it is on disk, and says so in the run folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import TYPE_CHECKING, Any

from h2dlint.runtime.ran import Ran

if TYPE_CHECKING:
    import ast

    from h2dlint.runtime.positions import Place, PositionMap

KIND = "h2dlint-plan"
VERSION = 1

_IMPORTLIB = "<frozen importlib._bootstrap_external>"
"""Frames of the import system are left out of tracebacks, by this name; ours is to be left out with them."""

_REWRITE = "_pytest.assertion.rewrite"
_THEN_ADAPT = "__import__('h2dlint.runtime.assertions', fromlist=['_']).execute(globals())"

active: Hook | None = None
"""The hook of this process."""


class PlannedFile:
    """What a plan says of one file.

    Args:
        entry: its part of the plan.
    """

    def __init__(self, entry: dict[str, Any]) -> None:
        self.path: str = entry["path"]
        self._entry = entry

    def tree(self, data: bytes) -> tuple[ast.Module, PositionMap, dict[Place, tuple[int, ...]]] | None:
        """The tree of the fixed text, its nodes placed where they are on disk.

        Args:
            data: what is on disk.

        Returns:
            The tree, the map that placed it, and the places of what fixes wrote; ``None`` where the file is not the one
            that was planned for.
        """
        from hashlib import sha256

        if sha256(data).hexdigest() != self._entry["sha256"]:
            return None
        import ast

        from h2dlint.runtime.positions import PositionMap, Segment

        skipped = 3 if self._entry["bom"] else 0
        original = data[skipped:].decode(self._entry["encoding"])
        segments = [Segment(a, b, c, d, tuple(fixes)) for a, b, c, d, fixes in self._entry["segments"]]
        places = PositionMap(original, self._entry["text"], segments)
        tree = ast.parse(self._entry["text"], self.path)
        return tree, places, places.relocate(tree)

    @property
    def fixes(self) -> tuple[int, ...]:
        """Ids of the fixes that are in the text."""
        return tuple(self._entry["fixes"])


class Hook:
    """What is known in this process of the files to fix.

    Args:
        files: of the plan.
        ran: takes down which fixes were loaded and ran.
    """

    def __init__(self, files: Sequence[PlannedFile], ran: Ran) -> None:
        self.ran = ran
        self.names = {"rewrite.py"}
        self._by_path = {file.path: file for file in files}
        self._by_identity: dict[tuple[int, int], PlannedFile] = {}
        for file in files:
            self.names.add(os.path.basename(file.path))
            try:
                status = os.stat(file.path)
            except OSError:
                continue
            self._by_identity[status.st_dev, status.st_ino] = file

    def planned(self, path: str) -> PlannedFile | None:
        """The file of the plan that a path leads to, through whatever links."""
        if path in self._by_path:
            return self._by_path[path]
        try:
            status = os.stat(path)
        except OSError:
            return None
        return self._by_identity.get((status.st_dev, status.st_ino))

    def code(self, file: PlannedFile, path: str, data: bytes | None = None) -> CodeType | None:
        """The code of the fixed text, as if it stood in the file at ``path``.

        Args:
            file: of the plan.
            path: as the code is to name it.
            data: what is on disk, if it has been read.

        Returns:
            ``None`` where the file on disk is not the one that was planned for, or its fixed text is not one that this
            Python compiles; the run folder gets a note of it.
        """
        try:
            if data is None:
                with open(path, "rb") as stream:
                    data = stream.read()
            found = file.tree(data)
            if found is None:
                self.ran.note(file.path, "it is not the file that was there when the fixes were made")
                return None
            tree, places, marks = found
            code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        except Exception as error:
            self.ran.note(file.path, f"not fixed: {type(error).__name__}: {error}")
            return None
        self.ran.loaded(file.fixes)
        self.ran.watch(code, places, marks)
        return code


def install(plan: os.PathLike[str] | str, folder: os.PathLike[str] | str | None = None) -> Hook:
    """Fix what this process imports from now on, and its main file.

    Args:
        plan: file that ``FixPlan.write`` wrote.
        folder: where to note which fixes were loaded and ran; by default that of the run (``H2DLINT_RUN``), and nowhere
            without one.

    Raises:
        OSError: the plan cannot be read.
        ValueError: it is none, or of another version.
    """
    global active
    import json

    with open(plan, encoding="utf-8") as stream:
        document = json.load(stream)
    if document.get("kind") != KIND or document.get("version") != VERSION:
        raise ValueError(f"{os.fspath(plan)} is no plan of this version of h2dlint")
    where = os.environ.get("H2DLINT_RUN") if folder is None else os.fspath(folder)
    hook = Hook([PlannedFile(entry) for entry in document["files"]], Ran(where))
    first = active is None
    active = hook
    if first:
        SourceFileLoader.get_code = _hidden(_get_code)  # type: ignore[method-assign]
        _follow_runpy()
        rewrite = sys.modules.get(_REWRITE)
        if rewrite is not None:
            from h2dlint.runtime.assertions import adapt

            adapt(rewrite.__dict__)
    from h2dlint.runtime.mainfile import claim

    claim(hook)
    return hook


_plain_get_code = SourceFileLoader.get_code
_plain_source_to_code = SourceFileLoader.source_to_code


def _get_code(self: Any, fullname: str) -> CodeType | None:
    """What ``SourceFileLoader.get_code`` becomes."""
    path = os.fsdecode(self.path)
    # A link may have another name than what it points to.
    if active is not None and (path[path.rfind(os.sep) + 1 :] in active.names or os.path.islink(path)):
        code = _fixed_code(self, fullname, path)
        if code is not None:
            return code
    return _plain_get_code(self, fullname)


def _fixed_code(loader: Any, fullname: str, path: str) -> CodeType | None:
    assert active is not None
    if fullname == _REWRITE:
        return compile(_THEN_ADAPT, _IMPORTLIB, "exec", dont_inherit=True)
    file = active.planned(path)
    if file is None:
        return None
    if getattr(type(loader), "source_to_code", None) is not _plain_source_to_code:
        active.ran.note(file.path, f"not fixed: its loader, {type(loader).__qualname__}, compiles for itself")
        return None
    return active.code(file, path)


def _hidden(function: Any) -> Any:
    """The same function under the name of the import system's own, so that tracebacks leave it out."""
    function.__code__ = function.__code__.replace(co_filename=_IMPORTLIB)
    return function


def _follow_runpy() -> None:
    """Have ``runpy.run_path`` fix what it runs; ``multiprocessing`` imports the main file of a spawned worker by it."""
    import runpy

    plain = runpy._get_code_from_file  # type: ignore[attr-defined]

    def get_code_from_file(*arguments: Any) -> Any:
        found = plain(*arguments)
        name = os.path.abspath(os.fsdecode(arguments[-1]))
        file = active.planned(name) if active is not None else None
        code = None if file is None or active is None else active.code(file, os.fsdecode(arguments[-1]))
        if code is None:
            return found
        # Up to Python 3.11 the name comes with the code.
        return (code, *found[1:]) if isinstance(found, tuple) else code

    runpy._get_code_from_file = get_code_from_file  # type: ignore[attr-defined]
