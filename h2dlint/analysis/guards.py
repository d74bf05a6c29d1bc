"""What a condition says of the values that it tests: ``if x is None``, ``if x.is_cuda``, ``isinstance``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.records import NO_CUDA, Env, Frame, join_env
from h2dlint.analysis.values import Kind, Value, replace
from h2dlint.model import Confidence

if TYPE_CHECKING:
    from h2dlint.analysis.expressions import Expressions

_TYPES: dict[str, int] = {
    "builtins.int": Kind.INT | Kind.BOOL,
    "builtins.float": Kind.FLOAT,
    "builtins.bool": Kind.BOOL,
    "builtins.complex": Kind.COMPLEX,
    "builtins.str": Kind.STR,
    "builtins.list": Kind.SEQ,
    "builtins.tuple": Kind.SEQ,
    "builtins.set": Kind.DICT,
    "builtins.range": Kind.SEQ,
    "builtins.dict": Kind.DICT,
    "torch.Tensor": Kind.TENSOR,
    "torch.nn.Parameter": Kind.TENSOR,
    "torch.device": Kind.DEVICE,
    "torch.dtype": Kind.DTYPE,
    "torch.Size": Kind.SEQ,
    "numpy.ndarray": Kind.NDARRAY,
    "numpy.generic": Kind.NPSCALAR,
    "numpy.number": Kind.NPSCALAR,
    "numpy.integer": Kind.NPSCALAR,
    "numpy.floating": Kind.NPSCALAR | Kind.FLOAT,
    "numpy.bool_": Kind.NPSCALAR,
    "numbers.Number": V.PYSCALAR | Kind.NPSCALAR,
    "numbers.Real": V.PYSCALAR | Kind.NPSCALAR,
    "numbers.Integral": Kind.INT | Kind.BOOL | Kind.NPSCALAR,
    "collections.abc.Sequence": Kind.SEQ | Kind.STR,
    "typing.Sequence": Kind.SEQ | Kind.STR,
    "typing.List": Kind.SEQ,
    "typing.Tuple": Kind.SEQ,
    "typing.Dict": Kind.DICT,
}


def refine(test: ast.expr, env: Env, truth: bool, interp: Expressions, frame: Frame) -> Env | None:
    """``env`` (changed in place where convenient) where ``test`` came out as ``truth``.

    ``test`` must have been evaluated already. ``None`` where the branch cannot be taken.
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return refine(test.operand, env, not truth, interp, frame)
    if isinstance(test, ast.BoolOp):
        return _refine_bool(test, env, truth, interp, frame)
    if isinstance(test, ast.Constant):
        return env if bool(test.value) is truth else None
    if isinstance(test, ast.NamedExpr):
        return refine(test.target, env, truth, interp, frame)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        _refine_compare(test, env, truth, interp)
    elif isinstance(test, ast.Call):
        _refine_call(test, env, truth, interp)
    elif isinstance(test, ast.Attribute) and test.attr in ("is_cuda", "is_cpu"):
        mask = V.CUDA if test.attr == "is_cuda" else V.CPU
        _narrow_device(test.value, env, mask if truth else ~mask, interp)
    elif truth and isinstance(test, (ast.Name, ast.Attribute)):
        _narrow_kind(test, env, ~Kind.NONE, interp)
    return env


def _refine_bool(test: ast.BoolOp, env: Env, truth: bool, interp: Expressions, frame: Frame) -> Env | None:
    if isinstance(test.op, ast.And) is truth:
        current: Env | None = env
        for operand in test.values:
            if current is None:
                return None
            current = refine(operand, current, truth, interp, frame)
        return current
    result: Env | None = None
    before: Env | None = env
    for operand in test.values:
        if before is None:
            break
        result = join_env(result, refine(operand, before.copy(), truth, interp, frame))
        before = refine(operand, before, not truth, interp, frame)
    return result


def _value(node: ast.expr, interp: Expressions) -> Value:
    return interp.lookup().get(id(node), V.UNKNOWN)


def _current(node: ast.expr, env: Env, interp: Expressions) -> Value:
    """The value of a name or path in ``env``, which a guard before may have narrowed."""
    if isinstance(node, ast.Name):
        return env.names.get(node.id, _value(node, interp))
    path = dotted(node)
    if path is not None and path in env.paths:
        return env.paths[path]
    return _value(node, interp)


def _store(node: ast.expr, env: Env, value: Value) -> None:
    if isinstance(node, ast.NamedExpr):
        node = node.target
    if isinstance(node, ast.Name):
        env.names[node.id] = value
    elif isinstance(node, ast.Attribute):
        path = dotted(node)
        if path is not None:
            env.paths[path] = value


def _narrow_kind(node: ast.expr, env: Env, mask: int, interp: Expressions) -> None:
    if isinstance(node, ast.NamedExpr):
        node = node.target
    value = _current(node, env, interp)
    kind = value.kind & mask
    if not kind or kind == value.kind:
        return
    device = value.device
    if not kind & Kind.NONE:
        device = device & ~V.UNSET or V.SOME_DEVICE
    narrowed = replace(value, kind=kind, device=device)
    if value.kind == V.ANY and not narrowed.why:
        narrowed = replace(narrowed, why=f"checked at line {node.lineno}", confidence=Confidence.HIGH)
    _store(node, env, narrowed)


def _narrow_device(node: ast.expr, env: Env, mask: int, interp: Expressions) -> None:
    value = _current(node, env, interp)
    device = value.device & mask & ~V.UNSET
    if device and device != value.device:
        kind = Kind.TENSOR if value.kind == V.ANY else value.kind
        _store(
            node,
            env,
            replace(value, device=device, kind=kind, why=value.why or f"checked at line {node.lineno}"),
        )


def _narrow_memory(node: ast.expr, env: Env, mask: int, interp: Expressions) -> None:
    value = _current(node, env, interp)
    memory = value.memory & mask
    if value.may(Kind.TENSOR) and memory and memory != value.memory:
        device = V.CPU if not memory & V.PAGEABLE and value.device & V.CPU else value.device
        kind = Kind.TENSOR if value.kind == V.ANY else value.kind
        why = value.why or f"checked at line {node.lineno}"
        _store(node, env, replace(value, kind=kind, device=device, memory=memory, why=why))


def _refine_compare(test: ast.Compare, env: Env, truth: bool, interp: Expressions) -> None:
    op, left, right = test.ops[0], test.left, test.comparators[0]
    positive = isinstance(op, (ast.Is, ast.Eq, ast.In)) is truth
    if isinstance(right, ast.Constant) and right.value is None:
        if positive:
            if isinstance(op, (ast.Is, ast.IsNot)):
                value = _current(left, env, interp)
                if value.may(Kind.NONE):
                    _store(left, env, V.NONE)
        else:
            _narrow_kind(left, env, ~Kind.NONE, interp)
        return
    if isinstance(op, (ast.In, ast.NotIn)):
        if isinstance(left, ast.Constant) and isinstance(left.value, str):
            # "cuda" in str(device)
            _device_text(right, left.value, env, positive, interp)
            return
        if isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            names = [e.value for e in right.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            if names and len(names) == len(right.elts):
                mask = 0
                for name in names:
                    mask |= V.device_of_name(name)
                # ``device.type`` is a bare name; what else is compared may be ``"cuda:1"``.
                exact = isinstance(left, ast.Attribute) and left.attr == "type"
                _device_test(left, mask, env, positive, interp, exact)
        return
    if isinstance(op, (ast.Eq, ast.NotEq)):
        for side, other in ((left, right), (right, left)):
            value = _value(other, interp)
            if isinstance(value.const, str) and value.const.split(":")[0] in (
                "cuda",
                "cpu",
                "mps",
                "meta",
                "npu",
                "xpu",
                "hpu",
            ):
                _device_test(
                    side, V.device_of_name(value.const), env, positive, interp, exact=":" not in value.const
                )
                return
            if value.only(Kind.DEVICE) and value.device in (V.CUDA, V.CPU) and positive:
                _device_test(side, value.device, env, positive, interp, exact=True)
                return


def _device_test(
    node: ast.expr, mask: int, env: Env, positive: bool, interp: Expressions, exact: bool
) -> None:
    """``node`` is ``x.device.type``, ``device.type``, ``device`` or ``str(device)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
        node = node.args[0]
    if isinstance(node, ast.Attribute) and node.attr == "type":
        node = node.value
    if mask == V.OTHER and not positive:
        return
    wanted = mask if positive else ~mask if exact or mask in (V.CUDA, V.CPU) else -1
    _narrow_device_of(node, env, wanted, interp)


def _narrow_device_of(node: ast.expr, env: Env, mask: int, interp: Expressions) -> None:
    value = _current(node, env, interp)
    device = value.device & mask
    if device and device != value.device:
        _store(node, env, replace(value, device=device))
    if isinstance(node, ast.Attribute) and node.attr == "device":
        base = _current(node.value, env, interp)
        narrowed = base.device & mask
        if narrowed and narrowed != base.device and base.may(Kind.TENSOR):
            _store(node.value, env, replace(base, device=narrowed))
            path = dotted(node)
            if path is not None:
                env.paths[path] = replace(value, device=device or value.device)


def _device_text(node: ast.expr, text: str, env: Env, positive: bool, interp: Expressions) -> None:
    if text in ("cuda", "cpu", "mps", "npu", "xpu"):
        _device_test(node, V.device_of_name(text), env, positive, interp, exact=True)


def _refine_call(test: ast.Call, env: Env, truth: bool, interp: Expressions) -> None:
    func = _value(test.func, interp)
    if func.qual == "builtins.isinstance" and len(test.args) == 2:
        mask = _type_mask(test.args[1], interp, known_only=not truth)
        if mask:
            _narrow_kind(test.args[0], env, mask if truth else ~mask, interp)
    elif func.qual in ("torch.cuda.is_available", "torch.cuda.is_initialized") and not truth:
        env.paths[NO_CUDA] = V.NONE
    elif func.qual == "torch.is_tensor" and test.args:
        _narrow_kind(test.args[0], env, Kind.TENSOR if truth else ~Kind.TENSOR, interp)
    elif isinstance(test.func, ast.Attribute) and test.func.attr == "is_pinned" and not test.args:
        _narrow_memory(test.func.value, env, V.ANY_MEMORY & ~V.PAGEABLE if truth else ~V.ANY_PINNED, interp)
    elif isinstance(test.func, ast.Attribute) and test.func.attr == "startswith" and test.args:
        argument = test.args[0]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            _device_text(test.func.value, argument.value.rstrip(":"), env, truth, interp)


def _type_mask(node: ast.expr, interp: Expressions, known_only: bool) -> int:
    """The kinds of a class or tuple of classes; 0 where nothing can be said."""
    if isinstance(node, ast.Tuple):
        mask = 0
        for item in node.elts:
            one = _type_mask(item, interp, known_only)
            if not one and not known_only:
                return 0
            mask |= one
        return mask
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = (_type_mask(side, interp, known_only) for side in (node.left, node.right))
        return left | right if (left and right) or known_only else 0
    return _TYPES.get(_value(node, interp).qual or "", 0)
