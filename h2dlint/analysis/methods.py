"""Where the result of a method of a tensor lives."""

from __future__ import annotations

from dataclasses import replace

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.moves import device_mask, parse_move
from h2dlint.analysis.tensors import MAYBE_TUPLES, Call, combined_device, dtype_name
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence

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
        return replace(V.NDARRAY, why=f".numpy() at line {call.node.lineno}")
    if name == "cpu":
        moved = receiver if certain else replace(V.TENSOR, confidence=Confidence.MEDIUM)
        # Already on the host, it is returned as it is: pinned, if it was.
        memory = moved.memory if moved.device == V.CPU else V.PAGEABLE
        if moved.device & V.CPU and moved.device != V.CPU:
            memory |= moved.memory
        return replace(
            moved, kind=Kind.TENSOR, device=V.CPU, memory=memory, why=f".cpu() at line {call.node.lineno}"
        )
    if name in ("to", "cuda", "type_as"):
        return _moved(receiver, name, call, lookup)
    if not certain:
        if name in ("new_tensor", "new_zeros", "new_ones", "new_full", "new_empty"):
            return Value(kind=Kind.TENSOR, device=receiver.device, memory=V.PAGEABLE)
        return None
    if name == "pin_memory":
        return replace(
            receiver, kind=Kind.TENSOR, memory=V.PINNED, why=f".pin_memory() at line {call.node.lineno}"
        )
    if name in T.VIEWS:
        spread = receiver.has_dims and name not in ("squeeze", "select")
        memory = receiver.memory
        if name in T.EXPANDING:
            memory |= V.EXPANDED
        elif name == "contiguous":
            memory &= ~V.EXPANDED
        return replace(
            receiver,
            kind=Kind.TENSOR,
            ndim=None,
            size=None,
            spread=spread,
            memory=memory,
            distinct=receiver.distinct and name not in T.EXPANDING,
        )
    if name in T.CASTS:
        wanted = T.CASTS[name]
        if receiver.dtype == wanted:
            return receiver
        # Of the same dtype after all, it is returned as it is.
        memory = V.PAGEABLE if receiver.dtype is not None else V.PAGEABLE | receiver.memory
        distinct = receiver.distinct or receiver.dtype is not None
        return replace(receiver, kind=Kind.TENSOR, dtype=wanted, memory=memory, distinct=distinct, origins=())
    if name == "type":
        if not call.args:
            return V.STR
        dtype = call.args[0]
        if not dtype.only(Kind.DTYPE):
            # ``t.type(torch.cuda.FloatTensor)`` moves.
            return replace(
                receiver, kind=Kind.TENSOR, dtype=None, device=V.SOME_DEVICE, memory=V.ANY_MEMORY, origins=()
            )
    if name.startswith("new_"):
        given = call.keywords.get("device")
        device = device_mask(given) & ~V.UNSET if given is not None else receiver.device
        return Value(kind=Kind.TENSOR, device=device, memory=V.PAGEABLE)
    if name.endswith("_") and not name.endswith("__"):
        return receiver
    result = Value(
        kind=Kind.TENSOR,
        device=combined_device([receiver, *(a for a in call.args if a.only(Kind.TENSOR))]),
        memory=V.PAGEABLE if name == "clone" else V.PAGEABLE | receiver.memory,
        distinct=name == "clone" or (receiver.distinct and name not in T.EXPANDING),
        confidence=receiver.confidence,
        why=receiver.why,
    )
    if name in _METHOD_TUPLES:
        return Value(kind=Kind.SEQ, elem=result)
    if name in MAYBE_TUPLES and name not in ("where", "unique") and (call.args or call.keywords):
        return replace(result, kind=Kind.TENSOR | Kind.SEQ, elem=result)
    return result


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
        return replace(base, dtype=dtype_name(dtype), memory=memory, origins=())
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
        dtype=dtype_name(dtype) or (None if move.other or not move.sure else base.dtype),
        origins=(),
        why=f"moved at line {call.node.lineno}",
    )
