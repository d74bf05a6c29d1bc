"""Which calls make the host wait for the device, with the doubt in favour of waiting.

What is asked here is whether a race may be claimed. A call that may wait is therefore taken to wait: a race that is
missed costs less than one that is none.
"""

from __future__ import annotations

import ast
import re
from weakref import WeakKeyDictionary, proxy

from h2dlint.analysis import values as V
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.moves import parse_move
from h2dlint.analysis.outline import FunctionInfo
from h2dlint.analysis.values import Kind, Value
from h2dlint.syntax.trees import walk

_NAMED = re.compile(r"(?<!a)sync|wait|flush|drain|barrier|join|finish|result|fence|poll|query|done|ready")
"""Part of the name of what waits, whoever wrote it."""
_ON_THE_DEVICE = frozenset({"wait_stream", "wait_event"})
"""Order work on the device; the host goes on."""
_ORDER = _ON_THE_DEVICE | {"set_stream"}
_READS_BACK = frozenset(
    "nonzero argwhere unique unique_consecutive masked_select is_nonzero equal allclose".split()
)
_CONVERSIONS = frozenset({"int", "float", "bool", "complex"})
_READERS = frozenset(
    {"print", "str", "repr", "format", "list", "tuple", "sum", "max", "min", "any", "all", "sorted"}
)
_CONSTRUCTORS = frozenset({"torch.tensor", "torch.as_tensor", "torch.asarray"})
_SEEN_TO_WAIT = re.compile(r"synchronize\(|\.(?:item|tolist|cpu|wait|query|result|numpy)\(")

_MAX_DEPTH = 4


def name_of(func: ast.expr) -> str:
    """The last part of what is called; empty for anything but a name or an attribute."""
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


def is_true(node: ast.expr | None) -> bool:
    """The literal ``True``."""
    return isinstance(node, ast.Constant) and node.value is True


def on_host(value: Value) -> bool:
    """Proven to be nothing that a device holds."""
    if not value.known:
        return False
    return not value.may(Kind.TENSOR | Kind.OBJ) or (value.only(Kind.TENSOR) and value.device == V.CPU)


def on_device(value: Value) -> bool:
    """Proven to be a tensor on CUDA."""
    return value.only(Kind.TENSOR) and value.device == V.CUDA


class Waits:
    """Asks of one module what waits."""

    def __init__(self, module: ModuleAnalysis) -> None:
        # Kept for as long as the module is, not longer.
        self._module: ModuleAnalysis = proxy(module)
        self._functions: dict[FunctionInfo, bool] = {}

    def elsewhere(self) -> str:
        """The first thing in the module's text that waits for the device; empty if there is none."""
        match = _SEEN_TO_WAIT.search(self._module.source.code)
        return match.group(0).strip(".(") if match else ""

    def call(self, node: ast.Call, depth: int = 0) -> bool:
        """The host may have waited for the device when the call is back."""
        func = node.func
        name = name_of(func)
        if name in _ON_THE_DEVICE:
            return False
        base = self._module.value(func.value) if isinstance(func, ast.Attribute) else None
        if _NAMED.search(name.lower()) and self._meant(name, base, node):
            return True
        callee = self._module.value(func)
        if callee.func is not None:
            return depth < _MAX_DEPTH and self._function(callee.func, depth + 1)
        if callee.qual is not None and self._known(callee.qual, node):
            return True
        return base is not None and callee.qual is None and self._method(name, base, node)

    def orders(self, node: ast.Call) -> bool:
        """The call waits, or makes one stream wait for another (or changes what stream is the current one)."""
        if name_of(node.func) in _ORDER or self.call(node):
            return True
        callee = self._module.value(node.func).func
        return callee is not None and any(name_of(n.func) in _ORDER for n in _calls(callee))

    def truth(self, node: ast.expr) -> bool:
        """Asking an expression for its truth may wait."""
        value = self._module.value(node)
        if value.only(Kind.TENSOR):
            return bool(value.device & V.CUDA)
        return isinstance(node, ast.Call) and name_of(node.func) in ("any", "all") and not on_host(value)

    def index(self, node: ast.Subscript) -> bool:
        """Indexing may wait: the index is brought to the device or back, or a mask's count is read."""
        base = self._module.value(node.value)
        if not base.only(Kind.TENSOR):
            return False
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        values = [self._module.value(item) for item in items]
        gathers = [v for v in values if v.known and v.only(Kind.TENSOR | Kind.SEQ | Kind.NDARRAY)]
        return any(not (on_host(base) and on_host(value)) for value in gathers)

    @staticmethod
    def _meant(name: str, base: Value | None, node: ast.Call) -> bool:
        if name == "join":
            # Of strings and of paths.
            return base is None or not (base.only(Kind.STR) or (base.qual or "").startswith("os"))
        return name != "query" or not node.args

    def _function(self, info: FunctionInfo, depth: int) -> bool:
        known = self._functions.get(info)
        if known is None:
            self._functions[info] = False
            known = any(self.call(n, depth) for n in _calls(info))
            self._functions[info] = known
        return known

    def _known(self, qual: str, node: ast.Call) -> bool:
        value = self._module.value
        if qual in _CONSTRUCTORS:
            return bool(value(node).device & V.CUDA)
        module, _, name = qual.rpartition(".")
        if module == "torch" and name in _READS_BACK:
            return any(not on_host(value(arg)) for arg in node.args)
        if module == "builtins" and name in _CONVERSIONS:
            return any(not on_host(value(arg)) for arg in node.args)
        if module == "builtins" and name in _READERS:
            return any(value(arg).only(Kind.TENSOR) and not on_host(value(arg)) for arg in node.args)
        return False

    def _method(self, name: str, base: Value, node: ast.Call) -> bool:
        if name in ("item", "tolist", "cpu") or name in _READS_BACK:
            return not on_host(base)
        if name in ("to", "cuda"):
            return self._moves(name, base, node)
        return name == "copy_" and self._copies(base, node)

    def _moves(self, name: str, base: Value, node: ast.Call) -> bool:
        move = parse_move(node, name, self._module.interpreter.records.values)
        if move is None:
            return True
        if is_true(move.non_blocking) or (name == "to" and move.target is None):
            return False
        if move.target is not None and not move.sure:
            target = self._module.value(move.target)
            if target.only(Kind.DTYPE) or "dtype" in ast.unparse(move.target).lower():
                return False
        if on_device(base):
            return bool(move.device & ~V.CUDA)
        return not (on_host(base) and move.device == V.CPU)

    def _copies(self, base: Value, node: ast.Call) -> bool:
        given = {k.arg: k.value for k in node.keywords}
        if is_true(given.get("non_blocking")) or (len(node.args) > 1 and is_true(node.args[1])):
            return False
        source = self._module.value(node.args[0] if node.args else given.get("src"))
        if on_host(base):
            # Host memory is filled; unless the source is seen to be a tensor elsewhere, it is host data.
            return source.only(Kind.TENSOR) and not on_host(source)
        return not (on_device(base) and on_device(source))


def _calls(function: FunctionInfo) -> list[ast.Call]:
    """The calls in a function, be it of another module, whose body need not be there."""
    function.load()
    return [node for node in walk(function.node) if isinstance(node, ast.Call)]


_OF_MODULES: WeakKeyDictionary[ModuleAnalysis, Waits] = WeakKeyDictionary()


def waits_of(module: ModuleAnalysis) -> Waits:
    """The ``Waits`` of a module: one for all rules, so that a function is looked into once."""
    if module not in _OF_MODULES:
        _OF_MODULES[module] = Waits(module)
    return _OF_MODULES[module]
