"""Fixes for ``destination.copy_(source)``: filled on the device, or copied from pinned memory without blocking."""

from __future__ import annotations

import ast

import libcst as cst

from h2dlint.analysis import layout as L
from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind
from h2dlint.model import Fix
from h2dlint.rules.constants import constant_form
from h2dlint.rules.ladder import bare, cst_of, edit_of, pure
from h2dlint.rules.movers import Movement
from h2dlint.rules.pinned_moves import pinned_expression, trust_of
from h2dlint.rules.pinned_sources import written_later
from h2dlint.rules.site import Site
from h2dlint.rules.trust import Trust
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite

_TRUE = cst.Name("True")
_EXACT = 127
"""Whole numbers up to this are the same in every dtype but bool, and none wraps."""


def filled(site: Site, found: Movement) -> Fix | None:
    """Rung 1: ``fill_`` where every element of the source is one number; ``None`` elsewhere."""
    fill = _fill(site, found)
    if fill is None or site.call is None or found.destination is None:
        return None
    title = "Fill it on the device"
    trust = Trust(site)
    trust.stream()
    trust.require(found.move.sure, f"{site.code(found.destination)} is not proven to be a tensor")
    number = fill.value if isinstance(fill, ast.Constant) else fill
    exact = (
        isinstance(number, (int, float))
        and not isinstance(number, bool)
        and 0 <= number <= _EXACT
        and number == int(number)
    )
    trust.require(exact, "the number may be rounded, or be out of range, in one dtype and not in the other")
    try:
        call = bare(site.call)
        value = cst_of(call, fill, site) if isinstance(fill, ast.expr) else cst.Integer(str(fill))
        func = call.func
        assert isinstance(func, cst.Attribute)
        if any(calls.has_comment(arg) for arg in call.args):
            return None
        new = call.with_changes(func=func.with_changes(attr=cst.Name("fill_")), args=[cst.Arg(value)])
    except CannotRewrite:
        return None
    return trust.fix(title, edit_of(site, new))


def _fill(site: Site, found: Movement) -> ast.expr | int | None:
    """The number that a source is made of, where it is made in the same expression from that alone."""
    root = found.root
    if root is None or root is not found.receiver or any(isinstance(a, ast.Starred) for a in root.args):
        return None
    given = {k.arg: k.value for k in root.keywords}
    if not set(given) <= {"dtype", "size", "fill_value", "device", "pin_memory"}:
        return None
    if "dtype" in given and found.root_callee not in ("torch.zeros", "torch.ones"):
        # The number is converted to that dtype first.
        return None
    if found.root_callee in ("torch.zeros", "torch.ones"):
        shape = [*root.args, *given.values()]
        pure_shape = all(pure(site, part) for part in shape)
        return int(found.root_callee == "torch.ones") if pure_shape else None
    if found.root_callee == "torch.full":
        shape = [*root.args[:1], *(value for name, value in given.items() if name != "fill_value")]
        fill = root.args[1] if len(root.args) > 1 else given.get("fill_value")
        scalar = fill is not None and site.value(fill).only(V.PYSCALAR)
        return fill if scalar and all(pure(site, part) for part in shape) else None
    if found.root_callee not in ("torch.tensor", "torch.as_tensor") or len(root.args) != 1:
        return None
    constant = constant_form(root.args[0], site.value, None)
    if constant is None or constant.function != "full" or constant.fill is None:
        return None
    if not all(pure(site, part) for part in [*constant.counts, *given.values()]):
        return None
    return constant.fill if site.value(constant.fill).only(V.PYSCALAR) else None


def pinned_copy(site: Site, found: Movement) -> Fix:
    """Rung 2: the source pinned and ``non_blocking=True``; into a strided destination by way of the device.

    A source that is broadcast there would otherwise be spread out in pageable memory.
    """
    trust = trust_of(site, found)
    title = "Copy from pinned memory without blocking"
    if found.gap:
        title = (
            "Move it to the device first, from pinned memory, and copy it into the strided destination there"
        )
    if site.call is None or found.destination is None:
        return trust.fix(title)
    try:
        call = bare(site.call)
        index = _source_index(call)
        source = call.args[index].value
        if _is_dense_pinned(found):
            reason = written_later(site, found.receiver)
            trust.require(not reason, reason)
            new_source = source
        else:
            new_source = pinned_expression(site, found, trust, source)
        if found.gap:
            new_source = _on_device(site, found.destination, new_source)
        elif not found.not_blocking:
            call = _not_blocking(call)
        if new_source is not source:
            old = call.args[index]
            call = calls.replace(call, index, old.with_changes(value=new_source))
    except CannotRewrite:
        return trust.fix(title)
    return trust.fix(title, edit_of(site, call))


def _is_dense_pinned(found: Movement) -> bool:
    return found.pinned and not L.gapped(found.value.layout)


def _source_index(call: cst.Call) -> int:
    for index, arg in enumerate(call.args):
        if arg.keyword is None or arg.keyword.value in ("src", "other"):
            return index
    raise CannotRewrite("the source is not seen")


def _not_blocking(call: cst.Call) -> cst.Call:
    if len(call.args) > 1 and call.args[1].keyword is None:
        return calls.replace(call, 1, call.args[1].with_changes(value=_TRUE))
    return calls.set_keyword(call, "non_blocking", _TRUE)


def _on_device(site: Site, destination: ast.expr, source: cst.BaseExpression) -> cst.BaseExpression:
    """The source, moved to the device of the tensor that the destination is a view of."""
    node = destination
    while isinstance(node, (ast.Subscript, ast.Call)):
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node.func, ast.Attribute) and node.func.attr in T.VIEWS:
            node = node.func.value
        else:
            break
    if not pure(site, node) or not (site.value(node).may(Kind.TENSOR)):
        raise CannotRewrite("the destination would be evaluated twice")
    assert site.call is not None
    device = cst.Attribute(cst_of(site.call, node, site), cst.Name("device"))
    if not isinstance(source, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)) and not source.lpar:
        source = source.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return calls.method_call(source, "to", [cst.Arg(device), calls.keyword("non_blocking", _TRUE)])
