"""Takes a recorded value apart: a tree of what JSON can say, and the bytes that it cannot.

A tree is made of dictionaries. ``k`` says what a node is: ``none``, ``bool``, ``int``, ``float``, ``complex``, ``str``,
``bytes``, ``word`` (a dtype, a device, a member of an enumeration, ..), ``list``, ``tuple``, ``set``, ``dict``,
``object``, ``tensor`` or ``array``; ``class`` is there if the class is not the plain one. Floats are kept as the
hexadecimal digits of their bytes, so that a NaN keeps its payload and zero its sign.

torch and numpy are looked up among the modules that the program has loaded: without them there are no values of theirs.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

Node = dict[str, Any]

MAX_DEPTH = 100
"""Containers inside containers; JSON is read by recursion."""

_SCALARS: dict[type, Callable[[Any], Node]] = {
    type(None): lambda value: {"k": "none"},
    bool: lambda value: {"k": "bool", "v": value},
    # Not in decimal: Python refuses to write very long ones.
    int: lambda value: {"k": "int", "v": hex(value)},
    float: lambda value: {"k": "float", "v": struct.pack(">d", value).hex()},
    complex: lambda value: {"k": "complex", "v": struct.pack(">dd", value.real, value.imag).hex()},
    str: lambda value: {"k": "str", "v": value},
    bytes: lambda value: {"k": "bytes", "v": value.hex()},
    bytearray: lambda value: {"k": "bytes", "v": value.hex(), "class": "bytearray"},
    range: lambda value: {"k": "word", "class": "range", "v": repr(value)},
}

_SUBCLASSES: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    complex: lambda value: complex(value.real, value.imag),
    str: str.__str__,
    bytes: lambda value: bytes(memoryview(value)),
}
"""What makes a plain value of one of a subclass, whatever the subclass overrides."""

_TORCH_WORDS = ("dtype", "device", "layout", "memory_format", "qscheme")


class Encoder:
    """Takes one value apart.

    Attributes:
        blobs: nodes that need bytes, with the bytes, or with a dense one-dimensional tensor of uint8 that holds them.
            A tensor in host memory may be the program's own memory: write it before the program goes on.
    """

    def __init__(self) -> None:
        self.blobs: list[tuple[Node, Any]] = []
        self._open: set[int] = set()
        self._torch = sys.modules.get("torch")
        self._numpy = sys.modules.get("numpy")

    def node(self, value: Any, path: str = "") -> Node:
        """The tree of a value.

        Args:
            value: what is recorded.
            path: where it stands in the recorded value, as Python would write it.

        Raises:
            TypeError: the value, or something in it, cannot be compared bit for bit; the message names the place.
        """
        scalar = _SCALARS.get(type(value))
        if scalar is not None:
            return scalar(value)
        torch, numpy = self._torch, self._numpy
        if torch is not None and isinstance(value, torch.Tensor):
            return self._tensor(value, path)
        if torch is not None and any(isinstance(value, getattr(torch, word)) for word in _TORCH_WORDS):
            return {"k": "word", "class": f"torch.{type(value).__name__}", "v": str(value)}
        if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
            return self._array(value, path)
        if numpy is not None and isinstance(value, numpy.dtype):
            return {"k": "word", "class": "numpy.dtype", "v": str(value)}
        if isinstance(value, enum.Enum):
            return {"k": "word", "class": _name(type(value)), "v": str(value.name)}
        for kind, plain in _SUBCLASSES.items():
            if isinstance(value, kind):
                return {**_SCALARS[kind](plain(value)), "class": _name(type(value))}
        with self._inside(value, path):
            return self._container(value, path)

    @contextmanager
    def _inside(self, value: Any, path: str) -> Iterator[None]:
        if id(value) in self._open:
            raise TypeError(f"record(): {_place(path)} contains itself")
        if len(self._open) >= MAX_DEPTH:
            raise TypeError(f"record(): {_place(path)} lies more than {MAX_DEPTH} containers deep")
        self._open.add(id(value))
        try:
            yield
        finally:
            self._open.discard(id(value))

    def _container(self, value: Any, path: str) -> Node:
        named: Node = {} if type(value) in _PLAIN else {"class": _name(type(value))}
        if isinstance(value, Mapping):
            pairs = []
            for key, item in value.items():
                shown = f"{path}[{key!r}]"
                pairs.append([self._key(key, shown), self.node(item, shown)])
            if isinstance(value, OrderedDict):
                named["ordered"] = True
            return {"k": "dict", **named, "items": pairs}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
            return self._object(value, fields, named, path)
        names = getattr(value, "_fields", None)
        if isinstance(value, tuple) and isinstance(names, tuple):
            return self._object(value, list(names), named, path)
        if isinstance(value, list | tuple | deque):
            items = [self.node(item, f"{path}[{index}]") for index, item in enumerate(value)]
            return {"k": "tuple" if isinstance(value, tuple) else "list", **named, "items": items}
        if isinstance(value, Set):
            items = [self.node(item, f"{path}{{{index}}}") for index, item in enumerate(value)]
            return {"k": "set", **named, "items": items}
        raise TypeError(
            f"record(): {_place(path)} is a {_name(type(value))}, which cannot be compared{_hint(value)}"
        )

    def _object(self, value: Any, fields: list[str], named: Node, path: str) -> Node:
        items = [[name, self.node(getattr(value, name), f"{path}.{name}")] for name in fields]
        return {"k": "object", **named, "items": items}

    def _key(self, key: Any, path: str) -> Node:
        before = len(self.blobs)
        node = self.node(key, path)
        if len(self.blobs) > before or node["k"] in {"tensor", "array"}:
            raise TypeError(
                f"record(): the key of {_place(path)} is a {_name(type(key))}, and cannot be matched"
            )
        return node

    def _tensor(self, tensor: Any, path: str) -> Node:
        torch: Any = self._torch
        # What a subclass makes of operators is its own affair; recorded are the values that it holds.
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
                raise TypeError(
                    f"record(): {_place(path)} is a tensor inside vmap or grad, which has no values yet"
                )
            node: Node = {
                "k": "tensor",
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "shape": None if tensor.is_nested else list(tensor.shape),
                "device": str(tensor.device),
                "requires_grad": tensor.requires_grad,
                "is_leaf": tensor.is_leaf,
            }
            if type(tensor) is not torch.Tensor:
                node["class"] = _name(type(tensor))
            if tensor.layout is not torch.strided:
                node["layout"] = str(tensor.layout).removeprefix("torch.")
            parts = self._parts(tensor, node)
            if parts is not None:
                node["parts"] = {name: self.node(part, f"{path}.{name}") for name, part in parts.items()}
                return node
            node["strides"] = list(tensor.stride())
            for flag in ("conj", "neg"):
                if getattr(tensor, f"is_{flag}")():
                    node[flag] = True
            if tensor.device.type != "meta":
                self._values(tensor, node, path)
            return node

    def _parts(self, tensor: Any, node: Node) -> dict[str, Any] | None:
        """What a tensor is made of that is no dense block of memory; ``None`` for one that is."""
        torch: Any = self._torch
        if tensor.is_nested:
            return {"unbind()": list(tensor.unbind())}
        if tensor.layout is torch.sparse_coo:
            node["coalesced"] = tensor.is_coalesced()
            return {"indices": tensor._indices(), "values": tensor._values()}
        if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
            outer = {"crow_indices": tensor.crow_indices(), "col_indices": tensor.col_indices()}
            return {**outer, "values": tensor.values()}
        if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
            outer = {"ccol_indices": tensor.ccol_indices(), "row_indices": tensor.row_indices()}
            return {**outer, "values": tensor.values()}
        if tensor.layout is not torch.strided:
            return {"to_dense()": tensor.to_dense()}
        if tensor.is_quantized:
            per_tensor = tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric)
            names = ["q_scale", "q_zero_point"]
            if not per_tensor:
                names = ["q_per_channel_scales", "q_per_channel_zero_points", "q_per_channel_axis"]
            scheme = {f"{name}()": getattr(tensor, name)() for name in names}
            return {"int_repr()": tensor.int_repr(), "qscheme()": str(tensor.qscheme()), **scheme}
        if type(tensor) is not torch.Tensor and hasattr(tensor, "__tensor_flatten__"):
            names, _ = tensor.__tensor_flatten__()
            return {name: getattr(tensor, name) for name in names}
        return None

    def _values(self, tensor: Any, node: Node, path: str) -> None:
        torch: Any = self._torch
        node["n"] = tensor.numel() * tensor.element_size()
        node["at"] = 0
        if node["n"] == 0:
            return
        try:
            dense = tensor.detach().resolve_conj().resolve_neg().contiguous()
            if dense.is_complex():
                dense = torch.view_as_real(dense)
            # Not `reshape`: a tensor of one element counts as contiguous whatever its strides are.
            raw = dense.as_strided((dense.numel(),), (1,)).view(torch.uint8)
            if raw.data_ptr() == 0:
                raise RuntimeError("it has no memory")
        except (RuntimeError, NotImplementedError) as error:
            detail = str(error).split("\n", 1)[0]
            raise TypeError(
                f"record(): {_place(path)} is a {_name(type(tensor))} without values: {detail}"
            ) from error
        if raw.is_cuda and raw.data_ptr() == tensor.data_ptr():
            # Read later, when the device has got there; the program may write to its own tensor in the meantime.
            raw = raw.clone()
        self.blobs.append((node, raw))

    def _array(self, array: Any, path: str) -> Node:
        numpy: Any = self._numpy
        node: Node = {"k": "array", "dtype": array.dtype.str, "shape": list(array.shape)}
        if array.dtype.fields is not None:
            node["dtype"] = repr(array.dtype.descr)
        if type(array) is not numpy.ndarray:
            node["class"] = _name(type(array))
        if isinstance(array, numpy.ma.MaskedArray):
            parts = {"data": numpy.asarray(array.data), "mask": numpy.ma.getmaskarray(array)}
            node["parts"] = {name: self.node(part, f"{path}.{name}") for name, part in parts.items()}
            return node
        if array.dtype.hasobject:
            with self._inside(array, path):
                node["parts"] = {"tolist()": self.node(array.tolist(), path)}
            return node
        if isinstance(array, numpy.ndarray):
            node["strides"] = list(array.strides)
        data = array.tobytes()
        node["n"], node["at"] = len(data), 0
        if data:
            self.blobs.append((node, data))
        return node


_PLAIN = (dict, list, tuple, set)


def _name(kind: type) -> str:
    """Name of a class as a reader knows it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _place(path: str) -> str:
    return f"value{path}" if path else "the value"


def _hint(value: Any) -> str:
    return "; record its state_dict()" if hasattr(value, "state_dict") else ""
