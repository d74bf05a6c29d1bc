"""Which expressions are tensors on the device, and which of them make the host wait for it.

Strict on purpose: a read counts where its tensor is proven to be on a CUDA device, or comes by tensor operations from
a tensor that was just uploaded. What blocks is what was measured (the truth table of an H200 in the documentation):
``.to("cpu", non_blocking=True)`` and ``torch.equal`` of a tensor with itself do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from h2dlint.analysis import values as V
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.moves import parse_move
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.values import Kind
from h2dlint.model import Confidence

READS = frozenset("item tolist numpy __bool__ __int__ __float__ __index__".split())
"""Tensor methods that read the values: the result is on the host."""

COUNTS = frozenset("nonzero argwhere masked_select unique unique_consecutive bincount is_nonzero".split())
"""Tensor methods, and functions of ``torch``, that read back how much they found."""

CONVERSIONS = frozenset("builtins." + n for n in "bool int float complex str repr print range format".split())
"""Builtins that read a tensor that they are given."""

WHOLE = frozenset({"torch.cuda.synchronize", "torch.accelerator.synchronize"})

_NO_TENSOR = frozenset(
    """size dim ndimension numel nelement stride storage_offset element_size data_ptr type equal allclose backward
    get_device untyped_storage storage tolist item numpy cpu register_hook retain_grad""".split()
)
"""Methods whose result is no tensor on the device; so are those that begin with ``is_``."""

_STILL_TENSOR = frozenset("T mT H mH real imag data values indices".split())
"""Attributes of a tensor, or of what ``max(dim)`` and ``topk`` return, that are tensors."""

_LIGHT_BUILTINS = frozenset(
    "builtins." + name
    for name in """abs all any bool bytes callable complex dict divmod enumerate filter float format frozenset getattr
    hasattr hash id int isinstance issubclass iter len list map max min next pow print range repr reversed round set
    setattr slice sorted str sum super tuple type vars zip""".split()
)
_HEAVY_TORCH = frozenset(
    """load save compile set_default_device set_default_dtype set_default_tensor_type manual_seed set_num_threads
    get_rng_state set_rng_state from_file vmap""".split()
)
_LIGHT_TORCH = (
    "torch.nn.functional.",
    "torch.special.",
    "torch.fft.",
    "torch.Tensor.",
    "torch.cuda.current_",
)
_SIMPLE = Kind.SEQ | Kind.DICT | Kind.STR | V.PYSCALAR


class DeviceTensors:
    """Follows tensors on the device from one point of a function on.

    Args:
        module: the analysis that says what values are.
    """

    def __init__(self, module: ModuleAnalysis) -> None:
        self.module = module
        self.names: dict[str, bool] = {}
        """Names and attribute paths of tensors on the device; true for a boolean mask."""
        self._nodes: dict[int, bool] = {}

    def holds(self, node: ast.expr) -> bool:
        """The expression, which was just evaluated, is a tensor on the device."""
        if id(node) in self._nodes:
            return True
        value = self.module.value(node)
        if value.only(Kind.TENSOR) and value.device == V.CUDA and value.confidence is Confidence.HIGH:
            return True
        return isinstance(node, (ast.Name, ast.Attribute)) and (dotted(node) or "") in self.names

    def is_mask(self, node: ast.expr) -> bool:
        """The tensor is known to be of booleans."""
        known = self._nodes.get(id(node)) or self.names.get(dotted(node) or "")
        return known or self.module.value(node).dtype == "bool"

    def add(self, node: ast.expr, mask: bool = False) -> None:
        """The expression is a tensor on the device."""
        self._nodes[id(node)] = mask

    def arrive(self, node: ast.expr) -> None:
        """The expression uploads: its result is on the device, and so is what it took the device from."""
        self.add(node)
        written = node.value if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) else None
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_"):
                written = node.func.value
            for argument in [*node.args, *(k.value for k in node.keywords)]:
                if isinstance(argument, ast.Attribute) and argument.attr == "device":
                    self._hold(argument.value)
                elif _takes_tensor(node, argument):
                    self._hold(argument)
        if written is not None:
            self._hold(written)

    def _hold(self, node: ast.expr) -> None:
        path = dotted(node)
        if path is not None and self.module.value(node).only(Kind.TENSOR):
            self.names[path] = False

    def bind(self, target: ast.expr, source: ast.expr | None) -> None:
        """A name or an attribute is assigned; ``source`` is what, where that is one expression."""
        if isinstance(target, (ast.Tuple, ast.List)):
            parts = source.elts if isinstance(source, (ast.Tuple, ast.List)) else ()
            starred = any(isinstance(part, ast.Starred) for part in (*parts, *target.elts))
            if len(parts) == len(target.elts) and not starred:
                for part, given in zip(target.elts, parts, strict=True):
                    self.bind(part, given)
                return
            # What a tensor, or an operation with several results, is unpacked into are tensors.
            whole = source if source is not None and self.holds(source) else None
            for part in target.elts:
                self.bind(part, None if isinstance(part, ast.Starred) else whole)
            return
        if isinstance(target, ast.Starred):
            target = target.value
        path = dotted(target)
        if path is None:
            return
        on_device = source is not None and self.holds(source)
        mask = on_device and source is not None and self.is_mask(source)
        for name in [n for n in self.names if n == path or n.startswith(path + ".")]:
            del self.names[name]
        if on_device:
            self.names[path] = mask

    # What an expression does, once its parts have been evaluated

    def waits(self, node: ast.expr) -> bool:
        """The expression, whose parts have been evaluated, makes the host wait; what it is, is noted."""
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.FormattedValue):
            return self.holds(node.value)
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return self.holds(node.operand)
            if self.holds(node.operand):
                self.add(node, self.is_mask(node.operand))
        elif isinstance(node, ast.BinOp):
            if self.holds(node.left) or self.holds(node.right):
                both = all(self.is_mask(side) for side in (node.left, node.right) if self.holds(side))
                self.add(node, both and isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)))
        elif isinstance(node, ast.Attribute):
            if node.attr in _STILL_TENSOR and self.holds(node.value):
                self.add(node, self.is_mask(node.value))
        elif isinstance(node, ast.NamedExpr):
            self.bind(node.target, node.value)
            if self.holds(node.value):
                self.add(node, self.is_mask(node.value))
        elif isinstance(node, ast.IfExp) and self.holds(node.body) and self.holds(node.orelse):
            self.add(node, self.is_mask(node.body) and self.is_mask(node.orelse))
        return False

    def stores_with_wait(self, target: ast.expr, source: ast.expr) -> bool:
        """``gpu[mask] = device_tensor`` reads back how much the mask selects; with a number it does not."""
        return (
            isinstance(target, ast.Subscript)
            and self.holds(source)
            and self.holds(target.value)
            and any(self.holds(part) and self.is_mask(part) for part in _parts(target.slice))
        )

    def _compare(self, node: ast.Compare) -> bool:
        operands = [node.left, *node.comparators]
        if isinstance(node.ops[-1], (ast.In, ast.NotIn)):
            return self.holds(operands[-1])
        if any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops):
            return False
        if any(self.holds(operand) for operand in operands):
            self.add(node, mask=True)
        # ``a < t < b`` asks for the truth of its first half.
        return len(node.ops) > 1 and any(self.holds(operand) for operand in operands[:2])

    def _subscript(self, node: ast.Subscript) -> bool:
        parts = list(_parts(node.slice))
        bounds = [
            b for p in parts if isinstance(p, ast.Slice) for b in (p.lower, p.upper, p.step) if b is not None
        ]
        base = self.module.value(node.value)
        on_device = self.holds(node.value)
        indexed = on_device or base.only(Kind.TENSOR)
        if any(self.holds(bound) for bound in bounds) and (indexed or base.only(Kind.SEQ)):
            return True
        indices = [part for part in parts if self.holds(part)]
        if base.only(Kind.SEQ) and indices:
            return True
        if on_device and isinstance(node.ctx, ast.Load):
            self.add(node, self.is_mask(node.value))
            return any(self.is_mask(part) or self.module.value(part).ndim == 0 for part in indices)
        return False

    def _call(self, node: ast.Call) -> bool:
        record = self.module.call_of(node)
        if record is None:
            return False
        if record.callee is not None and (record.callee in WHOLE or record.callee in CONVERSIONS):
            return record.callee in WHOLE or any(self.holds(argument) for argument in node.args)
        func = node.func
        if record.method is not None and isinstance(func, ast.Attribute):
            if record.method == "synchronize":
                return self._is_current_stream(func.value)
            return self.holds(func.value) and self._method(node, func, record.method)
        if record.callee is not None and self._is_torch(record.callee):
            return self._function(node, record.callee.rsplit(".", 1)[-1])
        return False

    def _method(self, node: ast.Call, func: ast.Attribute, name: str) -> bool:
        """A method of a tensor on the device."""
        given = {k.arg: k.value for k in node.keywords}
        if name in READS:
            return True
        if name in ("to", "cpu", "cuda", "type_as"):
            if name == "cpu":
                return True
            move = parse_move(node, name, self.module.interpreter.records.values)
            if move is None or move.device == V.CPU:
                return move is not None and (move.non_blocking is None or _is_false(move.non_blocking))
            if move.target is None or move.device == V.CUDA or not move.device & V.CPU:
                self.add(node)
            return False
        if name not in _NO_TENSOR and not name.startswith("is_"):
            self.add(
                node, name in ("bool", "any", "all") or (self.is_mask(func.value) and name in _KEEPS_DTYPE)
            )
        if name == "repeat_interleave":
            return "output_size" not in given and any(self.holds(a) for a in node.args[:1])
        return name in COUNTS

    def _function(self, node: ast.Call, name: str) -> bool:
        """A function of ``torch``; with a tensor on the device among its arguments its result is there."""
        given = {k.arg: k.value for k in node.keywords}
        arguments = [*node.args, *given.values()]
        direct = [argument for argument in arguments if self.holds(argument)]
        inside = [
            e for a in arguments if isinstance(a, (ast.List, ast.Tuple)) for e in a.elts if self.holds(e)
        ]
        if not direct and not inside:
            return False
        if name not in _NO_TENSOR and not name.startswith("is_"):
            self.add(
                node,
                name.startswith(
                    ("logical_", "isin", "isnan", "isfinite", "eq", "ne", "lt", "gt", "le", "ge")
                ),
            )
        if name == "where":
            return len(arguments) == 1
        if name == "repeat_interleave":
            return "output_size" not in given and len(node.args) > 1 and self.holds(node.args[1])
        if name == "one_hot":
            return len(arguments) == 1
        if name in ("arange", "full"):
            return bool(direct)
        return name in COUNTS and bool(direct)

    def _is_current_stream(self, node: ast.expr) -> bool:
        record = self.module.call_of(node) if isinstance(node, ast.Call) else None
        return record is not None and record.callee == "torch.cuda.current_stream"

    # What runs between

    def is_light(self, node: ast.Call) -> bool:
        """The call is a tensor operation or plain Python: it takes microseconds and hides nothing."""
        record = self.module.call_of(node)
        if record is None:
            return False
        if record.callee is not None and (
            record.callee in _LIGHT_BUILTINS or record.callee.startswith("math.")
        ):
            return True
        if record.method is not None and isinstance(node.func, ast.Attribute):
            receiver = node.func.value
            tensor = self.holds(receiver) or self.module.value(receiver).only(Kind.TENSOR)
            if record.method == "synchronize":
                return self._is_current_stream(receiver)
            if record.method == "append":
                return True
            return (tensor and record.method != "backward") or self.module.value(receiver).only(_SIMPLE)
        return record.callee is not None and (record.callee in WHOLE or self._is_torch(record.callee))

    def _is_torch(self, callee: str) -> bool:
        """An operator of ``torch``: queued on the device, or done in microseconds on the host."""
        if callee.startswith(_LIGHT_TORCH):
            return True
        head, _, name = callee.rpartition(".")
        return head == "torch" and name not in _HEAVY_TORCH

    def touches(self, node: ast.Call) -> bool:
        """A tensor on the device is handed to the call."""
        return any(
            self.holds(inner)
            for argument in [*node.args, *(k.value for k in node.keywords)]
            for inner in ast.walk(argument)
            if isinstance(inner, ast.expr)
        )


_KEEPS_DTYPE = frozenset(
    """view reshape unsqueeze squeeze flatten ravel t transpose permute contiguous clone expand expand_as repeat
    logical_not logical_and logical_or logical_xor roll flip""".split()
)


def _parts(index: ast.expr) -> Iterator[ast.expr]:
    yield from index.elts if isinstance(index, ast.Tuple) else [index]


def _takes_tensor(call: ast.Call, argument: ast.expr) -> bool:
    """``t.to(other)`` and ``t.type_as(other)`` take the device of a tensor."""
    moves = isinstance(call.func, ast.Attribute) and call.func.attr in ("to", "type_as")
    return moves and bool(call.args) and call.args[0] is argument


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
