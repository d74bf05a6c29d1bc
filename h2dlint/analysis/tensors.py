"""Where the result of a PyTorch call lives."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from h2dlint.analysis import layout as L
from h2dlint.analysis import shapes
from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.moves import device_mask
from h2dlint.analysis.values import Kind, Value, join, replace
from h2dlint.model import Confidence


@dataclass(slots=True)
class Call:
    """A call with its arguments evaluated."""

    node: ast.Call
    args: list[Value]
    keywords: dict[str, Value]
    starred: bool
    default_device: int

    def get(self, position: int | None, keyword: str) -> Value | None:
        """An argument by position (from 0) or keyword."""
        if keyword in self.keywords:
            return self.keywords[keyword]
        if position is not None and position < len(self.args) and not self.starred:
            return self.args[position]
        return None


def _landing(call: Call, value: Value | None) -> int:
    """The device that a new tensor lands on."""
    if value is None:
        return call.default_device
    mask = device_mask(value)
    if mask & V.UNSET:
        mask = (mask & ~V.UNSET) | call.default_device
    return mask


def pinning(call: Call) -> int:
    """Memory of a new tensor, by ``pin_memory=``."""
    value = call.keywords.get("pin_memory")
    if value is None or value.const is False:
        return V.PAGEABLE
    return V.PINNED if value.const is True else V.PAGEABLE | V.PINNED


def dtype_name(value: Value | None) -> str | None:
    """The dtype that an argument names, where it is known."""
    return value.dtype if value is not None and value.only(Kind.DTYPE) else None


def _ndim(data: Value | None) -> int | None:
    if data is None:
        return None
    if data.only(V.PYSCALAR | Kind.NPSCALAR):
        return 0
    if data.only(Kind.SEQ) and data.elem is not None and data.elem.only(V.PYSCALAR):
        return 1
    return data.ndim


def torch_call(qual: str, call: Call) -> Value | None:
    """The result of calling ``torch.X``; ``None`` where nothing is known."""
    line = call.node.lineno
    short = qual.removeprefix("torch.")
    if qual in T.CONSTRUCTORS:
        return _constructed(qual, call)
    if qual in T.FACTORIES or qual in T.RANDOM_FACTORIES:
        size = L.factory_count(short, call.args, call.keywords, call.starred)
        new = Value(
            kind=Kind.TENSOR,
            device=_landing(call, call.keywords.get("device")),
            memory=pinning(call),
            dtype=_factory_dtype(short, call),
            ndim=_factory_ndim(qual, call),
            size=size,
            most=size,
            layout=V.ANYHOW if "out" in call.keywords else V.CONTIGUOUS,
            origins=(call.node,),
            distinct=True,
            why=f"{qual}() at line {line}",
        )
        return _written_to(new, call.keywords.get("out"))
    if qual in T.NUMPY_BRIDGES:
        made = qual == "torch.from_numpy" and bool(call.args) and call.args[0].distinct
        return Value(
            kind=Kind.TENSOR,
            device=V.CPU,
            # An array that NumPy was not seen to make, or a buffer, may be the memory of a pinned tensor.
            memory=V.PAGEABLE if made else _array_memory(call.args[0] if call.args else V.UNKNOWN),
            size=call.args[0].size if call.args else None,
            most=call.args[0].size if call.args else None,
            layout=V.CONTIGUOUS if qual == "torch.frombuffer" else V.ANYHOW,
            origins=(call.node,),
            distinct=qual == "torch.frombuffer" or (bool(call.args) and call.args[0].distinct),
            why=f"{qual}() at line {line}",
        )
    if qual in T.LIKE_FACTORIES:
        like = call.args[0] if call.args else V.UNKNOWN
        given = call.keywords.get("device")
        device = _landing(call, given) if given is not None else like.device
        memory = pinning(call)
        if memory == V.PINNED and device & V.CPU:
            # Anywhere else it raises.
            device = V.CPU
        return Value(
            kind=Kind.TENSOR,
            device=device,
            memory=memory,
            most=like.most,
            layout=V.CONTIGUOUS if like.layout == V.CONTIGUOUS else V.DENSE,
            ndim=like.ndim,
            spread=like.has_dims,
            distinct=True,
            why=f"{qual}()",
        )
    legacy = short.removeprefix("cuda.")
    if legacy in T.LEGACY:
        cuda = short.startswith("cuda.")
        return Value(
            kind=Kind.TENSOR,
            device=V.CUDA if cuda else V.CPU,
            memory=V.PAGEABLE,
            dtype=T.LEGACY[legacy] or None,
            most=L.count(call.args[0]) if len(call.args) == 1 and call.args[0].only(Kind.SEQ) else None,
            layout=V.CONTIGUOUS,
            origins=(call.node,),
            distinct=True,
            why=f"{qual}() at line {line}",
        )
    if qual == "torch.device":
        return _device(call)
    if short.split(".", 1)[0] in T.OTHER_BACKENDS and short.endswith(".current_device"):
        return Value(kind=Kind.INT, device=V.OTHER, why=f"{qual}()")
    if qual in T.CURRENT_DEVICE:
        return Value(kind=Kind.INT, device=V.CUDA, why="torch.cuda.current_device()")
    if qual in T.JOINERS:
        return _joined(call)
    return _other(short, call)


def _written_to(made: Value, out: Value | None) -> Value:
    """What a factory returns that is given ``out=``: that tensor, in the shape asked for."""
    if out is None or out.only(Kind.NONE):
        return made
    given = replace(
        made,
        device=out.device & ~V.UNSET,
        memory=out.memory,
        dtype=out.dtype,
        distinct=out.distinct,
        confidence=min(made.confidence, out.confidence),
    )
    return join(made, given) if out.may(Kind.NONE) else given


def _array_memory(array: Value) -> int:
    """Memory of an array that NumPy was not seen to make: that of a tensor, pinned perhaps, if it is ``.numpy()``."""
    if array.only(Kind.NDARRAY) and not array.memory & V.PAGEABLE:
        return array.memory
    return V.PAGEABLE | V.PINNED


def _constructed(qual: str, call: Call) -> Value:
    name = T.CONSTRUCTORS[qual][0]
    data = call.get(0, name) or V.UNKNOWN
    names = T.CONSTRUCTORS[qual]
    given = call.get(names.index("device") if "device" in names else None, "device")
    device = _landing(call, given)
    confidence = Confidence.HIGH
    memory = pinning(call)
    if given is None:
        if data.only(Kind.TENSOR):
            device = data.device
            memory = V.PAGEABLE if qual == "torch.tensor" else data.memory
        elif data.may(Kind.TENSOR):
            # torch.tensor of a tensor warns, as_tensor of one is common.
            confidence = Confidence.MEDIUM
            if qual != "torch.tensor":
                device = V.SOME_DEVICE
        if qual != "torch.tensor" and data.kind != V.ANY and data.may(Kind.NDARRAY) and not data.distinct:
            # It is the memory of the array, which may be that of a pinned tensor.
            memory |= _array_memory(data)
    size = L.count(data)
    copies = qual == "torch.tensor" or data.only(V.PYSCALAR | Kind.SEQ | Kind.NPSCALAR) or data.distinct
    return Value(
        kind=Kind.TENSOR,
        device=device,
        memory=memory,
        dtype=dtype_name(call.get(1 if "dtype" in names else None, "dtype")),
        ndim=_ndim(data),
        size=size,
        most=data.most if data.only(Kind.TENSOR) else size,
        layout=_constructed_layout(qual, data),
        origins=(call.node,),
        distinct=copies,
        confidence=confidence,
        why=f"{qual}() at line {call.node.lineno}",
    )


def _constructed_layout(qual: str, data: Value) -> int:
    if data.known and data.only(V.PYSCALAR | Kind.SEQ | Kind.NPSCALAR):
        return V.CONTIGUOUS
    if qual == "torch.tensor":
        # Strides of an array or a tensor are kept where it has no gaps.
        return V.CONTIGUOUS if data.only(Kind.TENSOR) and data.layout == V.CONTIGUOUS else V.DENSE
    return data.layout if data.only(Kind.TENSOR) else V.ANYHOW


def _factory_ndim(qual: str, call: Call) -> int | None:
    if qual in ("torch.arange", "torch.linspace", "torch.randperm"):
        return 1
    if qual in ("torch.eye", "torch.tril_indices", "torch.triu_indices"):
        return 2
    if call.starred or not call.args:
        return None
    first = call.args[0]
    if first.only(Kind.SEQ):
        return len(first.items) if first.items is not None else None
    if qual == "torch.full":
        return None
    if first.only(Kind.INT) or len(call.args) > 1 or _is_sum(call.node.args[0], call.args[0]):
        return len(call.args)
    return None


def _is_sum(node: ast.expr, value: Value) -> bool:
    """``n + 1``: whatever ``n`` is, it is no tuple of sizes."""
    if (
        not isinstance(node, ast.BinOp)
        or not isinstance(node.op, (ast.Add, ast.Sub))
        or (value.may(Kind.SEQ) and value.known)
    ):
        return False
    return any(
        isinstance(side, ast.Constant) and isinstance(side.value, int) for side in (node.left, node.right)
    )


def _factory_dtype(short: str, call: Call) -> str | None:
    given = call.keywords.get("dtype")
    if given is not None:
        return dtype_name(given)
    if short == "arange":
        return (
            "int64" if call.args and all(a.only(Kind.INT) for a in call.args) and not call.starred else None
        )
    return "int64" if short in ("randint", "randperm", "tril_indices", "triu_indices") else None


def _device(call: Call) -> Value:
    first = call.get(0, "device") or call.keywords.get("type")
    if first is None:
        return V.DEVICE
    mask = device_mask(first)
    return Value(
        kind=Kind.DEVICE,
        device=mask & ~V.UNSET or V.SOME_DEVICE,
        confidence=first.confidence if first.known or first.confidence is Confidence.LOW else Confidence.HIGH,
        why=first.why if first.confidence is Confidence.LOW else f"torch.device at line {call.node.lineno}",
    )


def combined_device(operands: list[Value]) -> int:
    """The device of a result of several tensors: a 0-dim host tensor may join a device tensor."""
    if not operands:
        return V.SOME_DEVICE
    if all(o.device == V.CPU for o in operands):
        return V.CPU
    for operand in operands:
        if operand.device == V.CUDA:
            return V.CUDA
    known = [o.device for o in operands if o.device != V.CPU]
    mask = 0
    for device in known:
        mask |= device
    return mask or V.SOME_DEVICE


def _joined(call: Call) -> Value:
    parts = call.get(0, "tensors") or V.UNKNOWN
    if parts.items is not None and parts.items:
        operands = list(parts.items)
    elif parts.elem is not None:
        operands = [parts.elem]
    else:
        operands = []
    sure = bool(operands) and all(o.only(Kind.TENSOR) for o in operands)
    out = call.keywords.get("out")
    if out is not None and not out.only(Kind.NONE):
        return replace(out, kind=Kind.TENSOR)
    return Value(
        kind=Kind.TENSOR,
        device=combined_device(operands) if sure else V.SOME_DEVICE,
        memory=V.PAGEABLE,
        layout=V.DENSE,
        distinct=True,
        confidence=min((o.confidence for o in operands), default=Confidence.HIGH),
        why=f"joined at line {call.node.lineno}" if sure else "",
    )


_TUPLES = frozenset(
    "split chunk unbind tensor_split topk sort meshgrid broadcast_tensors hsplit vsplit dsplit".split()
)
MAYBE_TUPLES = frozenset(
    "max min median mode nonzero unique unique_consecutive where aminmax var_mean std_mean".split()
)
_NO_TENSOR: dict[str, Value] = {
    "is_tensor": V.BOOL,
    "is_floating_point": V.BOOL,
    "is_complex": V.BOOL,
    "equal": V.BOOL,
    "allclose": V.BOOL,
    "numel": V.INT,
    "get_default_dtype": V.DTYPE,
    "Size": V.INTS,
    "get_default_device": V.DEVICE,
    "promote_types": V.DTYPE,
    "result_type": V.DTYPE,
    "initial_seed": V.INT,
    "get_num_threads": V.INT,
    "cuda.device_count": V.INT,
    "cuda.is_available": V.BOOL,
    "get_rng_state": V.HOST_TENSOR,
    "distributed.get_rank": V.INT,
    "distributed.get_world_size": V.INT,
}
_NOT_KNOWN = frozenset(
    """load compile jit no_grad inference_mode enable_grad set_grad_enabled Generator iinfo finfo manual_seed seed
    save set_default_dtype set_default_device set_default_tensor_type autocast use_deterministic_algorithms vmap
    set_num_threads typename is_grad_enabled sym_int sym_float sparse_coo_tensor sparse_csr_tensor nested
    quantize_per_tensor from_dlpack set_printoptions set_float32_matmul_precision is_inference_mode_enabled
    empty_quantized _assert cond while_loop""".split()
)
_NO_DEVICE_OF_ITS_OWN = frozenset(("nn.functional", "linalg", "fft", "special"))


def _other(short: str, call: Call) -> Value | None:
    if short in _NO_TENSOR:
        return _NO_TENSOR[short]
    module, _, name = short.rpartition(".")
    if (module and module not in _NO_DEVICE_OF_ITS_OWN) or not name[:1].islower() or name in _NOT_KNOWN:
        return None
    tensors = [a for a in [*call.args, *call.keywords.values()] if not a.only(~Kind.TENSOR)]
    sure = bool(tensors) and all(t.only(Kind.TENSOR) for t in tensors)
    device = combined_device(tensors) if sure else V.SOME_DEVICE
    given = call.keywords.get("device")
    if given is not None:
        device = _landing(call, given)
    result = Value(
        kind=Kind.TENSOR,
        device=device,
        memory=_shared(name, tensors),
        confidence=min((t.confidence for t in tensors), default=Confidence.HIGH),
        distinct=name not in T.VIEWS and name not in _TUPLES and name != "broadcast_tensors",
        why=f"torch.{short}() of host tensors at line {call.node.lineno}" if sure and device == V.CPU else "",
    )
    first = call.args[0] if call.args else V.UNKNOWN
    if sure and first.only(Kind.TENSOR):
        ndim = shapes.after(name, first.ndim, call.args[1:], call.keywords)
        result = replace(result, ndim=ndim, dtype=shapes.dtype_of(name))
    if shapes.values_and_indices(name):
        items = (result, replace(result, dtype="int64"))
        return Value(kind=Kind.SEQ, elem=result, items=items, size=2)
    if name in _TUPLES:
        return Value(kind=Kind.SEQ, elem=result)
    if name in MAYBE_TUPLES and (len(call.args) > 1 or call.keywords):
        return replace(result, kind=Kind.TENSOR | Kind.SEQ, elem=result) if name != "where" else result
    return result


def _shared(name: str, tensors: list[Value]) -> int:
    """Memory of the result of a function that may return a view of its arguments."""
    memory = V.PAGEABLE
    for tensor in tensors:
        memory |= tensor.memory if tensor.only(Kind.TENSOR) else 0
    return memory | V.EXPANDED if name in T.EXPANDING else memory
