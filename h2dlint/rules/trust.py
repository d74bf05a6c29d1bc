"""How far a fix may be trusted: the reasons why it is not safe are gathered here."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from h2dlint.analysis import values as V
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Applicability, Confidence, Edit, Fix
from h2dlint.rules.place import Place


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

    def fix(self, title: str, *edits: Edit | None) -> Fix:
        """The fix with the applicability that the reasons leave; without an edit, or in TorchScript, advice."""
        chosen = tuple(edit for edit in edits if edit is not None)
        if len(chosen) < len(edits) or self.site.module.scripted(self.site.record.function):
            chosen = ()
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
