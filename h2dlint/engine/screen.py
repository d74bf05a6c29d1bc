"""The bytes test that drops most files before anything is parsed."""

from __future__ import annotations

from collections.abc import Iterable

NEEDED = b"torch"
"""A file whose bytes do not hold this holds no finding, whatever the rules are."""


class Screen:
    """Tells whether a file can hold a finding, from its bytes alone.

    Several ``in`` tests, not one regular expression of alternatives: on files that hold none of the tokens,
    which are the ones to be fast on, they are an order of magnitude quicker.

    Args:
        tokens: the ``screen`` of each rule that runs; a rule with an empty one wants all torch code.
    """

    def __init__(self, tokens: Iterable[tuple[bytes, ...]]) -> None:
        screens = list(tokens)
        wanted = {token for screen in screens for token in screen}
        self._never = not screens
        self._always = not all(screens)
        # A token that holds another one adds nothing.
        self._tokens = sorted(t for t in wanted if not any(u in t for u in wanted if u != t))

    def passes(self, data: bytes) -> bool:
        """Whether the file has to be parsed."""
        if self._never or NEEDED not in data:
            return False
        return self._always or any(token in data for token in self._tokens)
