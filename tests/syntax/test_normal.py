"""Statements without what a formatter may change."""

from __future__ import annotations

import ast
import io
import tokenize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2dlint.syntax.normal import normal, shortened, squeezed


@pytest.mark.parametrize(
    "other",
    [
        "x=torch.tensor([1,2],device='cuda')",
        "x = torch.tensor(\n    [1, 2],  # why\n    device='cuda',\n)",
        'x = torch.tensor([1, 2,], \\\n   device = "cuda")  # noqa: HTD101',
        "\tx\t=\ttorch.tensor([\r\n1, 2],\r\ndevice='cuda')",
    ],
)
def test_layout_comments_and_quotes_do_not_matter(other: str) -> None:
    assert normal('x = torch.tensor([1, 2], device="cuda")') == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 'a b'", "x = 'a  b'"),
        ("x = 'a'", "x = b'a'"),
        ("x = a if b else c", "x = aifb else c"),
        ("x = '# a'", "x = ''  # a"),
        ("x = f('a', 'b')", "x = f('a' 'b')"),
        ("x = 'it\"s'", 'x = "it\'s"'),
        ("return x", "returnx"),
        ("x = 1_0", "x = 1 _0"),
    ],
)
def test_the_rest_does(one: str, other: str) -> None:
    assert normal(one) != normal(other)


def test_strings_over_lines_are_kept() -> None:
    assert normal('x = """a\n  # b\n"""  # c') == 'x="""a\n  # b\n"""'


@settings(deadline=None)
@given(st.text())
def test_any_text_has_a_normal_form_which_is_its_own(text: str) -> None:
    assert isinstance(normal(text), str)


@settings(deadline=None)
@given(
    st.sampled_from(["x = f(a, 'b', c=[1, 2])", "if a or b: y = {'k': (1, 2)}", "z = lambda q: q @ w"]),
    st.data(),
)
def test_blanks_between_tokens_change_nothing(code: str, data: st.DataObject) -> None:
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(code).readline) if t.string.strip()]
    spread = ""
    for token in tokens:
        spread += token.string + data.draw(st.sampled_from([" ", "  ", "\t", " \\\n "]))
    assert ast.dump(ast.parse(spread.rstrip(" \\\n\t"))) == ast.dump(ast.parse(code))
    assert normal(spread) == normal(code)


def test_long_texts_are_told_apart_by_a_digest() -> None:
    one, other = "a" * 300 + "b", "a" * 300 + "c"
    assert len(shortened(one)) == 200
    assert shortened(one) != shortened(other)
    assert shortened("short") == "short"


def test_parentheses_that_a_formatter_adds() -> None:
    long = " + ".join(f"f(a{n}, b)" for n in range(40))
    for text in ("torch.tensor(a, d)", long):
        one, other = (shortened(normal(each)) for each in (f"return {text}", f"return (\n    {text}\n)"))
        assert squeezed(one) == squeezed(other)
        assert squeezed(normal("if f(a, d):")) == squeezed(normal("if f(\n    a, d"))
        assert squeezed(one) != squeezed(shortened(normal(f"return a{text}")))
