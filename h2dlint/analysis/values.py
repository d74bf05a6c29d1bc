"""The lattice: what a value may be.

A value is a set of kinds, a set of devices and a set of memory placements, each a bit mask: joining two
branches is ``|`` and a mask with every bit set says that nothing is known. Facts that hold for one kind only
(the element of a sequence, the dtype of a tensor) stand beside the masks.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from h2dlint.model import Confidence

if TYPE_CHECKING:
    from h2dlint.analysis.outline import ClassInfo, FunctionInfo


class Kind:
    """What sort of object a value is: one bit each (plain ints: an ``IntFlag`` costs half the run)."""

    NONE = 1
    BOOL = 2
    INT = 4
    FLOAT = 8
    COMPLEX = 16
    STR = 32
    SEQ = 64
    """list, tuple, range, set, torch.Size: iterated in Python"""
    DICT = 128
    NPSCALAR = 256
    NDARRAY = 512
    TENSOR = 1024
    DEVICE = 2048
    DTYPE = 4096
    OBJ = 8192
    """anything else: modules, functions, classes, instances"""


_K = int
ANY: _K = 16383
PYSCALAR: _K = Kind.BOOL | Kind.INT | Kind.FLOAT | Kind.COMPLEX
HOST: _K = PYSCALAR | Kind.STR | Kind.SEQ | Kind.DICT | Kind.NPSCALAR | Kind.NDARRAY
"""kinds whose bytes are on the host for certain"""
UPLOADABLE: _K = PYSCALAR | Kind.SEQ | Kind.NPSCALAR | Kind.NDARRAY
"""host kinds that a tensor constructor takes"""

# Devices. A tensor's device, or the device that a string, an index or a torch.device names.
CUDA = 1
CPU = 2
OTHER = 4
"""mps, npu, xpu, hpu, meta: a device, but not one that the fixes are for"""
UNSET = 8
"""``None``: follows the default device; set only on evidence"""
SOME_DEVICE = CUDA | CPU | OTHER

# Memory of a host tensor.
PAGEABLE = 1
PINNED = 2
GAPPED = 4
"""pinned, but a strided view: made contiguous into pageable memory before it is copied"""
EXPANDED = 8
"""elements may share memory, as after ``expand``: ``pin_memory()`` raises"""
ANY_PINNED = PINNED | GAPPED
ANY_MEMORY = PAGEABLE | ANY_PINNED | EXPANDED

# How a tensor lies in memory: one of these, not a mask.
ANYHOW = 0
CONTIGUOUS = 1
DENSE = 2
"""without gaps, but perhaps not in order, as after ``t()``"""
SLICED = 3
"""gaps, unless the slice takes everything: ``x[:, :n]``"""
GAPS = 4
"""gaps for certain: ``x[::2]``"""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()
"""No constant is known (``None`` is a constant)."""


@dataclass(slots=True, eq=False)
class Value:
    """What an expression may evaluate to. It is shared, and never changed once it is made.

    It is not declared frozen, because that makes making one, which is done a million times, six times as slow.

    Args:
        kind: mask of ``Kind``.
        device: mask of ``CUDA``, ``CPU``, ``OTHER``, ``UNSET``; for tensors and for what names a device.
        memory: mask of ``PAGEABLE``, ``PINNED``, ``GAPPED``, ``EXPANDED``; for tensors that may be on the host.
        dtype: torch dtype name without ``torch.``, where known.
        ndim: number of dimensions, where known.
        spread: has at least one dimension, so that it cannot join a tensor on another device.
        size: number of elements, where known.
        most: a tensor has no more elements than this, where known.
        layout: how a tensor lies in memory, by the constants above.
        elem: join of the elements of a sequence, ndarray or dict.
        items: each item, for a sequence of known length.
        const: the constant, for literals.
        presumed: the default of a boolean parameter, which most callers leave as it is.
        qual: dotted name of a module, function or class.
        func: a function of the project; cls: an instance's class; klass: a class itself.
        origins: the calls that made this tensor on the host, so far as they were seen.
        natural: an int that is a length or such a literal: never negative, far from the end of int64.
        distinct: no two elements share memory (as they do after ``expand``): ``pin_memory()`` raises where they do.
        confidence: the weakest evidence for ``kind`` and ``device``.
        why: one line of evidence.
    """

    kind: int = ANY
    device: int = SOME_DEVICE
    memory: int = ANY_MEMORY
    dtype: str | None = None
    ndim: int | None = None
    spread: bool = False
    size: int | None = None
    most: int | None = None
    layout: int = ANYHOW
    elem: Value | None = None
    items: tuple[Value, ...] | None = None
    const: Any = MISSING
    presumed: bool | None = None
    qual: str | None = None
    func: FunctionInfo | None = None
    cls: ClassInfo | None = None
    klass: ClassInfo | None = None
    bound: Value | None = None
    origins: tuple[ast.Call, ...] = ()
    natural: bool = False
    distinct: bool = False
    confidence: Confidence = Confidence.HIGH
    why: str = ""

    def only(self, mask: int) -> bool:
        """Every kind that the value may have is in ``mask``."""
        return not self.kind & ~mask

    @property
    def has_dims(self) -> bool:
        """The tensor is known to have at least one dimension."""
        return self.spread or bool(self.ndim)

    def may(self, mask: int) -> bool:
        """The value may have one of the kinds in ``mask``."""
        return bool(self.kind & mask)

    @property
    def known(self) -> bool:
        """Anything at all is known of the kind."""
        return self.kind != ANY

    def because(self, why: str) -> Value:
        """The same value with another line of evidence."""
        return replace(self, why=why)


def replace(value: Value, **changes: Any) -> Value:
    """The same value but for some fields: what ``dataclasses.replace`` does, ten times as fast."""
    made: Value = _new(Value)
    made.kind = value.kind
    made.device = value.device
    made.memory = value.memory
    made.dtype = value.dtype
    made.ndim = value.ndim
    made.spread = value.spread
    made.size = value.size
    made.most = value.most
    made.layout = value.layout
    made.elem = value.elem
    made.items = value.items
    made.const = value.const
    made.presumed = value.presumed
    made.qual = value.qual
    made.func = value.func
    made.cls = value.cls
    made.klass = value.klass
    made.bound = value.bound
    made.origins = value.origins
    made.natural = value.natural
    made.distinct = value.distinct
    made.confidence = value.confidence
    made.why = value.why
    for name in changes:
        setattr(made, name, changes[name])
    return made


_new = object.__new__

UNKNOWN = Value(confidence=Confidence.MEDIUM)
NONE = Value(kind=Kind.NONE, device=UNSET, const=None, why="None")
INT = Value(kind=Kind.INT)
LENGTH = Value(kind=Kind.INT, natural=True)
FLOAT = Value(kind=Kind.FLOAT)
NUMBER = Value(kind=Kind.INT | Kind.FLOAT)
BOOL = Value(kind=Kind.BOOL)
STR = Value(kind=Kind.STR)
SEQ = Value(kind=Kind.SEQ)
INTS = Value(kind=Kind.SEQ, elem=INT)
DICT = Value(kind=Kind.DICT)
NDARRAY = Value(kind=Kind.NDARRAY, why="ndarray")
NPSCALAR = Value(kind=Kind.NPSCALAR, why="numpy scalar")
TENSOR = Value(kind=Kind.TENSOR)
HOST_TENSOR = Value(kind=Kind.TENSOR, device=CPU, memory=PAGEABLE)
DTYPE = Value(kind=Kind.DTYPE)
DEVICE = Value(kind=Kind.DEVICE)
OBJECT = Value(kind=Kind.OBJ)

DEVICE_LIKE: int = Kind.DEVICE | Kind.STR | Kind.INT


def constant(value: Any) -> Value:
    """The value of a literal."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return Value(kind=Kind.BOOL, const=value, why="literal")
    if isinstance(value, int):
        return Value(
            kind=Kind.INT, device=CUDA | OTHER, const=value, natural=0 <= value < 2**31, why="literal"
        )
    if isinstance(value, float):
        return Value(kind=Kind.FLOAT, const=value, why="literal")
    if isinstance(value, complex):
        return Value(kind=Kind.COMPLEX, const=value, why="literal")
    if isinstance(value, str):
        return Value(kind=Kind.STR, device=device_of_name(value), const=value, why="literal")
    return OBJECT


def device_of_name(name: str) -> int:
    """The device mask of a string such as ``"cuda:0"``."""
    head = name.split(":", 1)[0]
    if head == "cuda":
        return CUDA
    if head == "cpu":
        return CPU
    return OTHER


def settled(value: Value, depth: int = 2) -> Value:
    """A value under a name: what number it is is forgotten, what kind of value is kept.

    A loop, a call, an alias or a later binding can change a number behind the analysis' back, and a fix that rests
    on the number would then compute another. Strings are kept: they name devices.
    """
    if value.items is not None and depth:
        value = replace(value, items=tuple(settled(item, depth - 1) for item in value.items))
    if value.const is MISSING or value.const is None or isinstance(value.const, str):
        return value
    return replace(value, const=MISSING)


def weakened(value: Value) -> Value:
    """A value that code which was not seen may have changed."""
    if value.confidence < Confidence.HIGH and value.items is None:
        return value
    return replace(
        value,
        items=None,
        elem=None,
        size=None,
        most=None,
        distinct=False,
        confidence=min(value.confidence, Confidence.MEDIUM),
    )


def _join_layouts(a: int, b: int) -> int:
    """What holds of two layouts."""
    if a == b:
        return a
    pair = {a, b}
    if pair == {CONTIGUOUS, DENSE}:
        return DENSE
    return SLICED if pair == {SLICED, GAPS} else ANYHOW


_MAX_NESTING = 4
"""Elements of elements are followed this far: lists of each other would take exponential time."""


def join(a: Value | None, b: Value | None, depth: int = 0) -> Value:
    """The least value that covers both; ``None`` stands for code that is not reached."""
    if a is None:
        return b if b is not None else UNKNOWN
    if b is None or a is b:
        return a
    kind = a.kind | b.kind
    confidence = min(a.confidence, b.confidence)
    a_tensor, b_tensor = a.may(Kind.TENSOR), b.may(Kind.TENSOR)
    located = DEVICE_LIKE | Kind.TENSOR | Kind.NONE
    device = (a.device if a.may(located) else 0) | (b.device if b.may(located) else 0)
    memory = (a.memory if a_tensor else 0) | (b.memory if b_tensor else 0)
    carrier = Kind.SEQ | Kind.NDARRAY | Kind.DICT
    elem = a.elem if not b.may(carrier) else b.elem
    if a.may(carrier) and b.may(carrier):
        both = a.elem is not None and b.elem is not None and depth < _MAX_NESTING
        elem = join(a.elem, b.elem, depth + 1) if both else None
        # An empty list says nothing of the elements that the other branch has.
        if a.items == ():
            elem = b.elem
        elif b.items == ():
            elem = a.elem
    items = None
    if a.items is not None and b.items is not None and len(a.items) == len(b.items) and depth < _MAX_NESTING:
        items = tuple(join(x, y, depth + 1) for x, y in zip(a.items, b.items, strict=True))
    shaped = Kind.TENSOR | Kind.NDARRAY | Kind.DTYPE

    def either(x: Any, y: Any) -> Any:
        if not a.may(shaped):
            return y
        if not b.may(shaped):
            return x
        return x if x == y else None

    sized = carrier | shaped
    size = a.size if not b.may(sized) else b.size
    if a.may(sized) and b.may(sized):
        size = a.size if a.size == b.size else None

    most = a.most if not b_tensor else b.most
    if a_tensor and b_tensor:
        most = max(a.most, b.most) if a.most is not None and b.most is not None else None

    def owner(x: Any, y: Any) -> Any:
        if a.kind & ~Kind.NONE == 0:
            return y
        if b.kind & ~Kind.NONE == 0:
            return x
        return x if x is y or x == y else None

    same = a.const is not MISSING and b.const is not MISSING and type(a.const) is type(b.const)
    return Value(
        kind=kind,
        device=device or SOME_DEVICE,
        memory=memory or ANY_MEMORY,
        dtype=either(a.dtype, b.dtype),
        ndim=either(a.ndim, b.ndim),
        spread=(a.spread or not a_tensor) and (b.spread or not b_tensor) and (a_tensor or b_tensor),
        size=size,
        most=most,
        layout=_join_layouts(a.layout if a_tensor else b.layout, b.layout if b_tensor else a.layout),
        elem=elem,
        items=items,
        const=a.const if same and a.const == b.const else MISSING,
        qual=owner(a.qual, b.qual),
        func=owner(a.func, b.func),
        cls=owner(a.cls, b.cls),
        klass=owner(a.klass, b.klass),
        bound=owner(a.bound, b.bound),
        origins=a.origins
        if a.origins == b.origins
        else (*a.origins, *(o for o in b.origins if o not in a.origins)),
        natural=a.natural and b.natural,
        distinct=a.distinct and b.distinct,
        confidence=confidence,
        why=a.why if a.why and a.kind != Kind.NONE else b.why or a.why,
    )


def same(a: Value, b: Value, depth: int = 0) -> bool:
    """Equal in everything that a loop's fixpoint can change."""
    if a is b or depth > _MAX_NESTING:
        return True
    if a.cls is not b.cls or a.func is not b.func or a.klass is not b.klass or a.spread != b.spread:
        return False
    if a.presumed != b.presumed or type(a.const) is not type(b.const) or repr(a.const) != repr(b.const):
        return False
    if (a.kind, a.device, a.memory, a.dtype, a.ndim, a.size, a.qual, a.confidence, a.distinct) != (
        b.kind,
        b.device,
        b.memory,
        b.dtype,
        b.ndim,
        b.size,
        b.qual,
        b.confidence,
        b.distinct,
    ):
        return False
    if a.natural != b.natural or a.layout != b.layout or a.most != b.most:
        return False
    if (a.elem is None) != (b.elem is None) or len(a.origins) != len(b.origins):
        return False
    if (a.items is None) != (b.items is None):
        return False
    if a.items is not None and b.items is not None:
        if len(a.items) != len(b.items):
            return False
        if not all(same(x, y, depth + 1) for x, y in zip(a.items, b.items, strict=True)):
            return False
    return a.elem is None or b.elem is None or same(a.elem, b.elem, depth + 1)
