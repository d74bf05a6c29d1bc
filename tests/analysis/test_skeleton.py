"""Trees without heads and bodies of functions: the rest is as in the whole tree, and so is what is parsed again."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2dlint.analysis.bodies import Bodies
from h2dlint.analysis.interpreter import Interpreter, bodies_that_count, heads_that_count
from h2dlint.analysis.outline import outline
from h2dlint.analysis.skeleton import is_cut, parse_skeleton, skeleton
from h2dlint.engine.files import SourceFile
from h2dlint.engine.runner import lint_files
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence
from h2dlint.syntax.source import SourceText

ROOT = Path(__file__).parents[2]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def missing(tree: ast.Module) -> dict[tuple[int, int], ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions that have a number in the place of a body."""
    return {
        (node.lineno, node.col_offset): node
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS) and [ast.unparse(statement) for statement in node.body] == ["0"]
    }


def without_ends(tree: ast.Module) -> str:
    """All of a tree but the columns at which blocks end: a body ends in another one."""
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            node.end_col_offset = 0
    return ast.dump(tree, include_attributes=True)


def compare(text: str) -> int:
    """Whether the skeleton is the whole tree but for functions; the number of those of which something is missing."""
    whole, bare = ast.parse(text), parse_skeleton(text)
    again(text, whole)
    cut = missing(bare)
    for node in list(ast.walk(whole)):
        if isinstance(node, FUNCTIONS) and (node.lineno, node.col_offset) in cut:
            found = cut[node.lineno, node.col_offset]
            node.body = found.body
            if is_cut(found):
                node.args, node.returns = found.args, found.returns
    assert without_ends(whole) == without_ends(bare)
    return len(cut)


def again(text: str, whole: ast.Module) -> None:
    """Whether what was left out is as in the whole tree when it is parsed again, the head alone or with the body."""
    known = {(node.lineno, node.col_offset): node for node in ast.walk(whole) if isinstance(node, FUNCTIONS)}
    for first in ("head", "body"):
        found = outline(parse_skeleton(text))
        Bodies(SourceText(text), found)
        for function in list(found.functions):
            wanted = known[function.node.lineno, function.node.col_offset]
            if first == "body":
                function.load()
                assert function.heads is None
                assert list(map(dump, function.node.body)) == list(map(dump, wanted.body))
            assert dump(function.parameters) == dump(wanted.args)
            assert (function.returns and dump(function.returns)) == (wanted.returns and dump(wanted.returns))


def dump(node: ast.AST) -> str:
    return ast.dump(node, include_attributes=True)


@pytest.mark.parametrize("folder", ["h2dlint", "tests", "fixtures"])
def test_skeletons_of_this_repository(folder: str) -> None:
    cut = functions = 0
    for path in sorted(ROOT.glob(f"{folder}/**/*.py")):
        text = path.read_text(encoding="utf-8")
        cut += compare(text)
        functions += text.count("\ndef ")
    assert cut > 0.8 * functions


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("def f():\n    return 1\n", 1),
        ("def f(): return 1\n", 0),
        ("def f():  # why\n    return 1\n    # not of it\n\n# nor this\nx = 1\n", 1),
        ("def f(\n    a: int = (1),\n    b='x:',\n) -> dict[str, int]:\n    return a\ny = 2\n", 1),
        ("class A:\n    x = 1\n    async def f(self):\n        def g():\n            return 2\n        return g\n", 1),
        ("@a\n@b(\n  1)\nasync def f(x: int = 1, *y, z: 'q', **k) -> (\n    None\n):\n    return x\n", 1),
        ("class A:\n    @wrap\n    def f(self, a: 'B' = (1, 2)): # (\n        return a\n", 0),
        ("class A:\n    @wrap\n    def f(self, a: 'B' = (1, 2)): # ()\n        return a\n    x: int\n", 0),
        ("def f (a=lambda: 1, b={1:\n 2}):\n    return a\n", 1),
        ("def é(ü: 'ö', *, x=1) -> 'ä': \n    return ü\n", 1),
        ("if x:\n    def f():\n        y = 1\n", 0),
        ('"""Doc.\n\ndef f():\n    not code\n"""\ndef g():\n    return 1\n', 1),
        ('def f():\n    x = """\nclass A:\n    """\n    return x\n', 0),
        ("def f():\n    x = [\n1,\n]\n    return x\n", 0),
        ("def f():\n    x = 1 + \\\n2\n    return x\n", 0),
        ("def f(a='('):\n    return a\ndef g():\n    return 1\n", 1),
        ("def f():\n    return '\"\"\"'\n", 0),
        ("def f():\n    # \"\"\"\n    return 1\n", 0),
        ("def f():\r\n    return 1\r\n", 0),
        ("def f():\n\treturn 1\nclass A:\n\tdef g(self):\n\t\treturn 2\n", 2),
        ("def f():\n    return 1", 1),
        ("def f():\n    pass\n\x0cclass A:\n    pass\n", 0),
        ("def f():\n    x = 'a\\\nb'\n    return x\n", 0),
        ("class A:\n    '''Doc.\n\n    def f():\n        no code\n    '''\n    def g(self):\n        return 1\n", 0),
    ],
)  # fmt: skip
def test_what_is_cut(text: str, cut: int) -> None:
    assert compare(text) == cut


STATEMENTS = (
    "x = 1", "pass", '"""Doc."""', "# it's", "# \"\"\"", "", "x = '''\nclass A:\n    def f(): pass\n'''",
    "y = [\n1,\n]", "z = 'a\\\nb'", "f(\n    1,\n        2)", "q = r'\\\"\"\"'", "x = 1 + \\\n  2",
    "def h(): return 1", '"""Doc.\n\ndef g():\n    """', "s = \"it's\" '\"'", "if x: y = ':'",
    "x = lambda a: {1: a}", '"""\n# """', "x = f(\n    # (\n)", "try: pass\nfinally: pass",
)  # fmt: skip
HEADS = (
    "def f():", "def f(a,\n        b):", "async def g(x='):'):", "class A:", "class B(A):", "if x:", "@wrap\ndef w():",
    "def f(x: int = 1, *, y: 'a' = 2) -> list[int]:", "def f(a=lambda: 1, b={1:\n 2}) -> (\nint):",
    "def f(x={\n    1: 2,\n}):  # so", "for x in y:", "with a as b:", "class C(\n    A,\n):", "while x: # '",
    "def f(a  # (\n):", "def f(a='['):", "def f(a=']'):", "class A(B, x=']'):",
)  # fmt: skip


def block(depth: int) -> st.SearchStrategy[list[tuple[int, str]]]:
    """Statements with their indentation."""
    plain = st.sampled_from(STATEMENTS).map(lambda line: [(0, line)])
    if not depth:
        return plain

    def nested(parts: tuple[str, list[list[tuple[int, str]]]]) -> list[tuple[int, str]]:
        head, body = parts
        inner = [(level + 1, line) for lines in body for level, line in lines]
        return [(0, head), *inner, (1, "last = 0")]

    return plain | st.tuples(st.sampled_from(HEADS), st.lists(block(depth - 1), max_size=3)).map(nested)


@settings(max_examples=300, deadline=None)
@given(st.lists(block(3), max_size=5), st.sampled_from(("    ", "  ", "\t")))
def test_whatever_the_statements_are(blocks: list[list[tuple[int, str]]], step: str) -> None:
    lines = [
        step * level + ("\n" + step * level).join(text.split("\n"))
        if text.startswith(("@", "try"))
        else step * level + text
        for lines in blocks
        for level, text in lines
    ]
    text = "\n".join(lines) + "\n"
    try:
        ast.parse(text)
    except SyntaxError:
        return
    compare(text)


def test_blank_where_a_body_was() -> None:
    assert skeleton("def f():\n    a = 1\n\n    return a\n\nx = f()\n") == "def f():\n\n\n 0\n\nx = f()\n"


def test_blank_where_parameters_were() -> None:
    text = "@wrap\ndef f(\n    a: int,\n    b=g(1),\n) -> dict[str, int]:\n    return a\n"
    assert skeleton(text) == "@wrap\ndef f():\n\n\n\n 0\n"
    assert skeleton("def f[T](a: T) -> T:\n    return a\n") == "def f[T](a: T) -> T:\n 0\n"


@pytest.mark.parametrize(
    ("body", "cut"),
    [
        ("return 1", 2),
        ("global x", 1),
        ("if x:\n        global x", 1),
        ("y = 1; global x", 1),
        ("y = 'global'\n    global_step = 1", 2),
        ("with torch.device('cuda'):\n        g()", 1),
        ("x = torch.device('cuda')", 2),
    ],
)
def test_bodies_that_say_something_of_the_module_stay(body: str, cut: int) -> None:
    text = f"def f():\n    {body}\n\ndef g():\n    return 1\n"
    assert len(missing(parse_skeleton(text, bodies_that_count(text)))) == cut


def test_a_body_that_is_no_python_may_give_anything(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("def broken():\n    return (1 2)\n\ndef whole():\n    return [1, 2]\n")
    head = "import torch\nfrom other import broken, whole\n\n"
    text = head + "def forward():\n    return torch.tensor({}(), device='cuda')\n"
    found = []
    for name in ("broken", "whole"):
        path = tmp_path / f"{name}_user.py"
        path.write_text(text.format(name))
        report = lint_files([SourceFile(path.name, path)], Settings(min_confidence=Confidence.LOW))
        assert not report.errors
        found.append([finding.confidence for finding in report.findings])
    assert found[1] == [Confidence.HIGH]
    assert found[0] == [] or found[0][0] < Confidence.HIGH


def settled_in(text: str) -> Interpreter:
    """A module that is looked into."""
    found = Interpreter(
        outline(parse_skeleton(text, bodies_that_count(text), heads_that_count(text))), text, None, "a.py"
    )
    found.run_module(record=False)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "def f(n, mark='['):\n    return n\ndef g(n, mark=']'):\n    return 1\n",
        'class A:\n    def f(self, a="("):\n        return a\n    def g(self, a=")"):\n        return 1\n',
        "def f(sep='('):\n    return 1\nclass A(Base, x=')'):\n    def g(self):\n        return 2\n",
        "def f(sep='\\'('):\n    return 1\nclass A(Base, x=')'):\n    def g(self):\n        return 2\n",
    ],
)
def test_brackets_in_the_strings_of_a_head_hide_no_definition(text: str) -> None:
    compare(text)
    whole, bare = outline(ast.parse(text)), outline(parse_skeleton(text))
    assert [f.name for f in bare.functions] == [f.name for f in whole.functions]
    assert list(bare.classes) == list(whole.classes)


def test_what_a_body_says_of_the_module_is_seen_behind_such_a_head() -> None:
    text = "TABLE = 3\ndef f(text, sep='('):\n    global TABLE\n    TABLE = 4\n"
    text += "    if text.endswith(')'):\n        return 2\n"
    assert settled_in(text).unsettled_globals == {"TABLE"}


def test_a_parameter_that_is_a_device_is_seen() -> None:
    text = (
        "import torch\nclass Model:\n    def __init__(self, where: torch.device):\n        self.where = where\n"
        "    def build(self):\n        with self.where:\n            return inner()\n"
        "def inner():\n    return torch.zeros(3)\n"
    )
    assert settled_in(text).called_under_device == {"inner"}
