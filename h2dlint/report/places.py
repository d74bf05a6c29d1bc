"""How the formats for machines name files and tell findings from each other."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator
from urllib.parse import quote_from_bytes

from h2dlint.model import Finding
from h2dlint.report.base import Sources, View
from h2dlint.syntax.normal import normal, squeezed
from h2dlint.syntax.source import SourceText


def repository_path(path: str, view: View) -> str | None:
    """A path relative to the top of the repository, with forward slashes; ``None`` where it lies outside.

    Args:
        path: as findings name it: relative to the working directory, or absolute.
        view: says where the working directory lies in the repository.
    """
    joined = posixpath.normpath(posixpath.join(view.folder, path.replace(os.sep, "/")))
    top = posixpath.normpath(view.top)
    if joined == top or not joined.startswith(f"{top.rstrip('/')}/"):
        # Without a working directory a path is taken as it is.
        return None if joined.startswith(("/", "../")) or joined[1:2] == ":" else joined
    return joined[len(top.rstrip("/")) + 1 :]


def shown_path(path: str, view: View) -> str:
    """A path relative to the top of the repository; as it is where it lies outside."""
    return repository_path(path, view) or path


def uri(path: str) -> str:
    """A relative or absolute path as a reference that a URI parser reads back to the same bytes."""
    drive = path[:2] if path[1:3] in {":/", ":\\"} else ""
    if drive or path.startswith("\\\\"):
        path = path.replace("\\", "/")
    quoted = drive + quote_from_bytes(os.fsencode(path[len(drive) :]), safe="/-._~!$&'()*+,;=@")
    if path.startswith("//"):  # A host and its share.
        return f"file:{quoted}"
    return f"file:{'///' if drive else '//'}{quoted}" if drive or path.startswith("/") else quoted


def text_of(path: str, sources: Sources) -> SourceText | None:
    """The text that the lines of a finding count in; of a notebook, whose file is JSON, there is none."""
    return None if path.endswith(".ipynb") else sources(path)


def fingerprints(findings: Iterable[Finding], view: View, sources: Sources) -> Iterator[str]:
    """A digest for each finding, the same until its statement or function changes; no two are equal.

    Rule, path, enclosing function and the statement without what a formatter may change; equal ones are numbered.

    Args:
        findings: in the order of the report.
        view: says how files are named.
        sources: gives the text of a file.
    """
    seen: Counter[str] = Counter()
    for finding in findings:
        source = text_of(finding.path, sources)
        statement = ""
        if source is not None:
            first, last = finding.statement
            if (first, last) == (0, 0):
                first, last = finding.span.line, finding.span.end_line
            text = "\n".join(source.line_text(line) for line in range(first, last + 1))
            statement = squeezed(normal(text))
        base = digest(finding.code, shown_path(finding.path, view), finding.function or "", statement)
        seen[base] += 1
        yield base if seen[base] == 1 else digest(base, str(seen[base]))


def digest(*parts: str) -> str:
    """A digest of texts, 32 hexadecimal digits."""
    data = "\0".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(data).hexdigest()[:32]
