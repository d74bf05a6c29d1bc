"""What calls give for the parameters of a function: the arguments, joined, and what is kept of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import FunctionInfo, dotted
from h2dlint.analysis.summaries import widened
from h2dlint.analysis.values import Kind, Value, join, replace
from h2dlint.model import Confidence
from h2dlint.syntax.trees import walk

MAX_LINES = 4
"""Calls that the evidence names."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the calls that were seen give for a parameter.

    Args:
        value: the join, with its evidence.
        proven: there are no other calls.
    """

    value: Value
    proven: bool


def refined(value: Value, given: Given | None) -> Value:
    """A parameter, by what it says itself and what its callers give.

    Args:
        value: by its annotation or its default.
        given: by the calls.
    """
    if given is None:
        return value
    seen = given.value
    if value.kind == V.ANY:
        return replace(seen, presumed=value.presumed) if seen.only(Kind.BOOL) else seen
    if not given.proven:
        return value
    if value.confidence < Confidence.HIGH:
        # The default was all that was known.
        return seen
    placed = value.only(Kind.TENSOR | Kind.NONE) and value.device & V.SOME_DEVICE == V.SOME_DEVICE
    if placed and seen.only(Kind.TENSOR | Kind.NONE) and seen.device & ~V.UNSET in (V.CPU, V.CUDA):
        return replace(seen, kind=value.kind & seen.kind or value.kind, dtype=value.dtype or seen.dtype)
    return value


def parameters(function: FunctionInfo) -> Iterator[tuple[int | None, tuple[ast.arg, ast.expr | None]]]:
    """Parameters with their defaults, and the positions at which calls give them."""
    arguments = function.parameters
    names = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
    defaults += arguments.defaults
    first = 1 if function.owner is not None and not function.is_static else 0
    for position, pair in enumerate(list(zip(names, defaults, strict=True))[first:]):
        yield position, pair
    for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield None, pair


def unsaid(arg: ast.arg, tensors: bool) -> bool:
    """An annotation is missing, or (``tensors``) leaves open where a tensor lives."""
    if arg.annotation is None:
        return True
    if isinstance(arg.annotation, ast.Constant) and isinstance(arg.annotation.value, str):
        return tensors and "Tensor" in arg.annotation.value
    return tensors and any(
        isinstance(node, (ast.Name, ast.Attribute)) and (dotted(node) or "").rpartition(".")[2] == "Tensor"
        for node in walk(arg.annotation)
    )


def read(
    function: FunctionInfo,
    calls: list[ast.Call],
    proven: bool,
    values: Mapping[int, Value],
    default: Callable[[ast.expr], Value],
) -> dict[str, Given]:
    """What calls give for the parameters of a function, where that is known."""
    found: dict[str, Given] = {}
    for position, (arg, standard) in parameters(function):
        if not calls or not unsaid(arg, tensors=proven):
            continue
        value = _joined(calls, position, arg.arg, standard, values, default)
        kept = None if value is None else _kept(value, proven, function)
        if kept is not None:
            where = "in every call" if proven else "in the calls seen"
            why = f"parameter {arg.arg}: {_word(kept)} {where} ({_lines(calls)})"
            found[arg.arg] = Given(replace(kept, why=why), proven)
    return found


def _joined(
    calls: list[ast.Call],
    position: int | None,
    name: str,
    standard: ast.expr | None,
    values: Mapping[int, Value],
    default: Callable[[ast.expr], Value],
) -> Value | None:
    """The join of what calls give for a parameter; ``None`` where one of them may give anything."""
    result: Value | None = None
    for call in calls:
        node = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
        if node is None and position is not None:
            if any(isinstance(arg, ast.Starred) for arg in call.args[: position + 1]):
                return None
            node = call.args[position] if position < len(call.args) else None
        if node is not None:
            value = values.get(id(node), V.UNKNOWN)
        elif (
            standard is None
            or any(keyword.arg is None for keyword in call.keywords)
            or (any(isinstance(arg, ast.Starred) for arg in call.args) and position is not None)
        ):
            return None
        else:
            value = default(standard)
        if not value.known:
            return None
        result = join(result, value)
    return result


def _kept(value: Value, proven: bool, function: FunctionInfo) -> Value | None:
    """What is kept of a value on its way into a function; ``None`` where that is nothing.

    Args:
        value: the join over the calls.
        proven: there are no other calls.
        function: that is called.
    """
    if value.confidence < Confidence.MEDIUM or value.only(Kind.NONE):
        return None
    if (value.may(Kind.OBJ) and value.cls is None) or not (proven or _on_host(value)):
        return None
    if value.confidence < Confidence.HIGH and value.only(V.DEVICE_LIKE | Kind.NONE) and value.device == V.CPU:
        # It would silence what may be a copy.
        return None
    kept = replace(
        widened(value),
        items=None,
        const=V.MISSING,
        qual=None,
        func=None,
        klass=None,
        bound=None,
        most=value.most,
    )
    if not proven:
        # Where it is, and nothing that a fix could rest on.
        kept = Value(kept.kind, kept.device, kept.memory, confidence=min(kept.confidence, Confidence.MEDIUM))
    if _hinted_on_host(kept) and _asks_for_device(function):
        return None
    if kept.elem is not None and _runs_later(function):
        # Its caller may have changed the elements by then.
        kept = replace(kept, elem=None)
    return kept


def _on_host(value: Value, depth: int = 0) -> bool:
    """Data on the host, and in lists nothing that may be on a device; of a mere number it does not matter."""
    carriers = Kind.SEQ | Kind.NDARRAY | Kind.TENSOR | Kind.NONE
    if not value.only(V.UPLOADABLE | carriers if depth else carriers):
        return False
    if value.may(Kind.TENSOR) and value.device & ~V.UNSET != V.CPU:
        return False
    return value.elem is None or not value.may(Kind.SEQ) or depth > 2 or _on_host(value.elem, depth + 1)


def _hinted_on_host(value: Value) -> bool:
    return value.may(Kind.TENSOR) and value.device & ~V.UNSET == V.CPU and value.confidence < Confidence.HIGH


def _asks_for_device(function: FunctionInfo) -> bool:
    """Its device may be asked for: that a tensor is on the host by a hint would silence what goes there."""
    for node in walk(function.node):
        if isinstance(node, ast.Attribute):
            if node.attr == "device" and (dotted(node) or "").partition(".")[0] not in (
                "self",
                "cls",
                "torch",
            ):
                return True
            if node.attr == "type_as" or node.attr.startswith("new_") or node.attr.endswith("_like"):
                return True
    return False


def _runs_later(function: FunctionInfo) -> bool:
    return isinstance(function.node, ast.AsyncFunctionDef) or any(
        isinstance(node, (ast.Yield, ast.YieldFrom)) for node in walk(function.node)
    )


def _word(value: Value) -> str:
    """What a value is, in a word or two."""
    kind = value.kind & ~Kind.NONE
    if kind == Kind.TENSOR:
        device = value.device & ~V.UNSET
        if device == V.CPU:
            pinned = value.memory and not value.memory & ~V.ANY_PINNED
            return "pinned host tensor" if pinned else "host tensor"
        return "CUDA tensor" if device == V.CUDA else "tensor"
    if kind & ~(Kind.STR | Kind.DEVICE) == 0:
        named = {V.CUDA: "CUDA device", V.CPU: "device cpu"}.get(value.device)
        return named or ("string" if kind == Kind.STR else "device")
    if not kind & ~V.PYSCALAR:
        return "number"
    if kind == Kind.SEQ:
        return "sequence"
    if kind == Kind.NDARRAY:
        return "ndarray"
    if kind == Kind.OBJ and value.cls is not None:
        return value.cls.name
    return (
        "the same" if kind & (kind - 1) == 0 else "host data" if value.only(V.HOST | Kind.NONE) else "known"
    )


def _lines(calls: list[ast.Call]) -> str:
    lines = sorted({call.lineno for call in calls})
    shown = ", ".join(map(str, lines[:MAX_LINES]))
    return f"line {shown}{', ..' if len(lines) > MAX_LINES else ''}"
