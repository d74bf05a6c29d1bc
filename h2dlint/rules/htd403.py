"""HTD403."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from h2dlint.analysis import values as V
from h2dlint.analysis.inflight import Identity, InFlight, Ref, State
from h2dlint.analysis.moves import parse_move
from h2dlint.analysis.streams import Streams
from h2dlint.analysis.values import Kind
from h2dlint.analysis.waits import is_true, name_of, waits_of
from h2dlint.model import Applicability, Confidence, Effect, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.hazards import copied_by, doubt
from h2dlint.rules.site import Case, Site, told_of, weigh_device

_NO_USES = frozenset(
    """record_stream size dim numel nelement element_size data_ptr stride storage_offset get_device type is_contiguous
    is_pinned is_floating_point is_complex untyped_storage storage requires_grad_ ndimension append appendleft extend
    insert put put_nowait add setdefault update send get keys values items pop format to cuda""".split()
)
"""Methods that start nothing on the device with what they are called on or given."""
_VIEWS = frozenset(
    """view reshape flatten unflatten unsqueeze squeeze t transpose permute movedim swapaxes swapdims detach view_as
    narrow select diagonal unfold expand expand_as broadcast_to split chunk unbind contiguous""".split()
)
_NO_USE_FUNCTIONS = frozenset(
    """len isinstance issubclass hasattr getattr setattr id type tuple list dict set zip enumerate iter next is_tensor
    numel partial""".split()
)
_COMPUTES = re.compile(
    r"model|net|forward|module|encode|decode|loss|criterion|layer|head|backbone|attention|embed"
)
"""Part of the name of what computes with the tensors that it is given, rather than keeping them."""


@dataclass(frozen=True, slots=True)
class Use:
    """A use under another stream: the line, under which, and how sure it is to start work on the device."""

    line: int
    stream: Identity
    doubts: frozenset[str]
    sure: Confidence


class Uses(InFlight):
    """Looks for uses of the result of a copy under another stream than the copy's.

    Args:
        site: the copy.
        into: the target of a ``copy_``; of any other copy the target is its result.
    """

    def __init__(self, site: Site, into: ast.expr | None) -> None:
        super().__init__(site.module, waits_of(site.module), site.record)
        self.into = into
        self.uses: dict[int, Use] = {}
        self.streams = Streams(site.module, site.record.function)
        self.under: Identity | None = None
        """The stream that the copy was made under."""

    def launched(self, node: ast.Call, state: State) -> Ref | None:
        self.under = self.streams.current
        if self.under is None:
            return None
        ref = Ref(("made", id(node))) if self.into is None else self.ref(self.into, state)
        return None if ref.box else replace(ref, part="all of it", names=frozenset())

    def ends(self, node: ast.Call) -> bool:
        return self.waits.orders(node)

    def entered(self, item: ast.withitem, state: State) -> State:
        self.streams.enter(item.context_expr, lambda node: self.ref(node, state).identity)
        return state

    def left(self, item: ast.withitem) -> None:
        self.streams.leave()

    def evaluated(self, node: ast.expr, state: State) -> State:
        if isinstance(node, ast.Call):
            self.streams.made(node)
        if state.flying:
            for part, sure in self._used(node):
                self._look(node, part, sure, state)
        return super().evaluated(node, state)

    def augmented(self, node: ast.AugAssign, state: State) -> State:
        for part in (node.target, node.value):
            self._look(node, part, Confidence.HIGH, state)
        return super().augmented(node, state)

    def _look(self, node: ast.AST, part: ast.expr, sure: Confidence, state: State) -> None:
        current = self.streams.current
        if current is None or current == self.under:
            return
        ref = self.flies(part, state)
        if ref is None or (ref.box and sure is Confidence.HIGH):
            return
        self.uses.setdefault(id(node), Use(getattr(node, "lineno", 0), current, state.doubts, sure))

    def _used(self, node: ast.expr) -> Iterator[tuple[ast.expr, Confidence]]:
        """The parts of an expression that it starts work with, and how sure that is."""
        match node:
            case ast.BinOp():
                yield node.left, Confidence.HIGH
                yield node.right, Confidence.HIGH
            case ast.UnaryOp(op=ast.USub() | ast.Invert()):
                yield node.operand, Confidence.HIGH
            case ast.Compare():
                if not any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops):
                    yield from ((side, Confidence.HIGH) for side in (node.left, *node.comparators))
            case ast.Call():
                yield from self._called_with(node)

    def _called_with(self, node: ast.Call) -> Iterator[tuple[ast.expr, Confidence]]:
        func = node.func
        name = name_of(func)
        callee = self.module.value(func)
        qual = callee.qual or ""
        if name in _NO_USES or name in _NO_USE_FUNCTIONS or name in _VIEWS or callee.klass is not None:
            return
        if name.endswith("_like") or name.startswith("new_"):
            # Of these only shape and place are asked.
            return
        if self.waits.orders(node) and name not in ("item", "tolist", "cpu"):
            return
        given = [a for a in [*node.args, *(k.value for k in node.keywords)] if not isinstance(a, ast.Starred)]
        if isinstance(func, ast.Attribute) and not qual and callee.func is None:
            yield func.value, Confidence.HIGH
            computes = Confidence.HIGH if name.endswith("_") else _computes(name)
            yield from ((arg, computes) for arg in given)
        elif qual.startswith("torch."):
            yield from ((arg, Confidence.HIGH) for arg in given)
        elif not name[:1].isupper():
            yield from ((arg, _computes(name)) for arg in given)


def _computes(name: str) -> Confidence:
    """How sure it is that a call computes with what it is given."""
    return Confidence.MEDIUM if _COMPUTES.search(name.lower()) else Confidence.LOW


class NonBlockingResultCrossesStreams(Rule):
    """The result of a copy that does not wait is used under another stream with no wait between.

    ## What it does
    Reports `x.to(device, non_blocking=True)`, `x.cuda(non_blocking=True)` and `gpu.copy_(x, non_blocking=True)` under
    one stream (the current one, or `with torch.cuda.stream(s):`) where the result is used under another in the same
    function, and no `wait_stream`, `wait_event` or `synchronize` stands between.

    ## Why it blocks
    It does not, and that is the fault: work on the other stream does not wait for the copy and reads what the memory
    held before. A blocking copy is done when the call returns, whatever stream uses its result.

    ## Example
    ```python
    import torch

    def prefetch(batch: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        copies = torch.cuda.Stream()
        with torch.cuda.stream(copies):
            moved = batch.to("cuda", non_blocking=True)
        return moved @ weight
    ```

    ## Use instead
    ```python
    import torch

    def prefetch(batch: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        copies = torch.cuda.Stream()
        with torch.cuda.stream(copies):
            moved = batch.to("cuda", non_blocking=True)
        torch.cuda.current_stream().wait_stream(copies)
        moved.record_stream(torch.cuda.current_stream())
        return moved @ weight
    ```

    ## Fix safety
    There is no edit, only advice: which stream is to wait, and where, is for the author to say.

    ## Measured
    On an H200 (torch 2.11), a tensor copied on a busy stream and used on another was wrong 50 times of 50; with
    `wait_stream` never, and never where the copy was a blocking one.

    ## References
    - [CUDA streams in PyTorch](https://pytorch.org/docs/stable/notes/cuda.html#cuda-streams)
    - [Tensor.record_stream](https://pytorch.org/docs/stable/generated/torch.Tensor.record_stream.html)
    """

    code = "HTD403"
    name = "non-blocking-result-crosses-streams"
    screen = (b"stream",)
    methods = frozenset({"to", "cuda", "copy_"})
    fixable = "never"
    effect = Effect.HAZARD

    def check(self, site: Site) -> Iterable[Finding]:
        if not site.module.streams():
            return
        case = Case()
        if not _to_device(site, case):
            return
        func = site.node.func
        assert isinstance(func, ast.Attribute)
        walk = Uses(site, func.value if site.record.method == "copy_" else None)
        walk.follow()
        found = list(walk.uses.values())
        if not found or walk.under is None:
            return
        use = min(found, key=lambda u: (-u.sure, len(u.doubts), u.line))
        streams = [walk.streams.told(stream) for stream in (walk.under, use.stream)]
        proven = all(walk.streams.proven(stream) for stream in (walk.under, use.stream))
        case.say(
            f"copied under {streams[0]}, used at line {use.line} under {streams[1]}",
            min(use.sure, Confidence.HIGH if proven else Confidence.MEDIUM),
        )
        doubt(case, use.doubts)
        message = (
            f"the result is used at line {use.line} under another stream, which does not wait for this copy"
        )
        title = "Make the stream that uses the result wait: wait_stream or wait_event"
        yield site.finding(self, message, case, Fix(Applicability.DISPLAY, title), self.effect)


def _to_device(site: Site, case: Case) -> bool:
    """The call copies from the host to the device and does not wait."""
    func = site.node.func
    assert isinstance(func, ast.Attribute) and site.record.method is not None
    if site.record.method == "copy_":
        source = copied_by(site)
        target = site.value(func.value)
        if source is None or not target.may(Kind.TENSOR) or not target.device & V.CUDA:
            return False
        value = site.value(source)
        if not value.only(Kind.TENSOR) or value.device != V.CPU:
            return False
        case.say(f"source: {told_of(site.code(source), value.why)}", value.confidence)
        case.say(
            f"target: {told_of(site.code(func.value), target.why)}",
            target.confidence if target.only(Kind.TENSOR) and target.device == V.CUDA else Confidence.MEDIUM,
        )
        return True
    move = parse_move(site.node, site.record.method, site.module.interpreter.records.values)
    if move is None or not is_true(move.non_blocking) or not move.device & V.CUDA:
        return False
    value = site.value(func.value)
    if not value.may(Kind.TENSOR) or not value.device & V.CPU:
        return False
    code = site.code(func.value)
    if value.only(Kind.TENSOR) and value.device == V.CPU:
        case.say(f"source: {told_of(code, value.why)}", value.confidence)
    else:
        case.say(f"source: {code}, not known to be on the host", min(value.confidence, Confidence.MEDIUM))
    if move.target is None:
        case.say("device: cuda")
        return True
    return bool(weigh_device(site, move.target, case))
