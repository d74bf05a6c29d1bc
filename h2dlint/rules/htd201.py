"""HTD201."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.model import Finding
from h2dlint.rules.base import Rule
from h2dlint.rules.factory_moves import constant_move
from h2dlint.rules.ladder import safer
from h2dlint.rules.movers import METHODS, read_move
from h2dlint.rules.pinned_moves import pinned_move
from h2dlint.rules.site import WAITS, Site


class FreshHostTensorMoved(Rule):
    """A tensor is built from data on the host and then moved to the device.

    ## What it does
    Reports `t.to(device)`, `t.cuda()` and `t.type_as(x)` where `t` is proven to be a pageable host tensor
    made from host data or from other host tensors, in the same expression or through names and attributes.
    Factories are HTD202, arrays HTD203.

    ## Why it blocks
    A copy from pageable memory without `non_blocking=True` synchronizes the stream, so the host waits for all
    the work queued before it.

    ## Example
    ```python
    import torch

    def gather(hidden: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        index = torch.tensor(lengths)
        return hidden[index.to(hidden.device)]
    ```

    ## Use instead
    ```python
    import torch

    def gather(hidden: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        index = torch.tensor(lengths)
        return hidden[index.pin_memory().to(hidden.device, non_blocking=True)]
    ```

    ## Fix safety
    Where the constructor stands in the same expression it gets `pin_memory=True`; elsewhere `.pin_memory()`
    is put before the move: the pinned copy is a temporary, so that writing to the source afterwards cannot
    reach the copy in flight. Safe under the conditions of HTD101, and where the source is not pinned already
    (`.pin_memory()` would return it as it is). Of a tensor that was expanded a clone is pinned, because
    pinning raises where elements share memory. `torch.tensor(constant).to(d)` becomes a device factory.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `torch.tensor(xs).to(d)` holds the host for 20.2 ms,
    with pinning and `non_blocking=True` for 0.07 ms; pinned without `non_blocking=True` still 20.2 ms.

    ## References
    - `aten/src/ATen/native/cuda/Copy.cu`, `copy_kernel_cuda`
    - [torch.Tensor.to](https://pytorch.org/docs/stable/generated/torch.Tensor.to.html)
    """

    code = "HTD201"
    name = "fresh-host-tensor-moved"
    screen = (b".to(", b".cuda(", b".type_as(")
    methods = METHODS

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_move(site)
        if found is None or found.family in ("factory", "random", "numpy"):
            return
        if found.family == "legacy" and found.root is not None:
            return
        made, pinned = constant_move(site, found), pinned_move(site, found)
        fix = safer(made, pinned) if made is not None else pinned
        message = f"`.{site.record.method}` copies a host tensor from pageable memory and {WAITS}"
        yield site.finding(self, message, found.case, fix)
