"""Applying fixes: lint, apply what does not collide, verify, and again until nothing is left to apply.

Fixes are applied in order of position. One that overlaps an earlier one, or that inserts where another one
inserts or ends, waits for the next round. What a round produces has to parse, hold the same comments and be
writable in the encoding of the file; a fix that breaks this is left out and reported as an internal error,
and the others are applied. If the rounds do not come to an end nothing is changed.

Only findings that a check with the same settings would report are fixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from h2dlint.engine.edits import apply_edits, choose, to_changes
from h2dlint.engine.files import Discovery, SourceFile
from h2dlint.engine.memory import rare_collections
from h2dlint.engine.modules import Projects
from h2dlint.engine.plan import RuleSet
from h2dlint.engine.profiles import options_for
from h2dlint.engine.results import FileResult, Report
from h2dlint.engine.runner import lint_source, make_report, read_file
from h2dlint.engine.settings import Settings
from h2dlint.engine.sieve import Sieve, Sift
from h2dlint.engine.verifying import Verifier
from h2dlint.engine.write import WriteError, write_atomically
from h2dlint.model import Applicability, Edit, ErrorKind, FileError, Finding
from h2dlint.syntax.source import SourceText, read_source

__all__ = ["FixOutcome", "apply_edits", "fix_files", "fix_source"]

MAX_ROUNDS = 100
"""As in ruff; fixes that are still not done after so many rounds undo each other."""


@dataclass(frozen=True, slots=True)
class FixOutcome:
    """What fixing made of one file.

    Args:
        path: as reports show it.
        before: what was in the file.
        after: what is to be in it.
        result: the verdict on ``after``, and what went wrong while fixing.
        applied: rule code to number of fixes in ``after``.
        held_back_unsafe: findings left that ``--unsafe-fixes`` would fix.
    """

    path: str
    before: bytes
    after: bytes
    result: FileResult
    applied: Mapping[str, int] = field(default_factory=dict)
    held_back_unsafe: int = 0

    @property
    def changed(self) -> bool:
        """Whether there is something to write."""
        return self.before != self.after


def fix_source(
    path: str,
    data: bytes,
    settings: Settings,
    rules: RuleSet | None = None,
    *,
    location: Path | None = None,
    projects: Projects | None = None,
    sift: Sift | None = None,
) -> FixOutcome:
    """Fix one file's text; nothing is written.

    Args:
        path: as reports show it.
        data: what is in the file.
        settings: that govern the file.
        rules: to choose from; the installed ones when not given.
        location: where the file lies, and
        projects: of the run, as ``lint_source`` takes them.
        sift: leaves out findings that are not to be reported, nor fixed.

    Raises:
        UnknownSelectorError: the settings, made by hand, select a rule that does not exist.
    """
    if projects is None:
        projects = Projects()
    current = data
    applied: Counter[str] = Counter()
    seen = {data}
    for _ in range(MAX_ROUNDS):
        result = lint_source(path, current, settings, rules, location=location, projects=projects)
        if result.errors and applied:
            # The file was fine before: a rule that fails on the result casts doubt on the fixes.
            return _unchanged(path, data, settings, rules, location, projects, result.errors, sift)
        if sift is not None:
            result = sift(result, current)
        comment = options_for(settings, location or Path(path)).profile.fix_comment
        changed, chosen, errors = _round(path, current, result, settings, comment)
        if not chosen:
            result = replace(result, errors=result.errors + errors)
            held_back = sum(not settings.unsafe_fixes and _is_unsafe(finding) for finding in result.findings)
            return FixOutcome(path, data, current, result, dict(applied), held_back)
        current = changed
        applied.update(finding.code for finding in chosen)
        if current in seen:
            break
        seen.add(current)
    codes = ", ".join(sorted(applied))
    message = f"fixes undo each other, so none were applied (rules {codes})"
    error = FileError(path, None, ErrorKind.INTERNAL, message)
    return _unchanged(path, data, settings, rules, location, projects, (error,), sift)


def fix_files(
    files: Discovery | Sequence[SourceFile],
    settings: Settings,
    *,
    write: bool,
    progress: Callable[[int, int], None] | None = None,
    rules: RuleSet | None = None,
    sieve: Sieve | None = None,
    jobs: int = 1,
) -> tuple[Report, tuple[FixOutcome, ...]]:
    """Fix files.

    Args:
        files: what to fix; the errors of a ``Discovery`` go into the report.
        settings: of the run; a file that has settings of its own keeps them.
        write: write what changed. A file that cannot be written counts as not fixed: its findings are those
            of the file as it is, and the report says why.
        progress: called after each file with the number done and the number of all.
        rules: to choose from; the installed ones when not given.
        sieve: leaves out findings that are not to be reported, nor fixed. It counts what it leaves out, so that
            with one all is done by this process.
        jobs: processes to share the work, at most. Files are written by this one, once all are looked at.

    Returns:
        The report on the files as they are after fixing (with ``write`` off: as they would be), and the
        outcomes of the files that changed or have unsafe fixes held back, in path order.
    """
    todo, errors = (files.files, files.errors) if isinstance(files, Discovery) else (tuple(files), ())
    results: list[FileResult] = []
    outcomes: list[FixOutcome] = []
    with rare_collections():
        for outcome in _outcomes(todo, settings, write, progress, rules, sieve, jobs):
            results.append(outcome.result)
            # Every outcome holds the bytes of its file: keep those that say something.
            if outcome.changed or outcome.held_back_unsafe:
                outcomes.append(outcome)
    outcomes.sort(key=lambda outcome: outcome.path)
    fixed = {outcome.path: dict(outcome.applied) for outcome in outcomes if outcome.applied}
    return replace(make_report(results, errors), fixed=fixed), tuple(outcomes)


def _outcomes(
    todo: Sequence[SourceFile],
    settings: Settings,
    write: bool,
    progress: Callable[[int, int], None] | None,
    rules: RuleSet | None,
    sieve: Sieve | None,
    jobs: int,
) -> Iterator[FixOutcome]:
    """What fixing makes of each file, in their order."""
    from h2dlint.engine.batch import Batch, shared_by

    if jobs > 1 and sieve is None and shared_by([_size(file) for file in todo], jobs) > 1:
        batch = Batch(todo, settings, progress, None)

        def work(file: SourceFile) -> FixOutcome:
            return _without_text(_looked_at(file, settings, rules, batch.projects, False, None))

        found = batch.each(todo, jobs, work)
        for file, outcome in zip(todo, found, strict=True):
            chosen = file.settings or settings
            yield _write(file, outcome, chosen, rules, batch.projects, None) if write else outcome
        return
    projects = Projects()
    for done, file in enumerate(todo, 1):
        yield _looked_at(file, settings, rules, projects, write, sieve)
        if progress is not None:
            progress(done, len(todo))


def _size(file: SourceFile) -> int:
    try:
        return file.location.stat().st_size
    except OSError:
        return 0


def _without_text(outcome: FixOutcome) -> FixOutcome:
    """What another process has to be told: the text of most files goes nowhere."""
    return outcome if outcome.changed or outcome.held_back_unsafe else replace(outcome, before=b"", after=b"")


def _looked_at(
    file: SourceFile,
    settings: Settings,
    rules: RuleSet | None,
    projects: Projects,
    write: bool,
    sieve: Sieve | None,
) -> FixOutcome:
    data = read_file(file)
    if isinstance(data, FileError):
        return FixOutcome(file.path, b"", b"", FileResult(file.path, errors=(data,)))
    sift = sieve.of(file.location, data) if sieve is not None else None
    return _fix_file(file, data, file.settings or settings, rules, projects, write, sift)


def _fix_file(
    file: SourceFile,
    data: bytes,
    settings: Settings,
    rules: RuleSet | None,
    projects: Projects,
    write: bool,
    sift: Sift | None,
) -> FixOutcome:
    place = file.location
    outcome = fix_source(file.path, data, settings, rules, location=place, projects=projects, sift=sift)
    return _write(file, outcome, settings, rules, projects, sift) if write else outcome


def _write(
    file: SourceFile,
    outcome: FixOutcome,
    settings: Settings,
    rules: RuleSet | None,
    projects: Projects,
    sift: Sift | None,
) -> FixOutcome:
    """Write what changed, if anything did."""
    if not outcome.changed:
        return outcome
    data = outcome.before
    # The verdicts on the files after this one do not depend on what was fixed before them.
    projects.keep(file.location, data)
    try:
        write_atomically(file.location, outcome.after, expected=outcome.before)
    except WriteError as error:
        problem = FileError(file.path, None, ErrorKind.UNREADABLE, str(error))
        return _unchanged(file.path, data, settings, rules, file.location, projects, (problem,), sift)
    return outcome


def _unchanged(
    path: str,
    data: bytes,
    settings: Settings,
    rules: RuleSet | None,
    location: Path | None,
    projects: Projects,
    errors: tuple[FileError, ...],
    sift: Sift | None = None,
) -> FixOutcome:
    """The outcome of fixing that came to nothing."""
    result = lint_source(path, data, settings, rules, location=location, projects=projects)
    if sift is not None:
        result = sift(result, data)
    held_back = sum(not settings.unsafe_fixes and _is_unsafe(finding) for finding in result.findings)
    return FixOutcome(path, data, data, replace(result, errors=result.errors + errors), {}, held_back)


def _is_unsafe(finding: Finding) -> bool:
    return finding.fix is not None and finding.fix.applicability is Applicability.UNSAFE


def _to_apply(finding: Finding, settings: Settings) -> bool:
    if finding.fix is None or finding.fix.applicability is Applicability.DISPLAY:
        return False
    return settings.unsafe_fixes or finding.fix.applicability is Applicability.SAFE


def _round(
    path: str, data: bytes, result: FileResult, settings: Settings, comment: str
) -> tuple[bytes, list[Finding], tuple[FileError, ...]]:
    """One round: the bytes afterwards, the findings that were fixed, and what is wrong with other fixes."""
    wanted = [finding for finding in result.findings if _to_apply(finding, settings)]
    if not wanted:
        return data, [], ()
    source = read_source(path, data, notebook=result.cells is not None)
    if source.to_bytes() != data:
        message = f"not fixed: encoding {source.encoding} would change bytes that no fix touches"
        return data, [], (FileError(path, None, ErrorKind.ENCODING, message),)
    chosen, faulty = choose(source, wanted)
    left_out = [(finding, str(error)) for finding, error in faulty]
    chosen = [finding for finding in chosen if _fits(source, finding, left_out)]
    kept = _settle(source, Verifier(source, comment), [], chosen, left_out)
    errors = tuple(_broken_fix(path, finding, reason) for finding, reason in left_out)
    return _written(source, kept), kept, errors


def _written(source: SourceText, findings: Sequence[Finding]) -> bytes:
    """The file with fixes applied."""
    if source.cells is None:
        return source.to_bytes(_apply(source, findings))
    changes = to_changes(source, _edits(findings))
    return source.rewritten((change.start, change.end, change.content) for change in changes)


def _fits(source: SourceText, finding: Finding, left_out: list[tuple[Finding, str]]) -> bool:
    """Whether a fix can be written: of a notebook, each edit has to lie within a cell."""
    if source.cells is None:
        return True
    try:
        _written(source, [finding])
    except ValueError as error:
        left_out.append((finding, str(error)))
        return False
    return True


def _settle(
    source: SourceText,
    verifier: Verifier,
    kept: list[Finding],
    candidates: list[Finding],
    left_out: list[tuple[Finding, str]],
) -> list[Finding]:
    """``kept`` and as many of the candidates as leave the text sound; halves where the whole does not."""
    if not candidates:
        return kept
    problem = verifier.problem(_apply(source, kept + candidates))
    if problem is None:
        return kept + candidates
    if len(candidates) == 1:
        left_out.append((candidates[0], problem))
        return kept
    middle = len(candidates) // 2
    kept = _settle(source, verifier, kept, candidates[:middle], left_out)
    return _settle(source, verifier, kept, candidates[middle:], left_out)


def _apply(source: SourceText, findings: Sequence[Finding]) -> str:
    return apply_edits(source, _edits(findings))


def _edits(findings: Sequence[Finding]) -> list[Edit]:
    return [edit for finding in findings if finding.fix for edit in finding.fix.edits]


def _broken_fix(path: str, finding: Finding, reason: str) -> FileError:
    message = f"the fix of {finding.code} was not applied: {reason}"
    return FileError(path, finding.span.line, ErrorKind.INTERNAL, message)
