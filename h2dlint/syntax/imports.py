"""Where a new import goes in a module: where the module's own imports of that kind are, in their order."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from h2dlint.model import Edit, Span
from h2dlint.syntax.bound import FunctionNode, Wanted
from h2dlint.syntax.source import SourceText

_Import = ast.Import | ast.ImportFrom
_SKIP = re.compile(r"#\s*isort\s*:")
"""An import that is to be left where it is, as it is."""


def width_of(source: SourceText) -> int:
    """How long a line may be: as long as those that are there, from 88 to 120 columns."""
    lines = (source.line_text(line) for line in range(1, len(source.line_starts) + 1))
    return max(88, *(len(line) for line in lines if len(line) <= 120))


def import_at_top(
    source: SourceText,
    tree: ast.Module,
    wanted: Wanted,
    bound: str,
    *,
    own: bool,
    same: Callable[[ast.ImportFrom], bool],
) -> Edit | None:
    """The edit that imports a name at the top of a module.

    It goes into an import from the same module, else beside the imports of the same package and in their order, else
    behind the last import. Imports under a condition (``TYPE_CHECKING``, ``try``) are left alone.

    Args:
        source, tree: the module.
        wanted: what to import, and
        bound: under what name.
        own: it comes from the package that the module belongs to.
        same: whether an import statement is from the wanted module.

    Returns:
        ``None`` where no place was found.
    """
    statements = [
        node
        for node in _header(tree)
        if _alone(source, tree, node)
        and not any(first <= node.lineno <= last for first, last in source.apart)
    ]
    if wanted.name is not None:
        for node in statements:
            kept = _SKIP.search(source.line_text(node.end_lineno or node.lineno))
            if isinstance(node, ast.ImportFrom) and same(node) and not kept:
                edit = _joined(source, node, wanted.name, bound)
                if edit is not None:
                    return edit
    line = _line_for(source, tree, statements, wanted, own)
    if line is None:
        return None
    at, before, after = line
    if source.cells is not None and at in source.cells.firsts[1:] and all(n.lineno != at for n in statements):
        # Behind the last line of a cell, and not in front of the next one, which may be a magic.
        end = len(source.line_text(at - 1)) + 1
        return Edit(Span(at - 1, end, at - 1, end), f"\n{before}{wanted.statement(bound)}")
    if any(first <= at <= last for first, last in source.apart):
        return None
    return _inserted(at, f"{before}{wanted.statement(bound)}\n{after}")


def import_in_function(source: SourceText, function: FunctionNode, wanted: Wanted, bound: str) -> Edit | None:
    """The edit that imports a name at the start of a function's body, behind its docstring and its other imports.

    Returns:
        ``None`` where the body stands on the line of its header.
    """
    body = function.body
    first = body[0]
    start = 1 if _is_docstring(first) and len(body) > 1 else 0
    while start < len(body) and isinstance(body[start], (ast.Import, ast.ImportFrom)):
        start += 1
    target = body[min(start, len(body) - 1)]
    before = target if start < len(body) else None
    indent = source.line_text(target.lineno)[: source.column(target.lineno, target.col_offset) - 1]
    if indent.strip() or not indent:
        return None
    text = f"{indent}{wanted.statement(bound)}\n"
    if before is None:
        return _inserted((target.end_lineno or target.lineno) + 1, text)
    if isinstance(target, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and target.decorator_list:
        return _inserted(min(d.lineno for d in target.decorator_list), text)
    if start and isinstance(body[start - 1], (ast.Import, ast.ImportFrom)):
        return _inserted((body[start - 1].end_lineno or 0) + 1, text)
    # Comments above the first statement stay with it.
    line = target.lineno
    floor = (body[start - 1].end_lineno or 0) if start else function.lineno
    while line - 1 > floor and source.line_text(line - 1).strip().startswith("#"):
        line -= 1
    return _inserted(line, f"{text}\n")


def _inserted(line: int, text: str) -> Edit:
    return Edit(Span(line, 1, line, 1), text)


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _header(tree: ast.Module) -> list[_Import]:
    """The imports at the top: before the first function or class."""
    found: list[_Import] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            break
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(node)
    return found


def _alone(source: SourceText, tree: ast.Module, node: _Import) -> bool:
    """The statement has its lines for itself."""
    del tree
    end = node.end_lineno or node.lineno
    if node.col_offset or ";" in source.line_text(end) or ";" in source.line_text(node.lineno):
        return False
    tail = source.line_text(end)[source.column(end, node.end_col_offset or 0) - 1 :].strip()
    return not tail or tail.startswith("#")


def _kind(name: str) -> int:
    """Constants, classes, functions: the order of isort."""
    if len(name) > 1 and name.isupper():
        return 0
    return 1 if name[:1].isupper() else 2


_ORDERS: tuple[Callable[[str], object], ...] = (
    lambda name: (_kind(name), name),
    lambda name: name.lower(),
    lambda name: name,
)


def _joined(source: SourceText, node: ast.ImportFrom, name: str, bound: str) -> Edit | None:
    """The name put into ``from module import ..``, in the order of the names there."""
    if any(alias.name == "*" for alias in node.names):
        return None
    new = name if bound == name else f"{name} as {bound}"
    names = [alias.name for alias in node.names]
    position = len(names)
    for order in _ORDERS:
        keys = [order(each) for each in names]
        if all(a <= b for a, b in pairwise(keys)):  # type: ignore[operator]
            key = order(name)
            position = sum(each <= key for each in keys)  # type: ignore[operator]
            break
    lines = [alias.lineno for alias in node.names]
    multiline = (node.end_lineno or node.lineno) > node.lineno
    if multiline:
        if len(set(lines)) < len(lines) or node.lineno in lines or (node.end_lineno in lines):
            return None
        if position < len(names):
            line = node.names[position].lineno
        else:
            line = lines[-1] + 1
            if not _comma_after(source, node.names[-1]):
                return None
        indent = re.match(r"\s*", source.line_text(lines[0]))
        return _inserted(line, f"{indent.group() if indent else ''}{new},\n")
    text = source.line_text(node.lineno)
    parenthesised = "(" in text.split("#")[0]
    if len(text) + len(new) + 2 > width_of(source) and not parenthesised:
        if "#" in text:
            return None
        every = [ast.unparse(alias) for alias in node.names]
        every.insert(position, new)
        start = text[: text.index(" import ")]
        listed = "".join(f"    {each},\n" for each in every)
        span = Span(node.lineno, 1, node.lineno, len(text) + 1)
        return Edit(span, f"{start} import (\n{listed})")
    if len(text) + len(new) + 2 > width_of(source):
        return None
    if position < len(names):
        column = source.column(node.lineno, node.names[position].col_offset)
        return Edit(Span(node.lineno, column, node.lineno, column), f"{new}, ")
    column = source.column(node.lineno, node.names[-1].end_col_offset or 0)
    return Edit(Span(node.lineno, column, node.lineno, column), f", {new}")


def _comma_after(source: SourceText, alias: ast.alias) -> bool:
    end = alias.end_lineno or alias.lineno
    tail = source.line_text(end)[source.column(end, alias.end_col_offset or 0) - 1 :]
    return tail.lstrip().startswith(",")


def _top(node: _Import) -> str:
    """The outermost package of what a statement imports; ``.`` for a relative import."""
    if isinstance(node, ast.ImportFrom):
        return "." if node.level else (node.module or "").split(".")[0]
    return node.names[0].name.split(".")[0]


def _module(node: _Import) -> str:
    return (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name


def _blocks(source: SourceText, statements: Sequence[_Import]) -> list[list[_Import]]:
    """Imports that stand together, with nothing but comments between them."""
    blocks: list[list[_Import]] = []
    for node in statements:
        if blocks:
            last = blocks[-1][-1]
            between = range((last.end_lineno or last.lineno) + 1, node.lineno)
            if all(source.line_text(line).startswith("#") for line in between):
                blocks[-1].append(node)
                continue
        blocks.append([node])
    return blocks


def _line_for(
    source: SourceText, tree: ast.Module, statements: Sequence[_Import], wanted: Wanted, own: bool
) -> tuple[int, str, str] | None:
    """The line to insert at, and what stands before and after the statement."""
    usable = [node for node in statements if not _is_future(node)]
    top = wanted.module.split(".")[0]
    for blocks_top in (top, "." if own else "torch"):
        for block in _blocks(source, usable):
            alike = [node for node in block if _top(node) == blocks_top]
            if alike:
                return _within(source, block, alike, wanted, blocks_top == top)
    if usable:
        last = usable[-1]
        end = (last.end_lineno or last.lineno) + 1
        apart = own or _top(last) == "."
        return end, "\n" if apart else "", ""
    line = 1
    for node in tree.body:
        if not (_is_docstring(node) or _is_future(node)):
            break
        line = (node.end_lineno or node.lineno) + 1
    if line == 1:
        while source.line_text(line).startswith("#"):
            line += 1
    if not tree.body or line > len(source.line_starts):
        return None
    return line, "\n" if line > 1 else "", "" if not source.line_text(line).strip() else "\n"


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _within(
    source: SourceText, block: Sequence[_Import], alike: Sequence[_Import], wanted: Wanted, same_package: bool
) -> tuple[int, str, str]:
    """In a block of imports, by the alphabet where the block is in its order."""
    kind = ast.Import if wanted.name is None else ast.ImportFrom
    peers = [node for node in block if isinstance(node, kind) and _top(node) != "."]
    keys = [_module(node).lower() for node in peers]
    key = wanted.module.lower()
    if not same_package and _top(alike[0]) == ".":
        # Absolute imports of the package stand before relative ones.
        first = alike[0]
        return first.lineno, "", ""
    if peers and all(a <= b for a, b in pairwise(keys)):
        before = [node for node, each in zip(peers, keys, strict=True) if each <= key]
        if before:
            return (before[-1].end_lineno or 0) + 1, "", ""
        first = peers[0]
        index = list(block).index(first)
        if index:
            return (block[index - 1].end_lineno or 0) + 1, "", ""
        if not source.line_text(first.lineno - 1).startswith("#"):
            return first.lineno, "", ""
        return (first.end_lineno or 0) + 1, "", ""
    shared = max(alike, key=lambda node: (_common(_module(node), wanted.module), node.lineno))
    return (shared.end_lineno or 0) + 1, "", ""


def _common(a: str, b: str) -> int:
    count = 0
    for left, right in zip(a.split("."), b.split("."), strict=False):
        if left != right:
            break
        count += 1
    return count
