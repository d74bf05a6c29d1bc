"""A call, or a subscript, as a rule sees it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

import libcst as cst

from h2dlint.analysis.records import CallRecord, SubscriptRecord
from h2dlint.model import Context
from h2dlint.rules.place import WAITS, Case, Find, Place, looks_like_device, told_of, weigh_device
from h2dlint.rules.trust import Trust


@dataclass(eq=False)
class Site(Place):
    """A call."""

    record: CallRecord

    @property
    def node(self) -> ast.Call:
        return self.record.node

    @property
    def call(self) -> cst.Call | None:
        """The LibCST node of the call."""
        return self.found[1] if self.found is not None and isinstance(self.found[1], cst.Call) else None

    def argument(self, position: int | None, name: str) -> ast.expr | None:
        """An argument by position (from 0) or keyword; ``None`` where it is not given or hidden in ``*args``."""
        for keyword in self.node.keywords:
            if keyword.arg == name:
                return keyword.value
        if position is None or any(isinstance(a, ast.Starred) for a in self.node.args[: position + 1]):
            return None
        return self.node.args[position] if position < len(self.node.args) else None

    @property
    def hidden_arguments(self) -> bool:
        """``*args`` or ``**kwargs``: some arguments cannot be seen."""
        return any(isinstance(a, ast.Starred) for a in self.node.args) or any(
            k.arg is None for k in self.node.keywords
        )


@dataclass(eq=False)
class SubscriptSite(Place):
    """A subscript of a tensor, read or assigned to."""

    record: SubscriptRecord

    @property
    def node(self) -> ast.Subscript:
        return self.record.node

    @property
    def indices(self) -> list[ast.expr]:
        """What stands in the brackets, one for each dimension or ``None`` or ``...``."""
        index = self.node.slice
        return list(index.elts) if isinstance(index, ast.Tuple) else [index]

    @property
    def subscript(self) -> cst.Subscript | None:
        """The LibCST node of the subscript."""
        return self.found[1] if self.found is not None and isinstance(self.found[1], cst.Subscript) else None


__all__ = [
    "WAITS",
    "Case",
    "Context",
    "Find",
    "Place",
    "Site",
    "SubscriptSite",
    "Trust",
    "looks_like_device",
    "told_of",
    "weigh_device",
]
