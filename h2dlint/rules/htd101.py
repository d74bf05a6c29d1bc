"""HTD101."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.model import Finding
from h2dlint.rules.base import Rule
from h2dlint.rules.constructors import read_constructor
from h2dlint.rules.ladder import pinned_upload
from h2dlint.rules.site import WAITS, Site


class HostDataTensorOnDevice(Rule):
    """A tensor is built from host data directly on the device.

    ## What it does
    Reports `torch.tensor(data, device=device)` where `data` is, or may well be, host data (a list, a tuple,
    an ndarray, a host tensor) and `device` is, or may be, an accelerator. Data for which a device factory
    exists is HTD103.

    ## Why it blocks
    `torch.tensor` first builds the tensor in pageable host memory, copies it and then synchronizes the
    stream, so the host waits for all the work queued before the copy, however small the copy is.

    ## Example
    ```python
    import torch

    def gather(hidden: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        index = torch.tensor(lengths, device=hidden.device, dtype=torch.int64)
        return hidden[index]
    ```

    ## Use instead
    ```python
    import torch

    def gather(hidden: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        index = torch.tensor(lengths, dtype=torch.int64, pin_memory=True).to(hidden.device, non_blocking=True)
        return hidden[index]
    ```

    ## Fix safety
    Safe where the data is proven to be a list, tuple or Python scalar, or an ndarray (which is pinned by
    `.pin_memory()`, since `pin_memory=True` raises for it), the device is proven to be CUDA or ROCm (or
    `assume-cuda` is set), and the module uses no streams, events or threads. Pinning raises where no
    accelerator is present, so with a device that is only a name the fix is unsafe.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11) the list form holds the host for 20.2 ms, the pinned
    form for 0.07 ms. On an idle stream the pinned form is the slower one: 24 us against 14 us.

    ## References
    - `torch/csrc/utils/tensor_new.cpp`, `internal_new_from_data`
    - [CUDA semantics: use pinned memory buffers](https://pytorch.org/docs/stable/notes/cuda.html#use-pinned-memory-buffers)
    """

    code = "HTD101"
    name = "host-data-tensor-on-device"
    screen = (b"tensor",)
    functions = frozenset({"torch.tensor"})

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_constructor(site)
        if found is None or found.pinned or found.constant is not None:
            return
        fix = pinned_upload(site, found.data, found.device, found.mask, found.names)
        message = f"`torch.tensor` copies host data to {found.where} from pageable memory and {WAITS}"
        yield site.finding(self, message, found.case, fix)
