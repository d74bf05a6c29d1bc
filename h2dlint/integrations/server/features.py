"""The requests and notifications that the server answers."""

from __future__ import annotations

import os
import sys
from typing import Any

from lsprotocol import types

from h2dlint.integrations.server import answers, buffers
from h2dlint.integrations.server.session import Session

WATCHED = ("**/*.py", "**/pyproject.toml", "**/h2dlint.toml", "**/.h2dlint.toml")


def make_server() -> Session:
    """A server with all that it can do."""
    server = Session()
    _documents(server)
    _notebooks(server)
    _workspace(server)
    _language(server)
    return server


def start() -> None:
    """Serve a client on standard input and output until it says goodbye."""
    # The protocol alone may write there: what anything else prints goes to standard error.
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    make_server().start_io(stdout=output)


def _documents(server: Session) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def did_open(params: types.DidOpenTextDocumentParams) -> None:
        if params.text_document.language_id in {"python", ""}:
            server.opened(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def did_change(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        if server.buffer(uri) is not None:
            server.look(uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def did_save(params: types.DidSaveTextDocumentParams) -> None:
        server.files_changed()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def did_close(params: types.DidCloseTextDocumentParams) -> None:
        server.closed(params.text_document.uri)


def _notebooks(server: Session) -> None:
    @server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    async def did_open(params: types.DidOpenNotebookDocumentParams) -> None:
        server.opened(params.notebook_document.uri, notebook=True)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    async def did_change(params: types.DidChangeNotebookDocumentParams) -> None:
        server.look(params.notebook_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    async def did_close(params: types.DidCloseNotebookDocumentParams) -> None:
        server.closed(params.notebook_document.uri)


def _workspace(server: Session) -> None:
    @server.feature(types.INITIALIZE)
    async def initialize(params: types.InitializeParams) -> None:
        server.overrides = _settings(params.initialization_options)

    @server.feature(types.INITIALIZED)
    async def initialized(params: types.InitializedParams) -> None:
        workspace = server.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace is not None else None
        if watching is None or not watching.dynamic_registration:
            return
        options = types.DidChangeWatchedFilesRegistrationOptions(
            [types.FileSystemWatcher(pattern) for pattern in WATCHED]
        )
        await server.client_register_capability_async(
            types.RegistrationParams(
                [types.Registration("h2dlint-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)]
            )
        )

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def watched(params: types.DidChangeWatchedFilesParams) -> None:
        server.files_changed()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configured(params: types.DidChangeConfigurationParams) -> None:
        found = params.settings
        if isinstance(found, dict) and isinstance(found.get("h2dlint"), dict):
            server.overrides = found["h2dlint"]
        server.files_changed()

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def folders(params: types.DidChangeWorkspaceFoldersParams) -> None:
        server.files_changed()


def _settings(options: Any) -> dict[str, object]:
    """What a client sets on top of the configuration: keys as in the configuration file, under ``settings`` or not."""
    values = _plain(options)
    if isinstance(values, dict) and isinstance(values.get("settings"), dict):
        values = values["settings"]
    return values if isinstance(values, dict) else {}


def _plain(value: Any) -> Any:
    """What pygls makes objects of, as dictionaries."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _language(server: Session) -> None:
    @server.feature(
        types.TEXT_DOCUMENT_DIAGNOSTIC,
        types.DiagnosticOptions(
            inter_file_dependencies=True, workspace_diagnostics=False, identifier="h2dlint"
        ),
    )
    async def pulled(params: types.DocumentDiagnosticParams) -> types.RelatedFullDocumentDiagnosticReport:
        uri = params.text_document.uri
        # Cells are sent: what is wrong with one depends on the others, for which nobody asks then.
        verdict = await server.verdict(uri) if server.owner(uri) == uri else None
        found = answers.diagnostics(verdict).get(uri, []) if verdict is not None else []
        return types.RelatedFullDocumentDiagnosticReport(items=found)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(
            code_action_kinds=[types.CodeActionKind.QuickFix, answers.FIX_ALL], resolve_provider=True
        ),
    )
    async def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        owner = server.owner(params.text_document.uri)
        verdict = await server.verdict(owner)
        if verdict is None:
            return []
        found = await server.analyse(lambda: list(answers.actions(verdict, params, server.versioned)))
        if answers.wants_fix_all(params) and (verdict.result.findings or verdict.result.errors):
            action = types.CodeAction(
                "h2dlint: Fix all that can be fixed safely",
                kind=answers.FIX_ALL,
                data={"uri": owner},
            )
            if not server.resolves:
                await _resolve(server, action)
            if action.edit is not None or server.resolves:
                found.append(action)
        return found

    @server.feature(types.CODE_ACTION_RESOLVE)
    async def resolve(action: types.CodeAction) -> types.CodeAction:
        if action.edit is None:
            await _resolve(server, action)
        return action

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        verdict = await server.verdict(server.owner(params.text_document.uri))
        return answers.hover(verdict, params) if verdict is not None else None


async def _resolve(server: Session, action: types.CodeAction) -> None:
    data = _plain(action.data)
    uri = data.get("uri") if isinstance(data, dict) else None
    verdict = await server.verdict(uri) if isinstance(uri, str) else None
    if verdict is None:
        return
    edits = await server.analyse(buffers.fix_all, verdict)
    if edits:
        action.edit = answers.workspace_edit(verdict.buffer, edits, server.versioned)
