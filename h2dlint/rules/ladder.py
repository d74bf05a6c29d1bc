"""The fix ladder: no copy at all, else a pinned source and a non-blocking copy, else advice."""

from __future__ import annotations

import ast

import libcst as cst

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Applicability, Edit, Fix
from h2dlint.rules.constants import Constant
from h2dlint.rules.helpers import helper_upload
from h2dlint.rules.place import Place
from h2dlint.rules.site import Site
from h2dlint.rules.trust import Trust
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite

_TRUE = cst.Name("True")
_PURE_CALLS = frozenset(
    {
        "torch.device",
        "torch.cuda.current_device",
        "torch.cuda.is_available",
        "builtins.len",
        "builtins.str",
        "builtins.int",
    }
)


def pure(site: Place, node: ast.expr) -> bool:
    """Evaluating the expression twice, or later, makes no difference."""
    if isinstance(node, (ast.Name, ast.Constant)):
        return True
    if isinstance(node, ast.Attribute):
        cls = site.value(node.value).cls
        method = cls.methods.get(node.attr) if cls is not None else None
        return (method is None or not method.is_property) and pure(site, node.value)
    if isinstance(node, ast.Subscript):
        return pure(site, node.value) and pure(site, node.slice)
    if isinstance(node, ast.JoinedStr):
        return all(pure(site, v.value) for v in node.values if isinstance(v, ast.FormattedValue))
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.BoolOp, ast.Compare, ast.Tuple, ast.List)):
        return all(pure(site, child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
    if isinstance(node, ast.Call):
        record = site.module.call_of(node)
        known = record is not None and (
            record.callee in _PURE_CALLS or record.method in ("size", "dim", "numel")
        )
        return known and all(pure(site, a) for a in [*node.args, *(k.value for k in node.keywords)])
    return False


def in_order(site: Site, moved: ast.expr | None, trust: Trust) -> None:
    """``moved`` will be evaluated after all other arguments."""
    if moved is None or pure(site, moved):
        return
    place = (moved.lineno, moved.col_offset)
    others = [*site.node.args, *(k.value for k in site.node.keywords)]
    later = [o for o in others if (o.lineno, o.col_offset) > place]
    trust.require(all(pure(site, o) for o in later), "the order of evaluation changes")


def left_out(site: Place, node: ast.expr | None, trust: Trust) -> None:
    """``node`` will not be evaluated any more."""
    trust.require(node is None or pure(site, node), "an argument that is left out may do something")


def bare(call: cst.Call) -> cst.Call:
    """The call without parentheses around it: they lie outside its span."""
    return call.with_changes(lpar=(), rpar=())


def edit_of(site: Site, new: cst.BaseExpression) -> Edit | None:
    """The edit that puts ``new`` in the place of the site's call."""
    assert site.snippet is not None
    span = site.module.source.span(site.node)
    text = site.style.settled(site.snippet.render(new), _target_of(site, new))
    return calls.minimal_edit(site.module.source, span, text) if text is not None else None


def _target_of(site: Site, new: cst.BaseExpression) -> str | None:
    """The device that a rewritten move goes to, as text."""
    if site.record.method == "copy_" and isinstance(site.node.func, ast.Attribute):
        node = site.node.func.value
        while not isinstance(node, (ast.Name, ast.Attribute)):
            if isinstance(node, ast.Subscript):
                node = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                node = node.func.value
            else:
                return None
        return f"{ast.unparse(node)}.device"
    while isinstance(new, cst.Call) and isinstance(new.func, cst.Attribute):
        method = new.func.attr.value
        if method == "cuda" and not any(arg.keyword is None for arg in new.args):
            return '"cuda"'
        if method == "to":
            index = calls.find(new, "device")
            if index is None and new.args and new.args[0].keyword is None:
                index = 0
            text = cst.Module([]).code_for_node(new.args[index].value) if index is not None else None
            given = [*site.node.args[:1], *(k.value for k in site.node.keywords if k.arg == "device")]
            if site.record.method in ("to", "type_as") and given and site.value(given[0]).may(Kind.TENSOR):
                # ``.to(other)``: the device is that of the other tensor, if it is one.
                return f"{text}.device" if site.value(given[0]).only(Kind.TENSOR) else None
            return text
        new = new.func.value
    return None


def rename(site: Site, call: cst.Call, function: str) -> cst.Call:
    """Call ``torch.<function>`` instead, under the name that the module has for torch.

    Raises:
        CannotRewrite: the module has no name for torch.
    """
    if isinstance(call.func, cst.Attribute) and site.record.callee is not None:
        prefix = site.record.callee.rpartition(".")[0]
        if prefix == "torch":
            return call.with_changes(func=call.func.with_changes(attr=cst.Name(function)))
    torch = site.module.name_of_torch(site.record.function)
    if torch is None:
        raise CannotRewrite("the module has no name for torch")
    return call.with_changes(func=cst.parse_expression(f"{torch}.{function}"))


def only_keywords(call: cst.Call, names: tuple[str, ...]) -> cst.Call:
    """Spell positional arguments after the first as keywords."""
    args = list(call.args)
    for index, arg in enumerate(args):
        if index == 0 or arg.keyword is not None or arg.star:
            continue
        if index >= len(names):
            raise CannotRewrite("more positional arguments than the function has")
        named = calls.keyword(names[index], arg.value)
        args[index] = named.with_changes(comma=arg.comma, whitespace_after_arg=arg.whitespace_after_arg)
    return call.with_changes(args=args)


def _argument(call: cst.Call, name: str) -> cst.BaseExpression | None:
    index = calls.find(call, name)
    return None if index is None else call.args[index].value


def _drop(call: cst.Call, name: str) -> cst.Call:
    index = calls.find(call, name)
    return call if index is None else calls.remove(call, index)


def safer(first: Fix, second: Fix) -> Fix:
    """The higher rung, unless only the lower one is safe."""
    unsafe = first.applicability is not Applicability.SAFE
    return second if unsafe and second.applicability is Applicability.SAFE else first


def non_blocking_to(receiver: cst.BaseExpression, target: cst.BaseExpression) -> cst.Call:
    """``receiver.to(target, non_blocking=True)``."""
    return calls.method_call(
        receiver, "to", [cst.Arg(calls.plain(target)), calls.keyword("non_blocking", _TRUE)]
    )


def pins_in_constructor(data: Value) -> bool:
    """``torch.tensor(data, pin_memory=True)`` is known not to raise."""
    return data.only(V.PYSCALAR | Kind.SEQ | Kind.NONE)


def can_pin(trust: Trust, site: Place, node: ast.expr, value: Value) -> None:
    """``.pin_memory()`` of ``node`` (an ndarray or a tensor) must copy, and must not raise.

    A pinned tensor is returned as it is, and may be written again. Pinning keeps the strides, and raises where
    elements share memory; where they are known to, a clone is pinned instead.
    """
    if value.may(Kind.TENSOR) and value.memory & (V.PINNED | V.GAPPED):
        trust.require(
            False, f"{site.code(node)} may be pinned already, and written again before it is copied"
        )
    if not (value.only(Kind.TENSOR) and value.memory & V.EXPANDED):
        trust.require(
            value.distinct, f"elements of {site.code(node)} may share memory: pin_memory() raises then"
        )


def pinned(call: cst.Call, site: Site, data: Value, drop: str | None = "device") -> cst.BaseExpression:
    """A constructor call as a pinned host tensor: the argument ``drop`` goes, pinning comes."""
    index = calls.find(call, drop) if drop is not None else None
    in_place = pins_in_constructor(data) or _taken_for_data(site, data)
    if in_place and site.style.leaves_pageable and pins_in_constructor(data):
        return _left_pageable(call, site, drop)
    pin = calls.keyword("pin_memory", site.style.pin()) if in_place else calls.keyword("pin_memory", _TRUE)
    unsettled = site.record.default_device != V.CPU
    cpu = calls.keyword("device", cst.SimpleString('"cpu"'))
    call = _drop(call, "pin_memory") if not in_place else call
    index = calls.find(call, drop) if drop is not None else None
    if not in_place:
        if unsettled:
            call = calls.replace(call, index, cpu) if index is not None else calls.append(call, cpu)
        elif index is not None:
            call = calls.remove(call, index)
        if data.only(Kind.TENSOR) and data.memory & V.EXPANDED and site.record.callee != "torch.tensor":
            # Pinning keeps the strides, and raises where elements share memory.
            return site.style.pinned(calls.method_call(call, "clone"))
        return site.style.pinned(call)
    already = calls.find(call, "pin_memory")
    if already is not None:
        call = calls.replace(call, already, pin)
        if index is not None and unsettled:
            return calls.replace(call, index, cpu)
        if index is not None:
            try:
                return calls.remove(call, index)
            except CannotRewrite:
                # A comment stands beside the device: the pinning takes its place.
                return calls.remove(calls.replace(call, index, pin), already)
        return call
    if unsettled:
        call = calls.replace(call, index, cpu) if index is not None else calls.append(call, cpu)
        return calls.append(call, pin)
    return calls.swap(call, index, pin) if index is not None else calls.append(call, pin)


def _taken_for_data(site: Site, data: Value) -> bool:
    """Of data of unknown kind, where pinning is under a condition: it goes into the constructor, as a list would."""
    makes = site.record.callee == "torch.tensor" or site.record.method == "new_tensor"
    return site.style.guarded and makes and not data.known


def _left_pageable(call: cst.Call, site: Site, drop: str | None) -> cst.BaseExpression:
    """The constructor on the host, in memory as it is."""
    site.style.pageable = True
    call = _drop(call, "pin_memory")
    index = calls.find(call, drop) if drop is not None else None
    if site.record.default_device != V.CPU:
        cpu = calls.keyword("device", cst.SimpleString('"cpu"'))
        return calls.replace(call, index, cpu) if index is not None else calls.append(call, cpu)
    return calls.remove(call, index) if index is not None else call


def pinned_upload(
    site: Site,
    data: ast.expr,
    device: ast.expr | None,
    mask: int,
    names: tuple[str, ...],
) -> Fix:
    """Rung 2 for ``torch.tensor(data, device=device, ..)`` and its kin.

    Args:
        data, device: those arguments of the site's call; without a device (it lands on the default device) there
            is advice and no edit, because nothing in the call says where to move the tensor.
        mask: what is known of the device.
        names: the function's positional parameters.
    """
    trust = Trust(site)
    if device is None:
        return trust.fix(
            'Build it with device="cpu" and pin_memory=True, then move it with non_blocking=True'
        )
    value = site.value(data)
    trust.stream()
    trust.device(mask, device)
    trust.data(value, data)
    trust.no_tensor(site.record.callee, value, data)
    in_order(site, device, trust)
    in_order(site, site.argument(None, "requires_grad"), trust)
    left_out(site, site.argument(None, "pin_memory"), trust)
    trust.require(not site.hidden_arguments, "some arguments cannot be seen")
    if site.record.callee != "torch.tensor" and not pins_in_constructor(value):
        can_pin(trust, site, data, value)
    if site.call is None:
        return trust.fix("Copy from pinned memory without blocking")
    by_helper = helper_upload(site, data, device, trust, names)
    if by_helper is not None:
        return by_helper
    try:
        call = only_keywords(bare(site.call), names)
        if call.args and call.args[0].keyword is not None and call.args[0].keyword.value == "obj":
            call = calls.replace(call, 0, calls.keyword("data", call.args[0].value))
        if pins_in_constructor(value) and site.record.callee != "torch.tensor":
            call = rename(site, call, "tensor")
        target = _argument(call, "device")
        grad = _argument(call, "requires_grad")
        if target is None or calls.find(call, "copy") is not None:
            raise CannotRewrite("the form of the call is not understood")
        result = pinned(_drop(call, "requires_grad"), site, value)
        result = non_blocking_to(result, target)
        result = with_grad(result, grad)
    except CannotRewrite:
        return trust.fix("Copy from pinned memory without blocking")
    return trust.fix("Copy from pinned memory without blocking", edit_of(site, result))


def with_grad(result: cst.Call, grad: cst.BaseExpression | None) -> cst.Call:
    """``requires_grad`` goes behind the transfer, or the result would be no leaf."""
    if grad is None or (isinstance(grad, cst.Name) and grad.value == "False"):
        return result
    args = [] if isinstance(grad, cst.Name) and grad.value == "True" else [cst.Arg(calls.plain(grad))]
    return calls.method_call(result, "requires_grad_", args)


def cst_of(call: cst.Call, node: ast.expr, site: Site) -> cst.BaseExpression:
    """The LibCST form of an expression of the site, for another place."""
    del call
    if isinstance(node, ast.Constant) and not hasattr(node, "lineno"):
        # Not of the source: a bound that was worked out.
        return cst.parse_expression(repr(node.value))
    text = site.module.source.slice(site.module.source.span(node))
    if "\n" in text or "#" in text:
        raise CannotRewrite("the argument spans lines")
    if isinstance(node, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Starred)):
        text = f"({text})"
    return cst.parse_expression(text)


def same_order(site: Site, constant: Constant, trust: Trust) -> None:
    """``[c] * n`` evaluates ``c`` first, ``full((n,), c)`` evaluates ``n`` first."""
    if constant.counts and constant.fill is not None:
        both = all(pure(site, node) for node in [*constant.counts, constant.fill])
        written = all(isinstance(count, ast.Constant) for count in constant.counts)
        trust.require(both or written, "the order of evaluation changes")


def factory_call(site: Site, call: cst.Call, constant: Constant, data_name: str) -> cst.Call:
    """Rung 1: the constructor ``call`` as a factory call; its other arguments stay.

    Args:
        call: with the data as first argument.
        data_name: the keyword under which the data may be given.
    """
    index = calls.find(call, data_name)
    position = index if index is not None else 0
    old = call.args[position]
    if calls.has_comment(old.value):
        raise CannotRewrite("a comment stands inside the data")
    if constant.function == "full":
        assert constant.fill is not None
        values = [cst.parse_expression(constant.shape), cst_of(call, constant.fill, site)]
        names = ["size", "fill_value"]
    else:
        values = [cst_of(call, argument, site) for argument in constant.arguments]
        names = ["end"] if len(values) == 1 else ["start", "end", "step"]
    new: list[cst.Arg] = []
    for offset, value in enumerate(values):
        arg = calls.keyword(names[offset], value) if index is not None else cst.Arg(value)
        last = offset == len(values) - 1
        new.append(
            arg.with_changes(comma=old.comma, whitespace_after_arg=old.whitespace_after_arg)
            if last
            else arg.with_changes(comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
        )
    args = [*call.args[:position], *new, *call.args[position + 1 :]]
    return call.with_changes(args=args)


def factory_upload(site: Site, constant: Constant, names: tuple[str, ...]) -> Fix:
    """Rung 1 for ``torch.tensor(<constant>, device=device, ..)``: right on every device."""
    trust = Trust(site)
    trust.stream()
    trust.require(not site.hidden_arguments, "some arguments cannot be seen")
    same_order(site, constant, trust)
    left_out(site, site.argument(None, "pin_memory"), trust)
    for reason in constant.reasons:
        trust.require(False, reason)
    data = site.argument(0, names[0])
    if data is not None:
        trust.no_tensor(site.record.callee, site.value(data), data)
    title = f"Make the tensor on the device with torch.{constant.function}"
    if site.call is None:
        return trust.fix(title)
    try:
        call = only_keywords(bare(site.call), names)
        if calls.find(call, "copy") is not None:
            raise CannotRewrite("the form of the call is not understood")
        call = factory_call(site, call, constant, names[0])
        call = rename(site, _drop(call, "pin_memory"), constant.function)
    except CannotRewrite:
        return trust.fix(title)
    return trust.fix(title, edit_of(site, call))
