"""Subscripts of device tensors: what stands in the brackets, what is assigned, and how it gets to the device."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import FunctionInfo
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence, Edit, Span
from h2dlint.rules.constants import constant_form
from h2dlint.rules.ladder import can_pin, pins_in_constructor, pure
from h2dlint.rules.place import Case, Place
from h2dlint.rules.site import Site, SubscriptSite
from h2dlint.rules.trust import Trust
from h2dlint.syntax.calls import CannotRewrite

INDEX_DTYPES = frozenset({"int64", "int32"})
"""Dtypes of a tensor that selects by position; ``bool`` and ``uint8`` are masks."""

_DEVICES = re.compile(r"\.device\b|\bdevice\s*=|\bcuda\b")


MASKS_ARE_PINNED = (2, 9)
"""The version of torch from which indexing by a host mask does not wait (PyTorch pull request 156384)."""

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
    hardware = place.module.other_hardware(function)
    if mask == V.CUDA:
        case.say(f"tensor: {code}: on CUDA" + (f", {value.why}" if value.why else ""), value.confidence)
    elif hardware:
        case.say(f"tensor: {code}, in code for {hardware}", Confidence.LOW)
    elif mask & ~V.UNSET != V.SOME_DEVICE:
        case.say(f"tensor: {code}, on CUDA on one branch", min(Confidence.MEDIUM, value.confidence))
    elif _named_for_the_host(node):
        case.say(f"tensor: {code}, on the host by its name", Confidence.LOW)
    elif not _made_there(place, value, case, code):
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
        if function.parent is None and _DEVICES.search(place.module.source.slice(_whole(place, function))):
            return f"{function.name} handles devices"
        function = function.parent
    return ""


def _whole(place: Place, function: FunctionInfo) -> Span:
    first, last = function.lines
    return Span(first, 1, last, place.module.source.span(function.node).end_column)


@dataclass(slots=True)
class HostIndex:
    """One index that has to be copied to the device.

    Args:
        form: ``list``, ``array`` or ``tensor``.
        mask: it is, or may be, a boolean mask.
    """

    node: ast.expr
    value: Value
    form: str
    mask: bool


def host_indices(site: SubscriptSite, case: Case) -> list[HostIndex]:
    """The indices of a subscript that are on the host for certain; ``case`` gets the evidence."""
    alone = not isinstance(site.node.slice, ast.Tuple)
    return _on_host(site, site.indices, case, alone, site.record.stored is not None)


def put_indices(site: Site, case: Case) -> list[HostIndex]:
    """The same for the indices that ``index_put_`` is given."""
    indices = site.argument(0, "indices")
    if not isinstance(indices, (ast.Tuple, ast.List)):
        return []
    tensors = [node for node in indices.elts if site.value(node).only(Kind.TENSOR)]
    return _on_host(site, tensors, case, alone=False, stored=True)


def _on_host(place: Place, nodes: list[ast.expr], case: Case, alone: bool, stored: bool) -> list[HostIndex]:
    found = []
    for node in nodes:
        index = _host_index(place, node, alone, stored)
        if index is None:
            continue
        told = f", {index.value.why}" if index.value.why else ""
        noun = {"list": "list", "array": "ndarray", "tensor": "host tensor"}[index.form]
        case.say(f"index: {place.code(index.node)}: {noun}{told}", _strength(index, alone))
        found.append(index)
    return found


def _strength(index: HostIndex, alone: bool) -> Confidence:
    """How sure it is that the index is copied."""
    elem, value = index.value.elem, index.value
    strength = value.confidence
    if index.form == "list" and (elem is None or not elem.known):
        # A list of slices is a tuple of them.
        shown = isinstance(index.node, ast.List)
        strength = min(strength, Confidence.LOW if alone and not shown else Confidence.MEDIUM)
    if index.form == "tensor" and not value.has_dims and value.size is None and not value.origins:
        # With no dimension it is read as a number.
        strength = Confidence.LOW
    if index.form == "tensor" and index.mask and value.dtype is None and not value.origins:
        strength = Confidence.LOW
    return strength


def _host_index(site: Place, node: ast.expr, alone: bool, stored: bool) -> HostIndex | None:
    if isinstance(node, (ast.Slice, ast.Constant, ast.Starred)):
        return None
    value = site.value(node)
    if value.only(Kind.SEQ):
        # A tuple as the whole index is one index for each dimension.
        if alone and not _is_list(site, node):
            return None
        elem = value.elem
        if value.items == () or (elem is not None and elem.known and not elem.only(Kind.INT | Kind.BOOL)):
            return None
        return HostIndex(node, value, "list", elem is None or elem.may(Kind.BOOL))
    if value.only(Kind.NDARRAY):
        return HostIndex(node, value, "array", value.dtype is None or value.dtype == "bool")
    if value.only(Kind.TENSOR) and value.device == V.CPU and value.ndim != 0:
        mask = value.dtype in ("bool", "uint8")
        if mask and not stored and site.options.torch_version >= MASKS_ARE_PINNED:
            # Where its ones are is found on the host, and sent through pinned memory.
            return None
        if value.dtype is None and not value.has_dims and _may_be_scalar(node):
            return None
        return HostIndex(node, value, "tensor", mask or value.dtype is None)
    return None


def _may_be_scalar(node: ast.expr) -> bool:
    """``idx[i]`` and ``idx.argmax()`` may have no dimension, and are read as a number then."""
    return isinstance(node, ast.Subscript) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args
    )


_LIST = re.compile(
    r"list (?:built|at)|comprehension|(?:list|sorted|range)\(\)|\.tolist\(\)"
    r"|(?:parameter|field) [\w.]+: (?:typing\.)?(?:Optional\[)?[Ll]ist\b"
)
"""Evidence for a list or a range, and no tuple."""


def _is_list(site: Place, node: ast.expr) -> bool:
    if isinstance(node, (ast.List, ast.ListComp)):
        return True
    if isinstance(node, ast.Call):
        return site.value(node.func).qual in ("builtins.range", "builtins.list", "builtins.sorted")
    return bool(_LIST.match(site.value(node).why.removeprefix(f"{site.code(node)}: ")))


class Rewriter:
    """Rewrites expressions that have to get to the device of a tensor, in place.

    Args:
        place: where they stand.
        tensor: a tensor of that device, evaluated before them.
        trust: gathers why the fix is not safe.

    Raises:
        CannotRewrite: the tensor cannot be named twice, or the module has no name for torch.
    """

    def __init__(self, place: Place, tensor: ast.expr, trust: Trust) -> None:
        self._place, self._trust = place, trust
        torch = place.module.name_of_torch(place.record.function)
        if place.found is None or torch is None or not pure(place, tensor):
            raise CannotRewrite("the tensor cannot be named twice")
        self._torch = torch
        self._tensor = self.text(tensor)
        if "\n" in self._tensor or not isinstance(tensor, (ast.Name, ast.Attribute, ast.Subscript)):
            raise CannotRewrite("the tensor spans lines")

    def text(self, node: ast.expr) -> str:
        """The source of an expression."""
        source = self._place.module.source
        return source.slice(source.span(node))

    @property
    def device(self) -> str:
        """Source of the tensor's device."""
        return f"{self._tensor}.device"

    def scalar(self, text: str) -> str:
        """Source of a scalar on the device, in the tensor's own dtype."""
        return f"{self._torch}.full((), {text}, dtype={self._tensor}.dtype, device={self.device})"

    def index(self, index: HostIndex) -> list[Edit]:
        """An index that is made on the device, or copied there from pinned memory."""
        if index.form == "tensor":
            return self.tensor(index.node, index.value)
        if index.form == "array":
            can_pin(self._trust, self._place, index.node, index.value)
            return self._around(index.node, f"{self._torch}.as_tensor(", f").pin_memory(){self._moved}")
        return self._listed(index)

    def _listed(self, index: HostIndex) -> list[Edit]:
        node, elem = index.node, index.value.elem
        if elem is None or not elem.only(Kind.INT):
            raise CannotRewrite("what the list holds is not known")
        self._trust.require(
            index.value.confidence is Confidence.HIGH and elem.confidence is Confidence.HIGH,
            f"the kind of {self._place.code(node)} rests on weak evidence",
        )
        whole = Value(kind=Kind.DTYPE, dtype="int64")
        constant = constant_form(node, self._place.value, whole)
        if constant is not None and not constant.reasons:
            if constant.function == "full" and constant.fill is not None:
                arguments = f"{constant.shape}, {self.text(constant.fill)}"
            else:
                arguments = ", ".join(map(ast.unparse, constant.arguments))
            new = f"{self._torch}.{constant.function}({arguments}, device={self.device})"
            if "\n" not in self.text(node) and "#" not in self.text(node):
                return [Edit(self._place.module.source.span(node), new)]
        # An empty list gives a tensor of floats, which is no index.
        dtype = "" if isinstance(node, ast.List) and node.elts else f", dtype={self._torch}.int64"
        after = f"{dtype}{self._cpu}, pin_memory=True){self._moved}"
        return self._around(node, f"{self._torch}.tensor(", after)

    @property
    def _moved(self) -> str:
        return f".to({self.device}, non_blocking=True)"

    @property
    def _cpu(self) -> str:
        """Under a default device a new tensor would be made there."""
        return "" if self._place.record.default_device == V.CPU else ', device="cpu"'

    def tensor(self, node: ast.expr, value: Value) -> list[Edit]:
        """A host tensor that is made on the device, or copied there from pinned memory."""
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
            raise CannotRewrite("the tensor is no plain expression")
        self._trust.require(
            value.confidence is Confidence.HIGH, "the place of the tensor rests on weak evidence"
        )
        if value.memory == V.PINNED:
            self._trust.require(
                isinstance(node, ast.Call),
                f"{self._place.code(node)} may be written again before it is copied",
            )
            return self._around(node, "", self._moved)
        made = self._made(node)
        if made is not None:
            return made
        can_pin(self._trust, self._place, node, value)
        dense = ".clone()" if value.memory & V.EXPANDED else ""
        return self._around(node, "", f"{dense}.pin_memory(){self._moved}")

    def _made(self, node: ast.expr) -> list[Edit] | None:
        """A constructor or a factory called on the spot."""
        if (
            not isinstance(node, ast.Call)
            or any(isinstance(a, ast.Starred) for a in node.args)
            or not node.args
        ):
            return None
        given = {keyword.arg for keyword in node.keywords}
        record = self._place.module.call_of(node)
        callee = record.callee if record is not None else None
        if given - {"dtype"}:
            return None
        values = [self._place.value(argument) for argument in node.args]
        if callee in ("torch.arange", "torch.zeros", "torch.ones") and all(v.only(Kind.INT) for v in values):
            return self._appended(node, f"device={self.device}", "")
        if callee == "torch.tensor" and len(values) == 1 and pins_in_constructor(values[0]):
            cpu = self._cpu.removeprefix(", ")
            return self._appended(node, ", ".join(filter(None, (cpu, "pin_memory=True"))), self._moved)
        return None

    def _appended(self, node: ast.Call, keyword: str, after: str) -> list[Edit] | None:
        """Another keyword argument behind the last one, and something behind the call."""
        source = self._place.module.source
        last = max(
            [*node.args, *(k.value for k in node.keywords)], key=lambda n: (n.end_lineno, n.end_col_offset)
        )
        end, close = source.span(last), source.span(node)
        tail = Span(end.end_line, end.end_column, close.end_line, close.end_column)
        if source.slice(tail) != ")":
            # A trailing comma, a comment or a parenthesis.
            return None
        return [Edit(tail, f", {keyword}){after}")]

    def _around(self, node: ast.expr, before: str, after: str) -> list[Edit]:
        source = self._place.module.source
        span = source.span(node)
        if span.line != span.end_line:
            raise CannotRewrite("the expression spans lines")
        if isinstance(node, (ast.NamedExpr, ast.Yield, ast.Starred)) or "#" in self.text(node):
            raise CannotRewrite("the expression is not understood")
        return [Edit(span, f"{before}{self.text(node)}{after}")]


_EXACT_DTYPES = frozenset("float32 float64 int64 int32 int16 int8 uint8 bool".split())
"""Dtypes in which ``x[i] = v``, ``fill_`` and ``torch.full`` convert a scalar alike, and raise alike (measured)."""
_FITS_EVERYWHERE = 448
"""The largest number that float8_e4m3fn holds: beyond it an assignment overflows without a word."""


def require_fitting(trust: Trust, tensor: Value, scalar: Value) -> None:
    """Assigning a scalar that a short float cannot hold gives inf, where ``fill_`` and ``torch.full`` raise."""
    fits = scalar.only(Kind.BOOL) or (
        isinstance(scalar.const, (int, float)) and abs(scalar.const) <= _FITS_EVERYWHERE
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
