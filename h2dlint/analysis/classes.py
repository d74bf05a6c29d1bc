"""Classes: fields, methods, properties, and the join of what methods assign to attributes of ``self``."""

from __future__ import annotations

import ast

from h2dlint.analysis import tensors
from h2dlint.analysis import values as V
from h2dlint.analysis.attributes import assigned_to_self, settled
from h2dlint.analysis.functions import Functions
from h2dlint.analysis.outline import ClassInfo, FunctionInfo
from h2dlint.analysis.records import Env, Frame
from h2dlint.analysis.summaries import (
    MAX_LEVEL,
    METHOD_DEPTH,
    Attributes,
    Context,
    Trace,
    detached,
    identical,
)
from h2dlint.analysis.values import Kind, Value, join

_PLAIN_BASES = frozenset(
    """builtins.object builtins.Exception abc.ABC typing.Generic typing.Protocol typing.NamedTuple enum.Enum
    torch.nn.Module torch.nn.modules.module.Module torch.autograd.Function torch.utils.data.Dataset
    torch.utils.data.IterableDataset""".split()
)
"""Bases outside of the project that call no method of a subclass by a name that the subclass chose."""


class Classes(Functions):
    """Answers what an attribute of an instance or of a class is."""

    def __init__(self) -> None:
        super().__init__()
        self.path = ""
        self._attributes: dict[tuple[ClassInfo, int], Attributes] = {}
        self._assigned: dict[ClassInfo, dict[FunctionInfo, frozenset[str]]] = {}
        self._bases: dict[ClassInfo, ClassInfo | None] = {}

    def _outer(self) -> Frame:
        """A frame in which names mean what they mean at the top of the module."""
        return Frame(None, Env(), record=False, default_devices=[self.default_device])

    def instance_attribute(self, base: Value, name: str, frame: Frame) -> Value | None:
        cls = base.cls or base.klass
        seen: set[int] = set()
        while cls is not None and id(cls) not in seen:
            seen.add(id(cls))
            home = cls.home if isinstance(cls.home, Classes) else self
            found = home._class_attribute(cls, name, base, frame)
            if found is not None:
                return found if home is self else detached(found, True, home.path)
            cls = home._base_class(cls)
        return None

    def _base_class(self, cls: ClassInfo) -> ClassInfo | None:
        if cls not in self._bases:
            frame = self._outer()
            found = (self._meaning(base, frame).klass for base in cls.node.bases)
            self._bases[cls] = next((base for base in found if base is not None and base is not cls), None)
        return self._bases[cls]

    def inherits_from_known(self, cls: ClassInfo) -> bool:
        """Every class above is of the project, or one that calls no method by a name of its own choosing."""
        todo: list[ClassInfo] = [cls]
        for here in todo:
            home = here.home if isinstance(here.home, Classes) else self
            frame = home._outer()
            for base in here.node.bases:
                value = home._meaning(base.value if isinstance(base, ast.Subscript) else base, frame)
                if value.klass is not None:
                    if value.klass not in todo:
                        todo.append(value.klass)
                elif value.qual not in _PLAIN_BASES:
                    return False
        return True

    def _class_attribute(self, cls: ClassInfo, name: str, base: Value, frame: Frame) -> Value | None:
        method = cls.methods.get(name)
        if method is not None:
            bound = Value(kind=Kind.OBJ, func=method, bound=base if base.cls is not None else None)
            if method.is_property:
                call = tensors.Call(
                    ast.Call(func=ast.Name(id=name), args=[], keywords=[], lineno=1), [], {}, False, V.CPU
                )
                return self.call_function(bound, call, frame)
            return bound
        if name in cls.fields:
            annotation = cls.fields[name].annotation
            value = self.annotation(annotation, self._outer())
            if value is not None:
                default = cls.fields[name].value
                if isinstance(default, ast.Constant) and default.value is None:
                    value = join(value, V.NONE)
                return value.because(f"field {cls.name}.{name}: {self._unparsed(annotation)}")
        return self._assigned_attribute(cls, name, frame)

    def _assigned_attribute(self, cls: ClassInfo, name: str, frame: Frame) -> Value | None:
        """An attribute that the class or one of its methods assigns."""
        if cls not in self._assigned:
            self._assigned[cls] = {method: assigned_to_self(method) for method in cls.methods.values()}
        if name not in cls.attributes and not any(name in names for names in self._assigned[cls].values()):
            return None
        context, trace = frame.context, frame.trace
        trace.classes.add(cls)
        if context.owner is cls:
            value = context.collected.get(name)
            trace.names[name] = value
            return value
        level = context.level + 1
        if level > MAX_LEVEL:
            trace.cut = True
            return V.UNKNOWN
        known = self._attributes.get((cls, 0))
        if known is None or known.trace.level - known.level + level > MAX_LEVEL:
            known = self._attributes.get((cls, level))
            if known is None:
                known = self._collect(cls, level)
                self._attributes[cls, level if known.trace.cut else 0] = known
        trace.level = max(trace.level, known.trace.level - known.level + level)
        trace.cut = trace.cut or known.trace.cut
        return known.values.get(name)

    def _collect(self, cls: ClassInfo, level: int) -> Attributes:
        """Join of what the methods of a class assign to attributes of ``self``.

        The constructor runs first; each method sees what was collected so far. A second round lets the first
        methods see what the later ones assign (``self.x = self.x.to(device)`` in ``forward``).
        """
        context = Context(level, cls)
        collected = context.collected
        whole = Trace(METHOD_DEPTH, level)
        outer = self._outer()
        outer.context, outer.trace, outer.depth = context, whole, METHOD_DEPTH
        for name, node in cls.attributes.items():
            collected[name] = settled(name, self.eval(node, outer))
        writers = [method for method, names in self._assigned[cls].items() if names]
        writers.sort(key=lambda m: m.short != "__init__")
        seen: dict[FunctionInfo, dict[str, Value | None]] = {}
        for _ in range(2 if len(writers) > 1 else 1):
            for method in writers:
                if method in seen and all(collected.get(n) is v for n, v in seen[method].items()):
                    # It would come out the same.
                    continue
                sink: dict[str, Value] = {}
                trace = Trace(METHOD_DEPTH, level)
                self._run(
                    method,
                    None,
                    None,
                    record=False,
                    depth=METHOD_DEPTH,
                    context=context,
                    trace=trace,
                    sink=sink,
                )
                seen[method] = trace.names
                whole.add(trace)
                for name, value in sink.items():
                    value = settled(name, value)
                    before = collected.get(name)
                    after = value if before is None else join(before, value)
                    if not identical(before, after):
                        collected[name] = after
        return Attributes(collected, level, whole)
