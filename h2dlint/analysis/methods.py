"""Where the result of a method of a tensor lives."""

from __future__ import annotations

from h2dlint.analysis import layout as L
from h2dlint.analysis import shapes
from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.moves import device_mask, parse_move
from h2dlint.analysis.tensors import MAYBE_TUPLES, Call, combined_device, dtype_name, pinning
from h2dlint.analysis.values import Kind, Value, replace
from h2dlint.model import Confidence

_REDUCES = frozenset("sum mean prod max min any all argmax argmin norm std var median".split())
_METHOD_TUPLES = frozenset("split chunk unbind tensor_split topk sort nonzero_tuple split_with_sizes".split())
_METHOD_SCALARS: dict[str, Value] = {
    "item": Value(kind=V.PYSCALAR, why=".item()"),
    "dim": V.INT,
    "numel": replace(V.LENGTH, why=".numel()"),
    "nelement": V.INT,
    "ndimension": V.INT,
    "element_size": V.INT,
    "get_device": V.INT,
    "is_contiguous": V.BOOL,
    "is_pinned": V.BOOL,
    "is_floating_point": V.BOOL,
    "is_complex": V.BOOL,
    "data_ptr": V.INT,
    "stride": V.INTS,
    "equal": V.BOOL,
    "allclose": V.BOOL,
    "storage_offset": V.INT,
}


def tensor_method(receiver: Value, name: str, call: Call, lookup: dict[int, Value]) -> Value | None:
    """The result of a method, for a receiver that is or may be a tensor; ``None`` where nothing is known."""
    certain = receiver.only(Kind.TENSOR | Kind.NONE)
    if name == "tolist":
        kind = V.PYSCALAR if receiver.ndim == 0 else Kind.SEQ
        return Value(kind=kind, why=f".tolist() at line {call.node.lineno}")
    if name == "size":
        if call.args or call.keywords:
            return replace(V.LENGTH, why=".size()")
        return V.INTS if certain else Value(kind=Kind.SEQ | Kind.INT)
    if name in _METHOD_SCALARS:
        return _METHOD_SCALARS[name]
    if name == "numpy":
        memory = receiver.memory if receiver.only(Kind.TENSOR) else V.ANY_MEMORY
        return replace(V.NDARRAY, memory=memory, why=f".numpy() at line {call.node.lineno}")
    if name == "cpu":
        moved = receiver if certain else replace(V.TENSOR, confidence=Confidence.MEDIUM)
        # Already on the host, it is returned as it is: pinned, if it was.
        memory = moved.memory if moved.device == V.CPU else V.PAGEABLE
        if moved.device & V.CPU and moved.device != V.CPU:
            memory |= moved.memory
        return replace(
            moved,
            kind=Kind.TENSOR,
            device=V.CPU,
            memory=memory,
            layout=_copied_layout(moved, moved.device & V.CPU == 0),
            why=f".cpu() at line {call.node.lineno}",
        )
    if name in ("to", "cuda", "type_as"):
        return _moved(receiver, name, call, lookup)
    if name == "pin_memory":
        return _pinned(receiver, certain, call)
    if not certain:
        if name in ("new_tensor", "new_zeros", "new_ones", "new_full", "new_empty"):
            return Value(kind=Kind.TENSOR, device=receiver.device, memory=V.PAGEABLE)
        return None
    if name in T.VIEWS or name == "broadcast_to":
        spread = receiver.has_dims and name not in ("squeeze", "select")
        return replace(L.viewed(receiver, name, call.args, call.keywords), spread=spread)
    if name in T.CASTS:
        wanted = T.CASTS[name]
        if receiver.dtype == wanted:
            return receiver
        # Of the same dtype after all, it is returned as it is.
        memory = V.PAGEABLE if receiver.dtype is not None else V.PAGEABLE | receiver.memory
        distinct = receiver.distinct or receiver.dtype is not None
        return replace(
            receiver,
            kind=Kind.TENSOR,
            dtype=wanted,
            memory=memory,
            layout=_copied_layout(receiver, receiver.dtype is not None),
            distinct=distinct,
            origins=(),
        )
    if name == "type":
        if not call.args:
            return V.STR
        dtype = call.args[0]
        if not dtype.only(Kind.DTYPE):
            # ``t.type(torch.cuda.FloatTensor)`` moves.
            return replace(
                receiver,
                kind=Kind.TENSOR,
                dtype=None,
                device=V.SOME_DEVICE,
                memory=V.ANY_MEMORY,
                layout=_copied_layout(receiver, False),
                origins=(),
            )
    if name.startswith("new_"):
        given = call.keywords.get("device")
        device = device_mask(given) & ~V.UNSET if given is not None else receiver.device
        memory = pinning(call)
        device = V.CPU if memory == V.PINNED and device & V.CPU else device
        return Value(kind=Kind.TENSOR, device=device, memory=memory, layout=V.CONTIGUOUS)
    if name.endswith("_") and not name.endswith("__"):
        return receiver
    if name in L.PARTS and receiver.only(Kind.TENSOR):
        return Value(kind=Kind.SEQ, elem=L.viewed(receiver, name, call.args, call.keywords))
    result = Value(
        kind=Kind.TENSOR,
        device=combined_device([receiver, *(a for a in call.args if a.only(Kind.TENSOR))]),
        memory=V.PAGEABLE if name == "clone" else V.PAGEABLE | receiver.memory,
        most=receiver.most
        if name == "clone"
        else 1
        if name in _REDUCES and not call.args and not call.keywords
        else None,
        dtype=receiver.dtype if name == "clone" else shapes.dtype_of(name),
        ndim=shapes.after(name, receiver.ndim, call.args, call.keywords),
        layout=_copied_layout(receiver, True) if name == "clone" else V.ANYHOW,
        distinct=name == "clone" or (receiver.distinct and name not in T.EXPANDING),
        confidence=receiver.confidence,
        why=receiver.why,
    )
    if shapes.values_and_indices(name):
        return _pair(result)
    if name in _METHOD_TUPLES:
        return Value(kind=Kind.SEQ, elem=result)
    if name in MAYBE_TUPLES and name not in ("where", "unique") and (call.args or call.keywords):
        return replace(result, kind=Kind.TENSOR | Kind.SEQ, elem=result)
    return result


def _pair(result: Value) -> Value:
    """Values, and the positions that they come from."""
    items = (result, replace(result, dtype="int64", why=result.why))
    return Value(kind=Kind.SEQ, elem=result, items=items, size=2)


def _pinned(receiver: Value, certain: bool, call: Call) -> Value:
    """``pin_memory()`` keeps the strides, and raises anywhere but on the host."""
    base = receiver if certain else replace(V.TENSOR, confidence=Confidence.MEDIUM)
    memory = L.placed(V.PINNED, base.layout)
    return replace(
        base,
        kind=Kind.TENSOR,
        device=V.CPU,
        memory=memory,
        why=f".pin_memory() at line {call.node.lineno}",
    )


def _copied_layout(value: Value, sure: bool) -> int:
    """The layout of a copy, which has no gaps; of what may be the tensor itself where ``sure`` is not given."""
    if value.layout in (V.CONTIGUOUS, V.DENSE):
        return value.layout
    return V.DENSE if sure else V.ANYHOW


def _moved(receiver: Value, name: str, call: Call, lookup: dict[int, Value]) -> Value:
    move = parse_move(call.node, name, lookup)
    base = (
        receiver
        if receiver.only(Kind.TENSOR | Kind.NONE)
        else replace(V.UNKNOWN, confidence=Confidence.MEDIUM)
    )
    if base.may(Kind.TENSOR) and base.only(Kind.TENSOR | Kind.NONE):
        base = replace(base, kind=Kind.TENSOR)
    if move is None:
        return replace(base, device=V.SOME_DEVICE, memory=V.ANY_MEMORY, origins=())
    dtype = lookup.get(id(move.dtype)) if move.dtype is not None else None
    if move.target is None and name == "to":
        copied = base.dtype is not None and dtype_name(dtype) not in (None, base.dtype)
        memory = V.PAGEABLE if copied else V.PAGEABLE | base.memory
        return replace(
            base,
            dtype=dtype_name(dtype),
            memory=memory,
            layout=_copied_layout(base, copied),
            most=base.most if dtype_name(dtype) is not None else None,
            origins=(),
        )
    mask = move.device
    if not move.sure:
        mask |= receiver.device
    if mask & V.UNSET:
        mask = (mask & ~V.UNSET) | receiver.device
    memory = receiver.memory if receiver.device == mask == V.CPU and move.dtype is None else V.PAGEABLE
    if mask & receiver.device & V.CPU:
        memory |= receiver.memory
    return replace(
        base,
        device=mask or V.SOME_DEVICE,
        memory=memory,
        layout=_copied_layout(base, False),
        dtype=dtype_name(dtype) or (None if move.other or not move.sure else base.dtype),
        origins=(),
        why=f"moved at line {call.node.lineno}",
    )
