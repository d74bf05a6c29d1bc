"""How often code runs: hot, warm or cold, and why.

Hot is what runs per step or request: loops, entry points such as ``forward``, and what they call. Cold is what runs
once: import time, construction, weight loading, warm-up, tests. Everything else is warm. The module itself is asked
first; the call graph of the whole project (``reach``) only about what the module leaves open.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable

from h2dlint.analysis.heat import CONSTRUCTORS, Names, cold_by_name, cold_by_path
from h2dlint.analysis.outline import ClassInfo, FunctionInfo, Outline
from h2dlint.analysis.records import Record
from h2dlint.model import Context, Options
from h2dlint.syntax.trees import walk

Verdict = tuple[Context, str]
WARM: Verdict = (Context.WARM, "warm: called from code that was not seen")


class Contexts:
    """Answers how hot each call of a module is.

    Args:
        outline: of the module.
        path: of the file, relative to the project, with forward slashes.
        options: ``entry_points`` are added to the names known here.
        elsewhere: how often a function runs by the calls of the whole project, by its name; ``None`` where nothing
            is known.
    """

    def __init__(
        self,
        outline: Outline,
        path: str,
        options: Options,
        elsewhere: Callable[[str], Verdict | None] | None = None,
    ) -> None:
        self._outline = outline
        self._path = path
        self._names = Names(options.entry_points)
        self._elsewhere = elsewhere
        self._verdicts: dict[int, Verdict] | None = None
        self._open: set[int] = set()
        self._free: dict[FunctionInfo | None, dict[str, FunctionInfo]] = {}
        """Functions that are no methods, by the one they are nested in and by name."""
        self._methods: dict[tuple[str, str], FunctionInfo | None] = {}

    def of(self, record: Record) -> Verdict:
        """The context of an expression and one line that says why."""
        if cold_by_path(self._path):
            return Context.COLD, "cold: test, example or script by its path"
        if record.main:
            return Context.COLD, 'cold: under if __name__ == "__main__"'
        if record.function is None:
            if not self._path.endswith(".ipynb"):
                return Context.COLD, "cold: runs at import time"
            # The cells of a notebook are the program.
            if record.loop is not None:
                return Context.HOT, f"hot: loop at line {record.loop}"
            return Context.COLD, "cold: a cell of a notebook, outside of loops"
        context, why = self._function(record.function)
        if record.loop is not None and context is not Context.COLD:
            return Context.HOT, f"hot: loop at line {record.loop}"
        return context, why

    def _function(self, function: FunctionInfo) -> Verdict:
        verdicts = self._functions()
        if self._elsewhere is None or id(function) not in self._open:
            return verdicts[id(function)]
        outer: FunctionInfo | None = function
        while outer is not None:
            found = self._elsewhere(outer.name)
            if found is not None:
                return found
            outer = outer.parent
        known = verdicts[id(function)]
        return known if function.short in CONSTRUCTORS else WARM

    def _functions(self) -> dict[int, Verdict]:
        if self._verdicts is None:
            self._verdicts = self._classify()
        return self._verdicts

    def _classify(self) -> dict[int, Verdict]:
        functions = self._outline.functions
        for function in functions:
            if function.owner is None:
                self._free.setdefault(function.parent, {})[function.short] = function
        verdicts: dict[int, Verdict] = {}
        callees = {id(f): self._callees(f) for f in functions}
        callers: dict[int, list[FunctionInfo]] = {id(f): [] for f in functions}
        for function in functions:
            for callee, _ in callees[id(function)]:
                callers[id(callee)].append(function)
        queue: deque[FunctionInfo] = deque()
        for function in functions:
            owner = function.owner.name if function.owner is not None else None
            cold = cold_by_name(function.short, function.name, owner, function.decorators)
            if cold:
                verdicts[id(function)] = (Context.COLD, cold)
                if self._constructed_per_step(function):
                    self._open.add(id(function))
            elif self._names.entry(function.short, function.name):
                verdicts[id(function)] = (Context.HOT, f"hot: {function.name} is an entry point")
                queue.append(function)
        while queue:
            function = queue.popleft()
            why = verdicts[id(function)][1]
            chain = why.removeprefix("hot: reached from ") if "reached from" in why else function.name
            for callee, _ in callees[id(function)]:
                if id(callee) in verdicts and not self._constructed_per_step(callee):
                    continue
                if id(callee) in verdicts and verdicts[id(callee)][0] is Context.HOT:
                    continue
                self._open.discard(id(callee))
                link = chain if chain.endswith(function.name) else f"{chain} -> {function.name}"
                verdicts[id(callee)] = (Context.HOT, f"hot: reached from {link}")
                queue.append(callee)
        self._inherit_cold(verdicts, callers)
        for function in functions:
            if id(function) not in verdicts:
                outer = verdicts.get(id(function.parent)) if function.parent is not None else None
                verdicts[id(function)] = outer or WARM
                if outer is None or id(function.parent) in self._open:
                    self._open.add(id(function))
        return verdicts

    def _inherit_cold(self, verdicts: dict[int, Verdict], callers: dict[int, list[FunctionInfo]]) -> None:
        """A private function that only cold code calls is cold."""
        changed = True
        while changed:
            changed = False
            for function in self._outline.functions:
                if id(function) in verdicts or not function.short.startswith("_"):
                    continue
                known = [verdicts.get(id(c)) for c in callers[id(function)] if c is not function]
                if known and all(v is not None and v[0] is Context.COLD for v in known):
                    caller = next(c for c in callers[id(function)] if c is not function)
                    verdicts[id(function)] = (Context.COLD, f"cold: called only from {caller.name}")
                    self._open.add(id(function))
                    changed = True

    def _constructed_per_step(self, function: FunctionInfo) -> bool:
        """A constructor that hot code calls, of a class that is no module."""
        return (
            function.short in CONSTRUCTORS
            and function.owner is not None
            and not any(base.endswith("Module") for base in function.owner.bases)
        )

    def _callees(self, function: FunctionInfo) -> list[tuple[FunctionInfo, int]]:
        """Functions of this module that a function calls or hands on, with the line."""
        found: list[tuple[FunctionInfo, int]] = []
        top = self._free.get(None, {})
        siblings = self._free.get(function, {})
        owner = _method_owner(function)
        for node in walk(function.node):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if owner is not None and node.value.id in ("self", "cls"):
                    method = self._find_method(owner.name, node.attr)
                    if method is not None:
                        found.append((method, node.lineno))
                elif node.value.id in self._outline.classes:
                    method = self._outline.classes[node.value.id].methods.get(node.attr)
                    if method is not None:
                        found.append((method, node.lineno))
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                target = siblings.get(node.id) or top.get(node.id)
                if target is not None:
                    found.append((target, node.lineno))
                elif node.id in self._outline.classes:
                    methods = self._outline.classes[node.id].methods
                    found += [(methods[m], node.lineno) for m in CONSTRUCTORS if m in methods]
        return found

    def _find_method(self, class_name: str, method: str) -> FunctionInfo | None:
        key = (class_name, method)
        if key not in self._methods:
            self._methods[key] = self._inherited(class_name, method)
        return self._methods[key]

    def _inherited(self, class_name: str, method: str) -> FunctionInfo | None:
        seen: set[str] = set()
        names = [class_name]
        while names:
            name = names.pop()
            cls = self._outline.classes.get(name)
            if cls is None or name in seen:
                continue
            seen.add(name)
            if method in cls.methods:
                return cls.methods[method]
            names.extend(cls.bases)
        return None


def _method_owner(function: FunctionInfo) -> ClassInfo | None:
    while function.parent is not None and function.owner is None:
        function = function.parent
    return function.owner
