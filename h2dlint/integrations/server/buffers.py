"""What an editor has open, and what the engine says of it: a file, or a notebook as one text of its cells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lsprotocol import types

from h2dlint.engine.config import load_settings
from h2dlint.engine.diff_lines import line_changes
from h2dlint.engine.edits import Change, EditError, to_changes
from h2dlint.engine.files import is_excluded
from h2dlint.engine.fixing import fix_source
from h2dlint.engine.modules import Projects
from h2dlint.engine.results import FileResult
from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.engine.verifying import Verifier
from h2dlint.integrations.project import encoded
from h2dlint.integrations.server.positions import UTF16, Positions
from h2dlint.model import Edit, Finding, Span
from h2dlint.syntax.source import SourceText, read_source


@dataclass(frozen=True)
class Part:
    """A text document: a file, or a cell of a notebook.

    Args:
        uri: as the client names it.
        version: that the text is of.
        text: unsaved changes included.
        code: a cell that holds code; of a file always.
    """

    uri: str
    version: int | None
    text: str
    code: bool = True


@dataclass(frozen=True)
class Buffer:
    """Something that is linted as a whole.

    Args:
        uri: of the file or the notebook.
        path: on disk; ``None`` for what has not been saved yet.
        parts: one for a file, all cells of a notebook.
        notebook: whether it is one.
        encoding: in whose units the client counts columns.
    """

    uri: str
    path: Path | None
    parts: tuple[Part, ...]
    notebook: bool = False
    encoding: types.PositionEncodingKind | str = UTF16
    _positions: dict[str, Positions] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """How messages name it."""
        return self.path.name if self.path is not None else f"untitled{'.ipynb' if self.notebook else '.py'}"

    @cached_property
    def data(self) -> bytes:
        """The file as saving would write it; of a notebook, as much as matters."""
        if not self.notebook:
            return encoded(self.parts[0].text)
        cells = [
            {"cell_type": "code" if part.code else "markdown", "source": part.text} for part in self.parts
        ]
        return json.dumps({"cells": cells, "nbformat": 4}).encode()

    @cached_property
    def source(self) -> SourceText:
        """The text that findings speak of.

        Raises:
            DecodeError: a declaration in the text names no codec.
        """
        return read_source(self.name, self.data, self.notebook)

    @property
    def location(self) -> Path:
        """Where it lies, or would."""
        return self.path if self.path is not None else Path(self.name)

    def place(self, line: int) -> tuple[Part, int]:
        """The document and the line within it, from 1, of a line of the source."""
        cells = self.source.cells if self.notebook else None
        if cells is None or not cells.numbers:
            return self.parts[0], line
        cell, within = cells.place(line)
        return self.parts[cell - 1], within

    def positions(self, part: Part) -> Positions:
        """Converts positions of a document."""
        # Kept: there is a question for each finding, and splitting a long text anew for each took minutes.
        known = self._positions.get(part.uri)
        if known is None or known.source.text != part.text:
            known = self._positions[part.uri] = Positions(SourceText(part.text), self.encoding)
        return known

    def range(self, span: Span) -> tuple[str, types.Range]:
        """URI and range of a span of the source."""
        part, line = self.place(span.line)
        shift = line - span.line
        moved = Span(line, span.column, span.end_line + shift, span.end_column)
        return part.uri, self.positions(part).range(moved)

    def text_edits(self, edits: tuple[Edit, ...]) -> dict[str, list[types.TextEdit]] | None:
        """Edits of the source by document, ``None`` where they would break it."""
        try:
            changes = to_changes(self.source, edits)
            text = self.source.text
            for change in reversed(changes):
                text = text[: change.start] + change.content + text[change.end :]
            if Verifier(self.source).problem(text) is not None:
                return None
        except EditError:
            return None
        if self.notebook:
            # The cells as the fix leaves them: where a newline between cells goes is decided in one place.
            try:
                after = self.source.rewritten((c.start, c.end, c.content) for c in changes)
            except ValueError:
                return None
            return self.differences(after)
        positions = self.positions(self.parts[0])
        return {self.parts[0].uri: [positions.of_change(change) for change in changes]}

    def differences(self, after: bytes) -> dict[str, list[types.TextEdit]]:
        """What makes the documents those of another file, line by line."""
        fixed = read_source(self.name, after, self.notebook)
        found: dict[str, list[types.TextEdit]] = {}
        for number, part in enumerate(self.parts, 1):
            if not part.code:
                continue
            text = fixed.cell_text(number) if self.notebook else fixed.text
            if self.notebook and self.source.cell_text(number) != part.text:
                continue  # No Python.
            changes: list[Change] = line_changes(part.text, text)
            if changes:
                found[part.uri] = [self.positions(part).of_change(change) for change in changes]
        return found


@dataclass(frozen=True)
class Verdict:
    """What was found in a buffer.

    Args:
        buffer: as it was then.
        result: of the engine; without findings for an excluded file.
        settings: that governed it.
        projects: the other files as they were seen.
    """

    buffer: Buffer
    result: FileResult
    settings: Settings
    projects: Projects

    def at(self, uri: str, wanted: types.Range) -> list[Finding]:
        """Findings of a document that touch a range."""
        found = []
        for finding in self.result.findings:
            where, span = self.buffer.range(finding.span)
            if where == uri and _touch(span, wanted):
                found.append(finding)
        return found


def settings_for(buffer: Buffer, folder: Path, overrides: Mapping[str, object]) -> Settings:
    """The settings that govern a buffer; read anew each time, as they are on disk.

    Args:
        buffer: of which a path is asked.
        folder: of the workspace that it belongs to.
        overrides: what the client sets on top.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    path = buffer.path if buffer.path is not None else folder / buffer.name
    return load_settings((str(path),), folder, None, False, overrides)


def lint(buffer: Buffer, settings: Settings, projects: Projects) -> Verdict:
    """What is wrong with a buffer; nothing where the configuration excludes it."""
    if buffer.path is not None and is_excluded(buffer.path, settings):
        return Verdict(buffer, FileResult(buffer.name), settings, projects)
    result = lint_source(buffer.name, buffer.data, settings, location=buffer.location, projects=projects)
    return Verdict(buffer, result, settings, projects)


def fix_all(verdict: Verdict) -> dict[str, list[types.TextEdit]]:
    """What ``h2dlint fix`` would change in a buffer."""
    buffer = verdict.buffer
    if buffer.path is not None and is_excluded(buffer.path, verdict.settings):
        return {}
    outcome = fix_source(
        buffer.name, buffer.data, verdict.settings, location=buffer.location, projects=verdict.projects
    )
    return buffer.differences(outcome.after) if outcome.changed else {}


def _touch(a: types.Range, b: types.Range) -> bool:
    def key(position: types.Position) -> tuple[int, int]:
        return position.line, position.character

    return key(a.start) <= key(b.end) and key(b.start) <= key(a.end)
