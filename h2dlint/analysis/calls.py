"""Evaluating calls: what is called, with what, and what comes back."""

from __future__ import annotations

import ast

from h2dlint.analysis import library, tensors
from h2dlint.analysis import values as V
from h2dlint.analysis.expressions import Expressions, is_module
from h2dlint.analysis.methods import tensor_method
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.records import NO_CUDA, CallRecord, Frame
from h2dlint.analysis.values import Kind, Value, join, replace
from h2dlint.model import Confidence

_MUTATORS = frozenset("append extend insert appendleft add update extendleft".split())
_REORDERS = frozenset("reverse sort pop popleft clear remove rotate popitem".split())


class Calls(Expressions):
    """Evaluates calls; functions and classes of the project are left to ``Interpreter``."""

    def call_function(self, callee: Value, call: tensors.Call, frame: Frame) -> Value | None:
        raise NotImplementedError

    def _call(self, node: ast.Call, frame: Frame) -> Value:
        receiver: Value | None = None
        method: str | None = None
        func = node.func
        callee = self.eval(func, frame)
        if isinstance(func, ast.Attribute):
            base = self._scratch.get(id(func.value), V.UNKNOWN)
            if not is_module(base):
                receiver, method = base, func.attr
        args: list[Value] = []
        starred = False
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                starred = True
            args.append(self.eval(arg, frame))
        keywords: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.eval(keyword.value, frame)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
        default = frame.default_devices[-1] if frame.default_devices else V.CPU
        call = tensors.Call(node, args, keywords, starred, default)
        qual = callee.qual if method is None else None
        if frame.record and frame.statement is not None and NO_CUDA not in frame.env.paths:
            self.records.calls[id(node)] = CallRecord(
                node=node,
                statement=frame.statement,
                function=frame.function,
                loop=frame.loops[-1] if frame.loops else None,
                default_device=default,
                main=frame.main,
                in_fstring=bool(frame.in_fstring),
                callee=qual,
                method=method,
            )
        if not self._harmless(callee, receiver, qual):
            self.escape(node, frame)
        asked = keywords.get("return_tensors")
        if asked is not None and asked.const == "pt":
            return library.batch_of(node.lineno)
        if receiver is not None and method is not None:
            if callee.func is None and callee.klass is None:
                return self._method(func, receiver, method, call, frame)
        elif qual is not None:
            result = self._known_function(qual, call, frame)
            if result is not None:
                return result
        if callee.func is not None or callee.klass is not None:
            result = self.call_function(callee, call, frame)
            if result is not None:
                return result
        return V.UNKNOWN

    @staticmethod
    def _harmless(callee: Value, receiver: Value | None, qual: str | None) -> bool:
        """The call runs no code of the project, which could change what is known of attributes and lists."""
        if callee.func is not None or callee.klass is not None:
            return False
        if receiver is not None:
            return receiver.known and not receiver.may(Kind.OBJ)
        root = (qual or "").split(".", 1)[0]
        if root == "builtins":
            return qual not in ("builtins.setattr", "builtins.exec", "builtins.eval", "builtins.delattr")
        return root in ("torch", "numpy", "math", "itertools", "time", "random", "os", "logging", "warnings")

    def escape(self, node: ast.expr, frame: Frame) -> None:
        """Code that was not seen runs: attributes may change, and lists that it is given."""
        frame.env.weaken_paths()
        if not isinstance(node, ast.Call):
            return
        for arg in [*node.args, *(k.value for k in node.keywords)]:
            if isinstance(arg, ast.Name):
                value = frame.env.names.get(arg.id)
                if value is not None and value.may(Kind.SEQ | Kind.DICT) and value.known:
                    frame.env.names[arg.id] = replace(value, items=None, elem=None, size=None)

    def _known_function(self, qual: str, call: tensors.Call, frame: Frame) -> Value | None:
        root, _, rest = qual.partition(".")
        if root == "builtins":
            if rest == "getattr" and len(call.args) >= 2 and isinstance(call.args[1].const, str):
                found = self.attribute_of(call.args[0], call.args[1].const, frame)
                return join(found, call.args[2]) if len(call.args) > 2 else found
            return library.builtin_call(rest, call.args)
        if rest in ("jit.annotate", "typing.cast") and len(call.args) == 2:
            return call.args[1]
        if root == "torch":
            return tensors.torch_call(qual, call)
        if qual.startswith("einops."):
            first = call.args[0] if call.args else V.UNKNOWN
            return (
                replace(first, origins=(), memory=first.memory | V.EXPANDED)
                if first.only(Kind.TENSOR | Kind.NDARRAY)
                else None
            )
        return library.module_call(qual, call.args)

    def _method(
        self, func: ast.expr, receiver: Value, method: str, call: tensors.Call, frame: Frame
    ) -> Value:
        assert isinstance(func, ast.Attribute)
        if method in _MUTATORS and receiver.only(Kind.SEQ | Kind.DICT | Kind.NONE):
            self._mutate(func.value, receiver, method, call.args, frame)
            return V.NONE
        if method in _REORDERS and receiver.may(Kind.SEQ):
            self.assign_back(func.value, replace(receiver, items=None, size=None), frame)
        if receiver.qual == library.BATCH and method in ("to", "cuda", "values", "items"):
            if method in ("to", "cuda"):
                return replace(
                    receiver, elem=tensor_method(receiver.elem or V.UNKNOWN, method, call, self._scratch)
                )
            pair = Value(kind=Kind.SEQ, items=(V.STR, receiver.elem or V.UNKNOWN))
            return Value(kind=Kind.SEQ, elem=pair if method == "items" else receiver.elem)
        if receiver.only(V.HOST | Kind.NONE) and receiver.may(V.HOST):
            value = library.host_method(receiver, method, call.args)
            if method == "astype" and "copy" in call.keywords and value is not None:
                # May be the array itself.
                value = replace(value, distinct=receiver.distinct)
            if value is not None:
                return value
            if method not in ("tolist", "item", "numpy"):
                return V.UNKNOWN
        value = tensor_method(receiver, method, call, self._scratch)
        if value is not None:
            return value
        if method in ("keys", "values", "items") and not call.args:
            return Value(kind=Kind.SEQ, confidence=Confidence.MEDIUM)
        if method in ("split", "splitlines", "rsplit") and call.args and call.args[0].only(Kind.STR):
            return Value(kind=Kind.SEQ, elem=V.STR)
        return V.UNKNOWN

    def _mutate(
        self, target: ast.expr, receiver: Value, method: str, args: list[Value], frame: Frame
    ) -> None:
        """``xs.append(v)``: the list now also holds ``v``."""
        if receiver.may(Kind.DICT):
            added = None
        elif method in ("append", "appendleft", "add"):
            added = args[0] if args else None
        elif method == "insert":
            added = args[1] if len(args) > 1 else None
        else:
            added = library.element(args[0]) if args else None
        empty = receiver.items == ()
        if added is None:
            elem = None if not receiver.may(Kind.DICT) else receiver.elem
        elif empty:
            elem = added
        else:
            elem = join(receiver.elem, added) if receiver.elem is not None else None
        self.assign_back(
            target,
            replace(receiver, kind=receiver.kind & ~Kind.NONE, elem=elem, items=None, size=None),
            frame,
        )

    def assign_back(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Store a value that was changed in place where it came from."""
        if isinstance(target, ast.Name):
            if target.id in frame.env.names:
                frame.env.names[target.id] = value
        elif isinstance(target, ast.Attribute):
            path = dotted(target)
            if path is not None:
                frame.env.bind_path(path, value)
        elif isinstance(target, ast.Subscript):
            base = self._scratch.get(id(target.value), V.UNKNOWN)
            if base.only(Kind.SEQ | Kind.DICT):
                index = self._scratch.get(id(target.slice), V.UNKNOWN)
                self.assign_back(target.value, _with_item(base, index.const, value), frame)


def _with_item(base: Value, index: object, item: Value) -> Value:
    """A list or dict one of whose items was changed in place."""
    items = base.items
    if items is not None and isinstance(index, int) and -len(items) <= index < len(items):
        changed = list(items)
        changed[index] = item
        elem = None
        for each in changed:
            elem = join(elem, each)
        return replace(base, items=tuple(changed), elem=elem)
    return replace(base, items=None, elem=join(base.elem, item) if base.elem is not None else None)
