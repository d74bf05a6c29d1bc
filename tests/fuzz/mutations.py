"""Texts changed at random: mostly still Python, not always sensible, and never what anybody would write.

What parses afterwards goes through every check; what does not must be told of as a syntax error, and no more.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from random import Random
from tokenize import TokenError

from tests.fuzz import layout
from tests.fuzz.tokens import LAYOUT, Token, tokens_of

_STRAY = (
    "await ", "yield ", "lambda: ", "not ", "*", "**", ":=", "->", "@", "...", "()", "[0]", ".to(device)", "async ",
    " if n else ", "\\", "\t", "\x0c", "\0", "'", '"""', "f'{", "}", "#", ";", ":", "match ", "type ", "\ufeff",
    "\u2028",
    "\x85", "é", "0x", "1_", "\r", "\n", "\n    ", "b'", "$", "?", "\ud800", "del ", "\xa0", "\u200b", ".item()",
)  # fmt: skip
_WRAPPERS = (
    "def wrapped_{0}(device, xs=(), n=1):", "class Wrapped_{0}:", "async def wrapped_{0}():", "if {0}:", "while {0}:",
    "try:\n{{body}}\nfinally:\n    pass\n", "with torch.no_grad():", "for _ in range({0}):", "match {0}:\n    case _:",
    "try:\n    pass\nexcept ValueError:", "if {0}:\n    pass\nelse:", "with torch.device('cuda'):",
)  # fmt: skip


def mutated(text: str, random: Random) -> str:
    """A text with one to four changes of any kind; in four of five cases it still parses.

    Args:
        text: that parses, with plain newlines.
        random: where choices come from.
    """
    sound = bool(random.randrange(5))
    for _ in range(1 + random.randrange(4)):
        change = random.choice(CHANGES)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                new = change(text, random)
                if sound:
                    ast.parse(new)
        except (SyntaxError, TokenError, IndexError, ValueError, RecursionError, MemoryError):
            # What is no Python any more has no tokens, nor blocks to wrap; of an empty text nothing can be chosen.
            continue
        text = new
    return text


def _words(text: str) -> list[Token]:
    return [token for token in tokens_of(text) if token.kind not in LAYOUT]


def deleted(text: str, random: Random) -> str:
    """Without one token."""
    token = random.choice(_words(text))
    return text[: token.start] + text[token.end :]


def doubled(text: str, random: Random) -> str:
    """With one token, or some, twice."""
    found = _words(text)
    first = random.randrange(len(found))
    last = min(first + random.randrange(6), len(found) - 1)
    start, end = found[first].start, found[last].end
    return f"{text[:end]} {text[start:end]}{text[end:]}"


def swapped(text: str, random: Random) -> str:
    """With two tokens in each other's place, near or far."""
    found = _words(text)
    first = random.randrange(len(found))
    second = min(first + 1, len(found) - 1) if random.random() < 0.5 else random.randrange(len(found))
    one, two = sorted((found[first], found[second]), key=lambda token: token.start)
    if one == two:
        return text
    return text[: one.start] + two.text + text[one.end : two.start] + one.text + text[two.end :]


def replaced(text: str, random: Random) -> str:
    """With a name or a literal in the place of another one."""
    found = [token for token in _words(text) if token.kind in (1, 2, 3)]
    one, other = random.choice(found), random.choice(found)
    return text[: one.start] + other.text + text[one.end :]


def stray(text: str, random: Random) -> str:
    """With something that does not belong there, between two tokens or in one."""
    place = random.choice(_words(text)).start if random.random() < 0.7 else random.randrange(len(text) + 1)
    return text[:place] + random.choice(_STRAY) + text[place:]


def shifted(text: str, random: Random) -> str:
    """With a line set in further, or less."""
    lines = text.split("\n")
    number = random.randrange(len(lines))
    lines[number] = random.choice(
        (lines[number].lstrip(), f"    {lines[number]}", f"\t{lines[number]}", f" {lines[number]}")
    )
    return "\n".join(lines)


def merged(text: str, random: Random) -> str:
    """With two lines put together, or one taken apart."""
    lines = text.split("\n")
    number = random.randrange(max(len(lines) - 1, 1))
    if random.random() < 0.5 and number + 1 < len(lines):
        lines[number : number + 2] = [
            lines[number] + random.choice(("", ";", " ", " \\")) + lines[number + 1].strip()
        ]
    else:
        place = random.randrange(len(lines[number]) + 1)
        lines[number : number + 1] = [
            lines[number][:place] + random.choice(("", "\\")),
            lines[number][place:],
        ]
    return "\n".join(lines)


def moved(text: str, random: Random) -> str:
    """With some lines somewhere else, twice or not at all."""
    lines = text.split("\n")
    start = random.randrange(len(lines))
    block = lines[start : start + 1 + random.randrange(8)]
    if random.random() < 0.7:
        del lines[start : start + len(block)]
    place = random.randrange(len(lines) + 1)
    return "\n".join([*lines[:place], *(block if random.random() < 0.8 else ()), *lines[place:]])


def wrapped(text: str, random: Random) -> str:
    """With top-level statements inside a function, a class, a loop, ``match``, ``try`` or ``with``."""
    tree = ast.parse(text)
    bodies = [node for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    if not bodies:
        return text
    node = random.choice(bodies)
    start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    lines = text.split("\n")
    inner = lines[start - 1 : node.end_lineno]
    head, _, tail = random.choice(_WRAPPERS).format(random.randrange(9)).partition("{body}")
    head = head.rstrip("\n")
    depth = 4 * (2 if head.endswith("    case _:") else 1)
    # Lines within strings move too: another program, which is as good.
    body = [f"{' ' * depth}{line}" if line else line for line in inner]
    lines[start - 1 : node.end_lineno] = [*head.split("\n"), *body, *tail.strip("\n").split("\n")]
    return "\n".join(lines)


def long_line(text: str, random: Random) -> str:
    """With an expression that is long, or nested deeply."""
    numbers = [token for token in _words(text) if token.kind == 2]
    if not numbers:
        return text
    token, many = random.choice(numbers), 10 ** random.randrange(1, 4)
    few = min(many, 80)
    new = random.choice(
        (
            " + ".join([token.text] * many), "(" * few + token.text + ")" * few, "[" * few + token.text + "]" * few,
            "-" * many + token.text, f"x{'.T' * many}", f"f{'(1)' * many}", f"x{'[0]' * many}",
            "not " * many + token.text,
            " if n else ".join([token.text] * many), "lambda: " * few + token.text, f"'{'é' * many * 10}'",
            f"[{', '.join([token.text] * many)}]", f"{{{', '.join([token.text] * many)}}}",
            " < ".join([token.text] * many),
            f"torch.tensor([{'0, ' * many}], device=device)", f"f'{{{token.text}}}{'{n}' * many}'",
            f"{'torch.tensor(' * few}{token.text}{', device=device)' * few}", f"x{'.to(device)' * many}",
            f"x{'[[0]]' * many}", "\n".join(["", "[", *[f"    {token.text},"] * many, "]"]).strip(),
        )
    )  # fmt: skip
    return text[: token.start] + new + text[token.end :]


def deep_blocks(text: str, random: Random) -> str:
    """With a statement under many headers."""
    many = random.choice((10, 30, 90, 98))
    inner = random.choice(("torch.tensor(xs, device=device)", "x = torch.zeros(3).to('cuda')", "x[[0]]"))
    head = random.choice(("if n:", "for i in x:", "def f():", "while n:", "class C:", "with x:", "try:"))
    lines = [f"{' ' * depth}{head}" for depth in range(many)] + [" " * many + inner]
    if head == "try:":
        lines += [f"{' ' * depth}finally: pass" for depth in reversed(range(many))]
    return f"{text}\n{chr(10).join(lines)}\n"


def chained(text: str, random: Random) -> str:
    """With a long chain of ``elif``, or of statements."""
    many = random.choice((20, 100, 400))
    upload = random.choice(("pass", "x = torch.tensor(n).to(device)", "y = x[[0]]"))
    # What is in the last of many branches is what the depth is for; one in each would take minutes.
    tail = "".join(f"elif n == {number}:\n    pass\n" for number in range(many))
    return f"{text}\nif n:\n    pass\n{tail}else:\n    {upload}\n"


def retyped(text: str, random: Random) -> str:
    """With names, layout, newlines or comments of another kind."""
    change = random.choice((layout.renamed, layout.joined, layout.indented, layout.opened, layout.spread))
    return change(text, random)


def cut(text: str, random: Random) -> str:
    """Broken off somewhere."""
    return text[: random.randrange(len(text) + 1)]


def bound_within(text: str, random: Random) -> str:
    """With a call bound by ``:=``, or put into an f-string, a lambda or a decorator."""
    calls = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and node.lineno == node.end_lineno
    ]
    if not calls:
        return text
    node = random.choice(calls)
    lines = text.split("\n")
    line = lines[node.lineno - 1].encode()
    start, end = node.col_offset, node.end_col_offset or 0
    inner = line[start:end].decode()
    quote = next((q for q in ('"', "'", '"""') if q not in inner), None)
    forms = [
        f"(w := {inner})",
        f"(lambda: {inner})()",
        f"[{inner} for _ in x]",
        f"(await {inner})",
        f"(yield {inner})",
        f"(*{inner},)",
    ]
    if quote is not None and "\\" not in inner and "{" not in inner:
        forms += [
            f"f{quote}{{{inner}}}{quote}",
            f"f{quote}{{{inner}!r:>{{n}}}}{quote}",
            f"rf{quote}é{{ {inner} = }}{quote}",
        ]
    lines[node.lineno - 1] = (line[:start] + random.choice(forms).encode() + line[end:]).decode()
    return "\n".join(lines)


CHANGES: tuple[Callable[[str, Random], str], ...] = (
    deleted, doubled, swapped, replaced, replaced, stray, shifted, merged, moved, wrapped, wrapped, long_line,
    deep_blocks,
    chained, retyped, retyped, retyped, cut, bound_within, bound_within, bound_within,
)  # fmt: skip
"""Ways of changing a text, those that leave it Python more than once."""


def part(text: str, random: Random) -> str:
    """The imports and globals of a module and some of its functions: small enough to look at many."""
    tree = ast.parse(text)
    lines = re.split("\n", text)
    keep = [node for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    functions = [node for node in tree.body if node not in keep]
    keep += random.sample(functions, min(len(functions), 1 + random.randrange(3)))
    chosen = sorted(keep, key=lambda node: node.lineno)
    pieces = []
    for node in chosen:
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        pieces.append("\n".join(lines[start - 1 : node.end_lineno]))
    return "\n\n\n".join(pieces) + "\n"
