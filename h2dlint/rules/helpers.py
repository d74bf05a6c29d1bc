"""Fixes that hand the data to the project's own upload function."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

import libcst as cst

from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Edit, Fix, Transfer
from h2dlint.rules.movers import Movement
from h2dlint.rules.site import Site
from h2dlint.rules.trust import Trust
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite

_PLACE = re.compile(r"\{(data|dtype\??|device|pin)\}")
_TENSOR_KEYWORDS = frozenset({"data", "obj", "dtype", "device", "requires_grad", "pin_memory"})


def helper_upload(
    site: Site, data: ast.expr, device: ast.expr, trust: Trust, names: tuple[str, ...]
) -> Fix | None:
    """``torch.tensor(data, dtype=.., device=..)`` as a call of the helper.

    Args:
        data, device: those arguments of the site's call.
        trust: with what is to be said of stream, device and data.
        names: the function's positional parameters.

    Returns:
        ``None`` where there is no helper, or it does not take this.
    """
    if site.options.profile.way is not Transfer.HELPER or site.call is None or site.snippet is None:
        return None
    value = site.value(data)
    taken = _taken(site, value, site.record.callee == "torch.tensor")
    if taken is None or not _plain(site, names):
        return None
    site.style.reset()
    given = _arguments(site.call, names)
    if not {"device"} <= given.keys() or given.keys() - _TENSOR_KEYWORDS:
        return None
    first = given.get("data", given.get("obj"))
    if first is None or not _false(given.get("requires_grad")):
        return None
    # What is new on the host as well is a list's tensor, and a copy of anything else that torch.tensor makes.
    fresh = taken == "list"
    by_name = {**dict(zip(names, site.node.args, strict=False)), **_keywords(site.node)}
    asked = {"data": data, "dtype": by_name.get("dtype"), "device": device}
    return _call(site, trust, first, given.get("dtype"), given["device"], fresh, asked)


def helper_move(site: Site, found: Movement, trust: Trust) -> Fix | None:
    """``torch.tensor(data, dtype=..).to(device)``, or ``x.to(device)``, as a call of the helper.

    Returns:
        ``None`` where there is no helper, or it does not take this.
    """
    if site.options.profile.way is not Transfer.HELPER or site.call is None or found.destination is not None:
        return None
    if found.move.dtype is not None or found.move.copy is not None or found.not_blocking:
        return None
    func = site.call.func
    if not isinstance(func, cst.Attribute) or calls.has_comment(func.dot):
        return None
    device = _target(site, found)
    if device is None:
        return None
    site.style.reset()
    root = found.root
    if root is not None and root is found.receiver and found.family in ("constructor", "numpy"):
        inner = site.call_node(root)
        if inner is None or not root.args or any(isinstance(a, ast.Starred) for a in root.args):
            return None
        value = site.value(root.args[0])
        taken = _taken(site, value, found.root_callee == "torch.tensor")
        given = _arguments(inner, ("data",))
        if taken in ("list", "array") and "data" in given and not given.keys() - _TENSOR_KEYWORDS:
            if found.root_callee == "torch.from_numpy" and taken != "array":
                return None
            device_given = given.get("device")
            cpu = device_given is None or _code(device_given) in ('"cpu"', "'cpu'")
            if _false(given.get("requires_grad")) and cpu:
                if taken == "array" and "dtype" in given:
                    return None
                asked = {
                    "data": root.args[0],
                    "dtype": _keywords(root).get("dtype"),
                    "device": found.move.target,
                }
                return _call(site, trust, given["data"], given.get("dtype"), device, taken == "list", asked)
    if "tensor" not in site.options.profile.helper_takes or found.family == "legacy":
        return None
    if not found.value.only(Kind.TENSOR):
        return None
    from h2dlint.rules.ladder import can_pin

    can_pin(trust, site, found.receiver, found.value)
    asked = {"data": found.receiver, "device": found.move.target}
    return _call(site, trust, func.value, None, device, False, asked)


def _target(site: Site, found: Movement) -> cst.BaseExpression | None:
    """The device of a move as an argument; ``None`` where the call says more than that."""
    assert site.call is not None
    args = [arg for arg in site.call.args if arg.keyword is None or arg.keyword.value != "non_blocking"]
    if found.move.target is None:
        return cst.SimpleString('"cuda"') if not args else None
    if len(args) != 1 or args[0].star or (args[0].keyword is not None and args[0].keyword.value != "device"):
        return None
    value = site.value(found.move.target)
    if found.move.other:
        return cst.Attribute(args[0].value, cst.Name("device"))
    if site.record.method == "cuda" and not value.only(Kind.DEVICE | Kind.STR):
        return None
    return args[0].value


def _taken(site: Site, value: Value, plain: bool) -> str | None:
    """As what the helper takes a value; ``None`` where it does not.

    Args:
        plain: nothing known says otherwise, and a list is what is given as a rule.
    """
    takes = site.options.profile.helper_takes
    if value.only(Kind.SEQ | Kind.NONE) or (plain and not value.known):
        kind = "list"
    elif value.only(Kind.NDARRAY):
        kind = "array"
    elif value.only(Kind.TENSOR):
        kind = "tensor"
    else:
        return None
    return kind if kind in takes else None


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}


def _in_order(site: Site, template: str, asked: Mapping[str, ast.expr | None]) -> bool:
    """The template evaluates in the order of before whatever may have an effect."""
    from h2dlint.rules.ladder import pure

    given = {name: node for name, node in asked.items() if node is not None and not pure(site, node)}
    before = sorted(given, key=lambda name: (given[name].lineno, given[name].col_offset))
    places = [match.strip("?") for match in _PLACE.findall(template)]
    return before == [name for name in places if name in given]


def _plain(site: Site, names: tuple[str, ...]) -> bool:
    return not site.hidden_arguments and len(site.node.args) <= len(names)


def _arguments(call: cst.Call, names: Sequence[str]) -> dict[str, cst.BaseExpression]:
    given: dict[str, cst.BaseExpression] = {}
    for index, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword is not None else names[index] if index < len(names) else ""
        given[name] = arg.value
    return given


def _false(node: cst.BaseExpression | None) -> bool:
    return node is None or (isinstance(node, cst.Name) and node.value == "False")


def _code(node: cst.BaseExpression) -> str:
    return cst.Module([]).code_for_node(node)


def _call(
    site: Site,
    trust: Trust,
    data: cst.BaseExpression,
    dtype: cst.BaseExpression | None,
    device: cst.BaseExpression,
    fresh: bool,
    asked: Mapping[str, ast.expr | None],
) -> Fix | None:
    """The call of the helper as a fix; ``None`` where the template has no place for something that is needed.

    Args:
        asked: the arguments as ``ast`` has them, by the name of their place.
    """
    assert site.call is not None and site.snippet is not None
    style = site.style
    template = style.profile.helper_call
    if dtype is not None and _code(dtype) == "None":
        dtype = None
    if (dtype is None and "{dtype}" in template) or (dtype is not None and "{dtype" not in template):
        return None
    if "{device}" not in template and _code(device) not in ('"cuda"', "'cuda'"):
        return None
    if any(calls.has_comment(arg) for arg in site.call.args) or calls.has_comment(data):
        return None
    try:
        name = style.helper_name()
        values = {"{data}": data, "{device}": device}
        if dtype is not None:
            values["{dtype}"] = values["{dtype?}"] = dtype
        if "{pin}" in template:
            values["{pin}"] = style.pin(fresh)
        new = _rendered(site.call, name, template, values)
    except CannotRewrite:
        style.reset()
        return None
    style.vouched = fresh
    text = site.snippet.render(new)
    settled = style.settled(text, _code(device))
    span = site.module.source.span(site.node)
    edit: Edit | None = None
    if settled is not None:
        edit = calls.minimal_edit(site.module.source, span, settled)
    trust.require(_in_order(site, template, asked), "the order of evaluation changes")
    short = style.profile.helper.rpartition(".")[2]
    return trust.fix(f"Copy from pinned memory without blocking, by {short}", edit)


def _rendered(call: cst.Call, name: str, template: str, values: dict[str, cst.BaseExpression]) -> cst.Call:
    """The call that a template makes, laid out as the call that it takes the place of."""
    pattern = cst.parse_expression("f" + _PLACE.sub(lambda match: _marker(match.group()), template))
    assert isinstance(pattern, cst.Call)
    args: list[cst.Arg] = []
    for arg in pattern.args:
        text = arg.value.value if isinstance(arg.value, cst.Name) else ""
        place = next((each for each in _PLACES if _marker(each) == text), None)
        if place is None:
            args.append(arg)
        elif place in values:
            args.append(arg.with_changes(value=_closed(values[place], arg)))
    args = _laid_out(call, args)
    return call.with_changes(func=cst.parse_expression(name), args=args, lpar=(), rpar=())


def _closed(value: cst.BaseExpression, arg: cst.Arg) -> cst.BaseExpression:
    """A value in parentheses, where as a keyword argument it needs them."""
    if arg.keyword is None or not isinstance(value, cst.NamedExpr) or value.lpar:
        return value
    return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


_PLACES = ("{data}", "{dtype}", "{dtype?}", "{device}", "{pin}")


def _marker(place: str) -> str:
    return "_h2dlint_" + place.strip("{}").replace("?", "_or_not") + "_"


def _laid_out(call: cst.Call, args: Sequence[cst.Arg]) -> list[cst.Arg]:
    """Arguments with the line breaks of the call."""
    separator: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
    if len(call.args) > 1 and isinstance(call.args[0].comma, cst.Comma):
        separator = call.args[0].comma.whitespace_after
    elif isinstance(call.whitespace_before_args, cst.ParenthesizedWhitespace):
        separator = call.whitespace_before_args
    last = call.args[-1] if call.args else None
    found = [arg.with_changes(comma=cst.Comma(whitespace_after=separator)) for arg in args[:-1]]
    end = args[-1].with_changes(
        comma=last.comma if last is not None else cst.MaybeSentinel.DEFAULT,
        whitespace_after_arg=last.whitespace_after_arg if last is not None else cst.SimpleWhitespace(""),
    )
    return [*found, end]
