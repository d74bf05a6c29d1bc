"""HTD207."""

from __future__ import annotations

from collections.abc import Iterable

from h2dlint.analysis import layout as L
from h2dlint.analysis import values as V
from h2dlint.model import Confidence, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.copies import pinned_copy
from h2dlint.rules.movers import COPYING, Movement, read_transfer
from h2dlint.rules.pinned_moves import pinned_move
from h2dlint.rules.site import WAITS, Site


class GappedPinnedCopy(Rule):
    """A strided view of a pinned tensor is copied with `non_blocking=True`, or a pinned tensor into a strided view.

    ## What it does
    Reports `pinned[:, ::2].to(device, non_blocking=True)`, `pinned[:, :k].cuda(non_blocking=True)`, expanded
    pinned tensors, and `x[:, :k].copy_(pinned, non_blocking=True)`. Rows (`pinned[:n]`), transposed and
    reshaped tensors have no gaps and are not reported, nor is what provably has less than 1 MiB, unless
    `strict-pageable` is set.

    ## Why it blocks
    One transfer copies one dense stretch of memory. Where the source or the destination has gaps, PyTorch first
    makes a dense copy of the source, in pageable memory: the pinning is lost, and the driver stages the copy.

    ## Example
    ```python
    import torch

    def halve(device: torch.device) -> torch.Tensor:
        table = torch.zeros(2048, 2048, pin_memory=True)
        return table[:, ::2].to(device, non_blocking=True)
    ```

    ## Use instead
    ```python
    import torch

    def halve(device: torch.device) -> torch.Tensor:
        table = torch.zeros(2048, 2048, pin_memory=True)
        return table.to(device, non_blocking=True)[:, ::2]
    ```

    ## Fix safety
    A dense copy of the view is pinned (`.clone().pin_memory()`): a temporary with the strides that the tensor on
    the device had before. Moving the whole tensor and slicing on the device, as above, costs no work on the host
    but copies more, and is yours to choose. Into a strided destination the source is moved to the device first and
    copied there; the pinned source is then read later than before, which is safe only where it is not written
    again. Otherwise safe under the conditions of HTD205.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `pinned[:, ::2].to(d, non_blocking=True)` holds the host
    for 20.4 ms, `pinned[:500]` (rows) and `pinned.t()` for 0.03 ms; `gpu[:, :n].copy_(pinned,
    non_blocking=True)` for 20.6 ms, into a dense tensor for 0.02 ms. Small ones (tens of elements) return at once.

    ## References
    - `aten/src/ATen/native/cuda/Copy.cu`, `copy_requires_temporaries`
    - [torch.Tensor.copy_](https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html)
    """

    code = "HTD207"
    name = "gapped-pinned-copy"
    screen = (b".to(", b".cuda(", b".copy_(")
    methods = COPYING - {"type_as"}

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_transfer(site)
        if found is None or not found.pinned or not found.not_blocking or found.small(site):
            return
        if found.value.memory & V.GAPPED and L.gapped(found.value.layout):
            what = "a pinned tensor with gaps"
            _weigh(found, site.code(found.receiver), found.value.layout)
        elif found.gap and found.destination is not None:
            what = "a pinned tensor into a view with gaps"
            _weigh(found, site.code(found.destination), found.gap)
        else:
            return
        message = f"`.{site.record.method}` of {what} goes through pageable memory and {WAITS}"
        yield site.finding(self, message, found.case, _fix(site, found))


def _weigh(found: Movement, code: str, layout: int) -> None:
    if layout == V.GAPS:
        found.case.say(f"layout: {code} has gaps")
    else:
        found.case.say(f"layout: {code} has gaps unless it takes everything", Confidence.MEDIUM)


def _fix(site: Site, found: Movement) -> Fix:
    return pinned_copy(site, found) if found.destination is not None else pinned_move(site, found)
