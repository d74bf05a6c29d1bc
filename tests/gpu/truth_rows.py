"""The expressions of the truth table, each with the code that builds its operands.

A row is source text whose last statement is under test; what stands before it, and the common operands that it
names, is run first and is not measured. Standard library only: the texts are linted, hashed, and run on a GPU.
"""

from __future__ import annotations

import ast
import hashlib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tests.gpu import (
    truth_rows_copies,
    truth_rows_index,
    truth_rows_more,
    truth_rows_ops,
    truth_rows_upload,
    truth_rows_writes,
)

IMPORTS = """\
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
"""

OPERANDS: Mapping[str, str] = {
    "dev": 'dev = torch.device("cuda", 0)',
    "list8": "list8 = [1, 2, 3, 4, 5, 6, 7, 0]",
    "list1k": "list1k = list(range(1000))",
    "floats8": "floats8 = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]",
    "np8": "np8 = np.arange(8)",
    "np1k": "np1k = np.arange(1000)",
    "np1m": "np1m = np.arange(1000000)",
    "cpu8": "cpu8 = torch.arange(8)",
    "cpu8f": "cpu8f = torch.arange(8.0)",
    "cpu0d": "cpu0d = torch.tensor(3.0)",
    "cpu_8mb": "cpu_8mb = torch.zeros(1000, 1000, dtype=torch.float64)",
    "pinned8": "pinned8 = torch.arange(8).pin_memory()",
    "pinned_8mb": "pinned_8mb = torch.zeros((1000, 1000), dtype=torch.float64, pin_memory=True)",
    "g8": "g8 = torch.arange(8, device=dev)",
    "gidx": "gidx = torch.arange(8, device=dev)",
    "gf": "gf = torch.ones((1000, 64), device=dev)",
    "gd": "gd = torch.zeros((1000, 1000), dtype=torch.float64, device=dev)",
    "gmask": "gmask = torch.ones((1000, 64), dtype=torch.bool, device=dev)",
    "g0d": "g0d = torch.ones((), device=dev)",
    "gi": "gi = torch.zeros((8, 8), dtype=torch.int64, device=dev)",
}
"""What rows may name without building it: name to statement; a statement may name others."""


@dataclass(frozen=True)
class Row:
    """One expression.

    Attributes:
        name: of the row in the table; never changes.
        text: statements, of which the last one is under test.
    """

    name: str
    text: str

    @cached_property
    def operands(self) -> str:
        """The statements that build what the last one uses."""
        return "\n".join([*_common(self.text), *self._lines[: self._first]])

    @cached_property
    def statement(self) -> str:
        return "\n".join(self._lines[self._first :])

    @property
    def _lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def _first(self) -> int:
        """Index of the first line of the last statement."""
        return ast.parse(self.text).body[-1].lineno - 1

    def module(self, name: str) -> str:
        """A module with one function that builds the operands and runs the statement.

        Args:
            name: of the function.
        """
        body = f"{self.operands}\n{self.statement}".strip()
        return f"{IMPORTS}\ndef {name}():\n{textwrap.indent(body, '    ')}\n"

    def maker(self) -> str:
        """A module with a function ``make`` that builds the operands and returns a function that runs the statement."""
        statement = ast.parse(self.statement).body[0]
        # The result outlives the call, as it does in real code: dropping it is not what is measured.
        text = f"return {self.statement}" if isinstance(statement, ast.Expr) else self.statement
        inner = f"def call():\n{textwrap.indent(text, '    ')}\nreturn call"
        body = f"{self.operands}\n{inner}".strip()
        return f"{IMPORTS}\ndef make():\n{textwrap.indent(body, '    ')}\n"

    @property
    def sha256(self) -> str:
        """Changes if what is run changes."""
        return hashlib.sha256(f"{self.operands}\n# measured\n{self.statement}\n".encode()).hexdigest()


def _common(text: str, seen: frozenset[str] = frozenset()) -> list[str]:
    """The statements of the common operands that a text names, each after those that it needs."""
    names = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    used = {node.id for node in names} - made
    statements: list[str] = []
    for name, statement in OPERANDS.items():
        if name in used and name not in seen:
            needed = [*_common(statement, seen | {name}), statement]
            statements += [one for one in needed if one not in statements]
    return statements


PARTS = (
    truth_rows_upload,
    truth_rows_copies,
    truth_rows_index,
    truth_rows_ops,
    truth_rows_more,
    truth_rows_writes,
)


def _gathered() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for part in PARTS:
        for name, text in part.TEXTS.items():
            if name in rows:
                raise ValueError(f"two rows are named {name}")
            rows[name] = Row(name, textwrap.dedent(text).strip())
    return rows


ROWS: Mapping[str, Row] = _gathered()
