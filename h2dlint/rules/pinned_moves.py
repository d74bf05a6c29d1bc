"""Rung 2 of the fix ladder for moves: the source is pinned, where it is made or just before it is moved."""

from __future__ import annotations

import ast
import re

import libcst as cst

from h2dlint.analysis import layout as L
from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.library import BATCH
from h2dlint.analysis.values import Kind
from h2dlint.model import Confidence, Fix
from h2dlint.rules.conversions import converted_to, small
from h2dlint.rules.helpers import helper_move
from h2dlint.rules.ladder import bare, can_pin, edit_of, pins_in_constructor, pure, rename
from h2dlint.rules.movers import KEEPS_STRIDES, Movement, callee_of
from h2dlint.rules.pinned_sources import written_later
from h2dlint.rules.place import Place
from h2dlint.rules.site import Site
from h2dlint.rules.trust import Trust
from h2dlint.rules.unpinnable import may_be_complex_with_gradients, may_have_names
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite

_TRUE = cst.Name("True")

_KEEPS_MEMORY = KEEPS_STRIDES - {"repeat", "clone", "contiguous"}
"""Methods after which a pinned source is still pinned and dense."""

_PERMUTES = frozenset("t transpose permute movedim swapaxes swapdims".split())
_RESHAPES = frozenset("reshape flatten ravel reshape_as".split())

_LIST = re.compile(
    r"(?:list|tuple) (?:built|at)|comprehension|(?:list|tuple|sorted)\(\)|\.tolist\(\)"
    r"|(?:parameter|field) [\w.]+: (?:typing\.)?(?:Optional\[)?[Ll]ist\b"
)
"""Evidence for a list (or a tuple that is not a ``torch.Size``)."""


def non_blocking(call: cst.Call, site: Site, method: str) -> cst.Call:
    """The move with ``non_blocking=True``; ``type_as`` becomes ``to``."""
    func = call.func
    assert isinstance(func, cst.Attribute)
    if method == "type_as":
        call = call.with_changes(func=func.with_changes(attr=cst.Name("to")))
    index = calls.find(call, "non_blocking")
    if index is None:
        for position, arg in enumerate(call.args):
            if (
                arg.keyword is None
                and isinstance(arg.value, cst.Name)
                and arg.value.value == "False"
                and position
            ):
                return calls.replace(call, position, cst.Arg(_TRUE))
    return calls.set_keyword(call, "non_blocking", _TRUE)


def trust_of(site: Site, found: Movement) -> Trust:
    """The conditions of every fix that lets a copy run on: stream, device, evidence."""
    trust = Trust(site)
    trust.stream()
    trust.device(found.move.device, found.move.target)
    what = "a tensor" if found.destination is not None else "a device"
    trust.require(found.move.sure, f"{_name(site, found)} is not proven to be {what}")
    trust.require(found.value.confidence is Confidence.HIGH, "the place of the tensor rests on weak evidence")
    if found.root is not None and found.root.args:
        trust.no_tensor(found.root_callee, site.value(found.root.args[0]), found.root.args[0])
    if not found.not_blocking:
        trust.converted(found.value, *converted_to(site, found), small=small(site, found))
    return trust


def pinned_move(site: Site, found: Movement) -> Fix:
    """Rung 2: pin the source and move it without blocking."""
    trust = trust_of(site, found)
    title = "Copy from pinned memory without blocking"
    if site.value(found.receiver).qual == BATCH:
        return trust.fix("Pin the tensors of the batch, and move each with non_blocking=True", None)
    if site.call is None:
        return trust.fix(title)
    by_helper = helper_move(site, found, trust)
    if by_helper is not None:
        return by_helper
    try:
        result = _pin_source(site, found, trust)
    except CannotRewrite:
        return trust.fix(title)
    return trust.fix(title, edit_of(site, result))


def non_blocking_move(site: Site, found: Movement) -> Fix:
    """The move of a dense pinned tensor with ``non_blocking=True``."""
    trust = trust_of(site, found)
    reason = written_later(site, found.receiver)
    trust.require(not reason, reason)
    title = "Copy without blocking"
    if site.call is None or site.record.method is None:
        return trust.fix(title)
    try:
        result = non_blocking(bare(site.call), site, site.record.method)
    except CannotRewrite:
        return trust.fix(title)
    return trust.fix(title, edit_of(site, result))


def _name(site: Site, found: Movement) -> str:
    return site.code(found.move.target) if found.move.target is not None else "cuda"


def _pin_source(site: Site, found: Movement, trust: Trust) -> cst.Call:
    """The move, not blocking, with its source pinned: where it is made, or just before it is moved."""
    assert site.call is not None and site.record.method is not None
    call = bare(site.call)
    if not found.not_blocking:
        call = non_blocking(call, site, site.record.method)
    _mind_sizes(site, found, trust)
    swap = pinned_root(site, found)
    if swap is not None:
        changed = call.deep_replace(*swap)
        assert isinstance(changed, cst.Call)
        return changed
    if found.pinned:
        _mind_kinds(site, found, trust)
        # A dense copy of it is pinned, whatever it is itself.
        return site.style.chained(calls.chain(call, "clone"))
    can_pin(trust, site, found.receiver, found.value)
    _mind_kinds(site, found, trust)
    if _needs_clone(found):
        call = calls.chain(call, "clone")
    return site.style.chained(call)


def _needs_clone(found: Movement) -> bool:
    """Pinning keeps the strides: it raises where elements share memory, and leaves the gaps."""
    return bool(found.value.memory & V.EXPANDED) or L.gapped(found.value.layout)


def _mind_kinds(site: Site, found: Movement, trust: Trust) -> None:
    """``.pin_memory()`` raises for a named tensor, and for a complex one that needs gradients."""
    tensor = site.code(found.receiver)
    trust.require(not may_have_names(site), f"{tensor} may have names: pin_memory() raises then")
    complex_ = may_be_complex_with_gradients(site, found)
    trust.require(not complex_, f"{tensor} may be complex: with gradients it cannot be pinned")


def _mind_sizes(site: Site, found: Movement, trust: Trust) -> None:
    """``torch.LongTensor(x)`` takes sizes too."""
    if found.family == "legacy" and found.root is not None and len(found.root.args) == 1:
        data = found.root.args[0]
        trust.require(is_list(site, data), f"{site.code(data)} may be a torch.Size, which is no data")


def pinned_expression(
    site: Site, found: Movement, trust: Trust, source: cst.BaseExpression
) -> cst.BaseExpression:
    """The source of a copy, pinned: where it is made, or as a pinned copy of it.

    Args:
        source: the LibCST form of ``found.receiver``.
    """
    _mind_sizes(site, found, trust)
    swap = pinned_root(site, found)
    if swap is not None:
        changed = swap[1] if source is swap[0] else source.deep_replace(*swap)
        assert isinstance(changed, cst.BaseExpression)
        return changed
    receiver = (
        source if _postfix(source) else source.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    )
    if not found.pinned:
        can_pin(trust, site, found.receiver, found.value)
    _mind_kinds(site, found, trust)
    if found.pinned or _needs_clone(found):
        receiver = calls.method_call(receiver, "clone")
    return site.style.pinned(receiver, read_only=found.destination is not None)


def _postfix(source: cst.BaseExpression) -> bool:
    """A method may be called of the expression as it is written."""
    return isinstance(source, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)) or bool(source.lpar)


def pinned_root(site: Site, found: Movement) -> tuple[cst.Call, cst.Call] | None:
    """The constructor under the move and its pinned form; ``None`` where it cannot be pinned there."""
    root = found.root
    if root is None or found.pinned or any(step not in _KEEPS_MEMORY for step in found.chain):
        return None
    if not _PERMUTES.isdisjoint(found.chain) and not _RESHAPES.isdisjoint(found.chain):
        # What is not in order is copied into pageable memory.
        return None
    if found.family == "legacy":
        return _legacy(site, root)
    inner = site.call_node(root)
    if inner is None or any(arg.star for arg in inner.args):
        return None
    if not all(pure(site, k.value) for k in root.keywords if k.arg == "pin_memory"):
        return None
    if found.root_callee in T.FACTORIES or found.root_callee in _PINNABLE_RANDOM:
        return _pinned_factory(site, root, inner)
    if found.root_callee not in T.CONSTRUCTORS:
        return None
    given = {k.arg: k.value for k in root.keywords}
    data = root.args[0] if len(root.args) == 1 else given.get("data") or given.get("obj")
    if len(root.args) > 1 or data is None or not pins_in_constructor(site.value(data)):
        return None
    if set(given) - {"data", "obj", "dtype", "device", "requires_grad", "pin_memory"}:
        return None
    new = inner
    if found.root_callee != "torch.tensor":
        new = rename(site, inner, "tensor")
        index = calls.find(new, "obj")
        if index is not None:
            new = calls.replace(new, index, calls.keyword("data", new.args[index].value))
    if site.record.default_device != V.CPU and calls.find(new, "device") is None:
        new = calls.append(new, calls.keyword("device", cst.SimpleString('"cpu"')))
    if site.style.leaves_pageable:
        return inner, _unpinned(site, new)
    return inner, calls.set_keyword(new, "pin_memory", site.style.pin())


def _unpinned(site: Site, new: cst.Call) -> cst.Call:
    """The constructor in memory as it is."""
    site.style.pageable = True
    index = calls.find(new, "pin_memory")
    return new if index is None else calls.remove(new, index)


_PINNABLE_RANDOM = T.RANDOM_FACTORIES - {"torch.normal"}


def _pinned_factory(site: Site, root: ast.Call, inner: cst.Call) -> tuple[cst.Call, cst.Call] | None:
    """A factory makes its tensor in pinned memory as it is: no second copy on the host."""
    given = {k.arg for k in root.keywords}
    if given & {"out", "layout", "names", None}:
        return None
    new = inner
    if site.record.default_device != V.CPU and "device" not in given:
        new = calls.append(new, calls.keyword("device", cst.SimpleString('"cpu"')))
    return inner, calls.set_keyword(new, "pin_memory", site.style.pin())


def is_list(site: Place, node: ast.expr) -> bool:
    """The expression is a list, or a tuple that is not a ``torch.Size``."""
    value = site.value(node)
    if value.only(Kind.NDARRAY) or isinstance(node, (ast.List, ast.Tuple, ast.ListComp)):
        return True
    if isinstance(node, ast.IfExp):
        return is_list(site, node.body) and is_list(site, node.orelse)
    return value.only(Kind.SEQ) and bool(_LIST.match(value.why))


def _legacy(site: Site, root: ast.Call) -> tuple[cst.Call, cst.Call] | None:
    """``torch.LongTensor([..])`` as ``torch.tensor([..], dtype=torch.int64, pin_memory=True)``."""
    inner = site.call_node(root)
    torch = site.module.name_of_torch(site.record.function)
    if inner is None or torch is None or len(inner.args) != 1 or inner.args[0].keyword is not None:
        return None
    if inner.args[0].star:
        return None
    if not pins_in_constructor(site.value(root.args[0])):
        return None
    return inner, legacy_as_tensor(site, inner, callee_of(site, root), torch)


def legacy_dtype(callee: str, torch: str) -> cst.BaseExpression:
    """The dtype that a legacy constructor gives; ``torch.Tensor`` follows the default dtype."""
    name = callee.removeprefix("torch.").removeprefix("cuda.")
    text = f"{torch}.get_default_dtype()" if name == "Tensor" else f"{torch}.{T.LEGACY[name]}"
    return cst.parse_expression(text)


def legacy_as_tensor(site: Site, inner: cst.Call, callee: str, torch: str) -> cst.Call:
    """A legacy constructor over a list as a pinned ``torch.tensor`` with the dtype spelled out."""
    new = bare(inner).with_changes(func=cst.parse_expression(f"{torch}.tensor"))
    new = calls.append(new, calls.keyword("dtype", legacy_dtype(callee, torch)))
    if site.record.default_device != V.CPU:
        new = calls.append(new, calls.keyword("device", cst.SimpleString('"cpu"')))
    if site.style.leaves_pageable:
        return _unpinned(site, new)
    return calls.append(new, calls.keyword("pin_memory", site.style.pin()))
