"""HTD302."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence, Edit, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.indexing import (
    INDEX_DTYPES,
    Rewriter,
    host_indices,
    require_fitting,
    single_assignment,
    weigh_tensor,
)
from h2dlint.rules.site import WAITS, Case, SubscriptSite, Trust
from h2dlint.syntax.calls import CannotRewrite


class ScalarIntoTensorIndex(Rule):
    """A Python scalar is assigned to the positions in an index tensor.

    ## What it does
    Reports `x[idx] = 0.0` where `idx` is provably a tensor of integers. A boolean mask does not block, so an index of
    unknown dtype is not reported.

    ## Why it blocks
    The scalar is made a tensor on the host and copied to the device, and the stream is synchronized.

    ## Example
    ```python
    import torch

    def mute(logits: torch.Tensor) -> None:
        logits = logits.cuda()
        best = logits.argmax(dim=-1)
        logits[best] = 0.0
    ```

    ## Use instead
    ```python
    import torch

    def mute(logits: torch.Tensor) -> None:
        logits = logits.cuda()
        best = logits.argmax(dim=-1)
        logits[best] = torch.full((), 0.0, dtype=logits.dtype, device=logits.device)
    ```

    ## Fix safety
    The scalar is made on the device in the tensor's own dtype. Right on every device. Unsafe where the module uses
    streams, events or threads, and where the dtype is not known and the number not small: beyond what float16,
    bfloat16 or float8 hold an assignment gives inf, where `torch.full` raises.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `x[idx] = 3.0` holds the host for 20.2 ms, with
    `torch.full((), 3.0, ..)` for 0.04 ms. `x[mask] = 1.0` holds it for 0.14 ms, but with a device value, which makes
    PyTorch count the mask, for 10 ms of 10.

    ## References
    - [Tensor.index_put_](https://pytorch.org/docs/stable/generated/torch.Tensor.index_put_.html)
    """

    code = "HTD302"
    name = "scalar-into-tensor-index"
    screen = (b"cuda", b"device", b"Module")
    subscripts = True

    def check_subscript(self, site: SubscriptSite) -> Iterable[Finding]:
        stored = site.record.stored
        if stored is None or not site.value(stored).only(V.PYSCALAR):
            return
        case = Case()
        indices = [site.value(node) for node in site.indices]
        tensors = [value for value in indices if value.may(Kind.TENSOR) and value.known]
        if not tensors or host_indices(site, Case()):
            return
        for node, value in zip(site.indices, indices, strict=True):
            if isinstance(node, (ast.Slice, ast.Constant)) or value.only(Kind.INT):
                continue
            if not value.only(Kind.TENSOR) or value.ndim == 0 or not _of_positions(site, value):
                return
            case.say(f"index: {site.code(node)}: tensor of integers, {value.why}", value.confidence)
        if not weigh_tensor(site, site.node.value, case):
            return
        case.say(f"value: {site.code(stored)}: Python scalar", site.value(stored).confidence)
        message = f"Assigning a scalar through an index tensor copies it from pageable memory and {WAITS}"
        yield site.finding(self, message, case, self._fix(site, stored))

    def _fix(self, site: SubscriptSite, stored: ast.expr) -> Fix:
        trust = Trust(site)
        trust.stream()
        title = "Make the scalar on the device"
        weak = site.value(stored).confidence is not Confidence.HIGH
        trust.require(not weak, f"the kind of {site.code(stored)} rests on weak evidence")
        require_fitting(trust, site.value(site.node.value), site.value(stored))
        try:
            rewriter = Rewriter(site, site.node.value, trust)
            statement = single_assignment(site)
            text = rewriter.text(stored)
            if (
                statement is None
                or "\n" in text
                or "#" in text
                or isinstance(stored, (ast.NamedExpr, ast.Yield))
            ):
                raise CannotRewrite("the assignment is not understood")
        except CannotRewrite:
            return trust.fix(title, None)
        return trust.fix(title, Edit(site.module.source.span(stored), rewriter.scalar(text)))


def _of_positions(site: SubscriptSite, value: Value) -> bool:
    """An index tensor of integers; one that was made of a list of them may be empty, but then it raises here."""
    if value.dtype is not None:
        return value.dtype in INDEX_DTYPES
    if not value.origins:
        return False
    for made in value.origins:
        data = site.value(made.args[0]) if made.args and len(made.args) == 1 else V.UNKNOWN
        given = {keyword.arg for keyword in made.keywords}
        if "dtype" in given or not data.only(Kind.SEQ) or data.elem is None or not data.elem.only(Kind.INT):
            return False
    return True
