"""A report whose names and texts try to break out of every format."""

from __future__ import annotations

from h2dlint.engine.results import Hidden, Note, Report, Silenced, Suppression
from h2dlint.model import Applicability, Edit, Effect, ErrorKind, FileError, Fix, Gain, Measured, Ran, Span
from h2dlint.syntax.source import SourceText
from tests.report.samples import FIRST, finding

NAMES = (
    "a b/%41 x.py",
    "a,b:c=d.py",
    "x\n::error::owned.py",
    "x\r\n##[error]owned.py",
    "q\"<&>'.py",
    "caf\u00e9/\u65e5\u672c \u202e\U0001f600.py",
    "bad\udcff.py",
    "ctrl\x00\x1b[31m\x07\ufffe.py",
    "]]>.py",
)

REPORT = Report(
    findings=(
        *(
            finding(FIRST, path=name, message=f"`{name}` blocks %0A, : the host", evidence=(f"data: {name}",))
            for name in sorted(NAMES)
        ),
    ),
    errors=(
        FileError("x\n::error::owned.py", None, ErrorKind.UNREADABLE, "no\n::warning::way"),
        FileError("y.py", 3, ErrorKind.SYNTAX, "invalid\x0bsyntax"),
    ),
    notes=(Note("z\r.py", 2, "unused\r\nnote", counts=True),),
    checked=11,
)

RICH_SOURCE = SourceText(
    "import torch\n"
    "\n"
    "def forward(self, n, d):\n"
    "    xs = [1] * n  # \U0001f600\n"
    '    \U00010400 = "\U0001f600"; x = torch.tensor(xs, device=d)\n'
    "    return x.tolist()\n"
)
_SPAN = Span(5, 18, 5, 44)
_COMMENT = Suppression(5, "# noqa: HTD101", ("HTD101",), True, ("HTD101",), "a reason")
RICH = Report(
    findings=(
        finding(
            _SPAN,
            path="pkg/step.py",
            evidence=("data: xs: list built at line 4", "hot: loop at line 3", "device: d"),
            gain=Gain(6, -10.0),
            fix=Fix(
                Applicability.UNSAFE,
                "Pin it",
                (Edit(Span(5, 43, 5, 43), ", pin_memory=True"),),
                ("the device may not be an accelerator",),
            ),
        ),
    ),
    errors=(FileError("pkg/broken.py", 3, ErrorKind.SYNTAX, "invalid syntax"),),
    notes=(Note("pkg/step.py", 2, "suppression ignored: it says nothing"),),
    silenced=(
        Silenced(finding(_SPAN, path="pkg/quiet.py"), _COMMENT),
        Silenced(finding(_SPAN, path="pkg/old.py", effect=Effect.HAZARD, code="HTD401", name="x")),
    ),
    hidden=Hidden(1, 2, 3),
    checked=4,
)

MEASURED = Measured(Ran.CONFIRMED, 7, 5, 1234.5678, 500.1, 64)
