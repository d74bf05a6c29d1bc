from __future__ import annotations

import ast
from pathlib import Path

import pytest

from h2dlint.syntax.trees import children, walk

LEFT_OUT = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
EVERYTHING = """
@d(1, *a, **k)
async def f(a, /, b: int = 1, *c, d=2, e, **g) -> "x":
    global h
    async with a as b, c: await d
    async for x in y: yield
    else: pass
    try: import p.q as r
    except (A, B) as e: raise X from e
    finally: del a[1:2, ...]
    return {**a, "b": [*c], **{x: y for x, y in z if x if y}}, {1}, f"{a!r:>{w}}", lambda q, *r: (q := 1)
class C(B, metaclass=M):
    x: int = 3
    match a:
        case {"k": v, **rest}: pass
        case [1, *others] | P(1, k=2) as whole if g: pass
        case None: pass
for i in range(3):
    a += not -b < c <= d and e or (f if g else h)
while 1: break
nonlocal_ = [x async for x in y]
assert x, "m"
with a: from . import *
"""


@pytest.mark.parametrize("path", [*sorted(Path(__file__).parents[1].rglob("*.py"))[:40], None])
def test_what_ast_finds_is_found_in_the_same_order(path: Path | None) -> None:
    tree = ast.parse(EVERYTHING if path is None else path.read_text(encoding="utf-8"))
    wanted = [node for node in ast.walk(tree) if not isinstance(node, LEFT_OUT)]
    assert list(walk(tree)) == wanted
    for node in wanted:
        below = [child for child in ast.iter_child_nodes(node) if not isinstance(child, LEFT_OUT)]
        assert children(node) == below
