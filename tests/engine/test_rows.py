"""What the cache knows of each file is decoded when a file is asked for, and written again as it was."""

from __future__ import annotations

import pytest

from h2dlint.engine.rows import Rows

A = [[1, 2, 3, 4], "a", "scan", 5, None]
B = [[6, 7, 8, 9], "b", None, 10, "seen"]
SECTION = b'[[1,2,3,4],"a","scan",5,null]\n[[6,7,8,9],"b",null,10,"seen"]'


def test_there_and_back() -> None:
    rows = Rows()
    assert (list(rows), rows.section) == ([], b"")
    rows["a.py"] = A
    rows["b.py"] = B
    assert rows.section == SECTION
    again = Rows.read(list(rows), SECTION)
    assert (again.get("b.py"), again["a.py"], again.get("c.py")) == (B, A, None)
    # A new row takes the place of the old one: numbers of files go by their order.
    again["a.py"] = B
    assert list(again) == ["a.py", "b.py"]
    assert again.section == b"\n".join([SECTION.split(b"\n")[1]] * 2)
    assert list(Rows.read([], b"")) == []


def test_what_is_not_asked_for_is_not_decoded() -> None:
    rows = Rows.read(["a.py", "b.py"], b"nonsense\n" + SECTION.split(b"\n")[1])
    assert rows["b.py"] == B
    assert rows.section.startswith(b"nonsense\n")
    for unreadable in (b"nonsense", b"", b"{}", b"[1, 2]", b"[" * 100_000):
        rows = Rows(["a.py"], [unreadable])
        assert rows.get("a.py") is None
        with pytest.raises(KeyError):
            rows["a.py"]


def test_some_are_left() -> None:
    rows = Rows.read(["a.py", "b.py"], SECTION)
    rows["c.py"] = A
    left = rows.only(["c.py", "b.py"])
    assert (list(left), left["c.py"], left["b.py"], left.get("a.py")) == (["c.py", "b.py"], A, B, None)


@pytest.mark.parametrize("section", [b"", SECTION + b"\n", SECTION.partition(b"\n")[0]])
def test_parts_that_do_not_fit(section: bytes) -> None:
    with pytest.raises(ValueError):
        Rows.read(["a.py", "b.py"], section)
