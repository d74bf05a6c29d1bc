"""HTD301."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from h2dlint.analysis import values as V
from h2dlint.model import Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.indexing import HostIndex, Rewriter, host_indices, put_indices, weigh_tensor
from h2dlint.rules.place import Place
from h2dlint.rules.site import WAITS, Case, Site, SubscriptSite, Trust
from h2dlint.syntax.calls import CannotRewrite


class HostIndexIntoDevice(Rule):
    """A device tensor is indexed by something that is on the host.

    ## What it does
    Reports `x[[0, 2]]`, `x[:, indices]`, `x[range(n)]`, `x[array]` and `x[host_tensor]`, read or assigned to, where `x`
    is on the device and the index is a list, a range, an ndarray or a host tensor.

    ## Why it blocks
    The index is made a tensor in pageable memory, copied to the device, and the stream is synchronized. Integers and
    slices need no copy.

    ## Example
    ```python
    import torch

    def flip_channels(images: torch.Tensor) -> torch.Tensor:
        return images.cuda()[:, [2, 1, 0]]
    ```

    ## Use instead
    ```python
    import torch

    def flip_channels(images: torch.Tensor) -> torch.Tensor:
        images = images.cuda()
        order = torch.tensor([2, 1, 0], dtype=torch.int64, pin_memory=True)
        return images[:, order.to(images.device, non_blocking=True)]
    ```

    ## Fix safety
    Equal integers and ranges become `torch.full` or `torch.arange` on the device of the tensor, which is right on every
    device. Other lists of integers, arrays and host tensors are pinned as for HTD101, which is unsafe unless the tensor
    is proven to be on CUDA or ROCm, or `assume-cuda` is set. A slice would need no index at all, but gives a view where
    a list gives a copy, so that is left to you, as is a constant index that could be kept on the device. Masks are
    not edited: reading back how many elements they select makes the host wait all the same.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `x[[1, 2]]` holds the host for 20.2 ms, `x[i]` with an index
    tensor from pinned memory for 0.05 ms, `x[1:3]` for 0.01 ms. Reading by a boolean mask of the host does not hold it:
    since torch 2.9 PyTorch sends the positions through pinned memory. With `torch-version` set to an older one such
    reads are reported too, by PyTorch's source and not by measurement.

    ## References
    - [PyTorch pull request 156384](https://github.com/pytorch/pytorch/pull/156384)
    - [Tensor indexing](https://pytorch.org/docs/stable/notes/cuda.html#asynchronous-execution)
    """

    code = "HTD301"
    name = "host-index-into-device"
    screen = (b"cuda", b"device", b"Module")
    subscripts = True
    methods = frozenset({"index_put_", "index_put"})

    def check_subscript(self, site: SubscriptSite) -> Iterable[Finding]:
        case = Case()
        yield from self._check(site, site.node.value, host_indices(site, case), case)

    def check(self, site: Site) -> Iterable[Finding]:
        assert isinstance(site.node.func, ast.Attribute)
        case = Case()
        yield from self._check(site, site.node.func.value, put_indices(site, case), case)

    def _check(
        self, site: Place, tensor: ast.expr, indices: list[HostIndex], case: Case
    ) -> Iterable[Finding]:
        doubted = any(i.form == "tensor" and not isinstance(i.node, ast.Call) for i in indices)
        if not indices or not weigh_tensor(site, tensor, case, doubted):
            return
        what = " and ".join(f"`{site.code(index.node)}`" for index in indices)
        message = f"Indexing a device tensor by {what} copies the index from pageable memory and {WAITS}"
        yield site.finding(self, message, case, self._fix(site, tensor, indices))

    def _fix(self, site: Place, tensor: ast.expr, indices: list[HostIndex]) -> Fix:
        trust = Trust(site)
        trust.stream()
        mask = site.value(tensor).device
        if any(index.value.dtype == "bool" or _of_bools(index) for index in indices):
            return trust.fix(
                "Make the mask on the device, or select by positions: a mask is read back to count its ones",
                None,
            )
        try:
            rewriter = Rewriter(site, tensor, trust)
            edits = [edit for index in indices for edit in rewriter.index(index)]
        except CannotRewrite:
            return trust.fix(
                "Make the index on the device, or copy it from pinned memory without blocking", None
            )
        if all("non_blocking" not in edit.content for edit in edits):
            return trust.fix("Make the index on the device", *edits)
        trust.device(mask, tensor)
        trust.require(not mask & V.UNSET, f"{site.code(tensor)} may be None")
        return trust.fix("Copy the index from pinned memory without blocking", *edits)


def _of_bools(index: HostIndex) -> bool:
    elem = index.value.elem
    return elem is not None and elem.known and elem.may(V.Kind.BOOL)
