"""The comments of a file."""

from __future__ import annotations

import io
import tokenize
from dataclasses import dataclass

from h2dlint.engine.quiet import quiet


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment.

    Args:
        line: from 1.
        text: from its ``#`` to the end of the line, trailing blanks cut.
        alone: nothing but blanks stands before it.
    """

    line: int
    text: str
    alone: bool


def read_comments(text: str) -> tuple[list[Comment], bool]:
    """Every comment of a source text, and whether the whole text could be read.

    A text that does not tokenize to its end yields the comments before the place where it failed.
    """
    found: list[Comment] = []
    # Only line ends that CPython knows are left, so that lines are counted as everywhere else.
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = plain.split("\n")
    with quiet():
        try:
            for token in tokenize.generate_tokens(io.StringIO(plain).readline):
                if token.type == tokenize.COMMENT:
                    line, column = token.start
                    alone = not lines[line - 1][:column].strip()
                    found.append(Comment(line, token.string.rstrip(), alone))
        except (tokenize.TokenError, SyntaxError):
            return found, False
    return found, True
