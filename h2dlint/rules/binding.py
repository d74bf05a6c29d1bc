"""How a fix comes by a name of the project: it is there, or is imported without hiding a name or closing a circle."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass, field

from h2dlint.analysis.outline import FunctionInfo
from h2dlint.model import Edit
from h2dlint.rules.circles import comes_back
from h2dlint.rules.place import Place
from h2dlint.syntax.bound import Imported, Wanted, bound_in, for_type_checkers, imports_of, names_between
from h2dlint.syntax.calls import CannotRewrite
from h2dlint.syntax.imports import import_at_top, import_in_function


@dataclass(slots=True)
class Binding:
    """A name that a fix may use.

    Args:
        text: what to write for it, such as ``can_pin`` or ``utils.can_pin``.
        edits: that bring it in; none where it is there.
        reasons: why the fix is not safe with it.
    """

    text: str
    edits: list[Edit] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def bind(place: Place, wanted: Wanted) -> Binding:
    """The name by which the code at a place can use something of the project.

    Raises:
        CannotRewrite: it cannot, or this is the body of what is wanted.
    """
    module, function = place.module, place.record.function
    chain = list(_chain(function))
    definer = _definer(place, wanted)
    here = module.within.location if module.within is not None else None
    if definer is not None and calls_itself(place, definer):
        raise CannotRewrite("what would be called calls this")
    if definer is not None and definer[0] == here:
        return _at_home(place, definer[1], chain)
    if _by_itself(place):
        raise CannotRewrite("the cell of the notebook runs by itself")
    taken = _module_names(place)
    hidden = _hidden(place)
    for found in imports_of(module.tree.body):
        if found.local in hidden or _apart(place, found.statement):
            continue
        if found.statement.lineno >= place.record.statement.lineno and not chain:
            continue
        text = _text(place, found, wanted, definer)
        if text is None or taken.get(found.local, 0) > 1:
            continue
        if not any(_has(each, found.local) for each in chain):
            return Binding(text)
    for depth, each in enumerate(chain):
        for found in imports_of(each.node.body):
            if found.local in hidden or any(_has(inner, found.local) for inner in chain[:depth]):
                continue
            text = _text(place, found, wanted, definer)
            before = found.statement.lineno < place.record.statement.lineno
            if text is not None and before and _times(each, found.local) == 1:
                return Binding(text)
    other = f"{wanted.bound}_" if wanted.bound.startswith("_") else f"_{wanted.bound}"
    for bound in (wanted.bound, other):
        if bound not in taken and bound not in hidden and not any(_has(each, bound) for each in chain):
            return _imported(place, wanted, bound, chain)
    raise CannotRewrite("the name is taken")


def bound_at_top(place: Place, name: str) -> bool:
    """The module has a name at its top that the place sees, bound before the place runs."""
    chain = list(_chain(place.record.function))
    if any(_has(each, name) for each in chain) or name in _hidden(place) or _by_itself(place):
        return False
    never = for_type_checkers(place.module.tree)
    lines = [
        getattr(node, "lineno", 0)
        for bound, node in bound_in(place.module.tree)
        if bound == name and node not in never and not _apart(place, node)
    ]
    return bool(lines) and (bool(chain) or min(lines) < place.record.statement.lineno)


def calls_itself(place: Place, definer: tuple[str, str]) -> bool:
    """Whether a call here of what a file defines would come back here.

    Args:
        definer: the file, and the name in it.
    """
    functions = {(each.node.lineno, each.short) for each in _chain(place.record.function)}
    if not functions:
        return False
    return comes_back(place.module.tree, place.module.within, definer, functions)


def _hidden(place: Place) -> set[str]:
    """Names that mean something else at a place than in the function or module around."""
    function = place.record.function
    return names_between(function.node if function is not None else place.module.tree, place.record.node)


def _apart(place: Place, node: ast.AST) -> bool:
    """A cell of a notebook that binds names for itself holds a node."""
    line = getattr(node, "lineno", 0)
    return any(first <= line <= last for first, last in place.module.source.apart)


def _by_itself(place: Place) -> bool:
    return _apart(place, place.record.statement)


def _chain(function: FunctionInfo | None) -> list[FunctionInfo]:
    found = []
    while function is not None:
        found.append(function)
        function = function.parent
    return found


def _has(function: FunctionInfo, name: str) -> bool:
    return _times(function, name) > 0


def _times(function: FunctionInfo, name: str) -> int:
    return sum(bound == name for bound, _ in bound_in(function.node))


def _module_names(place: Place) -> dict[str, int]:
    names: dict[str, int] = {}
    for name, node in bound_in(place.module.tree):
        if _apart(place, node):
            continue
        names[name] = names.get(name, 0) + 1
    return names


def _definer(place: Place, wanted: Wanted) -> tuple[str, str] | None:
    within = place.module.within
    if within is None or wanted.name is None:
        return None
    return within.project.definer(within.location, wanted.module, wanted.name)


def _same_module(place: Place, module: str, wanted: str) -> bool:
    """Two names of modules mean the same file, or are the same."""
    if module == wanted:
        return True
    within = place.module.within
    if within is None:
        return False
    # Only what is asked as a relative import, or ends alike, can be the same file.
    if not module.startswith("."):
        return False
    here = within.project.find(within.location, module)
    return here is not None and here == within.project.find(within.location, wanted)


def _text(place: Place, found: Imported, wanted: Wanted, definer: tuple[str, str] | None) -> str | None:
    """How an imported name says what is wanted; ``None`` where it does not."""
    if wanted.name is None:
        if found.name is None:
            return found.local if found.module == wanted.module else None
        whole = f"{found.module}{'' if found.module.endswith('.') else '.'}{found.name}"
        return found.local if _same_module(place, whole, wanted.module) else None
    if found.name is None:
        same = found.module == wanted.module
        return f"{found.local}.{wanted.name}" if same else None
    if found.name == wanted.name and _same_module(place, found.module, wanted.module):
        return found.local
    whole = f"{found.module}{'' if found.module.endswith('.') else '.'}{found.name}"
    if _same_module(place, whole, wanted.module):
        return f"{found.local}.{wanted.name}"
    within = place.module.within
    if definer is not None and within is not None and wanted.name == found.name:
        # A module on the way may hand it on.
        again = within.project.definer(within.location, found.module, found.name)
        return found.local if again == definer else None
    return None


def _at_home(place: Place, name: str, chain: list[FunctionInfo]) -> Binding:
    """The module defines it: no import, and not in its own body."""
    if any(each.short == name for each in chain):
        raise CannotRewrite("this is the body of what would be called")
    if not bound_at_top(place, name):
        raise CannotRewrite("the name is not there yet")
    return Binding(name)


def _imported(place: Place, wanted: Wanted, bound: str, chain: list[FunctionInfo]) -> Binding:
    """An import at the top, or in the function where that would close a circle."""
    module, within = place.module, place.module.within
    top = wanted.module.split(".")[0]
    own = within is not None and within.project.find(within.location, wanted.module) is not None
    binding = Binding(bound)
    way: list[str] = []
    if within is None:
        guessed = any(found.module.split(".")[0] == top for found in imports_of(module.tree.body))
        if guessed:
            binding.reasons.append(
                f"whether importing {wanted.module} closes a circle is not known (follow-imports)"
            )
    elif own:
        way = within.project.circle(within.location, wanted.module, wanted.name)
    if way:
        if not chain:
            raise CannotRewrite("the import would close a circle")
        outer = chain[-1]
        edit = import_in_function(module.source, outer.node, wanted, bound)
        if edit is None or edit.span.line > place.record.statement.lineno:
            raise CannotRewrite("there is no place for the import")
        if not _imports_late(place, top):
            names = " -> ".join(os.path.basename(path) for path in way[:4])
            binding.reasons.append(
                f"importing {wanted.module} at the top would close a circle ({names}), so it stands in the function"
            )
        binding.edits.append(edit)
        return binding
    edit = import_at_top(
        module.source,
        module.tree,
        wanted,
        bound,
        own=own,
        same=lambda node: _same_module(place, "." * node.level + (node.module or ""), wanted.module),
    )
    if edit is None or (not chain and edit.span.line > place.record.statement.lineno):
        raise CannotRewrite("there is no place for the import")
    binding.edits.append(edit)
    return binding


def _imports_late(place: Place, top: str) -> bool:
    """The file imports from its own package inside of functions already."""
    for node in ast.walk(place.module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for found in imports_of(node.body):
                if found.module.split(".")[0] in (top, ""):
                    return True
    return False
