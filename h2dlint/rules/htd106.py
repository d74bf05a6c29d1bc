"""HTD106."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.model import Finding
from h2dlint.rules.base import Rule
from h2dlint.rules.constructors import read_constructor
from h2dlint.rules.ladder import pinned_upload
from h2dlint.rules.site import WAITS, Site


class PinnedConstructorOnDevice(Rule):
    """A constructor is given both a device and pinned memory; the pinning is wasted.

    ## What it does
    Reports `torch.tensor(data, device=device, pin_memory=True)` where `device` is, or may be, an accelerator.

    ## Why it blocks
    With a device the constructor builds the tensor in pageable memory and copies it blocking; `pin_memory` is
    ignored.

    ## Example
    ```python
    import torch

    def upload(lengths: list[int], x: torch.Tensor) -> torch.Tensor:
        return torch.tensor(lengths, device=x.device, pin_memory=True)
    ```

    ## Use instead
    ```python
    import torch

    def upload(lengths: list[int], x: torch.Tensor) -> torch.Tensor:
        return torch.tensor(lengths, pin_memory=True).to(x.device, non_blocking=True)
    ```

    ## Fix safety
    As for HTD101.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11) the host is held for 20.3 ms although
    `pin_memory=True` is given.

    ## References
    - `torch/csrc/utils/tensor_new.cpp`, `internal_new_from_data`
    """

    code = "HTD106"
    name = "pinned-constructor-on-device"
    screen = (b"pin_memory",)
    functions = frozenset({"torch.tensor"})

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_constructor(site)
        if found is None or not found.pinned or found.constant is not None:
            return
        fix = pinned_upload(site, found.data, found.device, found.mask, found.names)
        message = f"`pin_memory` is ignored for a tensor on {found.where}: the copy {WAITS}"
        yield site.finding(self, message, found.case, fix)
