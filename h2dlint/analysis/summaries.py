"""What was worked out of functions and classes, and where it holds.

A result must not depend on what was asked before it. So recursion ends at a *depth* of calls and a *level* of classes,
never at what happens to be running; each computation writes down in its ``Trace`` what it met, and its result is used
again only where it would come out the same:

* A function's result holds for the signature of its arguments. Where no limit cut it, it holds wherever no limit would.
* The attributes of a class are collected in a ``Context`` of their own, one level up, from a fixed depth. Within it the
  class itself is seen as far as it is collected; every other class is seen whole.
* What has looked at the class that a context collects holds in that context alone, while that is as it was seen.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value, replace

if TYPE_CHECKING:
    from h2dlint.analysis.outline import ClassInfo, FunctionInfo

MAX_DEPTH = 4
"""Calls followed into calls."""
MAX_LEVEL = 3
"""Classes followed into classes."""
METHOD_DEPTH = 2
"""Where methods stand when the attributes that they assign are collected."""
MAX_NESTING = 2
"""How far the elements of an argument count."""

Key = tuple[Hashable, ...]


@dataclass(eq=False, slots=True)
class Trace:
    """What a computation met.

    Args:
        depth: of its deepest frame.
        level: the highest level that it went to.
        cut: a limit was reached.
        classes: whose attributes were asked for in the same context.
        names: attributes seen of the class that the context collects.
    """

    depth: int = 0
    level: int = 0
    cut: bool = False
    classes: set[ClassInfo] = field(default_factory=set)
    names: dict[str, Value | None] = field(default_factory=dict)

    def add(self, other: Trace) -> None:
        """Count in what a part of the computation met."""
        self.depth = max(self.depth, other.depth)
        self.level = max(self.level, other.level)
        self.cut = self.cut or other.cut
        self.classes |= other.classes
        self.names.update(other.names)


@dataclass(eq=False, slots=True)
class Context:
    """Where a computation stands.

    Args:
        level: how many classes were followed into classes.
        owner: the class whose attributes are being collected.
        collected: what is known of them.
        local: summaries that hold here alone.
    """

    level: int = 0
    owner: ClassInfo | None = None
    collected: dict[str, Value] = field(default_factory=dict)
    local: dict[Key, Summary] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Summary:
    """A result, with the place where it was worked out and what was met on the way."""

    value: Value
    depth: int
    level: int
    trace: Trace


class Summaries:
    """The results of functions, by function and signature."""

    def __init__(self) -> None:
        self._whole: dict[Key, Summary] = {}
        self._cut: dict[Key, Summary] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._whole.clear()
        self._cut.clear()

    def find(self, key: Key, depth: int, context: Context, trace: Trace) -> Value | None:
        """A result that holds at a depth of a context; what it met is added to ``trace``."""
        found = self._whole.get(key)
        if found is not None and context.owner not in found.trace.classes:
            deepest = found.trace.depth - found.depth + depth
            highest = found.trace.level - found.level + context.level
            if deepest <= MAX_DEPTH and highest <= MAX_LEVEL:
                trace.depth = max(trace.depth, deepest)
                trace.level = max(trace.level, highest)
                trace.classes |= found.trace.classes
                return found.value
        found = self._cut.get((key, depth, context.level))
        if found is not None and context.owner not in found.trace.classes:
            trace.add(found.trace)
            return found.value
        found = context.local.get((key, depth))
        if found is not None and all(context.collected.get(n) is v for n, v in found.trace.names.items()):
            trace.add(found.trace)
            return found.value
        return None

    def keep(self, key: Key, depth: int, context: Context, value: Value, trace: Trace) -> None:
        """Keep a result where it will be found wherever it holds."""
        summary = Summary(value, depth, context.level, trace)
        if context.owner is not None and context.owner in trace.classes:
            context.local[key, depth] = summary
        elif trace.cut:
            self._cut[key, depth, context.level] = summary
        else:
            self._whole[key] = summary


@dataclass(eq=False, slots=True)
class Attributes:
    """What the methods of a class assign to ``self``, collected at a level, and the highest one gone to."""

    values: dict[str, Value]
    level: int
    trace: Trace


def widened(value: Value, nesting: int = MAX_NESTING) -> Value:
    """An argument as its signature tells it: without what differs from call to call and rarely matters."""
    if value is V.UNKNOWN:
        return value
    elem = value.elem
    qual = value.qual if value.qual is None or not value.qual.startswith(".") else None
    return replace(
        value,
        elem=widened(elem, nesting - 1) if elem is not None and nesting else None,
        items=value.items if value.items == () else None,
        size=None,
        most=None,
        const=value.const if value.const is None or isinstance(value.const, bool) else V.MISSING,
        qual=qual,
        bound=instance_of(value.bound.cls) if value.bound is not None else None,
        origins=(),
        why="",
    )


def signature(value: Value) -> Key:
    """Everything that a widened value says."""
    return (
        value.kind,
        value.device,
        value.memory,
        value.dtype,
        value.ndim,
        value.spread,
        value.layout,
        None if value.elem is None else signature(value.elem),
        value.items,
        "" if value.const is V.MISSING else value.const,
        value.presumed,
        value.qual,
        value.func,
        value.cls,
        value.klass,
        None if value.bound is None else value.bound.cls,
        value.natural,
        value.distinct,
        value.confidence,
    )


def mentioned(value: Value) -> list[ClassInfo | FunctionInfo]:
    """The functions and classes that a widened value refers to."""
    found: list[ClassInfo | FunctionInfo] = [i for i in (value.func, value.cls, value.klass) if i is not None]
    if value.bound is not None:
        found += mentioned(value.bound)
    if value.elem is not None:
        found += mentioned(value.elem)
    return found


def instance_of(cls: ClassInfo | None) -> Value | None:
    """An instance, of which nothing else is known."""
    return None if cls is None else Value(kind=Kind.OBJ, cls=cls)


_LINE = re.compile(r"\bat line (\d+)")


def detached(value: Value, foreign: bool, path: str = "") -> Value:
    """A result, apart from the calls that made it.

    Args:
        value: the result.
        foreign: it goes to another module, where a relative name means something else.
        path: of the file whose lines the evidence speaks of, where it is not the one that is linted.
    """
    elem = detached(value.elem, foreign, path) if value.elem is not None else None
    items = value.items
    if items:
        parts = tuple(detached(item, foreign, path) for item in items)
        items = parts if any(a is not b for a, b in zip(parts, items, strict=True)) else items
    qual = value.qual
    if foreign and qual is not None and qual.startswith("."):
        qual = None
    why = _LINE.sub(f"at {PurePath(path).name}:\\1", value.why) if path and value.why else value.why
    same = elem is value.elem and items is value.items and qual == value.qual and why == value.why
    if not value.origins and same:
        return value
    return replace(value, origins=(), elem=elem, items=items, qual=qual, why=why)


def identical(a: Value | None, b: Value | None) -> bool:
    """Equal in everything."""
    if a is None or b is None or a is b:
        return a is b
    if (a.why, a.size, a.most, a.origins) != (b.why, b.size, b.most, b.origins) or _constant(a) != _constant(
        b
    ):
        return False
    if (a.items is None) != (b.items is None) or len(a.items or ()) != len(b.items or ()):
        return False
    return (
        _head(a) == _head(b)
        and identical(a.elem, b.elem)
        and identical(a.bound, b.bound)
        and all(identical(x, y) for x, y in zip(a.items or (), b.items or (), strict=True))
    )


def _constant(value: Value) -> tuple[Any, ...]:
    return type(value.const), repr(value.const)


def _head(value: Value) -> Key:
    return signature(replace(value, elem=None, items=None, const=V.MISSING, bound=None))
