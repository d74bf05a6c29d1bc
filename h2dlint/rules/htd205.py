"""HTD205."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.analysis import layout as L
from h2dlint.model import Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.copies import pinned_copy
from h2dlint.rules.movers import COPYING, Movement, read_transfer
from h2dlint.rules.pinned_moves import non_blocking_move, pinned_move
from h2dlint.rules.site import WAITS, Site


class PinnedCopyBlocks(Rule):
    """A pinned tensor is copied to the device without `non_blocking=True`.

    ## What it does
    Reports `t.to(device)`, `t.cuda()`, `t.type_as(x)` and `x.copy_(t)` where `t` is proven to be pinned: made
    with `pin_memory=True`, by `.pin_memory()`, or a view of such a tensor.

    ## Why it blocks
    Pinning alone does not make a copy asynchronous: without `non_blocking=True` PyTorch synchronizes the
    stream after it.

    ## Example
    ```python
    import torch

    def upload(lengths: list[int], device: torch.device) -> torch.Tensor:
        return torch.tensor(lengths, pin_memory=True).to(device)
    ```

    ## Use instead
    ```python
    import torch

    def upload(lengths: list[int], device: torch.device) -> torch.Tensor:
        return torch.tensor(lengths, pin_memory=True).to(device, non_blocking=True)
    ```

    ## Fix safety
    `non_blocking=True` is added. What is written to the pinned tensor before the copy has run would then arrive
    on the device, so this is safe only for a temporary and for a local name that is bound once to a fresh tensor
    and only read after the copy, on a device that is proven to be CUDA or ROCm. A buffer that is kept (an
    attribute, a parameter, a name in use elsewhere) makes it unsafe: wait for the copy before writing again, or
    use two buffers in turn. Of a pinned tensor with gaps (HTD207) a dense pinned copy is moved.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `pinned.to(d)` holds the host for 20.2 ms, with
    `non_blocking=True` for 0.07 ms; `gpu.copy_(pinned)` for 20.2 ms and 0.02 ms.

    ## References
    - [pin_memory and non_blocking](https://pytorch.org/tutorials/intermediate/pinmem_nonblock.html)
    - [torch.Tensor.to](https://pytorch.org/docs/stable/generated/torch.Tensor.to.html)
    """

    code = "HTD205"
    name = "pinned-copy-blocks"
    screen = (b".to(", b".cuda(", b".type_as(", b".copy_(")
    methods = COPYING

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_transfer(site)
        if found is None or not found.pinned or not found.blocking:
            return
        message = f"`.{site.record.method}` of a pinned tensor is without `non_blocking=True` and {WAITS}"
        yield site.finding(self, message, found.case, _fix(site, found))


def _fix(site: Site, found: Movement) -> Fix:
    if found.destination is not None:
        return pinned_copy(site, found)
    return pinned_move(site, found) if L.gapped(found.value.layout) else non_blocking_move(site, found)
