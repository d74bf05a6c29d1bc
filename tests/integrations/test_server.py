"""Sessions with the language server over its standard input and output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integrations.lsp_client import Editor, applied

pytest.importorskip("pygls")

HEAD = "import torch\n\n\ndef forward(x: torch.Tensor, lens: list[int]) -> torch.Tensor:\n"
BAD = HEAD + '    t = "\U0001f600é"; a = torch.tensor(lens, device=x.device)\n    return x + a\n'
SAFE = HEAD + '    a = torch.tensor([1, 2, 3], device="cuda")\n    return x + a\n'
GOOD = HEAD + "    return x\n"
CALL = "torch.tensor(lens, device=x.device)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_diagnostics_while_typing(root: Path) -> None:
    with Editor(root) as editor:
        editor.open("a.py", BAD)
        (found,) = editor.published("a.py", 1)
        line = BAD.splitlines()[4]
        start = len(line[: line.index(CALL)].encode("utf-16-le")) // 2
        assert found["range"]["start"] == {"line": 4, "character": start}
        assert found["range"]["end"] == {"line": 4, "character": start + len(CALL)}
        assert (found["code"], found["source"], found["severity"]) == ("HTD101", "h2dlint", 2)
        assert "blocks the host" in found["message"]
        # Unsaved changes count: there is no file at all.
        gone = {"range": {"start": {"line": 4, "character": 0}, "end": {"line": 6, "character": 0}}}
        editor.change("a.py", 2, {**gone, "text": "    return x\n"})
        assert editor.published("a.py", 2) == []
        editor.change("a.py", 3, {"text": "def f(:\n    torch.tensor\n"})
        (broken,) = editor.published("a.py", 3)
        assert (broken["severity"], broken["range"]["start"]["line"]) == (1, 0)
        editor.change("a.py", 4, {"text": SAFE})
        assert [each["code"] for each in editor.published("a.py", 4)] == ["HTD103"]
        editor.notify("textDocument/didClose", {"textDocument": {"uri": editor.uri("a.py")}})
        assert editor.published("a.py") == []


def test_changes_in_quick_succession_are_looked_at_once(root: Path) -> None:
    with Editor(root) as editor:
        editor.open("a.py", GOOD)
        assert editor.published("a.py", 1) == []
        for version in range(2, 30):
            editor.change("a.py", version, {"text": SAFE + "#" * version})
        assert len(editor.published("a.py", 29)) == 1
        versions = [
            message["params"].get("version")
            for message in editor.messages
            if message.get("method") == "textDocument/publishDiagnostics"
        ]
        assert len(versions) < 10


@pytest.mark.parametrize(("encoding", "width"), [("utf-8", 4 + 2), ("utf-16", 2 + 1), ("utf-32", 1 + 1)])
def test_columns_are_in_the_encoding_that_the_editor_chose(root: Path, encoding: str, width: int) -> None:
    with Editor(root, {"general": {"positionEncodings": [encoding]}}) as editor:
        assert editor.server["capabilities"]["positionEncoding"] == encoding
        editor.open("a.py", BAD)
        (found,) = editor.published("a.py")
        before = BAD.splitlines()[4].index(CALL) - 2
        assert found["range"]["start"]["character"] == before + width


def test_quick_fixes(root: Path) -> None:
    text = BAD.replace("\n", "\r\n")
    with Editor(root) as editor:
        editor.open("a.py", text)
        found = editor.published("a.py")
        actions = editor.actions(editor.uri("a.py"), 4, 40, "quickfix", diagnostics=found)
        fix, accept = actions
        assert fix["title"].startswith("HTD101: Copy from pinned memory")
        assert "(unsafe: " in fix["title"]
        assert (fix["isPreferred"], fix["kind"]) == (False, "quickfix")
        assert fix["diagnostics"] == found
        fixed = applied(text, fix["edit"]["changes"][editor.uri("a.py")])
        assert fixed == text.replace(
            CALL, "torch.tensor(lens, pin_memory=True).to(x.device, non_blocking=True)"
        )
        accepted = applied(text, accept["edit"]["changes"][editor.uri("a.py")])
        assert accepted == text.replace(CALL, f"{CALL}  # noqa: HTD101")
        editor.change("a.py", 2, {"text": accepted})
        assert editor.published("a.py", 2) == []
        assert editor.actions(editor.uri("a.py"), 0, 0, "quickfix") == []


def test_a_safe_fix_is_preferred_and_a_comment_is_extended(root: Path) -> None:
    text = SAFE.replace('"cuda")', '"cuda")  # noqa: E501')
    versioned = {"workspace": {"workspaceEdit": {"documentChanges": True}}}
    with Editor(root, versioned) as editor:
        editor.open("a.py", text)
        editor.published("a.py")
        fix, accept = editor.actions(editor.uri("a.py"), 4, 10, "quickfix")
        assert fix["isPreferred"] is True
        (change,) = fix["edit"]["documentChanges"]
        assert change["textDocument"] == {"uri": editor.uri("a.py"), "version": 1}
        assert "torch.arange(1, 4, device" in applied(text, change["edits"])
        (change,) = accept["edit"]["documentChanges"]
        assert "# noqa: E501, HTD103\n" in applied(text, change["edits"])


@pytest.mark.parametrize("resolves", [False, True])
def test_fix_all(root: Path, resolves: bool) -> None:
    text = (
        SAFE.replace("    return", '    b = torch.tensor([4, 5, 6], device="cuda")\n    return')
        + BAD[len(HEAD) :]
    )
    action = {"resolveSupport": {"properties": ["edit"]}} if resolves else {}
    with Editor(root, {"textDocument": {"codeAction": action}}) as editor:
        editor.open("a.py", text)
        (fix,) = editor.actions(editor.uri("a.py"), 0, 0, "source.fixAll")
        if resolves:
            assert "edit" not in fix
            fix = editor.request("codeAction/resolve", fix)
        assert fix["kind"] == "source.fixAll.h2dlint"
        fixed = applied(text, fix["edit"]["changes"][editor.uri("a.py")])
        assert fixed == text.replace("torch.tensor([1, 2, 3], ", "torch.arange(1, 4, ").replace(
            "torch.tensor([4, 5, 6], ", "torch.arange(4, 7, "
        )
        assert editor.actions(editor.uri("a.py"), 0, 0, "refactor") == []


def test_hover(root: Path) -> None:
    text = SAFE + "y = 1  # noqa: HTD206\n"
    with Editor(root) as editor:
        editor.open("a.py", text)
        at = {"textDocument": {"uri": editor.uri("a.py")}}
        shown = editor.request("textDocument/hover", {**at, "position": {"line": 4, "character": 12}})
        assert shown["contents"]["kind"] == "markdown"
        assert "(HTD103)" in shown["contents"]["value"]
        assert "## Why it blocks" in shown["contents"]["value"]
        shown = editor.request("textDocument/hover", {**at, "position": {"line": 6, "character": 17}})
        assert "pageable-non-blocking (HTD206)" in shown["contents"]["value"]
        assert shown["range"]["start"] == {"line": 6, "character": 15}
        assert editor.request("textDocument/hover", {**at, "position": {"line": 0, "character": 1}}) is None


def test_diagnostics_on_request(root: Path) -> None:
    pulling = {"textDocument": {"diagnostic": {}}, "workspace": {"diagnostics": {"refreshSupport": True}}}
    with Editor(root, pulling) as editor:
        assert editor.server["capabilities"]["diagnosticProvider"]["interFileDependencies"] is True
        editor.open("a.py", SAFE)
        document = {"textDocument": {"uri": editor.uri("a.py")}}
        report = editor.request("textDocument/diagnostic", document)
        assert [each["code"] for each in report["items"]] == ["HTD103"]
        editor.notify("textDocument/didSave", document)
        editor.until("workspace/diagnostic/refresh")
        assert not editor.diagnostics, "nothing is sent to who asks"


def test_the_configuration_of_each_folder_holds_and_is_read_again(root: Path) -> None:
    for name in ("one", "two"):
        (root / name).mkdir()
    (root / "one" / "h2dlint.toml").write_text('ignore = ["HTD103"]\n', encoding="utf-8")
    (root / "two" / "h2dlint.toml").write_text('exclude = ["skipped.py"]\n', encoding="utf-8")
    with Editor(root) as editor:
        for name, count in (("one/a.py", 0), ("two/a.py", 1), ("two/skipped.py", 0)):
            editor.open(name, SAFE)
            assert len(editor.published(name)) == count, name
        (root / "one" / "h2dlint.toml").write_text("", encoding="utf-8")
        changed = {"changes": [{"uri": editor.uri("one/h2dlint.toml"), "type": 2}]}
        editor.notify("workspace/didChangeWatchedFiles", changed)
        assert len(editor.published("one/a.py")) == 1
        (root / "one" / "h2dlint.toml").write_text("nonsense = 1\n", encoding="utf-8")
        editor.notify("workspace/didChangeWatchedFiles", changed)
        assert 'unknown key "nonsense"' in editor.until("window/showMessage")["params"]["message"]
        assert editor.published("one/a.py") == []


def test_settings_of_the_editor_lie_on_top(root: Path) -> None:
    with Editor(root, options={"settings": {"assume-cuda": True, "ignore": ["HTD103"]}}) as editor:
        editor.open("a.py", BAD)
        editor.published("a.py")
        fix = editor.actions(editor.uri("a.py"), 4, 40, "quickfix")[0]
        assert fix["isPreferred"] is True
        editor.open("b.py", SAFE)
        assert editor.published("b.py") == []
        configured = {"settings": {"h2dlint": {"select": ["HTD103"]}}}
        editor.diagnostics.clear()
        editor.notify("workspace/didChangeConfiguration", configured)
        assert len(editor.published("b.py")) == 1


def test_other_files_count_as_they_were_saved(root: Path) -> None:
    other = root / "sizes.py"
    other.write_text("def lens():\n    return [1, 2]\n", encoding="utf-8")
    text = "import torch\nfrom sizes import lens\n\n\ndef forward(x):\n    return torch.tensor(lens(), device='cuda')\n"
    with Editor(root) as editor:
        editor.open("a.py", text)
        assert [each["code"] for each in editor.published("a.py")] == ["HTD101"]
        other.write_text(
            "import torch\n\n\ndef lens():\n    return torch.ones(2, device='cuda')\n", encoding="utf-8"
        )
        editor.notify("textDocument/didSave", {"textDocument": {"uri": editor.uri("sizes.py")}})
        assert editor.published("a.py") == []


def test_the_call_graph_is_renewed(root: Path) -> None:
    callee = "import torch\n\n\ndef prepare(xs: list[int]):\n    return torch.tensor(xs, device='cuda')\n"
    (root / "callee.py").write_text(callee, encoding="utf-8")
    caller = root / "caller.py"
    caller.write_text(
        "from callee import prepare\n\n\ndef load_weights():\n    prepare([1])\n", encoding="utf-8"
    )
    with Editor(root) as editor:
        editor.open("callee.py", callee)
        while editor.published("callee.py"):
            pass  # Until it is known that only cold code calls it.
        caller.write_text(
            "from callee import prepare\n\n\ndef forward():\n    prepare([1])\n", encoding="utf-8"
        )
        editor.notify("textDocument/didSave", {"textDocument": {"uri": editor.uri("caller.py")}})
        found: list[dict[str, Any]] = []
        while not found:
            found = editor.published("callee.py")
        assert "reached from forward" in found[0]["message"]


def test_notebooks(root: Path) -> None:
    cells = [
        "# text",
        "import torch\nlens = [1, 2]",
        '%%time\nfor _ in "abc":\n    "\U0001f600"; torch.tensor(lens, device="cuda")',
    ]
    kinds = [1, 2, 2]
    uris = [f"cell:{number}" for number in range(3)]
    languages = ["markdown", "python", "python"]
    uri = Path(root / "a.ipynb").as_uri()
    with Editor(root) as editor:
        editor.notify(
            "notebookDocument/didOpen",
            {
                "notebookDocument": {
                    "uri": uri,
                    "notebookType": "jupyter-notebook",
                    "version": 1,
                    "cells": [
                        {"kind": kind, "document": cell} for kind, cell in zip(kinds, uris, strict=True)
                    ],
                },
                "cellTextDocuments": [
                    {"uri": cell, "languageId": language, "version": 1, "text": text}
                    for cell, language, text in zip(uris, languages, cells, strict=True)
                ],
            },
        )
        (found,) = editor.published(uris[2])
        assert editor.published(uris[1]) == []
        assert found["range"]["start"] == {"line": 2, "character": 10}
        assert "list built at line 2 of cell 2" in found["message"]
        fix = editor.actions(uris[2], 2, 12, "quickfix")[0]
        assert "pin_memory=True" in applied(cells[2], fix["edit"]["changes"][uris[2]])
        (whole,) = editor.actions(uris[1], 0, 0, "source.fixAll.h2dlint")
        assert list(whole["edit"]["changes"]) == [uris[2]]
        fixed = applied(cells[2], whole["edit"]["changes"][uris[2]])
        assert fixed.startswith(
            '%%time\nfor _ in "abc":\n    "\U0001f600"; torch.tensor(lens, pin_memory=True)'
        )
        editor.notify(
            "notebookDocument/didChange",
            {
                "notebookDocument": {"uri": uri, "version": 2},
                "change": {
                    "cells": {
                        "textContent": [
                            {"document": {"uri": uris[2], "version": 2}, "changes": [{"text": "x = 1"}]}
                        ]
                    }
                },
            },
        )
        assert editor.published(uris[2], 2) == []
        editor.notify(
            "notebookDocument/didClose",
            {"notebookDocument": {"uri": uri}, "cellTextDocuments": [{"uri": each} for each in uris]},
        )
        assert editor.published(uris[2]) == []


def test_what_was_said_of_a_cell_goes_with_it(root: Path) -> None:
    uri = Path(root / "a.ipynb").as_uri()
    text = 'import torch\nfor _ in "abc":\n    torch.tensor([1], device="cuda")'
    cells = {"cell:0": "x = 1", "cell:1": text}
    with Editor(root) as editor:
        notebook = {
            "uri": uri,
            "notebookType": "jupyter-notebook",
            "version": 1,
            "cells": [{"kind": 2, "document": cell} for cell in cells],
        }
        documents = [
            {"uri": cell, "languageId": "python", "version": 1, "text": code} for cell, code in cells.items()
        ]
        editor.notify(
            "notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": documents}
        )
        assert len(editor.published("cell:1")) == 1
        structure = {"array": {"start": 1, "deleteCount": 1}, "didClose": [{"uri": "cell:1"}]}
        editor.notify(
            "notebookDocument/didChange",
            {"notebookDocument": {"uri": uri, "version": 2}, "change": {"cells": {"structure": structure}}},
        )
        # The last word on the cell is that there is nothing; without it the wait ends with an error.
        while editor.published("cell:1"):
            pass


def test_it_outlives_what_nobody_expects(root: Path) -> None:
    with Editor(root) as editor:
        editor.open("a.py", SAFE)
        editor.published("a.py")
        editor.change("no_such.py", 2, {"text": "x"})
        editor.change("a.py", 2, {"text": "torch" + "(" * 5000 + "\0\ud800"})
        editor.notify("textDocument/didSave", {"textDocument": {"uri": "untitled:Untitled-1"}})
        editor.notify("no/such", {})
        assert editor.published("a.py", 2)[0]["severity"] == 1
        editor.change("a.py", 3, {"text": SAFE})
        assert len(editor.published("a.py", 3)) == 1
        untitled = {"uri": "untitled:Untitled-1", "languageId": "python", "version": 1, "text": SAFE}
        editor.notify("textDocument/didOpen", {"textDocument": untitled})
        assert len(editor.published("untitled:Untitled-1")) == 1


def test_it_ends_with_its_client(root: Path) -> None:
    editor = Editor(root).__enter__()
    assert editor.process.stdin is not None
    editor.process.stdin.close()
    assert editor.process.wait(30) in {0, 1}
    for stream in (editor.process.stdout, editor.process.stderr):
        assert stream is not None
        stream.close()
