"""HTD203."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.model import Finding
from h2dlint.rules.base import Rule
from h2dlint.rules.movers import METHODS, read_move
from h2dlint.rules.pinned_moves import pinned_move
from h2dlint.rules.site import WAITS, Site


class NumpyTensorMoved(Rule):
    """A tensor that shares an array's memory is moved to the device.

    ## What it does
    Reports `torch.from_numpy(a).to(device)`, `torch.frombuffer(b).cuda()` and the like, in one expression,
    through views and conversions, or through names.

    ## Why it blocks
    The array's memory is pageable: the copy synchronizes the stream.

    ## Example
    ```python
    import numpy as np
    import torch

    def upload(table: np.ndarray, device: torch.device) -> torch.Tensor:
        return torch.from_numpy(table).to(device)
    ```

    ## Use instead
    ```python
    import numpy as np
    import torch

    def upload(table: np.ndarray, device: torch.device) -> torch.Tensor:
        return torch.from_numpy(table).pin_memory().to(device, non_blocking=True)
    ```

    ## Fix safety
    `.pin_memory()` copies the array into a pinned temporary before the move, so that writing to the array
    afterwards cannot reach the copy in flight. Safe under the conditions of HTD101 and where the array is
    seen to be made; of any other its elements may share memory (`np.broadcast_to`), and pinning raises then.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `from_numpy(a).to(d)` holds the host for 20.2 ms,
    with `.pin_memory()` and `non_blocking=True` for 0.04 ms.

    ## References
    - [torch.from_numpy](https://pytorch.org/docs/stable/generated/torch.from_numpy.html)
    """

    code = "HTD203"
    name = "numpy-tensor-moved"
    screen = (b"from_numpy", b"frombuffer")
    methods = METHODS

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_move(site)
        if found is None or found.family != "numpy":
            return
        fix = pinned_move(site, found)
        message = f"`.{site.record.method}` copies an array's memory from pageable memory and {WAITS}"
        yield site.finding(self, message, found.case, fix)
