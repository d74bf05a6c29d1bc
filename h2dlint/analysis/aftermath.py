"""What happens to the host after an expression has run, in the order in which code runs.

From an upload on, the rest of its statement, the statements after it and what follows the enclosing block are walked as
they are evaluated, along what certainly runs: to the next thing that makes the host wait, or to a place from which
nothing certain can be said (a ``return``, the end of a loop's body, a branch, too many statements).
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from h2dlint.analysis.device_reads import DeviceTensors
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.spots import Level, Spot

NEAR = 5
"""Statements that may stand between an upload and what follows it: more of them take the host a while by themselves."""

_MOST_NODES = 500
"""Nodes of the tree after which a walk gives up: generated code may hold thousands of uploads in one statement."""

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_TRIES: tuple[type[ast.stmt], ...] = (ast.Try, *((ast.TryStar,) if hasattr(ast, "TryStar") else ()))


class Ends(enum.Enum):
    """What a walk meets."""

    WAITS = "waits"
    """The host waits for the work queued on the device."""
    UPLOAD = "upload"
    """Another upload, one of those that the walk was told of."""
    UNKNOWN = "unknown"
    """Nothing certain can be said of what follows."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a walk has met, and where."""

    what: Ends
    node: ast.AST | None = None

    @property
    def line(self) -> int | None:
        """Where it stands: of a chain over several lines, the line of its last method."""
        node = self.node.func if isinstance(self.node, ast.Call) else self.node
        return getattr(node, "end_lineno" if node is not self.node else "lineno", None)


_LOST = Meeting(Ends.UNKNOWN)


class Walk:
    """One walk from an expression on.

    Args:
        module: the analysis of the module.
        spot: where it begins: just after the expression has been evaluated.
        uploads: says what another expression that uploads means to the walk: it ends there, as an upload or as a
            wait, or (``None``) it goes on; expressions of no upload are not asked for.
        through_calls: calls of functions that were not seen do not end the walk unless they are handed a tensor that
            is on the device: host work between two uploads. Otherwise the walk ends there, because what such a call
            does while the device works is what a fix gains.
    """

    def __init__(
        self,
        module: ModuleAnalysis,
        spot: Spot,
        uploads: Callable[[ast.expr], Ends | None],
        is_upload: Callable[[ast.expr], bool],
        through_calls: bool = False,
    ) -> None:
        self.tensors = DeviceTensors(module)
        self._module = module
        self._spot = spot
        self._uploads = uploads
        self._is_upload = is_upload
        self._through_calls = through_calls
        self._started = False
        self._left = NEAR + 1
        self._nodes = _MOST_NODES

    def run(self) -> Meeting:
        """What the host meets first."""
        return self._run() or _LOST

    def _run(self) -> Meeting | None:
        levels = self._spot.levels
        innermost = levels[-1]
        met = self._statement(innermost.body[innermost.index])
        if met is not None or not self._started:
            return met
        for level in reversed(levels):
            met = self._block(level.body[level.index + 1 :]) or self._leave(level)
            if met is not None:
                return met
        return _LOST

    def _stop(self) -> Meeting | None:
        """Nothing certain comes after this, if the walk has begun."""
        return _LOST if self._started else None

    def _leave(self, level: Level) -> Meeting | None:
        """After the last statement of a block; ``None`` where what follows its statement comes next."""
        parent, part = level.parent, level.part
        if isinstance(parent, (*_DEFINITIONS, ast.Module, ast.AsyncWith)):
            return _LOST
        if isinstance(parent, _LOOPS) and part == "body":
            return _LOST
        if isinstance(parent, _TRIES):
            rest: list[ast.stmt] = []
            if part == "body":
                rest += getattr(parent, "orelse", [])
            if part != "finalbody":
                rest += getattr(parent, "finalbody", [])
            return self._block(rest)
        return None

    # Statements

    def _block(self, body: Iterable[ast.stmt]) -> Meeting | None:
        for statement in body:
            self._left -= 1
            if self._left <= 0:
                return _LOST
            met = self._statement(statement)
            if met is not None:
                return met
        return None

    def _statement(self, node: ast.stmt) -> Meeting | None:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return self._assign(targets, node.value)
        if isinstance(node, ast.AugAssign):
            return self._augment(node)
        if isinstance(node, ast.If):
            met = self._truth(node.test)
            return met or (self._fork(node.body, node.orelse) if self._started else None)
        if isinstance(node, (ast.While, ast.For)):
            met = self._truth(node.test) if isinstance(node, ast.While) else self._visit(node.iter)
            return met or self._stop()
        if isinstance(node, ast.With):
            for item in node.items:
                met = self._visit(item.context_expr)
                if met is not None:
                    return met
                if item.optional_vars is not None and self._started:
                    self.tensors.bind(item.optional_vars, None)
            return self._block(node.body) if self._started else None
        if isinstance(node, _TRIES):
            parts = (
                *getattr(node, "body", ()),
                *getattr(node, "orelse", ()),
                *getattr(node, "finalbody", ()),
            )
            return self._block(parts) if self._started else None
        if isinstance(node, ast.Assert):
            return self._truth(node.test)
        if isinstance(node, (ast.Return, ast.Raise)):
            return self._children(node) or self._stop()
        if isinstance(node, ast.Expr):
            return self._visit(node.value)
        if isinstance(node, ast.Delete):
            for target in node.targets:
                self.tensors.bind(target, None)
            return None
        if isinstance(node, _DEFINITIONS):
            self.tensors.bind(ast.Name(id=node.name), None)
            return None
        if isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)):
            return None
        return self._header(node) or self._stop()

    def _header(self, node: ast.stmt) -> Meeting | None:
        """What runs first of a statement whose body is not followed."""
        heads: list[ast.expr] = []
        if isinstance(node, ast.Match):
            heads = [node.subject]
        elif isinstance(node, ast.AsyncFor):
            heads = [node.iter]
        elif isinstance(node, ast.AsyncWith):
            heads = [item.context_expr for item in node.items]
        return self._in_order(heads)

    def _in_order(self, nodes: Iterable[ast.AST]) -> Meeting | None:
        for node in nodes:
            met = self._visit(node)
            if met is not None:
                return met
        return None

    def _assign(self, targets: Sequence[ast.expr], value: ast.expr | None) -> Meeting | None:
        if value is None:
            return None
        met = self._visit(value)
        if met is not None:
            return met
        for target in targets:
            met = self._target(target, value)
            if met is not None:
                return met
        return None

    def _target(self, target: ast.expr, value: ast.expr | None) -> Meeting | None:
        if isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                if isinstance(part, (ast.Subscript, ast.Attribute)):
                    met = self._target(part, None)
                    if met is not None:
                        return met
        elif isinstance(target, (ast.Subscript, ast.Attribute)):
            met = self._visit(target)
            if met is not None:
                return met
            own = target is self._spot.node or not self._started
            if not own and value is not None and self.tensors.stores_with_wait(target, value):
                return Meeting(Ends.WAITS, target)
        if self._started:
            self.tensors.bind(target, value)
        return None

    def _augment(self, node: ast.AugAssign) -> Meeting | None:
        met = self._visit(node.value)
        if met is None and isinstance(node.target, (ast.Subscript, ast.Attribute)):
            met = self._visit(node.target)
        if met is None and self._started and not self.tensors.holds(node.target):
            self.tensors.bind(node.target, node.value)
        return met

    def _fork(self, body: list[ast.stmt], orelse: list[ast.stmt]) -> Meeting | None:
        """Two branches: what both do is certain; one that raises does not count."""
        if _raises(body) or _raises(orelse):
            return self._block(orelse if _raises(body) else body)
        names, left = dict(self.tensors.names), self._left
        first = self._block(body)
        after, spent = self.tensors.names, self._left
        self.tensors.names, self._left = names, left
        second = self._block(orelse)
        self._left = min(self._left, spent)
        other = self.tensors.names
        self.tensors.names = {name: mask and other[name] for name, mask in after.items() if name in other}
        if first is None and second is None:
            return None
        if first is not None and second is not None and first.what is second.what:
            return first
        if self._through_calls and Ends.UNKNOWN not in {m.what for m in (first, second) if m is not None}:
            # An upload in one branch only is followed by what comes after both.
            waits = any(m is not None and m.what is Ends.WAITS for m in (first, second))
            return _LOST if waits else None
        return _LOST

    # Expressions

    def _children(self, node: ast.AST) -> Meeting | None:
        return self._in_order(ast.iter_child_nodes(node))

    def _visit(self, node: ast.AST | None) -> Meeting | None:
        """Evaluate a node: its parts in order, then itself."""
        if node is None or isinstance(
            node, (ast.expr_context, ast.operator, ast.cmpop, ast.unaryop, ast.boolop)
        ):
            return None
        if not self._started and id(node) not in self._spot.spine:
            return None
        self._nodes -= 1
        if self._nodes <= 0:
            return _LOST
        if isinstance(node, ast.Lambda):
            return self._deferred([node.body])
        if isinstance(node, _COMPREHENSIONS):
            return self._comprehension(node)
        if isinstance(node, ast.IfExp):
            met = self._truth(node.test) or self._one_of([node.body], [node.orelse])
        elif isinstance(node, ast.BoolOp):
            met = self._operands(node.values)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            met = self._truth(node.operand)
        else:
            met = self._children(node)
        if met is not None or not isinstance(node, ast.expr):
            return met
        return self._itself(node)

    def _itself(self, node: ast.expr) -> Meeting | None:
        if node is self._spot.node:
            self._started = True
            self.tensors.arrive(node)
            return None
        if not self._started:
            return None
        if isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom)):
            return _LOST
        if self._is_upload(node):
            means = self._uploads(node)
            if means is not None:
                return Meeting(means, node)
            self.tensors.arrive(node)
            return None
        if self.tensors.waits(node):
            return Meeting(Ends.WAITS, node)
        return _LOST if isinstance(node, ast.Call) and self._ends_at(node) else None

    def _truth(self, node: ast.expr) -> Meeting | None:
        met = self._visit(node)
        if met is None and self._started and self.tensors.holds(node):
            return Meeting(Ends.WAITS, node)
        return met

    def _operands(self, values: list[ast.expr]) -> Meeting | None:
        """``a and b``: ``a`` is certain, and so is its truth; the rest is not, but for where the walk begins."""
        for index, value in enumerate(values):
            if index and self._started:
                return self._perhaps(values[index:])
            met = self._truth(value) if index < len(values) - 1 else self._visit(value)
            if met is not None:
                return met
        return None

    def _one_of(self, *branches: list[ast.expr]) -> Meeting | None:
        if self._started:
            return self._perhaps([node for branch in branches for node in branch])
        for branch in branches:
            if any(id(node) in self._spot.spine for node in branch):
                return self._in_order(branch)
        return None

    def _perhaps(self, nodes: list[ast.expr]) -> Meeting | None:
        """Expressions that may not be evaluated: they say nothing of waits, and end the walk by their calls."""
        for node in (inner for outer in nodes for inner in ast.walk(outer)):
            if isinstance(node, ast.NamedExpr):
                self.tensors.bind(node.target, None)
            elif isinstance(node, ast.Call) and not self._is_upload(node) and self._ends_at(node):
                return _LOST
        return None

    def _ends_at(self, node: ast.Call) -> bool:
        """The call does more than a tensor operation or plain Python does."""
        return not self.tensors.is_light(node) and (not self._through_calls or self.tensors.touches(node))

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> Meeting | None:
        met = self._visit(node.generators[0].iter)
        if met is not None:
            return met
        inner: list[ast.expr] = []
        for number, generator in enumerate(node.generators):
            inner += [generator.iter] if number else []
            inner += generator.ifs
        inner += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return self._perhaps(inner) if self._started else self._deferred(inner)

    def _deferred(self, nodes: list[ast.expr]) -> Meeting | None:
        """The body of a comprehension or a lambda: where the walk begins in it, it ends with it."""
        if self._started:
            return None
        return self._in_order(nodes) or self._stop()


def _raises(body: list[ast.stmt]) -> bool:
    """The block ends with an exception, and there is no other way out of it."""
    ways_out = (ast.Return, ast.Break, ast.Continue)
    return (
        bool(body)
        and isinstance(body[-1], ast.Raise)
        and not any(isinstance(node, ways_out) for statement in body for node in ast.walk(statement))
    )
