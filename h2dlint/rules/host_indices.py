"""What stands in the brackets of a subscript and is on the host, so that it has to be copied to the device."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence
from h2dlint.rules.place import Case, Place
from h2dlint.rules.site import Site, SubscriptSite

MASKS_ARE_PINNED = (2, 9)
"""The version of torch from which indexing by a host mask does not wait (PyTorch pull request 156384)."""


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
