"""Positions of LibCST nodes in the file, against those of ``ast``."""

from __future__ import annotations

import ast

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2dlint.model import Span
from h2dlint.syntax.snippets import Snippet, snippet_node
from h2dlint.syntax.source import SourceText


class Calls(cst.CSTVisitor):
    """Every call with its position."""

    def __init__(self, snippet: Snippet) -> None:
        super().__init__()
        self.snippet = snippet
        self.found: dict[Span, str] = {}

    def visit_Call(self, node: cst.Call) -> None:
        span = self.snippet.position(node)
        assert span is not None
        self.found[span] = self.snippet.render(node.with_changes(lpar=(), rpar=()))


def check(text: str) -> int:
    """Every call that ``ast`` sees is found at the same place with the same text; returns how many there were."""
    source = SourceText(text)
    number = 0
    for statement in ast.walk(ast.parse(text)):
        if not isinstance(statement, ast.stmt) or isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            continue
        for inner in own_calls(statement):
            node = snippet_node(statement, inner)
            assert node is not None
            snippet = Snippet(source, node)
            visitor = Calls(snippet)
            snippet.tree.visit(visitor)
            span = source.span(inner)
            assert span in visitor.found, f"{source.slice(span)} at {span} not in {list(visitor.found)}"
            assert visitor.found[span] == source.slice(span)
            number += 1
    return number


def own_calls(statement: ast.stmt) -> list[ast.Call]:
    """Calls of a statement that belong to no statement inside it."""
    found: list[ast.Call] = []
    stack: list[ast.AST] = [statement]
    while stack:
        for child in ast.iter_child_nodes(stack.pop()):
            if isinstance(child, ast.stmt):
                continue
            if isinstance(child, ast.Call):
                found.append(child)
            stack.append(child)
    return found


CORPUS = {
    "f(x)": 1,
    "y = f(g(h(1)), 2)": 3,
    "y = (f)(x)": 1,
    "y = (f(x))": 1,
    "y = ((f(x)).g(1))": 2,
    "y = (\n  f(\n    x,\n  )  # why\n  .g()\n)": 2,
    "y = f(x)[g(1)].h(2)": 3,
    "y = f \\\n  (x)": 1,
    "x = f(1); y = g(2); z = h(3)": 3,
    "é = f('ß', g('日本'), '\N{GRINNING FACE}', h(1))": 3,
    "if f(x): g(y)": 2,
    "if f(x):\n    y = g(1)\nelif h(2):\n    pass\nelse:\n    k(3)": 4,
    "for a in f(x):\n    g(a)": 2,
    "while f(x) and (g(y)):\n    pass": 2,
    "with f(x) as a, g(y) as b:\n    h(a)": 3,
    "with (\n    f(x) as a,\n    g(y) as b,\n):\n    h(a)": 3,
    "try:\n    f(1)\nexcept g(2) as e:\n    h(3)\nfinally:\n    k(4)": 4,
    "@deco(1)\ndef f(a=g(2)):\n    return h(3)": 1,
    "class A:\n    x = f(1)\n    def g(self):\n        return h(2)": 2,
    "return_ = lambda a, b=f(1): g(a)": 2,
    "y = [f(i) for i in g(x) if h(i)]": 3,
    "y = {f(k): g(v) for k, v in h(x)}": 3,
    "y = f(*g(x), **h(y), k=j(1))": 4,
    "y = f'{g(x)!r:>{h(y)}}'": 2,
    "y = f'{g(x)}' 'b' f'{h(1)}'": 2,
    "y = '''a\nb''', f(x)": 1,
    "y = f(x) if g(x) else h(x)": 3,
    "y: int = f(x)": 1,
    "y += f(x)": 1,
    "del f(x)[0]": 1,
    "assert f(x), g(x)": 2,
    "raise f(x) from g(y)": 2,
    "async def f():\n    await g(x)\n    async with h(1) as a:\n        pass\n    return [i async for i in k(2)]": 3,
    "def f():\n    yield g(x)\n    y = yield from h(x)": 2,
    "match f(x):\n    case [a, *b] if g(a):\n        h(b)": 3,
    "global_ = not f(x)": 1,
    "if (n := f(x)) > g(1): pass": 2,
    "y = f(x)  # f(x)": 1,
    "y = f(\tx\t)": 1,
    "if a:\n\ty = f(\n\t\tx,\n\t)": 1,
    "if a:\r\n    y = f(\r\n        x,  # é\r\n    )\r\n": 1,
    "x = 1\f\ny = f(2)": 1,
    "print(f(1), end='')": 2,
}


@pytest.mark.parametrize(("text", "number"), CORPUS.items())
def test_calls_are_found_where_they_stand(text: str, number: int) -> None:
    assert check(text) == number
    if "'''" not in text:
        assert check("def outer():\n    " + text.replace("\n", "\n    ")) == number


names = st.sampled_from(["a", "ß", "x1"])
expressions = st.recursive(
    st.one_of(names, st.sampled_from(["1", "'é'", '"日"', "None", "()", "[]"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.lists(inner, max_size=3)).map(lambda v: f"({v[0]})({', '.join(v[1])})"),
        st.tuples(names, inner, inner).map(lambda v: f"{v[0]}({v[1]}, k={v[2]})"),
        st.tuples(names, inner).map(lambda v: f"{v[0]}(\n  {v[1]},  # é\n )"),
        st.tuples(inner, inner).map(lambda v: f"({v[0]}).m( {v[1]} )"),
        st.tuples(inner, inner).map(lambda v: f"({v[0]} + {v[1]})"),
        inner.map(lambda v: f"[{v} for b in a]"),
        inner.map(lambda v: f"({v},)"),
        inner.map(lambda v: f"(lambda: {v})"),
        inner.map(lambda v: f"({v})[0]"),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    expressions,
    st.sampled_from(["y = {}", "{}", "if {}: pass", "ß = 'é', {}", "for i in {}: pass", "with {}: pass"]),
)
def test_calls_of_generated_expressions(expression: str, frame: str) -> None:
    text = "async def outer():\n    " + frame.format(f"({expression})").replace("\n", "\n    ")
    assert check(text) == sum(isinstance(node, ast.Call) for node in ast.walk(ast.parse(text)))


def test_newer_syntax_than_libcst_knows_raises_its_error() -> None:
    source = SourceText("y = f(x)\n")
    (statement,) = ast.parse(source.text).body
    broken = SourceText("y = f(x(\n")
    with pytest.raises(cst.ParserSyntaxError):
        Snippet(broken, statement)
    assert Snippet(source, statement).span == Span(1, 1, 1, 9)
