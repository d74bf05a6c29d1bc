"""HTD207."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from h2dlint.analysis import layout as L
from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind
from h2dlint.model import Confidence, Effect, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.copies import pinned_copy
from h2dlint.rules.movers import COPYING, Movement, read_transfer
from h2dlint.rules.pinned_moves import pinned_move
from h2dlint.rules.site import WAITS, Site, Trust

_PERMUTING = frozenset("t T mT transpose permute movedim swapaxes swapdims".split())
HELD_FROM = 4 * 1024 * 1024
"""Bytes from which a staged copy held the host on the H200."""


class GappedPinnedCopy(Rule):
    """A strided view of a pinned tensor is copied with `non_blocking=True`.

    ## What it does
    Reports `pinned[:, ::2].to(device, non_blocking=True)`, `pinned[:, :k].cuda(non_blocking=True)`, expanded
    pinned tensors, and `x.copy_(pinned[::2], non_blocking=True)`. Rows (`pinned[:n]`), transposed and reshaped
    tensors have no gaps and are not reported, nor are strided destinations, which are filled on the device, nor
    is what provably has less than 1 MiB, unless `strict-pageable` is set.

    ## Why it blocks
    One transfer copies one dense stretch of memory. Where the source has gaps, PyTorch first makes a dense copy of
    it, in pageable memory: the pinning is lost, and the driver stages the copy. It may then hold the host; on the
    H200 it does from 4 MiB.

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
    but copies more, and is yours to choose. Not edited where the dtype is converted too and the view is permuted:
    the clone would be copied again. Safe under the conditions of HTD205.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): `pinned[:, ::2].to(d, non_blocking=True)` holds the host
    for 20.4 ms, `pinned[:500]` (rows) and `pinned.t()` for 0.03 ms; `gpu[:, :n].copy_(pinned,
    non_blocking=True)` from a dense source for 0.5 ms. Small ones (tens of elements) return at once.

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
        if not (found.value.memory & V.GAPPED and L.gapped(found.value.layout)):
            return
        _weigh(found, site.code(found.receiver), found.value.layout)
        large = _large(site, found)
        message = (
            f"`.{site.record.method}` of a pinned tensor with gaps goes through pageable memory and "
            + (WAITS if large else "may hold the host")
        )
        effect = Effect.BLOCKS if large else Effect.MAY_BLOCK
        yield site.finding(self, message, found.case, _fix(site, found), effect)


def _large(site: Site, found: Movement) -> bool:
    """As large as the copies that were measured to hold the host, so far as the tensor it is a view of tells."""
    bound = L.bytes_bound(found.value)
    parts = [node for node in ast.walk(found.receiver) if isinstance(node, ast.Subscript)]
    row = any(
        site.value(index).only(Kind.INT)
        for part in parts
        for index in (part.slice.elts if isinstance(part.slice, ast.Tuple) else [part.slice])
    )
    return bound is not None and bound >= HELD_FROM and not row


def _weigh(found: Movement, code: str, layout: int) -> None:
    if layout == V.GAPS:
        found.case.say(f"layout: {code} has gaps")
    else:
        found.case.say(f"layout: {code} has gaps unless it takes everything", Confidence.MEDIUM)


def _fix(site: Site, found: Movement) -> Fix:
    converted = found.move.dtype is not None or found.move.other
    if converted and found.value.layout != V.CONTIGUOUS and _PERMUTING & set(found.chain):
        return Trust(site).fix("Move the whole tensor, and take the part on the device", None)
    return pinned_copy(site, found) if found.destination is not None else pinned_move(site, found)
