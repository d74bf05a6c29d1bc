"""What the interpreter writes down while it runs."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from h2dlint.analysis import values as V
from h2dlint.analysis.outline import FunctionInfo
from h2dlint.analysis.summaries import Context, Trace
from h2dlint.analysis.values import Value

MARK = "\0"
"""First character of paths that are no attribute: marks of a branch."""
NO_CUDA = MARK + "no cuda"
"""Set in a branch that runs only where ``torch.cuda.is_available()`` is false."""


@dataclass(slots=True)
class Env:
    """Names, and attribute paths such as ``self.x`` or ``batch.lens``, at one point of a function."""

    names: dict[str, Value] = field(default_factory=dict)
    paths: dict[str, Value] = field(default_factory=dict)

    def copy(self) -> Env:
        return Env(dict(self.names), dict(self.paths))

    def bind(self, name: str, value: Value) -> None:
        """Assign a name: what was known of its attributes is gone."""
        self.names[name] = V.settled(value)
        self.forget_paths(name)

    def bind_path(self, path: str, value: Value) -> None:
        """Assign an attribute path."""
        self.forget_paths(path)
        self.paths[path] = V.settled(value)

    def weaken_paths(self) -> None:
        """Code that was not seen ran: an attribute may have changed."""
        for path, value in self.paths.items():
            if path[0] != MARK:
                self.paths[path] = V.weakened(value)

    def forget_paths(self, prefix: str) -> None:
        if self.paths:
            stem = prefix + "."
            for path in [p for p in self.paths if p.startswith(stem)]:
                del self.paths[path]


def join_env(a: Env | None, b: Env | None) -> Env | None:
    """Join two branches; ``None`` is a branch that does not come out."""
    if a is None:
        return b
    if b is None or a is b:
        return a
    names = dict(a.names)
    for name, value in b.names.items():
        known = names.get(name)
        if known is not value:
            names[name] = V.join(known, value)
    # A path that only one branch assigned may still have its old value: nothing is known.
    paths = {path: V.join(value, b.paths[path]) for path, value in a.paths.items() if path in b.paths}
    return Env(names, paths)


def same_env(a: Env, b: Env) -> bool:
    """Nothing that a loop can change differs."""
    if a.names.keys() != b.names.keys() or a.paths.keys() != b.paths.keys():
        return False
    return all(V.same(v, b.names[k]) for k, v in a.names.items()) and all(
        V.same(v, b.paths[k]) for k, v in a.paths.items()
    )


@dataclass(slots=True)
class Record:
    """One expression that a rule may want to see, with what surrounded it.

    Args:
        node: the expression.
        statement: the innermost statement.
        function: the innermost function, ``None`` at module level.
        loop: line of the innermost loop or comprehension around it, within the function.
        default_device: mask of the device that a constructor without ``device=`` lands on.
        main: inside ``if __name__ == "__main__"``.
        in_fstring: not to be edited: before Python 3.12 its quotes cannot be used again, nor are its positions
            reliable.
    """

    node: ast.expr
    statement: ast.stmt
    function: FunctionInfo | None
    loop: int | None
    default_device: int
    main: bool
    in_fstring: bool

    @property
    def position(self) -> tuple[int, int, int, int]:
        """Where the expression stands, as ``ast`` says it."""
        node = self.node
        return (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)


@dataclass(slots=True)
class CallRecord(Record):
    """One call that was seen.

    Args:
        callee: dotted name of the function, where it is known.
        method: the attribute name, where the call is of the form ``receiver.method(..)``.
    """

    node: ast.Call
    callee: str | None = None
    method: str | None = None


@dataclass(slots=True)
class SubscriptRecord(Record):
    """One subscript that was seen.

    Args:
        stored: what is assigned to it, ``None`` where it is read.
    """

    node: ast.Subscript
    stored: ast.expr | None = None


@dataclass(slots=True)
class Records:
    """Values by ``id`` of the expression (the tree outlives the records), and what rules may want to see."""

    values: dict[int, Value] = field(default_factory=dict)
    calls: dict[int, CallRecord] = field(default_factory=dict)
    subscripts: dict[int, SubscriptRecord] = field(default_factory=dict)


@dataclass(slots=True)
class Frame:
    """One run through a body."""

    function: FunctionInfo | None
    env: Env
    record: bool
    closure: Env | None = None
    depth: int = 0
    statement: ast.stmt | None = None
    loops: list[int] = field(default_factory=list)
    default_devices: list[int] = field(default_factory=list)
    returned: Value | None = None
    returns: bool = False
    yields: bool = False
    main: bool = False
    shared: frozenset[str] = frozenset()
    """Names that an inner function assigns: nothing is known of them."""
    in_fstring: int = 0
    walrus: list[tuple[str, Value]] = field(default_factory=list)
    """Names bound inside expressions, in order."""
    breaks: list[Env] = field(default_factory=list)
    continues: list[Env] = field(default_factory=list)
    sink: dict[str, Value] | None = None
    """Where assignments to attributes of ``self`` are collected."""
    exits: list[Env] = field(default_factory=list)
    """The environment at each way out, where ``sink`` collects."""
    context: Context = field(default_factory=Context)
    """Whose attributes are being collected, if any are."""
    trace: Trace = field(default_factory=Trace)
    """What the computation that this run belongs to has met."""
    nested: dict[FunctionInfo, Env] = field(default_factory=dict)
    """Functions defined in the body, with what they see; run when it is known what they are called with."""
