"""HTD304."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind
from h2dlint.model import Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.indexing import (
    INDEX_DTYPES,
    Rewriter,
    host_indices,
    put_indices,
    single_assignment,
    weigh_tensor,
)
from h2dlint.rules.place import Place
from h2dlint.rules.site import WAITS, Case, Site, SubscriptSite, Trust
from h2dlint.syntax.calls import CannotRewrite


class HostTensorIntoDeviceSlice(Rule):
    """A host tensor is assigned to a part of a device tensor.

    ## What it does
    Reports `x[a:b] = host_tensor`, `x[i] = torch.tensor(..)` and `x.index_put_((idx,), host_tensor)` where `x` is on
    the device. A value with no dimension that fills several elements is passed to a kernel, and not reported.

    ## Why it blocks
    The assignment is a blocking copy, from pinned memory too: there is no place to say `non_blocking=True`.

    ## Example
    ```python
    import torch

    def fill(lengths: list[int]) -> torch.Tensor:
        buffer = torch.zeros(128, dtype=torch.int64, device="cuda")
        buffer[: len(lengths)] = torch.tensor(lengths, dtype=torch.int64)
        return buffer
    ```

    ## Use instead
    ```python
    import torch

    def fill(lengths: list[int]) -> torch.Tensor:
        buffer = torch.zeros(128, dtype=torch.int64, device="cuda")
        host = torch.tensor(lengths, dtype=torch.int64, pin_memory=True)
        buffer[: len(lengths)] = host.to(buffer.device, non_blocking=True)
        return buffer
    ```

    ## Fix safety
    The value is moved from pinned memory before it is assigned, so that shapes and broadcasting stay what they were.
    Unsafe where the two dtypes are not known to be the same (the conversion moves to the device), and under the
    conditions of HTD101.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `x[i, a:b] = host` holds the host for 20.2 ms, moved from
    pinned memory first for 0.05 ms.

    ## References
    - [torch.Tensor.copy_](https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html)
    """

    code = "HTD304"
    name = "host-tensor-into-device-slice"
    screen = (b"cuda", b"device", b"Module")
    subscripts = True
    methods = frozenset({"index_put_", "index_put"})

    def check(self, site: Site) -> Iterable[Finding]:
        assert isinstance(site.node.func, ast.Attribute)
        value = site.argument(1, "values")
        if value is not None and not put_indices(site, Case()):
            yield from self._check(site, site.node.func.value, value, True)

    def check_subscript(self, site: SubscriptSite) -> Iterable[Finding]:
        stored = site.record.stored
        if stored is None or host_indices(site, Case()):
            return
        if site.value(stored).ndim != 0 or self._copied(site):
            yield from self._check(site, site.node.value, stored, single_assignment(site) is not None)

    @staticmethod
    def _copied(site: SubscriptSite) -> bool:
        """A value with no dimension is an argument of a kernel, but for one element and for positions."""
        dimensions = site.value(site.node.value).ndim
        indices = [site.value(node) for node in site.indices]
        if any(index.only(Kind.TENSOR) for index in indices):
            return all(index.dtype in INDEX_DTYPES for index in indices if index.only(Kind.TENSOR))
        return dimensions is not None and [i.only(Kind.INT) for i in indices] == [True] * dimensions

    def _check(self, site: Place, tensor: ast.expr, stored: ast.expr, plain: bool) -> Iterable[Finding]:
        value = site.value(stored)
        if not value.only(Kind.TENSOR) or value.device != V.CPU:
            return
        case = Case()
        if not weigh_tensor(site, tensor, case):
            return
        case.say(f"value: {site.code(stored)}: host tensor, {value.why}", value.confidence)
        message = f"Assigning a host tensor to a part of a device tensor {WAITS}"
        yield site.finding(self, message, case, self._fix(site, tensor, stored, plain))

    def _fix(self, site: Place, tensor: ast.expr, stored: ast.expr, plain: bool) -> Fix:
        trust = Trust(site)
        trust.stream()
        title = "Copy the value from pinned memory without blocking"
        owner, value = site.value(tensor), site.value(stored)
        trust.device(owner.device, tensor)
        same = owner.dtype is not None and owner.dtype == value.dtype
        trust.require(same, "the dtype may be converted, on the host in the original")
        try:
            if not plain:
                raise CannotRewrite("more than one target")
            edits = Rewriter(site, tensor, trust).tensor(stored, value)
        except CannotRewrite:
            return trust.fix(title, None)
        return trust.fix(title, *edits)
