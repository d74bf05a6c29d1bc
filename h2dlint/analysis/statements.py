"""Running statements: branches are joined, loops run to a fixpoint, what does not come out is dropped."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from h2dlint.analysis import library
from h2dlint.analysis import values as V
from h2dlint.analysis.calls import Calls
from h2dlint.analysis.guards import refine
from h2dlint.analysis.moves import device_mask
from h2dlint.analysis.operators import binary
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.records import Env, Frame, join_env, same_env
from h2dlint.analysis.subscripts import record_subscript
from h2dlint.analysis.values import Kind, Value, join, replace

MAX_ROUNDS = 8


class Statements(Calls):
    """Executes statements in a frame; ``Interpreter`` adds functions and classes."""

    def __init__(self) -> None:
        super().__init__()
        self._runners: dict[type[ast.stmt], Callable[[Any, Frame], bool]] = {}

    def annotation(self, node: ast.expr | None, frame: Frame) -> Value | None:
        raise NotImplementedError

    # Statements

    def block(self, body: list[ast.stmt], frame: Frame) -> Env | None:
        """Run statements in ``frame.env``; the environment after them, ``None`` if they never come out."""
        runners = self._runners
        outer = frame.statement
        for statement in body:
            frame.statement = statement
            run = runners.get(statement.__class__)
            if run is None:
                name = "do_" + statement.__class__.__name__.lower()
                run = runners[statement.__class__] = getattr(self, name, self._generic)
            alive = run(statement, frame)
            frame.statement = outer
            if alive is False:
                return None
        return frame.env

    def _generic(self, statement: ast.stmt, frame: Frame) -> bool:
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                self.eval(child, frame)
        return True

    def _branch(self, body: list[ast.stmt], env: Env | None, frame: Frame) -> Env | None:
        if env is None:
            return None
        frame.env = env
        return self.block(body, frame)

    def do_expr(self, node: ast.Expr, frame: Frame) -> bool:
        self.eval(node.value, frame)
        return True

    def do_assign(self, node: ast.Assign, frame: Frame) -> bool:
        value = self.eval(node.value, frame)
        for target in node.targets:
            self.bind_target(target, value, frame, node.value)
        return True

    def do_annassign(self, node: ast.AnnAssign, frame: Frame) -> bool:
        declared = self.annotation(node.annotation, frame)
        value = self.eval(node.value, frame) if node.value is not None else None
        if value is None:
            if declared is not None and isinstance(node.target, ast.Name):
                frame.env.bind(node.target.id, declared.because(f"annotated at line {node.lineno}"))
            return True
        if declared is not None:
            if not value.known or (value.may(Kind.TENSOR) and not declared.may(Kind.TENSOR)):
                value = declared.because(f"annotated at line {node.lineno}")
            elif declared.elem is not None and value.only(Kind.SEQ) and value.elem is None:
                value = replace(value, elem=declared.elem, items=None if value.items == () else value.items)
        self.bind_target(node.target, value, frame, node.value)
        return True

    def do_augassign(self, node: ast.AugAssign, frame: Frame) -> bool:
        right = self.eval(node.value, frame)
        left = self.eval(node.target, frame)
        if left.only(Kind.TENSOR) or left.only(Kind.NDARRAY):
            return True
        if left.only(Kind.SEQ) and isinstance(node.op, ast.Add):
            self._mutate(node.target, left, "extend", [right], frame)
            return True
        value = binary(node.op, left, right, node.lineno)
        self.bind_target(node.target, value, frame)
        return True

    def bind_target(
        self, target: ast.expr, value: Value, frame: Frame, source: ast.expr | None = None
    ) -> None:
        """Assign ``value`` to a target; ``source`` is the right-hand side, for tuple unpacking."""
        if isinstance(target, ast.Name):
            frame.env.bind(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target, value, frame)
        elif isinstance(target, ast.Starred):
            elem = library.element(value)
            self.bind_target(target.value, Value(kind=Kind.SEQ, elem=elem), frame)
        elif isinstance(target, ast.Attribute):
            owner = self.eval(target.value, frame)
            path = dotted(target)
            if target.attr == "data" and isinstance(target.value, ast.Name):
                # ``t.data = t.data.cuda()`` moves the tensor itself.
                frame.env.bind(
                    target.value.id, replace(owner, device=V.SOME_DEVICE, memory=V.ANY_MEMORY, origins=())
                )
            elif owner.cls is not None and target.attr in owner.cls.methods:
                # A property with a setter: what is read may be another value.
                frame.env.forget_paths(path or "")
                frame.env.paths.pop(path or "", None)
            elif path is not None:
                frame.env.bind_path(path, value)
                if frame.sink is not None and path == f"self.{target.attr}":
                    known = frame.sink.get(target.attr)
                    frame.sink[target.attr] = value if known is None else join(known, value)
        elif isinstance(target, ast.Subscript):
            base = self.eval(target.value, frame)
            self.eval(target.slice, frame)
            if source is not None:
                record_subscript(self.records, target, base, frame, source)
            if base.only(Kind.SEQ | Kind.DICT):
                elem = join(base.elem, value) if base.elem is not None or base.items == () else None
                if base.elem is None and (base.items == () or base.only(Kind.DICT)):
                    elem = value
                self.assign_back(target.value, replace(base, elem=elem, items=None), frame)

    def _unpack(self, target: ast.Tuple | ast.List, value: Value, frame: Frame) -> None:
        starred = any(isinstance(t, ast.Starred) for t in target.elts)
        if value.items is not None and len(value.items) == len(target.elts) and not starred:
            for item, part in zip(target.elts, value.items, strict=True):
                self.bind_target(item, part, frame)
            return
        elem = library.element(value) or V.UNKNOWN
        for item in target.elts:
            self.bind_target(item, elem, frame)

    def do_return(self, node: ast.Return, frame: Frame) -> bool:
        value = V.NONE if node.value is None else self.eval(node.value, frame)
        frame.returned = value if frame.returned is None else join(frame.returned, value)
        if frame.sink is not None:
            frame.exits.append(frame.env)
        return False

    def do_raise(self, node: ast.Raise, frame: Frame) -> bool:
        self._generic(node, frame)
        return False

    def do_break(self, node: ast.Break, frame: Frame) -> bool:
        frame.breaks.append(frame.env)
        return False

    def do_continue(self, node: ast.Continue, frame: Frame) -> bool:
        frame.continues.append(frame.env)
        return False

    def do_delete(self, node: ast.Delete, frame: Frame) -> bool:
        for target in node.targets:
            if isinstance(target, ast.Name):
                frame.env.bind(target.id, V.UNKNOWN)
            else:
                self._generic(node, frame)
        return True

    def do_assert(self, node: ast.Assert, frame: Frame) -> bool:
        self.eval(node.test, frame)
        frame.env = refine(node.test, frame.env, True, self, frame) or frame.env
        return True

    def do_if(self, node: ast.If, frame: Frame) -> bool:
        self.eval(node.test, frame)
        main = frame.main
        if _is_main_guard(node.test):
            frame.main = True
        env = frame.env
        yes = self._branch(node.body, refine(node.test, env.copy(), True, self, frame), frame)
        frame.main = main
        no = self._branch(node.orelse, refine(node.test, env.copy(), False, self, frame), frame)
        after = join_env(yes, no)
        frame.env = after if after is not None else env
        return after is not None

    def do_for(self, node: ast.For | ast.AsyncFor, frame: Frame) -> bool:
        iterated = self.eval(node.iter, frame)

        def enter() -> None:
            self.bind_target(node.target, library.element(iterated) or V.UNKNOWN, frame)

        return self._loop(node, enter, frame)

    do_asyncfor = do_for

    def do_while(self, node: ast.While, frame: Frame) -> bool:
        def enter() -> None:
            self.eval(node.test, frame)
            frame.env = refine(node.test, frame.env, True, self, frame) or frame.env

        return self._loop(node, enter, frame)

    def _loop(
        self, node: ast.For | ast.AsyncFor | ast.While, enter: Callable[[], None], frame: Frame
    ) -> bool:
        outer_breaks, outer_continues = frame.breaks, frame.continues
        head = before = frame.env
        exits: list[Env] = []
        frame.loops.append(node.lineno)
        for _ in range(MAX_ROUNDS):
            frame.breaks, frame.continues = [], []
            frame.env = head.copy()
            enter()
            out = self.block(node.body, frame)
            merged = join_env(head, out)
            for env in frame.continues:
                merged = join_env(merged, env)
            exits = frame.breaks
            assert merged is not None
            if same_env(merged, head):
                break
            head = merged
        else:
            _give_up(head, before)
        frame.loops.pop()
        frame.breaks, frame.continues = outer_breaks, outer_continues
        infinite = (
            isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        )
        after: Env | None = None if infinite else head.copy()
        if after is not None and node.orelse:
            after = self._branch(node.orelse, after, frame)
        for env in exits:
            after = join_env(after, env)
        frame.env = after if after is not None else head
        return after is not None

    def do_with(self, node: ast.With | ast.AsyncWith, frame: Frame) -> bool:
        pushed = 0
        for item in node.items:
            value = self.eval(item.context_expr, frame)
            if value.only(Kind.DEVICE):
                # ``with torch.device("cuda")``: factories land there.
                frame.default_devices.append(device_mask(value) & ~V.UNSET)
                pushed += 1
            if item.optional_vars is not None:
                self.bind_target(item.optional_vars, V.UNKNOWN, frame)
        if any(_swallows(item.context_expr) for item in node.items):
            _, frame.env = self._stepwise(node.body, frame)
            out: Env | None = frame.env
        else:
            out = self.block(node.body, frame)
        if pushed:
            del frame.default_devices[-pushed:]
        return out is not None

    do_asyncwith = do_with

    def do_try(self, node: ast.Try, frame: Frame) -> bool:
        before = frame.env.copy()
        out, reached = self._stepwise(node.body, frame)
        if out is not None and node.orelse:
            out = self._branch(node.orelse, out, frame)
        ends = [out]
        for handler in node.handlers:
            assert reached is not None
            frame.env = reached.copy()
            if handler.type is not None:
                self.eval(handler.type, frame)
            if handler.name is not None:
                frame.env.bind(handler.name, V.OBJECT)
            ends.append(self.block(handler.body, frame))
        after: Env | None = None
        for env in ends:
            after = join_env(after, env)
        if node.finalbody:
            alive = after is not None
            frame.env = after if after is not None else before
            final = self.block(node.finalbody, frame)
            return alive and final is not None
        frame.env = after if after is not None else before
        return after is not None

    def _stepwise(self, body: list[ast.stmt], frame: Frame) -> tuple[Env | None, Env]:
        """Run a body that an exception may leave after any statement.

        Returns:
            The environment at its end, if it gets there, and the join of those on the way.
        """
        reached = frame.env.copy()
        out: Env | None = frame.env
        for statement in body:
            out = self.block([statement], frame)
            joined = join_env(reached, frame.env.copy())
            assert joined is not None
            reached = joined
            if out is None:
                break
        return out, reached

    do_trystar = do_try

    def do_match(self, node: ast.Match, frame: Frame) -> bool:
        self.eval(node.subject, frame)
        before = frame.env
        after: Env | None = before.copy()
        for case in node.cases:
            frame.env = before.copy()
            for part in ast.walk(case.pattern):
                if isinstance(part, (ast.MatchAs, ast.MatchStar)) and part.name is not None:
                    frame.env.bind(part.name, V.UNKNOWN)
                elif isinstance(part, ast.MatchMapping) and part.rest is not None:
                    frame.env.bind(part.rest, V.DICT)
            if case.guard is not None:
                self.eval(case.guard, frame)
            after = join_env(after, self.block(case.body, frame))
        frame.env = after if after is not None else before
        return True

    def do_import(self, node: ast.Import, frame: Frame) -> bool:
        for alias in node.names:
            if alias.asname is not None:
                frame.env.bind(alias.asname, Value(kind=Kind.OBJ, qual=alias.name))
            else:
                root = alias.name.split(".", 1)[0]
                frame.env.bind(root, Value(kind=Kind.OBJ, qual=root))
        return True

    def do_importfrom(self, node: ast.ImportFrom, frame: Frame) -> bool:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.star_imports.append(module)
                continue
            frame.env.bind(alias.asname or alias.name, self.import_of(module, alias.name))
        return True


def _swallows(manager: ast.expr) -> bool:
    """A context manager that may swallow an exception of its body."""
    func = manager.func if isinstance(manager, ast.Call) else manager
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    return name in ("suppress", "raises", "assertRaises", "ExitStack", "AsyncExitStack")


def _give_up(head: Env, before: Env) -> None:
    """A loop that does not settle: nothing is known of what it changes."""
    for name, value in head.names.items():
        old = before.names.get(name)
        if old is None or not V.same(old, value):
            head.names[name] = V.UNKNOWN
    head.paths.clear()


def _is_main_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
    )
