"""The main file under ``h2dlint verify``: ``python script.py`` does not go through the import system.

Before Python runs a script it asks ``sys.path_hooks`` whether the script is a folder or an archive with a
``__main__`` in it. A hook of ours, there for this one question, says yes for the script alone if it is in the
plan; Python then runs it by ``runpy``, which takes the code from us. Before its first line everything is put to
what it is in a plain run: ``sys.path[0]``, the names in ``__main__``, the hooks. An exception that nobody
catches is shown without the frames that a plain run does not have.

What remains different: while the script runs, three frames (two of ``runpy``, one of this module) lie below that of the
script, as two do under ``python -m``; ``inspect.stack()`` sees them.

``python -m module`` goes through the import system and needs none of this; ``python -c``, a script on standard
input and the interactive interpreter are left alone, and so is a script run with ``-i``. Standard library only.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from h2dlint.runtime.importing import Hook

_RUN = "__import__('h2dlint.runtime.mainfile', fromlist=['_'])._run()"

_waiting: _MainFile | None = None


def claim(hook: Hook) -> None:
    """Have the main file fixed, if it is in the plan and has yet to run.

    Args:
        hook: that knows the plan.
    """
    global _waiting
    script = _script()
    file = hook.planned(script) if script is not None else None
    if script is None or file is None:
        return
    code = hook.code(file, script)
    if code is not None:
        _waiting = _MainFile(hook, script, code)
        sys.path_hooks.insert(0, _waiting)


def _script() -> str | None:
    """Absolute path of the script that this process is about to run; ``None`` if it runs none, or runs it already."""
    argv = getattr(sys, "argv", None)
    if not argv or argv[0] in ("", "-", "-c", "-m") or sys.flags.inspect or os.environ.get("PYTHONINSPECT"):
        return None
    main = sys.modules.get("__main__")
    if main is None or getattr(main, "__file__", None) is not None:
        return None
    path = os.path.join(os.getcwd(), argv[0])
    return path if os.path.isfile(path) else None


class _MainFile:
    """The path hook, the finder of the one module in the script, and the loader of its code.

    Args:
        hook: that knows the plan.
        path: of the script, absolute.
        code: of its fixed text.
    """

    def __init__(self, hook: Hook, path: str, code: CodeType) -> None:
        self._hook = hook
        self.path = path
        self.code = code

    def __call__(self, entry: object) -> _MainFile:
        """Answer what ``sys.path_hooks`` are asked.

        Raises:
            ImportError: the entry is not the script.
        """
        # Entries of sys.path come here too; none of them is the script.
        if not isinstance(entry, str) or os.path.normpath(entry) != os.path.normpath(self.path):
            raise ImportError("not the main file")
        if entry != self.path:
            file = self._hook.planned(entry)
            code = self._hook.code(file, entry) if file is not None else None
            if code is None:
                raise ImportError("not the main file")
            self.path, self.code = entry, code
        # Not earlier: whoever asks goes over this list.
        sys.path_hooks.remove(self)
        return self

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find ``__main__``, once."""
        if name != "__main__":
            return None
        return ModuleSpec(name, cast(Any, self), origin=self.path)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Nobody imports the main file by this loader."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Nobody imports the main file by this loader."""
        raise ImportError("the main file is run, not imported")

    def get_code(self, name: str) -> CodeType:
        """What ``runpy`` is to execute in the namespace of ``__main__``."""
        _restore_path(self.path)
        return compile(_RUN, __file__, "exec", dont_inherit=True)


def _restore_path(script: str) -> None:
    """Make ``sys.path`` what it is when a script runs."""
    # A plain run keeps the answer that nobody claimed the script.
    cast(Any, sys.path_importer_cache)[script] = None
    if sys.path and sys.path[0] == script:
        if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
            del sys.path[0]
        else:
            sys.path[0] = os.path.dirname(os.path.realpath(script))


def _run() -> None:
    """Run the main file in ``__main__``."""
    global _waiting
    assert _waiting is not None
    code, path = _waiting.code, _waiting.path
    _waiting = None
    namespace = sys.modules["__main__"].__dict__
    namespace.update(__doc__=None, __package__=None, __spec__=None, __file__=path, __cached__=None)
    namespace["__loader__"] = SourceFileLoader("__main__", path)
    try:
        exec(code, namespace)
    except BaseException as error:
        if not isinstance(error, SystemExit):
            sys.excepthook = _Trimming(sys.excepthook, code)
        raise
    _forget(namespace)


def _forget(namespace: dict[str, Any]) -> None:
    """Take away what Python takes away once a script is done; functions that run at exit do not see it."""
    namespace.pop("__file__", None)
    namespace.pop("__cached__", None)


class _Trimming:
    """Stands in for ``sys.excepthook`` for the exception that ends the program, to leave out frames of ours.

    Args:
        excepthook: the program's, which it calls.
        code: of the main file, whose frame is the first to show.
    """

    def __init__(self, excepthook: Any, code: CodeType) -> None:
        self._excepthook = excepthook
        self._code = code

    def __call__(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        """Show the exception as the program would have it shown."""
        sys.excepthook = self._excepthook
        first = traceback
        while first is not None and first.tb_frame.f_code is not self._code:
            first = first.tb_next
        if first is not None:
            error.__traceback__ = sys.last_traceback = traceback = first
        self._excepthook(kind, error, traceback)
        _forget(sys.modules["__main__"].__dict__)
