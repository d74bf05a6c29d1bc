"""Reading ``host_tensor.to(device)``, ``.copy_(host_tensor)`` and their kin: what is moved, where from, where to."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace

from h2dlint.analysis import layout as L
from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.library import BATCH
from h2dlint.analysis.moves import Move, parse_copy, parse_move
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence
from h2dlint.rules.site import Case, Site, looks_like_device, told_of

METHODS = frozenset({"to", "cuda", "type_as"})
COPYING = METHODS | {"copy_"}

SMALL = 1 << 20
"""Bytes up to which a staged copy was never seen to hold the host (measured: not up to 2 MiB, held from 4 MiB)."""

KEEPS_STRIDES = frozenset(
    """view reshape unsqueeze squeeze flatten ravel t transpose permute movedim swapaxes swapdims contiguous clone
    repeat view_as reshape_as""".split()
)
"""Methods after which a factory's result has the same strides, made on the device or moved there."""


@dataclass(slots=True)
class Movement:
    """A host tensor on its way to a device.

    Args:
        receiver: the expression that is moved: what ``.to`` is called of, or the argument of ``copy_``.
        root: the constructor at the bottom of the receiver, where it stands in the same expression.
        chain: names of the methods (and ``[]``) between the root and the move, innermost first.
        family: ``constructor``, ``factory``, ``random``, ``numpy``, ``legacy`` or ``other``.
        destination: what ``copy_`` writes to, else ``None``.
        gap: ``V.SLICED`` or ``V.GAPS`` where that is a strided view.
    """

    receiver: ast.expr
    value: Value
    move: Move
    root: ast.Call | None
    root_callee: str
    chain: list[str]
    family: str
    destination: ast.expr | None = None
    gap: int = V.ANYHOW
    case: Case = field(default_factory=Case)

    @property
    def blocking(self) -> bool:
        """The call is without ``non_blocking``."""
        flag = self.move.non_blocking
        return flag is None or (isinstance(flag, ast.Constant) and flag.value is False)

    @property
    def not_blocking(self) -> bool:
        """The call is with ``non_blocking=True``."""
        flag = self.move.non_blocking
        return isinstance(flag, ast.Constant) and flag.value is True

    @property
    def pinned(self) -> bool:
        """The source is proven to be pinned, with or without gaps."""
        return not self.value.memory & V.PAGEABLE and bool(self.value.memory & V.ANY_PINNED)

    @property
    def pageable(self) -> bool:
        """The source is proven not to be pinned."""
        return not self.value.memory & V.ANY_PINNED

    def small(self, site: Site) -> bool:
        """The source is too small for a staged copy to hold the host, and the user does not want to know."""
        bound = L.bytes_bound(self.value)
        return bound is not None and bound < SMALL and not site.options.strict_pageable


def read_move(site: Site) -> Movement | None:
    """Read the site's call; ``None`` where it does not wait for the move of a tensor that may be pageable."""
    found = read_transfer(site)
    if found is None or found.destination is not None or found.pinned or not found.blocking:
        return None
    return found


def read_transfer(site: Site) -> Movement | None:
    """Read the site's call; ``None`` where it does not move a tensor that is proven to be on the host."""
    func = site.node.func
    assert isinstance(func, ast.Attribute) and site.record.method is not None
    destination: ast.expr | None = None
    receiver = func.value
    if site.record.method == "copy_":
        copied = parse_copy(site.node)
        if copied is None:
            return None
        destination, receiver = func.value, copied[0]
    value = _presumed(site, receiver)
    if not value.only(Kind.TENSOR) or value.device != V.CPU:
        return None
    if destination is not None and copied is not None:
        target = site.value(destination)
        mask = target.device if target.may(Kind.TENSOR) else 0
        move: Move | None = Move(
            destination, mask, target.only(Kind.TENSOR), non_blocking=copied[1], other=True
        )
    else:
        move = parse_move(site.node, site.record.method, site.module.interpreter.records.values)
    if move is None or not move.device & V.CUDA:
        return None
    root, chain = _root(site, receiver)
    callee = callee_of(site, root)
    origin = root
    if origin is None and value.origins:
        origin = value.origins[0]
    if origin is not None and site.value(origin).device != V.CPU:
        # Made elsewhere and brought back: the factory did not make it on the host.
        root, callee, origin = None, "", None
    family = "factory" if joined_factories(site, root) else _family(callee_of(site, origin))
    found = Movement(receiver, value, move, root, callee, chain, family, destination)
    if destination is not None:
        found.gap = _gap(site, destination)
    return found if _weigh(site, found) else None


def _presumed(site: Site, node: ast.expr) -> Value:
    """A tensor that its name says is on the host, or that is there on one branch: weak evidence."""
    value = site.value(node)
    if value.qual == BATCH and value.elem is not None:
        # Its own ``to`` moves each of its tensors.
        return replace(value.elem, origins=())
    if (
        not value.may(Kind.TENSOR)
        or not value.device & V.CPU
        or (value.known and not value.only(Kind.TENSOR))
    ):
        return value
    if value.device == V.CPU and value.known:
        return value
    named = _NAMED_FOR_THE_HOST.search(dotted(node) or "")
    if named and value.device == V.SOME_DEVICE:
        strength, why = Confidence.MEDIUM, "on the host by its name"
    elif any(site.value(origin).device == V.CPU for origin in value.origins):
        # An item of a container of which some are on the host may be another one.
        strength = Confidence.MEDIUM if isinstance(node, (ast.Name, ast.Attribute)) else Confidence.LOW
        why = f"{value.why}, on one branch"
    else:
        return value
    return replace(
        value, kind=Kind.TENSOR, device=V.CPU, origins=(), confidence=min(strength, value.confidence), why=why
    )


_NAMED_FOR_THE_HOST = re.compile(r"(?<![a-z])(?:cpu|host)$")


def _gap(site: Site, destination: ast.expr) -> int:
    """The layout of a destination with gaps, by what is known of it or by its index alone."""
    value = site.value(destination)
    layout = value.layout
    if isinstance(destination, ast.Subscript) and not value.known:
        layout = L.indexed(destination, V.ANYHOW, None, site.module.interpreter.records.values)
    return layout if L.gapped(layout) else V.ANYHOW


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


def joined_factories(site: Site, root: ast.Call | None) -> list[ast.Call]:
    """The calls of factories that a ``torch.cat`` or ``torch.stack`` joins; empty where it joins anything else."""
    if callee_of(site, root) not in T.JOINERS or root is None or not root.args:
        return []
    parts = root.args[0]
    if not isinstance(parts, (ast.Tuple, ast.List)) or not parts.elts:
        return []
    calls = [part for part in parts.elts if isinstance(part, ast.Call)]
    made = all(callee_of(site, call) in T.FACTORIES and site.value(call).device == V.CPU for call in calls)
    return calls if made and len(calls) == len(parts.elts) else []


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
    memory = "pinned" if found.pinned else "pageable"
    case.say(
        f"source: {site.code(found.receiver)}: {memory} host tensor, {found.value.why}",
        found.value.confidence,
    )
    if found.value.size is not None and found.value.size == 0:
        return False
    if move.target is None:
        case.say("device: cuda")
        return True
    if found.destination is not None:
        return _weigh_destination(site, found.destination, case)
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


_HOST_WORDS = frozenset("cpu host pin pinned pageable np numpy staging shm".split())
_PARAMETER_WORDS = frozenset("weight weights bias param params parameter parameters data".split())


def _weigh_destination(site: Site, node: ast.expr, case: Case) -> bool:
    """Say in ``case`` what is known of the tensor that ``copy_`` writes to; false where it is on the host."""
    value, code = site.value(node), site.code(node)
    if value.known and not value.only(Kind.TENSOR | Kind.NONE):
        return False
    if value.known and value.device == V.CUDA:
        case.say(f"destination: {told_of(code, value.why)}: on CUDA", value.confidence)
        return True
    if not value.memory & V.PAGEABLE:
        return False
    words = _words(node)
    if not words or words & _HOST_WORDS:
        return False
    hardware = site.module.other_hardware(site.record.function)
    if hardware:
        case.say(f"destination: {code}, in code for {hardware}", Confidence.LOW)
    elif words & _PARAMETER_WORDS:
        case.say(
            f"destination: {code}, named as a parameter, which is written once as a rule", Confidence.LOW
        )
    elif value.known:
        case.say(f"destination: {told_of(code, value.why)}: a tensor, not known where", Confidence.MEDIUM)
    elif _is_kept(node):
        case.say(f"destination: {code}, an attribute, not known where", Confidence.MEDIUM)
    else:
        case.say(f"destination: {code}, not known", Confidence.LOW)
    return True


def _is_kept(node: ast.expr) -> bool:
    """The expression is an attribute, or a part of one."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute)


def _words(node: ast.expr) -> set[str]:
    """The words in the names that an expression is made of: ``self.cpu_buf[:n]`` has self, cpu and buf."""
    while isinstance(node, (ast.Subscript, ast.Attribute, ast.Call)):
        if isinstance(node, ast.Attribute):
            return {*node.attr.lower().split("_"), *_words(node.value)}
        node = node.func if isinstance(node, ast.Call) else node.value
    return set(node.id.lower().split("_")) if isinstance(node, ast.Name) else set()
