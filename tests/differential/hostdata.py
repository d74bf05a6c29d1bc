"""Data on the host: literals, lists, arrays and scalars of every kind, and what may write to them afterwards."""

from __future__ import annotations

from tests.differential.scope import Data, Scope

INTS = (
    "0",
    "1",
    "-1",
    "3",
    "127",
    "255",
    "300",
    "2**31",
    "2**40",
    "2**63 - 1",
    "2**63",
    "-(2**63)",
    "10**30",
)
FLOATS = (
    "0.0",
    "-0.0",
    "0.5",
    "0.1",
    "1e-45",
    "65504.0",
    "7e4",
    "3.5e38",
    "1e300",
    "5e-324",
    "448.0",
    "2.0**31",
)
ODD = ('float("nan")', 'float("inf")', '-float("inf")', "1e999")
COMPLEX = ("1j", "2.5j", "1e39j", "1 + 0j")
SAFE_INTS = ("0", "1", "2", "3", "5", "7", "-1", "100")
ARRAY_DTYPES = tuple(
    "float32 float64 float16 int64 int32 int16 int8 uint8 bool complex64 complex128 uint16 uint32 >f4 >i8".split()
)


def scalar(g: Scope) -> Data:
    """A Python number, or one of NumPy."""
    kind = g.one("int", "int", "float", "float", "bool", "complex", "numpy", "name", "name", "odd")
    if kind == "int":
        return Data(g.one(*INTS) if g.chance(0.3) else g.one(*SAFE_INTS), "scalar", "int", ())
    if kind == "float":
        return Data(g.one(*FLOATS), "scalar", "float", ())
    if kind == "odd":
        return Data(g.one(*ODD), "scalar", "float", ())
    if kind == "bool":
        return Data(g.one("True", "False"), "scalar", "bool", ())
    if kind == "complex":
        return Data(g.one(*COMPLEX), "scalar", "complex", ())
    if kind == "numpy":
        text, element = g.rng.choice(
            [
                ("np.float32(0.5)", "float"),
                ("np.float64(1e300)", "float"),
                ("np.int64(3)", "int"),
                ("np.int8(-1)", "int"),
                ("np.bool_(True)", "bool"),
                ("np.complex64(1j)", "complex"),
            ]
        )
        return Data(text, "scalar", element, ())
    return named_scalar(g)


def named_scalar(g: Scope) -> Data:
    element = g.one("int", "int", "float", "bool")
    values = {
        "int": INTS if g.chance(0.15) else SAFE_INTS,
        "float": (*FLOATS, *ODD),
        "bool": ("True", "False"),
    }
    annotation = element if g.chance(0.8) else ""
    if g.chance(0.3):
        return Data(g.local("v", g.one(*values[element])), "scalar", element, ())
    return Data(g.parameter(element[0], annotation, g.one(*values[element])), "scalar", element, ())


def numbers(g: Scope, size: int, element: str) -> str:
    """``size`` literals."""
    table = {
        "int": SAFE_INTS if g.chance(0.9) else INTS,
        "float": (*FLOATS[:4], "2.5", "-1.5") if g.chance(0.8) else (*FLOATS, *ODD),
        "bool": ("True", "False"),
        "complex": COMPLEX,
        "mixed": ("1", "2.5", "True", "0"),
    }
    return ", ".join(g.one(*table[element]) for _ in range(size))


def listed(g: Scope) -> Data:
    """A list, tuple or range."""
    element = g.one(
        "int", "int", "int", "float", "float", "bool", "mixed", "complex" if g.chance(0.3) else "int"
    )
    size = g.rng.choice([1, 2, 3, 3, 3, 4])
    form = g.one(
        *"literal literal tuple nested nested comp given given local attr sliced built ranged odd".split()
    )
    row = numbers(g, size, element)
    shape: tuple[int, ...] | None = (size,)
    if form == "tuple":
        return Data(f"({row},)", "list", element, shape)
    if form == "nested":
        rows = ", ".join(f"[{numbers(g, size, element)}]" for _ in range(2))
        return Data(f"[{rows}]", "list", element, (2, size))
    if form == "comp":
        text = g.one(
            f"[i * 2 for i in range({size})]",
            f"[float(i) for i in range({size})]",
            f"[i > 1 for i in [{row}]]",
        )
        if element == "complex":
            text = f"[i + 1 for i in [{row}]]"
        return Data(text, "list", element, shape)
    if form in ("given", "sliced", "built"):
        return _given(g, element, size, form)
    if form == "local":
        name = g.local("xs", f"[{row}]")
        return Data(name, "list", element, shape, name)
    if form == "attr":
        name = g.attribute("xs", f"[{row}]")
        return Data(name, "list", element, shape, name)
    if form == "ranged":
        text = g.one(
            f"range({size})",
            f"list(range({size}))",
            "range(5, 0, -2)",
            f"range(250, {250 + size})",
            "range(0)",
        )
        return Data(text, "range", "int", None if "5, 0" in text or "(0)" in text else shape)
    if form == "odd":
        text = g.one(
            "[]",
            "[[]]",
            "[[1], [2, 3]]",
            "[[1, 2], [3]]",
            "[1, 'a']",
            "[None]",
            "()",
            f"[[[{row}]]]",
            f"[*[{row}], 1]",
            f"[[{row}]] * 2",
            f"[{g.one(*SAFE_INTS)}] * 3",
            f"({g.one(*FLOATS)},) * 2",
            "[np.float32(1.5), np.float32(2)]",
            "[np.int64(1), 2]",
            "[torch.tensor(1), torch.tensor(2)]",
            "[np.arange(2), np.arange(2)]",
        )
        return Data(text, "list", element, None)
    return Data(f"[{row}]", "list", element, shape)


def _given(g: Scope, element: str, size: int, form: str) -> Data:
    known = {"int": "list[int]", "float": "list[float]", "bool": "list[bool]"}.get(element, "list")
    annotation = g.one(known, known, "list", "")
    value = (
        f"[{numbers(g, size, element)}]"
        if g.chance(0.85)
        else g.one("[]", "[1]", "[[1, 2]]" if annotation != known else "[]")
    )
    name = g.parameter("xs", annotation, value)
    shape = (size,) if value.count(",") == size - 1 and value != "[]" else None
    if form == "sliced":
        return Data(
            g.one(f"{name}[1:]", f"{name}[:]", f"sorted({name})", f"list({name})"),
            "list",
            element,
            None,
            name,
        )
    if form == "built":
        return Data(
            g.one(f"{name} + {name}", f"[{name}, {name}]", f"[len({name})]", f"[*{name}]"),
            "list",
            element,
            None,
            name,
        )
    return Data(name, "list", element, shape, name)


def array(g: Scope) -> Data:
    """An ndarray of any dtype and layout."""
    dtype = g.one(*ARRAY_DTYPES) if g.chance(0.5) else g.one("float32", "float64", "int64")
    element = "float" if "f" in dtype else "complex" if "c" in dtype else "bool" if "b" in dtype else "int"
    made, shape = _array_text(
        g, f"'{dtype}'" if ">" in dtype else f"np.{'bool_' if dtype == 'bool' else dtype}"
    )
    where = g.one("given", "local", "local", "here", "here", "attr")
    if where == "here":
        return Data(made, "array", element, shape)
    if where == "given":
        name = g.parameter("a", g.one("np.ndarray", "np.ndarray", ""), made)
    else:
        name = g.local("a", made) if where == "local" else g.attribute("a", made)
    return Data(name, "array", element, shape, name)


def _array_text(g: Scope, dtype: str) -> tuple[str, tuple[int, ...]]:
    options: list[tuple[str, tuple[int, ...]]] = [
        (f"np.arange(3).astype({dtype})", (3,)),
        (f"np.arange(6).reshape(2, 3).astype({dtype})", (2, 3)),
        (f"np.zeros(3, dtype={dtype})", (3,)),
        (f"np.ones((2, 3), dtype={dtype})", (2, 3)),
        (f"np.array([1, 0, 2], dtype={dtype})", (3,)),
        (f"np.array([[1, 2, 3], [4, 5, 6]], dtype={dtype})", (2, 3)),
        (f"np.full((2, 3), 1, dtype={dtype})", (2, 3)),
    ]
    if g.chance(0.45):
        options = [
            (f"np.asfortranarray(np.arange(6).reshape(2, 3).astype({dtype}))", (2, 3)),
            (f"np.arange(6).astype({dtype})[::2]", (3,)),
            (f"np.arange(3).astype({dtype})[::-1]", (3,)),
            (f"np.arange(6).reshape(3, 2).astype({dtype}).T", (2, 3)),
            (f"np.array(1, dtype={dtype})", ()),
            (f"np.zeros((0, 3), dtype={dtype})", (0, 3)),
            (f"np.broadcast_to(np.arange(3).astype({dtype}), (2, 3))", (2, 3)),
            (f"np.lib.stride_tricks.sliding_window_view(np.arange(4).astype({dtype}), 2)", (3, 2)),
            (f"np.frombuffer(bytes(24), dtype={dtype})[:3]", (3,)),
            (f"np.arange(12).reshape(2, 6).astype({dtype})[:, 1:4]", (2, 3)),
            ("np.array(['a', 'b'])", (2,)),
            ("np.array([None, 1])", (2,)),
        ]
    return g.rng.choice(options)


def data(g: Scope) -> Data:
    """Anything that a constructor may be given."""
    if g.chance(0.25):
        return scalar(g)
    return listed(g) if g.chance(0.65) else array(g)


def dtype(g: Scope, keyword: bool = True, element: str = "int") -> str:
    """A ``dtype`` argument, or none."""
    if g.chance(0.45):
        return ""
    text = (
        f"torch.{g.one(*DTYPES_FOR.get(element, ('float32',)))}" if g.chance(0.75) else f"torch.{g.one(*ALL)}"
    )
    if g.chance(0.12):
        text = g.parameter("dt", g.one("torch.dtype", ""), text)
    elif g.chance(0.08):
        text = g.parameter("dt", "torch.dtype | None", text, "None")
    return f"dtype={text}" if keyword else text


ALL = tuple(
    """float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 float8_e4m3fn
    float8_e5m2 uint16 uint32 uint64 long int half double""".split()
)
DTYPES_FOR = {
    "int": ("int64", "int32", "int64", "float32", "int16", "long", "float64", "uint8"),
    "float": ("float32", "float64", "float16", "bfloat16", "half", "float32"),
    "bool": ("bool", "int64", "uint8", "float32"),
    "complex": ("complex64", "complex128"),
    "mixed": ("float32", "float64", "int64"),
}


def write_list(g: Scope, name: str) -> None:
    """Something happens to a list after it was read."""
    g.line(
        g.one(
            f"{name}.append(9)",
            f"{name}.clear()",
            f"{name}[:] = []",
            f"{name}.reverse()",
            f"{name} *= 2" if "." not in name else f"{name}.extend([4])",
            f"if {name}: {name}[0] = 9",
        )
    )


def write_array(g: Scope, name: str) -> None:
    """Something happens to an array after a copy of it was asked for."""
    g.helper("touch", "def touch(t):\n    t[...] = 1")
    g.line(
        g.one(
            f"{name}[...] = 1",
            f"{name}.fill(1)",
            f"{name}.sort()" if g.chance(0.5) else f"{name}[:1] = 0",
            f"np.copyto({name}, 1, casting='unsafe')",
            f"np.multiply({name}, 0, out={name}, casting='unsafe')",
            f"touch({name})",
            f"view = {name}.reshape(-1)\nview[...] = 1",
            f"torch.from_numpy({name}).fill_(1)",
        )
    )
