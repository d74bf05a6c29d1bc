"""Parts of device tensors, read and assigned to, as the rules about them ask: the tensor, the index, the rewriting."""

from __future__ import annotations

import ast
import math
import re

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import FunctionInfo
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence
from h2dlint.rules.host_indices import HostIndex, host_indices, put_indices
from h2dlint.rules.place import Case, Place
from h2dlint.rules.rewriter import Rewriter, whole
from h2dlint.rules.site import SubscriptSite
from h2dlint.rules.trust import Trust

INDEX_DTYPES = frozenset({"int64", "int32"})
"""Dtypes of a tensor that selects by position; ``bool`` and ``uint8`` are masks."""

_DEVICES = re.compile(r"\.device\b|\bdevice\s*=|\bcuda\b")


_ON_HOST = re.compile(r"(?:^|_)(?:cpu|host|np|numpy)(?:_|$)")


def weigh_tensor(place: Place, node: ast.expr, case: Case, doubted: bool = False) -> bool:
    """Say in ``case`` whether a tensor is on an accelerator.

    Args:
        doubted: what it meets is on the host, so that it may well be there too.

    Returns:
        False where it is not, so that there is nothing to report.
    """
    value = place.value(node)
    mask = value.device
    if not mask & V.CUDA or not value.only(Kind.TENSOR | Kind.NONE):
        return False
    code = place.code(node)
    function = place.record.function
    part = whole(place, node)
    hardware = place.module.other_hardware(function)
    if mask == V.CUDA:
        case.say(f"tensor: {code}: on CUDA" + (f", {value.why}" if value.why else ""), value.confidence)
    elif hardware:
        case.say(f"tensor: {code}, in code for {hardware}", Confidence.LOW)
    elif mask & ~V.UNSET != V.SOME_DEVICE:
        case.say(f"tensor: {code}, on CUDA on one branch", min(Confidence.MEDIUM, value.confidence))
    elif _named_for_the_host(node):
        case.say(f"tensor: {code}, on the host by its name", Confidence.LOW)
    elif not _made_there(place, place.value(part), case, place.code(part)):
        near = "" if doubted else _speaks_of_devices(place)
        case.say(
            f"tensor: {code}, its device is not known" + (f"; {near}" if near else ""),
            min(Confidence.MEDIUM if near else Confidence.LOW, value.confidence),
        )
    return True


def _named_for_the_host(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return bool(_ON_HOST.search(name))


def _made_there(place: Place, value: Value, case: Case, code: str) -> bool:
    """The tensor was made with a device that is one for certain, if not which."""
    devices = [k.value for call in value.origins for k in call.keywords if k.arg == "device"]
    if not devices or len(devices) < len(value.origins):
        return False
    if not all(place.value(d).only(Kind.DEVICE) and place.value(d).device & V.CUDA for d in devices):
        return False
    strength = min(place.value(d).confidence for d in devices)
    case.say(f"tensor: {code}: made at line {value.origins[0].lineno} on {place.code(devices[0])}", strength)
    return True


def _speaks_of_devices(place: Place) -> str:
    """Why a tensor of unknown device may well be on an accelerator: weak evidence; empty if there is none."""
    function = place.record.function
    while function is not None:
        if function.owner is not None and any(base.endswith("Module") for base in function.owner.bases):
            return f"{function.owner.name} is a module"
        if function.parent is None and _handles_devices(place, function):
            return f"{function.name} handles devices"
        function = function.parent
    return ""


def _handles_devices(place: Place, function: FunctionInfo) -> bool:
    source = place.module.source
    first, last = function.lines
    end = source.offset(last, source.span(function.node).end_column)
    return _DEVICES.search(source.code, source.offset(first, 1), end) is not None


_EXACT_DTYPES = frozenset("float32 float64 int64 int32 int16 int8 uint8 bool".split())
"""Dtypes in which ``x[i] = v``, ``fill_`` and ``torch.full`` convert a scalar alike, and raise alike (measured)."""
_FITS_EVERYWHERE = 448
"""The largest number that float8_e4m3fn holds: beyond it an assignment overflows without a word."""


def require_fitting(trust: Trust, tensor: Value, scalar: Value) -> None:
    """Assigning a scalar that a short float cannot hold gives inf, where ``fill_`` and ``torch.full`` raise.

    What is not finite is converted alike by all of them, in every dtype (measured).
    """
    fits = scalar.only(Kind.BOOL) or (
        isinstance(scalar.const, (int, float))
        and (abs(scalar.const) <= _FITS_EVERYWHERE or not math.isfinite(scalar.const))
    )
    trust.require(
        fits or tensor.dtype in _EXACT_DTYPES,
        "a number that a short float cannot hold raises, where the assignment gives inf",
    )


def single_assignment(site: SubscriptSite) -> ast.Assign | None:
    """The statement ``tensor[index] = value``, if it is that and nothing else."""
    statement = site.record.statement
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    return statement if statement.targets[0] is site.node else None


__all__ = [
    "INDEX_DTYPES",
    "HostIndex",
    "Rewriter",
    "host_indices",
    "put_indices",
    "require_fitting",
    "single_assignment",
    "weigh_tensor",
]
