"""How often code runs: hot, warm or cold, and why.

Hot is what runs per step or request: loops, entry points such as ``forward``, and what they call in the same
module. Cold is what runs once: import time, construction, weight loading, warm-up, tests. Everything else is warm.
"""

from __future__ import annotations

import ast
import fnmatch
import re
from collections import deque

from h2dlint.analysis.outline import ClassInfo, FunctionInfo, Outline
from h2dlint.analysis.records import Record
from h2dlint.model import Context, Options

ENTRY_POINTS: tuple[str, ...] = (
    "forward",
    "forward_*",
    "*_forward",
    "_forward",
    "__call__",
    "step",
    "*_step",
    "step_*",
    "backward",
    "decode",
    "decode_*",
    "prefill",
    "generate",
    "sample",
    "run_batch",
    "execute_model",
    "execute_*",
    "forward_batch_*",
    "process_batch*",
    "prepare_for_*",
    "prepare_inputs*",
    "_prepare_inputs*",
    "compute_loss",
    "collate*",
    "loss",
    "__getitem__",
    "train_one_*",
    "training_step",
)
"""Names of functions that are taken to run per step or request."""

_COLD = re.compile(
    r"""^(?:__new__|__setstate__|__init_subclass__|__set_name__|reset_parameters|_?init_weights?|_init_params
    |from_pretrained|load_state_dict|_load_from_state_dict|setUp(?:Class)?|tearDown|test_.*
    |(?:.*_)?load_(?:.*_)?(?:weights?|checkpoint|state_dict|model)s?(?:_.*)?|(?:.*_)?weight_loader(?:_.*)?
    |(?:.*_)?warm_?up(?:_.*)?|(?:.*_)?(?:init|capture|create)_(?:.*_)?(?:cuda_?)?graphs?
    |process_weights_after_loading.*|(?:.*_)?convert_(?:.*_)?(?:weights?|checkpoint|state_dict)s?.*)$""",
    re.VERBOSE,
)
_COLD_CLASS = re.compile(r"^Test[A-Z]|.*(?:TestCase|Tests)$")
_COLD_PATH = re.compile(
    r"(?:^|/)(?:tests?|testing|examples?|benchmarks?|scripts|docs?|tutorials?)/|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup)\.py$"
)
_CACHES = frozenset({"cache", "lru_cache", "cached_property"})
_CONSTRUCTORS = frozenset({"__init__", "__post_init__"})


class Contexts:
    """Answers how hot each call of a module is.

    Args:
        outline: of the module.
        path: of the file, relative to the project, with forward slashes.
        options: ``entry_points`` are added to the names known here.
    """

    def __init__(self, outline: Outline, path: str, options: Options) -> None:
        self._outline = outline
        self._path = path
        self._patterns = (*ENTRY_POINTS, *options.entry_points)
        self._verdicts: dict[int, tuple[Context, str]] | None = None

    def of(self, record: Record) -> tuple[Context, str]:
        """The context of an expression and one line that says why."""
        if _COLD_PATH.search(self._path):
            return Context.COLD, "cold: test, example or script by its path"
        if record.main:
            return Context.COLD, 'cold: under if __name__ == "__main__"'
        if record.function is None:
            return Context.COLD, "cold: runs at import time"
        context, why = self._functions()[id(record.function)]
        if record.loop is not None and context is not Context.COLD:
            return Context.HOT, f"hot: loop at line {record.loop}"
        return context, why

    def _functions(self) -> dict[int, tuple[Context, str]]:
        if self._verdicts is None:
            self._verdicts = self._classify()
        return self._verdicts

    def _classify(self) -> dict[int, tuple[Context, str]]:
        functions = self._outline.functions
        verdicts: dict[int, tuple[Context, str]] = {}
        callees = {id(f): self._callees(f) for f in functions}
        callers: dict[int, list[FunctionInfo]] = {id(f): [] for f in functions}
        for function in functions:
            for callee, _ in callees[id(function)]:
                callers[id(callee)].append(function)
        queue: deque[FunctionInfo] = deque()
        for function in functions:
            cold = self._cold_by_name(function)
            if cold:
                verdicts[id(function)] = (Context.COLD, cold)
            elif self._is_entry(function):
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
                link = chain if chain.endswith(function.name) else f"{chain} -> {function.name}"
                verdicts[id(callee)] = (Context.HOT, f"hot: reached from {link}")
                queue.append(callee)
        self._inherit_cold(verdicts, callers)
        for function in functions:
            if id(function) not in verdicts:
                outer = verdicts.get(id(function.parent)) if function.parent is not None else None
                verdicts[id(function)] = outer or (Context.WARM, "warm: called from code that was not seen")
        return verdicts

    def _inherit_cold(
        self, verdicts: dict[int, tuple[Context, str]], callers: dict[int, list[FunctionInfo]]
    ) -> None:
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
                    changed = True

    def _is_entry(self, function: FunctionInfo) -> bool:
        return any(
            fnmatch.fnmatchcase(function.short, pattern) or fnmatch.fnmatchcase(function.name, pattern)
            for pattern in self._patterns
        )

    def _cold_by_name(self, function: FunctionInfo) -> str:
        name = function.short
        if name in _CONSTRUCTORS and function.owner is not None:
            return f"cold: {function.name} constructs"
        if _COLD.match(name):
            return f"cold: {function.name} by its name"
        if any(d.rsplit(".", 1)[-1] in _CACHES for d in function.decorators):
            return f"cold: {function.name} is cached"
        if function.owner is not None and _COLD_CLASS.match(function.owner.name):
            return f"cold: {function.owner.name} is a test"
        return ""

    def _constructed_per_step(self, function: FunctionInfo) -> bool:
        """A constructor that hot code calls, of a class that is no module."""
        return (
            function.short in _CONSTRUCTORS
            and function.owner is not None
            and not any(base.endswith("Module") for base in function.owner.bases)
        )

    def _callees(self, function: FunctionInfo) -> list[tuple[FunctionInfo, int]]:
        """Functions of this module that a function calls or hands on, with the line."""
        found: list[tuple[FunctionInfo, int]] = []
        top = {f.short: f for f in self._outline.functions if f.owner is None and f.parent is None}
        siblings = {f.short: f for f in self._outline.functions if f.parent is function and f.owner is None}
        owner = _method_owner(function)
        for node in ast.walk(function.node):
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
                    found += [(methods[m], node.lineno) for m in _CONSTRUCTORS if m in methods]
        return found

    def _find_method(self, class_name: str, method: str) -> FunctionInfo | None:
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
