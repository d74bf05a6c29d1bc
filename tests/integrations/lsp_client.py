"""An editor: a client that starts the server as a program and speaks to it over its standard input and output."""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.integrations.conftest import ROOT

PLENTY = 30.0
"""Seconds to wait for an answer, on a machine that is busy."""


class Editor:
    """A session with the server.

    Args:
        root: the workspace folder.
        capabilities: of the client, merged into those that every editor has.
        options: ``initializationOptions``.
    """

    def __init__(
        self, root: Path, capabilities: dict[str, Any] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        self.root = root
        self.capabilities = capabilities or {}
        self.options = options
        self.messages: list[dict[str, Any]] = []
        self.diagnostics: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        self._incoming: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> Editor:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "h2dlint", "server"],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.server = self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": self.root.as_uri(),
                "capabilities": self.capabilities,
                "workspaceFolders": [{"uri": self.root.as_uri(), "name": "work"}],
                "initializationOptions": self.options,
            },
        )
        self.notify("initialized", {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.request("shutdown", None)
                self.notify("exit", None)
                assert self.process.stderr is not None
                said = self.process.stderr.read().decode()
                assert self.process.wait(PLENTY) == 0, said
                assert "Traceback" not in said
        finally:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def request(self, method: str, params: Any) -> Any:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        answer = self._until(lambda message: message.get("id") == number and "method" not in message)
        assert "error" not in answer, answer
        return answer["result"]

    def notify(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def open(self, name: str, text: str) -> None:
        document = {"uri": self.uri(name), "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, name: str, version: int, *changes: dict[str, Any]) -> None:
        document = {"uri": self.uri(name), "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})

    def published(self, uri: str, version: int | None = None) -> list[dict[str, Any]]:
        """The next diagnostics of a document (of a version), or those that have come."""
        if ":" not in uri:
            uri = self.uri(uri)

        def there(_: object = None) -> bool:
            known = self.diagnostics.get(uri)
            return known is not None and (version is None or known.get("version") == version)

        if not there():
            self._until(there)
        found: list[dict[str, Any]] = self.diagnostics.pop(uri)["diagnostics"]
        return found

    def until(self, method: str) -> dict[str, Any]:
        """The next message of a method, or one that has come."""
        for message in self.messages:
            if message.get("method") == method:
                self.messages.remove(message)
                return message
        return self._until(lambda message: message.get("method") == method)

    def actions(
        self, uri: str, line: int, character: int, *only: str, diagnostics: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        at = {"line": line, "character": character}
        context: dict[str, Any] = {"diagnostics": diagnostics or []}
        if only:
            context["only"] = list(only)
        params = {"textDocument": {"uri": uri}, "range": {"start": at, "end": at}, "context": context}
        found: list[dict[str, Any]] = self.request("textDocument/codeAction", params)
        return found

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _until(self, wanted: Any) -> dict[str, Any]:
        end = time.monotonic() + PLENTY
        while True:
            message = self._incoming.get(timeout=max(end - time.monotonic(), 0.01))
            assert message is not None, "the server has gone"
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics[message["params"]["uri"]] = message["params"]
            elif "id" in message and "method" in message:
                self._send({"id": message["id"], "result": None})
            if wanted(message):
                return message
            self.messages.append(message)

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while True:
            length = 0
            while line := stream.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if not length:
                self._incoming.put(None)
                return
            self._incoming.put(json.loads(stream.read(length)))


def applied(text: str, edits: list[dict[str, Any]]) -> str:
    """A text with edits applied, as an editor that counts in UTF-16 does it."""
    lines = text.splitlines(keepends=True)
    data = text.encode("utf-16-le")

    def offset(position: dict[str, int]) -> int:
        before = "".join(lines[: position["line"]]).encode("utf-16-le")
        return len(before) + 2 * position["character"]

    for edit in sorted(edits, key=lambda edit: offset(edit["range"]["start"]), reverse=True):
        start, end = offset(edit["range"]["start"]), offset(edit["range"]["end"])
        data = data[:start] + edit["newText"].encode("utf-16-le") + data[end:]
    return data.decode("utf-16-le")
