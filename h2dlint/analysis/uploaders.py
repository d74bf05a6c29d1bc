"""Recognising, by what it does, a function that uploads host data through pinned memory without blocking."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

_FROM_LIST = frozenset({"tensor", "as_tensor", "asarray"})
_FROM_ARRAY = frozenset({"from_numpy", "as_tensor", "asarray", "frombuffer"})
_KEEPS = frozenset(
    """to cuda pin_memory view reshape unsqueeze squeeze flatten contiguous clone detach copy_ type long int float
    bool half double t""".split()
)
"""Methods of which the result is the receiver, or a tensor of the same data."""


@dataclass(frozen=True, slots=True)
class Uploader:
    """A function that takes host data and gives a tensor on a device, through pinned memory.

    Args:
        name: of the function.
        line: where it is defined.
        data: its parameter for the data.
        device, dtype, pin: its parameters for those; ``None`` where it has none.
        takes: what it may be given as data: ``list``, ``array``, ``tensor``.
        parameters: all of them in order, each with whether it must be given and whether by keyword only.
    """

    name: str
    line: int
    data: str
    device: str | None
    dtype: str | None
    pin: str | None
    takes: tuple[str, ...]
    parameters: tuple[tuple[str, bool, bool], ...]

    @property
    def odd(self) -> tuple[str, ...]:
        """Parameters that must be given, and of which nothing is known."""
        known = {self.data, self.device, self.dtype, self.pin}
        return tuple(name for name, required, _ in self.parameters if required and name not in known)

    def call(self, keywords: frozenset[str] = frozenset()) -> str:
        """The template of a call.

        Args:
            keywords: parameters that the project's own calls give by keyword.
        """
        parts: list[str] = []
        positional = True
        places = {self.data: "{data}", self.device: "{device}", self.pin: "{pin}"}
        for name, required, only in self.parameters:
            place = places.get(name)
            if name == self.dtype:
                place = "{dtype}" if required else "{dtype?}"
            if place is None:
                positional = False
                continue
            optional = place == "{dtype?}"
            bare = positional and not only and not optional and (name == self.data or name not in keywords)
            positional = positional and bare
            parts.append(place if bare else f"{name}={place}")
        return f"({', '.join(parts)})"


@dataclass(slots=True)
class _Flow:
    """What is known of a value: the parameters in it, and what was done to it."""

    data: set[str] = field(default_factory=set)
    pinned: bool = False
    moved: bool = False
    is_: set[str] = field(default_factory=set)
    """Parameters that the value may be, as they were given."""

    def join(self, other: _Flow) -> _Flow:
        return _Flow(
            self.data | other.data,
            self.pinned or other.pinned,
            self.moved or other.moved,
            self.is_ | other.is_,
        )


class _Reader:
    """Follows the parameters of a function to what it returns."""

    def __init__(self, node: ast.FunctionDef) -> None:
        self.node = node
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        self.names = {argument.arg for argument in arguments}
        self.flows: dict[str, _Flow] = {name: _Flow({name}, is_={name}) for name in self.names}
        self.devices: list[str] = []
        self.dtypes: list[str] = []
        self.pins: list[str] = []
        self.takes: dict[str, set[str]] = {}
        self.to_host = False
        self.returned: list[_Flow] = []

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
                flow = self.value(statement.value)
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.flows[target.id] = flow
            elif isinstance(statement, ast.Return) and statement.value is not None:
                self.returned.append(self.value(statement.value))
            elif isinstance(statement, ast.Expr):
                self.value(statement.value)
            elif isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try)):
                before = dict(self.flows)
                for part in ("body", "orelse", "finalbody"):
                    self.flows = dict(self._joined(before, self.flows)) if part != "body" else self.flows
                    self.block(getattr(statement, part, []))
                self.flows = self._joined(before, self.flows)

    @staticmethod
    def _joined(a: dict[str, _Flow], b: dict[str, _Flow]) -> dict[str, _Flow]:
        return {
            name: a[name].join(b[name]) if name in a and name in b else (a.get(name) or b[name])
            for name in {*a, *b}
        }

    def value(self, node: ast.expr | None) -> _Flow:
        if node is None:
            return _Flow()
        if isinstance(node, ast.Name):
            return self.flows.get(node.id, _Flow())
        if isinstance(node, ast.IfExp):
            return self.value(node.body).join(self.value(node.orelse))
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Subscript):
            return self.value(node.value)
        return _Flow()

    def _call(self, node: ast.Call) -> _Flow:
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        if not isinstance(node.func, ast.Attribute):
            return _Flow()
        method = node.func.attr
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id == "torch":
            return self._made(method, node, given)
        flow = self.value(owner)
        if method not in _KEEPS:
            return _Flow()
        raw = flow.is_
        flow = _Flow(set(flow.data), flow.pinned, flow.moved)
        for name in raw:
            if method in ("pin_memory", "to", "cuda"):
                self.takes.setdefault(name, set()).add("tensor")
        if method == "pin_memory":
            flow.pinned = True
        if method == "copy_" and node.args:
            source = self.value(node.args[0])
            if flow.moved or self._flag(given):
                # Into a buffer on the device.
                source = _Flow(set(source.data), source.pinned, True, source.is_)
            for name in source.is_:
                self.takes.setdefault(name, set()).add("tensor")
            return _Flow(flow.data | source.data, flow.pinned or source.pinned, flow.moved or source.moved)
        if method in ("to", "cuda") and self._flag(given):
            flow.moved = True
            target = given.get("device", node.args[0] if node.args else None)
            if isinstance(target, ast.Constant) and target.value == "cpu":
                self.to_host = True
            if isinstance(target, ast.Name) and target.id in self.names:
                self.devices.append(target.id)
        if "dtype" in given:
            self._note(self.dtypes, given["dtype"])
        return flow

    @staticmethod
    def _flag(given: dict[str, ast.expr]) -> bool:
        flag = given.get("non_blocking")
        return flag is not None and not (isinstance(flag, ast.Constant) and not flag.value)

    def _made(self, function: str, node: ast.Call, given: dict[str, ast.expr]) -> _Flow:
        flow = _Flow()
        pin = given.get("pin_memory")
        flow.pinned = pin is not None and not (isinstance(pin, ast.Constant) and not pin.value)
        if pin is not None:
            self._note(self.pins, pin)
        first = node.args[0] if node.args else given.get("data")
        if function in _FROM_LIST | _FROM_ARRAY and first is not None:
            source = self.value(first)
            flow.data |= source.data
            for name in source.data:
                kinds = self.takes.setdefault(name, set())
                if function in _FROM_LIST:
                    kinds.add("list")
                if function in _FROM_ARRAY:
                    kinds.add("array")
            self._note(self.dtypes, given.get("dtype"))
        device = given.get("device")
        if device is not None and not (isinstance(device, ast.Constant) and device.value == "cpu"):
            self._note(self.devices, device)
        return flow

    def _note(self, found: list[str], node: ast.expr | None) -> None:
        if isinstance(node, ast.BoolOp):
            node = node.values[0]
        if isinstance(node, ast.Name) and node.id in self.names:
            found.append(node.id)


def read_uploader(node: ast.FunctionDef) -> Uploader | None:
    """What a function uploads and how; ``None`` where it is no upload through pinned memory.

    It must give back, in some branch, a tensor that comes from one of its parameters, was pinned and then moved with
    ``non_blocking``; what it is called makes no difference.
    """
    if node.args.vararg is not None or node.args.kwarg is not None:
        return None
    reader = _Reader(node)
    reader.block(node.body)
    if reader.to_host:
        return None
    data = sorted(
        name
        for flow in reader.returned
        if flow.pinned and flow.moved
        for name in flow.data
        if reader.takes.get(name) and name not in reader.devices
    )
    if not data:
        return None
    chosen = data[0]
    arguments = node.args
    regular = [*arguments.posonlyargs, *arguments.args]
    without = len(regular) - len(arguments.defaults)
    parameters = [(argument.arg, index < without, False) for index, argument in enumerate(regular)]
    parameters += [
        (argument.arg, default is None, True)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    annotation = next((ast.unparse(a.annotation) for a in regular + arguments.kwonlyargs
                       if a.arg == chosen and a.annotation is not None), "")  # fmt: skip
    takes = _told(annotation, reader.takes[chosen])
    if not takes:
        return None
    return Uploader(
        node.name,
        node.lineno,
        chosen,
        _first(reader.devices),
        _first(reader.dtypes),
        _first(reader.pins),
        takes,
        tuple(parameters),
    )


def _first(names: list[str]) -> str | None:
    return names[0] if names else None


def _told(annotation: str, seen: set[str]) -> tuple[str, ...]:
    """What the data may be: what the body does with it, as far as the annotation leaves it open."""
    found = set(seen)
    if annotation:
        lower = annotation.lower()
        if not any(word in lower for word in ("list", "sequence", "iterable", "tuple", "any")):
            found.discard("list")
        if not any(word in lower for word in ("ndarray", "array", "any")):
            found.discard("array")
        if "tensor" not in lower and "any" not in lower:
            found.discard("tensor")
        if "list[torch.tensor" in lower or "sequence[torch.tensor" in lower or "list[tensor" in lower:
            found.clear()
    return tuple(kind for kind in ("list", "array", "tensor") if kind in found)
