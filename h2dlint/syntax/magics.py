"""What IPython adds to Python, masked so that what is left parses and every other character stays where it is."""

from __future__ import annotations

import re

PYTHON_CELLS = frozenset(
    {"capture", "debug", "ipytest", "prun", "pypy", "python", "python3", "time", "timeit"}
)
"""Cell magics below which Python stands, as in ruff."""

APART = frozenset({"ipytest", "pypy", "python", "python3", "timeit"})
"""Those of which no other cell sees what they bind: a function or another process runs them."""

_POSSIBLE = re.compile(r"^\s*[%!?,;/]|\?\s*$|=\s*[%!]", re.MULTILINE)
_CELL = re.compile(r"\s*%%(\S*)")
_LINE = re.compile(r"\s*[%!?,;/]")
_ASSIGNED = re.compile(r"=\s*(?=[%!](?!=))")
_QUOTES = ('"""', "'''", '"', "'")
_OPERATORS = "=!<>+-*/%@&|^:"


def cell_magic(text: str) -> tuple[str, int] | None:
    """The name of the cell magic that a cell begins with, and the offset behind its line.

    The offset is that of the end where no line follows.
    """
    found = _CELL.match(text)
    if found is None:
        return None
    newline = text.find("\n", found.end())
    return found[1], len(text) if newline < 0 else newline + 1


def mask_magics(text: str) -> str | None:
    """The text of a cell with its magics, shell commands and help requests masked.

    Each is replaced by a name of which nothing is known and blanks, as many characters as it had, so that offsets
    and lines hold.

    Args:
        text: of a code cell.

    Returns:
        ``None`` for a cell that a cell magic hands to something other than Python.
    """
    if _POSSIBLE.search(text) is None:
        return text
    found = _CELL.match(text)
    if found is not None and found[1] not in PYTHON_CELLS:
        return None
    state = _State()
    lines = [state.line(line) for line in re.findall(r"[^\n]*\n|[^\n]+", text)]
    return "".join(lines)


class _State:
    """Where the lines read so far leave off."""

    def __init__(self) -> None:
        self.depth = 0
        """Of brackets."""
        self.quote = ""
        self.continued = False
        """A backslash ended the line."""
        self.masking = False
        """A backslash ended a line that is masked."""

    def line(self, line: str) -> str:
        """A line with its newline, masked where it has to be."""
        content = line.rstrip("\r\n")
        end = line[len(content) :]
        if self.masking:
            self.masking = content.endswith("\\")
            return " " * len(content) + end
        if not (self.depth or self.quote or self.continued):
            start = self._masked_from(content)
            if start is not None:
                self.masking = content.endswith("\\")
                return content[:start] + "_" + " " * (len(content) - start - 1) + end
        self._read(content)
        return line

    def _masked_from(self, content: str) -> int | None:
        """Offset from which a line that begins a statement is no Python."""
        if _LINE.match(content):
            return len(content) - len(content.lstrip())
        code = _State()._read(content)
        if code.endswith("?"):
            return len(content) - len(content.lstrip())
        for found in _ASSIGNED.finditer(code):
            if found.start() and code[found.start() - 1] not in _OPERATORS:
                return found.end()
        return None

    def _read(self, content: str) -> str:
        """Go over a line; what it holds outside of strings, comments and brackets, and ``_`` for the rest."""
        code: list[str] = []
        at = 0
        self.continued = False
        while at < len(content):
            char = content[at]
            step = 1
            keep = False
            if self.quote:
                if char == "\\":
                    step = 2
                elif content.startswith(self.quote, at):
                    step, self.quote = len(self.quote), ""
            elif char == "#":
                break
            elif char in "\"'":
                self.quote = next(quote for quote in _QUOTES if content.startswith(quote, at))
                step = len(self.quote)
            elif char in "([{":
                self.depth += 1
            elif char in ")]}":
                self.depth = max(self.depth - 1, 0)
            else:
                keep = self.depth == 0
                self.continued = char == "\\" and at == len(content) - 1
            # No blanks, or what follows a string or a bracket would seem to follow what stands before it.
            code.append(char if keep else "_" * min(step, len(content) - at))
            at += step
        if len(self.quote) == 1 and not content.endswith("\\"):
            # Not closed, and cannot be: the parser says so.
            self.quote = ""
        return "".join(code).rstrip()
