"""Copies in flight: which tensors a copy that nobody waited for still reads or writes, statement by statement.

A fact holds only if it holds on every way from the copy to a place: where one branch waits, the copy counts as done.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from h2dlint.analysis import values as V
from h2dlint.analysis.attributes import assigned_to_self
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.order import Walk
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.records import CallRecord
from h2dlint.analysis.values import Kind, Value
from h2dlint.analysis.waits import Waits, name_of

Identity = tuple[object, ...]
"""What an object is called: a name at the entry, an attribute of an object, or the expression that made it."""

WHOLE = "all of it"
PREFIX = "from the beginning"
PIECE = "some part"

_UNKNOWN: Identity = ("unknown",)

_SAME_ELEMENTS = frozenset(
    """view reshape flatten ravel unflatten unsqueeze squeeze t transpose permute movedim swapaxes swapdims detach
    numpy view_as reshape_as requires_grad_ alias""".split()
)
_PARTS = frozenset("narrow select diagonal unfold expand expand_as broadcast_to split chunk unbind".split())
_QUICK = (
    _SAME_ELEMENTS
    | _PARTS
    | frozenset("append extend to cuda copy_ size dim numel stream record record_stream".split())
)
"""Methods that need no explanation, whatever they are called on."""
_SAME_MEMORY = frozenset({"torch.from_numpy", "torch.as_tensor", "torch.asarray", "numpy.asarray"})
_VIEW_ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "data"})
_KNOWN_ROOTS = ("torch", "numpy", "math", "builtins", "time", "os", "logging", "random", "itertools")


@dataclass(frozen=True, slots=True)
class Ref:
    """What an expression refers to.

    Args:
        identity: the object whose memory it is.
        part: ``WHOLE``, ``PREFIX`` (``[:n]``), ``PIECE``, or the text of another index.
        names: names in that text.
        array: seen as an ndarray.
        box: a list or the like that holds it.
    """

    identity: Identity
    part: str = WHOLE
    names: frozenset[str] = frozenset()
    array: bool = False
    box: bool = False

    def overlaps(self, other: Ref) -> bool:
        """Certain to share an element, if neither is empty."""
        if self.identity != other.identity or self.box or other.box:
            return False
        if WHOLE in (self.part, other.part):
            return True
        return self.part == other.part != PIECE

    def inside(self, identity: Identity) -> bool:
        """The object is, or is an attribute of, another."""
        return _mentions(self.identity, identity)


def _mentions(where: Identity, identity: Identity) -> bool:
    return where == identity or (
        len(where) > 1 and isinstance(where[1], tuple) and _mentions(where[1], identity)
    )


@dataclass(frozen=True, slots=True)
class State:
    """What is known at one point.

    Args:
        names: names and attribute paths that refer to something else than they did at the entry.
        flying: the copies in flight; ``None`` on a way that has not come by the copy yet.
        doubts: what ran since the copy and was not seen to the bottom.
    """

    names: Mapping[str, Ref] = field(default_factory=dict)
    flying: frozenset[Ref] | None = None
    doubts: frozenset[str] = frozenset()


class InFlight(Walk[State]):
    """Follows what one copy leaves in flight; subclasses say what that is, and look for what must not happen.

    Args:
        module: the module.
        start: the copy.
    """

    def __init__(self, module: ModuleAnalysis, waits: Waits, start: CallRecord) -> None:
        super().__init__()
        self.module = module
        self.waits = waits
        self.start = start

    def launched(self, node: ast.Call, state: State) -> Ref | None:
        """What the copy leaves in flight; ``None`` if nothing that can be followed."""
        raise NotImplementedError

    def ends(self, node: ast.Call) -> bool:
        """After this call the copy is done, as far as the rule cares."""
        return self.waits.call(node)

    def follow(self) -> State | None:
        """Walk the function (or module) that the copy stands in."""
        function = self.start.function
        return self.run(function.node.body if function is not None else self.module.tree.body, State())

    # References

    def ref(self, node: ast.expr, state: State) -> Ref:
        """What an expression refers to."""
        match node:
            case ast.Name():
                return state.names.get(node.id) or Ref(("name", node.id))
            case ast.Attribute():
                known = state.names.get(dotted(node) or "")
                if known is not None:
                    return known
                base = self.ref(node.value, state)
                if node.attr in _VIEW_ATTRIBUTES:
                    return base
                return Ref(("attribute", base.identity, node.attr))
            case ast.NamedExpr():
                return self.ref(node.value, state)
            case ast.Subscript():
                return self._indexed(node, state)
            case ast.Call():
                return self._called(node, state)
            case ast.List() | ast.Tuple():
                return self._boxed(node, node.elts, state)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                return self._boxed(node, [node.elt], state)
            case ast.DictComp():
                return self._boxed(node, [node.value], state)
            case ast.Dict():
                return self._boxed(node, node.values, state)
            case _:
                return Ref(("made", id(node)))

    def flies(self, node: ast.expr, state: State) -> Ref | None:
        """What an expression refers to, if that, or part of it, is in flight."""
        if not state.flying:
            return None
        ref = self.ref(node, state)
        return ref if any(ref.identity == f.identity for f in state.flying) else None

    def _boxed(self, node: ast.expr, parts: Sequence[ast.expr], state: State) -> Ref:
        for part in parts:
            ref = self.flies(part, state)
            if ref is not None:
                return replace(ref, box=True)
        return Ref(("made", id(node)))

    def _called(self, node: ast.Call, state: State) -> Ref:
        func = node.func
        own = Ref(("made", id(node)))
        if node is self.start.node:
            return own
        if not isinstance(func, ast.Attribute):
            return own
        qual = self.module.value(func).qual
        if qual in _SAME_MEMORY and len(node.args) == 1 and not node.keywords:
            return replace(self.ref(node.args[0], state), array=qual == "numpy.asarray")
        if qual is not None:
            return own
        value = self.module.value(func.value)
        if value.known and not value.may(Kind.TENSOR | Kind.NDARRAY):
            return own
        name = func.attr
        if name in ("pin_memory", "contiguous") and not _copies(name, value):
            return self.ref(func.value, state)
        if name in _SAME_ELEMENTS or (name.endswith("_") and not name.startswith("_")):
            base = self.ref(func.value, state)
            return replace(base, array=base.array or name == "numpy")
        if name in _PARTS:
            return replace(self.ref(func.value, state), part=PIECE)
        if name in ("to", "cpu") and value.only(Kind.TENSOR) and value.device == V.CPU:
            here = self.module.value(node)
            same = here.dtype == value.dtype or here.dtype is None
            if here.device == V.CPU and same:
                return self.ref(func.value, state)
        return own

    def _indexed(self, node: ast.Subscript, state: State) -> Ref:
        base = self.ref(node.value, state)
        if base.box:
            return replace(base, box=False)
        tensor = base.array or self.module.value(node.value).only(Kind.TENSOR | Kind.NDARRAY)
        if not tensor and all(f.identity != base.identity for f in state.flying or ()):
            # An element of a container: another one each time.
            return Ref(("made", id(node)))
        part, names = _part(node.slice)
        if base.part != WHOLE:
            part, names = (base.part, base.names) if part == WHOLE else (PIECE, frozenset())
        return replace(base, part=part, names=names)

    # Binding

    def bound(self, target: ast.expr, value: ast.expr | None, state: State, each: bool = False) -> State:
        path = dotted(target)
        if path is None:
            return _landed(state) if isinstance(target, ast.Subscript) and self.waits.index(target) else state
        if value is None:
            ref = Ref(("bound", path))
        elif each:
            ref = self._element(value, state)
        else:
            ref = self.ref(value, state)
        if ref.identity[0] in ("bound", "each"):
            state = _forget(ref.identity, state)
        return _bind(path, ref, state)

    def bound_together(self, targets: Sequence[ast.expr], values: Sequence[ast.expr], state: State) -> State:
        refs = [self.ref(value, state) for value in values]
        for target, ref in zip(targets, refs, strict=True):
            path = dotted(target)
            state = _bind(path, ref, state) if path is not None else self._bind(target, None, state)
        return state

    def _element(self, value: ast.expr, state: State) -> Ref:
        ref = self.ref(value, state)
        if ref.box:
            return replace(ref, box=False)
        if self.module.value(value).only(Kind.TENSOR | Kind.NDARRAY):
            return replace(ref, part=PIECE)
        return Ref(("each", id(value)))

    # Steps

    def join(self, a: State, b: State) -> State:
        if (a.flying is None) != (b.flying is None):
            # What is told of is the way that came by the copy.
            return b if a.flying is None else a
        names = a.names
        if names != b.names:
            names = {path: _either(path, a, b) for path in a.names.keys() | b.names.keys()}
        flying = None if a.flying is None or b.flying is None else a.flying & b.flying
        return State(names, flying, a.doubts | b.doubts)

    def evaluated(self, node: ast.expr, state: State) -> State:
        if isinstance(node, (ast.Name, ast.Constant, ast.Attribute)):
            return state
        state = _forget(("made", id(node)), state)
        if isinstance(node, ast.Await):
            return _landed(state)
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return _doubted("yield", state)
        if isinstance(node, ast.Subscript) and self.waits.index(node):
            return _landed(state)
        if not isinstance(node, ast.Call):
            return state
        if node is self.start.node:
            state = _told_apart(node, state)
            ref = self.launched(node, state)
            if ref is None or ref.inside(_UNKNOWN):
                return state
            return replace(state, flying=(state.flying or frozenset()) | {ref})
        if state.flying and self.ends(node):
            return _landed(state)
        return self._ran(node, state)

    def tested(self, node: ast.expr, state: State) -> State:
        return _landed(state) if state.flying and self.waits.truth(node) else state

    def _ran(self, node: ast.Call, state: State) -> State:
        """A call that does not wait; of some it is not known."""
        func = node.func
        callee = self.module.value(func)
        if callee.func is not None:
            if (
                isinstance(func, ast.Attribute)
                and isinstance(func.value, ast.Name)
                and func.value.id == "self"
            ):
                for name in assigned_to_self(callee.func):
                    path = f"self.{name}"
                    state = _bind(path, Ref(("bound", path)), _forget(("bound", path), state))
            return state
        if not state.flying or (callee.qual or "").split(".", 1)[0] in _KNOWN_ROOTS:
            return state
        if isinstance(func, ast.Attribute):
            base = self.module.value(func.value)
            if base.known and not base.may(Kind.OBJ):
                return state
        name = name_of(func)
        return state if name in _QUICK else _doubted(name, state)


def _copies(name: str, value: Value) -> bool:
    """``pin_memory`` and ``contiguous`` may make a copy: what is pinned, or dense, is returned as it is."""
    # The number of dimensions is known of what was made so, not of its views, which may have gaps.
    return value.memory != V.PINNED if name == "pin_memory" else value.ndim != 1


def _part(index: ast.expr) -> tuple[str, frozenset[str]]:
    """The part of a tensor that an index takes, and the names that decide on it."""
    if isinstance(index, ast.Constant) and (index.value is Ellipsis or index.value is None):
        return WHOLE, frozenset()
    if isinstance(index, ast.Slice) and index.step is None and _is_zero(index.lower):
        return (WHOLE if index.upper is None else PREFIX), frozenset()
    if isinstance(index, ast.Tuple) and any(isinstance(item, ast.Slice) for item in index.elts):
        # Strided, most of the time: made contiguous before it is copied.
        return PIECE, frozenset()
    names = frozenset(n.id for n in ast.walk(index) if isinstance(n, ast.Name))
    if any(isinstance(n, (ast.Call, ast.Attribute, ast.Subscript)) for n in ast.walk(index)):
        return PIECE, frozenset()
    return ast.unparse(index), names


def _is_zero(lower: ast.expr | None) -> bool:
    return lower is None or (isinstance(lower, ast.Constant) and lower.value in (0, None))


def _either(path: str, a: State, b: State) -> Ref:
    first, second = (s.names.get(path) for s in (a, b))
    return first if first is not None and first == second else Ref(_UNKNOWN)


def _bind(path: str, ref: Ref, state: State) -> State:
    """``path`` refers to ``ref``; whatever was decided by its old value is decided no more."""
    stem = path + "."
    names = {p: _without(path, r) for p, r in state.names.items() if not p.startswith(stem)}
    names[path] = ref
    flying = state.flying
    if flying:
        flying = frozenset(_without(path, f) for f in flying)
    return replace(state, names=names, flying=flying)


def _without(name: str, ref: Ref) -> Ref:
    return replace(ref, part=PIECE, names=frozenset()) if name in ref.names else ref


def _forget(identity: Identity, state: State) -> State:
    """An expression makes its object anew: what was said of the one before is over."""
    named = [path for path, ref in state.names.items() if ref.inside(identity)]
    flown = [ref for ref in state.flying or () if ref.inside(identity)]
    if named:
        state = replace(state, names={**state.names, **dict.fromkeys(named, Ref(_UNKNOWN))})
    if flown:
        state = replace(state, flying=(state.flying or frozenset()) - set(flown))
    return state


def _told_apart(node: ast.Call, state: State) -> State:
    """A name that may refer to several objects refers to one of them: from here on it is called by the name."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and state.names.get(part.id) == Ref(_UNKNOWN):
            identity: Identity = ("one of", part.id)
            state = _forget(identity, state)
            state = replace(state, names={**state.names, part.id: Ref(identity)})
    return state


def _landed(state: State) -> State:
    return replace(state, flying=frozenset(), doubts=frozenset()) if state.flying else state


def _doubted(what: str, state: State) -> State:
    return replace(state, doubts=state.doubts | {what or "a call"}) if state.flying else state


def carried(state: State, root: str = "self") -> Iterator[Ref]:
    """Copies in flight at the exit whose memory is kept in attributes of ``self``."""
    for ref in state.flying or ():
        if len(ref.identity) == 3 and ref.identity[0] == "attribute" and ref.identity[1] == ("name", root):
            yield replace(ref, part=PIECE, names=frozenset()) if ref.names else ref
