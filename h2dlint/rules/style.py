"""The project's own style of copying to the device, as fixes are to write it (``Options.profile``).

Without a profile everything is written as it was: ``pin_memory=True``, ``.pin_memory()``, no import, no comment.
"""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING

import libcst as cst

from h2dlint.model import Edit, Profile, Span, Transfer
from h2dlint.syntax import calls
from h2dlint.syntax.bound import bound_in, imports_of, names_between, read_wanted
from h2dlint.syntax.calls import CannotRewrite

if TYPE_CHECKING:
    from h2dlint.rules.place import Place

_TRUE = cst.Name("True")
_DEVICE = "_h2dlint_device_"
"""Stands for the device in a predicate until the whole fix is known."""
_SIMPLE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\"[\w:]*\"|'[\w:]*'")
_INIT = frozenset({"__init__", "__post_init__", "__new__", "setup"})


class Style:
    """What the profile makes of one fix at a time.

    Args:
        place: where the fix is; its ``options`` hold the profile.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.profile: Profile = place.options.profile
        self.reset()

    def reset(self) -> None:
        """Forget the fix before: a new one begins."""
        self.edits: list[Edit] = []
        self.reasons: list[str] = []
        self.vouched = False
        """What the profile says of the project stands in for the proof that the device is CUDA or ROCm."""
        self.pageable = False

    @property
    def guarded(self) -> bool:
        """Memory is pinned where the project's own predicate says so, and nowhere else."""
        return bool(self.profile.pin_memory)

    @property
    def leaves_pageable(self) -> bool:
        """What is built from Python data, and small as a rule, is not pinned."""
        return self.profile.way is Transfer.PAGEABLE

    def pin(self, fresh: bool = True) -> cst.BaseExpression:
        """What to write for ``pin_memory=``.

        Args:
            fresh: the source is made by the fixed expression itself, so that a host device gets a tensor of its own
                both before and after.

        Raises:
            CannotRewrite: the project's predicate cannot be had here.
        """
        return cst.parse_expression(self.pin_text(fresh)) if self.guarded else _TRUE

    def pin_text(self, fresh: bool = True) -> str:
        """What to write for ``pin_memory=``, as text.

        Raises:
            CannotRewrite: as ``pin``.
        """
        if not self.guarded:
            return "True"
        text = self._available(self.profile.pin_memory.replace("{device}", _DEVICE))
        self.vouched = fresh
        return text

    def pinned(self, receiver: cst.BaseExpression, read_only: bool = False) -> cst.BaseExpression:
        """``receiver.pin_memory()``, or where a predicate decides ``(x.pin_memory() if can_pin() else x)``.

        Args:
            receiver: the tensor, and
            read_only: it is copied from, and nothing else will refer to it: a host device makes no difference.

        Raises:
            CannotRewrite: the predicate cannot be had here, or the receiver would be evaluated twice.
        """
        pinned = calls.method_call(receiver, "pin_memory")
        if not self.guarded:
            return pinned
        self.nameable(receiver)
        test = cst.parse_expression(self.pin_text(fresh=read_only))
        return cst.IfExp(
            test=test,
            body=pinned,
            orelse=receiver.deep_clone(),
            lpar=[cst.LeftParen()],
            rpar=[cst.RightParen()],
        )

    def pinned_text(self, text: str) -> str:
        """As ``pinned``, for text.

        Raises:
            CannotRewrite: as ``pinned``.
        """
        try:
            receiver = cst.parse_expression(text)
        except cst.ParserSyntaxError as error:
            # Lines that only the brackets around them join.
            raise CannotRewrite("what is pinned under a condition has to have a name") from error
        return cst.Module([]).code_for_node(self.pinned(receiver, read_only=True))

    def chained(self, call: cst.Call) -> cst.Call:
        """``a.to(..)`` as ``a.pin_memory().to(..)``, or with a predicate as ``pinned`` has it.

        Raises:
            CannotRewrite: as ``pinned``.
        """
        if not self.guarded:
            return calls.chain(call, "pin_memory")
        func = call.func
        assert isinstance(func, cst.Attribute)
        if calls.has_comment(func.dot):
            raise CannotRewrite("a comment stands before the method")
        return call.with_changes(func=func.with_changes(value=self.pinned(func.value)))

    @staticmethod
    def nameable(node: cst.BaseExpression) -> None:
        """Raise unless an expression is a name that may be written twice.

        Raises:
            CannotRewrite: it is something else.
        """
        inner = node
        while isinstance(inner, cst.Attribute):
            inner = inner.value
        if not isinstance(inner, cst.Name) or calls.has_comment(node):
            raise CannotRewrite("what is pinned under a condition has to have a name")

    def settled(self, text: str, target: str | None) -> str | None:
        """The text of a fix, with the device that its predicate asks for; ``None`` where that cannot be named twice."""
        if _DEVICE not in text:
            return text
        if target is None or not _SIMPLE.fullmatch(target):
            return None
        return text.replace(_DEVICE, target)

    def extras(self, edits: tuple[Edit, ...]) -> list[Edit]:
        """What goes with the edits of a fix: the import, and the comment above its statement."""
        found = list(self.edits)
        comment = self._comment() if self.profile.fix_comment else None
        if comment is not None and all(edit.span.line >= comment.span.line for edit in edits):
            found.append(comment)
        return found

    def _comment(self) -> Edit | None:
        source, statement = self._place.module.source, self._place.record.statement
        line = statement.lineno
        text = source.line_text(line)
        indent = text[: source.column(line, statement.col_offset) - 1]
        comment = f"{indent}# {self.profile.fix_comment}".rstrip()
        if indent.strip() or text.lstrip().startswith(("elif", "@")) or getattr(
            statement, "decorator_list", None):  # fmt: skip
            return None
        if line > 1 and source.line_text(line - 1).rstrip() == comment:
            return None
        return Edit(Span(line, 1, line, 1), f"{comment}\n")

    def _available(self, text: str) -> str:
        """An expression with its names made available."""
        tree = ast.parse(text, mode="eval").body
        roots = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {_DEVICE}
        if self.profile.pin_memory_import:
            from h2dlint.rules.binding import bind

            wanted = read_wanted(self.profile.pin_memory_import)
            roots.discard(wanted.bound)
            binding = bind(self._place, wanted)
            if binding.text != wanted.bound:
                text = _renamed(text, tree, wanted.bound, binding.text)
            self._add(binding.edits, binding.reasons)
        for root in sorted(roots):
            self._there(root, tree)
        return text

    def _add(self, edits: list[Edit], reasons: list[str]) -> None:
        self.edits += [edit for edit in edits if edit not in self.edits]
        self.reasons += [reason for reason in reasons if reason not in self.reasons]

    def _there(self, root: str, tree: ast.expr) -> None:
        from h2dlint.rules.binding import bound_at_top, calls_itself

        if root == "self":
            names = [
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            ]
            if not names or not all(self._attribute(name) for name in names):
                raise CannotRewrite("the object is not seen to have the attribute")
            return
        if not bound_at_top(self._place, root) and not hasattr(builtins, root):
            raise CannotRewrite(f"the module has no name {root}")
        within = self._place.module.within
        if calls_itself(self._place, (within.location if within is not None else "", root)):
            raise CannotRewrite("what would be called calls this")

    def _attribute(self, name: str) -> bool:
        """The class around sets an attribute when an object is made, before the place runs."""
        function = self._place.record.function
        while function is not None and function.owner is None:
            function = function.parent
        if function is None or not function.node.args.args or function.node.args.args[0].arg != "self":
            return False
        inner = self._place.record.function
        if function.is_static or any(name.endswith("classmethod") for name in function.decorators):
            return False
        while inner is not None and inner is not function:
            if any(bound == "self" for bound, _ in bound_in(inner.node)):
                return False
            inner = inner.parent
        # Once as the parameter, and nothing assigns it.
        if [bound for bound, _ in bound_in(function.node)].count("self") != 1:
            return False
        if "self" in names_between(self._place.record.function.node, self._place.record.node):  # type: ignore[union-attr]
            return False
        tree: ast.Module | None = self._place.module.tree
        cls = next(
            (
                node
                for node in ast.walk(self._place.module.tree)
                if isinstance(node, ast.ClassDef) and function.node in node.body
            ),
            None,
        )
        limit = self._place.record.statement.lineno if function.short in _INIT else None
        within = self._place.module.within
        path = within.location if within is not None else ""
        for _ in range(8):
            if cls is None or tree is None:
                return False
            if _sets(cls, name, limit):
                return True
            limit = None
            found = self._base(cls, tree, path)
            if found is None:
                return False
            cls, tree, path = found
        return False

    def _base(
        self, cls: ast.ClassDef, tree: ast.Module, path: str
    ) -> tuple[ast.ClassDef, ast.Module, str] | None:
        """The first base of a class that the project defines, with its module and file."""
        within = self._place.module.within
        for base in cls.bases:
            if not isinstance(base, ast.Name):
                continue
            own = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == base.id), None)
            if own is not None:
                return own, tree, path
            found = next(
                (each for each in imports_of(tree.body) if each.local == base.id and each.name), None
            )
            if found is None or within is None or found.name is None:
                continue
            place = within.project.definer(path, found.module, found.name)
            other = within.project.tree(within.location, place[0]) if place is not None else None
            if place is None or other is None:
                continue
            named = next((n for n in other.body if isinstance(n, ast.ClassDef) and n.name == place[1]), None)
            if named is not None:
                return named, other, place[0]
        return None

    def helper_name(self) -> str:
        """The name of the project's upload function, imported where it has to be.

        Raises:
            CannotRewrite: it cannot be had here.
        """
        from h2dlint.rules.binding import bind

        module, _, name = self.profile.helper.rpartition(".")
        statement = self.profile.helper_import or f"from {module} import {name}"
        wanted = read_wanted(statement)
        binding = bind(self._place, wanted)
        self._add(binding.edits, binding.reasons)
        if wanted.bound == name or wanted.name == name:
            return binding.text
        return f"{binding.text}.{name}"


def _renamed(text: str, tree: ast.expr, name: str, new: str) -> str:
    """An expression with another name in place of one; keywords, attributes and strings are none."""
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line, start = lines[node.lineno - 1], node.col_offset
        lines[node.lineno - 1] = line[:start] + new.encode() + line[start + len(name.encode()) :]
    return b"".join(lines).decode()


def _sets(cls: ast.ClassDef, name: str, limit: int | None) -> bool:
    """The class has an attribute from the start.

    Args:
        limit: the line before which ``__init__`` must set it, where the place is in it.
    """
    for node in cls.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            # Without a value it is there where something makes a field of it: a dataclass, a model.
            targets = [node.target] if node.value is not None or cls.decorator_list or cls.bases else []
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
        elif isinstance(node, ast.FunctionDef) and node.name in _INIT:
            for inner in node.body:
                if limit is not None and inner.lineno >= limit:
                    break
                if isinstance(inner, (ast.Assign, ast.AnnAssign)) and inner.value is not None:
                    found = inner.targets if isinstance(inner, ast.Assign) else [inner.target]
                    if any(_is_own(target, name) for target in found):
                        return True
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return True
    return False


def _is_own(target: ast.expr, name: str) -> bool:
    return (
        isinstance(target, ast.Attribute)
        and target.attr == name
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    )
