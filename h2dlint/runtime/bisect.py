"""Finds which of many fixes make a difference, with few runs. It runs nothing: it is given a question to ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_RUNS = 40
"""One fix of a thousand takes some eleven runs; several that only differ together take more."""

MAX_CULPRITS = 5


@dataclass(frozen=True, slots=True)
class Culprit:
    """Fixes that make a difference when they are applied without the others.

    Args:
        ids: of the fixes, in order.
        smallest: none of them can be left out; ``False`` if there were no runs left to try that.
    """

    ids: tuple[int, ...]
    smallest: bool


@dataclass(frozen=True, slots=True)
class Bisection:
    """What came of searching.

    Args:
        culprits: sets of fixes, each of which makes a difference by itself; they have no fix in common.
        complete: without all of these, the rest of the fixes was seen to make no difference.
        runs: how often the question was asked.
    """

    culprits: tuple[Culprit, ...]
    complete: bool
    runs: int


class _Spent(Exception):
    """No runs are left."""


class _Asking:
    """Asks for each set once, and counts."""

    def __init__(self, differs: Callable[[tuple[int, ...]], bool], max_runs: int) -> None:
        self._differs = differs
        self._max_runs = max_runs
        self._known: dict[tuple[int, ...], bool] = {(): False}
        self.runs = 0

    def know(self, ids: tuple[int, ...], answer: bool) -> None:
        self._known[ids] = answer

    def once_more(self, ids: tuple[int, ...]) -> bool:
        """Ask what was only known, if there are runs left for it."""
        if self.runs < self._max_runs:
            del self._known[ids]
        return self(ids)

    def __call__(self, ids: tuple[int, ...]) -> bool:
        if ids not in self._known:
            if self.runs >= self._max_runs:
                raise _Spent
            self.runs += 1
            self._known[ids] = self._differs(ids)
        return self._known[ids]


def bisect(
    ids: Sequence[int], differs: Callable[[tuple[int, ...]], bool], max_runs: int = MAX_RUNS
) -> Bisection:
    """Find the fixes that make a difference.

    Halves are tried first, as long as one of them makes the difference by itself. Where neither does, what makes it is
    spread over both, and the set is narrowed by leaving out ever smaller parts of it (delta debugging, Zeller and
    Hildebrandt 2002). Then the rest is tried without what was found, for there may be several.

    Args:
        ids: of all fixes; together they are known to make a difference. Before all of them are blamed, which are then
            the only ones known to make one, that is asked once more: it may have come by itself.
        differs: whether these fixes, in the order of ``ids``, make a difference; it may be costly.
        max_runs: how often ``differs`` may be called.
    """
    ask = _Asking(differs, max_runs)
    everything = tuple(ids)
    ask.know(everything, True)
    culprits: list[Culprit] = []
    rest = everything
    try:
        while rest and ask(rest):
            if len(culprits) == MAX_CULPRITS:
                return Bisection(tuple(culprits), False, ask.runs)
            found, smallest = _narrowed(rest, ask)
            if found == everything and not ask.once_more(found):
                # What was known of all of them came and went by itself: none is at fault that could be named.
                return Bisection((), False, ask.runs)
            culprits.append(Culprit(found, smallest))
            rest = tuple(item for item in rest if item not in found)
            if not smallest:
                return Bisection(tuple(culprits), not rest, ask.runs)
    except _Spent:
        return Bisection(tuple(culprits), False, ask.runs)
    return Bisection(tuple(culprits), True, ask.runs)


def _narrowed(ids: tuple[int, ...], ask: _Asking) -> tuple[tuple[int, ...], bool]:
    """A small set that makes a difference, from one that does; and whether none of it can be left out."""
    try:
        parts = 2
        while len(ids) > 1:
            chunks = _chunks(ids, parts)
            smaller = next((chunk for chunk in chunks if ask(chunk)), None)
            if smaller is not None:
                ids, parts = smaller, 2
                continue
            if parts > 2:
                without = (tuple(item for item in ids if item not in chunk) for chunk in chunks)
                smaller = next((others for others in without if ask(others)), None)
                if smaller is not None:
                    ids, parts = smaller, max(parts - 1, 2)
                    continue
            if parts >= len(ids):
                return ids, True
            parts = min(2 * parts, len(ids))
    except _Spent:
        return ids, False
    return ids, True


def _chunks(ids: tuple[int, ...], parts: int) -> list[tuple[int, ...]]:
    """As many parts of (nearly) one size, in order."""
    bounds = [len(ids) * part // parts for part in range(parts + 1)]
    return [ids[start:end] for start, end in pairwise(bounds)]
