"""``--add-noqa``: every finding of a run gets a comment, and is seen to be gone before a file is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from h2dlint.engine.files import SourceFile
from h2dlint.engine.noqa import add_noqa, same_program
from h2dlint.engine.plan import installed_rules, plan_for
from h2dlint.engine.runner import read_file
from h2dlint.engine.settings import Settings
from h2dlint.engine.suppressions import apply_suppressions
from h2dlint.engine.write import WriteError, write_atomically
from h2dlint.model import ErrorKind, FileError, Finding
from h2dlint.syntax.source import DecodeError, SourceText


@dataclass(frozen=True, slots=True)
class Silencing:
    """What became of the findings.

    Args:
        comments: that were written or added to.
        errors: files that were not changed, or not for each of their findings, and why.
    """

    comments: int
    errors: tuple[FileError, ...]


def silence(
    findings: Sequence[Finding], files: Mapping[str, SourceFile], settings: Settings, reason: str
) -> Silencing:
    """Write a suppression comment for each finding.

    A file is written if the program in it is the same as before and the findings are gone.

    Args:
        findings: in path order.
        files: by path as findings name them.
        settings: of the run; a file that has settings of its own keeps them.
        reason: written after the codes; one line, empty for none.
    """
    comments = 0
    errors: list[FileError] = []
    for path, group in groupby(findings, lambda finding: finding.path):
        added, problems = _silence_file(files[path], tuple(group), files[path].settings or settings, reason)
        comments += added
        errors += problems
    return Silencing(comments, tuple(errors))


def _silence_file(
    file: SourceFile, findings: tuple[Finding, ...], settings: Settings, reason: str
) -> tuple[int, list[FileError]]:
    if file.path.endswith(".ipynb"):
        message = "no comments are written into notebooks"
        return 0, [FileError(file.path, findings[0].span.line, ErrorKind.INTERNAL, message)]
    data = read_file(file)
    if isinstance(data, FileError):
        return 0, [data]
    try:
        source = SourceText.from_bytes(data)
    except DecodeError as error:
        return 0, [FileError(file.path, None, ErrorKind.ENCODING, str(error))]
    text, comments, homeless = add_noqa(source, findings, reason, settings.require_reason)
    errors = [
        FileError(
            file.path, each.span.line, ErrorKind.INTERNAL, f"there is no place for a comment on {each.code}"
        )
        for each in homeless
    ]
    if text == source.text:
        return 0, errors
    problem = _problem(file, source, text, findings, len(homeless), settings)
    if problem is None:
        try:
            write_atomically(file.location, source.to_bytes(text), expected=data)
            return comments, errors
        except WriteError as error:
            problem = FileError(file.path, None, ErrorKind.UNREADABLE, str(error))
    return 0, [problem]


def _problem(
    file: SourceFile,
    source: SourceText,
    text: str,
    findings: tuple[Finding, ...],
    homeless: int,
    settings: Settings,
) -> FileError | None:
    """Why the text is not to be written."""
    try:
        data = source.to_bytes(text)
    except UnicodeEncodeError:
        message = f"no comment added: the reason cannot be written in {source.encoding}"
        return FileError(file.path, None, ErrorKind.ENCODING, message)
    if not same_program(source.text, text):
        return FileError(file.path, None, ErrorKind.INTERNAL, "no comment added: it would change the program")
    # The program is the same at the same places, so the rules would find the same again.
    names = plan_for(settings, installed_rules()).names
    changed = SourceText.from_bytes(data)
    left = apply_suppressions(changed, file.path, findings, names, settings.require_reason).kept
    if len(left) > homeless:
        message = "no comment added: it would silence nothing"
        return FileError(file.path, left[0].span.line, ErrorKind.INTERNAL, message)
    return None
