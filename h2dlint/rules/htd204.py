"""HTD204."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.model import Finding
from h2dlint.rules.base import Rule
from h2dlint.rules.copies import filled, pinned_copy
from h2dlint.rules.movers import read_transfer
from h2dlint.rules.site import WAITS, Site


class BlockingCopyIntoDevice(Rule):
    """A pageable host tensor is copied into a tensor on the device.

    ## What it does
    Reports `x.copy_(t)` without `non_blocking=True` where `t` is proven to be a host tensor that is not pinned,
    and `x` (`buf[:n]`, `param.data`, `self.buf`) is on the device, or is a tensor or an attribute of which
    nothing says that it is on the host. Pinned sources are HTD205.

    ## Why it blocks
    A copy from pageable memory without `non_blocking=True` synchronizes the stream, so the host waits for all
    the work queued before it.

    ## Example
    ```python
    import torch

    def refill(lengths: list[int]) -> torch.Tensor:
        buffer = torch.zeros(len(lengths), dtype=torch.int64, device="cuda")
        return buffer.copy_(torch.tensor(lengths))
    ```

    ## Use instead
    ```python
    import torch

    def refill(lengths: list[int]) -> torch.Tensor:
        buffer = torch.zeros(len(lengths), dtype=torch.int64, device="cuda")
        return buffer.copy_(torch.tensor(lengths, pin_memory=True), non_blocking=True)
    ```

    ## Fix safety
    `.fill_(c)` where the source is one number repeated (`torch.zeros(n)`, `torch.tensor(3)`): safe for small
    whole numbers, which are the same in every dtype. Else the source is pinned where it is made, or as a copy,
    as for HTD201, and safe under the same conditions. Into a strided view such as `x[:, :n]` the pinned
    source is moved to the device first and copied there: where it is broadcast, a direct copy would first spread it
    out in pageable memory.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `gpu.copy_(cpu)` holds the host for 20.2 ms, with a
    pinned source and `non_blocking=True` for 0.02 ms.

    ## References
    - `aten/src/ATen/native/cuda/Copy.cu`, `copy_requires_temporaries`
    - [torch.Tensor.copy_](https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html)
    """

    code = "HTD204"
    name = "blocking-copy-into-device"
    screen = (b".copy_(",)
    methods = frozenset({"copy_"})

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_transfer(site)
        if found is None or found.pinned or not found.blocking:
            return
        fix = filled(site, found) or pinned_copy(site, found)
        message = f"`.copy_` copies a host tensor from pageable memory and {WAITS}"
        yield site.finding(self, message, found.case, fix)
