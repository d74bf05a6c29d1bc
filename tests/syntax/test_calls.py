"""Changing calls: what is written, which comments stay, and when the change is refused."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.model import Edit, Span
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite
from h2dlint.syntax.source import SourceText


def call(text: str) -> cst.Call:
    node = cst.parse_expression(text)
    assert isinstance(node, cst.Call)
    return node


def code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def name(text: str) -> cst.Arg:
    return cst.Arg(cst.Name(text))


@pytest.mark.parametrize(
    "text", ["f()", "f( )", "f(a)", "f(a, b)", "f(a, b,)", "f(\n    a,\n    b,\n)", "f(a,  # x\n  b)"]
)
def test_calls_render_as_they_were(text: str) -> None:
    assert code(call(text)) == text


REMOVED = [
    ("f(a)", 0, "f()"),
    ("f( a )", 0, "f()"),
    ("f(a, b)", 0, "f(b)"),
    ("f(a, b)", 1, "f(a)"),
    ("f(a, b, c)", 1, "f(a, c)"),
    ("f(a, b,)", 1, "f(a,)"),
    ("f(a , b )", 1, "f(a )"),
    ("f(\n    a,\n    b,\n)", 1, "f(\n    a,\n)"),
    ("f(\n    a,\n    b\n)", 1, "f(\n    a\n)"),
    ("f(\n    a,\n    b,\n)", 0, "f(\n    b,\n)"),
    ("f(\n    a,  # x\n    b,\n)", 1, "f(\n    a,  # x\n)"),
    ("f(  # x\n    a, b)", 0, "f(  # x\n    b)"),
]


@pytest.mark.parametrize(("text", "index", "expected"), REMOVED)
def test_remove(text: str, index: int, expected: str) -> None:
    assert code(calls.remove(call(text), index)) == expected


@pytest.mark.parametrize(
    ("text", "index"), [("f(\n    a,  # x\n    b,\n)", 0), ("f(a,  # x\n  b)", 1), ("f(\n  a  # x\n)", 0)]
)
def test_remove_never_loses_a_comment(text: str, index: int) -> None:
    with pytest.raises(CannotRewrite):
        calls.remove(call(text), index)


APPENDED = [
    ("f()", "f(z)"),
    ("f(a)", "f(a, z)"),
    ("f( a )", "f( a, z )"),
    ("f(a,)", "f(a, z,)"),
    ("f(a, b)", "f(a, b, z)"),
    ("f(a,b)", "f(a,b,z)"),
    ("f(\n    a\n)", "f(\n    a, z\n)"),
    ("f(\n    a,\n)", "f(\n    a,\n    z,\n)"),
    ("f(\n    a,\n    b\n)", "f(\n    a,\n    b,\n    z\n)"),
    ("f(\n    a,\n    b,\n)", "f(\n    a,\n    b,\n    z,\n)"),
    ("f(a,\n  b)", "f(a,\n  b,\n  z)"),
    ("f(\n    a,  # x\n    b,  # y\n)", "f(\n    a,  # x\n    b,  # y\n    z,\n)"),
    ("f(\n    a,\n    b  # y\n)", "f(\n    a,\n    b,  # y\n    z\n)"),
    ("f(\n    a  # y\n)", "f(\n    a,  # y\n    z\n)"),
]


@pytest.mark.parametrize(("text", "expected"), APPENDED)
def test_append(text: str, expected: str) -> None:
    assert code(calls.append(call(text), name("z"))) == expected


@pytest.mark.parametrize("text", ["f(a  # x\n)", "f(\n    a,\n    # x\n)", "f(\n    a\n    # x\n)"])
def test_append_never_moves_a_comment(text: str) -> None:
    with pytest.raises(CannotRewrite):
        calls.append(call(text), name("z"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f(a, b)", "f(a, k=z)"),
        ("f(a, k=1)", "f(a, k=z)"),
        ("f(k=1, a=2)", "f(a=2, k=z)"),
        ("f(\n    k=1,  # x\n    a=2,\n)", "f(\n    k=z,  # x\n    a=2,\n)"),
    ],
)
def test_swap(text: str, expected: str) -> None:
    node = call(text)
    index = calls.find(node, "k")
    assert (
        code(calls.swap(node, 1 if index is None else index, calls.keyword("k", cst.Name("z")))) == expected
    )


def test_find_and_set_keyword() -> None:
    node = call("f(a, k=1, j=2)")
    assert [calls.find(node, key) for key in ("k", "j", "a")] == [1, 2, None]
    assert code(calls.set_keyword(node, "k", cst.Name("z"))) == "f(a, k=z, j=2)"
    assert code(calls.set_keyword(node, "n", cst.Name("z"))) == "f(a, k=1, j=2, n=z)"


def test_method_call_spaces_its_arguments() -> None:
    arguments = [cst.Arg(cst.Name("a")), calls.keyword("k", cst.Name("b"))]
    assert code(calls.method_call(cst.Name("x"), "m", arguments)) == "x.m(a, k=b)"
    assert code(calls.method_call(cst.Name("x"), "m")) == "x.m()"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b(1)", "a.m().b(1)"),
        ("a(1) .b(2)", "a(1) .m() .b(2)"),
        ("(a\n .b(1))", "(a\n .m()\n .b(1))"),
        ("(a  # x\n .b(1))", "(a  # x\n .m()\n .b(1))"),
        ("(a  # x\n # y\n .b(1))", "(a  # x\n .m()\n # y\n .b(1))"),
        ("(a. # x\n b(1))", None),
    ],
)
def test_chain(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(CannotRewrite):
            calls.chain(call(text), "m")
    else:
        assert code(calls.chain(call(text), "m")) == expected


def test_plain_refuses_comments() -> None:
    node = cst.Name("a")
    assert calls.plain(node) is node
    with pytest.raises(CannotRewrite):
        calls.plain(cst.parse_expression("(a  # x\n)"))


ARGUMENT = st.sampled_from(["a", "k=1", "*a", "(b\n )", "'#'"])
GAP = st.sampled_from(["", " ", "\n    ", "  # c\n    ", "\n    # d\n    "])


@given(st.lists(st.tuples(GAP, ARGUMENT, GAP), min_size=1, max_size=4), st.booleans(), GAP, st.integers(0, 3))
def test_no_change_loses_a_comment_or_breaks_the_syntax(
    parts: list[tuple[str, str, str]], trailing: bool, end: str, index: int
) -> None:
    text = "f(" + ",".join("".join(part) for part in parts) + ("," + end if trailing else "") + ")"
    try:
        node = call(text)
    except cst.ParserSyntaxError:
        return
    last = min(index, len(node.args) - 1)
    keyword = calls.keyword("z", cst.Name("z"))
    changes: list[Callable[[], cst.Call]] = [
        lambda: calls.append(node, keyword),
        lambda: calls.remove(node, last),
        lambda: calls.replace(node, last, keyword),
        lambda: calls.swap(node, last, keyword),
    ]
    for change in changes:
        try:
            changed = change()
        except (CannotRewrite, cst.CSTValidationError):
            # The latter where a keyword would come before a positional argument.
            continue
        new = code(changed)
        assert (new.count("# c"), new.count("# d")) == (text.count("# c"), text.count("# d"))
        again = cst.parse_expression(new)
        assert isinstance(again, cst.Call)
        assert len(again.args) == len(changed.args)


EDITS = [
    ("f(a, b)", "f(a, b)", None),
    ("f(abc)", "f(abd)", "abd"),
    ("torch.tensor(x)", "torch.full(x)", None),
    ("f(a)", "f(a).b()", ".b()"),
    ("a\r\nb", "a\nb", None),
]


@pytest.mark.parametrize(("old", "new", "content"), EDITS)
def test_minimal_edit_writes_the_new_text(old: str, new: str, content: str | None) -> None:
    source = SourceText(f"x = {old}  # é\n")
    span = Span(1, 5, *source.position(4 + len(old)))
    edit = calls.minimal_edit(source, span, new)
    if old == new:
        assert edit is None
        return
    assert edit is not None
    assert written(source, edit) == f"x = {new}  # é\n"
    assert content is None or edit.content == content


def written(source: SourceText, edit: Edit) -> str:
    start = source.offset(edit.span.line, edit.span.column)
    end = source.offset(edit.span.end_line, edit.span.end_column)
    return source.text[:start] + edit.content + source.text[end:]


WORDS = st.text(alphabet="ab.1 (\n,é", max_size=12)


@given(WORDS, WORDS, WORDS)
def test_minimal_edit_of_any_texts(before: str, old: str, new: str) -> None:
    source = SourceText(before + old + before)
    span = Span(*source.position(len(before)), *source.position(len(before + old)))
    edit = calls.minimal_edit(source, span, new)
    assert (source.text if edit is None else written(source, edit)) == before + new + before
    assert (edit is None) == (old == new)
