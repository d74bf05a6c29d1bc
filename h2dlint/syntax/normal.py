"""Source text without what a formatter may change: for telling a statement from another one across edits."""

from __future__ import annotations

import hashlib
import re

_TOKEN = re.compile(
    r"""
      (?P<string>(?i:\b[rbuft]{1,2})?(?:
          "{3}(?:\\.|[^\\])*?(?:"{3}|\Z) | '{3}(?:\\.|[^\\])*?(?:'{3}|\Z)
        | "(?:\\.|[^\\"\r\n])*(?:"|$) | '(?:\\.|[^\\'\r\n])*(?:'|$)))
    | (?P<comment>\#[^\r\n]*)
    | (?P<blank>(?:\s|\\\r?\n|\\\r)+)
    | (?P<word>\w+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_STRING = re.compile(r"""([a-zA-Z]*)("{3}|'{3}|"|')(.*)\2\Z""", re.DOTALL)

_DIGEST = re.compile(r"\.\.\. ([0-9a-f]{16})\Z")
# With the blank that parts two words where no parenthesis does.
_PARENTHESES = str.maketrans("", "", "() ")


def normal(text: str) -> str:
    """Python source on one line, without comments, blanks that do not matter, and the choice of quotes.

    The same on every version of Python, and for text that does not parse.

    Args:
        text: one or several statements, or a part of one.
    """
    parts: list[str] = []
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match[0]
        if kind in {"comment", "blank"}:
            continue
        if kind == "string":
            token = _string(token)
        elif kind == "other" and token in ")]}" and parts and parts[-1] == ",":
            parts.pop()
        # Two words, or a word and a string with a prefix, must stay apart.
        if parts and _wordy(parts[-1][-1]) and _wordy(token[0]):
            parts.append(" ")
        parts.append(token)
    return "".join(parts)


def shortened(text: str, most: int = 200) -> str:
    """A normal text, or where it is longer than ``most`` its beginning and a digest of all of it."""
    if len(squeezed(text)) <= most:
        return text
    digest = hashlib.sha256(squeezed(text).encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return f"{text[: most - 20]}... {digest}"


def squeezed(text: str) -> str:
    """A normal text without parentheses, which formatters put around what does not fit a line; no code any more.

    Nor with what ends a header, which then stands on a line of its own. Of a shortened text its digest, which is the
    same where only these differ.
    """
    digest = _DIGEST.search(text)
    return digest[1] if digest is not None else text.translate(_PARENTHESES).rstrip(",:")


def _wordy(character: str) -> bool:
    return character.isalnum() or character == "_"


def _string(token: str) -> str:
    """A string literal in double quotes, where that changes nothing but the quotes."""
    match = _STRING.match(token)
    if match is None:
        return token
    prefix, quotes, body = match[1].lower(), match[2], match[3]
    if '"' in body or "\\" in body or len(quotes) == 3:
        return prefix + quotes + body + quotes
    return f'{prefix}"{body}"'
