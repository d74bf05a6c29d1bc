"""What every output format is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from h2dlint.model import Applicability, Confidence, Finding

if TYPE_CHECKING:
    from h2dlint.engine.results import Report
    from h2dlint.syntax.source import SourceText

Sources = Callable[[str], "SourceText | None"]
"""Path of a finding to the text that its span refers to; ``None`` where it cannot be had any more."""


@dataclass(frozen=True, slots=True)
class Unreported:
    """Sites of a trace that held the host and that no finding of the report speaks of.

    Args:
        sites: how many, and
        unchecked: how many of them in files that were not checked.
    """

    sites: int = 0
    unchecked: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """How a report is to look; everything that would otherwise come from the terminal or the environment.

    Args:
        colour: write ANSI colours.
        width: columns that a source line may take before it is clipped around the caret.
        unsafe_fixes: unsafe fixes count as fixable, as with ``--unsafe-fixes``.
        fixing: fixes were applied, so the summary tells how many.
        fix_table: with ``fixing``, the summary tells it rule by rule.
        summary: end with the summary for people.
        min_confidence: the least confidence that was reported; for the wording of what was left out.
        traced: findings carry what a trace says of them; what else the trace holds. ``None`` without a trace.
        names: code to rule name; for ``fix_table``, where no finding of a rule may be left to name it.
        folder: absolute path of the working directory, with forward slashes, and
        top: of the repository around it; for formats that name files relative to that.
    """

    colour: bool = False
    width: int = 140
    unsafe_fixes: bool = False
    fixing: bool = False
    fix_table: bool = False
    summary: bool = True
    min_confidence: Confidence = Confidence.MEDIUM
    traced: Unreported | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    top: str = ""

    def fixable(self, finding: Finding) -> bool:
        """Whether ``--fix`` with the same options would apply the finding's fix."""
        if finding.fix is None:
            return False
        applicability = finding.fix.applicability
        return applicability is Applicability.SAFE or (
            self.unsafe_fixes and applicability is Applicability.UNSAFE
        )


class Reporter:
    """One output format.

    Args:
        view: how it is to look.
        sources: gives the text of a file for the formats that show source.

    Class attributes:
        cells: the format tells the cells of a notebook; one that does not is given lines of the file.
    """

    has_statistics: ClassVar[bool] = True
    """Whether ``statistics`` yields anything."""
    cells: ClassVar[bool] = False

    def __init__(self, view: View, sources: Sources) -> None:
        self.view = view
        self.sources = sources

    def report(self, report: Report) -> Iterator[str]:
        """Yield the findings, then the summary, in pieces of whole lines."""
        raise NotImplementedError

    def statistics(self, report: Report) -> Iterator[str]:
        """Yield what ``--statistics`` shows in place of the findings; only where ``has_statistics`` is set."""
        raise NotImplementedError
