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
_ALTERS = frozenset("view reshape unsqueeze squeeze flatten t type long int float bool half double".split())
"""Those of which the result has another shape or dtype."""


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
    alters: str = ""
    """Why what it gives may be another tensor than ``torch.tensor(data, dtype=.., device=..)`` is."""

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
        self.filled: set[str] = set()
        """Parameters that mean something else where they are left out, or ``None``."""
        self.altered: list[tuple[set[str], str]] = []
        """Parameters, and what is done to their values on the way."""
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
                        self.filled.add(target.id)
                    elif isinstance(target, ast.Subscript):
                        self._alters(self.value(target.value), statement)
            elif isinstance(statement, ast.AugAssign):
                self._alters(self.value(statement.target), statement)
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
            flow = self.value(node.value)
            self._alters(flow, node)
            return flow
        return _Flow()

    def _alters(self, flow: _Flow, node: ast.AST) -> None:
        self.altered.append((set(flow.data), ast.unparse(node)))

    def _call(self, node: ast.Call) -> _Flow:
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        if not isinstance(node.func, ast.Attribute):
            return _Flow()
        method = node.func.attr
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id == "torch":
            return self._made(method, node, given)
        flow = self.value(owner)
        in_place = method.endswith("_") and method not in ("copy_", "requires_grad_")
        if in_place or method in _ALTERS or self._casts(method, node, given):
            self._alters(flow, node)
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

    def _casts(self, method: str, node: ast.Call, given: dict[str, ast.expr]) -> bool:
        """A move to a dtype that no parameter says."""
        types = [arg for arg in node.args if isinstance(arg, ast.Attribute) and arg.attr != "device"]
        return method == "to" and (bool(types) or self._fixed(given.get("dtype")))

    def _fixed(self, dtype: ast.expr | None) -> bool:
        if isinstance(dtype, ast.BoolOp):
            self.filled |= {value.id for value in dtype.values if isinstance(value, ast.Name)}
            dtype = dtype.values[0]
        if dtype is None or (isinstance(dtype, ast.Constant) and dtype.value is None):
            return False
        return not (isinstance(dtype, ast.Name) and dtype.id in self.names)

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
            if self._fixed(given.get("dtype")):
                self._alters(source, node)
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
    dtype = _first(reader.dtypes)
    defaults = [*zip(regular[without:], arguments.defaults, strict=True)]
    defaults += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d]
    reader.filled |= {a.arg for a, d in defaults if not (isinstance(d, ast.Constant) and d.value is None)}
    if dtype in reader.filled:
        # Left out it is not the dtype that torch.tensor finds: it has to be given.
        parameters = [(name, required or name == dtype, only) for name, required, only in parameters]
    return Uploader(
        node.name,
        node.lineno,
        chosen,
        _first(reader.devices),
        dtype,
        _first(reader.pins),
        takes,
        tuple(parameters),
        _altered(node, reader, chosen, takes),
    )


def _altered(node: ast.FunctionDef, reader: _Reader, data: str, takes: tuple[str, ...]) -> str:
    if node.decorator_list:
        return f"it is decorated ({ast.unparse(node.decorator_list[0])})"
    for names, done in reader.altered:
        if data in names:
            return f"it changes what it is given ({done[:60]})"
    if "list" in takes and any(data in flow.is_ for flow in reader.returned):
        return "it may give back what it is given"
    return ""


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
