"""HTD303."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind
from h2dlint.model import Confidence, Edit, Finding, Fix, Span
from h2dlint.rules.base import Rule
from h2dlint.rules.indexing import require_fitting, single_assignment, weigh_tensor
from h2dlint.rules.ladder import pure
from h2dlint.rules.site import WAITS, Case, SubscriptSite, Trust


class ScalarIntoElement(Rule):
    """A Python scalar is assigned to one element of a device tensor.

    ## What it does
    Reports `x[i, j] = 3` and `x[i][j] = 3` where there are provably as many integers as the tensor has dimensions.
    Assigning to a row (`x[i] = 3` of a matrix) or a slice does not block and is not reported.

    ## Why it blocks
    The destination has no dimension, and for such PyTorch makes the scalar a tensor on the host, copies it to the
    device and synchronizes the stream.

    ## Example
    ```python
    import torch

    def offsets(n: int) -> torch.Tensor:
        result = torch.empty(n + 1, device="cuda")
        result[0] = 0
        return result
    ```

    ## Use instead
    ```python
    import torch

    def offsets(n: int) -> torch.Tensor:
        result = torch.empty(n + 1, device="cuda")
        result[0].fill_(0)
        return result
    ```

    ## Fix safety
    `.fill_` launches a kernel with the scalar as an argument, which is right on every device. Unsafe where the module
    uses streams, events or threads, where the value may have effects (it would be evaluated later than now), and where
    the dtype is not known and the number not small: beyond what float16, bfloat16 or float8 hold an assignment gives
    inf, where `.fill_` raises.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `x[1, 2] = 3.0` holds the host for 20.2 ms,
    `x[1, 2].fill_(3.0)` for 0.01 ms.

    ## References
    - [Tensor.fill_](https://pytorch.org/docs/stable/generated/torch.Tensor.fill_.html)
    """

    code = "HTD303"
    name = "scalar-into-element"
    screen = (b"cuda", b"device", b"Module")
    subscripts = True

    def check_subscript(self, site: SubscriptSite) -> Iterable[Finding]:
        stored = site.record.stored
        if stored is None or not site.value(stored).only(V.PYSCALAR):
            return
        # ``x[i][j]``: the first subscript gives a view with the dimensions that are left.
        dimensions = site.value(site.node.value).ndim
        integers = [value for value in map(site.value, site.indices) if value.only(Kind.INT)]
        if dimensions is None or len(integers) != len(site.indices) or len(integers) != dimensions:
            return
        case = Case()
        if not weigh_tensor(site, site.node.value, case):
            return
        case.say(
            f"index: {len(integers)} integers for {dimensions} dimensions",
            min(v.confidence for v in integers),
        )
        message = f"Assigning a scalar to one element copies it from pageable memory and {WAITS}"
        yield site.finding(self, message, case, self._fix(site, stored))

    def _fix(self, site: SubscriptSite, stored: ast.expr) -> Fix:
        trust = Trust(site)
        trust.stream()
        weak = site.value(stored).confidence is not Confidence.HIGH
        trust.require(not weak, f"the kind of {site.code(stored)} rests on weak evidence")
        owner = site.value(site.node.value)
        trust.require(
            owner.only(Kind.TENSOR) and owner.confidence is Confidence.HIGH,
            "the tensor rests on weak evidence",
        )
        require_fitting(trust, owner, site.value(stored))
        # The assignment evaluates the value first, then the tensor and the index.
        trust.require(pure(site, stored), "the order of evaluation changes")
        title = "Fill the element in place"
        source = site.module.source
        target, value = source.span(site.node), source.span(stored)
        between = Span(target.end_line, target.end_column, value.line, value.column)
        plain = source.slice(between).strip() == "=" and not isinstance(stored, (ast.NamedExpr, ast.Yield))
        if single_assignment(site) is None or site.found is None or not plain:
            return trust.fix(title, None)
        end = Span(value.end_line, value.end_column, value.end_line, value.end_column)
        return trust.fix(title, Edit(between, ".fill_("), Edit(end, ")"))
