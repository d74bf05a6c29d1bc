"""HTD305."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import libcst as cst

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Edit, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.constants import Constant, constant_form
from h2dlint.rules.indexing import Rewriter, weigh_tensor
from h2dlint.rules.ladder import bare, factory_call, pure
from h2dlint.rules.site import WAITS, Case, Site, Trust
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite

_EXACT = frozenset({0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, float("inf"), -float("inf")})
"""Numbers that are the same in every float dtype with an infinity."""
_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


class HostScalarTensorOperand(Rule):
    """`torch.where` is given a host tensor beside device tensors.

    ## What it does
    Reports `torch.where(mask, x, torch.tensor(0.0))` and `x.where(mask, torch.tensor(0.0))`. Other functions take a
    0-dim host tensor as an argument of the kernel and copy nothing, so `x + torch.tensor(3.0)` is not reported.

    ## Why it blocks
    `torch.where` copies the operand to the device from pageable memory and synchronizes the stream. A Python scalar is
    made on the device.

    ## Example
    ```python
    import torch

    def mute(logits: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        return torch.where(keep, logits.cuda(), torch.tensor(float("-inf")))
    ```

    ## Use instead
    ```python
    import torch

    def mute(logits: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        return torch.where(keep, logits.cuda(), float("-inf"))
    ```

    ## Fix safety
    A Python scalar takes the place of the tensor where it provably promotes alike: the other operand has at least one
    dimension and is of a floating dtype, and the number is exact in all of them. Elsewhere the tensor is made on the
    device by `torch.full`, which is right on every device, with the edges of HTD103. Any other operand is pinned as
    for HTD101.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `torch.where(mask, x, torch.tensor(0.0))` holds the host for
    20.2 ms, `torch.where(mask, x, 0.0)` for 0.02 ms.

    ## References
    - [torch.where](https://pytorch.org/docs/stable/generated/torch.where.html)
    """

    code = "HTD305"
    name = "host-scalar-tensor-operand"
    screen = (b"where",)
    functions = frozenset({"torch.where"})
    methods = frozenset({"where"})

    def check(self, site: Site) -> Iterable[Finding]:
        operands = self._operands(site)
        if operands is None or site.hidden_arguments:
            return
        host = [node for node in operands if _on_host(site.value(node))]
        others = [node for node in operands if node not in host]
        beside = [node for node in others if site.value(node).only(Kind.TENSOR)]
        for operand in host:
            case = Case()
            # The best known of the other operands says where the work is done.
            beside.sort(key=lambda node: site.value(node).device != V.CUDA)
            value = site.value(operand)
            if not beside or not weigh_tensor(site, beside[0], case):
                return
            if value.ndim != 0 and site.value(beside[0]).device != V.CUDA:
                # With dimensions of its own it cannot meet a device tensor.
                continue
            case.say(f"operand: {site.code(operand)}: host tensor, {value.why}", value.confidence)
            message = f"`where` copies the operand `{site.code(operand)}` from pageable memory and {WAITS}"
            yield site.finding(self, message, case, self._fix(site, operand, beside))

    @staticmethod
    def _operands(site: Site) -> list[ast.expr] | None:
        """Condition, input and other."""
        if site.record.method is not None:
            assert isinstance(site.node.func, ast.Attribute)
            found = [site.argument(0, "condition"), site.node.func.value, site.argument(1, "other")]
        else:
            found = [site.argument(0, "condition"), site.argument(1, "input"), site.argument(2, "other")]
            if found[1] is None:
                found[1] = site.argument(None, "self")
        operands = [node for node in found if node is not None]
        return operands if len(operands) == 3 else None

    def _fix(self, site: Site, operand: ast.expr, beside: list[ast.expr]) -> Fix:
        trust = Trust(site)
        trust.stream()
        title = "Give a Python scalar, or make the operand on the device"
        named = [
            n for n in beside if isinstance(n, (ast.Name, ast.Attribute, ast.Subscript)) and pure(site, n)
        ]
        if not named:
            return trust.fix(title, None)
        try:
            rewriter = Rewriter(site, named[0], trust)
            made = self._made(site, operand, beside, rewriter, trust)
            if made is not None:
                return trust.fix("Copy nothing: " + made[0], made[1])
            mask = site.value(named[0]).device
            trust.device(mask, named[0])
            edits = rewriter.tensor(operand, site.value(operand))
        except CannotRewrite:
            return trust.fix(title, None)
        return trust.fix("Copy the operand from pinned memory without blocking", *edits)

    def _made(
        self, site: Site, operand: ast.expr, beside: list[ast.expr], rewriter: Rewriter, trust: Trust
    ) -> tuple[str, Edit] | None:
        """Rung 1, for ``torch.tensor(<constant>)`` on the spot."""
        record = site.module.call_of(operand) if isinstance(operand, ast.Call) else None
        inner = site.call_node(operand)
        if record is None or inner is None or record.callee != "torch.tensor" or len(record.node.args) != 1:
            return None
        given = {keyword.arg: keyword.value for keyword in record.node.keywords}
        if set(given) - {"dtype"}:
            return None
        data = record.node.args[0]
        dtype = site.value(given["dtype"]) if "dtype" in given else None
        constant = constant_form(data, site.value, dtype)
        if constant is None or constant.function != "full":
            return None
        scalar = self._as_scalar(site, data, dtype, constant, beside)
        if scalar:
            return "a Python scalar", Edit(site.module.source.span(operand), rewriter.text(data))
        for reason in constant.reasons:
            trust.require(False, reason)
        new = factory_call(site, bare(inner), constant, "data")
        if not isinstance(new.func, cst.Attribute):
            return None
        new = new.with_changes(func=new.func.with_changes(attr=cst.Name("full")))
        new = calls.append(new, calls.keyword("device", cst.parse_expression(rewriter.device)))
        assert site.snippet is not None
        edit = calls.minimal_edit(
            site.module.source, site.module.source.span(operand), site.snippet.render(new)
        )
        return None if edit is None else ("made by torch.full", edit)

    @staticmethod
    def _as_scalar(
        site: Site, data: ast.expr, dtype: Value | None, constant: Constant, beside: list[ast.expr]
    ) -> bool:
        """A scalar gives the same dtype and value: floating, beside a floating tensor that has dimensions."""
        value = site.value(data)
        if (
            constant.shape != "()"
            or constant.reasons
            or not value.only(V.PYSCALAR)
            or value.may(Kind.COMPLEX)
        ):
            return False
        if dtype is not None and dtype.dtype not in _FLOATS:
            return False
        if value.const is V.MISSING or isinstance(value.const, int) or value.const not in _EXACT:
            return False
        operand = [v for v in map(site.value, beside) if v.dtype != "bool"]
        return len(operand) == 1 and operand[0].has_dims and operand[0].dtype in ("float32", "float64")


def _on_host(value: Value) -> bool:
    return value.only(Kind.TENSOR) and value.device == V.CPU
