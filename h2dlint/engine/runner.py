"""Running the rules: one file's bytes in, its verdict out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from h2dlint.engine.config import root_without_config
from h2dlint.engine.faults import guarded, one_line
from h2dlint.engine.files import Discovery, SourceFile
from h2dlint.engine.memory import rare_collections
from h2dlint.engine.plan import Plan, RuleSet, installed_rules, plan_for
from h2dlint.engine.profiles import options_for
from h2dlint.engine.quiet import quiet
from h2dlint.engine.reading import TooLargeError, read_regular, why
from h2dlint.engine.results import FileResult, Hidden, Report, Silenced
from h2dlint.engine.screen import NEEDED
from h2dlint.engine.settings import Settings
from h2dlint.engine.suppressions import Verdict, apply_suppressions, may_suppress
from h2dlint.engine.unused import unused_notes
from h2dlint.model import Context, ErrorKind, FileError, Finding
from h2dlint.syntax.check import check_syntax
from h2dlint.syntax.limits import MAX_MARKS, too_many_marks
from h2dlint.syntax.source import SourceText

if TYPE_CHECKING:
    from h2dlint.engine.modules import Projects
    from h2dlint.engine.whole import WholeRun

MAX_BYTES = 20 * 1024 * 1024
"""A larger file is not linted: it is generated, and parsing it takes gigabytes of memory."""

ALWAYS_PARSED = 8 * 1024
"""A file up to this size is parsed, so that it is told of when it is broken, even where the screen finds nothing in it.

Larger ones without a candidate are only decoded: parsing them would be most of the cost of a run.
"""


def lint_source(
    path: str,
    data: bytes,
    settings: Settings,
    rules: RuleSet | None = None,
    *,
    location: Path | None = None,
    projects: Projects | None = None,
) -> FileResult:
    """Lint one file.

    Never raises for what is in the file: what goes wrong is in ``FileResult.errors``.

    Args:
        path: as reports show it.
        data: what is in the file.
        settings: that govern the file.
        rules: to choose from; the installed ones when not given.
        location: where the file lies, for ``per-file-ignores``; when not given, ``path`` relative to the
            project root.
        projects: of the run, where what was learnt of other modules is kept.

    Raises:
        UnknownSelectorError: the settings, made by hand, select a rule that does not exist.
    """
    if len(data) > MAX_BYTES:
        return _failed(path, _too_large(path, len(data)))
    if is_notebook(location or path):
        if NEEDED not in data and len(data) > ALWAYS_PARSED:
            return FileResult(path, screened_out=True)
        return _lint_notebook(path, data, settings, rules, location or Path(path), projects)
    source = _decode(path, data)
    if isinstance(source, FileError):
        return _failed(path, source)
    return _lint_text(source, path, data, settings, rules, location or Path(path), projects)


def is_notebook(path: Path | str) -> bool:
    """Whether a file is a Jupyter notebook, by its name."""
    return str(path).endswith(".ipynb")


def _lint_notebook(
    path: str,
    data: bytes,
    settings: Settings,
    rules: RuleSet | None,
    location: Path,
    projects: Projects | None,
) -> FileResult:
    from h2dlint.syntax.notebook import NotebookError, NotebookText

    try:
        source = NotebookText.from_bytes(data)
    except NotebookError as error:
        return _failed(path, FileError(path, error.line, ErrorKind.SYNTAX, one_line(error)))
    except ValueError as error:
        return _failed(path, FileError(path, None, ErrorKind.ENCODING, one_line(error)))
    code = source.text.encode("utf-8", "surrogatepass")
    return replace(_lint_text(source, path, code, settings, rules, location, projects), cells=source.cells)


def _lint_text(
    source: SourceText,
    path: str,
    data: bytes,
    settings: Settings,
    rules: RuleSet | None,
    location: Path,
    projects: Projects | None,
) -> FileResult:
    # Without a word of torch the rules, and all that they import, are not asked.
    rule_set = rules if rules is not None else installed_rules() if NEEDED in data else None
    plan = plan_for(settings, rule_set) if rule_set is not None else None
    if rule_set is None or plan is None or not plan.screen.passes(data):
        broken = _parse_error(source, path) if len(data) <= ALWAYS_PARSED else None
        if broken is None and settings.warn_unused_suppressions and _names_us(data):
            plan = plan or plan_for(settings, rules or installed_rules())
            return replace(_sort_out(source, path, data, (), plan, settings, location), screened_out=True)
        return FileResult(path, errors=(broken,) if broken is not None else (), screened_out=True)
    if too_many_marks(data):
        message = f"too much code for its syntax tree: over {MAX_MARKS:,} marks of punctuation"
        return _failed(path, FileError(path, None, ErrorKind.TOO_LARGE, message))
    found = _check(source, path, plan, rule_set, settings, location, projects)
    if isinstance(found, FileError):
        return _failed(path, found)
    return _sort_out(source, path, data, _distinct(found), plan, settings, location)


def lint_files(
    files: Discovery | Sequence[SourceFile],
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
    rules: RuleSet | None = None,
    *,
    jobs: int = 1,
    cache: Path | None = None,
    whole: WholeRun | None = None,
) -> Report:
    """Lint files.

    Args:
        files: what to lint; the errors of a ``Discovery`` go into the report.
        settings: of the run; a file that has settings of its own keeps them.
        progress: called after each file with the number done and the number of all.
        rules: to choose from; the installed ones when not given.
        jobs: processes to share the work, at most.
        cache: folder where verdicts are kept from run to run; ``None`` keeps none.
        whole: where the run as a whole is kept.
    """
    todo, errors = (files.files, files.errors) if isinstance(files, Discovery) else (tuple(files), ())
    if rules is None and (jobs > 1 or cache is not None):
        from h2dlint.engine.batch import lint_all

        with rare_collections():
            run = (whole, files) if whole is not None and isinstance(files, Discovery) else None
            every = lint_all(todo, settings, progress, jobs=jobs, folder=cache, run=run)
            return make_report(every, errors)
    from h2dlint.engine.modules import Projects

    projects = Projects()
    results = []
    with rare_collections():
        for done, file in enumerate(todo, 1):
            results.append(lint_file(file, file.settings or settings, rules, projects))
            if progress is not None:
                progress(done, len(todo))
    return make_report(results, errors)


def lint_file(
    file: SourceFile, settings: Settings, rules: RuleSet | None = None, projects: Projects | None = None
) -> FileResult:
    """Read and lint one file; the unit of work of a run."""
    data = read_file(file)
    if isinstance(data, FileError):
        return _failed(file.path, data)
    return lint_source(file.path, data, settings, rules, location=file.location, projects=projects)


def read_file(file: SourceFile) -> bytes | FileError:
    """The bytes of a file, or why there are none."""
    try:
        return read_regular(file.location, MAX_BYTES)
    except TooLargeError as error:
        return _too_large(file.path, error.size)
    except OSError as error:
        return FileError(file.path, None, ErrorKind.UNREADABLE, why(error))


def make_report(results: Iterable[FileResult], errors: Iterable[FileError] = ()) -> Report:
    """Put the verdicts on files together, in path order.

    Args:
        results: one for each file, in any order.
        errors: of paths that are no files.
    """
    ordered = sorted(results, key=lambda result: result.path)
    every = [*errors, *(error for result in ordered for error in result.errors)]
    return Report(
        findings=tuple(finding for result in ordered for finding in result.findings),
        errors=tuple(sorted(every, key=lambda error: (error.path, error.line or 0, error.message))),
        hidden=Hidden(
            sum(result.hidden.cold for result in ordered),
            sum(result.hidden.low_confidence for result in ordered),
            sum(result.hidden.unchanged for result in ordered),
        ),
        suppressed=sum(result.suppressed for result in ordered),
        checked=len(ordered),
        notes=tuple(note for result in ordered for note in result.notes),
        silenced=tuple(silenced for result in ordered for silenced in result.silenced),
        notebooks={result.path: result.cells for result in ordered if result.cells is not None},
    )


def _failed(path: str, error: FileError) -> FileResult:
    return FileResult(path, errors=(error,))


def _too_large(path: str, size: int) -> FileError:
    limit = MAX_BYTES // (1024 * 1024)
    message = f"{size / (1024 * 1024):.1f} MiB; files over {limit} MiB are not linted"
    return FileError(path, None, ErrorKind.TOO_LARGE, message)


def _decode(path: str, data: bytes) -> SourceText | FileError:
    try:
        with quiet():
            return SourceText.from_bytes(data)
    except ValueError as error:  # DecodeError, and the UnicodeError of codecs that are not for text.
        cause = error.__cause__
        line = None
        if isinstance(cause, UnicodeDecodeError):
            line = cause.object[: cause.start].count(b"\n") + 1
        return FileError(path, line, ErrorKind.ENCODING, one_line(error))


def _check(
    source: SourceText,
    path: str,
    plan: Plan,
    rules: RuleSet,
    settings: Settings,
    location: Path,
    projects: Projects | None,
) -> list[Finding] | FileError:
    """What the rules find, or what stopped them."""
    if projects is None:
        from h2dlint.engine.modules import Projects

        projects = Projects()
    # What a path says (a test, an example, other hardware) must not depend on where the command is run.
    place = _within(location, Path(settings.root))
    chosen = plan.rules_for(location)

    def check() -> list[Finding]:
        within = (
            projects.around(location, project_top(location, settings)) if settings.follow_imports else None
        )
        found = rules.check_module(source.uniform, place, chosen, options_for(settings, location), within)
        return [replace(finding, path=path) for finding in found]

    return guarded(source, path, check)


def project_top(location: Path, settings: Settings, seen: dict[str, bool] | None = None) -> Path:
    """The top of a file's project: never the working directory, which says nothing of it.

    Args:
        location: absolute path of the file.
        settings: those that govern it.
        seen: what was looked for in this run, and whether it was there.
    """
    if settings.config_file is not None and settings.nested is not None:
        return Path(settings.root)
    root = root_without_config(location.parent, seen)
    if (root / ".git").exists():
        return root
    # Of packages, also those around folders without ``__init__.py``.
    packages = [folder for folder in (root, *root.parents) if (folder / "__init__.py").is_file()]
    return packages[-1] if packages else root


def _within(location: Path, root: Path) -> str:
    """A path relative to the project root, with forward slashes; only the name where it lies outside."""
    if not location.is_absolute():
        return location.as_posix()
    try:
        return location.relative_to(root).as_posix()
    except ValueError:
        return location.name


def _parse_error(source: SourceText, path: str) -> FileError | None:
    """Why a file is no Python."""

    def parse() -> list[Finding]:
        check_syntax(source.text)
        return []

    found = guarded(source, path, parse)
    return found if isinstance(found, FileError) else None


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted, and one finding for a rule and a place."""
    seen: dict[object, Finding] = {}
    for finding in findings:
        seen.setdefault((finding.span, finding.code), finding)
    return sorted(seen.values(), key=lambda finding: (*finding.sort_key, finding.span))


def _sort_out(
    source: SourceText,
    path: str,
    data: bytes,
    findings: Sequence[Finding],
    plan: Plan,
    settings: Settings,
    location: Path | None,
) -> FileResult:
    """Apply suppressions, then the filters on context and confidence."""
    verdict = Verdict(tuple(findings))
    # Without findings the comments matter only where they name our rules: one of them may be unused.
    if may_suppress(data) if findings else _names_us(data):
        verdict = apply_suppressions(source, path, findings, plan.names, settings.require_reason)
    notes = list(verdict.notes)
    if settings.warn_unused_suppressions:
        ran = {rule.code for rule in plan.rules_for(location or Path(path))}
        notes += unused_notes(path, verdict.suppressions, ran, plan.names)
    hidden: Counter[str] = Counter()
    shown: list[Finding] = []
    for finding in verdict.kept:
        reason = hides(settings, finding)
        if reason is None:
            shown.append(finding)
        else:
            hidden[reason] += 1
    return FileResult(
        path,
        tuple(shown),
        hidden=Hidden(hidden["cold"], hidden["low_confidence"]),
        suppressed=len(verdict.suppressed),
        suppressions=verdict.suppressions,
        notes=tuple(notes),
        silenced=tuple(
            Silenced(finding, verdict.suppressions[number])
            for finding, number in verdict.suppressed
            if hides(settings, finding) is None
        ),
    )


def hides(settings: Settings, finding: Finding) -> str | None:
    """Which filter leaves a finding out, as ``Hidden`` names it; ``None`` if it is shown."""
    if finding.context is Context.COLD and not settings.cold:
        return "cold"
    return "low_confidence" if finding.confidence < settings.min_confidence else None


def _names_us(data: bytes) -> bool:
    return may_suppress(data) and any(word in data for word in (b"HTD", b"h2dlint", b"gpu-sync-ok"))
