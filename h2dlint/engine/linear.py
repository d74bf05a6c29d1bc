"""Matching globs in time that grows with the length of pattern times path, where ``re`` may be slow.

``re`` tries one way after the other: of ``*a*a*a*a*a*b`` and a name of a few hundred characters that takes longer than
anybody waits, and patterns come with repositories that anybody may have made. Here all places that a match may have got
to are kept at once, as the bits of an integer. It is slower on ordinary patterns, so they stay with ``re``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import comb

MAX_STEPS = 1_000_000
"""Ways that a regular expression may have to try; about a fiftieth of a second."""


def is_slow(pattern: str, length: int) -> bool:
    """Whether a regular expression might take too long.

    Args:
        pattern: a glob.
        length: of the path.
    """
    choices = _choices(pattern)
    return choices > 2 and comb(length + choices, choices) > MAX_STEPS


@lru_cache(maxsize=4096)
def _choices(pattern: str) -> int:
    return len(re.findall(r"\*+|\{", pattern))


def matches(pattern: str, text: str, *, crossing: bool = True) -> bool:
    """Whether a glob matches the whole of a path.

    Args:
        pattern: one that can be read.
        text: the path, with forward slashes.
        crossing: ``*`` and ``?`` match slashes and braces hold alternatives, as ruff has it; without it they do not,
            and neither do ``[...]``, as git has it.
    """
    return _Match(text, crossing).run(pattern)


class _Match:
    def __init__(self, text: str, crossing: bool) -> None:
        self._text = text
        self._crossing = crossing
        self._all = (1 << len(text)) - 1
        self._masks: dict[str, int] = {}
        self._slashes = self._where("/", lambda char: char == "/")
        self._free = self._all if crossing else self._all & ~self._slashes

    def run(self, pattern: str) -> bool:
        places, end = self._sequence(pattern, 0, 1, 0)
        return end >= len(pattern) and bool(places >> len(self._text) & 1)

    def _where(self, key: str, test: Callable[[str], bool]) -> int:
        if key not in self._masks:
            bits = "".join("1" if test(char) else "0" for char in reversed(self._text))
            self._masks[key] = int(bits or "0", 2)
        return self._masks[key]

    def _star(self, places: int, over: int) -> int:
        """From any of the places on over any number of characters."""
        while (more := places | (places & over) << 1) != places:
            places = more
        return places

    def _sequence(self, pattern: str, i: int, places: int, depth: int) -> tuple[int, int]:
        """Places behind the pattern from ``i`` on, up to where its alternative ends."""
        while i < len(pattern):
            char = pattern[i]
            if self._crossing and depth and char in ",}":
                return places, i
            i += 1
            if char == "*":
                start, i = i - 1, i + len(pattern[i:]) - len(pattern[i:].lstrip("*"))
                whole = i - start == 2 and (start == 0 or pattern[start - 1] == "/")
                if whole and pattern[i : i + 1] == "/":
                    lowest = places & -places
                    further = self._all & ~(lowest - 1) if lowest else 0
                    places |= (further & self._slashes) << 1
                    i += 1
                elif self._crossing:
                    lowest = places & -places
                    places = ((1 << (len(self._text) + 1)) - 1) & ~(lowest - 1) if lowest else 0
                else:
                    places = self._star(places, self._free)
            elif char == "?":
                places = (places & self._free) << 1
            elif char == "[" and (end := _class_end(pattern, i)) > 0:
                places = (places & self._class(pattern[i : end - 1]) & self._free) << 1
                i = end
            elif char == "{" and self._crossing:
                found = 0
                while True:
                    behind, i = self._sequence(pattern, i, places, depth + 1)
                    found |= behind
                    i += 1
                    if i > len(pattern) or pattern[i - 1] == "}":
                        break
                places = found
            else:
                if char == "\\" and i < len(pattern):
                    char = pattern[i]
                    i += 1
                places = (places & self._where(char, lambda each, char=char: each == char)) << 1  # type: ignore[misc]
        return places, i

    def _class(self, members: str) -> int:
        negated = members[:1] in ("!", "^")
        body = re.sub(r"([\\\[\]^&~|])", r"\\\1", members[negated:])
        known = re.compile(f"[{'^' if negated else ''}{body}]", re.DOTALL)
        return self._where(f"[{members}]", lambda char: known.match(char) is not None)


def _class_end(pattern: str, start: int) -> int:
    """Where a character class that opened just before ends; 0 where it does not."""
    i = start + (pattern[start : start + 1] in ("!", "^"))
    return pattern.find("]", i + 1) + 1
