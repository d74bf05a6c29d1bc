"""HTD103."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.model import Finding
from h2dlint.rules.base import Rule
from h2dlint.rules.constructors import read_constructor
from h2dlint.rules.ladder import factory_upload, pinned_upload, safer
from h2dlint.rules.site import WAITS, Site


class ConstantTensorOnDevice(Rule):
    """A constant is built on the host for the device, although a device factory makes it there.

    ## What it does
    Reports `torch.tensor(value, device=device)` (and `as_tensor`, `asarray`) where the data is a Python
    scalar, a list of one scalar, a repeated scalar (`[c] * n`), nested lists of one constant, or a range.

    ## Why it blocks
    The value is written to pageable host memory, copied, and the stream is synchronized. A factory launches a
    kernel that takes the value as an argument: nothing is copied and nobody waits.

    ## Example
    ```python
    import torch

    def scale(x: torch.Tensor) -> torch.Tensor:
        return x * torch.tensor(0.5, device=x.device)
    ```

    ## Use instead
    ```python
    import torch

    def scale(x: torch.Tensor) -> torch.Tensor:
        return x * torch.full((), 0.5, device=x.device)
    ```

    ## Fix safety
    Right on every device, so no proof of the device is needed. Unsafe where the two forms differ at an edge:
    a number that may not fit the dtype (`torch.full` raises for a float beyond float32, where `torch.tensor`
    gives inf), a count that may be negative, a list without a dtype that may be empty (an empty list is
    float32), a range that may be empty or that the dtype cannot hold exactly, arguments hidden in `**kwargs`,
    and where the module uses streams, events or threads. Where only such an edge is in the way, and a pinned copy
    is safe (the device is proven to be CUDA, or `assume-cuda` is set), that is the fix.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `torch.tensor(3.0, device=d)` holds the host for 20.2
    ms, `torch.full((), 3.0, device=d)` for 0.01 ms. On an idle stream: 14 us against 9 us.

    ## References
    - [torch.full](https://pytorch.org/docs/stable/generated/torch.full.html)
    """

    code = "HTD103"
    name = "constant-tensor-on-device"
    screen = (b"tensor", b"asarray")
    functions = frozenset({"torch.tensor", "torch.as_tensor", "torch.asarray"})

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_constructor(site)
        if found is None or found.constant is None or (found.pinned and site.record.callee != "torch.tensor"):
            return
        fix = factory_upload(site, found.constant, found.names)
        if found.constant.reasons:
            fix = safer(fix, pinned_upload(site, found.data, found.device, found.mask, found.names))
        message = (
            f"`{site.record.callee}` copies a constant to {found.where} and {WAITS}; "
            f"`torch.{found.constant.function}` makes it there without a copy"
        )
        yield site.finding(self, message, found.case, fix)
