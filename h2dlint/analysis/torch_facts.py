"""PyTorch as data: which call makes what, where it lands, and where its arguments stand.

Signatures are those of torch 2.4 to 2.13 (``torch/_C/_VariableFunctions.pyi`` and ``torch/_tensor_docs.py``).
"""

from __future__ import annotations

CONSTRUCTORS: dict[str, tuple[str, ...]] = {
    "torch.tensor": ("data",),
    "torch.as_tensor": ("data", "dtype", "device"),
    "torch.asarray": ("obj",),
}
"""Functions that build a tensor from host data: name to positional parameters."""

FACTORIES: dict[str, tuple[str, ...]] = {
    "torch.zeros": ("*size",),
    "torch.ones": ("*size",),
    "torch.empty": ("*size",),
    "torch.full": ("size", "fill_value"),
    "torch.arange": ("*range",),
    "torch.eye": ("n", "m"),
    "torch.linspace": ("start", "end", "steps"),
    "torch.logspace": ("start", "end", "steps", "base"),
    "torch.tril_indices": ("row", "col", "offset"),
    "torch.triu_indices": ("row", "col", "offset"),
    "torch.scalar_tensor": ("s",),
    "torch.hann_window": ("window_length", "periodic"),
    "torch.hamming_window": ("window_length", "periodic", "alpha", "beta"),
    "torch.blackman_window": ("window_length", "periodic"),
}
"""Deterministic factories: with ``device=`` they launch a kernel and copy nothing."""

RANDOM_FACTORIES: frozenset[str] = frozenset(
    {"torch.rand", "torch.randn", "torch.randint", "torch.randperm", "torch.normal"}
)
"""Never moved by a fix: the device's generator draws other numbers."""

LIKE_FACTORIES: frozenset[str] = frozenset(
    "torch." + name
    for name in (
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "rand_like",
        "randn_like",
        "randint_like",
    )
)

NUMPY_BRIDGES: dict[str, tuple[str, ...]] = {
    "torch.from_numpy": ("ndarray",),
    "torch.frombuffer": ("buffer",),
}

LEGACY: dict[str, str] = {
    "Tensor": "",
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "BFloat16Tensor": "bfloat16",
    "LongTensor": "int64",
    "IntTensor": "int32",
    "ShortTensor": "int16",
    "CharTensor": "int8",
    "ByteTensor": "uint8",
    "BoolTensor": "bool",
}
"""Legacy constructors ``torch.X`` and (but for ``Tensor``) ``torch.cuda.X``: name to dtype; ``Tensor`` follows the
default dtype."""

JOINERS: frozenset[str] = frozenset(
    "torch." + name
    for name in (
        "cat",
        "concat",
        "concatenate",
        "stack",
        "vstack",
        "hstack",
        "dstack",
        "block_diag",
        "nn.utils.rnn.pad_sequence",
    )
)
"""Functions of a sequence of tensors whose result lives where its inputs live."""

DTYPES: frozenset[str] = frozenset(
    "float32 float float64 double float16 half bfloat16 int64 long int32 int int16 short int8 uint8 uint16 uint32 "
    "uint64 bool complex64 cfloat complex128 cdouble complex32 chalf float8_e4m3fn float8_e5m2 float8_e4m3fnuz "
    "float8_e5m2fnuz float8_e8m0fnu".split()
)
DTYPE_ALIASES: dict[str, str] = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "cfloat": "complex64",
    "cdouble": "complex128",
    "chalf": "complex32",
}

WIDTHS: dict[str, int] = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "int16": 2,
    "uint16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "uint32": 4,
    "float32": 4,
    "complex32": 4,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "complex128": 16,
}
"""Bytes of an element; 8 for other dtypes, and for one that is not known: nothing but complex128 has more."""

VIEWS: frozenset[str] = frozenset(
    """view reshape unsqueeze squeeze expand expand_as view_as reshape_as t transpose permute movedim swapaxes
    swapdims narrow select diagonal unfold flatten ravel unflatten detach view_as_real view_as_complex contiguous
    real imag mT T H mH data alias""".split()
)
"""Methods (and attributes) whose result shares, or may share, the memory of ``self``."""

EXPANDING: frozenset[str] = frozenset(
    "expand expand_as broadcast_to broadcast_tensors meshgrid unfold as_strided".split()
)
"""Methods and functions whose result may have elements that share memory."""

OVERLAPPING: frozenset[str] = frozenset("expand expand_as broadcast_to unfold as_strided".split())
"""Views in which several elements may share memory."""

CASTS: dict[str, str] = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
}
"""Methods that convert the dtype; a pageable copy on the host unless the dtype is that already."""

IN_PLACE_INITIALISERS: frozenset[str] = frozenset("fill_ zero_".split())

HOST_RESULTS: frozenset[str] = frozenset("tolist item numpy size dim numel stride storage_offset".split())
"""Tensor methods whose result is no tensor."""

DEFAULT_DEVICE_SETTERS: frozenset[str] = frozenset(
    {"torch.set_default_device", "torch.set_default_tensor_type", "torch.cuda.set_default_device"}
)

CURRENT_DEVICE: frozenset[str] = frozenset({"torch.cuda.current_device"})

OTHER_BACKENDS: frozenset[str] = frozenset("npu xpu mps hpu mlu musa mtia xla".split())
"""Modules of torch, or put there by an extension, for hardware that the fixes are not for."""
