"""Reading ``host_tensor.to(device)`` and its kin: what is moved, where it was made, where it goes."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.moves import Move, parse_move
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence
from h2dlint.rules.site import Case, Site, looks_like_device, told_of

METHODS = frozenset({"to", "cuda", "type_as"})

KEEPS_STRIDES = frozenset(
    """view reshape unsqueeze squeeze flatten ravel t transpose permute movedim swapaxes swapdims contiguous clone
    repeat view_as reshape_as""".split()
)
"""Methods after which a factory's result has the same strides, made on the device or moved there."""


@dataclass(slots=True)
class Movement:
    """A host tensor on its way to a device.

    Args:
        receiver: the expression that is moved.
        root: the constructor at the bottom of the receiver, where it stands in the same expression.
        chain: names of the methods (and ``[]``) between the root and the move, innermost first.
        family: ``constructor``, ``factory``, ``random``, ``numpy``, ``legacy`` or ``other``.
    """

    receiver: ast.expr
    value: Value
    move: Move
    root: ast.Call | None
    root_callee: str
    chain: list[str]
    family: str
    case: Case = field(default_factory=Case)


def read_move(site: Site) -> Movement | None:
    """Read the site's call; ``None`` where it does not move a tensor that is proven to be on the host."""
    func = site.node.func
    assert isinstance(func, ast.Attribute) and site.record.method is not None
    value = site.value(func.value)
    if not value.only(Kind.TENSOR) or value.device != V.CPU or not value.memory & V.PAGEABLE:
        return None
    if value.memory == V.PINNED:
        return None
    move = parse_move(site.node, site.record.method, site.module.interpreter.records.values)
    if move is None or not move.device & V.CUDA:
        return None
    if move.non_blocking is not None and not _is_false(move.non_blocking):
        return None
    root, chain = _root(site, func.value)
    callee = callee_of(site, root)
    origin = root
    if origin is None and value.origins:
        origin = value.origins[0]
    if origin is not None and site.value(origin).device != V.CPU:
        # Made elsewhere and brought back: the factory did not make it on the host.
        root, callee, origin = None, "", None
    found = Movement(func.value, value, move, root, callee, chain, _family(callee_of(site, origin)))
    if not _weigh(site, found):
        return None
    return found


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def callee_of(site: Site, call: ast.Call | None) -> str:
    """Dotted name of the function that a call calls; empty where it is not known."""
    if call is None:
        return ""
    record = site.module.call_of(call)
    return (record.callee or "") if record is not None else ""


def _family(callee: str) -> str:
    if callee in T.CONSTRUCTORS:
        return "constructor"
    if callee in T.FACTORIES:
        return "factory"
    if callee in T.RANDOM_FACTORIES:
        return "random"
    if callee in T.NUMPY_BRIDGES:
        return "numpy"
    if callee.removeprefix("torch.").removeprefix("cuda.") in T.LEGACY:
        return "legacy"
    return "other"


def _root(site: Site, node: ast.expr) -> tuple[ast.Call | None, list[str]]:
    """Down through ``.view(..)``, ``[None]`` and ``-`` to the call that makes the tensor."""
    chain: list[str] = []
    while True:
        if isinstance(node, ast.Call):
            record = site.module.call_of(node)
            if record is None:
                return None, chain
            if record.method is None:
                return node, list(reversed(chain))
            assert isinstance(node.func, ast.Attribute)
            chain.append(record.method)
            node = node.func.value
        elif isinstance(node, ast.Subscript):
            chain.append("[]")
            node = node.value
        elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT", "H", "mH", "data"):
            chain.append(node.attr)
            node = node.value
        else:
            return None, chain


def _weigh(site: Site, found: Movement) -> bool:
    move, case = found.move, found.case
    case.say(
        f"source: {site.code(found.receiver)}: pageable host tensor, {found.value.why}",
        found.value.confidence,
    )
    if found.value.size is not None and found.value.size == 0:
        return False
    if move.target is None:
        case.say("device: cuda")
        return True
    code = site.code(move.target)
    target = site.value(move.target)
    hardware = site.module.other_hardware(site.record.function)
    if move.device == V.CUDA:
        case.say(f"device: {code}")
    elif hardware:
        case.say(f"device: {code}, in code for {hardware}", Confidence.LOW)
    elif move.sure:
        said = f"{code} (a tensor)" if move.other else told_of(code, target.why)
        case.say(f"device: {said}", target.confidence if target.known else Confidence.HIGH)
    elif (target.known and not target.may(V.DEVICE_LIKE | Kind.TENSOR)) or "dtype" in code.lower():
        return False
    else:
        hint = "by its name" if looks_like_device(move.target) else "not known to be a device"
        case.say(f"device: {code}, {hint}", Confidence.MEDIUM)
    return True
