"""One editor: what it has open, when that is looked at, and what it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import PyglsError
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from h2dlint import __version__
from h2dlint.engine.errors import ConfigError
from h2dlint.engine.faults import internal_error
from h2dlint.engine.settings import Settings
from h2dlint.integrations.server import buffers
from h2dlint.integrations.server.answers import diagnostics
from h2dlint.integrations.server.buffers import Buffer, Part, Verdict
from h2dlint.integrations.server.index import Index
from h2dlint.integrations.server.positions import UTF16

DELAY = 0.25
"""Seconds without a change before a text is looked at: nobody reads diagnostics while typing."""
IDLE = 2.0
"""Seconds after a file was saved before the call graph is looked at again."""
STACK = 64 * 1024 * 1024
"""Bytes of stack for the thread that analyses: deep code is walked recursively, and threads have little on macOS."""

Result = TypeVar("Result")


class Session(LanguageServer):
    """The server for one client."""

    def __init__(self) -> None:
        super().__init__(
            "h2dlint",
            __version__,
            notebook_document_sync=types.NotebookDocumentSyncOptions(
                [types.NotebookDocumentFilterWithNotebook(notebook="jupyter-notebook")]
            ),
            max_workers=2,
        )
        self.index = Index()
        self.overrides: Mapping[str, object] = {}
        self._open: dict[str, bool] = {}
        """URI of each file and notebook that is open, and whether it is a notebook."""
        self._verdicts: dict[str, Verdict] = {}
        self._shown: dict[str, set[str]] = {}
        """The documents of each that the client was sent diagnostics of."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._renewal: asyncio.Task[None] | None = None
        self._renewing = False
        self._told = ""
        before = threading.stack_size(STACK)
        try:
            # One thread analyses, so that verdicts come in order and what is learnt is shared; another one looks after
            # the call graph.
            self._analyst = ThreadPoolExecutor(1, "h2dlint")
            self._librarian = ThreadPoolExecutor(1, "h2dlint-index")
            for pool in (self._analyst, self._librarian):
                pool.submit(int).result()
        finally:
            threading.stack_size(before)

    # What the client can do

    @property
    def pulls(self) -> bool:
        """The client asks for the diagnostics of files, and is not sent them."""
        document = self.client_capabilities.text_document
        return document is not None and document.diagnostic is not None

    @property
    def versioned(self) -> bool:
        """The client takes edits with the versions of documents."""
        workspace = self.client_capabilities.workspace
        edit = workspace.workspace_edit if workspace is not None else None
        return bool(edit is not None and edit.document_changes)

    @property
    def resolves(self) -> bool:
        """The client asks for the edit of an action when it is chosen."""
        document = self.client_capabilities.text_document
        action = document.code_action if document is not None else None
        support = action.resolve_support if action is not None else None
        return support is not None and "edit" in support.properties

    # What is open

    def opened(self, uri: str, notebook: bool = False) -> None:
        """A file or notebook is open now."""
        self._open[uri] = notebook
        self.look(uri, 0.0)

    def closed(self, uri: str) -> None:
        """A file or notebook is not open any more: what was said of it is withdrawn."""
        self._open.pop(uri, None)
        task = self._tasks.pop(uri, None)
        if task is not None:
            task.cancel()
        self._verdicts.pop(uri, None)
        for part in sorted(self._shown.pop(uri, ())):
            self._publish(part, None, [])

    def owner(self, uri: str) -> str:
        """The URI of what a document belongs to: itself, or the notebook of a cell."""
        notebook = self.workspace.get_notebook_document(cell_uri=uri)
        return notebook.uri if notebook is not None else uri

    def buffer(self, uri: str) -> Buffer | None:
        """What is open under a URI, as it is now; ``None`` where nothing is that can be linted."""
        if uri not in self._open:
            return None
        try:
            encoding = self.workspace.position_encoding or UTF16
            path = _path(uri)
            if not self._open[uri]:
                document = self.workspace.get_text_document(uri)
                part = Part(uri, document.version, document.source)
                return Buffer(uri, path, (part,), False, encoding)
            notebook = self.workspace.get_notebook_document(notebook_uri=uri)
            if notebook is None:
                return None
            parts = tuple(self._cell(cell) for cell in notebook.cells)
            return Buffer(uri, path, parts, True, encoding)
        except (OSError, KeyError, ValueError):
            return None

    def _cell(self, cell: types.NotebookCell) -> Part:
        document = self.workspace.get_text_document(cell.document)
        code = cell.kind is types.NotebookCellKind.Code and document.language_id in {"python", None}
        return Part(cell.document, document.version, document.source, code)

    # Looking at it

    def look(self, uri: str, delay: float = DELAY) -> None:
        """Look at a file or notebook after a while, unless it changes again before."""
        task = self._tasks.pop(uri, None)
        if task is not None:
            task.cancel()
        self._tasks[uri] = asyncio.ensure_future(self._look(uri, delay))

    def look_at_all(self) -> None:
        """Look at everything that is open: what it depends on has changed."""
        for uri in self._open:
            self.look(uri, 0.0)
        if self.pulls and self._refreshes:
            self.workspace_diagnostic_refresh(None, callback=lambda _: None)

    @property
    def _refreshes(self) -> bool:
        workspace = self.client_capabilities.workspace
        found = workspace.diagnostics if workspace is not None else None
        return bool(found is not None and found.refresh_support)

    async def _look(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        if self.pulls and not self._open.get(uri):
            return
        try:
            verdict = await self.verdict(uri)
            if verdict is None or uri not in self._open:
                return
            versions = {part.uri: part.version for part in verdict.buffer.parts}
            # Of a cell that was taken out nobody says any more that it is closed.
            for part in sorted(self._shown.get(uri, set()) - versions.keys()):
                self._publish(part, None, [])
            self._shown[uri] = set(versions)
            for part, found in diagnostics(verdict).items():
                self._publish(part, versions[part], found)
        except Exception as error:
            # A task that nobody waits for would end without a word.
            self.report_server_error(error, type(error))

    def _publish(self, uri: str, version: int | None, found: list[types.Diagnostic]) -> None:
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))

    async def verdict(self, uri: str) -> Verdict | None:
        """The verdict on a file or notebook as it is now; ``None`` where it is not open."""
        # Who asks meanwhile waits, and is given the same.
        async with self._locks.setdefault(uri, asyncio.Lock()):
            return await self._verdict(uri)

    async def _verdict(self, uri: str) -> Verdict | None:
        buffer = self.buffer(uri)
        if buffer is None:
            return None
        known = self._verdicts.get(uri)
        projects = self.index.projects
        settings, problem = await self.analyse(self._settings, buffer, self._folder(buffer))
        if problem is not None:
            self._complain(problem)
        asked = (buffer, settings, projects)
        if known is not None and (known.buffer, known.settings, known.projects) == asked:
            return known
        verdict = await self.analyse(buffers.lint, buffer, settings, projects)
        if uri in self._open:
            self._verdicts[uri] = verdict
        if self.index.incomplete and not self._renewing:
            self._renew_in(0.0)
        return verdict

    async def analyse(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run in the thread that analyses."""
        return await asyncio.get_running_loop().run_in_executor(self._analyst, function, *arguments)

    def _settings(self, buffer: Buffer, folder: Path) -> tuple[Settings, str | None]:
        try:
            return buffers.settings_for(buffer, folder, self.overrides), None
        except ConfigError as error:
            # Diagnostics by rules that nobody chose would be wrong: nothing is reported until this is put right.
            return Settings(root=str(folder), select=()), str(error)

    def _folder(self, buffer: Buffer) -> Path:
        """The workspace folder that a file belongs to, the innermost one; else its own folder."""
        roots = [_path(folder.uri) for folder in self.workspace.folders.values()]
        if buffer.path is None:
            return next((root for root in roots if root is not None), Path.cwd())
        inside = [root for root in roots if root is not None and root in buffer.path.parents]
        return max(inside, key=lambda root: len(root.parts), default=buffer.path.parent)

    def _complain(self, message: str) -> None:
        """Say once what the user has to put right."""
        if message != self._told:
            self._told = message
            self.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"h2dlint: {message}"))

    # What changes on disk

    def files_changed(self) -> None:
        """Something that verdicts depend on was written."""
        self._told = ""
        self.index.changed()
        self.look_at_all()
        self._renew_in(IDLE)

    def _renew_in(self, delay: float) -> None:
        """Look after the call graphs after a while, unless that is put off before."""
        if self._renewal is not None and not self._renewing:
            self._renewal.cancel()
        self._renewal = asyncio.ensure_future(self._renew(delay))

    async def _renew(self, delay: float) -> None:
        await asyncio.sleep(delay)
        self._renewing = True
        try:
            loop = asyncio.get_running_loop()
            if await loop.run_in_executor(self._librarian, self.index.renew):
                self.look_at_all()
        except Exception as error:
            self.report_server_error(error, type(error))
        finally:
            self._renewing = False

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Write down a fault; it disturbs nobody who types, and the server goes on."""
        try:
            told = internal_error("server", error).message
            self.window_log_message(types.LogMessageParams(types.MessageType.Error, told))
        except (PyglsError, RuntimeError, OSError):
            pass


def _path(uri: str) -> Path | None:
    """The path of a file; ``None`` for what is on no disk."""
    if not uri.startswith("file:"):
        return None
    path = to_fs_path(uri)
    return Path(path) if path else None
