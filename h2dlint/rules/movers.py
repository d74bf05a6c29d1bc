"""Reading ``host_tensor.to(device)`` and its kin, and the fixes that its rules share."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

import libcst as cst

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.moves import Move, parse_move
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence, Fix
from h2dlint.rules.constants import Constant, constant_form
from h2dlint.rules.ladder import bare, can_pin, cst_of, edit_of, factory_call, pins_in_constructor, pure, rename, same_order
from h2dlint.rules.site import Case, Site, Trust, looks_like_device
from h2dlint.syntax import calls
from h2dlint.syntax.calls import CannotRewrite

METHODS = frozenset({"to", "cuda", "type_as"})
_TRUE = cst.Name("True")

KEEPS_STRIDES = frozenset(
    """view reshape unsqueeze squeeze flatten ravel t transpose permute movedim swapaxes swapdims contiguous clone
    repeat view_as reshape_as""".split()
)
"""Methods after which a factory's result has the same strides, made on the device or moved there."""

_KEEPS_MEMORY = KEEPS_STRIDES - {"repeat", "clone", "contiguous"}
"""Methods after which a pinned source is still pinned and dense."""

_LIST = re.compile(
    r"(?:list|tuple) (?:built|at)|comprehension|(?:list|tuple|sorted)\(\)|\.tolist\(\)"
    r"|(?:parameter|field) [\w.]+: (?:typing\.)?(?:Optional\[)?[Ll]ist\b"
)
"""Evidence for a list (or a tuple that is not a ``torch.Size``)."""

_EXACT_CASTS = frozenset({"long", "int", "float", "double", "bool"})
"""Casts that give the same values on the host and on the device, for what factories make."""


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
    callee = _callee(site, root)
    origin = root
    if origin is None and value.origins:
        origin = value.origins[0]
    if origin is not None and site.value(origin).device != V.CPU:
        # Made elsewhere and brought back: the factory did not make it on the host.
        root, callee, origin = None, "", None
    found = Movement(func.value, value, move, root, callee, chain, _family(_callee(site, origin)))
    if not _weigh(site, found):
        return None
    return found


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _callee(site: Site, call: ast.Call | None) -> str:
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
    case.say(f"source: {site.code(found.receiver)}: pageable host tensor, {found.value.why}", found.value.confidence)
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
        case.say(f"device: {code}" + (" (a tensor)" if move.other else ""))
    elif target.known and not target.may(V.DEVICE_LIKE | Kind.TENSOR):
        return False
    elif "dtype" in code.lower():
        return False
    else:
        strength = Confidence.HIGH if looks_like_device(move.target) else Confidence.MEDIUM
        case.say(f"device: {code}, not known to be a device", strength)
    return True


def non_blocking(call: cst.Call, site: Site, method: str) -> cst.Call:
    """The move with ``non_blocking=True``; ``type_as`` becomes ``to``."""
    func = call.func
    assert isinstance(func, cst.Attribute)
    if method == "type_as":
        call = call.with_changes(func=func.with_changes(attr=cst.Name("to")))
    index = calls.find(call, "non_blocking")
    if index is None:
        for position, arg in enumerate(call.args):
            if arg.keyword is None and isinstance(arg.value, cst.Name) and arg.value.value == "False" and position:
                return calls.replace(call, position, cst.Arg(_TRUE))
    return calls.set_keyword(call, "non_blocking", _TRUE)


def pinned_move(site: Site, found: Movement) -> Fix:
    """Rung 2: pin the source and move it without blocking."""
    trust = Trust(site)
    trust.stream()
    trust.device(found.move.device, found.move.target)
    trust.require(found.move.sure, f"{_name(site, found)} is not proven to be a device")
    trust.require(found.value.confidence is Confidence.HIGH, "the place of the tensor rests on weak evidence")
    title = "Copy from pinned memory without blocking"
    if site.call is None:
        return trust.fix(title)
    try:
        result = _pin_source(site, found, trust)
    except CannotRewrite:
        return trust.fix(title)
    return trust.fix(title, edit_of(site, result))


def _name(site: Site, found: Movement) -> str:
    return site.code(found.move.target) if found.move.target is not None else "cuda"


def _pin_source(site: Site, found: Movement, trust: Trust) -> cst.Call:
    """The move, not blocking, with its source pinned: where it is made, or just before it is moved."""
    assert site.call is not None and site.record.method is not None
    call = non_blocking(bare(site.call), site, site.record.method)
    if found.family == "legacy" and found.root is not None and len(found.root.args) == 1:
        data = found.root.args[0]
        trust.require(is_list(site, data), f"{site.code(data)} may be a torch.Size, which is no data")
    swap = _pinned_root(site, found)
    if swap is not None:
        changed = call.deep_replace(*swap)
        assert isinstance(changed, cst.Call)
        return changed
    can_pin(trust, site, found.receiver, found.value)
    if found.value.memory & V.EXPANDED:
        call = calls.chain(call, "clone")
    return calls.chain(call, "pin_memory")


def _pinned_root(site: Site, found: Movement) -> tuple[cst.Call, cst.Call] | None:
    """The constructor under the move and its pinned form; ``None`` where it cannot be pinned there."""
    root = found.root
    if root is None or any(step not in _KEEPS_MEMORY for step in found.chain):
        return None
    if found.family == "legacy":
        return _legacy(site, root)
    inner = site.call_node(root)
    if inner is None or found.root_callee not in T.CONSTRUCTORS or any(arg.star for arg in inner.args):
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
    return inner, calls.set_keyword(new, "pin_memory", _TRUE)


def is_list(site: Site, node: ast.expr) -> bool:
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
    torch = site.module.name_of_torch()
    if inner is None or torch is None or len(inner.args) != 1 or inner.args[0].keyword is not None:
        return None
    if not pins_in_constructor(site.value(root.args[0])):
        return None
    return inner, legacy_as_tensor(site, inner, _callee(site, root), torch)


def legacy_as_tensor(site: Site, inner: cst.Call, callee: str, torch: str) -> cst.Call:
    """A legacy constructor over a list as a pinned ``torch.tensor`` with the dtype spelled out."""
    dtype = T.LEGACY[callee.removeprefix("torch.").removeprefix("cuda.")]
    new = bare(inner).with_changes(func=cst.parse_expression(f"{torch}.tensor"))
    new = calls.append(new, calls.keyword("dtype", cst.parse_expression(f"{torch}.{dtype}")))
    if site.record.default_device != V.CPU:
        new = calls.append(new, calls.keyword("device", cst.SimpleString('"cpu"')))
    return calls.append(new, calls.keyword("pin_memory", _TRUE))


def _device_argument(site: Site, found: Movement, trust: Trust) -> cst.BaseExpression:
    """The target of the move as a ``device=`` argument.

    Raises:
        CannotRewrite: it cannot be one.
    """
    target = found.move.target
    if target is None:
        return cst.SimpleString('"cuda"')
    value = site.value(target)
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


def factory_move(site: Site, found: Movement) -> Fix | None:
    """Rung 1: make the factory's tensor on the device; ``None`` where that may give another tensor."""
    root = found.root
    if root is None or site.call is None or found.move.copy is not None:
        return None
    if found.root_callee in ("torch.linspace", "torch.logspace") or "window" in found.root_callee:
        return None
    if any(step not in KEEPS_STRIDES | _EXACT_CASTS for step in found.chain):
        return None
    given = {k.arg for k in root.keywords}
    if given & {"out", "layout", "generator", "requires_grad", "names", None}:
        return None
    if found.root_callee == "torch.arange" and not all(site.value(a).only(Kind.INT) for a in root.args):
        # A float arange is computed in another order on the device.
        return None
    if any(isinstance(a, ast.Starred) for a in root.args) or any(
        site.value(a).may(Kind.TENSOR) and site.value(a).known for a in root.args
    ):
        return None
    trust = Trust(site)
    trust.stream()
    for step in _EXACT_CASTS & set(found.chain):
        trust.require(found.root_callee in ("torch.zeros", "torch.ones", "torch.arange", "torch.eye"), f".{step}()")
    inner = site.call_node(root)
    if inner is None:
        return None
    try:
        device = _device_argument(site, found, trust)
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


def _with_dtype(site: Site, found: Movement, new: cst.Call, trust: Trust) -> cst.Call:
    """Take the dtype of the move into the factory."""
    move = found.move
    if move.dtype is None and not move.other:
        return new
    if found.chain and set(found.chain) & _EXACT_CASTS:
        raise CannotRewrite("the dtype is converted twice")
    if calls.find(new, "dtype") is not None:
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
    if root is None or found.chain or found.move.dtype is not None or found.move.other or found.move.copy is not None:
        return None
    if found.root_callee not in ("torch.tensor", "torch.as_tensor") or not root.args or site.call is None:
        return None
    keywords = {k.arg: k.value for k in root.keywords}
    if set(keywords) - {"dtype"} or len(root.args) != 1:
        return None
    dtype = keywords.get("dtype")
    constant: Constant | None = constant_form(root.args[0], site.value, site.value(dtype) if dtype else None)
    inner = site.call_node(root)
    if constant is None or inner is None:
        return None
    trust = Trust(site)
    trust.stream()
    same_order(site, constant, trust)
    for reason in constant.reasons:
        trust.require(False, reason)
    try:
        device = _device_argument(site, found, trust)
        record = site.module.call_of(root)
        assert record is not None
        new = factory_call(site, bare(inner), constant, "data")
        if isinstance(new.func, cst.Attribute):
            new = new.with_changes(func=new.func.with_changes(attr=cst.Name(constant.function)))
        else:
            new = rename(site, new, constant.function)
        new = calls.append(new, calls.keyword("device", device))
    except CannotRewrite:
        return None
    return trust.fix(f"Make the tensor on the device with torch.{constant.function}", edit_of(site, new))
