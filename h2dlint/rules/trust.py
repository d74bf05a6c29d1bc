"""How far a fix may be trusted: the reasons why it is not safe are gathered here."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Applicability, Confidence, Edit, Fix
from h2dlint.rules.overrides import overridden
from h2dlint.rules.place import Place
from h2dlint.syntax.kept import keeps_comments

_FORWARD = re.compile(r"\b\w+\.forward\b")
NOT_WHOLE = frozenset(
    """float64 float32 float16 bfloat16 complex128 complex64 complex32 float8_e4m3fn float8_e5m2 float8_e4m3fnuz
    float8_e5m2fnuz float8_e8m0fnu""".split()
)
"""dtypes whose numbers an integer type may not be able to hold."""
_TAKES_TENSORS = frozenset({"torch.as_tensor", "torch.asarray"})


@dataclass(slots=True)
class Trust:
    """Gathers the reasons why a fix is not safe."""

    site: Place
    reasons: list[str] = field(default_factory=list)
    _of_device: str = ""

    def __post_init__(self) -> None:
        self.site.style.reset()

    def require(self, condition: bool, reason: str) -> None:
        """Unless ``condition`` holds, the fix is unsafe for ``reason``."""
        if not condition and reason not in self.reasons:
            self.reasons.append(reason)

    def stream(self) -> None:
        """The wait that the fix removes must not be what orders the work."""
        streams = self.site.module.streams()
        self.require(not streams, f"the module uses streams, events or threads ({streams})")
        compiled = self.site.module.compiled(self.site.record.function)
        self.require(not compiled, f"the code is compiled, scripted or traced ({compiled})")

    def device(self, mask: int, node: ast.expr | None) -> None:
        """The fix is right on CUDA and ROCm only."""
        if mask == V.CUDA:
            return
        name = self.site.code(node) if node is not None else "the device"
        if mask & V.UNSET:
            self.require(False, f"{name} may be None")
        elif not self.site.options.assume_cuda:
            self._of_device = f"{name} is not proven to be CUDA or ROCm (assume-cuda)"
            self.require(False, self._of_device)

    def data(self, value: Value, node: ast.expr) -> None:
        """The data must be proven to be on the host."""
        name = self.site.code(node)
        self.require(value.only(V.UPLOADABLE | Kind.NONE), f"{name} is not proven to be host data")
        self.require(value.confidence is Confidence.HIGH, f"the kind of {name} rests on weak evidence")
        other = overridden(self.site, node)
        self.require(not other, f"{other} may be something else than {name} is here")

    def no_tensor(self, callee: str | None, value: Value, node: ast.expr) -> None:
        """Only ``torch.tensor`` says that its data is no tensor; of others an annotation is a word against a deed.

        Who writes ``as_tensor(x)`` expects tensors too, and a function that is annotated ``x: float`` is given them in
        well-known libraries. What is written for a number or a list raises for a tensor.
        """
        if callee in _TAKES_TENSORS and value.why.startswith("parameter ") and not value.only(Kind.NDARRAY):
            function = callee.rpartition(".")[2]
            self.require(
                False,
                f"{function} takes tensors too, and {self.site.code(node)} is none by its annotation only",
            )

    def converted(self, source: Value, to: str | None, name: str, small: bool) -> None:
        """The copy does not turn floating point numbers into integers.

        A blocking copy converts on the host and one that does not block on the device (``copy_kernel_cuda`` in
        ``aten/src/ATen/native/cuda/Copy.cu``). For what an integer type cannot hold (NaN, infinities, numbers out of
        range) the two give different integers; every other conversion is the same on both.

        Args:
            source: the tensor.
            to: the dtype it is converted to, where that is known.
            name: of what decides on the dtype; empty where the copy converts nothing.
            small: every element is known to be an integer, or a number that all dtypes hold.
        """
        whole = source.dtype is not None and source.dtype not in NOT_WHOLE
        self.require(
            not name or small or whole or source.dtype == to is not None or to in NOT_WHOLE or to == "bool",
            f"converts to {name}: what an integer type cannot hold becomes another number on the device",
        )

    def fix(self, title: str, *edits: Edit | None) -> Fix:
        """The fix with the applicability that the reasons leave; without an edit, or in TorchScript, advice."""
        chosen = tuple(edit for edit in edits if edit is not None)
        if len(chosen) < len(edits) or self.site.module.scripted(self.site.record.function):
            chosen = ()
        if chosen and not keeps_comments(self.site.module.source, chosen):
            # In a gap of the call that is written anew, such as between a name and its dot.
            self.require(False, "a comment stands in the way of the fix")
            chosen = ()
        if any("pin_memory" in edit.content for edit in chosen) and self._pins_otherwise(chosen):
            forward = self._forward()
            self.require(not forward, f"torch.compile, which may be given {forward}, raises for pin_memory()")
        if chosen:
            chosen = self._in_style(chosen)
            title = title.replace(" from pinned memory", "") if self.site.style.pageable else title
        if not chosen:
            return Fix(Applicability.DISPLAY, title, reasons=tuple(self.reasons))
        kind = Applicability.UNSAFE if self.reasons else Applicability.SAFE
        return Fix(kind, title, chosen, tuple(self.reasons))

    def _in_style(self, edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
        """The edits and what the project's style adds to them; what it vouches for is no reason any more."""
        style = self.site.style
        hardware = self.site.module.other_hardware(self.site.record.function)
        if style.vouched and self._of_device in self.reasons and not hardware:
            self.reasons.remove(self._of_device)
        for reason in style.reasons:
            self.require(False, reason)
        extras = style.extras(edits)
        return tuple(sorted((*edits, *extras), key=lambda edit: edit.span)) if extras else edits

    def _forward(self) -> str:
        """The ``forward`` of a module that the site belongs to: who compiles it does so from another file."""
        record, module = self.site.record, self.site.module
        function = record.function
        while function is not None and function.parent is not None and function.owner is None:
            function = function.parent
        if function is not None and function.owner is not None and function.short == "forward":
            return function.name
        reached = _FORWARD.search(module.context(record)[1])
        return reached.group() if reached is not None else ""

    def _pins_otherwise(self, edits: tuple[Edit, ...]) -> bool:
        """The edits pin in another way than ``torch.tensor(.., pin_memory=True)``.

        That is the only one that torch.compile takes; for the others it raises (torch 2.11, H200).
        """
        source = self.site.module.source
        node = self.site.record.node
        first = min([node.lineno, *(edit.span.line for edit in edits)])
        last = max([node.end_lineno or first, *(edit.span.end_line for edit in edits)])
        start = source.offset(first, 1)
        ends = source.line_starts
        old = new = source.text[start : ends[last] if last < len(ends) else None]
        for edit in sorted(edits, key=lambda e: (e.span.line, e.span.column), reverse=True):
            span = edit.span
            here = source.offset(span.line, span.column) - start
            new = new[:here] + edit.content + new[source.offset(span.end_line, span.end_column) - start :]
        return _other_pins(new) > _other_pins(old)


def _other_pins(text: str) -> int:
    """How often code pins memory otherwise than by an argument of ``tensor``."""
    count = text.count(".pin_memory()")
    for match in re.finditer(r"\bpin_memory=(?!False\b)", text):
        depth, at = 0, match.start() - 1
        while at >= 0 and not (text[at] == "(" and depth == 0):
            depth += (text[at] in ")]}") - (text[at] in "([{")
            at -= 1
        count += not re.search(r"\btensor$", text[: max(at, 0)])
    return count
