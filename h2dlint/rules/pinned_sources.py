"""May a pinned source be written again while its copy is under way?

A copy that blocks, or that goes through pageable memory, has read its source when it returns. One from pinned memory
has not: what is written to the source afterwards may be what arrives.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis import values as V
from h2dlint.analysis.moves import parse_move
from h2dlint.rules.site import Site

_MAKERS = frozenset(T.CONSTRUCTORS) | frozenset(T.FACTORIES) | T.RANDOM_FACTORIES | T.LIKE_FACTORIES
_READS = frozenset(
    """shape dtype device ndim is_cuda layout size numel nelement dim stride element_size nbytes is_pinned is_contiguous
    item tolist sum mean any all clone cuda""".split()
)
"""Attributes and methods that neither write to a tensor nor, on the host, give another name to its memory."""
_LOOPS = (
    ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda,
)  # fmt: skip
_REACHES_LOCALS = frozenset({"locals", "vars", "exec", "eval"})
"""Functions that get at a local name without mentioning it."""
_READERS = frozenset({"builtins.len", "builtins.print"})


def written_later(site: Site, node: ast.expr) -> str:
    """Why a pinned tensor may be written again before it is copied; empty where it cannot be.

    Args:
        node: the source of the site's copy. Safe are a temporary, and a local name whose every use is seen: bound
            once, in the same loop, to a fresh tensor, and after the copy only read.
    """
    reason = f"{site.code(node)} may be written again before it is copied"
    base = _under_views(site, node)
    if _fresh(site, base):
        return ""
    if not isinstance(base, ast.Name) or site.record.function is None:
        return reason
    function = site.record.function.node
    parents = {id(child): parent for parent in ast.walk(function) for child in ast.iter_child_nodes(parent)}
    uses = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == base.id]
    if any(isinstance(n, ast.Name) and n.id in _REACHES_LOCALS for n in ast.walk(function)):
        return reason
    bound = [use for use in uses if isinstance(use.ctx, ast.Store)]
    if len(bound) != 1 or _declared(function, base.id):
        return reason
    binding = parents[id(bound[0])]
    if (
        not isinstance(binding, ast.Assign)
        or binding.targets != [bound[0]]
        or not _fresh(site, binding.value)
    ):
        return reason
    if _loops(binding, parents, function) != _loops(site.node, parents, function):
        return reason
    if not _always_before(binding, site.node, parents, function):
        return reason
    for use in uses:
        if use is bound[0] or use is base or isinstance(use.ctx, ast.Del):
            continue
        before = _end(binding) <= _start(use) < _start(site.node) or use in set(ast.walk(site.node))
        if (
            _start(use) < _end(binding)
            or _elsewhere(use, parents, function)
            or not _harmless(site, use, parents, may_write=before)
        ):
            return reason
    return ""


def _under_views(site: Site, node: ast.expr) -> ast.expr:
    """The expression that a chain of views of it, and of methods that return it, starts from."""
    while True:
        if isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr in T.VIEWS):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            record = site.module.call_of(node)
            method = record.method if record is not None else None
            if method == "pin_memory" and site.value(node.func.value).memory & V.PAGEABLE:
                return node
            if method not in T.VIEWS and method != "pin_memory" and not (method or "").endswith("_"):
                return node
            node = node.func.value
        else:
            return node


def _fresh(site: Site, node: ast.expr) -> bool:
    """The expression makes a pinned tensor that nothing else refers to."""
    node = _under_views(site, node)
    if not isinstance(node, ast.Call) or site.value(node).memory & V.PAGEABLE:
        return False
    record = site.module.call_of(node)
    if record is None:
        return False
    if record.method == "pin_memory":
        assert isinstance(node.func, ast.Attribute)
        return not site.value(node.func.value).memory & V.ANY_PINNED
    given = {k.arg for k in node.keywords}
    makes = record.callee in _MAKERS or (record.method or "").startswith("new_")
    return makes and "pin_memory" in given and "out" not in given


def _declared(function: ast.AST, name: str) -> bool:
    return any(
        isinstance(n, (ast.Global, ast.Nonlocal)) and name in n.names for n in ast.walk(function)
    ) or any(isinstance(n, ast.arg) and n.arg == name for n in ast.walk(function))


def _loops(node: ast.AST, parents: dict[int, ast.AST], function: ast.AST) -> list[int]:
    """The loops and inner functions around a node."""
    return [
        id(outer)
        for outer in _ancestors(node, parents, function)
        if isinstance(outer, (*_LOOPS, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]


def _always_before(binding: ast.stmt, node: ast.AST, parents: dict[int, ast.AST], function: ast.AST) -> bool:
    """The binding runs each time that the node does: its block, or one within that, holds the node."""
    around = {id(outer) for outer in _ancestors(node, parents, function)}
    for _, block in ast.iter_fields(parents[id(binding)]):
        if isinstance(block, list) and binding in block:
            return any(id(statement) in around for statement in block)
    return False


def _elsewhere(node: ast.AST, parents: dict[int, ast.AST], function: ast.AST) -> bool:
    """The node is in an inner function, which may run at any time."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    return any(isinstance(outer, inner) for outer in _ancestors(node, parents, function))


def _ancestors(node: ast.AST, parents: dict[int, ast.AST], function: ast.AST) -> Iterator[ast.AST]:
    while node is not function and id(node) in parents:
        node = parents[id(node)]
        if node is not function:
            yield node


def _start(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return (node.lineno, node.col_offset)


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return (node.end_lineno or node.lineno, node.end_col_offset or 0)


def _harmless(site: Site, use: ast.Name, parents: dict[int, ast.AST], may_write: bool) -> bool:
    """A use that gives the tensor no other name and, but for ``may_write``, does not write to it."""
    node, parent = _view_of(use, parents)
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return may_write and isinstance(parent.ctx, ast.Store)
    if isinstance(parent, ast.Attribute) and parent.value is node and isinstance(parent.ctx, ast.Load):
        call = parents[id(parent)]
        if parent.attr == "to" and isinstance(call, ast.Call) and call.func is parent:
            # Anywhere but to the device it may return the tensor itself.
            move = parse_move(call, "to", site.module.interpreter.records.values)
            return move is not None and move.device == V.CUDA
        if parent.attr in _READS:
            return True
        written = parent.attr.endswith("_") and isinstance(call, ast.Call) and call.func is parent
        return may_write and written and isinstance(parents[id(call)], ast.Expr)
    if isinstance(parent, ast.Call) and node in parent.args:
        record = site.module.call_of(parent)
        if record is None:
            return False
        return record.method == "copy_" if record.callee is None else record.callee in _READERS
    return False


def _view_of(use: ast.AST, parents: dict[int, ast.AST]) -> tuple[ast.AST, ast.AST]:
    """The largest expression around a name that is a view of it, and what stands around that."""
    node, parent = use, parents[id(use)]
    while True:
        call = parents.get(id(parent))
        if isinstance(parent, ast.Subscript) and parent.value is node and isinstance(parent.ctx, ast.Load):
            node, parent = parent, parents[id(parent)]
        elif not isinstance(parent, ast.Attribute) or parent.attr not in T.VIEWS:
            return node, parent
        elif isinstance(call, ast.Call) and call.func is parent:
            node, parent = call, parents[id(call)]
        else:
            node, parent = parent, parents[id(parent)]
