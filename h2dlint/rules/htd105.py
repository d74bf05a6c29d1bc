"""HTD105."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import libcst as cst

from h2dlint.analysis import values as V
from h2dlint.analysis.torch_facts import LEGACY
from h2dlint.analysis.values import PYSCALAR, Kind, Value
from h2dlint.model import Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.constants import constant_form
from h2dlint.rules.factory_moves import constant_move
from h2dlint.rules.ladder import bare, edit_of, factory_call, non_blocking_to, pins_in_constructor, same_order
from h2dlint.rules.movers import METHODS, read_move
from h2dlint.rules.pinned_moves import is_list, legacy_as_tensor, legacy_dtype, pinned_move
from h2dlint.rules.site import WAITS, Case, Site, Trust
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite


class LegacyCudaConstructor(Rule):
    """A legacy typed constructor, or a conversion to such a type, uploads host data.

    ## What it does
    Reports `torch.cuda.LongTensor([..])` over host data, and `torch.LongTensor([..]).cuda()` or `.to(device)`
    for every legacy constructor (`FloatTensor`, `Tensor`, ..). A legacy constructor over sizes copies nothing
    and is silent. `.type("torch.cuda.LongTensor")` of a tensor that is on the host moves it, and is reported
    without a fix.

    ## Why it blocks
    As `torch.tensor(data, device="cuda")`: a copy from pageable memory, then a synchronization of the stream.

    ## Example
    ```python
    import torch

    def index(lengths: list[int]) -> torch.Tensor:
        return torch.LongTensor(lengths).cuda()
    ```

    ## Use instead
    ```python
    import torch

    def index(lengths: list[int]) -> torch.Tensor:
        return torch.tensor(lengths, dtype=torch.int64, pin_memory=True).cuda(non_blocking=True)
    ```

    ## Fix safety
    The constructor becomes `torch.tensor` with the dtype spelled out, pinned. Safe where the data is proven
    to be a list (or a tuple that is no `torch.Size`, which would be a shape) and the module uses no streams,
    events or threads. A CUDA constructor over an ndarray is reported without a fix.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `torch.cuda.LongTensor([..])` and
    `torch.LongTensor([..]).cuda()` hold the host for 20.2 ms.

    ## References
    - [torch.Tensor: legacy constructors](https://pytorch.org/docs/stable/tensors.html)
    """

    code = "HTD105"
    name = "legacy-cuda-constructor"
    screen = (b"Tensor(", b".type(")
    functions = frozenset(f"torch.cuda.{name}" for name in LEGACY if name != "Tensor")
    methods = METHODS | {"type"}

    def check(self, site: Site) -> Iterable[Finding]:
        if site.record.method == "type":
            yield from self._converted(site)
            return
        if site.record.method is not None:
            found = read_move(site)
            if found is None or found.family != "legacy" or found.root is None:
                return
            data = found.root.args[0] if len(found.root.args) == 1 else None
            if data is not None and site.value(data).items == ():
                return
            message = f"`{found.root_callee}` builds a host tensor whose move {WAITS}"
            is_data = data is not None and self._is_data(site, data)
            fix = constant_move(site, found) if is_data else None
            yield site.finding(self, message, found.case, fix or pinned_move(site, found))
            return
        data = site.argument(0, "data")
        if data is None or len(site.node.args) != 1 or not self._is_data(site, data):
            return
        case = Case()
        value = site.value(data)
        case.say(f"data: {site.code(data)}: {value.why}", value.confidence)
        case.say("device: cuda")
        message = f"`{site.record.callee}` copies host data from pageable memory and {WAITS}"
        yield site.finding(self, message, case, self._fix(site, data))

    def _converted(self, site: Site) -> Iterable[Finding]:
        """``host.type(torch.cuda.LongTensor)``, the type given itself or by its name."""
        func = site.node.func
        if not isinstance(func, ast.Attribute) or len(site.node.args) != 1 or site.node.keywords:
            return
        target, source = site.value(site.node.args[0]), site.value(func.value)
        name = target.const if isinstance(target.const, str) else target.qual
        on_host = source.only(Kind.TENSOR) and source.device == V.CPU and source.size != 0
        if name not in self.functions or not on_host:
            return
        case = Case()
        case.say(f"source: {site.code(func.value)}: host tensor, {source.why}", source.confidence)
        case.say(f"device: cuda, by {name}")
        message = f"`.type` moves a host tensor to a CUDA type and {WAITS}"
        advice = Trust(site).fix("Move a pinned tensor with .to(.., non_blocking=True)")
        yield site.finding(self, message, case, advice)

    def _is_data(self, site: Site, node: ast.expr) -> bool:
        """A list, tuple or ndarray with something in it; a number or a shape is a size."""
        value = site.value(node)
        return (
            value.only(Kind.SEQ | Kind.NDARRAY)
            and value.items != ()
            and value.why not in (".shape", ".size()")
        )

    def _factory(self, site: Site, data: ast.expr) -> Fix | None:
        """Rung 1 for ``torch.cuda.FloatTensor([c])``."""
        callee = site.record.callee or ""
        dtype = Value(kind=Kind.DTYPE, dtype=LEGACY[callee.removeprefix("torch.cuda.")])
        constant = constant_form(data, site.value, dtype)
        torch = site.module.name_of_torch(site.record.function)
        if constant is None or torch is None or site.call is None or site.value(data).only(PYSCALAR):
            return None
        trust = Trust(site)
        trust.stream()
        same_order(site, constant, trust)
        for reason in constant.reasons:
            trust.require(False, reason)
        try:
            new = factory_call(site, bare(site.call), constant, "data")
            new = new.with_changes(func=cst.parse_expression(f"{torch}.{constant.function}"))
            new = calls.append(new, calls.keyword("dtype", legacy_dtype(callee, torch)))
            new = calls.append(new, calls.keyword("device", cst.SimpleString('"cuda"')))
        except CannotRewrite:
            return None
        return trust.fix(f"Make the tensor on the device with torch.{constant.function}", edit_of(site, new))

    def _fix(self, site: Site, data: ast.expr) -> Fix:
        trust = Trust(site)
        trust.require(is_list(site, data), f"{site.code(data)} may be a torch.Size, which is no data")
        trust.stream()
        trust.device(V.CUDA, None)
        trust.data(site.value(data), data)
        title = "Copy from pinned memory without blocking"
        factory = self._factory(site, data)
        if factory is not None:
            return factory
        torch = site.module.name_of_torch(site.record.function)
        if site.call is None or torch is None or not pins_in_constructor(site.value(data)):
            return trust.fix(title)
        try:
            new = legacy_as_tensor(site, bare(site.call), site.record.callee or "", torch)
            result = non_blocking_to(new, cst.SimpleString('"cuda"'))
        except CannotRewrite:
            return trust.fix(title)
        return trust.fix(title, edit_of(site, result))
