"""Rewrites expressions that have to get to the device of a tensor: made there, or copied from pinned memory."""

from __future__ import annotations

import ast
import re

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence, Edit, Span, Transfer
from h2dlint.rules.constants import constant_form
from h2dlint.rules.host_indices import HostIndex
from h2dlint.rules.ladder import can_pin, pins_in_constructor, pure
from h2dlint.rules.place import Place
from h2dlint.rules.trust import Trust
from h2dlint.syntax.calls import CannotRewrite


def whole(place: Place, node: ast.expr) -> ast.expr:
    """The tensor that a part was taken of: both are on one device and of one dtype."""
    while isinstance(node, ast.Subscript) and place.value(node.value).only(Kind.TENSOR):
        node = node.value
    return node


class Rewriter:
    """Rewrites expressions that have to get to the device of a tensor, in place.

    Args:
        place: where they stand.
        tensor: a tensor of that device, evaluated before them.
        trust: gathers why the fix is not safe.

    Raises:
        CannotRewrite: the tensor cannot be named twice, or the module has no name for torch.
    """

    def __init__(self, place: Place, tensor: ast.expr, trust: Trust) -> None:
        self._place, self._trust = place, trust
        torch = place.module.name_of_torch(place.record.function)
        tensor = whole(place, tensor)
        if place.found is None or torch is None or not pure(place, tensor):
            raise CannotRewrite("the tensor cannot be named twice")
        self._torch = torch
        self._tensor = self.text(tensor)
        if "\n" in self._tensor or not isinstance(tensor, (ast.Name, ast.Attribute, ast.Subscript)):
            raise CannotRewrite("the tensor spans lines")

    def text(self, node: ast.expr) -> str:
        """The source of an expression."""
        source = self._place.module.source
        return source.slice(source.span(node))

    @property
    def device(self) -> str:
        """Source of the tensor's device."""
        return f"{self._tensor}.device"

    def scalar(self, text: str) -> str:
        """Source of a scalar on the device, in the tensor's own dtype."""
        return f"{self._torch}.full((), {text}, dtype={self._tensor}.dtype, device={self.device})"

    def index(self, index: HostIndex) -> list[Edit]:
        """An index that is made on the device, or copied there from pinned memory."""
        if index.form == "tensor":
            return self.tensor(index.node, index.value)
        if index.form == "array":
            can_pin(self._trust, self._place, index.node, index.value)
            if self._place.style.guarded:
                raise CannotRewrite("what is pinned under a condition has to have a name")
            return self._around(
                index.node, f"{self._torch}.as_tensor(", f"{self._cpu}).pin_memory(){self._moved}"
            )
        return self._listed(index)

    def _listed(self, index: HostIndex) -> list[Edit]:
        node, elem = index.node, index.value.elem
        if elem is None or not elem.only(Kind.INT):
            raise CannotRewrite("what the list holds is not known")
        self._trust.require(
            index.value.confidence is Confidence.HIGH and elem.confidence is Confidence.HIGH,
            f"the kind of {self._place.code(node)} rests on weak evidence",
        )
        whole = Value(kind=Kind.DTYPE, dtype="int64")
        constant = constant_form(node, self._place.value, whole)
        if constant is not None and not constant.reasons:
            if constant.function == "full" and constant.fill is not None:
                arguments = f"{constant.shape}, {self.text(constant.fill)}"
            else:
                arguments = ", ".join(map(ast.unparse, constant.arguments))
            new = f"{self._torch}.{constant.function}({arguments}, device={self.device})"
            if "\n" not in self.text(node) and "#" not in self.text(node):
                return [Edit(self._place.module.source.span(node), new)]
        # An empty list gives a tensor of floats, which is no index.
        dtype = "" if isinstance(node, ast.List) and node.elts else f", dtype={self._torch}.int64"
        by_helper = self._by_helper(node, f"{self._torch}.int64", bool(dtype))
        if by_helper is not None:
            return by_helper
        if self._place.style.leaves_pageable:
            self._place.style.pageable = True
            return self._around(node, f"{self._torch}.tensor(", f"{dtype}{self._cpu}){self._moved}")
        after = f"{dtype}{self._cpu}, pin_memory={self._pin}){self._moved}"
        return self._around(node, f"{self._torch}.tensor(", after)

    @property
    def _moved(self) -> str:
        return f".to({self.device}, non_blocking=True)"

    def _by_helper(self, node: ast.expr, dtype: str, needed: bool) -> list[Edit] | None:
        """A list as an index, by the project's upload function; ``None`` where that does not take it.

        Args:
            needed: an index of another dtype could come out without it.
        """
        style = self._place.style
        if style.profile.way is not Transfer.HELPER or "list" not in style.profile.helper_takes:
            return None
        template = style.profile.helper_call
        if "{device}" not in template or "{pin}" in template or (needed and "{dtype" not in template):
            return None
        if not needed:
            template = re.sub(r"(,\s*)?\w+\s*=\s*\{dtype\?\}", "", template)
        text = re.sub(r"\{dtype\??\}", dtype, template).replace("{device}", self.device)
        try:
            name = style.helper_name()
        except CannotRewrite:
            return None
        style.vouched = True
        before, _, after = text.partition("{data}")
        return self._around(node, f"{name}{before}", after)

    @property
    def _pin(self) -> str:
        """What to write for ``pin_memory=``; an index is read only, so that it may be another name's tensor."""
        text = self._place.style.settled(self._place.style.pin_text(), self.device)
        if text is None:
            raise CannotRewrite("the device cannot be named twice")
        return text

    def _guarded(self, node: ast.expr, dense: str) -> str:
        """A host tensor that is pinned where the project's predicate says so, and moved."""
        text = self._place.style.settled(
            self._place.style.pinned_text(f"{self.text(node)}{dense}"), self.device
        )
        if text is None:
            raise CannotRewrite("the device cannot be named twice")
        return f"{text}{self._moved}"

    @property
    def _cpu(self) -> str:
        """Under a default device a new tensor would be made there."""
        return "" if self._place.record.default_device == V.CPU else ', device="cpu"'

    def tensor(self, node: ast.expr, value: Value) -> list[Edit]:
        """A host tensor that is made on the device, or copied there from pinned memory."""
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
            raise CannotRewrite("the tensor is no plain expression")
        self._trust.require(
            value.confidence is Confidence.HIGH, "the place of the tensor rests on weak evidence"
        )
        if value.memory == V.PINNED:
            self._trust.require(
                isinstance(node, ast.Call),
                f"{self._place.code(node)} may be written again before it is copied",
            )
            return self._around(node, "", self._moved)
        made = self._made(node)
        if made is not None:
            return made
        can_pin(self._trust, self._place, node, value)
        dense = ".clone()" if value.memory & V.EXPANDED else ""
        if self._place.style.guarded:
            return [Edit(self._place.module.source.span(node), self._guarded(node, dense))]
        return self._around(node, "", f"{dense}.pin_memory(){self._moved}")

    def _made(self, node: ast.expr) -> list[Edit] | None:
        """A constructor or a factory called on the spot."""
        if (
            not isinstance(node, ast.Call)
            or any(isinstance(a, ast.Starred) for a in node.args)
            or not node.args
        ):
            return None
        given = {keyword.arg for keyword in node.keywords}
        record = self._place.module.call_of(node)
        callee = record.callee if record is not None else None
        if given - {"dtype"}:
            return None
        values = [self._place.value(argument) for argument in node.args]
        if callee in ("torch.arange", "torch.zeros", "torch.ones") and all(v.only(Kind.INT) for v in values):
            return self._appended(node, f"device={self.device}", "")
        if callee == "torch.tensor" and len(values) == 1 and pins_in_constructor(values[0]):
            cpu = self._cpu.removeprefix(", ")
            return self._appended(
                node, ", ".join(filter(None, (cpu, f"pin_memory={self._pin}"))), self._moved
            )
        return None

    def _appended(self, node: ast.Call, keyword: str, after: str) -> list[Edit] | None:
        """Another keyword argument behind the last one, and something behind the call."""
        source = self._place.module.source
        last = max(
            [*node.args, *(k.value for k in node.keywords)], key=lambda n: (n.end_lineno, n.end_col_offset)
        )
        end, close = source.span(last), source.span(node)
        tail = Span(end.end_line, end.end_column, close.end_line, close.end_column)
        if source.slice(tail) != ")":
            # A trailing comma, a comment or a parenthesis.
            return None
        return [Edit(tail, f", {keyword}){after}")]

    def _around(self, node: ast.expr, before: str, after: str) -> list[Edit]:
        source = self._place.module.source
        span = source.span(node)
        if span.line != span.end_line:
            raise CannotRewrite("the expression spans lines")
        if isinstance(node, (ast.NamedExpr, ast.Yield, ast.Starred)) or "#" in self.text(node):
            raise CannotRewrite("the expression is not understood")
        return [Edit(span, f"{before}{self.text(node)}{after}")]
