"""Telling syntax that is newer than the Python that runs from syntax that is wrong."""

from __future__ import annotations

import re
import sys

_NAME = r"[^\W\d]\w*"
_SIGNS: tuple[tuple[tuple[int, int], str, re.Pattern[str]], ...] = (
    ((3, 11), "except*", re.compile(r"\s*except\s*\*")),
    ((3, 11), "unpacking in a subscript", re.compile(r".*\[\s*\*\s*[^\W\d]")),
    (
        (3, 13),
        "defaults of type parameters",
        re.compile(rf"\s*(?:(?:async\s+)?def|class|type)\s+{_NAME}\s*\[[^\]=]*="),
    ),
    ((3, 12), "type parameters", re.compile(rf"\s*(?:(?:async\s+)?def|class)\s+{_NAME}\s*\[")),
    ((3, 12), "type statements", re.compile(rf"\s*type\s+{_NAME}\s*(?:\[.*\])?\s*=")),
    ((3, 14), "except without parentheses", re.compile(rf"\s*except\s+{_NAME}(?:\.{_NAME})*\s*,[^:]*:")),
    ((3, 14), "template strings", re.compile(r".*(?<![\w'\"])(?:[tT][rR]?|[rR][tT])['\"]")),
)
"""Since when, what, and how a line begins that holds it; a sign is asked only about lines that did not parse."""

MAX_LINE = 10_000
"""Characters; a longer line is not looked at."""


def needed(message: str, line: str, running: tuple[int, int] = sys.version_info[:2]) -> str:
    """What to add to the message of a syntax error; empty where it is not the syntax of a newer Python.

    Args:
        message: as Python gives it.
        line: that it speaks of.
        running: the version of Python that parsed it.
    """
    this = f"this is {running[0]}.{running[1]}"
    if len(line) > MAX_LINE:
        return ""
    for version, what, sign in _SIGNS:
        if version > running and sign.match(line):
            return f" ({what}: Python {version[0]}.{version[1]} or later; {this})"
    if running < (3, 12) and message.startswith("f-string"):
        return f" (f-strings may hold more from Python 3.12 on; {this})"
    return ""
