"""Statements that read and write parts of device tensors: the rules HTD301 to HTD305."""

from __future__ import annotations

import re

from tests.differential.hosttensors import host
from tests.differential.moves import write_to
from tests.differential.scope import Data, Scope


def target(g: Scope) -> tuple[str, str]:
    """A device tensor of four rows and three columns, and its dtype."""
    kind = g.one("float32", "float32", "int64", "float64", "float16", "int32", "bool", "bfloat16", "uint8")
    made = g.one(
        f"torch.zeros(4, 3, dtype=torch.{kind}, device={g.device()})",
        f"torch.arange(12, dtype=torch.float32, device={g.device()}).view(4, 3)",
        f"torch.ones((4, 3), device={g.device()})",
        f"torch.zeros(3, 4, dtype=torch.{kind}, device={g.device()}).t()",
        f"torch.zeros(4, 3, device={g.device()}).to(torch.{kind})",
    )
    if "view" in made or "ones" in made:
        kind = "float32"
    return (g.attribute("t", made) if g.chance(0.25) else g.local("t", made)), kind


def index(g: Scope) -> Data:
    """An index that selects by position, within bounds but for a few."""
    form = g.one(*"literal literal given given range array tensor tensor bools comp device local row".split())
    row = g.one("0, 2", "1", "2, 1, 0", "0, 0", "-1, 1", "0, 1, 2")
    if form == "given":
        # An annotation is kept to: a list of ints holds no bools, which Python would let pass.
        annotation = g.one("list[int]", "list[int]", "list", "")
        value = g.one(f"[{row}]", f"[{row}]", f"[{row}]", "[]", "[9]")
        if annotation != "list[int]" and g.chance(0.4):
            value = g.one(
                "[True, False, True, False]",
                "np.array([1, 0])",
                "torch.tensor([1, 0])",
                "[[0, 1], [1, 2]]",
                "1",
            )
        name = g.parameter("idx", annotation, value)
        return Data(name, "list", source=name)
    if form == "range":
        return Data(g.one("range(2)", "range(1, 3)", "range(0, 3, 2)", "list(range(3))", "range(3)"), "range")
    if form == "array":
        text = f"np.array([{row}]{g.one('', ', dtype=np.int32', ', dtype=np.int64')})"
        if g.chance(0.2):
            text = "np.array([True, False, True, False])"
        if g.chance(0.5):
            name = g.parameter("a", "np.ndarray", text) if g.chance(0.5) else g.local("a", text)
            return Data(name, "array", source=name)
        return Data(text, "array")
    if form == "tensor":
        text = g.one(
            f"torch.tensor([{row}])",
            "torch.arange(2)",
            f"torch.tensor([{row}], dtype=torch.int32)",
            "torch.tensor([True, False, True, False])",
            f"torch.as_tensor([{row}])",
            "torch.tensor(1)",
            "torch.zeros(2, dtype=torch.int64)",
            "torch.tensor([], dtype=torch.int64)",
            f"torch.tensor([{row}]).pin_memory()",
            f"torch.from_numpy(np.array([{row}]))",
        )
        if g.chance(0.5):
            name = g.attribute("i", text) if g.chance(0.2) else g.local("i", text)
            return Data(name, "tensor", source=name)
        return Data(text, "tensor")
    if form == "bools":
        return Data("[True, False, True, False]", "list", "bool")
    if form == "comp":
        return Data(
            g.one(
                "[[0, 1], [1, 2]]",
                "np.array([[0, 1]])",
                "np.int64(1)",
                "[k % 3 for k in range(4)]",
                "[int(k) for k in (0, 2)]",
                "sorted([2, 0])",
            ),
            "list",
        )
    if form == "device":
        return Data(f"torch.tensor([{row}], device={g.device()})", "device")
    if form == "local":
        name = g.local("idx", f"[{row}]")
        return Data(name, "list", source=name)
    return Data(f"[{row}]", "list")


def place(g: Scope, first: Data) -> str:
    """What stands in the brackets."""
    return g.one(
        first.text,
        first.text,
        first.text,
        f"{first.text}, 0",
        f"{first.text}, :",
        ":, [0, 2]",
        f"{first.text}, 1:",
        f"..., {first.text if first.text != '[9]' else '[0]'}",
        f"None, {first.text}",
        f"{first.text}, None",
    )


def read(g: Scope) -> None:
    tensor, _ = target(g)
    first = index(g)
    name = g.local("r", f"{tensor}[{place(g, first)}]")
    if first.source and g.chance(0.5):
        write_to(g, first)
    if g.chance(0.3):
        g.line(f"{tensor}.add_(1)" if g.chance(0.5) else f"{name}[...] = 1")
    g.give(name)
    g.give(tensor)


def number(g: Scope) -> str:
    text = g.one(
        "0",
        "1",
        "3",
        "2.5",
        "-1",
        "True",
        "0.1",
        "300",
        "1e40",
        "float('inf')",
        "float('nan')",
        "7e4",
        "2**40",
        "1j",
    )
    if g.chance(0.6):
        text = g.one("0", "1", "3", "2.5", "-1", "0.5")
    if g.chance(0.25):
        return (
            g.parameter("v", "float" if re.search(r"[.e]|float", text) else "int", text)
            if "j" not in text and "True" not in text
            else text
        )
    return text


def scalar_by_tensor(g: Scope) -> None:
    tensor, _ = target(g)
    kind = g.one("int64", "int64", "int32")
    text = g.one(
        f"torch.arange(2, device={g.device()})",
        f"torch.tensor([0, 2], device={g.device()})",
        f"torch.zeros(2, dtype=torch.{kind}, device={g.device()})",
        f"torch.ones(1, dtype=torch.{kind}, device={g.device()})",
    )
    if g.chance(0.1):
        text = f"torch.tensor([True, False, True, False], device={g.device()})"
    name = g.local("i", text)
    where = g.one(name, name, f"{name}, 0", f"{name}, :", f":, {name}", f"{name}, {name}", f"{name}, 1:")
    statement = f"{tensor}[{where}] = {number(g)}"
    if g.chance(0.06):
        statement = f"{tensor}[{where}] += 1"
    g.line(statement)
    g.give(tensor)


def scalar_by_element(g: Scope) -> None:
    tensor, _ = target(g)
    row, column = g.one("0", "1", "-1", "3"), g.one("0", "2", "-1")
    if g.chance(0.3):
        row = g.parameter("n", "int", g.one("0", "1", "2", "3", "7"))
    if g.chance(0.15):
        row = f"len({g.parameter('xs', 'list[int]', '[1, 2]')})"
    where = g.one(
        f"[{row}, {column}]",
        f"[{row}, {column}]",
        f"[{row}][{column}]",
        f"[{row}]",
        f"[({row}, {column})]",
        f"[{row}, {column}, None]",
    )
    g.line(f"{tensor}{where} = {number(g)}")
    g.give(tensor)


def host_into_part(g: Scope) -> None:
    tensor, kind = target(g)
    if g.chance(0.25):
        source = host(g)
        if source.kind == "tensor" and g.chance(0.5):
            tensor = g.local(
                "t", f"torch.zeros({', '.join(map(str, (4, *(source.shape or (3,)))))}, device={g.device()})"
            )
        where = g.one("[0]", "[:1]", "[1:]", "[...]", "[:, :]")
    else:
        given = f"dtype=torch.{kind}" if g.chance(0.85) else f"dtype=torch.{g.one('float32', 'int64')}"
        where, shape = g.rng.choice(
            [
                ("[:2]", "2, 3"),
                ("[1]", "3"),
                ("[:, 0]", "4"),
                ("[1:3]", "3"),
                ("[0, 1]", ""),
                ("[::2]", "2, 3"),
                ("[:2, 1:]", "2, 2"),
                ("[...]", "4, 3"),
            ]
        )
        size = f"{shape}," if "," not in shape and shape else shape
        text = g.one(
            f"torch.ones(({size}), {given})",
            f"torch.zeros(({size}), {given})",
            f"torch.full(({size}), 2, {given})",
        )
        if shape == "3":
            text = g.one(
                text,
                f"torch.tensor([1, 2, 3], {given})",
                f"torch.arange(3, {given})",
                f"torch.tensor([1, 2, 3], {given}, pin_memory=True)",
            )
        if shape == "":
            text = f"torch.tensor({g.one('1', '2', '0')}, {given})"
        name = g.local("h", text) if g.chance(0.5) else ""
        source = Data(name or text, "tensor", source=name)
    if g.chance(0.2):
        first = g.local("i", f"torch.arange(2, device={g.device()})" if g.chance(0.7) else "torch.arange(2)")
        accumulate = g.one("", "", ", False", ", accumulate=False")
        g.line(f"{tensor}.index_put_(({first},), {source.text}{accumulate})")
    else:
        g.line(f"{tensor}{where} = {source.text}")
    if source.source and g.chance(0.6):
        write_to(g, source)
    g.give(tensor)


def write_by_host_index(g: Scope) -> None:
    tensor, kind = target(g)
    first = index(g)
    value = g.one(
        number(g),
        number(g),
        f"torch.ones(3, dtype=torch.{kind}, device={g.device()})",
        f"torch.tensor(1, dtype=torch.{kind})",
        "torch.tensor(2.0)",
        f"{tensor}[0]",
    )
    # Twice the same place with different values has no defined outcome on a device; one value for all has.
    text = f"{tensor}[{place(g, first)}] = {value}"
    if first.kind == "tensor" and g.chance(0.15):
        text = (
            f"{tensor}.index_put_(({first.text},), torch.ones((), dtype=torch.{kind}, device={g.device()}))"
        )
    g.line(text)
    if first.source and g.chance(0.5):
        write_to(g, first)
    g.give(tensor)


def chosen(g: Scope) -> None:
    """``torch.where`` with host operands."""
    tensor, _ = target(g)
    operand = g.one(
        "torch.tensor(0.0)",
        "torch.tensor(1)",
        "torch.tensor(float('-inf'))",
        "torch.tensor(0.5)",
        "torch.tensor(0.1)",
        f"torch.tensor({number(g)})",
        "torch.tensor(2.0, dtype=torch.float64)",
        "torch.tensor(True)",
        "torch.tensor([0.0])",
        "torch.tensor(1e40)",
        "torch.zeros(())",
        "torch.tensor(2**40)",
        "torch.tensor(1.0, dtype=torch.float16)",
    )
    source = Data(operand, "tensor")
    if g.chance(0.3):
        name = g.local("h", operand)
        source = Data(name, "tensor", source=name)
    form = g.one(
        f"torch.where({tensor} > 0, {tensor}, {source.text})",
        f"torch.where({tensor} > 0, {source.text}, {tensor})",
        f"{tensor}.where({tensor} > 0, {source.text})",
        f"torch.where({tensor} > 0, {source.text}, torch.tensor(1.0))",
        f"torch.where({tensor} > 0, {tensor}[0], {source.text})",
        f"torch.where(condition={tensor} > 0, input={tensor}, other={source.text})",
    )
    name = g.local("r", form)
    if source.source and g.chance(0.5):
        write_to(g, source)
    g.give(name)


def other(g: Scope) -> None:
    """What no rule is to touch, or what only looks like it."""
    tensor, _ = target(g)
    g.line(
        g.one(
            f"{tensor}.masked_fill_({tensor} == 0, 1)",
            f"{tensor}[{tensor} == 0] = 1",
            f"{tensor}[1:] = 1",
            f"{tensor}.scatter_(0, torch.zeros((1, 3), dtype=torch.int64, device={tensor}.device), 1)",
            f"{tensor} = {tensor} + torch.tensor(3)" if "." not in tensor else f"{tensor}.zero_()",
            f"{tensor}.fill_(1)",
            f"{tensor}.copy_({tensor}.flip(0))",
            f"{tensor}.index_fill_(0, torch.tensor([0], device={tensor}.device), 1)",
            f"{tensor}.to('cpu').zero_()",
            f"same = {tensor}.to({tensor}.device)\nsame[...] = 1",
            f"same = torch.as_tensor({tensor})\nsame[...] = 1",
            f"same = torch.as_tensor({tensor}, device={tensor}.device)\nsame.zero_()",
        )
    )
    g.give(tensor)
