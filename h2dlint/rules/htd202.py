"""HTD202."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.model import Finding
from h2dlint.rules.base import Rule
from h2dlint.rules.factory_moves import factory_move
from h2dlint.rules.ladder import safer
from h2dlint.rules.movers import METHODS, read_move
from h2dlint.rules.pinned_moves import pinned_move
from h2dlint.rules.site import WAITS, Site


class HostFactoryMoved(Rule):
    """A factory makes a tensor on the host, which is then moved to the device.

    ## What it does
    Reports `torch.zeros(..).to(device)` and the same for `ones`, `full`, `arange`, `eye`, `empty`, `linspace`,
    and the random factories, in one expression, through views, or through names.

    ## Why it blocks
    The copy from pageable memory synchronizes the stream. The factory could have made the tensor on the
    device, where nothing is copied.

    ## Example
    ```python
    import torch

    def positions(x: torch.Tensor) -> torch.Tensor:
        return torch.arange(x.shape[1]).unsqueeze(0).to(x.device)
    ```

    ## Use instead
    ```python
    import torch

    def positions(x: torch.Tensor) -> torch.Tensor:
        return torch.arange(x.shape[1], device=x.device).unsqueeze(0)
    ```

    ## Fix safety
    The device goes into the factory where the tensor is the same in every respect: through views that keep
    the strides, not through `expand` or slices, not for a float `arange` or `linspace` (other rounding on the
    device), never for random factories (the generator of the device draws other numbers); those are pinned
    instead. Right on every device that is proven to be one. Unsafe where the device may be `None` or where
    the module uses streams, events or threads.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `torch.arange(8).to(d)` holds the host for 20.2 ms,
    `torch.arange(8, device=d)` for 0.02 ms.

    ## References
    - [Creation ops](https://pytorch.org/docs/stable/torch.html#creation-ops)
    """

    code = "HTD202"
    name = "host-factory-moved"
    screen = (b".to(", b".cuda(", b".type_as(")
    methods = METHODS

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_move(site)
        if found is None or found.family not in ("factory", "random"):
            return
        made = factory_move(site, found) if found.family == "factory" else None
        pinned = pinned_move(site, found)
        fix = safer(made, pinned) if made is not None else pinned
        message = f"`.{site.record.method}` copies a tensor that a factory made on the host and {WAITS}"
        yield site.finding(self, message, found.case, fix)
