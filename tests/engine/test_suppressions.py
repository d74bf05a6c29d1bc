from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.engine.comments import read_comments
from h2dlint.engine.directives import POSSIBLE, Directive, Invalid, read_directives
from h2dlint.engine.results import Suppression
from h2dlint.engine.suppressions import apply_suppressions
from h2dlint.model import Finding
from h2dlint.syntax.source import SourceText
from tests.engine.fakes import EVERYTHING, NAMES, RULES

ALL = "all"
NONE = "none"


def read(comment: str) -> str:
    """The codes that the directives in a comment stand for, in brief."""
    by_name = {name: code for code, name in NAMES.items()}
    found = list(read_directives(comment, NAMES, by_name))
    parts = []
    for item in found:
        if isinstance(item, Invalid):
            parts.append("invalid")
        else:
            parts.append(" ".join(item.codes) or ALL)
    return "; ".join(parts) or NONE


NOQA = [
    # Each row was run through ruff 0.17 with its own codes.
    ("# noqa", ALL),
    ("#noqa", ALL),
    ("# NOQA", ALL),
    ("#   NoQa  ", ALL),
    ("# noqa:HTD101", "HTD101"),
    ("# noqa: HTD101", "HTD101"),
    ("# noqa : HTD101", "HTD101"),
    ("# NOQA: HTD101", "HTD101"),
    ("# noqa:HTD101,E501", "HTD101"),
    ("# noqa: E501,HTD101", "HTD101"),
    ("# noqa: E501, HTD101", "HTD101"),
    ("# noqa: E501 HTD101", "HTD101"),
    ("# noqa: HTD101,HTD102", "HTD101 HTD102"),
    ("# noqa:HTD101 HTD102", "HTD101 HTD102"),
    ("# noqa: E501  ,  HTD101", "HTD101"),
    ("# noqa: E501,,HTD101", "HTD101"),
    ("# noqa: E501HTD101", "HTD101"),
    ("# noqa: E501\tHTD101", "HTD101"),
    ("# noqa:,HTD101", "HTD101"),
    ("# noqa: ,HTD101", "HTD101"),
    ("# noqa: H2D101,HTD101", "HTD101"),
    ("# noqa: htd101", "invalid"),
    ("# noqa: E501", NONE),
    ("# noqa:", NONE),
    ("# noqa: some text", NONE),
    ("# noqa some text", ALL),
    ("# noqa HTD101", ALL),
    ("# noqa - because", ALL),
    ("# noqa(HTD101)", "invalid"),
    ("# noqaHTD101", "invalid"),
    ("# noqa_x", NONE),
    ("# noqa1", NONE),
    ("# noqa# more", ALL),
    ("# noqa: HTD101 because it is", "HTD101"),
    ("# noqa: HTD101: because", "invalid"),
    ("# noqa: HTD101; because", "invalid"),
    ("# noqa: HTD101(because)", "invalid"),
    ("# noqa: E501; because", NONE),
    ("# noqa: E501 because HTD101", NONE),
    ("# noqa: E501 (HTD101)", NONE),
    ("# noqa: E501 # noqa: HTD101", NONE),
    ("# noqa: HTD101# more", "HTD101"),
    ("# foo # noqa: HTD101", "HTD101"),
    ("# foo #noqa", ALL),
    ("# foo noqa", NONE),
    ("# foo noqa: HTD101", NONE),
    ("# foo noqa # noqa: HTD101", "HTD101"),
    ("## noqa", ALL),
    ("# # noqa", ALL),
    ("# noqa: HTD1", "HTD1"),  # Read, but no finding has this code: a prefix silences nothing.
    ("# noqa: HTD", "invalid"),
    ("# noqa: HTD101a", "invalid"),
    ("# noqa; HTD101", "invalid"),
    ("# noqa: [HTD101]", "invalid"),
    ("# noqa: E501-HTD101", "invalid"),
    ("# type: ignore # noqa: HTD101", "HTD101"),
    ("# type: ignore  noqa: HTD101", NONE),
    ("# noqa\uff1aHTD101", "invalid"),
    ("# noqa\u00a0HTD101", ALL),
    # File level.
    ("# flake8: noqa", ALL),
    ("# flake8:noqa", ALL),
    ("# flake8: noqa: HTD101", "HTD101"),
    ("# flake8: noqa: E501", NONE),
    ("# h2dlint: noqa", ALL),
    ("#h2dlint:noqa:HTD101", "HTD101"),
    ("# h2dlint: noqa: HTD101, HTD102 reason", "HTD101 HTD102"),
    ("# h2dlint: noqa because", ALL),
    # Another tool's.
    ("# ruff: noqa", NONE),
    ("# ruff: noqa: HTD101", NONE),
]

OWN = [
    ("# h2dlint: ignore", ALL),
    ("#h2dlint:ignore", ALL),
    ("# h2dlint: ignore because", ALL),
    ("# h2dlint: ignore: because", ALL),
    ("# H2DLINT: Ignore", ALL),
    ("# h2dlint: ignore[HTD101]", "HTD101"),
    ("# h2dlint: ignore [HTD101]", "HTD101"),
    ("# h2dlint: ignore[HTD101, HTD102] reason", "HTD101 HTD102"),
    ("# h2dlint: ignore[HTD101 HTD102]", "HTD101 HTD102"),
    ("# h2dlint: ignore[ HTD101,HTD102, ]", "HTD101 HTD102"),
    ("# h2dlint: ignore[htd101]", "HTD101"),
    ("# h2dlint: ignore[calls-perhaps]", "HTD102"),
    ("# h2dlint: ignore[HTD999]", "invalid"),
    ("# h2dlint: ignore[HTD999, HTD101]", "invalid; HTD101"),
    ("# h2dlint: ignore[]", "invalid"),
    ("# h2dlint: ignore[HTD101", "invalid"),
    ("# h2dlint: ignored", "invalid"),
    ("# h2dlint: ignore_file", "invalid"),
    ("# h2dlint: disable", "invalid"),
    ("# h2dlint:", "invalid"),
    ("# h2dlint: ignore-file", ALL),
    ("# h2dlint: ignore-file reason", ALL),
    ("# h2dlint: ignore-file[HTD101] reason", "HTD101"),
    ("# h2dlint is a linter", NONE),
    ("# see h2dlint: ignore", NONE),
    ("# type: ignore # h2dlint: ignore[HTD101]", "HTD101"),
    ("# noqa: E501 # h2dlint: ignore[HTD101]", "HTD101"),
    ("# noqa: HTD101 # h2dlint: ignore[HTD102]", "HTD101; HTD102"),
    ("# gpu-sync-ok: the loop is over", ALL),
    ("# gpu-sync-ok:", ALL),
    ("# gpu-sync-ok", ALL),
    ("#gpu-sync-ok reason", ALL),
    ("# GPU-sync-OK: reason", ALL),
    ("# noqa: E501  # gpu-sync-ok: reason", ALL),
    ("# gpu-sync-okay", NONE),
    ("# not gpu-sync-ok: reason", NONE),
    ("# nothing", NONE),
]


@pytest.mark.parametrize(("comment", "expected"), NOQA + OWN)
def test_grammar(comment: str, expected: str) -> None:
    assert read(comment) == expected


@pytest.mark.parametrize("comment", [comment for comment, expected in NOQA + OWN if expected != NONE])
def test_bytes_test_lets_every_directive_through(comment: str) -> None:
    assert POSSIBLE.search(comment.encode())


@given(st.text(alphabet="#:[], \tnoqaHTD101h2dlint-ignoreflake8gpu-sync-ok\u00e4"), st.text())
def test_any_comment_can_be_read(text: str, more: str) -> None:
    for comment in (f"#{text}", f"# noqa{text}{more}", f"# h2dlint: ignore{text}{more}"):
        for directive in read_directives(comment, NAMES, {}):
            if isinstance(directive, Directive):
                assert directive.text in comment
                assert POSSIBLE.search(comment.encode("utf-8", "replace"))
                assert all(code in comment.upper() for code in directive.codes)


def test_directive_text_is_what_stands_in_the_file() -> None:
    found = read_directives("# x # noqa: E501, HTD101 why # gpu-sync-ok: y", NAMES, {})
    assert [item.text for item in found if isinstance(item, Directive)] == [
        "# noqa: E501, HTD101",
        "# gpu-sync-ok: y",
    ]


# Where comments count.


def findings(text: str) -> list[Finding]:
    return RULES.check_module(SourceText(text), "x.py", RULES.all_rules(), EVERYTHING.options)


def kept(text: str) -> list[str]:
    verdict = apply_suppressions(SourceText(text), "x.py", findings(text), NAMES)
    assert len(verdict.kept) + len(verdict.suppressed) == len(findings(text))
    return [f"{finding.span.line}:{finding.code}" for finding in verdict.kept]


PLACES = [
    ("blocks(1)  # noqa\nblocks(2)\n", ["2:HTD101"]),
    ("blocks(perhaps(1))  # noqa: HTD101\n", ["1:HTD102"]),
    ("x = 1  # noqa\nblocks(2)\n", ["2:HTD101"]),
    # Any line of the statement.
    ("y = f(\n    blocks(1),\n    2,  # noqa\n)\n", []),
    ("y = f(\n    blocks(1),\n)  # noqa: HTD101\n", []),
    ("y = f(  # noqa: HTD101\n    blocks(1),\n)\n", []),
    ("y = f(\n    # noqa\n    blocks(1),\n)\n", []),
    ("y = 1 + \\\n    blocks(1)  # noqa\n", []),
    ("a = 1; blocks(1)  # noqa\n", []),
    # Alone above the statement: ours, not noqa.
    ("# noqa\nblocks(1)\n", ["2:HTD101"]),
    ("# h2dlint: ignore\nblocks(1)\n", []),
    ("# h2dlint: ignore[HTD102]\nblocks(perhaps(1))\n", ["2:HTD101"]),
    ("# gpu-sync-ok: reason\nblocks(1)\n", []),
    ("def f():\n    # gpu-sync-ok: reason\n    y = g(\n        blocks(1),\n    )\n", []),
    ("# gpu-sync-ok: a reason that\n# takes two lines\nblocks(1)\n", []),
    ("# h2dlint: ignore[HTD101]\n# h2dlint: ignore[HTD102]\nblocks(perhaps(1))\n", []),
    ("# gpu-sync-ok: reason\n\nblocks(1)\n", ["3:HTD101"]),
    ("# gpu-sync-ok: reason\nblocks(1)\nblocks(2)\n", ["3:HTD101"]),
    ("x = 1  # gpu-sync-ok: reason\nblocks(1)\n", ["2:HTD101"]),
    ("blocks(1)\n# gpu-sync-ok: reason\n", ["1:HTD101"]),
    # The whole file.
    ("blocks(1)\nperhaps(2)\n# h2dlint: noqa\n", []),
    ("# h2dlint: noqa: HTD101\nblocks(1)\nperhaps(2)\n", ["3:HTD102"]),
    ("# flake8: noqa\nblocks(1)\n", []),
    ("# h2dlint: ignore-file\nblocks(1)\nperhaps(2)\n", []),
    ("# h2dlint: ignore-file[HTD102] reason\nblocks(1)\nperhaps(2)\n", ["2:HTD101"]),
    ("def f():\n    # h2dlint: ignore-file\n    blocks(1)\n", []),
    ("x = 1  # h2dlint: noqa\nblocks(1)\n", ["2:HTD101"]),
    ("blocks(1)  # h2dlint: ignore-file\n", ["1:HTD101"]),
    ("blocks(1)  # flake8: noqa\n", ["1:HTD101"]),
    # Strings are no comments.
    ("blocks('# noqa')\n", ["1:HTD101"]),
    ('"""\n# h2dlint: noqa\n"""\nblocks(1)\n', ["4:HTD101"]),
    ('x = """\n# gpu-sync-ok: no\n"""; blocks(1)\n', ["3:HTD101"]),
    ("blocks('#')  # noqa\n", []),
    # Line ends and odd blanks.
    ("blocks(1)  # noqa\r\nblocks(2)\r\n", ["2:HTD101"]),
    ("x = 1\r# gpu-sync-ok\rblocks(1)\rblocks(2)\r", ["4:HTD101"]),
    ("x = 1\n\x0cblocks(1)  # noqa\n\x0c# gpu-sync-ok\nblocks(2)\nblocks(3)\n", ["5:HTD101"]),
    ("x = '\u2028'\nblocks(1)  # noqa\n", []),
    ("x = 1  # \x0b noqa\nblocks(1)  # noqa", []),
]


@pytest.mark.parametrize(("text", "expected"), PLACES)
def test_places(text: str, expected: list[str]) -> None:
    assert kept(text) == expected


def test_span_counts_where_there_is_no_statement() -> None:
    text = "y = f(  # noqa\n    blocks(1),\n    perhaps(2),  # noqa\n)\n"
    bare = [dataclasses.replace(finding, statement=(0, 0)) for finding in findings(text)]
    verdict = apply_suppressions(SourceText(text), "x.py", bare, NAMES)
    assert [finding.code for finding in verdict.kept] == ["HTD101"]


def test_which_comments_were_used() -> None:
    text = (
        "# h2dlint: ignore-file[HTD201, HTD101]\n"
        "blocks(1)  # noqa\n"
        "x = 1  # noqa: HTD101\n"
        "perhaps(1)  # h2dlint: ignore[HTD101, HTD102]\n"
        "x = 2  # noqa: E501\n"
    )
    verdict = apply_suppressions(SourceText(text), "x.py", findings(text), NAMES)
    assert verdict.kept == ()
    assert verdict.suppressions == (
        Suppression(1, "# h2dlint: ignore-file[HTD201, HTD101]", ("HTD201", "HTD101"), True, ("HTD101",)),
        Suppression(2, "# noqa", (), True),
        Suppression(3, "# noqa: HTD101", ("HTD101",)),
        Suppression(4, "# h2dlint: ignore[HTD101, HTD102]", ("HTD101", "HTD102"), True, ("HTD102",)),
    )


def test_notes_say_what_is_wrong() -> None:
    text = (
        "# noqa: htd101\n"
        "# h2dlint: ignore[HTD999]\n"
        "# h2dlint: disable\n"
        "x = 1  # h2dlint: ignore-file\n"
        "x = 2  # flake8: noqa\n"
        "# noqa: nonsense of others\n"
    )
    verdict = apply_suppressions(SourceText(text), "x.py", [], NAMES)
    assert [(note.path, note.line) for note in verdict.notes] == [("x.py", n) for n in (1, 2, 3, 4)]
    assert [note.message for note in verdict.notes] == [
        "suppression ignored: expected rule codes, such as HTD101, after the colon",
        'suppression ignored: unknown rule "HTD999"',
        'suppression ignored: unknown directive "disable"; there are ignore, ignore-file and noqa',
        'suppression ignored: "# h2dlint: ignore-file" must be on a line of its own',
    ]


def test_comments_before_a_broken_place_count() -> None:
    comments, complete = read_comments("x = 1  # one\ny = (\n# two\n")
    assert [comment.text for comment in comments] == ["# one", "# two"]
    assert not complete


def test_comment_alone() -> None:
    comments, complete = read_comments("# a\n  # b\nx = 1 # c \nf(\n\t# d\n)\n")
    assert [(c.line, c.text, c.alone) for c in comments] == [
        (1, "# a", True),
        (2, "# b", True),
        (3, "# c", False),
        (5, "# d", True),
    ]
    assert complete
