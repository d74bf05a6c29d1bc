"""What the callers of a function give it: parameters that say nothing themselves are read at the calls.

All callers of a function are seen where it is nested in another one, or where its name starts with an underscore and no
other file of the project mentions it, and where everything that is done with it is to call it. What they all give it
is proof then. Of other functions the calls in the same file are a hint, which adds host data and takes nothing away.

The values come from the runs of the callers, which are run first. Functions that call each other in a circle get
nothing, so that nothing depends on where the circle was entered.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping

from h2dlint.analysis.given import Given, parameters, read, unsaid
from h2dlint.analysis.mentions import Mention, Mentions, callers_first
from h2dlint.analysis.outline import ClassInfo, FunctionInfo, Outline
from h2dlint.analysis.values import Value

_CALLED_FROM_OUTSIDE = frozenset(
    "_apply _load_from_state_dict _save_to_state_dict _call_impl _named_members _get_name".split()
)
"""Methods of ``nn.Module`` that it calls itself; those with two underscores at both ends the language calls."""


class Callers:
    """The calls of a module's functions.

    Args:
        outline: of the module.
        mentions: of its functions.
        hidden: nothing outside of the file can call a function whose name starts with an underscore.
        transparent: a decorator hands on what the function is given.
    """

    def __init__(
        self,
        outline: Outline,
        mentions: Mentions,
        hidden: Callable[[FunctionInfo], bool],
        transparent: Callable[[str], bool],
    ) -> None:
        self._outline = outline
        self._mentions = mentions
        self._hidden = hidden
        self._transparent = transparent
        self._uses: dict[FunctionInfo, list[Mention]] = {}
        self._partly: set[FunctionInfo] = set()
        self._circular: set[FunctionInfo] = set()

    def order(self, wanted: Iterable[FunctionInfo]) -> list[FunctionInfo]:
        """Outermost functions, and those whose runs say what they are given, each after its callers."""

        def callers(function: FunctionInfo) -> Iterator[FunctionInfo]:
            return (use.within for use in self._of(function) if use.within is not None)

        return self._flat(callers_first(wanted, callers), callers)

    def nested(self, functions: Iterable[FunctionInfo]) -> list[FunctionInfo]:
        """Functions nested in the same one, each after those that call it."""
        known = list(functions)

        def callers(function: FunctionInfo) -> Iterator[FunctionInfo]:
            for use in self._of(function):
                if use.node is not None:
                    line = use.node.lineno
                    yield from (f for f in known if f.node.lineno <= line <= f.lines[1])

        return self._flat(callers_first(known, callers), callers)

    def _flat(
        self,
        groups: list[list[FunctionInfo]],
        callers: Callable[[FunctionInfo], Iterator[FunctionInfo]],
    ) -> list[FunctionInfo]:
        ordered: list[FunctionInfo] = []
        for group in groups:
            if len(group) > 1 or any(caller is group[0] for caller in callers(group[0])):
                self._circular.update(group)
            ordered += group
        return ordered

    def _of(self, function: FunctionInfo) -> list[Mention]:
        """Mentions that matter to what a function is given."""
        uses = self._uses.get(function)
        if uses is None:
            uses = []
            if _open(function) and all(map(self._transparent, function.decorators)):
                if function.parent is not None:
                    uses = self._mentions.inside(function) if function.owner is None else []
                else:
                    uses = self._everywhere(function)
            self._uses[function] = uses
        return uses

    def _everywhere(self, function: FunctionInfo) -> list[Mention]:
        """All mentions of a function that is only called, else its calls as far as they are seen."""
        if _underscored(function.short) and not self._mentions.dynamic:
            uses = self._mentions.everywhere(function.short)
            if all(use.call is not None for use in uses):
                return uses
        self._partly.add(function)
        return self._mentions.calls(function)

    # What they give

    def given(
        self,
        function: FunctionInfo,
        values: Mapping[int, Value],
        default: Callable[[ast.expr], Value],
    ) -> dict[str, Given]:
        """What the calls of a function give for its parameters, by name, where that is known.

        Args:
            function: whose callers have been run.
            values: of the expressions of the module, by ``id``.
            default: evaluates the default of a parameter.
        """
        uses = self._uses.get(function)
        if not uses or function in self._circular:
            return {}
        sites = self._sites(function, uses, values)
        if sites:
            found = read(function, sites, True, values, default)
            # The costly question is asked where the answer matters.
            if not found or function.parent is not None or self._hidden(function):
                return found
        calls = [use.call for use in uses if use.call is not None and _is(function, use, values)]
        return read(function, calls, False, values, default)

    def _sites(
        self, function: FunctionInfo, uses: list[Mention], values: Mapping[int, Value]
    ) -> list[ast.Call] | None:
        """The calls that may be calls of a function; ``None`` where it is used in another way."""
        if function in self._partly:
            return None
        method = function.owner is not None
        calls: list[ast.Call] = []
        for use in uses:
            if use.node is None:
                return None
            callee = values.get(id(use.node))
            if callee is not None and callee.func is not None and callee.func is not function:
                if not self._overrides(function, callee.func, values, use):
                    continue
            elif isinstance(use.node, ast.Attribute) != method:
                base = values.get(id(use.node.value)) if isinstance(use.node, ast.Attribute) else None
                if base is not None and base.cls is not None:
                    # A method of that name.
                    continue
                return None
            if use.call is None or callee is None:
                return None
            if isinstance(use.node, ast.Attribute) and not function.is_static:
                base = values.get(id(use.node.value))
                if base is not None and base.klass is not None and "classmethod" not in function.decorators:
                    return None
            calls.append(use.call)
        return calls

    def _overrides(
        self, function: FunctionInfo, callee: FunctionInfo, values: Mapping[int, Value], use: Mention
    ) -> bool:
        """What is called as ``callee`` may be ``function``, which overrides it."""
        if function.owner is None or callee.owner is None or not isinstance(use.node, ast.Attribute):
            return False
        base = values.get(id(use.node.value))
        cls = (base.cls or base.klass) if base is not None else None
        return self._below(function.owner, cls or callee.owner)

    def _below(self, cls: ClassInfo, base: ClassInfo) -> bool:
        """A class inherits from another one, by the names in this file."""
        todo, seen = [cls], {cls}
        while todo:
            here = todo.pop()
            if here is base:
                return True
            for name in here.bases:
                known = self._outline.classes.get(name)
                if known is not None and known not in seen:
                    seen.add(known)
                    todo.append(known)
        return False


def _underscored(name: str) -> bool:
    return name[0] == "_" and not name.endswith("__")


def _open(function: FunctionInfo) -> bool:
    """A function one of whose parameters leaves something to be said by the callers."""
    if function.short in _CALLED_FROM_OUTSIDE or (
        function.short.startswith("__") and function.short.endswith("__")
    ):
        return False
    tensors = function.parent is not None or _underscored(function.short)
    return any(unsaid(arg, tensors) for _, (arg, _) in parameters(function))


def _is(function: FunctionInfo, use: Mention, values: Mapping[int, Value]) -> bool:
    callee = values.get(id(use.node))
    return (
        callee is not None
        and callee.func is function
        and (function.owner is None or callee.bound is not None)
    )
