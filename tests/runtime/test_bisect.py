"""The search for fixes at fault, over random sets of culprits."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.runtime.bisect import MAX_CULPRITS, Bisection, Culprit, bisect

Sets = list[frozenset[int]]


def search(count: int, culprits: Sets, max_runs: int = 10_000) -> tuple[Bisection, list[tuple[int, ...]]]:
    """A search where each of some sets makes a difference once all of it is applied; and what was asked."""
    asked: list[tuple[int, ...]] = []

    def differs(ids: tuple[int, ...]) -> bool:
        asked.append(ids)
        return any(culprit <= set(ids) for culprit in culprits)

    return bisect(range(count), differs, max_runs), asked


@given(st.integers(1, 200).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))))
def test_one_culprit_is_found_in_few_runs(case: tuple[int, int]) -> None:
    count, culprit = case
    found, asked = search(count, [frozenset([culprit])])
    assert found.culprits == (Culprit((culprit,), smallest=True),)
    assert found.complete
    # Two halves at each step, and the rest without it.
    assert found.runs == len(asked) <= 2 * math.ceil(math.log2(count)) + 1
    if count > 1:
        assert (culprit,) in asked, "it was tried alone"


@st.composite
def several(draw: st.DrawFn) -> tuple[int, Sets]:
    count = draw(st.integers(1, 24))
    groups = st.frozensets(st.integers(0, count - 1), min_size=1, max_size=4)
    return count, draw(st.lists(groups, min_size=1, max_size=4))


@given(several())
def test_what_is_found_makes_a_difference_and_nothing_can_be_left_out(case: tuple[int, Sets]) -> None:
    count, culprits = case
    found, asked = search(count, culprits)
    assert found.culprits
    taken: set[int] = set()
    for culprit in found.culprits:
        ids = set(culprit.ids)
        assert any(group <= ids for group in culprits)
        assert culprit.smallest
        for size in range(len(ids)):
            assert not any(group <= set(less) for less in combinations(ids, size) for group in culprits)
        assert taken.isdisjoint(ids)
        taken |= ids
    rest = set(range(count)) - taken
    assert found.complete == (not any(group <= rest for group in culprits))
    assert found.complete or len(found.culprits) == MAX_CULPRITS
    assert len(asked) == len(set(asked)) == found.runs, "nothing is asked twice"


@given(several(), st.integers(0, 12))
def test_runs_are_bounded_and_what_was_found_by_then_is_true(case: tuple[int, Sets], max_runs: int) -> None:
    count, culprits = case
    found, asked = search(count, culprits, max_runs)
    assert len(asked) == found.runs <= max_runs
    for culprit in found.culprits:
        assert any(group <= set(culprit.ids) for group in culprits)
    if found.complete:
        rest = set(range(count)).difference(*(culprit.ids for culprit in found.culprits))
        assert not any(group <= rest for group in culprits)


@given(st.integers(2, 12), st.randoms(use_true_random=False))
def test_answers_that_follow_no_rule_do_not_mislead(count: int, random: object) -> None:
    """A fix may undo what another one does, and a race comes and goes: the search ends, and blames what it saw."""
    answers: dict[tuple[int, ...], bool] = {}

    def differs(ids: tuple[int, ...]) -> bool:
        return answers.setdefault(ids, random.random() < 0.4)  # type: ignore[attr-defined]

    everything = tuple(range(count))
    found = bisect(everything, differs)
    assert found.culprits or answers[everything] is False
    for culprit in found.culprits:
        assert answers[culprit.ids]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_does_not_happen_again_is_no_fault_of_a_fix(count: int) -> None:
    """A race that showed in the run with all fixes, and in none after it."""
    found = bisect(tuple(range(count)), lambda ids: False)
    assert (found.culprits, found.complete) == ((), False)
    assert found.runs >= 1


@pytest.mark.parametrize("culprits", [[{3}, {11}], [{3, 11}], [{0, 5, 9}, {2}]])
def test_examples(culprits: list[set[int]]) -> None:
    found, _ = search(16, [frozenset(group) for group in culprits])
    assert {frozenset(culprit.ids) for culprit in found.culprits} == {frozenset(group) for group in culprits}
    assert found.complete


def test_a_search_without_runs_says_so() -> None:
    found, asked = search(8, [frozenset([3])], max_runs=0)
    assert asked == []
    assert found == Bisection((Culprit(tuple(range(8)), smallest=False),), True, 0)
