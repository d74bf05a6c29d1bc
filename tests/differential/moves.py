"""Statements that build a tensor on the device, or move one there: the rules HTD101 to HTD207."""

from __future__ import annotations

from tests.differential import hostdata, hosttensors
from tests.differential.hostdata import dtype
from tests.differential.hosttensors import host, views
from tests.differential.scope import Data, Scope, Template


def finish(g: Scope, result: str, source: Data) -> None:
    """What a program does with a new device tensor, and with what it was made from."""
    name = g.local("r", result)
    if source.source and g.chance(0.6):
        write_to(g, source)
    if g.chance(0.12):
        g.line(
            g.one(
                f"{name}.add_(1)",
                f"{name}[...] = 2",
                f"{name} = {name} * 2",
                f"{name} = {name}.float().requires_grad_()",
            )
        )
    if g.chance(0.1):
        g.line(f"if {name}.requires_grad:\n    ({name} * {name}).sum().abs().backward()")
    g.give(
        name
        if g.chance(0.9)
        else g.one(f"{name}.sum()", f"{name}.view(-1)", f"{name}.cpu()", f"{name}.tolist()", f"{name}.T")
    )
    if source.source and source.kind in ("tensor", "array") and "buf" not in source.source and g.chance(0.2):
        g.give(source.source)


def write_to(g: Scope, source: Data) -> None:
    """Write to what a tensor was made from; a name that was deleted is not used again."""
    if source.source.startswith("buf"):
        g.line(f"{source.source}[0] = 1")
    elif source.kind == "array" or (source.kind == "tensor" and source.source.split(".")[-1].startswith("a")):
        hostdata.write_array(g, source.source)
    elif source.kind in ("list", "range"):
        hostdata.write_list(g, source.source)
    else:
        hosttensors.write(g, source.source)


def grad(g: Scope, made: Data) -> str:
    return (
        g.one("requires_grad=True", "requires_grad=False")
        if made.element == "float" and g.chance(0.12)
        else ""
    )


def tensor_on_device(g: Scope) -> None:
    made = hostdata.data(g)
    arguments = [dtype(g, element=made.element), f"device={g.device()}", grad(g, made)]
    if g.chance(0.08):
        finish(g, g.call("torch.tensor", "", [f"data={made.text}", *arguments]), made)
        return
    finish(g, g.call("torch.tensor", made.text, arguments), made)


def as_tensor_on_device(g: Scope) -> None:
    made = hostdata.data(g) if g.chance(0.75) else host(g)
    function = g.one("as_tensor", "as_tensor", "asarray")
    copy = g.one("copy=True", "copy=False", "") if function == "asarray" and g.chance(0.3) else ""
    finish(
        g,
        g.call(
            f"torch.{function}", made.text, [dtype(g, element=made.element), f"device={g.device()}", copy]
        ),
        made,
    )


def constant_on_device(g: Scope) -> None:
    kind = g.one("scalar", "scalar", "list", "times", "range", "nested", "run", "length")
    value = hostdata.scalar(g)
    texts = {
        "scalar": value.text,
        "list": g.one(f"[{value.text}]", f"({value.text},)"),
        "times": g.one(
            f"[{value.text}] * 3",
            f"3 * [{value.text}]",
            f"[{value.text}] * {g.one('0', '2', '-1')}",
            f"({value.text},) * 2",
        ),
        "range": g.one(
            "range(4)",
            "list(range(2, 6))",
            "range(0, 9, 3)",
            "tuple(range(3))",
            "range(-2, 2)",
            "range(250, 260)",
        ),
        "nested": f"[[{value.text}, {value.text}], [{value.text}, {value.text}]]",
        "run": g.one("[0, 1, 2]", "[3, 4, 5, 6]", "(1, 2, 3)", "[126, 127, 128]"),
        "length": "",
    }
    element = value.element if kind not in ("range", "run", "length") else "int"
    text = texts[kind]
    if kind == "length":
        name = g.parameter("xs", "list[int]", g.one("[1, 2, 3]", "[]", "[4]"))
        text = g.one(
            f"len({name})",
            f"[{value.text}] * len({name})",
            f"range(len({name}))",
            f"[len({name})]",
            f"[[0] * len({name})] * 2",
        )
    function = g.one("tensor", "tensor", "tensor", "as_tensor", "asarray")
    made = Data(text, "scalar", element)
    arguments = [
        dtype(g, element=element),
        f"device={g.device()}",
        grad(g, made) if function == "tensor" else "",
    ]
    finish(g, g.call(f"torch.{function}", text, arguments), made)


def new_tensor(g: Scope) -> None:
    if g.chance(0.5):
        owner = g.anchor()
    else:
        kind = g.one("float32", "int64", "float16", "float64", "bool")
        owner = g.local("t", f"torch.zeros(2, 3, dtype=torch.{kind}, device={g.device()})")
    made = hostdata.data(g)
    if made.kind == "list" and g.chance(0.2):
        finish(g, f"{owner}.new({made.text})", made)
        return
    arguments = [
        dtype(g, element=made.element),
        f"device={g.device()}" if g.chance(0.15) else "",
        grad(g, made),
    ]
    finish(g, g.call(f"{owner}.new_tensor", made.text, arguments), made)


def legacy(g: Scope) -> None:
    made = hostdata.listed(g) if g.chance(0.8) else hostdata.array(g)
    name = g.one(
        "LongTensor",
        "FloatTensor",
        "IntTensor",
        "DoubleTensor",
        "HalfTensor",
        "BoolTensor",
        "ByteTensor",
        "ShortTensor",
    )
    form = g.rng.random()
    if form < 0.5:
        finish(g, f"torch.cuda.{name}({made.text})", made)
    elif form < 0.9:
        finish(g, f"torch.{g.one(name, 'Tensor')}({made.text}){views(g, made.shape, 1)}{move(g)}", made)
    else:
        source = host(g)
        finish(g, f"{source.text}.type({g.one('torch.cuda.' + name, repr('torch.cuda.' + name))})", source)


def pinned_on_device(g: Scope) -> None:
    made = hostdata.listed(g) if g.chance(0.9) else hostdata.data(g)
    pin = g.one("pin_memory=True", "pin_memory=True", "pin_memory=torch.cuda.is_available()")
    finish(
        g,
        g.call(
            "torch.tensor",
            made.text,
            [dtype(g, element=made.element), f"device={g.device()}", pin, grad(g, made)],
        ),
        made,
    )


def move(g: Scope, blocking: bool = True) -> str:
    """``.to(d)`` and its many forms."""
    kind = f"torch.{g.one('float32', 'int64', 'float64', 'float16', 'int32')}"
    if not blocking:
        return g.one(
            f".to({g.device()}, non_blocking=True)",
            ".cuda(non_blocking=True)",
            f".to({g.device()}, {kind}, non_blocking=True)",
            ".cuda(0, True)",
            f".to(device={g.device()}, non_blocking=True)",
            f".to({g.device()}, {kind}, True)",
            f".to({g.device()}, {kind}, True, True)",
        )
    return g.one(
        f".to({g.device()})",
        f".to({g.device()})",
        f".to({g.device()})",
        ".cuda()",
        ".cuda()",
        ".cuda(0)",
        f".to(device={g.device()})",
        f".to({g.device()}, {kind})",
        f".to({g.device()}, dtype={kind})",
        f".to({g.anchor()})",
        f".type_as({g.anchor()})",
        f".to({g.anchor()}.device)",
        f".to({g.device()}, copy=True)",
        f".to({g.device()}, non_blocking=False)",
        f".cuda(device={g.device()})",
        f".to(dtype={kind}, device={g.device()})",
        f".to({kind}).to({g.device()})",
        f".to({g.device()}).to({kind})",
        f".to({g.device()}, {kind}, False, True)",
    )


def moved(make: str, blocking: float = 1.0) -> Template:
    """A host tensor that is moved.

    Args:
        make: how it is made, as ``host`` takes it.
        blocking: probability that the move is without ``non_blocking``.
    """

    def template(g: Scope) -> None:
        source = host(g, make)
        steps = views(g, source.shape)
        finish(g, f"{source.text}{steps}{move(g, g.chance(blocking))}", source)

    return template


def copied(g: Scope) -> None:
    """``destination.copy_(source)``."""
    into_device(g, host(g, "" if g.chance(0.7) else "pinned"), g.chance(0.75))


def into_device(g: Scope, source: Data, blocking: bool) -> None:
    shape = source.shape if source.shape is not None else (3,)
    kind = g.one("float32", "float32", "float64", "int64", "float16", "bool", "int32", "complex64", "uint8")
    wide = shape if g.chance(0.7) else (2, *shape)
    text = ", ".join(map(str, wide)) + ("," if len(wide) == 1 else "")
    made = f"torch.zeros(({text}), dtype=torch.{kind}, device={g.device()})"
    target = g.attribute("b", made) if g.chance(0.3) else g.local("b", made)
    part = target
    if g.chance(0.35):
        part = target + g.one(
            "[...]",
            "[:]",
            "[:1]",
            "[:, :3]" if len(wide) > 1 else "[::1]",
            ".t()",
            "[..., ::2]",
            ".view(-1)",
            "[0]",
            ".data",
            "[1:]",
        )
    steps = views(g, source.shape, 1) if g.chance(0.4) else ""
    if g.chance(0.2):
        source = Data(
            g.one(
                "torch.zeros(3)",
                "torch.ones(2, 3)",
                "torch.full((3,), 7)",
                "torch.tensor(2)",
                "torch.tensor([0.1])",
                "torch.full((), 300)",
                "torch.tensor([5] * 3)",
            ),
            "tensor",
        )
        steps = ""
    flag = "" if blocking else g.one(", non_blocking=True", ", True")
    if blocking and g.chance(0.1):
        flag = g.one(", False", ", non_blocking=False")
    g.line(f"{part}.copy_({source.text}{steps}{flag})")
    if source.source and g.chance(0.6):
        write_to(g, source)
    g.give(target)
    if source.source and source.kind == "tensor" and g.chance(0.15) and "buf" not in source.source:
        g.give(source.source)


def gapped(g: Scope) -> None:
    """Part of a pinned tensor, without waiting."""
    rows, columns = g.rng.choice([(4, 6), (3, 4), (2, 3)])
    kind = g.one("float32", "int64", "float16", "int32")
    made = g.one(
        f"torch.ones({rows}, {columns}, dtype=torch.{kind}, pin_memory=True)",
        f"torch.arange({rows * columns}, dtype=torch.{kind}).view({rows}, {columns}).pin_memory()",
        f"torch.zeros(({rows}, {columns}), pin_memory=True)",
    )
    name = g.attribute("p", made) if g.chance(0.25) else g.local("p", made)
    if g.chance(0.4):
        g.line(g.one(f"{name}.fill_(2)", f"{name}[0] = 5", f"{name}.copy_(torch.ones({rows}, {columns}))"))
    part = name + g.one(
        "[:, :2]",
        "[:, 1:]",
        "[::2]",
        "[..., ::2]",
        "[:, 0]",
        ".t()[1:]",
        "[:, None, :2]",
        ".expand(2, -1, -1)",
        "[:, :2].t()",
        ".diagonal()",
        ".unfold(0, 2, 1)",
        "[1:]",
    )
    if g.chance(0.25):
        g.give(f"{part}{move(g, False)}")
        hosttensors.write(g, name)
        return
    source = Data(part, "tensor", "float", (rows, 2) if "2]" in part else None, name)
    if g.chance(0.25):
        into_device(g, Data(name, "tensor", "float", (rows, columns), name), False)
        return
    finish(g, f"{source.text}{move(g, False)}", source)
