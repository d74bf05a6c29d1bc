"""The same program laid out in another way: comments, blank lines, brackets over lines, tabs, newlines, encodings.

All functions take texts whose lines end in ``\\n``, and that parse.
"""

from __future__ import annotations

import ast
import builtins
import codecs
import keyword
import re
import tokenize
import warnings
from collections.abc import Callable
from itertools import pairwise
from random import Random

from tests.fuzz.tokens import LAYOUT, Token, tokens_of

_REMARKS = (
    "# plain", "#", "# é, 数 and 🎉", "#: (torch.tensor([1], device='cuda'))", "# )]}\"'", "#!shebang", "# \\",
    "# type: list[int]", "#\tx.to(device)", "# x[[0, 1]]", "# on a Stream of its own", "# torch.jit.script'ed",
    "# then synchronize()", "# names= and rename()", "# requires_grad, complex64", "# set_default_device('cuda')",
    "# with torch.device('cuda'):", "# getattr(x, name), globals()", "#nonlocal x",
)  # fmt: skip
_NAMES = ("été", "数据", "ﬁn", "𝓍𝓎", "ñ_1", "变量", "Ⅷa", "ªb", "Δ", "_ſ")  # noqa: RUF001


def _remark(random: Random) -> str:
    return random.choice(_REMARKS)


def _declared(text: str) -> int:
    """Offset up to which a line more could hide what the file says of its encoding."""
    first = text.split("\n", 2)[:2]
    return sum(len(line) + 1 for line in first) if any("coding" in line for line in first) else 0


def spread(text: str, random: Random, share: float = 0.3) -> str:
    """With comments and blank lines between the statements and at their ends, never within one."""
    least = _declared(text)
    parts: list[str] = []
    done = 0
    for token in tokens_of(text):
        if token.kind != tokenize.NEWLINE or not token.text or token.start < least or random.random() > share:
            continue
        parts.append(text[done : token.start])
        done = token.start
        # A comment that is there already ends where the logical line does.
        if not text[: token.start].rpartition("\n")[2].count("#") and random.random() < 0.5:
            parts.append(f"{random.choice(('  ', '', chr(9)))}{_remark(random)}")
        parts.append(text[done : token.end])
        done = token.end
        for _ in range(random.randrange(3)):
            blank = random.choice(("", "", "   ", "\t", "\x0c"))
            parts.append(
                f"{blank}\n" if random.random() < 0.5 else f"{' ' * random.randrange(9)}{_remark(random)}\n"
            )
    return "".join(parts) + text[done:]


def opened(text: str, random: Random, share: float = 0.15) -> str:
    """With line breaks and comments inside brackets, blanks around operators and continued lines elsewhere."""
    return _refilled(text, random, share, _gap)


def broken(text: str, random: Random, share: float = 0.3) -> str:
    """With line breaks, blank lines and comments inside brackets, where formatters and people put them."""
    return _refilled(text, random, share, _natural)


def _refilled(
    text: str, random: Random, share: float, fill: Callable[[str, Token, Token, Random], str]
) -> str:
    parts: list[str] = []
    done = 0
    before: Token | None = None
    for token in tokens_of(text):
        if before is not None and _loose(before, token) and random.random() < share:
            gap = text[before.end : token.start]
            parts += (text[done : before.end], fill(gap, before, token, random))
            done = token.start
        before = token
    return "".join(parts) + text[done:]


def _loose(before: Token, token: Token) -> bool:
    return not token.quoted and before.kind not in LAYOUT and token.kind not in LAYOUT


def _line_break(random: Random) -> str:
    remark = f"  {_remark(random)}" if random.random() < 0.5 else ""
    return f"{remark}\n{random.choice(('', '', chr(10), '    ' + chr(10)))}{' ' * random.randrange(12)}"


def _gap(gap: str, before: Token, token: Token, random: Random) -> str:
    """What to write between two tokens of one logical line."""
    apart = bool(gap) or before.kind == tokenize.OP or token.kind == tokenize.OP
    # ``1 .real`` and names that would melt into a prefix of a string stay as they are.
    if "\n" in gap or not apart or (before.kind == tokenize.NUMBER and token.text == "."):
        return gap
    if before.depth > 0 and random.random() < 0.6:
        return gap + _line_break(random)
    return gap + random.choice((" ", "  ", "\t", " \\\n", "\\\n  " if gap else " \\\n  ", " \x0c"))


def _natural(gap: str, before: Token, token: Token, random: Random) -> str:
    """As ``_gap``, but only behind opening brackets and commas, before closing brackets and methods."""
    chain = token.text == "." and before.text in (")", "]")
    if "\n" in gap or not before.depth or not (before.text in "([{," or token.text in ")]}" or chain):
        return gap
    if before.text in "([{" and token.text in ")]}":
        return gap
    return _line_break(random)


def joined(text: str, random: Random) -> str:
    """With simple statements put on one line by ``;``, and lone ones behind the colon of their block."""
    lines = text.split("\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    simple = (
        ast.Assign,
        ast.Expr,
        ast.AugAssign,
        ast.Return,
        ast.Pass,
        ast.Break,
        ast.AnnAssign,
        ast.Assert,
        ast.Delete,
    )
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for first, second in pairwise(body):
            if not (isinstance(first, simple) and isinstance(second, simple)) or random.random() > 0.3:
                continue
            row, last = first.end_lineno or 0, second.lineno
            text_of = lines[row - 1]
            if (
                last != row + 1
                or second.end_lineno != last
                or "#" in text_of
                or text_of.endswith(("\\", ";"))
            ):
                continue
            if not text_of or (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
                continue
            lines[row - 1] = f"{text_of}{random.choice(('; ', ';', ' ; '))}{lines[last - 1].strip()}"
            # A line is kept in its place, so that the positions in the tree stay true.
            lines[last - 1] = ""
            break
    return "\n".join(lines)


def indented(text: str, random: Random) -> str:
    """With blocks set in by tabs, by one blank or by many; lines within a statement stay."""
    unit = random.choice(("\t", " ", "   ", "        "))
    parts: list[str] = []
    depth = done = 0
    fresh = True
    for token in tokens_of(text):
        if token.kind == tokenize.INDENT:
            depth += 1
        elif token.kind == tokenize.DEDENT:
            depth -= 1
        elif token.kind == tokenize.NEWLINE:
            fresh = True
        elif token.kind not in (tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER) and fresh:
            fresh = False
            line = text.rfind("\n", 0, token.start) + 1
            # After a backslash the line of the first token is not where the statement is set in.
            if text[line : token.start].strip(" \t\x0c") or text[:line].endswith("\\\n"):
                continue
            parts += (text[done:line], unit * depth)
            done = token.start
    return "".join(parts) + text[done:]


def renamed(text: str, random: Random) -> str:
    """With some of its own names in other scripts, also such as Python writes in another way (``ﬁn`` is ``fin``)."""
    tokens = tokens_of(text)
    pinned = {
        "self",
        "torch",
        "np",
        "numpy",
        "tensor",
        "zeros",
        "nn",
        "Net",
        "th",
        "cls",
        *dir(builtins),
        *keyword.softkwlist,
    }
    for before, token in zip([None, *tokens], tokens, strict=False):
        if (
            token.kind == tokenize.NAME
            and before is not None
            and before.text in (".", "import", "from", "as")
        ):
            pinned.add(token.text)
    for token, after in pairwise(tokens):
        if token.kind == tokenize.NAME and after.text == "=" and token.depth:
            pinned.add(token.text)
    own = sorted(
        {t.text for t in tokens if t.kind == tokenize.NAME and not keyword.iskeyword(t.text)} - pinned
    )
    chosen = random.sample(own, min(len(own), 1 + random.randrange(4)))
    new = dict(zip(chosen, random.sample(_NAMES, len(_NAMES)), strict=False))
    parts: list[str] = []
    done = 0
    for token in tokens:
        if token.kind == tokenize.NAME and token.text in new and not token.quoted:
            parts += (text[done : token.start], new[token.text])
            done = token.end
    return "".join(parts) + text[done:]


def as_bytes(text: str, random: Random) -> bytes:
    """The bytes of a file: with a byte order mark or a declared encoding or not, and with newlines of some kind."""
    newline = random.choice(("\n", "\n", "\n", "\r\n", "\r\n", "\r"))
    roll = random.randrange(10)
    lines = text.split("\n")
    if roll == 0:
        lines.insert(0, "# -*- coding: latin-1 -*-")
        text = newline.join(lines)
        return text.encode("latin-1", "ignore")
    if roll == 1:
        lines[:0] = ["#!/usr/bin/env python", "# vim: set fileencoding=utf-8 :"]
    if roll == 2:
        lines.insert(0, "# coding: cp1252")
        return newline.join(lines).encode("cp1252", "ignore")
    if roll == 3:
        # Some editors mix them.
        text = "".join(f"{line}{random.choice((newline, chr(10), chr(13) + chr(10)))}" for line in lines)
        return text.encode("utf-8", "surrogatepass")
    data = newline.join(lines).encode("utf-8", "surrogatepass")
    return codecs.BOM_UTF8 + data if roll in (4, 5) else data


def varied(text: str, random: Random) -> str:
    """Laid out in some other way, or in several at once; the text as it is where that does not work out."""
    for change in (joined, renamed, indented, opened, spread):
        if random.random() < 0.4:
            try:
                new = change(text, random)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    ast.parse(new)
            except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError):
                continue
            text = new
    return text


def plain(text: str) -> str:
    """With ``\\n`` at the end of each line, and without a declared encoding: for UTF-8."""
    head, rest = _split(re.sub(r"\r\n?", "\n", text))
    return head.replace("coding", "c0ding") + rest


def _split(text: str) -> tuple[str, str]:
    """The first two lines, and the others."""
    end = text.find("\n", text.find("\n") + 1) + 1 or len(text)
    return text[:end], text[end:]
