"""Colours, and text that is fit for a terminal."""

from __future__ import annotations

import re
import unicodedata

_CODES = {
    "code": "1;91",  # bright, as in ruff: plain red and blue are hardly seen on a dark ground
    "caret": "1;91",
    "gutter": "1;94",
    "path": "1",
    "bold": "1",
    "fixable": "36",
    "help": "1;36",
    "note": "1;33",
    "removed": "31",
    "added": "32",
    "good": "1;32",
}

_JOINERS = "\u200c\u200d"

_LOGGED = re.compile(r"(##\w*)\[")
"""Begins a command in the log of Azure Pipelines, TeamCity and, once, GitHub Actions, anywhere in a line."""


class Paint:
    """Wraps text in ANSI colours, or leaves it as it is.

    Args:
        colour: whether to colour at all.
    """

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, style: str, text: str) -> str:
        """Colour ``text``; the names of styles say what the text is, not how it looks."""
        if not self.colour or not text:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def escape(text: str) -> str:
    r"""Spell out what could steer a terminal or mislead a reader.

    Control characters, escape sequences, bidirectional overrides, line separators and lone surrogates
    come out as Python would write them in a literal (``\x1b``, ``\u202e``); everything else stays.
    Tabs and newlines count as control characters: split lines and expand tabs first. A ``##[`` or ``##name[``
    that the log of a CI service would take for a command is broken up.
    """
    if "##" in text:
        text = _LOGGED.sub(r"\1\\x5b", text)
    if text.isprintable():
        return text
    return "".join(map(escape_character, text))


def at_line_start(path: str) -> str:
    """A path that begins a line, so that GitHub Actions does not take ``::error::`` in front of it for a command."""
    return f"./{path}" if path.lstrip().startswith("::") else path


def defused_json(text: str) -> str:
    """JSON that says the same, without what the log of a CI service would take for a command."""
    return _LOGGED.sub(r"\1\\u005b", text) if "##" in text else text


def escape_character(character: str) -> str:
    """One character as it may be shown; see `escape`."""
    if character.isprintable() or character in _JOINERS:
        return character
    if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return character
    return character.encode("unicode_escape").decode("ascii")
