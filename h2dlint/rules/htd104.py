"""HTD104."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import libcst as cst

from h2dlint.analysis import values as V
from h2dlint.analysis.moves import device_mask
from h2dlint.analysis.values import Kind
from h2dlint.model import Confidence, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.constants import Constant, constant_form
from h2dlint.rules.constructors import weigh_data
from h2dlint.rules.ladder import (
    bare,
    edit_of,
    factory_call,
    in_order,
    left_out,
    non_blocking_to,
    only_keywords,
    pinned,
    pins_in_constructor,
    pure,
    safer,
    same_order,
    with_grad,
)
from h2dlint.rules.site import WAITS, Case, Site, Trust, weigh_device
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite


class HostDataNewTensor(Rule):
    """A device tensor's `new_tensor` or `new` is given host data.

    ## What it does
    Reports `x.new_tensor(data)` and `x.new([..])` where `data` is host data and `x` is, or may be, on an
    accelerator.

    ## Why it blocks
    As `torch.tensor(data, device=x.device)`: a copy from pageable memory, then a synchronization of the
    stream.

    ## Example
    ```python
    import torch

    def pad(x: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        return x.new_tensor(lengths)
    ```

    ## Use instead
    ```python
    import torch

    def pad(x: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        return torch.tensor(lengths, dtype=x.dtype, pin_memory=True).to(x.device, non_blocking=True)
    ```

    ## Fix safety
    Constants become `x.new_full(..)`, right on every device, with the edges of HTD103. Other data is pinned
    as for HTD101, with the dtype and device of `x` spelled out; that fix is unsafe unless `x` is proven to be
    on CUDA or ROCm, or `assume-cuda` is set.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `x.new_tensor([..])` holds the host for 20.2 ms,
    `x.new_full` for 0.01 ms.

    ## References
    - [torch.Tensor.new_tensor](https://pytorch.org/docs/stable/generated/torch.Tensor.new_tensor.html)
    """

    code = "HTD104"
    name = "host-data-new-tensor"
    screen = (b"new_tensor", b".new(")
    methods = frozenset({"new_tensor", "new"})

    def check(self, site: Site) -> Iterable[Finding]:
        assert isinstance(site.node.func, ast.Attribute)
        receiver = site.node.func.value
        owner = site.value(receiver)
        if site.record.method == "new":
            # Anything may have a method ``new``: only a tensor's, and only with a list, is known to copy.
            if len(site.node.args) != 1 or not owner.only(Kind.TENSOR | Kind.NONE):
                return
            if not site.value(site.node.args[0]).only(Kind.SEQ | Kind.NDARRAY):
                return
        data = site.argument(0, "data")
        if data is None or not owner.may(Kind.TENSOR):
            return
        case = Case()
        device = site.argument(None, "device")
        if device is not None:
            mask = weigh_device(site, device, case)
        else:
            mask = device_mask(owner) & ~V.UNSET
            known = owner.only(Kind.TENSOR | Kind.NONE)
            # What is not even known to be a tensor may as well be one on the host.
            case.say(f"device: that of {site.code(receiver)}", Confidence.HIGH if known else Confidence.LOW)
        if not mask & V.CUDA or not weigh_data(site, data, site.value(data), case, tensors_welcome=False):
            return
        dtype = site.argument(None, "dtype")
        # Without a dtype the receiver's is taken, which is not None but unknown.
        wanted = site.value(dtype)
        if dtype is None or wanted.may(Kind.NONE):
            same = dtype is None or wanted.only(Kind.NONE)
            wanted = V.Value(kind=Kind.DTYPE, dtype=owner.dtype if same else None)
        constant = constant_form(data, site.value, wanted)
        if constant is not None and constant.function == "full":
            fix = self._new_full(site, constant)
            if constant.reasons:
                fix = safer(fix, self._pinned(site, data, receiver, device, mask))
        else:
            fix = self._pinned(site, data, receiver, device, mask)
        message = f"`{site.record.method}` copies host data to the device from pageable memory and {WAITS}"
        yield site.finding(self, message, case, fix)

    def _new_full(self, site: Site, constant: Constant) -> Fix:
        trust = Trust(site)
        trust.stream()
        trust.require(not site.hidden_arguments, "some arguments cannot be seen")
        same_order(site, constant, trust)
        left_out(site, site.argument(None, "pin_memory"), trust)
        for reason in constant.reasons:
            trust.require(False, reason)
        title = "Make the tensor on the device with new_full"
        if site.call is None:
            return trust.fix(title)
        try:
            call = factory_call(site, bare(site.call), constant, "data")
            # Ignored by new_tensor for a device, refused by new_full.
            pin = calls.find(call, "pin_memory")
            call = call if pin is None else calls.remove(call, pin)
            func = call.func
            assert isinstance(func, cst.Attribute)
            call = call.with_changes(func=func.with_changes(attr=cst.Name("new_full")))
        except CannotRewrite:
            return trust.fix(title)
        return trust.fix(title, edit_of(site, call))

    def _pinned(
        self, site: Site, data: ast.expr, receiver: ast.expr, device: ast.expr | None, mask: int
    ) -> Fix:
        trust = Trust(site)
        value = site.value(data)
        trust.stream()
        trust.device(mask, device if device is not None else receiver)
        trust.data(value, data)
        trust.require(not site.hidden_arguments, "some arguments cannot be seen")
        for moved in (device, site.argument(None, "requires_grad")):
            in_order(site, moved, trust)
        left_out(site, site.argument(None, "pin_memory"), trust)
        # Its dtype and device are read after the data is made.
        kept = isinstance(receiver, ast.Name) or pure(site, data)
        trust.require(kept, "the order of evaluation changes")
        owner = site.value(receiver)
        trust.require(owner.only(Kind.TENSOR), f"{site.code(receiver)} is not proven to be a tensor")
        title = "Copy from pinned memory without blocking"
        torch = site.module.name_of_torch(site.record.function)
        if site.call is None or torch is None or not pure(site, receiver):
            return trust.fix(title)
        try:
            call = only_keywords(bare(site.call), ("data",))
            func = call.func
            assert isinstance(func, cst.Attribute)
            target: cst.BaseExpression = cst.Attribute(calls.plain(func.value), cst.Name("device"))
            index = calls.find(call, "device")
            if index is not None:
                target = call.args[index].value
            grad_index = calls.find(call, "requires_grad")
            grad = None
            if grad_index is not None:
                grad = call.args[grad_index].value
                call = calls.remove(call, grad_index)
            call = call.with_changes(func=cst.parse_expression(f"{torch}.tensor"))
            given = site.argument(None, "dtype")
            if given is None or site.value(given).only(Kind.NONE):
                like = cst.Attribute(calls.plain(func.value), cst.Name("dtype"))
                call = calls.set_keyword(call, "dtype", like)
            elif site.value(given).may(Kind.NONE) and site.value(given).known:
                raise CannotRewrite("the dtype may be None")
            result = non_blocking_to(pinned(call, site, value), target)
            result = with_grad(result, grad)
        except CannotRewrite:
            return trust.fix(title)
        trust.require(
            pins_in_constructor(value) or value.only(V.UPLOADABLE), "the kind of the data is not known"
        )
        return trust.fix(title, edit_of(site, result))
