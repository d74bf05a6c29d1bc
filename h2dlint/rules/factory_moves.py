"""Rung 1 of the fix ladder for moves: the tensor is made on the device, and nothing is copied."""

from __future__ import annotations

import ast

import libcst as cst

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Fix
from h2dlint.rules.constants import Constant, constant_form, scalar_fits
from h2dlint.rules.ladder import bare, cst_of, edit_of, factory_call, left_out, pure, rename, same_order
from h2dlint.rules.movers import KEEPS_STRIDES, Movement, callee_of, joined_factories
from h2dlint.rules.pinned_moves import legacy_dtype
from h2dlint.rules.site import Site, Trust, looks_like_device
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite

_EXACT_CASTS = frozenset({"long", "int", "float", "double", "bool"})
"""Casts that give the same values on the host and on the device, for what factories make."""


def _device_argument(site: Site, found: Movement, trust: Trust) -> cst.BaseExpression:
    """The target of the move as a ``device=`` argument.

    Raises:
        CannotRewrite: it cannot be one.
    """
    target = found.move.target
    if target is None:
        return cst.SimpleString('"cuda"')
    value = site.value(target)
    if not found.move.sure and not looks_like_device(target):
        # It may be a tensor or a dtype, which ``.to`` takes and ``device=`` does not.
        raise CannotRewrite("the target is not known to be a device")
    trust.require(not found.chain or pure(site, target), "the order of evaluation changes")
    trust.require(found.move.sure, f"{site.code(target)} is not proven to be a device")
    trust.require(not found.move.device & V.UNSET, f"{site.code(target)} may be None")
    assert site.call is not None
    if found.move.other:
        if not pure(site, target):
            raise CannotRewrite("the target would be evaluated twice")
        return cst.Attribute(cst_of(site.call, target, site), cst.Name("device"))
    if value.only(Kind.INT) and isinstance(value.const, int) and site.record.method == "cuda":
        return cst.SimpleString(f'"cuda:{value.const}"')
    if site.record.method == "cuda" and not value.only(Kind.DEVICE | Kind.STR):
        trust.require(False, f"{site.code(target)} is not proven to be a device")
    return cst_of(site.call, target, site)


def _same_there(site: Site, call: ast.Call) -> bool:
    """The factory makes the same tensor on the device as on the host."""
    callee = callee_of(site, call)
    if callee in ("torch.linspace", "torch.logspace") or "window" in callee:
        return False
    if {k.arg for k in call.keywords} & {"out", "layout", "generator", "requires_grad", "names", None}:
        return False
    bounds = [*call.args, *(k.value for k in call.keywords if k.arg in ("start", "end", "step"))]
    if callee == "torch.arange" and not all(site.value(a).only(Kind.INT) for a in bounds):
        # A float arange is computed in another order on the device.
        return False
    if callee == "torch.scalar_tensor":
        dtype = next((site.value(k.value) for k in call.keywords if k.arg == "dtype"), None)
        given = [*call.args, *(k.value for k in call.keywords if k.arg == "s")]
        if not given or not scalar_fits(site.value(given[0]), dtype):
            return False
    return not any(
        isinstance(a, ast.Starred) or (site.value(a).may(Kind.TENSOR) and site.value(a).known)
        for a in call.args
    )


class _Replacing(cst.CSTTransformer):
    """Puts several nodes in the place of others in one pass: a pass makes every node anew."""

    def __init__(self, made: dict[int, cst.CSTNode]) -> None:
        super().__init__()
        self._made = made

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> cst.CSTNode:  # type: ignore[override]
        return self._made.get(id(original_node), updated_node)


def _joined_move(site: Site, found: Movement) -> Fix | None:
    """``torch.cat((torch.ones(n), torch.zeros(m))).to(device)``: each part is made on the device."""
    root, target = found.root, found.move.target
    assert root is not None and site.call is not None
    parts = joined_factories(site, root)
    if found.move.dtype is not None or found.move.other or {k.arg for k in root.keywords} - {"dim", "axis"}:
        return None
    if not parts or not all(_same_there(site, part) for part in parts):
        return None
    trust = Trust(site)
    trust.stream()
    try:
        device = _device_argument(site, found, trust)
        if target is not None and not pure(site, target):
            raise CannotRewrite("the target would be evaluated more than once")
        assert isinstance(site.call.func, cst.Attribute)
        made: dict[int, cst.CSTNode] = {}
        for part in parts:
            for keyword in part.keywords:
                if keyword.arg in ("device", "pin_memory"):
                    left_out(site, keyword.value, trust)
            inner = site.call_node(part)
            if inner is None or calls.has_comment(site.call.func.dot):
                return None
            new = bare(inner)
            pin = calls.find(new, "pin_memory")
            new = new if pin is None else calls.remove(new, pin)
            made[id(inner)] = calls.set_keyword(new, "device", device.deep_clone())
        result = site.call.func.value.visit(_Replacing(made))
    except CannotRewrite:
        return None
    if any(calls.has_comment(a) for a in site.call.args) or not isinstance(result, cst.BaseExpression):
        return None
    return trust.fix(
        f"Make the parts on the device and join them there with {found.root_callee}", edit_of(site, result)
    )


def factory_move(site: Site, found: Movement) -> Fix | None:
    """Rung 1: make the factory's tensor on the device; ``None`` where that may give another tensor."""
    root = found.root
    if root is None or site.call is None or found.move.copy is not None:
        return None
    if any(step not in KEEPS_STRIDES | _EXACT_CASTS for step in found.chain):
        return None
    if any(k.arg == "memory_format" for k in site.node.keywords):
        return None
    if found.root_callee in T.JOINERS:
        return None if _EXACT_CASTS & set(found.chain) else _joined_move(site, found)
    if not _same_there(site, root):
        return None
    trust = Trust(site)
    trust.stream()
    for step in _EXACT_CASTS & set(found.chain):
        trust.require(
            found.root_callee in ("torch.zeros", "torch.ones", "torch.arange", "torch.eye"), f".{step}()"
        )
    inner = site.call_node(root)
    if inner is None:
        return None
    try:
        device = _device_argument(site, found, trust)
        _same_order(site, found, root, trust)
        new = bare(inner)
        index = calls.find(new, "pin_memory")
        if index is not None:
            new = calls.remove(new, index)
        new = calls.set_keyword(new, "device", device)
        new = _with_dtype(site, found, new, trust)
        assert isinstance(site.call.func, cst.Attribute)
        body = site.call.func.value
        result = new if body is inner else body.deep_replace(inner, new)
        assert isinstance(result, cst.BaseExpression)
        if calls.has_comment(site.call.func.dot) or any(calls.has_comment(a) for a in site.call.args):
            return None
    except CannotRewrite:
        return None
    return trust.fix(f"Make the tensor on the device with {found.root_callee}", edit_of(site, result))


def _same_order(site: Site, found: Movement, root: ast.Call, trust: Trust) -> None:
    """What the move is given is evaluated with the factory's own arguments, whose device and pinning go."""
    given = {k.arg: k.value for k in root.keywords}
    for name in ("device", "pin_memory"):
        left_out(site, given.get(name), trust)
    target, dtype = found.move.target, found.move.dtype
    # A device that is there already is replaced in its place, before what follows it.
    moved = [node for node in (target,) if node is not None and not pure(site, node) and "device" in given]
    if dtype is not None and not pure(site, dtype):
        first = target is None or pure(site, target) or _start(target) < _start(dtype)
        if found.chain or not first:
            moved.append(dtype)
    trust.require(not moved, "the order of evaluation changes")


def _start(node: ast.expr) -> tuple[int, int]:
    return (node.lineno, node.col_offset)


def _reinterpreted(site: Site, receiver: ast.expr) -> bool:
    """``.view(dtype)``, or a view that may be one, stands in the chain."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "view"
        and any(site.value(a).may(Kind.DTYPE) for a in [*node.args, *(k.value for k in node.keywords)])
        for node in ast.walk(receiver)
    )


def _with_dtype(site: Site, found: Movement, new: cst.Call, trust: Trust) -> cst.Call:
    """Take the dtype of the move into the factory."""
    move = found.move
    if move.dtype is None and not move.other:
        return new
    if found.chain and set(found.chain) & _EXACT_CASTS:
        raise CannotRewrite("the dtype is converted twice")
    if calls.find(new, "dtype") is not None or _reinterpreted(site, found.receiver):
        raise CannotRewrite("the dtype is converted")
    if found.root_callee not in ("torch.zeros", "torch.ones", "torch.empty", "torch.eye"):
        trust.require(False, "the dtype is converted on the host in the original")
    assert site.call is not None
    if move.dtype is not None:
        if site.value(move.dtype).may(Kind.NONE) and site.value(move.dtype).known:
            raise CannotRewrite("the dtype may be None")
        dtype = cst_of(site.call, move.dtype, site)
    else:
        assert move.target is not None
        dtype = cst.Attribute(cst_of(site.call, move.target, site), cst.Name("dtype"))
    return calls.append(new, calls.keyword("dtype", dtype))


def constant_move(site: Site, found: Movement) -> Fix | None:
    """Rung 1 for ``torch.tensor(<constant>).to(device)``; ``None`` where no factory makes that tensor."""
    root = found.root
    if (
        root is None
        or found.chain
        or found.move.dtype is not None
        or found.move.other
        or found.move.copy is not None
    ):
        return None
    legacy = found.family == "legacy"
    if any(k.arg == "memory_format" for k in site.node.keywords):
        return None
    if not legacy and found.root_callee not in ("torch.tensor", "torch.as_tensor"):
        return None
    keywords = {k.arg: k.value for k in root.keywords}
    if set(keywords) - {"dtype"} or len(root.args) != 1 or site.call is None:
        return None
    dtype = site.value(keywords["dtype"]) if "dtype" in keywords else None
    if legacy:
        dtype = Value(kind=Kind.DTYPE, dtype=T.LEGACY[found.root_callee.removeprefix("torch.")] or None)
    constant: Constant | None = constant_form(root.args[0], site.value, dtype)
    inner = site.call_node(root)
    torch = site.module.name_of_torch(site.record.function)
    if (
        constant is None
        or inner is None
        or (legacy and (torch is None or isinstance(root.args[0], ast.Name)))
    ):
        return None
    trust = Trust(site)
    trust.stream()
    same_order(site, constant, trust)
    for reason in constant.reasons:
        trust.require(False, reason)
    trust.no_tensor(found.root_callee, site.value(root.args[0]), root.args[0])
    try:
        device = _device_argument(site, found, trust)
        record = site.module.call_of(root)
        assert record is not None
        new = factory_call(site, bare(inner), constant, "data")
        if legacy and torch is not None:
            new = new.with_changes(func=cst.parse_expression(f"{torch}.{constant.function}"))
            new = calls.append(new, calls.keyword("dtype", legacy_dtype(found.root_callee, torch)))
        elif isinstance(new.func, cst.Attribute):
            new = new.with_changes(func=new.func.with_changes(attr=cst.Name(constant.function)))
        else:
            new = rename(site, new, constant.function)
        new = calls.append(new, calls.keyword("device", device))
    except CannotRewrite:
        return None
    return trust.fix(f"Make the tensor on the device with torch.{constant.function}", edit_of(site, new))
