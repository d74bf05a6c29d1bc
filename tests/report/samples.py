"""Findings made by hand, over a source with everything that is hard to draw."""

from __future__ import annotations

import dataclasses

from h2dlint.engine.results import Hidden, Report
from h2dlint.model import (
    Applicability,
    Confidence,
    Context,
    Edit,
    Effect,
    ErrorKind,
    FileError,
    Finding,
    Fix,
    Gain,
    Span,
)
from h2dlint.report import FORMATS, View
from h2dlint.syntax.source import SourceText

MESSAGE = "`torch.tensor` blocks the host"


def span_of(source: SourceText, text: str, nth: int = 0) -> Span:
    """Where ``text`` stands in the source for the ``nth`` time."""
    start = -1
    for _ in range(nth + 1):
        start = source.text.index(text, start + 1)
    return Span(*position(source, start), *position(source, start + len(text)))


def position(source: SourceText, offset: int) -> tuple[int, int]:
    line = max(n for n, start in enumerate(source.line_starts, 1) if start <= offset)
    return line, offset - source.line_starts[line - 1] + 1


def finding(
    span: Span,
    *,
    path: str = "pkg/step.py",
    code: str = "HTD101",
    name: str = "host-data-tensor-on-device",
    message: str = MESSAGE,
    function: str | None = "Model.forward",
    context: Context = Context.HOT,
    confidence: Confidence = Confidence.HIGH,
    effect: Effect = Effect.BLOCKS,
    evidence: tuple[str, ...] = ("data: `xs` is a list", "device: `d` is CUDA"),
    group: str | None = None,
    gain: Gain | None = None,
    fix: Fix | None = None,
) -> Finding:
    return Finding(
        path, span, code, name, message, function, context, confidence, effect, evidence, group, gain, fix
    )


def replace(span: Span, content: str, applicability: Applicability = Applicability.SAFE) -> Fix:
    reasons = ("the device may not be an accelerator",) if applicability is Applicability.UNSAFE else ()
    return Fix(applicability, "Pin it and copy with `non_blocking=True`", (Edit(span, content),), reasons)


ADVICE = Fix(Applicability.DISPLAY, "Hoist it out of the loop")


def render(
    report: Report | Finding, source: SourceText | None, form: str = "full", view: View | None = None
) -> str:
    """The text of a report (or of one finding without a summary) in a format."""
    if isinstance(report, Finding):
        report, view = Report(findings=(report,)), dataclasses.replace(view or View(), summary=False)
    return "".join(FORMATS[form](view or View(), lambda path: source).report(report))


SOURCE = SourceText(
    "import torch\n"
    "\n"
    "def forward(self, xs, d):\n"
    "    x = torch.tensor(xs, device=d)\n"
    "    y = torch.tensor(xs, device=d)\n"
    "    return x + y\n"
)
FIRST, SECOND = (span_of(SOURCE, "torch.tensor(xs, device=d)", n) for n in (0, 1))
PINNED = "torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)"

REPORT = Report(
    findings=(
        finding(FIRST, group="G4", gain=Gain(idle_us=-10.0), fix=replace(FIRST, PINNED)),
        finding(
            SECOND,
            group="G4",
            code="HTD206",
            name="pageable-non-blocking",
            function=None,
            context=Context.WARM,
            confidence=Confidence.MEDIUM,
            effect=Effect.MAY_BLOCK,
            gain=Gain(6, -10.0),
            fix=replace(SECOND, PINNED, Applicability.UNSAFE),
        ),
        finding(SECOND, path="pkg/tail.py", evidence=(), fix=ADVICE),
    ),
    errors=(FileError("pkg/broken.py", 3, ErrorKind.SYNTAX, "invalid syntax"),),
    hidden=Hidden(cold=40, low_confidence=3),
    suppressed=2,
    checked=5,
)
