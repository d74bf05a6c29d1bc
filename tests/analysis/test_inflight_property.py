"""Whatever is claimed to be in flight is so in some run: small programs are walked, and run with every choice."""

from __future__ import annotations

import ast
import itertools
import random
import textwrap
from collections.abc import Iterator

import pytest

from h2dlint.analysis.inflight import InFlight, Ref, State
from h2dlint.analysis.waits import Waits, name_of
from tests.analysis.helper import analyse

NAMES = "abc"
CHOICES = 9
"""So many conditions are decided both ways; all later ones are false, which ends every loop."""

HEAD = """\
import torch

def start(x): ...

def look(x, where): ...

def new(): ...

def choose(): ...

def wait():
    torch.cuda.synchronize()

"""


class Looks(InFlight):
    """Notes the numbers of the looks that find their argument in flight."""

    found: set[int]

    def launched(self, node: ast.Call, state: State) -> Ref | None:
        return self.ref(node.args[0], state)

    def evaluated(self, node: ast.expr, state: State) -> State:
        if isinstance(node, ast.Call) and name_of(node.func) == "look":
            ref = self.ref(node.args[0], state)
            where = node.args[1]
            if any(ref.overlaps(flight) for flight in state.flying or ()) and isinstance(where, ast.Constant):
                self.found.add(int(str(where.value)))
            return state
        return super().evaluated(node, state)


def claims(text: str) -> set[int]:
    """The looks that are said to find their argument in flight; none where ``start`` is never reached."""
    module, records = analyse(text)
    found: set[int] = set()
    for record in records:
        if name_of(record.node.func) == "start":
            walk = Looks(module, Waits(module), record)
            walk.found = found
            walk.follow()
    return found


class Programs:
    """Writes a program with one ``start``, from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._looks = itertools.count()
        self._started = False

    def text(self) -> str:
        lines: list[str] = []
        while not self._started:
            self._looks = itertools.count()
            lines = self._block(0, False)
        return HEAD + "def work(a, b, c):\n" + textwrap.indent("\n".join(lines), "    ") + "\n"

    def _block(self, depth: int, loop: bool) -> list[str]:
        return [line for _ in range(self._random.randint(1, 5)) for line in self._statement(depth, loop)]

    def _statement(self, depth: int, loop: bool) -> list[str]:
        pick = self._random.random()
        x, y = self._random.choice(NAMES), self._random.choice(NAMES)
        if pick < 0.3:
            return [f"look({x}, {next(self._looks)})"]
        if pick < 0.4 and not self._started:
            self._started = True
            return [f"start({x})"]
        if pick < 0.48:
            return [f"{x} = {y}"]
        if pick < 0.54:
            return [f"{x}, {y} = {y}, {x}"] if x != y else [f"{x} = new()"]
        if pick < 0.6:
            return ["wait()"]
        if pick < 0.64 and loop:
            return [self._random.choice(["break", "continue"])]
        if pick < 0.66:
            return ["return"]
        if depth > 2:
            return ["pass"]
        if pick < 0.8:
            inner = self._within(self._block(depth + 1, loop))
            return ["if choose():", *inner, "else:", *self._within(self._block(depth + 1, loop))]
        if pick < 0.92:
            return ["while choose():", *self._within(self._block(depth + 1, True))]
        inner = self._within(self._block(depth + 1, loop))
        return ["try:", *inner, "finally:", f"    look({x}, {next(self._looks)})"]

    @staticmethod
    def _within(lines: list[str]) -> list[str]:
        return [f"    {line}" for line in lines]


def runs(text: str) -> Iterator[set[int]]:
    """For each way to choose: the looks that found their argument in flight."""
    code = compile(text.replace("import torch\n", ""), "program", "exec")
    for choices in itertools.product([True, False], repeat=CHOICES):
        left = iter(choices)
        flying: set[int] = set()
        found: set[int] = set()
        kept: list[object] = []

        def new(kept: list[object] = kept) -> object:
            kept.append(object())
            return kept[-1]

        def look(x: object, where: int, flying: set[int] = flying, found: set[int] = found) -> None:
            if id(x) in flying:
                found.add(where)

        space: dict[str, object] = {}
        exec(code, space)
        space |= {
            "start": lambda x, flying=flying: flying.add(id(x)),
            "wait": flying.clear,
            "new": new,
            "look": look,
            "choose": lambda left=left: next(left, False),
        }
        work = space["work"]
        assert callable(work)
        work(new(), new(), new())
        yield found


@pytest.mark.parametrize("part", range(8))
def test_what_is_claimed_happens(part: int) -> None:
    claimed = 0
    for seed in range(part * 15, part * 15 + 15):
        text = Programs(seed).text()
        missing = claims(text)
        claimed += len(missing)
        for found in runs(text) if missing else ():
            missing -= found
            if not missing:
                break
        assert not missing, f"never in flight at {sorted(missing)}:\n{text}"
    assert claimed
