"""What calls of builtins, ``math`` and NumPy return, as data."""

from __future__ import annotations

import math

from h2dlint.analysis import layout
from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value, replace
from h2dlint.model import Confidence

_BUILTINS: dict[str, Value] = {
    "len": replace(V.LENGTH, why="len()"),
    "int": replace(V.INT, why="int()"),
    "float": replace(V.FLOAT, why="float()"),
    "bool": replace(V.BOOL, why="bool()"),
    "complex": Value(kind=Kind.COMPLEX, why="complex()"),
    "ord": V.INT,
    "hash": V.INT,
    "id": V.INT,
    "str": V.STR,
    "repr": V.STR,
    "format": V.STR,
    "input": V.STR,
    "isinstance": V.BOOL,
    "issubclass": V.BOOL,
    "hasattr": V.BOOL,
    "callable": V.BOOL,
    "any": V.BOOL,
    "all": V.BOOL,
    "range": Value(kind=Kind.SEQ, elem=V.INT, why="range()"),
    "dict": V.DICT,
    "set": V.DICT,
    "frozenset": V.DICT,
    "divmod": V.SEQ,
    "slice": V.OBJECT,
}
BATCH = "transformers.BatchFeature"
"""What a tokenizer or a processor returns: a dict of host tensors, which may be asked for as attributes too."""


def batch_of(line: int) -> Value:
    """The result of any call with ``return_tensors="pt"``, which is how that library is asked for tensors."""
    why = f'return_tensors="pt" at line {line}'
    tensor = replace(V.HOST_TENSOR, confidence=Confidence.MEDIUM, why=why)
    return Value(kind=Kind.DICT, elem=tensor, qual=BATCH, confidence=Confidence.MEDIUM, why=why)


_SEQUENCE_MAKERS = frozenset("list tuple sorted reversed filter iter".split())

_MATH_INTS = frozenset("ceil floor trunc comb perm factorial gcd lcm isqrt prod".split())
_MATH_BOOLS = frozenset("isnan isinf isfinite isclose".split())

_NP_SCALARS = frozenset(
    """float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ complex64 complex128 intp
    longlong float_ int_""".split()
)
_NP_NOT_ARRAYS: dict[str, Value] = {
    "ndim": V.INT,
    "size": V.INT,
    "shape": V.INTS,
    "array_equal": V.BOOL,
    "allclose": V.BOOL,
    "isscalar": V.BOOL,
    "dtype": V.OBJECT,
    "iinfo": V.OBJECT,
    "finfo": V.OBJECT,
    "errstate": V.OBJECT,
    "save": V.NONE,
    "savez": V.NONE,
    "load": V.UNKNOWN,
    "array_split": Value(kind=Kind.SEQ, elem=V.NDARRAY),
    "split": Value(kind=Kind.SEQ, elem=V.NDARRAY),
    "meshgrid": Value(kind=Kind.SEQ, elem=V.NDARRAY),
    "nonzero": Value(kind=Kind.SEQ, elem=V.NDARRAY),
    "unravel_index": Value(kind=Kind.SEQ, elem=V.NDARRAY),
    "random.seed": V.NONE,
    "random.get_state": V.OBJECT,
    "random.default_rng": V.OBJECT,
    "random.RandomState": V.OBJECT,
    "random.Generator": V.OBJECT,
}
_FLOATS = {"pi": math.pi, "e": math.e, "tau": math.tau, "inf": math.inf, "nan": math.nan}
"""Constants that ``math``, NumPy and torch share (Python floats in each)."""


def builtin_call(name: str, args: list[Value]) -> Value | None:
    """The result of a builtin, or ``None`` where nothing is known."""
    first = args[0] if args else None
    if name == "float" and first is not None and isinstance(first.const, str):
        try:
            return V.constant(float(first.const))
        except ValueError:
            return V.FLOAT
    if name in _BUILTINS:
        value = _BUILTINS[name]
        if name == "range" and args and all(a.const is not V.MISSING for a in args):
            try:
                return replace(value, size=len(range(*(a.const for a in args))))
            except (TypeError, ValueError, OverflowError):
                return value
        return value
    if name in ("list", "tuple") and not args:
        return Value(kind=Kind.SEQ, items=(), size=0, why=f"{name}()")
    if name in _SEQUENCE_MAKERS:
        elem = element(args[1] if name == "filter" and len(args) > 1 else first)
        return Value(kind=Kind.SEQ, elem=elem, why=f"{name}()")
    if name == "enumerate":
        return Value(kind=Kind.SEQ, elem=Value(kind=Kind.SEQ, items=(V.INT, element(first) or V.UNKNOWN)))
    if name == "zip":
        items = tuple(element(a) or V.UNKNOWN for a in args)
        return Value(kind=Kind.SEQ, elem=Value(kind=Kind.SEQ, items=items), why="zip()")
    if name == "map":
        elem = None
        if first is not None and first.qual in (
            "builtins.int",
            "builtins.float",
            "builtins.len",
            "builtins.bool",
        ):
            elem = builtin_call(first.qual.split(".")[1], [])
        return Value(kind=Kind.SEQ, elem=elem, why="map()")
    if name in ("min", "max", "sum", "abs", "round", "pow"):
        return _arithmetic(name, args)
    return None


def _arithmetic(name: str, args: list[Value]) -> Value | None:
    pool = args
    if name in ("min", "max", "sum") and args and args[0].only(Kind.SEQ | Kind.DICT):
        inner = element(args[0])
        pool = [inner] if inner is not None else []
        if name == "sum":
            pool = [*pool, *args[1:]]
    if pool and all(a.only(V.PYSCALAR) for a in pool):
        kind = 0
        for a in pool:
            kind |= a.kind & ~Kind.BOOL or Kind.INT
        if name == "sum":
            kind |= Kind.INT
        if name == "round" and len(args) == 1:
            kind = Kind.INT
        return Value(kind=kind, why=f"{name}() of numbers")
    return None


def element(value: Value | None) -> Value | None:
    """What iterating over a value gives."""
    if value is None:
        return None
    if value.items is not None and value.only(Kind.SEQ):
        value = V.settled(value)
        assert value.items is not None
        result: Value | None = None
        for item in value.items:
            result = item if result is None else V.join(result, item)
        return result if result is not None else value.elem
    if value.only(Kind.SEQ):
        return value.elem
    if value.only(Kind.STR):
        return V.STR
    if value.only(Kind.NDARRAY):
        return Value(kind=Kind.NDARRAY | Kind.NPSCALAR, why="element of an ndarray")
    if value.only(Kind.TENSOR):
        return Value(kind=Kind.TENSOR, device=value.device, memory=value.memory, dtype=value.dtype)
    if value.only(Kind.SEQ | Kind.NONE):
        return value.elem
    return None


def module_call(qual: str, args: list[Value]) -> Value | None:
    """The result of a call of ``math``, NumPy and a few others, by dotted name."""
    root, _, rest = qual.partition(".")
    if root == "math":
        if rest in _MATH_INTS:
            return Value(kind=Kind.INT, why=f"math.{rest}()")
        if rest in _MATH_BOOLS:
            return V.BOOL
        return Value(kind=Kind.FLOAT, why=f"math.{rest}()")
    if root == "numpy":
        value = _numpy(rest)
        if value is not None and value.only(Kind.NDARRAY):
            return replace(value, size=_array_size(rest, args))
        return value
    if qual in (
        "time.time",
        "time.perf_counter",
        "time.monotonic",
        "random.random",
        "random.uniform",
        "random.gauss",
    ):
        return V.FLOAT
    if qual in ("random.randint", "random.randrange", "os.getpid", "time.time_ns", "random.getrandbits"):
        return V.INT
    if qual in ("random.sample", "random.choices"):
        return Value(kind=Kind.SEQ, elem=element(args[0]) if args else None, why=f"{qual}()")
    if qual == "random.choice":
        return element(args[0]) if args else None
    if qual in ("itertools.chain", "itertools.chain.from_iterable", "itertools.accumulate", "itertools.product",
                "itertools.repeat", "itertools.islice"):  # fmt: skip
        return Value(kind=Kind.SEQ, why=f"{qual}()")
    if qual == "collections.deque":
        return Value(kind=Kind.SEQ, elem=element(args[0]) if args else None, why="deque()")
    if qual in ("collections.defaultdict", "collections.OrderedDict", "collections.Counter"):
        return V.DICT
    if qual in ("copy.copy", "copy.deepcopy") and args:
        return args[0]
    return None


def _array_size(name: str, args: list[Value]) -> int | None:
    """How many elements an array has that is made of literals."""
    if name in ("array", "asarray"):
        return layout.count(args[0]) if args else None
    if name in ("zeros", "ones", "empty", "full"):
        # The second positional argument is the dtype, or what to fill with.
        return layout.factory_count("empty", args[:1], {}, not args)
    return layout.factory_count(name, args[:3], {}, False) if name == "arange" else None


def _numpy(rest: str) -> Value | None:
    if rest in _NP_NOT_ARRAYS:
        return _NP_NOT_ARRAYS[rest]
    if rest in _NP_SCALARS:
        return replace(V.NPSCALAR, why=f"np.{rest}()")
    head = rest.split(".", 1)[0]
    if head in ("testing", "typing", "lib", "core", "ctypeslib", "char", "ma"):
        return None
    if "." not in rest or head in ("random", "linalg", "fft"):
        kind = Kind.NDARRAY if rest in _NP_ARRAYS else Kind.NDARRAY | Kind.NPSCALAR
        return Value(kind=kind, distinct=rest not in _NP_VIEWS, why=f"np.{rest}()")
    return None


_NP_VIEWS = frozenset(
    """broadcast_to broadcast_arrays meshgrid asarray asanyarray ascontiguousarray atleast_1d atleast_2d atleast_3d
    expand_dims transpose reshape ravel flip squeeze swapaxes moveaxis split array_split diagonal""".split()
)
"""May share the memory of an argument, in which elements may overlap."""

_NP_ARRAYS = frozenset(
    """array asarray ascontiguousarray zeros ones empty full arange linspace logspace eye identity stack concatenate
    vstack hstack dstack column_stack repeat tile pad argsort sort unique cumsum frombuffer fromiter fromfile
    zeros_like ones_like full_like empty_like expand_dims transpose reshape ravel flip roll outer meshgrid tril triu
    diff argwhere flatnonzero searchsorted lexsort atleast_1d atleast_2d copy broadcast_to random.permutation
    delete insert append take_along_axis load fromstring genfromtxt loadtxt""".split()
)


def module_constant(qual: str) -> Value | None:
    """``math.pi``, ``np.inf``, ``sys.maxsize``."""
    root, _, rest = qual.partition(".")
    if root in ("math", "numpy", "torch") and rest in _FLOATS:
        return V.constant(_FLOATS[rest])
    if qual == "numpy.newaxis":
        return V.NONE
    if qual == "sys.maxsize":
        return V.INT
    return None


_STR_SEQS = frozenset("split rsplit splitlines partition rpartition".split())
_STR_BOOLS = frozenset(
    "startswith endswith isdigit isalpha isspace isupper islower isnumeric isidentifier".split()
)
_STR_INTS = frozenset("find rfind index rindex count".split())


def host_method(receiver: Value, name: str, args: list[Value]) -> Value | None:
    """The result of a method of a sequence, dict, string or ndarray."""
    if receiver.only(Kind.STR):
        if name in _STR_SEQS:
            return Value(kind=Kind.SEQ, elem=V.STR, why=f"str.{name}()")
        if name in _STR_BOOLS:
            return V.BOOL
        if name in _STR_INTS:
            return V.INT
        return V.OBJECT if name == "encode" else V.STR
    if receiver.only(Kind.SEQ | Kind.NONE):
        if name in ("copy", "union", "intersection", "difference"):
            return replace(receiver, kind=Kind.SEQ, items=None)
        if name in ("index", "count", "numel"):
            return V.INT
        if name in ("pop", "popleft"):
            return element(receiver)
        return (
            V.NONE if name in ("append", "extend", "insert", "sort", "reverse", "clear", "remove") else None
        )
    if receiver.only(Kind.DICT | Kind.NONE):
        if name == "keys":
            return Value(kind=Kind.SEQ, why="dict.keys()")
        if name == "values":
            return Value(kind=Kind.SEQ, elem=receiver.elem, why="dict.values()")
        if name == "items":
            pair = Value(kind=Kind.SEQ, items=(V.UNKNOWN, receiver.elem or V.UNKNOWN))
            return Value(kind=Kind.SEQ, elem=pair, why="dict.items()")
        if name in ("get", "pop", "setdefault") and receiver.elem is not None:
            default = args[1] if len(args) > 1 else V.NONE
            return V.join(receiver.elem, default)
        return None
    if receiver.only(Kind.NDARRAY | Kind.NPSCALAR | Kind.NONE) and receiver.may(Kind.NDARRAY | Kind.NPSCALAR):
        if name == "tolist":
            kind = Kind.SEQ if receiver.only(Kind.NDARRAY) else Kind.SEQ | V.PYSCALAR
            return Value(kind=kind, why=".tolist() of an ndarray")
        if name == "item":
            return Value(kind=V.PYSCALAR, why=".item()")
        if name in ("nonzero",):
            return Value(kind=Kind.SEQ, elem=V.NDARRAY)
        if name in ("tobytes", "dump", "save"):
            return V.OBJECT
        if name in ("fill", "sort"):
            return V.NONE
        reduces = {"sum", "mean", "max", "min", "prod", "std", "var", "argmax", "argmin", "any", "all"}
        kind = Kind.NDARRAY | Kind.NPSCALAR if name in reduces else receiver.kind & ~Kind.NONE
        views = ("reshape", "transpose", "view", "ravel", "squeeze", "swapaxes", "diagonal")
        distinct = receiver.distinct or name not in views
        return Value(kind=kind, distinct=distinct, why=f".{name}() of an ndarray")
    return None
