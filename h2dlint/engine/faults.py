"""What goes wrong with a file, as an error of that file."""

from __future__ import annotations

import ast
from collections.abc import Callable

from h2dlint.engine.quiet import quiet
from h2dlint.model import ErrorKind, FileError, Finding
from h2dlint.syntax.limits import measure
from h2dlint.syntax.source import SourceText

DEEP = 150
"""Levels of a syntax tree that nobody writes by hand: where Python's stack was too small, they are why."""


def guarded(source: SourceText, path: str, run: Callable[[], list[Finding]]) -> list[Finding] | FileError:
    """Run over a file; what is raised becomes an error of the file."""
    null = source.text.find("\0")
    if null >= 0:
        # Said here because CPython says it as a ValueError, without a line, before 3.12.
        line = source.text.count("\n", 0, null) + 1
        return FileError(path, line, ErrorKind.SYNTAX, "source code cannot contain null bytes")
    try:
        with quiet():
            return _run(run)
    except SyntaxError as error:
        from h2dlint.engine.newer import needed  # Most runs meet no broken file.

        message = error.msg or "invalid syntax"
        message += needed(message, source.line_text(error.lineno or 0))
        return FileError(path, error.lineno or None, ErrorKind.SYNTAX, message)
    except UnicodeEncodeError as error:
        return FileError(path, None, ErrorKind.ENCODING, one_line(error))
    except (RecursionError, MemoryError) as error:
        if _raised_by_parser(error):
            return FileError(path, None, ErrorKind.SYNTAX, "nested too deeply for the parser")
        return _too_deep(source, path) or internal_error(path, error)
    except Exception as error:
        return internal_error(path, error)


def _run(run: Callable[[], list[Finding]]) -> list[Finding]:
    """Run, and once more with a deeper stack where the usual one is not deep enough."""
    try:
        return run()
    except RecursionError as error:
        if _raised_by_parser(error):
            raise
    from h2dlint.engine.deep import deeply

    return deeply(run)


def _raised_by_parser(error: BaseException) -> bool:
    """Whether the innermost Python frame is that of ``ast.parse``: the file is at fault, not a rule."""
    inner = error.__traceback__
    while inner is not None and inner.tb_next is not None:
        inner = inner.tb_next
    code = inner.tb_frame.f_code if inner is not None else None
    return code is not None and code.co_filename == ast.__file__ and code.co_name == "parse"


def _too_deep(source: SourceText, path: str) -> FileError | None:
    """That a file, and not a mistake of ours, is what made Python's stack too small."""
    try:
        with quiet():
            found = measure(ast.parse(source.text), DEEP)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if found is None:
        return None
    # Operators and contexts have no place of their own.
    line = getattr(found, "lineno", None)
    message = f"nested too deeply to be analysed: over {DEEP} levels, more than fit on Python's stack"
    return FileError(path, line, ErrorKind.TOO_LARGE, message)


def internal_error(path: str, error: BaseException, line: int | None = None) -> FileError:
    """A fault of h2dlint: the type and text of an exception and the innermost frame of ours."""
    place = ""
    step = error.__traceback__
    while step is not None:
        module = step.tb_frame.f_globals.get("__name__", "")
        if module == "h2dlint" or module.startswith("h2dlint."):
            place = f" (in {module}:{step.tb_lineno}, {step.tb_frame.f_code.co_name})"
        step = step.tb_next
    text = one_line(error)
    message = f"{type(error).__name__}{': ' if text else ''}{text}{place}"
    return FileError(path, line, ErrorKind.INTERNAL, message)


def one_line(error: BaseException) -> str:
    """The text of an exception on one line."""
    return " ".join(str(error).split())
