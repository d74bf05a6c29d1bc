"""Fixing the modules that pytest rewrites: tests, ``conftest.py``, plugins. Standard library only.

pytest loads them by an import hook of its own, which reads the file, rewrites the assertions in its tree, and keeps the
code in ``__pycache__``. Here the fixed tree is put in place of that of the text on disk before the assertions are
rewritten, and such code is neither read from the cache nor written to it.

Known for pytest 7 to 9. Where its functions are not the ones known, its modules are left as they are on disk
and the run folder gets a note.
"""

from __future__ import annotations

import os
from types import CodeType
from typing import Any

_NEEDED = ("rewrite_asserts", "_rewrite_test", "_read_pyc", "_write_pyc")


def execute(namespace: dict[str, Any]) -> None:
    """Execute pytest's module as it is on disk, then adapt it.

    Args:
        namespace: of the module, as the import system has made it ready.
    """
    from h2dlint.runtime import importing

    loader = namespace["__loader__"]
    code = importing._plain_get_code(loader, namespace["__name__"])
    assert code is not None
    exec(code, namespace)
    adapt(namespace)


def adapt(namespace: dict[str, Any]) -> None:
    """Have pytest's module fix what it rewrites.

    Args:
        namespace: of ``_pytest.assertion.rewrite``, after it was executed.
    """
    from h2dlint.runtime import importing

    missing = [name for name in _NEEDED if not callable(namespace.get(name))]
    if missing:
        if importing.active is not None:
            importing.active.ran.note(
                "pytest", f"modules that it rewrites are not fixed: it has no {missing[0]}"
            )
        return
    rewrite_asserts, rewrite_test = namespace["rewrite_asserts"], namespace["_rewrite_test"]
    read_pyc, write_pyc = namespace["_read_pyc"], namespace["_write_pyc"]
    kept_out: set[str] = set()
    pending: dict[str, tuple[Any, Any, Any]] = {}

    def planned(path: Any) -> Any:
        return importing.active.planned(os.fspath(path)) if importing.active is not None else None

    def fixed_read_pyc(source: Any, pyc: Any, *rest: Any, **options: Any) -> Any:
        if planned(source) is None:
            return read_pyc(source, pyc, *rest, **options)
        kept_out.add(os.fspath(pyc))
        return None

    def fixed_write_pyc(state: Any, code: CodeType, stamp: Any, pyc: Any) -> Any:
        return True if os.fspath(pyc) in kept_out else write_pyc(state, code, stamp, pyc)

    def fixed_rewrite_asserts(module: Any, source: bytes, path: str | None = None, *rest: Any) -> None:
        file = planned(path) if path is not None else None
        if file is not None and path is not None:
            _swap(module, source, path, file, pending)
        rewrite_asserts(module, source, path, *rest)

    def fixed_rewrite_test(path: Any, config: Any) -> Any:
        found = rewrite_test(path, config)
        entry = pending.pop(os.fspath(path), None)
        if entry is not None and importing.active is not None:
            file, places, marks = entry
            importing.active.ran.loaded(file.fixes)
            importing.active.ran.watch(found[-1], places, marks)
        return found

    namespace.update(
        rewrite_asserts=fixed_rewrite_asserts,
        _rewrite_test=fixed_rewrite_test,
        _read_pyc=fixed_read_pyc,
        _write_pyc=fixed_write_pyc,
    )


def _swap(module: Any, source: bytes, path: str, file: Any, pending: dict[str, tuple[Any, Any, Any]]) -> None:
    """Put the fixed tree in place of that of the text on disk."""
    from h2dlint.runtime import importing

    assert importing.active is not None
    try:
        found = file.tree(source)
    except Exception as error:
        importing.active.ran.note(file.path, f"not fixed: {type(error).__name__}: {error}")
        return
    if found is None:
        importing.active.ran.note(file.path, "it is not the file that was there when the fixes were made")
        return
    tree, places, marks = found
    module.body[:] = tree.body
    pending[path] = (file, places, marks)
