"""What comes after what: a forward walk over statements in the order of evaluation.

A subclass of ``Walk`` says what each expression does to a state; the walk sees to branches, loops (and their back
edge), early exits, exceptions and ``finally``. A state is a value that is never changed in place; ``None`` is code
that is not reached.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

S = TypeVar("S")
N = TypeVar("N", bound=ast.stmt)
_Walked = tuple[S, "S | None", tuple[list[S], list[S], list[S]]]
"""The state before a statement, the one after it, and those in which it is left by other ways."""

_MAX_ROUNDS = 6
"""Rounds of a loop after which its state is taken as it is; a lattice of a few facts settles in two or three."""


class Walk(Generic[S]):
    """A walk through the body of a function; subclasses override the hooks.

    The bodies of nested functions, lambdas and classes are not walked: they run at another time.
    """

    def __init__(self) -> None:
        self.exits: list[S] = []
        """The state at each ``return`` and at the end."""
        self._breaks: list[S] = []
        self._continues: list[S] = []
        self._known: dict[int, list[_Walked[S]]] = {}

    # Hooks

    def join(self, a: S, b: S) -> S:
        """The state where two ways meet."""
        raise NotImplementedError

    def evaluated(self, node: ast.expr, state: S) -> S:
        """An expression has been evaluated, after its parts."""
        return state

    def tested(self, node: ast.expr, state: S) -> S:
        """An expression that has been evaluated is asked for its truth."""
        return state

    def bound(self, target: ast.expr, value: ast.expr | None, state: S, each: bool = False) -> S:
        """A target is assigned.

        Args:
            value: the expression, where the target gets it, or (``each``) one element of it.
        """
        return state

    def augmented(self, node: ast.AugAssign, state: S) -> S:
        """``target op= value``; both have been evaluated."""
        return state

    def returned(self, node: ast.Return, state: S) -> S:
        """A function returns; the value has been evaluated."""
        return state

    def entered(self, item: ast.withitem, state: S) -> S:
        """The body of a ``with`` begins; ``left`` is called in turn where its text ends."""
        return state

    def left(self, item: ast.withitem) -> None:
        """The text of a ``with`` ends, whatever way its body was left."""

    # Walking

    def run(self, body: Sequence[ast.stmt], state: S) -> S | None:
        """Walk a function's body.

        Returns:
            The join of the states at its exits; ``None`` if it has none.
        """
        self.exits = []
        self._known = {}
        end = self.block(body, state)
        if end is not None:
            self.exits.append(end)
        return self._all(self.exits)

    def block(self, body: Sequence[ast.stmt], state: S | None) -> S | None:
        """Walk statements in turn."""
        for statement in body:
            if state is None:
                return None
            state = self._statement(statement, state)
        return state

    def meet(self, a: S | None, b: S | None) -> S | None:
        """``join`` for states that may not be reached."""
        if a is None:
            return b
        if b is None or a is b:
            return a
        return self.join(a, b)

    def _all(self, states: Sequence[S | None]) -> S | None:
        result: S | None = None
        for state in states:
            result = self.meet(result, state)
        return result

    def _statement(self, node: ast.stmt, state: S) -> S | None:
        match node:
            case ast.Assign():
                state = self.expression(node.value, state)
                for target in node.targets:
                    state = self._bind(target, node.value, state)
            case ast.AnnAssign():
                if node.value is not None:
                    state = self._bind(node.target, node.value, self.expression(node.value, state))
            case ast.AugAssign():
                state = self.expression(node.target, state)
                state = self.augmented(node, self.expression(node.value, state))
            case ast.Return():
                if node.value is not None:
                    state = self.expression(node.value, state)
                self.exits.append(self.returned(node, state))
                return None
            case ast.Raise():
                return None
            case ast.Break():
                self._breaks.append(state)
                return None
            case ast.Continue():
                self._continues.append(state)
                return None
            case ast.If():
                state = self._condition(node.test, state)
                return self.meet(self.block(node.body, state), self.block(node.orelse, state))
            case ast.For() | ast.AsyncFor():
                return self._once(node, state, self._for)
            case ast.While():
                return self._once(node, state, self._while)
            case ast.With() | ast.AsyncWith():
                return self._with(node, state)
            case ast.Try():
                return self._once(node, state, self._try)
            case ast.Match():
                return self._match(node, state)
            case ast.Assert():
                state = self._condition(node.test, state)
            case ast.Expr():
                state = self.expression(node.value, state)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                for part in node.decorator_list:
                    state = self.expression(part, state)
                state = self.bound(ast.Name(id=node.name, ctx=ast.Store()), None, state)
            case ast.Delete():
                for target in node.targets:
                    state = self.bound(target, None, state)
            case _:
                if type(node).__name__ == "TryStar":
                    return self._once(node, state, self._try)  # type: ignore[arg-type]  # of the same shape
        return state

    def _once(self, node: N, state: S, walk: Callable[[N, S], S | None]) -> S | None:
        """Walk a statement whose parts are walked more than once; from a state that was walked before, look it up.

        Without this, loops in loops take twice the time for each level.
        """
        known = self._known.setdefault(id(node), [])
        found = next((walked for walked in known if walked[0] == state), None)
        if found is None:
            outer = self.exits, self._breaks, self._continues
            ways: tuple[list[S], list[S], list[S]] = ([], [], [])
            self.exits, self._breaks, self._continues = ways
            found = (state, walk(node, state), ways)
            self.exits, self._breaks, self._continues = outer
            known.append(found)
        for mine, added in zip((self.exits, self._breaks, self._continues), found[2], strict=True):
            mine.extend(added)
        return found[1]

    def _bind(self, target: ast.expr, value: ast.expr | None, state: S, each: bool = False) -> S:
        """Assign a target: tuples are taken apart, and what a target is made of is evaluated first."""
        if isinstance(target, ast.Starred):
            return self._bind(target.value, None, state)
        if isinstance(target, (ast.Tuple, ast.List)):
            if isinstance(value, (ast.Tuple, ast.List)) and not each and _pairs(target, value):
                return self.bound_together(target.elts, value.elts, state)
            for element in target.elts:
                state = self._bind(element, None, state)
            return state
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            state = self.expression(target.value, state)
            if isinstance(target, ast.Subscript):
                state = self.expression(target.slice, state)
        return self.bound(target, value, state, each)

    def bound_together(self, targets: Sequence[ast.expr], values: Sequence[ast.expr], state: S) -> S:
        """Several targets are assigned at once; without more knowledge nothing is known of each."""
        for target in targets:
            state = self._bind(target, None, state)
        return state

    def _condition(self, test: ast.expr, state: S) -> S:
        if isinstance(test, ast.BoolOp):
            return self.evaluated(test, self._operands(test, state, asked=True))
        state = self.expression(test, state)
        return self.tested(test.value if isinstance(test, ast.NamedExpr) else test, state)

    def _operands(self, node: ast.BoolOp, state: S, asked: bool) -> S:
        """``a or b``: all but the last are asked for their truth, and the last if the whole is."""
        after: S | None = None
        for operand in node.values:
            if asked or operand is not node.values[-1]:
                state = self._condition(operand, state)
            else:
                state = self.expression(operand, state)
            after = self.meet(after, state)
        assert after is not None
        return after

    def _for(self, node: ast.For | ast.AsyncFor, state: S) -> S | None:
        state = self.expression(node.iter, state)
        return self._loop(
            state,
            lambda head: self.block(node.body, self._bind(node.target, node.iter, head, each=True)),
            node.orelse,
        )

    def _while(self, node: ast.While, state: S) -> S | None:
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        tests: list[S] = []

        def once(head: S) -> S | None:
            inside = self._condition(node.test, head)
            tests[:] = [inside]
            return self.block(node.body, inside)

        return self._loop(state, once, node.orelse, leaves=lambda: None if endless else tests[0])

    def _loop(
        self,
        state: S,
        once: Callable[[S], S | None],
        orelse: Sequence[ast.stmt],
        leaves: Callable[[], S | None] | None = None,
    ) -> S | None:
        """Run a body until its head's state settles; ``leaves`` gives the state in which the loop ends by itself."""
        outer = self._breaks, self._continues
        head = state
        exits: list[S] = []
        for _ in range(_MAX_ROUNDS):
            self._breaks, self._continues = [], []
            end = self._all([once(head), *self._continues])
            exits = self._breaks
            merged = self.meet(head, end)
            assert merged is not None
            if merged == head:
                break
            head = merged
        self._breaks, self._continues = outer
        after = head if leaves is None else leaves()
        if after is not None and orelse:
            after = self.block(orelse, after)
        return self._all([after, *exits])

    def _with(self, node: ast.With | ast.AsyncWith, state: S) -> S | None:
        for item in node.items:
            state = self.expression(item.context_expr, state)
            if item.optional_vars is not None:
                state = self._bind(item.optional_vars, None, state)
            state = self.entered(item, state)
        out = self.block(node.body, state)
        for item in reversed(node.items):
            self.left(item)
        return out

    def _try(self, node: ast.Try, state: S) -> S | None:
        kept = self.exits, self._breaks, self._continues
        self.exits, self._breaks, self._continues = [], [], []
        reached: S | None = state
        out: S | None = state
        for statement in node.body:
            if out is None:
                break
            out = self._statement(statement, out)
            reached = self.meet(reached, out)
        ends = [self.block(node.orelse, out)]
        ends += [self.block(handler.body, reached) for handler in node.handlers]
        mine = self.exits, self._breaks, self._continues
        self.exits, self._breaks, self._continues = kept
        for inner, outer in zip(mine, kept, strict=True):
            # A return, break or continue goes through ``finally`` too.
            left = self._all(inner)
            if left is not None and node.finalbody:
                left = self.block(node.finalbody, left)
                inner = [] if left is None else [left]
            outer.extend(inner)
        return self.block(node.finalbody, self._all(ends))

    def _match(self, node: ast.Match, state: S) -> S | None:
        state = self.expression(node.subject, state)
        ends: list[S | None] = []
        always = False
        for case in node.cases:
            inner = state
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    inner = self.bound(ast.Name(id=name, ctx=ast.Store()), None, inner)
            if case.guard is not None:
                inner = self._condition(case.guard, inner)
                state = self.join(state, inner)
            elif isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None:
                always = True
            ends.append(self.block(case.body, inner))
        return self._all(ends if always else [*ends, state])

    # Expressions

    def expression(self, node: ast.expr, state: S) -> S:
        """Walk an expression, its parts first."""
        match node:
            case ast.Lambda():
                return state
            case ast.BoolOp():
                state = self._operands(node, state, asked=False)
            case ast.IfExp():
                state = self._condition(node.test, state)
                state = self.join(self.expression(node.body, state), self.expression(node.orelse, state))
            case ast.UnaryOp(op=ast.Not()):
                state = self._condition(node.operand, state)
            case ast.NamedExpr():
                state = self._bind(node.target, node.value, self.expression(node.value, state))
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                state = self._comprehension(node, state)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        state = self.expression(child, state)
                    elif isinstance(child, ast.keyword):
                        state = self.expression(child.value, state)
        return self.evaluated(node, state)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, state: S
    ) -> S:
        first = node.generators[0]
        state = self.expression(first.iter, state)

        def once(head: S) -> S:
            for generator in node.generators:
                if generator is not first:
                    head = self.expression(generator.iter, head)
                head = self._bind(generator.target, generator.iter, head, each=True)
                for condition in generator.ifs:
                    head = self._condition(condition, head)
            parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            for part in parts:
                head = self.expression(part, head)
            return head

        after = self._loop(state, once, ())
        assert after is not None
        return after


def _pairs(target: ast.Tuple | ast.List, value: ast.Tuple | ast.List) -> bool:
    """Each target has its own value."""
    starred = any(isinstance(element, ast.Starred) for element in [*value.elts, *target.elts])
    return not starred and len(value.elts) == len(target.elts)
