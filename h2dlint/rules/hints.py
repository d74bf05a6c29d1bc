"""What a function's own syntax rules out: that an expression is a host tensor, or a tensor at all.

This is looked at before a function is interpreted, to spare that where it cannot lead to a finding. Names stand for all
that they are bound to anywhere in the function. What is not understood may be anything.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from h2dlint.analysis import torch_facts as T
from h2dlint.analysis.outline import FunctionNode, dotted
from h2dlint.syntax.trees import children, walk

_DOUBTS = re.compile(r"cpu|is_cuda|pin_memory|is_pinned|return_tensors|device\S{0,40}\s*[!=]=|[!=]=\s*\S{0,40}device")
"""A text in which a test may say that a tensor is on the host, or a tensor."""
_TESTED = re.compile(r"isinstance|is_tensor|is_cuda|is_cpu|is_pinned")
_NAMED_FOR_THE_HOST = re.compile(r"(?<![a-z])(?:cpu|host)$")
_ABOUT = frozenset("shape device dtype ndim is_cuda requires_grad".split())
_SELF = frozenset("T mT H mH data real imag".split())
_SCALARS = frozenset("item size dim numel tolist nelement element_size get_device is_contiguous data_ptr stride".split())
_KEEPS = (
    T.VIEWS
    | frozenset(T.CASTS)
    | frozenset(
        """sum mean max min abs exp log sqrt rsqrt pow softmax log_softmax sigmoid tanh relu chunk split clone detach
        masked_fill masked_fill_ mul add sub div mul_ add_ sub_ div_ matmul bmm mm contiguous clamp clamp_ round floor ceil
        square neg cumsum topk gather index_select masked_select argmax argmin argsort sort unsqueeze_ fill_ zero_ eq ne lt
        le gt ge any all norm std var repeat_interleave flip roll tril triu sign sin cos requires_grad_ copy_""".split()
    )
)
"""Methods of tensors whose result is where the tensor and its arguments are."""
_JOINS = frozenset(
    """cat concat stack matmul mm bmm einsum sum mean max min exp log sqrt rsqrt abs clamp sigmoid tanh softmax cumsum
    topk gather argmax argsort sort zeros_like ones_like empty_like full_like rand_like randn_like sin cos outer maximum
    minimum where pow add mul sub div nonzero isnan chunk split baddbmm addmm logical_and logical_or floor ceil round
    square norm flip roll tril triu repeat_interleave index_select masked_select silu gelu relu layer_norm rms_norm linear
    normalize pad interpolate one_hot embedding""".split()
)
"""Functions of torch whose result is where their arguments are."""
_NO_TENSOR_CALLS = frozenset(
    """dict list set tuple range len int float str bool sorted enumerate zip defaultdict OrderedDict deque Counter
    frozenset""".split()
)
_NO_TENSOR_TYPES = frozenset("int float str bool bytes List Dict list dict Set set Tuple tuple Any Callable object".split())

Binding = ast.expr | None


class Hints:
    """What the syntax of one function rules out.

    Args:
        function: outermost.
        text: its source.
        called: something in its file may say what it is given.
    """

    def __init__(self, function: FunctionNode, text: str, called: bool) -> None:
        self._called = called
        self._doubted = _DOUBTS.search(text) is not None
        self._tested = _TESTED.search(text) is not None
        self._parameters = {arg.arg: arg.annotation for arg in _arguments(function.args)}
        self._several = {arg.arg for arg in (function.args.vararg, function.args.kwarg) if arg is not None}
        self._bound: dict[str, list[Binding]] = {}
        self._unpacked: set[str] = set()
        self._stored: set[str] = set()
        self._collect(function)

    def _collect(self, function: FunctionNode) -> None:
        for node in walk(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._bind(target, node.value)
            elif isinstance(node, (ast.AugAssign, ast.NamedExpr)):
                self._bind(node.target, node.value)
            elif isinstance(node, ast.AnnAssign):
                self._bind(node.target, node.value if node.value is not None else node.annotation)
                if isinstance(node.target, ast.Name):
                    self._bind(node.target, None)
            elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
                self._bind(node.target, None)
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                for name in node.names:
                    self._bound.setdefault(name, []).append(None)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and node is not function:
                for arg in _arguments(node.args):
                    self._bound.setdefault(arg.arg, []).append(None)
            elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name is not None:
                self._bound.setdefault(node.name, []).append(None)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                self._stored.add(node.attr)

    def _bind(self, target: ast.expr, value: Binding) -> None:
        if isinstance(target, ast.Name):
            self._bound.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, None)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts: list[Binding] = [None] * len(target.elts)
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts):
                parts = list(value.elts)
            elif isinstance(value, ast.Call) or (isinstance(value, ast.Attribute) and value.attr == "shape"):
                # ``q, k = x.chunk(2)``: each is where the whole is.
                parts = [value] * len(parts)
            for inner, part in zip(target.elts, parts, strict=True):
                self._bind(inner, part)

    # Host tensors

    def host(self, node: ast.expr) -> bool:
        """An expression may be a tensor on the host."""
        return self._doubted or self._host(node, set())

    def _host(self, node: ast.expr, seen: set[str]) -> bool:
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.Lambda, ast.Slice)):
            return False
        if isinstance(node, ast.Name):
            return self._name(node.id, seen, self._host, self._called)
        if isinstance(node, ast.Attribute):
            return self._host_attribute(node, seen)
        if isinstance(node, ast.Subscript):
            return self._host(node.value, seen)
        if isinstance(node, ast.Call):
            return self._host_call(node, seen)
        if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.NamedExpr)):
            return any(isinstance(part, ast.expr) and self._host(part, seen) for part in children(node))
        return True

    def _name(
        self, name: str, seen: set[str], ask: Callable[[ast.expr, set[str]], bool], parameter: bool
    ) -> bool:
        if _NAMED_FOR_THE_HOST.search(name):
            return True
        if name in seen or name == "self":
            return False
        seen.add(name)
        bound = self._bound.get(name, [])
        if name in self._several:
            return True
        if name in self._parameters:
            if parameter:
                return True
        elif not bound:
            return True
        return any(value is None or ask(value, seen) for value in bound)

    def _host_attribute(self, node: ast.Attribute, seen: set[str]) -> bool:
        base = node.value
        if node.attr in _ABOUT:
            return False
        if node.attr in self._stored or _NAMED_FOR_THE_HOST.search(dotted(node) or "cpu"):
            return True
        if isinstance(base, ast.Name) and self._unknown(base.id):
            return False
        known = isinstance(base, ast.Name) and base.id == "self"
        return known or node.attr not in _SELF or self._host(base, seen)

    def _unknown(self, name: str) -> bool:
        """A parameter of which nothing is known, not even its class."""
        return (
            name in self._parameters
            and self._parameters[name] is None
            and not self._called
            and not self._tested
            and name not in self._bound
            and name not in ("self", "cls")
        )

    def _host_call(self, node: ast.Call, seen: set[str]) -> bool:
        func = node.func
        if not isinstance(func, ast.Attribute) or any(k.arg in (None, "device", "out") for k in node.keywords):
            return True
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        parts = [part for arg in given for part in (arg.elts if isinstance(arg, (ast.Tuple, ast.List)) else [arg])]
        if isinstance(func.value, ast.Name) and func.value.id in ("torch", "F") and not self._bound.get(func.value.id):
            return func.attr not in _JOINS or any(self._host(part, seen) for part in parts)
        if func.attr in _SCALARS:
            return False
        if func.attr == "to":
            moved = len(node.args) == 1 and _of_dtype(node.args[0]) and not node.keywords
            return not moved or self._host(func.value, seen)
        if func.attr not in _KEEPS:
            return True
        return self._host(func.value, seen) or any(self._host(part, seen) for part in parts)

    # Tensors

    def tensor(self, node: ast.expr) -> bool:
        """An expression may be known to be a tensor."""
        return self._tested or self._tensor(node, set())

    def _tensor(self, node: ast.expr, seen: set[str]) -> bool:
        if isinstance(
            node,
            (ast.Constant, ast.JoinedStr, ast.Lambda, ast.Dict, ast.DictComp, ast.List, ast.ListComp, ast.Tuple)
            + (ast.Set, ast.SetComp, ast.GeneratorExp),
        ):
            return False
        if isinstance(node, ast.Name):
            annotation = self._parameters.get(node.id)
            said = annotation is not None and not (
                isinstance(annotation, ast.Name) and annotation.id in _NO_TENSOR_TYPES
            )
            return self._name(node.id, seen, self._tensor, self._called or said)
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            base = node.value
            if isinstance(node, ast.Attribute) and (node.attr in _ABOUT or node.attr in self._stored):
                return node.attr not in _ABOUT
            return not (isinstance(base, ast.Name) and self._unknown(base.id))
        if isinstance(node, ast.Call):
            func = node.func
            if isinstance(func, ast.Name):
                return func.id not in _NO_TENSOR_CALLS
            return not (
                isinstance(func, ast.Attribute)
                and isinstance(func.value, ast.Name)
                and func.value.id in ("np", "numpy", "os", "json", "re", "math", "time")
            )
        if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.NamedExpr)):
            return any(isinstance(part, ast.expr) and self._tensor(part, seen) for part in children(node))
        return True


def _arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from arguments.posonlyargs
    yield from arguments.args
    yield from arguments.kwonlyargs
    for arg in (arguments.vararg, arguments.kwarg):
        if arg is not None:
            yield arg


def _of_dtype(node: ast.expr) -> bool:
    if not isinstance(node, ast.Attribute):
        return False
    return node.attr == "dtype" or (
        isinstance(node.value, ast.Name) and node.value.id == "torch" and node.attr in T.DTYPES
    )


def may_be_told(name: str, method: bool, text: str) -> bool:
    """Something in a file may say what a function is given.

    Args:
        name: of the function.
        method: it stands in a class.
        text: of the file.
    """
    if name.startswith("__") and name.endswith("__"):
        return False
    if name.startswith("_"):
        found = len(re.findall(rf"\b{name}\b", text))
        return found > len(re.findall(rf"\bdef\s+{name}\b", text))
    if method:
        return any(f"{head}{name}(" in text for head in ("self.", "cls.", "super()."))
    return re.search(rf"(?<!def )(?<![.\w]){name}\(", text) is not None
