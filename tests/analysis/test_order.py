"""The order of evaluation, and what copies are in flight where."""

from __future__ import annotations

import ast
import textwrap

import pytest

from h2dlint.analysis.inflight import InFlight, Ref, State, carried
from h2dlint.analysis.order import Walk
from h2dlint.analysis.streams import CURRENT, Streams
from h2dlint.analysis.waits import Waits, name_of
from tests.analysis.helper import analyse

Names = tuple[str, ...]


class Calls(Walk[frozenset[Names]]):
    """The state is every sequence of calls on the way here; loops are cut short after a few calls."""

    def join(self, a: frozenset[Names], b: frozenset[Names]) -> frozenset[Names]:
        return a | b

    def evaluated(self, node: ast.expr, state: frozenset[Names]) -> frozenset[Names]:
        if not isinstance(node, ast.Call):
            return state
        return frozenset((*way, name_of(node.func)) if len(way) < 4 else way for way in state)

    def tested(self, node: ast.expr, state: frozenset[Names]) -> frozenset[Names]:
        if not isinstance(node, ast.Name):
            return state
        return frozenset((*way, f"?{node.id}") if len(way) < 4 else way for way in state)


def ways(text: str) -> set[str]:
    """The calls on each way through a function's body."""
    end = Calls().run(ast.parse(textwrap.dedent(text)).body, frozenset({()}))
    return {" ".join(way) for way in end or ()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f(g(), h())", {"g h f"}),
        ("x.f(a())[b()] = c()", {"c a f b"}),
        ("x = y = f()\ng()", {"f g"}),
        ("if a():\n    b()\nelse:\n    c()\nd()", {"a b d", "a c d"}),
        ("if a():\n    return b()\nc()", {"a b", "a c"}),
        ("if a():\n    raise b()\nc()", {"a c"}),
        ("a() or b() and c()", {"a", "a b", "a b c"}),
        ("a() if b() else c()", {"b a", "b c"}),
        ("if x or y: pass", {"?x", "?x ?y"}),
        ("if not x: pass", {"?x"}),
        ("for i in a():\n    b()", {"a", "a b", "a b b", "a b b b"}),
        ("for i in a():\n    break\nelse:\n    b()\nc()", {"a c", "a b c"}),
        ("while True:\n    a()\n    if b():\n        break", {"a b", "a b a b"}),
        ("while a():\n    continue\nb()", {"a b", "a a b", "a a a b", "a a a a"}),
        ("[a() for i in b()]\nc()", {"b c", "b a c", "b a a c", "b a a a"}),
        ("f(lambda: g())", {"f"}),
        ("def f():\n    g()\nh()", {"h"}),
        ("with a() as x, b():\n    c()\nd()", {"a b c d"}),
        ("try:\n    a()\nexcept E:\n    b()\nc()", {"a c", "b c", "a b c"}),
        ("try:\n    a()\nfinally:\n    b()\nc()", {"a b c"}),
        ("try:\n    return a()\nfinally:\n    b()\nc()", {"a b"}),
        ("for i in x:\n    try:\n        break\n    finally:\n        b()\nc()", {"c", "b c"}),
        ("match a():\n    case 1:\n        b()\n    case _:\n        c()", {"a b", "a c"}),
        ("match a():\n    case 1 if b():\n        c()", {"a b c", "a", "a b"}),
        ("f'{a()}{b()}'", {"a b"}),
        ("(x := a())\nassert b(), c()", {"a b"}),
        ("async def f(): pass\nx: int = a()\nx += b()\ndel x", {"a b"}),
    ],
)
def test_order(text: str, expected: set[str]) -> None:
    assert ways(text) == expected


class Marks(InFlight):
    """``start(x)`` leaves ``x`` in flight; ``look(x)`` notes whether it is."""

    def __init__(self, text: str) -> None:
        module, records = analyse(text)
        starts = [r for r in records if name_of(r.node.func) == "start"]
        assert len(starts) == 1
        super().__init__(module, Waits(module), starts[0])
        self.seen: list[bool] = []
        self.doubted: frozenset[str] = frozenset()

    def launched(self, node: ast.Call, state: State) -> Ref | None:
        return self.ref(node.args[0], state)

    def evaluated(self, node: ast.expr, state: State) -> State:
        if isinstance(node, ast.Call) and name_of(node.func) == "look":
            ref = self.ref(node.args[0], state)
            self.seen.append(any(ref.overlaps(flight) for flight in state.flying or ()))
            self.doubted |= state.doubts
            return state
        return super().evaluated(node, state)


HEAD = (
    "import torch\n\ndef start(x): ...\n\ndef quick(): ...\n\ndef slow():\n    torch.cuda.synchronize()\n\n"
)


def marks(body: str) -> Marks:
    parameters = "b: torch.Tensor, c: torch.Tensor, i, n, xs, unknown"
    text = f"{HEAD}def work({parameters}):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
    walk = Marks(text)
    walk.follow()
    return walk


def flies(body: str) -> bool:
    """``look(..)`` finds its argument in flight, the last time it is come by."""
    return marks(body).seen[-1]


@pytest.mark.parametrize(
    "body",
    [
        "start(b)\nlook(b)",
        "start(b[:n])\nlook(b)",
        "start(b[:4])\nlook(b[:n])",
        "start(b)\nlook(b[i])",
        "start(b[i])\nlook(b[i])",
        "v = b.view(-1)\nstart(b)\nlook(v)",
        "v = b.numpy()\nstart(b)\nlook(v[1:])",
        "start(b.unsqueeze(0).T)\nlook(b.data)",
        "start(b)\nquick()\nlook(b)",
        "start(b)\nd = {'a': b}\nlook(d['a'])",
        "start(b)\nd = [b, c]\nlook(d[0])",
        "start(b)\nfor e in [b]:\n    look(e)",
        "if i:\n    start(b)\nlook(b)",
        "for x in xs:\n    look(b)\n    start(b)",
        "while i:\n    if n:\n        look(b)\n        continue\n    start(b)",
        "start(b)\nif i:\n    slow()\n    return\nlook(b)",
        "b, c = c, b\nstart(c)\nlook(c)",
        "start(b)\ne = b if i else c\nlook(b)",
        "start(unknown.x)\nlook(unknown.x)",
        "start(b)\ntorch.add(c, 1)\nlook(b)",
        "start(b)\nlook(b.add_(1))",
        "(v := b)\nstart(v)\nlook(b)",
        "if i:\n    b = c\nstart(b)\nlook(b)",
    ],
)
def test_in_flight(body: str) -> None:
    assert flies(body)


@pytest.mark.parametrize(
    "body",
    [
        "look(b)\nstart(b)",
        "start(b)\nlook(c)",
        "start(b)\nslow()\nlook(b)",
        "start(b)\ntorch.cuda.synchronize()\nlook(b)",
        "start(b)\nunknown.wait()\nlook(b)",
        "start(b)\nunknown.flush_copies()\nlook(b)",
        "start(b)\nc.sum().item()\nlook(b)",
        "start(b)\nif c.any():\n    look(b)",
        "start(b)\nif i:\n    slow()\nlook(b)",
        "start(b)\nfor e in xs:\n    e.synchronize()\nlook(b)",
        "start(b[:n])\nlook(b[n:])",
        "start(b[i])\nlook(b[n])",
        "start(b[i])\ni = 2\nlook(b[i])",
        "for i in xs:\n    look(b[i])\n    start(b[i])",
        "start(b[:, ::2])\nlook(b[:, 1])",
        "start(b)\nb = torch.empty(3)\nlook(b)",
        "for x in xs:\n    b = torch.empty(3)\n    look(b)\n    start(b)",
        "for b in xs:\n    look(b)\n    start(b)",
        "for x in xs:\n    b, c = c, b\n    look(b)\n    start(b)",
        "start(unknown.x)\nunknown = i\nlook(unknown.x)",
        "start(unknown[i])\nlook(unknown[i])",
        "start(b)\nc[b > 0] = 1\nlook(b)",
        "start(b)\nc.to('cpu')\nlook(b)",
        "start(b)\ntry:\n    slow()\nexcept ValueError:\n    pass\nlook(b)",
        "try:\n    start(b)\nfinally:\n    slow()\nlook(b)",
        "start(b)\nb, e = 1, 2\nlook(b)",
        "if i:\n    b, c = c, b\nstart(b)\nlook(c)",
    ],
)
def test_not_in_flight(body: str) -> None:
    assert not flies(body)


def test_doubts() -> None:
    assert marks("start(b)\nunknown(c)\nlook(b)").doubted == {"unknown"}
    assert marks("start(b)\nyield c\nlook(b)").doubted == {"yield"}
    assert not marks("start(b)\nquick()\nc.add_(1)\ntorch.relu(c)\nlook(b)").doubted
    assert not marks("unknown(c)\nstart(b)\nlook(b)").doubted


def test_a_function_that_waits_further_down() -> None:
    text = HEAD + "def outer():\n    slow()\n\ndef work(b):\n    start(b)\n    outer()\n    look(b)\n"
    walk = Marks(text)
    walk.follow()
    assert walk.seen == [False]


def test_what_a_method_carries_to_its_next_call() -> None:
    text = """
    import torch

    class Uploader:
        def work(self, n, i):
            start(self.{path})
            {rest}
    """

    def kept(path: str, rest: str = "return") -> list[tuple[object, str]]:
        walk = Marks(textwrap.dedent(text).format(path=path, rest=rest))
        end = walk.follow()
        assert end is not None
        return [(ref.identity[-1], ref.part) for ref in carried(end)]

    assert kept("buffer") == [("buffer", "all of it")]
    assert kept("buffer", "self.buffer = None") == [("buffer", "all of it")]
    assert kept("buffer", "torch.cuda.synchronize()") == []
    assert kept("a.b") == []


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("torch.cuda.stream(s)", True),
        ("torch.cuda.stream(None)", False),
        ("torch.cuda.stream(torch.cuda.current_stream())", None),
        ("torch.cuda.stream(now)", None),
        ("torch.no_grad()", False),
        ("side_stream", None),
        ("torch.cuda.graph(g)", None),
    ],
)
def test_streams(context: str, expected: bool | None) -> None:
    """Whether another stream is entered; ``None`` where that is not known."""
    module, records = analyse(
        f"import torch\ns = torch.cuda.Stream()\nnow = torch.cuda.current_stream()\n{context}\n"
    )
    streams = Streams(module, None)
    for record in records:
        streams.made(record.node)
    statement = module.tree.body[-1]
    assert isinstance(statement, ast.Expr)
    walk = Marks("start(1)\n")
    streams.enter(statement.value, lambda node: walk.ref(node, State()).identity)
    if expected is None:
        assert streams.current is None
    else:
        assert (streams.current != CURRENT) == expected
        assert streams.current is not None
        assert streams.proven(streams.current)
    streams.leave()
    assert streams.current == CURRENT
