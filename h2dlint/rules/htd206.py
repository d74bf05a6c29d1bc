"""HTD206."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from h2dlint.analysis.values import Kind
from h2dlint.model import Confidence, Effect, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.copies import pinned_copy
from h2dlint.rules.factory_moves import constant_move, factory_move
from h2dlint.rules.movers import COPYING, Movement, read_transfer
from h2dlint.rules.pinned_moves import pinned_move
from h2dlint.rules.site import Site

_JOINED_OR_MADE = re.compile(r"joined at|torch\.\w+\(\)")
_FROM_DATA = re.compile(r"torch\.(?:cuda\.)?(?:tensor|as_tensor|asarray|\w*Tensor)\(\)")


class PageableNonBlocking(Rule):
    """A copy with `non_blocking=True` from memory that is not pinned.

    ## What it does
    Reports `t.to(device, non_blocking=True)`, `t.cuda(non_blocking=True)` and `x.copy_(t, non_blocking=True)`
    where `t` is proven to be a host tensor that is not pinned. Silent where it provably has less than 1 MiB,
    unless `strict-pageable` is set. Tensors built from lists of unknown length, or as long as one, are reported
    with low confidence, because most lists are short, and so are those of which nothing is known of the size;
    arrays, factories and joined tensors of unknown size with medium confidence.

    ## Why it blocks
    The device cannot read pageable memory by itself: the driver stages the copy through memory of its own, and
    may hold the host meanwhile. On an H200 it does so for copies of 4 MiB and more, until the work queued on the
    stream is done; smaller ones return at once. `non_blocking=True` is then a promise that is not kept.

    ## Example
    ```python
    import numpy as np
    import torch

    def upload(image: np.ndarray, device: torch.device) -> torch.Tensor:
        return torch.from_numpy(image).to(device, non_blocking=True)
    ```

    ## Use instead
    ```python
    import numpy as np
    import torch

    def upload(image: np.ndarray, device: torch.device) -> torch.Tensor:
        return torch.from_numpy(image).pin_memory().to(device, non_blocking=True)
    ```

    ## Fix safety
    Factories make their tensor on the device; everything else is pinned, where it is made or as a pinned copy.
    Safe under the conditions of HTD201. The pinned copy is one more copy on the host, and the first of its size
    costs an allocation (2.5 ms for 1 MB, 117 ms for 200 MB): worth it where work is queued, or where the source
    can be made in pinned memory.

    ## Measured
    Behind 20 ms of queued work on an H200 (torch 2.11): 8 MB from pageable memory with `non_blocking=True` hold
    the host for 20.7 ms, 2 MiB for 0.2 ms, 128 KiB for 0.04 ms; 8 MB from pinned memory for 0.07 ms. The sync
    debug mode does not see these copies.

    ## References
    - [CUDA: API synchronization behavior](https://docs.nvidia.com/cuda/cuda-runtime-api/api-sync-behavior.html)
    - [pin_memory and non_blocking](https://pytorch.org/tutorials/intermediate/pinmem_nonblock.html)
    """

    code = "HTD206"
    name = "pageable-non-blocking"
    screen = (b".cuda(", b".copy_(", b".to(")
    methods = COPYING - {"type_as"}
    effect = Effect.MAY_BLOCK

    def check(self, site: Site) -> Iterable[Finding]:
        found = read_transfer(site)
        if found is None or not found.not_blocking or not _unpinned(found) or found.small(site):
            return
        _weigh_size(site, found)
        message = (
            f"`.{site.record.method}` with `non_blocking=True` from pageable memory may hold the host "
            "until the work queued on the stream is done"
        )
        yield site.finding(self, message, found.case, _fix(site, found), Effect.MAY_BLOCK)


def _unpinned(found: Movement) -> bool:
    """Proven not to be pinned; an array that was not seen to be made is taken for one that NumPy made."""
    return found.pageable or (found.family == "numpy" and not found.pinned)


def _weigh_size(site: Site, found: Movement) -> None:
    """Say how large the tensor may be."""
    if found.value.most is not None:
        found.case.say(f"size: up to {found.value.most} elements")
    elif _built_from_data(site, found):
        found.case.say("size: not known; a tensor built from Python data is small as a rule", Confidence.LOW)
    elif _as_long_as_a_list(site, found):
        found.case.say("size: that of Python data, which is small as a rule", Confidence.LOW)
    elif _JOINED_OR_MADE.match(found.value.why) or found.family != "other":
        found.case.say("size: not known; the copy may be of 1 MiB and more", Confidence.MEDIUM)
    else:
        found.case.say("size: not known", Confidence.LOW)


def _origin(found: Movement) -> ast.Call | None:
    return found.root if found.root is not None else next(iter(found.value.origins), None)


def _built_from_data(site: Site, found: Movement) -> bool:
    """A constructor of a list or of something unknown made it, rather than of an array."""
    if found.family == "other":
        return bool(_FROM_DATA.match(found.value.why))
    origin = _origin(found)
    if found.family not in ("constructor", "legacy"):
        return False
    data = origin.args[0] if origin is not None and origin.args else None
    return data is None or not site.value(data).only(Kind.NDARRAY | Kind.TENSOR)


def _as_long_as_a_list(site: Site, found: Movement) -> bool:
    """A factory of ``len(..)`` elements made it."""
    origin = _origin(found)
    if found.family not in ("factory", "random") or origin is None or len(origin.args) != 1:
        return False
    size = origin.args[0]
    if isinstance(size, (ast.Tuple, ast.List)) and len(size.elts) == 1:
        size = size.elts[0]
    value = site.value(size)
    return value.only(Kind.INT) and value.why == "len()"


def _fix(site: Site, found: Movement) -> Fix:
    if found.destination is not None:
        return pinned_copy(site, found)
    made = factory_move(site, found) if found.family == "factory" else constant_move(site, found)
    return made or pinned_move(site, found)
