"""Tensors for which ``.pin_memory()`` raises: named ones, and complex ones that need gradients."""

from __future__ import annotations

import ast
import re
from functools import cached_property
from weakref import WeakKeyDictionary, proxy

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.outline import FunctionInfo
from h2dlint.analysis.values import UNKNOWN, Kind, Value
from h2dlint.rules.conversions import innermost
from h2dlint.rules.movers import Movement, callee_of
from h2dlint.rules.site import Site

_SAYS_NAMES = re.compile(r"\bnames\s*=|\b(?:refine_names|rename_?|align_to|align_as)\b")
_OF_NAMES = ("names", "rename", "align_")
_NAMING = frozenset({"refine_names", "rename_", "align_to", "align_as"})
_TAKES_NAMES = frozenset({"zeros", "ones", "empty", "full", "rand", "randn", "tensor"})
_LEARNS = re.compile(r"requires_grad(?!\s*=\s*False\b|_\(\s*(?:requires_grad\s*=\s*)?False\b)|\bParameter\b")
_OF_LEARNING = ("requires_grad", "Parameter")
_COMPLEX = re.compile(
    r"\bc?complex(?:32|64|128)?\b|\bc(?:float|double|half)\b|\bchalf\b|complex_|_complex|\bpolar\b"
    r"|fft\b|\bstft\b|\bcomplex(?:Half|Float|Double)\b|\bc(?:64|128)\b|\bhilbert\b"
)
"""What makes complex numbers, as it is written."""
_OF_COMPLEX = (
    "complex", "cfloat", "cdouble", "chalf", "polar", "fft", "stft", "c64", "c128", "hilbert",
)  # fmt: skip
_IMAGINARY = re.compile(r"[jJ](?<=[\d.][jJ])\b")


class _Module:
    """What the code of a module says; each is worked out when it is first asked for, and kept as long as the module."""

    def __init__(self, module: ModuleAnalysis) -> None:
        self._module = proxy(module)
        self._perhaps: dict[int, bool] = {}

    @classmethod
    def of(cls, module: ModuleAnalysis) -> _Module:
        """The one of a module."""
        known = _known.get(module)
        if known is None:
            known = _known[module] = cls(module)
        return known

    def _says(self, parts: tuple[str, ...], pattern: re.Pattern[str]) -> bool:
        """A text in which the pattern finds something holds one of the parts, which are found much faster."""
        text = self._module.source.code
        return any(part in text for part in parts) and pattern.search(text) is not None

    @cached_property
    def says_names(self) -> bool:
        return self._says(_OF_NAMES, _SAYS_NAMES)

    @cached_property
    def names(self) -> bool:
        return any(map(_names, ast.walk(self._module.tree)))

    def perhaps(self, function: FunctionInfo | None) -> bool:
        node = self._module.tree if function is None else function.node
        if id(node) not in self._perhaps:
            self._perhaps[id(node)] = any(map(_perhaps, ast.walk(node)))
        return self._perhaps[id(node)]

    @cached_property
    def learns(self) -> bool:
        return self._says(_OF_LEARNING, _LEARNS)

    @cached_property
    def complex_numbers(self) -> bool:
        return self._says(_OF_COMPLEX, _COMPLEX) or _IMAGINARY.search(self._module.source.code) is not None


_known: WeakKeyDictionary[ModuleAnalysis, _Module] = WeakKeyDictionary()


def may_have_names(site: Site) -> bool:
    """The function, or what makes tensors in the module, names dimensions (PyTorch before 2.13)."""
    module = _Module.of(site.module)
    # Elsewhere files and columns have names too.
    return module.says_names and (module.names or module.perhaps(site.record.function))


def _names(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _NAMING or (node.attr == "names" and isinstance(node.ctx, ast.Store))
    named = isinstance(node, ast.Call) and any(k.arg == "names" for k in node.keywords)
    return named and getattr(node.func, "attr", getattr(node.func, "id", "")) in _TAKES_NAMES  # type: ignore[attr-defined]


def _perhaps(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg == "names"
    if not (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "rename"
    ):
        return False
    return not node.keywords and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "os")


def may_be_complex_with_gradients(site: Site, found: Movement) -> bool:
    """The tensor is not known to be real, or to need no gradients.

    What becomes of gradients in an expression is not followed: a module that speaks of gradients and of complex
    numbers may have both in one tensor.
    """
    dtype = found.value.dtype
    if dtype is not None and not dtype.startswith("complex"):
        return False
    made = [*found.value.origins, *([found.root] if found.root is not None else [])]
    module = _Module.of(site.module)
    if module.learns and (dtype is not None or module.complex_numbers):
        return True
    given = [k.value for call in made for k in call.keywords if k.arg == "requires_grad"]
    learns = any(not (isinstance(v, ast.Constant) and v.value is False) for v in given)
    if not learns and "requires_grad_" not in found.chain:
        return False
    return dtype is not None or not all(_real(site, call) for call in made)


def _real(site: Site, call: ast.Call) -> bool:
    """A factory makes real numbers by default, a constructor by its data."""
    if any(k.arg == "dtype" for k in call.keywords):
        return False
    callee = callee_of(site, call)
    if callee in T.RANDOM_FACTORIES or (callee in T.FACTORIES and callee != "torch.full"):
        return True
    return not _complex(site.value(call.args[0]) if call.args else UNKNOWN)


def _complex(data: Value) -> bool:
    """There may be complex numbers among the data."""
    return innermost(data).may(Kind.COMPLEX | Kind.SEQ | Kind.NDARRAY | Kind.TENSOR | Kind.NPSCALAR)
