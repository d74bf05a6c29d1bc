from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.engine.edits import Change, EditError, Occupied, apply_edits, choose
from h2dlint.model import Edit, Span
from h2dlint.syntax.source import SourceText
from tests.engine.fakes import EVERYTHING, RULES


def edit(line: int, column: int, end_line: int, end_column: int, content: str) -> Edit:
    return Edit(Span(line, column, end_line, end_column), content)


def applied(text: str, *edits: Edit) -> str:
    return apply_edits(SourceText(text), edits)


def test_replace_insert_delete() -> None:
    text = "a = 1\nb = 2\nc = 3\n"
    assert applied(text) == text
    assert applied(text, edit(2, 5, 2, 6, "20")) == "a = 1\nb = 20\nc = 3\n"
    assert applied(text, edit(1, 1, 1, 1, "x\n")) == "x\na = 1\nb = 2\nc = 3\n"
    assert applied(text, edit(2, 1, 3, 1, "")) == "a = 1\nc = 3\n"
    assert applied(text, edit(4, 1, 4, 1, "d\n")) == text + "d\n"
    assert applied(text, edit(1, 6, 2, 6, "!")) == "a = 1!\nc = 3\n"


def test_order_given_does_not_matter() -> None:
    edits = [edit(1, 1, 1, 2, "x"), edit(1, 5, 1, 6, "y"), edit(2, 1, 2, 1, "z")]
    assert applied("a = 1\nb\n", *edits) == applied("a = 1\nb\n", *edits[::-1]) == "x = y\nzb\n"


def test_touching_replacements_are_no_overlap() -> None:
    assert applied("abcd", edit(1, 1, 1, 3, "1"), edit(1, 3, 1, 5, "2")) == "12"


def test_identical_edits_are_one() -> None:
    same = edit(1, 1, 1, 1, "import x\n")
    assert applied("a\n", same, same) == "import x\na\n"


def test_different_insertions_at_one_place_keep_their_order() -> None:
    assert applied("a\n", edit(1, 1, 1, 1, "2"), edit(1, 1, 1, 1, "1")) == "21a\n"


def test_columns_are_code_points() -> None:
    assert applied("'\xe4\U0001f600' + a", edit(1, 8, 1, 9, "b")) == "'\xe4\U0001f600' + b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\r\n", "a\r\nx\r\ny\r\nb\r\n"),
        ("a\nb\n", "a\nx\ny\nb\n"),
        ("a\rb\r", "a\rx\ry\rb\r"),
        ("a\r\nb\n", "a\r\nx\r\ny\r\nb\n"),
    ],
)
def test_newlines_become_those_of_the_file(text: str, expected: str) -> None:
    assert applied(text, edit(2, 1, 2, 1, "x\ny\n")) == expected


def test_newlines_of_the_file_are_not_doubled() -> None:
    assert applied("a\r\nb\r\n", edit(2, 1, 2, 2, "x\r\ny")) == "a\r\nx\r\ny\r\n"


def test_form_feeds_and_separators_are_no_line_ends() -> None:
    assert applied("a\x0cb\x0b\u2028c\nd", edit(2, 1, 2, 2, "e")) == "a\x0cb\x0b\u2028c\ne"


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([edit(1, 1, 1, 3, ""), edit(1, 2, 1, 4, "")], "two edits overlap at line 1"),
        ([edit(2, 1, 2, 4, ""), edit(2, 2, 2, 2, "x")], "two edits overlap at line 2"),
        ([edit(3, 1, 3, 1, "")], "outside the text: 3:1 to 3:1"),
        ([edit(1, 5, 1, 7, "")], "outside the text: 1:5 to 1:7"),
        ([edit(0, 1, 1, 1, "")], "outside the text"),
        ([edit(1, 0, 1, 1, "")], "outside the text"),
        ([edit(1, 3, 1, 2, "")], "ends before it starts: 1:3 to 1:2"),
    ],
)
def test_bad_edits_are_refused(edits: list[Edit], message: str) -> None:
    with pytest.raises(EditError, match=message):
        applied("abcd\nefgh", *edits)


# Choosing.


def admitted(*fixes: list[Change]) -> list[bool]:
    occupied = Occupied()
    return [occupied.admit(changes) for changes in fixes]


PAIRS = [
    (Change(0, 2, "x"), Change(3, 5, "y"), True),
    (Change(0, 2, "x"), Change(2, 4, "y"), True),
    (Change(0, 3, "x"), Change(2, 4, "y"), False),
    (Change(0, 9, "x"), Change(2, 4, "y"), False),
    (Change(2, 4, "x"), Change(0, 9, "y"), False),
    (Change(2, 4, "x"), Change(2, 4, "y"), False),
    (Change(2, 4, "x"), Change(2, 4, "x"), True),
    (Change(2, 2, "x"), Change(2, 2, "y"), False),
    (Change(2, 2, "x"), Change(2, 2, "x"), True),
    (Change(2, 4, "x"), Change(4, 4, "y"), False),
    (Change(2, 4, "x"), Change(2, 2, "y"), False),
    (Change(2, 4, "x"), Change(3, 3, "y"), False),
    (Change(4, 4, "x"), Change(2, 4, "y"), False),
    (Change(2, 4, "x"), Change(5, 5, "y"), True),
    (Change(2, 4, "x"), Change(1, 1, "y"), True),
]


@pytest.mark.parametrize(("first", "second", "expected"), PAIRS)
def test_two_fixes(first: Change, second: Change, expected: bool) -> None:
    assert admitted([first], [second]) == [True, expected]


def test_a_fix_is_taken_whole_or_not_at_all() -> None:
    assert admitted([Change(5, 6, "x")], [Change(0, 1, "y"), Change(5, 6, "z")], [Change(0, 1, "w")]) == [
        True,
        False,
        True,
    ]


def test_edits_of_one_fix_may_touch() -> None:
    assert admitted([Change(3, 3, "("), Change(3, 8, "x"), Change(8, 8, ")")], [Change(8, 9, "y")]) == [
        True,
        False,
    ]


changes = st.builds(
    lambda start, length, content: Change(start, start + length, content),
    st.integers(0, 12),
    st.integers(0, 4),
    st.sampled_from("xy"),
)


@given(st.lists(changes, max_size=12))
def test_admission_agrees_with_comparing_all_pairs(candidates: list[Change]) -> None:
    occupied = Occupied()
    taken: list[Change] = []
    for change in candidates:
        inserts = change.start == change.end

        def collides(other: Change, change: Change = change, inserts: bool = inserts) -> bool:
            if other == change:
                return False
            if inserts or other.start == other.end:
                return other.start <= change.end and change.start <= other.end
            return other.start < change.end and change.start < other.end

        expected = change in taken or not any(collides(other) for other in taken)
        assert occupied.admit([change]) is expected
        if expected:
            taken.append(change)


def test_choose_takes_the_first_of_overlapping_fixes() -> None:
    source = SourceText("f(blocks(2))\nblocks(blocks(1))\nbare(1)\nbare(2)\noutside(1)\n")
    found = RULES.check_module(source, "x.py", RULES.all_rules(), EVERYTHING.options)
    chosen, faulty = choose(source, found[::-1])
    assert [(finding.code, finding.span.line, finding.span.column) for finding in chosen] == [
        ("HTD302", 3, 1),
        ("HTD302", 4, 1),
        ("HTD101", 1, 3),
        ("HTD101", 2, 1),
    ]
    assert [(finding.span.line, str(error)) for finding, error in faulty] == [
        (5, "an edit lies outside the text: 5:900 to 5:901")
    ]
