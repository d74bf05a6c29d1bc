r"""The vocabulary that every layer shares: findings, fixes and what a user says of a project.

Standard library only, everything frozen, nothing here reads a file or knows of PyTorch.

Coordinates: lines and columns count from 1, columns in code points (not bytes), and the end column is
exclusive. A line ends at ``\n``, ``\r\n`` or ``\r`` and at nothing else, as in CPython's tokenizer.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from dataclasses import dataclass, field


class Applicability(enum.Enum):
    """How far a fix may be trusted, as in ruff and clippy.

    ``SAFE``: on every platform and input on which the original ran, the result has the same values, dtype,
    shape, strides, device, ``requires_grad`` and leaf-ness; aliasing that the code can observe is the same,
    nothing new is raised, no race is opened by a source that is written again, every comment stays.
    Type annotations and dataclass fields count as proof of a kind. Where the module uses streams, events or
    threads a fix is not safe, because the wait that it removes may be what ordered the work.

    ``UNSAFE``: right if something that the analysis could not prove is true (the device is an accelerator,
    the name holds a list). Applied with ``--unsafe-fixes`` only.

    ``DISPLAY``: advice; it has no edits.
    """

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY = "display-only"


class Confidence(enum.IntEnum):
    """The weakest piece of evidence that a finding rests on."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2

    @property
    def label(self) -> str:
        return self.name.lower()


class Context(enum.Enum):
    """How often the code is thought to run."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


class Effect(enum.Enum):
    """What the pattern does to the host."""

    BLOCKS = "blocks"
    MAY_BLOCK = "may-block"
    HAZARD = "hazard"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of source text; see the module docstring for the coordinates."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of ``span`` by ``content``; an empty span inserts."""

    span: Span
    content: str
    cell: int | None = None
    """Of a notebook, where ``span`` counts within a cell; see ``Cells``."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A proposed change.

    Args:
        applicability: how far it may be trusted; ``DISPLAY`` if and only if ``edits`` is empty.
        title: one line in the imperative, as an editor's quick fix shows it.
        edits: disjoint, in order of position; applied together or not at all.
        reasons: why the fix is not safe, one line each; empty for a safe fix.
    """

    applicability: Applicability
    title: str
    edits: tuple[Edit, ...] = ()
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.applicability is Applicability.DISPLAY) != (not self.edits):
            raise ValueError("a fix has edits if and only if it is not display-only")


@dataclass(frozen=True, slots=True)
class Gain:
    """What a fix is expected to be worth, beside the wait for queued work that it removes.

    Args:
        negated_by_line: line at which the host waits anyway, if it does so right after.
        idle_us: microseconds of host time that the fix saves each time where nothing is queued, as measured for
            a tiny upload; negative where it costs more. ``None`` without a fix that was measured.
        note: what else bears on the gain, one line.
    """

    negated_by_line: int | None = None
    idle_us: float | None = None
    note: str | None = None


class Ran(enum.Enum):
    """What a recorded run says of a finding."""

    CONFIRMED = "confirmed"
    """It held the host."""
    WITHOUT_BLOCKING = "ran-without-blocking"
    RAN = "ran"
    """Of a hazard, which is a race and no stall: a trace cannot say more."""
    NEVER = "never-ran"
    UNKNOWN = "unknown"
    """Nothing blocked there, and which lines ran was not recorded."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a recorded run says of a finding; the copies are those to the device.

    Args:
        status: what it comes to.
        count: copies that were made there, and
        blocked: how many of them held the host.
        held_us: host time in the calls of those sites where it was held, the sum, and
        max_us: the longest, in microseconds.
        bytes: copied.
        among: the figures are those of so many places together, of which this is one, because the trace does not tell
            them apart; 1 where it does.
    """

    status: Ran
    count: int = 0
    blocked: int = 0
    held_us: float = 0.0
    max_us: float = 0.0
    bytes: int = 0
    among: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that a rule reports.

    Args:
        path: as the user gave it or relative to the working directory, with forward slashes.
        span: the expression that blocks.
        code, name: of the rule, such as ``HTD101`` and ``host-data-tensor-on-device``.
        message: one line, no full stop.
        function: ``Class.method`` of the innermost function, ``None`` at module level.
        evidence: one line each, such as ``data: list built at line 12``.
        group: findings of a file with an equal group belong together: fixing one alone moves its wait to another.
        statement: first and last line of the whole statement, where a suppression comment may stand.
        trace: what a recorded run says of it; ``None`` where none was asked.
        cell: of a notebook, from 1, where lines count within that cell, as in reports; until then they count in the
            text of all code cells, and this is ``None``.
    """

    path: str
    span: Span
    code: str
    name: str
    message: str
    function: str | None
    context: Context
    confidence: Confidence
    effect: Effect
    evidence: tuple[str, ...] = ()
    group: str | None = None
    gain: Gain | None = None
    fix: Fix | None = None
    statement: tuple[int, int] = (0, 0)
    trace: Measured | None = None
    cell: int | None = None

    @property
    def sort_key(self) -> tuple[str, int, int, str]:
        return (self.path, self.span.line, self.span.column, self.code)


class ErrorKind(enum.Enum):
    """Why a file could not be linted."""

    SYNTAX = "syntax"
    ENCODING = "encoding"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class FileError:
    """A file (or folder) that could not be linted, and why."""

    path: str
    line: int | None
    kind: ErrorKind
    message: str
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """Where the lines of a notebook's code belong, which is linted as the one text of its Python cells.

    Args:
        numbers: of the cells among all cells of the notebook, from 1.
        firsts: the first line of each in the text.
        raw: for each line of the text, the line of the file that it stands in.
    """

    numbers: tuple[int, ...] = ()
    firsts: tuple[int, ...] = ()
    raw: tuple[int, ...] = ()

    def place(self, line: int) -> tuple[int, int]:
        """Number of the cell and line within it, both from 1, of a line of the text."""
        index = max(bisect_right(self.firsts, line) - 1, 0)
        return self.numbers[index], line - self.firsts[index] + 1

    def in_file(self, line: int) -> int:
        """The line of the file for a line of the text."""
        return self.raw[min(max(line, 1), len(self.raw)) - 1] if self.raw else 1


class Transfer(enum.Enum):
    """How a fix gets host data to the device."""

    PINNED = "pinned"
    """From pinned memory, without blocking."""
    PAGEABLE = "pageable"
    """Without blocking, from memory as it is; what may be large is pinned all the same."""
    HELPER = "helper"
    """By the project's own function; what that does not take is pinned."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The style in which a project writes its copies to the device; fixes imitate it.

    Args:
        pin_memory: the expression that is written for ``pin_memory=``, such as ``can_pin()``; ``{device}`` in it stands
            for the device that the data goes to. Empty: ``True`` is written.
        pin_memory_import: the statement that imports what the expression needs; empty where it needs nothing.
        helper: dotted name of the project's own upload function; empty where it has none.
        helper_call: its arguments, in parentheses, with ``{data}``, ``{dtype}``, ``{device}`` and ``{pin}`` for what is
            handed over; ``{dtype?}`` is an argument that is left out where there is no dtype.
        helper_import: the statement that imports it; empty: ``from <module> import <name>``.
        helper_takes: what it may be given as data: ``list``, ``array``, ``tensor``.
        transfer: how fixes get data to the device; by default by the helper, if there is one, else from pinned memory.
        fix_comment: text of a comment that is put above the statement of a fix; empty: none.
    """

    pin_memory: str = ""
    pin_memory_import: str = ""
    helper: str = ""
    helper_call: str = "({data}, dtype={dtype?}, device={device})"
    helper_import: str = ""
    helper_takes: tuple[str, ...] = ("list",)
    transfer: Transfer | None = None
    fix_comment: str = ""

    @property
    def way(self) -> Transfer:
        """How fixes get data to the device."""
        if self.transfer is None:
            return Transfer.HELPER if self.helper else Transfer.PINNED
        return self.transfer


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says of the project, as far as analysis and rules need to know it.

    Args:
        assume_cuda: every device that is not a literal is CUDA or ROCm, and host memory can be pinned there.
            It never covers a device that may be ``None``.
        torch_version: the oldest version of torch that the project runs on; by default that of the measurements.
        strict_pageable: HTD206 and HTD207 also report copies that are provably too small to hold the host.
        entry_points: ``fnmatch`` patterns over ``Class.method`` or ``function`` that run per step or request.
        profile: how the project writes its copies.
    """

    assume_cuda: bool = False
    strict_pageable: bool = False
    torch_version: tuple[int, int] = (2, 11)
    entry_points: tuple[str, ...] = field(default=())
    profile: Profile = field(default=Profile())
