"""What a run produced."""

from __future__ import annotations

from dataclasses import dataclass, field

from h2dlint.model import Cells, FileError, Finding


@dataclass(frozen=True, slots=True)
class Hidden:
    """Findings that the default filters left out of a report; the summary names the flag that shows them.

    Args:
        cold: findings in cold code (shown with ``--cold``).
        low_confidence: findings below the least confidence (shown with ``--min-confidence low``).
            A finding that both filters hide counts here only when it is not cold.
        unchanged: findings on lines that did not change (with ``--diff-only``).
    """

    cold: int = 0
    low_confidence: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Suppression:
    """A comment that silences findings.

    Args:
        line: where the comment stands.
        text: the directive as it stands in the file, such as ``# noqa: HTD101``.
        codes: the codes (upper case) that it names and this tool has, or that look like its own; empty: all.
        used: it silenced at least one finding.
        codes_used: those of ``codes`` that silenced a finding.
        reason: why, as the comment says it.
    """

    line: int
    text: str
    codes: tuple[str, ...] = ()
    used: bool = False
    codes_used: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding that would have been reported.

    Args:
        finding: the finding.
        comment: the comment that silences it; ``None`` where it is in the baseline.
    """

    finding: Finding
    comment: Suppression | None = None


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """Something that the user should know, such as a misspelt directive.

    Args:
        counts: there is something to put right, so the exit status is that of findings.
    """

    path: str
    line: int
    message: str
    counts: bool = False
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class FileResult:
    """The verdict on one file: ``findings`` are those to report, sorted."""

    path: str
    findings: tuple[Finding, ...] = ()
    errors: tuple[FileError, ...] = ()
    hidden: Hidden = Hidden()
    suppressed: int = 0
    screened_out: bool = False
    suppressions: tuple[Suppression, ...] = ()
    """Every suppression comment of the file, used or not; empty where the file was never parsed."""
    notes: tuple[Note, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    """Findings that would have been reported but for a comment or the baseline, sorted."""
    cells: Cells | None = None
    """Of a notebook that could be read: all lines count in the text of its Python cells."""


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on all files, in path order."""

    findings: tuple[Finding, ...] = ()
    errors: tuple[FileError, ...] = ()
    hidden: Hidden = Hidden()
    suppressed: int = 0
    checked: int = 0
    """Number of files looked at, those that the screen dropped and those with errors included."""
    fixed: dict[str, dict[str, int]] = field(default_factory=dict)
    """Path to code to number of fixes applied, where fixes were applied."""
    notes: tuple[Note, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    """Findings that would have been reported but for a comment or the baseline."""
    notebooks: dict[str, Cells] = field(default_factory=dict)
    """Path of each notebook to what its lines mean."""

    @property
    def fixed_count(self) -> int:
        return sum(sum(codes.values()) for codes in self.fixed.values())

    @property
    def known(self) -> tuple[Finding, ...]:
        """Findings that the baseline holds."""
        return tuple(silenced.finding for silenced in self.silenced if silenced.comment is None)
