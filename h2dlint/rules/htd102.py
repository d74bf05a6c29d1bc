"""HTD102."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.model import Finding
from h2dlint.rules.base import Rule
from h2dlint.rules.constructors import read_constructor
from h2dlint.rules.ladder import pinned_upload
from h2dlint.rules.site import WAITS, Site


class HostDataAsTensorOnDevice(Rule):
    """Host data is converted directly to a tensor on the device.

    ## What it does
    Reports `torch.as_tensor(data, device=device)` and `torch.asarray(data, device=device)` where `data` is
    host data and `device` is, or may be, an accelerator. Both functions are commonly given tensors, which may
    be on the device already: with data of unknown kind the finding is of low confidence.

    ## Why it blocks
    Neither function shares memory across devices: the data is put into pageable host memory, copied, and the
    stream is synchronized.

    ## Example
    ```python
    import numpy as np
    import torch

    def upload(table: np.ndarray, device: torch.device) -> torch.Tensor:
        return torch.as_tensor(table, device=device)
    ```

    ## Use instead
    ```python
    import numpy as np
    import torch

    def upload(table: np.ndarray, device: torch.device) -> torch.Tensor:
        return torch.as_tensor(table).pin_memory().to(device, non_blocking=True)
    ```

    ## Fix safety
    As for HTD101. Neither function has `pin_memory`: lists go through `torch.tensor(.., pin_memory=True)`,
    ndarrays and host tensors through `.pin_memory()`. That raises where elements share memory (an array from
    `np.broadcast_to`; of a tensor that was expanded a clone is pinned), and of a tensor that is pinned
    already it returns the same tensor, which may be written again: unsafe where neither can be ruled out.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `as_tensor` of a list or an ndarray holds the host
    for 20.2 ms, of a device tensor for 0.01 ms.

    ## References
    - [torch.as_tensor](https://pytorch.org/docs/stable/generated/torch.as_tensor.html)
    - [torch.asarray](https://pytorch.org/docs/stable/generated/torch.asarray.html)
    """

    code = "HTD102"
    name = "host-data-as-tensor-on-device"
    screen = (b"as_tensor", b"asarray")
    functions = frozenset({"torch.as_tensor", "torch.asarray"})

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_constructor(site)
        if found is None or found.constant is not None:
            return
        fix = pinned_upload(site, found.data, found.device, found.mask, found.names)
        name = site.record.callee
        message = f"`{name}` copies host data to {found.where} from pageable memory and {WAITS}"
        yield site.finding(self, message, found.case, fix)
