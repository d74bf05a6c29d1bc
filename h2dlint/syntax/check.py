"""Whether a text is Python, for a part of what a syntax tree costs."""

from __future__ import annotations

import ast

_UNKNOWN = "from __future__ import h2dlint\n"
"""What no Python knows: it is said once the whole text has been parsed, and before anything is made of it."""


def check_syntax(text: str) -> None:
    """Raise what ``ast.parse`` raises.

    Args:
        text: of a module.

    Raises:
        SyntaxError: the text is not Python.
        ValueError, RecursionError, MemoryError: as ``ast.parse`` does.
    """
    try:
        compile(_UNKNOWN + text, "<unknown>", "exec", dont_inherit=True)
    except SyntaxError as error:
        if error.lineno == 1 and error.msg == "future feature h2dlint is not defined":
            return
    except (ValueError, RecursionError, MemoryError):
        pass
    # Parsed again for the words and the line.
    ast.parse(text)
