"""One call as a rule sees it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import libcst as cst

from h2dlint.analysis import values as V
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.moves import device_mask
from h2dlint.analysis.outline import dotted
from h2dlint.analysis.records import CallRecord
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Applicability, Confidence, Context, Edit, Effect, Finding, Fix, Options
from h2dlint.rules.base import Rule
from h2dlint.syntax.snippets import Snippet

WAITS = "blocks the host until the work queued on the stream is done"

Find = Callable[[CallRecord], tuple[Snippet, cst.Call] | None]


@dataclass(slots=True)
class Case:
    """The evidence for a finding as it is gathered: the weakest piece sets the confidence."""

    confidence: Confidence = Confidence.HIGH
    evidence: list[str] = field(default_factory=list)

    def say(self, line: str, confidence: Confidence = Confidence.HIGH) -> None:
        """Add one line of evidence of a given strength."""
        self.evidence.append(line)
        self.confidence = min(self.confidence, confidence)


@dataclass(eq=False)
class Site:
    """A call, what is known of it, and its LibCST node (parsed when first asked for)."""

    module: ModuleAnalysis
    record: CallRecord
    path: str
    options: Options
    find: Find

    @property
    def node(self) -> ast.Call:
        return self.record.node

    @cached_property
    def _found(self) -> tuple[Snippet, cst.Call] | None:
        return self.find(self.record)

    @property
    def snippet(self) -> Snippet | None:
        """The parsed statement; ``None`` where LibCST does not understand it."""
        return self._found[0] if self._found is not None else None

    @property
    def call(self) -> cst.Call | None:
        """The LibCST node of the call."""
        return self._found[1] if self._found is not None else None

    def call_node(self, node: ast.expr) -> cst.Call | None:
        """The LibCST node of another call of the same statement."""
        if not isinstance(node, ast.Call):
            return None
        record = self.module.call_of(node)
        found = self.find(record) if record is not None else None
        return found[1] if found is not None else None

    def value(self, node: ast.expr | None) -> Value:
        """What is known of an expression where it stands."""
        return self.module.value(node)

    def argument(self, position: int | None, name: str) -> ast.expr | None:
        """An argument by position (from 0) or keyword; ``None`` where it is not given or hidden in ``*args``."""
        for keyword in self.node.keywords:
            if keyword.arg == name:
                return keyword.value
        if position is None or any(isinstance(a, ast.Starred) for a in self.node.args[: position + 1]):
            return None
        return self.node.args[position] if position < len(self.node.args) else None

    @property
    def hidden_arguments(self) -> bool:
        """``*args`` or ``**kwargs``: some arguments cannot be seen."""
        return any(isinstance(a, ast.Starred) for a in self.node.args) or any(
            k.arg is None for k in self.node.keywords
        )

    def code(self, node: ast.expr) -> str:
        """An expression as one short line."""
        text = " ".join(self.module.source.slice(self.module.source.span(node)).split())
        return text if len(text) <= 60 else text[:57] + "..."

    def finding(
        self,
        rule: Rule,
        message: str,
        case: Case,
        fix: Fix | None = None,
        effect: Effect = Effect.BLOCKS,
    ) -> Finding:
        """Put a finding together: the context and its evidence are added here."""
        context, why = self.module.context(self.record)
        statement = self.record.statement
        last = statement.end_lineno or statement.lineno
        if not isinstance(statement, (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return)):
            last = max(statement.lineno, self.node.end_lineno or 0)
        return Finding(
            path=self.path,
            span=self.module.source.span(self.node),
            code=rule.code,
            name=rule.name,
            message=message,
            function=self.record.function.name if self.record.function is not None else None,
            context=context,
            confidence=case.confidence,
            effect=effect,
            evidence=(*case.evidence, why),
            fix=fix,
            statement=(min(statement.lineno, self.node.lineno), last),
        )


def looks_like_device(node: ast.expr | None) -> bool:
    """The name of an expression says that it is a device; weak evidence."""
    text = (dotted(node) if node is not None else None) or ""
    last = text.rsplit(".", 1)[-1].lower()
    return "device" in last or last in ("dev", "gpu", "gpu_id", "cuda", "rank", "local_rank")


def told_of(code: str, why: str) -> str:
    """An expression and the evidence for it, without saying the name twice."""
    if not why or why == "literal":
        return code
    return why if why.startswith((f"parameter {code}:", f"field {code}:")) else f"{code}: {why}"


def weigh_device(site: Site, node: ast.expr, case: Case) -> int:
    """Say in ``case`` what is known of a device argument.

    Returns:
        The mask of devices; 0 where the copy does not go to an accelerator, so there is nothing to report.
    """
    value = site.value(node)
    mask = device_mask(value)
    if not mask & V.CUDA:
        return 0
    hardware = site.module.other_hardware(site.record.function)
    if hardware and mask != V.CUDA:
        case.say(f"device: {site.code(node)}, in code for {hardware}", Confidence.LOW)
        return mask
    line = f"device: {told_of(site.code(node), value.why)}"
    if mask == V.CUDA:
        case.say(line)
    elif mask & ~V.UNSET != V.SOME_DEVICE:
        case.say(f"{line}, CUDA on one branch")
    else:
        known = value.only(Kind.DEVICE | Kind.TENSOR | Kind.NONE)
        hint = "" if known or value.known else ", by its name" if looks_like_device(node) else ", not known"
        strength = value.confidence if value.known else Confidence.MEDIUM
        case.say(f"{line}{hint}", strength if known else min(strength, Confidence.MEDIUM))
    return mask


@dataclass(slots=True)
class Trust:
    """Gathers the reasons why a fix is not safe."""

    site: Site
    reasons: list[str] = field(default_factory=list)

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
            self.require(False, f"{name} is not proven to be CUDA or ROCm (assume-cuda)")

    def data(self, value: Value, node: ast.expr) -> None:
        """The data must be proven to be on the host."""
        name = self.site.code(node)
        self.require(value.only(V.UPLOADABLE | Kind.NONE), f"{name} is not proven to be host data")
        self.require(value.confidence is Confidence.HIGH, f"the kind of {name} rests on weak evidence")

    def fix(self, title: str, edit: Edit | None = None) -> Fix:
        """The fix with the applicability that the reasons leave; without an edit, or in TorchScript, advice."""
        chosen = () if edit is None or self.site.module.scripted(self.site.record.function) else (edit,)
        if not chosen:
            return Fix(Applicability.DISPLAY, title, reasons=tuple(self.reasons))
        kind = Applicability.UNSAFE if self.reasons else Applicability.SAFE
        return Fix(kind, title, chosen, tuple(self.reasons))


__all__ = ["WAITS", "Case", "Context", "Site", "Trust", "looks_like_device", "weigh_device"]
