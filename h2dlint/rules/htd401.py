"""HTD401."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, replace

from h2dlint.analysis import values as V
from h2dlint.analysis.inflight import PIECE, InFlight, Ref, State, carried
from h2dlint.analysis.moves import parse_move
from h2dlint.analysis.values import Kind, Value
from h2dlint.analysis.waits import is_true, name_of, waits_of
from h2dlint.model import Applicability, Confidence, Effect, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.hazards import copied_by, doubt
from h2dlint.rules.site import Case, Site, told_of, weigh_device

_NO_WRITES = frozenset(
    """requires_grad_ share_memory_ retain_grad_ detach_ squeeze_ unsqueeze_ t_ transpose_ swapdims_ swapaxes_
    as_strided_ rename_ resize_ set_ record_stream_""".split()
)
"""Methods in place that change no element."""
_FILLERS = frozenset({"numpy.copyto", "torch.ops.aten.copy_"})
_READS_INTO = frozenset({"readinto", "recv_into", "readinto1"})


@dataclass(frozen=True, slots=True)
class Write:
    """A write to a buffer in flight: where, what was not seen to the bottom, and whether the data is on the host."""

    line: int
    doubts: frozenset[str]
    sure: bool


class Rewrites(InFlight):
    """Looks for writes to the source of a copy that nobody waited for."""

    def __init__(self, site: Site, source: ast.expr) -> None:
        super().__init__(site.module, waits_of(site.module), site.record)
        self.source = source
        self.writes: dict[int, Write] = {}

    def launched(self, node: ast.Call, state: State) -> Ref | None:
        ref = self.ref(self.source, state)
        return None if ref.part == PIECE or ref.box else ref

    def evaluated(self, node: ast.expr, state: State) -> State:
        if state.flying and isinstance(node, ast.Call):
            for target, data in self._written(node):
                self._look(node, target, data, state)
        return super().evaluated(node, state)

    def bound(self, target: ast.expr, value: ast.expr | None, state: State, each: bool = False) -> State:
        if state.flying and isinstance(target, ast.Subscript):
            base = self.flies(target.value, state)
            if base is not None and not base.box:
                self._look(target, target, value, state)
        return super().bound(target, value, state, each)

    def augmented(self, node: ast.AugAssign, state: State) -> State:
        if state.flying:
            value = self.module.value(node.target)
            if isinstance(node.target, ast.Subscript) or value.only(Kind.TENSOR | Kind.NDARRAY):
                self._look(node, node.target, node.value, state)
        return super().augmented(node, state)

    def _written(self, node: ast.Call) -> Iterable[tuple[ast.expr, ast.expr | None]]:
        """What a call writes to, with the data where it is an argument."""
        func = node.func
        name = name_of(func)
        for keyword in node.keywords:
            if keyword.arg == "out":
                yield keyword.value, node.args[0] if node.args else None
        qual = self.module.value(func).qual
        if (qual in _FILLERS or name in _READS_INTO) and node.args:
            yield node.args[0], node.args[1] if len(node.args) > 1 else None
        elif isinstance(func, ast.Attribute) and qual is None and _in_place(name):
            yield func.value, node.args[0] if node.args else None

    def _look(self, node: ast.AST, target: ast.expr, data: ast.expr | None, state: State) -> None:
        ref = self.ref(target, state)
        if not any(ref.overlaps(flight) for flight in state.flying or ()):
            return
        value = self.module.value(data)
        tensor = value.only(Kind.TENSOR) and data is not None
        if tensor and value.device == V.CUDA:
            # Filled from the device: ordered behind the copy on the stream.
            return
        sure = data is None or (value.device == V.CPU if tensor else value.known)
        line = getattr(node, "lineno", 0)
        self.writes.setdefault(id(node), Write(line, state.doubts, sure))


def _in_place(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_") and name not in _NO_WRITES


class PinnedBufferRewritten(Rule):
    """A pinned buffer is written again while a copy from it may be in flight.

    ## What it does
    Reports `buf.to(device, non_blocking=True)` and `gpu.copy_(buf, non_blocking=True)` from a buffer that is proven
    to be pinned where the same elements are written again, later in the function, in the next round of a loop or in
    the next call of a method, and nothing between waits for the device.

    ## Why it blocks
    It does not, and that is the fault: the call returns before the copy has run. What is written to the buffer in
    the meantime is what the device gets.

    ## Example
    ```python
    import torch

    def upload(batches: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
        buffer = torch.empty(1024, pin_memory=True)
        moved = []
        for batch in batches:
            buffer.copy_(batch)
            moved.append(buffer.to(device, non_blocking=True))
        return moved
    ```

    ## Use instead
    ```python
    import torch

    def upload(batches: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
        moved = []
        for batch in batches:
            moved.append(batch.pin_memory().to(device, non_blocking=True))
        return moved
    ```

    A fresh pinned tensor for each copy comes from a cache that waits for copies in flight. A buffer that must stay
    is used again only after `event.synchronize()` of an event recorded behind the copy; two buffers in turn make
    that wait short.

    ## Fix safety
    There is no edit, only advice: where to wait, or whether to take another buffer, is for the author to say. A
    buffer kept on `self` is reported at low confidence where the module waits for the device anywhere, because
    callers may wait between two calls.

    ## Measured
    On an H200 (torch 2.11), behind queued work, the copy of a pinned buffer that was filled again took the new
    contents; from pageable memory it did not.

    ## References
    - [Tensor.pin_memory and non_blocking](https://pytorch.org/tutorials/intermediate/pinmem_nonblock.html)
    """

    code = "HTD401"
    name = "pinned-buffer-rewritten"
    screen = (b"non_blocking",)
    methods = frozenset({"to", "cuda", "copy_"})
    fixable = "never"
    effect = Effect.HAZARD

    def check(self, site: Site) -> Iterable[Finding]:
        case = Case()
        source = _source(site, case)
        if source is None:
            return
        walk = Rewrites(site, source)
        end = walk.follow()
        when = ""
        if not walk.writes and end is not None:
            when = _next_call(walk, end, site, case)
        if not walk.writes:
            return
        write = min(walk.writes.values(), key=lambda w: (not w.sure, len(w.doubts), w.line))
        case.say(
            f"written again at line {write.line}{when}, nothing between is seen to wait",
            Confidence.HIGH if write.sure else Confidence.MEDIUM,
        )
        doubt(case, write.doubts)
        name = site.code(source)
        message = f"`{name}` is written again at line {write.line} while this copy from it may be in flight"
        title = "Wait for an event recorded behind the copy, or copy from a fresh pinned tensor"
        yield site.finding(self, message, case, Fix(Applicability.DISPLAY, title), self.effect)


def _source(site: Site, case: Case) -> ast.expr | None:
    """The pinned source of a copy to a device that does not wait."""
    func = site.node.func
    assert isinstance(func, ast.Attribute) and site.record.method is not None
    if site.record.method == "copy_":
        copied = copied_by(site)
        if copied is None:
            return None
        source = copied
        receiver = site.value(func.value)
        if not _pinned(site.value(source)) or not receiver.device & V.CUDA or not receiver.may(Kind.TENSOR):
            return None
        proven = receiver.only(Kind.TENSOR) and receiver.device == V.CUDA
        what = f"destination: {told_of(site.code(func.value), receiver.why)}"
        case.say(what if proven else f"{what}, not known to be on CUDA", _strength(proven, receiver))
    else:
        source = func.value
        value = site.value(source)
        if not _pinned(value):
            return None
        move = parse_move(site.node, site.record.method, site.module.interpreter.records.values)
        if move is None or not is_true(move.non_blocking) or not move.device & V.CUDA or move.other:
            return None
        # Of another dtype it is copied as it is, and converted on the device (measured).
        if move.target is None:
            case.say("device: cuda")
        elif not weigh_device(site, move.target, case):
            return None
    value = site.value(source)
    case.say(f"source: {site.code(source)}: pinned, {value.why}", value.confidence)
    return source


def _strength(proven: bool, value: Value) -> Confidence:
    return value.confidence if proven else min(value.confidence, Confidence.MEDIUM)


def _pinned(value: Value) -> bool:
    return value.only(Kind.TENSOR) and value.device == V.CPU and value.memory == V.PINNED


def _next_call(walk: Rewrites, end: State, site: Site, case: Case) -> str:
    """Walk a method once more, as its next call: its buffers are those of the call before."""
    function = site.record.function
    if function is None or function.owner is None or function.short.startswith("__init"):
        return ""
    kept = frozenset(carried(end))
    if not kept:
        return ""
    walk.run(function.node.body, State(flying=kept, doubts=end.doubts))
    if walk.writes:
        elsewhere = walk.waits.elsewhere()
        if elsewhere:
            line = f"the module waits for the device elsewhere ({elsewhere}): callers may, between calls"
            case.say(line, Confidence.LOW)
        else:
            case.say("the module is never seen to wait for the device", Confidence.MEDIUM)
        walk.writes = {key: replace(write, doubts=frozenset()) for key, write in walk.writes.items()}
    return f" in the next call of {function.short}"
