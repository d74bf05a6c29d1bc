"""Any place of a module as a rule sees it: what is known of it, and how a finding is put together."""

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
from h2dlint.analysis.records import Record
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence, Effect, Finding, Fix, Options
from h2dlint.rules.base import Rule
from h2dlint.rules.style import Style
from h2dlint.syntax.snippets import Snippet, last_line

WAITS = "blocks the host until the work queued on the stream is done"

Find = Callable[[Record], tuple[Snippet, cst.BaseExpression] | None]


@dataclass(slots=True)
class Case:
    """The evidence for a finding as it is gathered: the weakest piece sets the confidence."""

    confidence: Confidence = Confidence.HIGH
    evidence: list[str] = field(default_factory=list)

    def say(self, line: str, confidence: Confidence = Confidence.HIGH) -> None:
        """Add one line of evidence of a given strength."""
        # Of some values it is known what they are, and not why.
        self.evidence.append(line.rstrip(", "))
        self.confidence = min(self.confidence, confidence)


@dataclass(eq=False)
class Place:
    """An expression, what is known of it, and its LibCST node (parsed when first asked for)."""

    module: ModuleAnalysis
    record: Record
    path: str
    options: Options
    find: Find

    @cached_property
    def found(self) -> tuple[Snippet, cst.BaseExpression] | None:
        """The parsed statement and the node in it; ``None`` where LibCST does not understand it."""
        return self.find(self.record)

    @cached_property
    def style(self) -> Style:
        """How the project writes its copies."""
        return Style(self)

    def release(self) -> None:
        """Let go of the module at once, which the style leads back to."""
        self.__dict__.clear()

    @property
    def snippet(self) -> Snippet | None:
        """The parsed statement; ``None`` where LibCST does not understand it."""
        return self.found[0] if self.found is not None else None

    def call_node(self, node: ast.expr) -> cst.Call | None:
        """The LibCST node of another call of the same statement."""
        if not isinstance(node, ast.Call):
            return None
        record = self.module.call_of(node)
        found = self.find(record) if record is not None else None
        return found[1] if found is not None and isinstance(found[1], cst.Call) else None

    def value(self, node: ast.expr | None) -> Value:
        """What is known of an expression where it stands."""
        return self.module.value(node)

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
        last = last_line(statement, self.record.node)
        return Finding(
            path=self.path,
            span=self.module.source.span(self.record.node),
            code=rule.code,
            name=rule.name,
            message=message,
            function=self.record.function.name if self.record.function is not None else None,
            context=context,
            confidence=case.confidence,
            effect=effect,
            evidence=(*case.evidence, why),
            fix=fix,
            statement=(min(statement.lineno, self.record.node.lineno), last),
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
    named = (f"parameter {code}:", f"field {code}:", f"{code}:")
    return why if why.startswith(named) else f"{code}: {why}"


def weigh_device(site: Place, node: ast.expr, case: Case) -> int:
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
