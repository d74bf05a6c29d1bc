"""HTD402."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from h2dlint.analysis import values as V
from h2dlint.analysis.inflight import InFlight, Ref, State
from h2dlint.analysis.moves import parse_move
from h2dlint.analysis.values import Kind
from h2dlint.analysis.waits import is_true, waits_of
from h2dlint.model import Confidence, Effect, Finding, Fix
from h2dlint.rules.base import Rule
from h2dlint.rules.hazards import copied_by, doubt
from h2dlint.rules.ladder import bare, edit_of
from h2dlint.rules.site import Case, Site, Trust, told_of
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite

_READERS = frozenset(
    """tolist item sum mean max min amax amin argmax argmin any all nonzero unique sort argsort topk cumsum prod std var
    norm median clone eq ne gt lt ge le add sub mul div true_divide floor_divide remainder matmul dot equal allclose
    isclose isnan isinf isfinite abs neg round floor ceil exp log sqrt sigmoid tanh softmax log_softmax index_select
    masked_select masked_fill gather where clamp clip bincount add_ sub_ mul_ div_ clamp_ __int__ __float__ __bool__
    __index__ float double half bfloat16 long int short bool char byte""".split()
)
"""Methods of a tensor on the host that read its elements."""
_OF_TENSORS_ONLY = frozenset(
    """tolist item sum mean max min amax amin argmax argmin any all nonzero unique topk cumsum clone softmax
    log_softmax""".split()
)
"""Those of them that mean the same on nearly everything that has a ``to``."""
_CASTS = frozenset("float double half bfloat16 long int short bool char byte to type".split())
"""Give the tensor itself where it is of that dtype already."""
_BUILTINS = frozenset(
    "builtins." + name
    for name in "int float bool complex list tuple set sorted sum max min any all print str repr format".split()
)
_NO_READS = frozenset(
    """is_tensor numel is_floating_point is_complex from_numpy as_tensor asarray empty_like zeros_like ones_like
    full_like rand_like randn_like is_storage typename save split chunk unbind reshape squeeze unsqueeze transpose
    permute view_as_real""".split()
)
"""Functions of ``torch`` that do not read the elements of what they are given."""
_KEEPERS = frozenset("append appendleft extend insert put put_nowait add setdefault update send".split())


@dataclass(frozen=True, slots=True)
class Read:
    """A read of a copy in flight: the line, what it is, and what was not seen to the bottom."""

    line: int
    how: str
    doubts: frozenset[str]
    sure: bool = True


class Reads(InFlight):
    """Looks for reads of the target of a copy to the host that nobody waited for.

    Args:
        site: the copy.
        into: the target of a ``copy_``; of any other copy the target is its result.
        tensor: what is copied is known to be a tensor, not something else that has a ``to``.
    """

    def __init__(self, site: Site, into: ast.expr | None, tensor: bool) -> None:
        super().__init__(site.module, waits_of(site.module), site.record)
        self.into = into
        self.tensor = tensor
        self.reads: dict[int, Read] = {}

    def launched(self, node: ast.Call, state: State) -> Ref | None:
        ref = Ref(("made", id(node))) if self.into is None else self.ref(self.into, state)
        return None if ref.box else replace(ref, part="all of it", names=frozenset())

    def evaluated(self, node: ast.expr, state: State) -> State:
        if state.flying:
            for part, how, sure in self._read(node, state):
                self._look(node, part, how, sure, state)
        return super().evaluated(node, state)

    def tested(self, node: ast.expr, state: State) -> State:
        if self.tensor:
            self._look(node, node, "its truth", True, state)
        return super().tested(node, state)

    def bound(self, target: ast.expr, value: ast.expr | None, state: State, each: bool = False) -> State:
        if each and value is not None and self.tensor:
            self._look(target, value, "a loop over it", True, state)
        elif value is not None and isinstance(target, ast.Subscript) and not self.waits.index(target):
            base = self.module.value(target.value)
            if base.only(Kind.NDARRAY) or (base.only(Kind.TENSOR) and base.device == V.CPU):
                self._look(target, value, "a copy of it on the host", True, state)
        return super().bound(target, value, state, each)

    def augmented(self, node: ast.AugAssign, state: State) -> State:
        for part in (node.target, node.value):
            self._look(node, part, "arithmetic", True, state)
        return super().augmented(node, state)

    def returned(self, node: ast.Return, state: State) -> State:
        if node.value is not None:
            ref = self.flies(node.value, state)
            if ref is not None and ref.array:
                # Whoever gets an array does not know that a device still writes to it.
                self._look(node, node.value, "an ndarray of it is returned", False, state)
        return super().returned(node, state)

    def _look(self, node: ast.AST, part: ast.expr, how: str, sure: bool, state: State) -> None:
        ref = self.flies(part, state)
        if ref is None or (ref.box and how not in ("a torch function", "a NumPy function")):
            return
        line = getattr(node, "lineno", 0)
        self.reads.setdefault(id(node), Read(line, how, state.doubts, sure))

    def _read(self, node: ast.expr, state: State) -> Iterator[tuple[ast.expr, str, bool]]:
        """The parts of an expression whose elements it reads."""
        match node:
            case ast.BinOp():
                if isinstance(node.op, ast.Mod) and self.module.value(node.left).only(Kind.STR):
                    yield node.right, "formatting", True
                elif not self.module.value(node.left).only(Kind.SEQ):
                    yield node.left, "arithmetic", True
                    yield node.right, "arithmetic", True
            case ast.UnaryOp(op=ast.USub() | ast.Invert()):
                yield node.operand, "arithmetic", True
            case ast.Compare():
                if not any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
                    sides = [node.left, *node.comparators]
                    if not any(isinstance(s, ast.Constant) and s.value is None for s in sides):
                        yield from ((side, "a comparison", True) for side in sides)
            case ast.FormattedValue():
                yield node.value, "formatting", True
            case ast.Subscript() if isinstance(node.ctx, ast.Load):
                base = self.module.value(node.value)
                if base.only(Kind.SEQ | Kind.NDARRAY) or (base.only(Kind.TENSOR) and base.device == V.CPU):
                    yield node.slice, "an index", True
            case ast.Call():
                yield from self._call(node, state)

    def _call(self, node: ast.Call, state: State) -> Iterator[tuple[ast.expr, str, bool]]:
        func = node.func
        qual = self.module.value(func).qual or ""
        root, _, name = qual.partition(".")
        given = [a for a in [*node.args, *(k.value for k in node.keywords)] if not isinstance(a, ast.Starred)]
        if qual in _BUILTINS:
            if self.tensor or name in ("int", "float"):
                yield from ((arg, f"{name}()", True) for arg in given)
        elif root == "torch":
            short = name.rpartition(".")
            reads = short[2] not in _NO_READS and not short[2].startswith("_")
            if reads and short[0] in ("", "nn.functional", "linalg"):
                yield from ((arg, "a torch function", True) for arg in given)
        elif root == "numpy":
            if name not in ("asarray", "ndarray", "shape", "ndim"):
                yield from ((arg, "a NumPy function", True) for arg in given)
        elif isinstance(func, ast.Attribute) and not qual:
            yield from self._method(node, func, given, state)
        elif not self.waits.call(node):
            yield from self._handed(given, state)

    def _method(
        self, node: ast.Call, func: ast.Attribute, given: list[ast.expr], state: State
    ) -> Iterator[tuple[ast.expr, str, bool]]:
        name = func.attr
        ref = self.flies(func.value, state)
        if ref is not None:
            before, after = self.module.value(func.value), self.module.value(node)
            if name in _CASTS:
                if None not in (before.dtype, after.dtype) and before.dtype != after.dtype:
                    yield func.value, f".{name}()", True
            elif name in (_READERS if self.tensor else _OF_TENSORS_ONLY) or (
                ref.array and name not in ("reshape", "view", "transpose")
            ):
                yield func.value, f".{name}()", True
        elif name == "copy_":
            base = self.module.value(func.value)
            if base.only(Kind.TENSOR) and base.device == V.CPU:
                yield from ((arg, "a copy of it on the host", True) for arg in given[:1])
        elif name not in _KEEPERS and not self.waits.call(node):
            yield from self._handed(given, state)

    def _handed(self, given: list[ast.expr], state: State) -> Iterator[tuple[ast.expr, str, bool]]:
        """Code that is not seen gets an ndarray, which it cannot wait for."""
        for arg in given:
            ref = self.flies(arg, state)
            if ref is not None and ref.array:
                yield arg, "an ndarray of it is handed on", False


class UnsynchronizedDeviceToHost(Rule):
    """The result of a copy to the host that does not wait is read before anything waits for it.

    ## What it does
    Reports `x.to("cpu", non_blocking=True)` and `pinned.copy_(x, non_blocking=True)` of a device tensor where the
    elements are read on the host (`.tolist()`, `int()`, `if`, arithmetic, NumPy, printing) and nothing between waits
    for the device. A result that is returned or handed on unread is not reported: the caller may wait.

    ## Why it blocks
    It does not, and that is the fault: the call returns before the copy has run, and what is read is whatever the
    memory held before.

    ## Example
    ```python
    import torch

    def tokens(logits: torch.Tensor) -> list[int]:
        chosen = logits.argmax(dim=-1).to("cpu", non_blocking=True)
        return chosen.tolist()
    ```

    ## Use instead
    ```python
    import torch

    def tokens(logits: torch.Tensor) -> list[int]:
        chosen = logits.argmax(dim=-1).to("cpu", non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()
        copied.synchronize()
        return chosen.tolist()
    ```

    Where nothing else is to be done in the meantime, `.to("cpu")` alone is right and shorter. Several copies need one
    wait behind the last of them.

    ## Fix safety
    The fix drops `non_blocking=True`. The values are then right whatever runs before and after, but the host waits at
    the copy, and the result is in pageable instead of pinned memory: that is for the author to choose, so the fix is
    unsafe.

    ## Measured
    On an H200 (torch 2.11), behind queued work, a result read at once held what its memory had held before.

    ## References
    - [Tensor.to](https://pytorch.org/docs/stable/generated/torch.Tensor.to.html)
    - [Tensor.pin_memory and non_blocking](https://pytorch.org/tutorials/intermediate/pinmem_nonblock.html)
    """

    code = "HTD402"
    name = "unsynchronized-device-to-host"
    screen = (b"non_blocking",)
    methods = frozenset({"to", "copy_"})
    effect = Effect.HAZARD

    def check(self, site: Site) -> Iterable[Finding]:
        case = Case()
        if not _to_host(site, case):
            return
        func = site.node.func
        assert isinstance(func, ast.Attribute)
        into = func.value if site.record.method == "copy_" else None
        walk = Reads(site, into, into is not None or _is_tensor(site, func.value))
        walk.follow()
        if not walk.reads:
            return
        read = min(walk.reads.values(), key=lambda r: (not r.sure, len(r.doubts), r.line))
        case.say(
            f"read at line {read.line} ({read.how}), nothing between is seen to wait",
            Confidence.HIGH if read.sure else Confidence.MEDIUM,
        )
        doubt(case, read.doubts)
        message = f"the result is read at line {read.line} while this copy to the host may be in flight"
        yield site.finding(self, message, case, _blocking(site), self.effect)


def _to_host(site: Site, case: Case) -> bool:
    """The call copies from the device to the host and does not wait."""
    func = site.node.func
    assert isinstance(func, ast.Attribute) and site.record.method is not None
    source: ast.expr | None
    if site.record.method == "copy_":
        target = site.value(func.value)
        # From the device into pageable memory the call comes back when the copy is done.
        if not target.only(Kind.TENSOR) or target.device != V.CPU or target.memory != V.PINNED:
            return False
        source = copied_by(site)
        case.say(f"target: {site.code(func.value)}: pinned, {target.why}", target.confidence)
    else:
        move = parse_move(site.node, site.record.method, site.module.interpreter.records.values)
        if move is None or move.device != V.CPU or move.other or not is_true(move.non_blocking):
            return False
        source = func.value
        # Of another dtype it goes through a temporary in pageable memory.
        wanted = site.value(move.dtype)
        converts = wanted.dtype is None or wanted.dtype != site.value(source).dtype
        if move.dtype is not None and not wanted.only(Kind.NONE) and converts:
            return False
    if source is None:
        return False
    value = site.value(source)
    if not value.may(Kind.TENSOR) or not value.device & V.CUDA:
        return False
    code = site.code(source)
    hardware = site.module.other_hardware(site.record.function)
    if value.only(Kind.TENSOR) and value.device == V.CUDA:
        case.say(f"source: {told_of(code, value.why)}", value.confidence)
    elif hardware:
        case.say(f"source: {code}, in code for {hardware}", Confidence.LOW)
    else:
        case.say(f"source: {code}, not known to be on CUDA", min(value.confidence, Confidence.MEDIUM))
    return True


def _is_tensor(site: Site, node: ast.expr) -> bool:
    """Known to be a tensor, or computed as only tensors are."""
    if site.value(node).only(Kind.TENSOR) or isinstance(node, (ast.BinOp, ast.Compare, ast.UnaryOp)):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _OF_TENSORS_ONLY
    )


def _blocking(site: Site) -> Fix:
    """The copy without ``non_blocking=True``."""
    trust = Trust(site)
    trust.require(False, "the host waits at the copy, and its result is not pinned")
    title = "Wait for the copy: drop non_blocking"
    if site.call is None:
        return trust.fix(title)
    index = calls.find(site.call, "non_blocking")
    if index is None:
        return trust.fix(title)
    try:
        return trust.fix(title, edit_of(site, calls.remove(bare(site.call), index)))
    except CannotRewrite:
        return trust.fix(title)
