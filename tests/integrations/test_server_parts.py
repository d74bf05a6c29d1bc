"""Parts of the language server by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pygls")

from lsprotocol import types

from h2dlint.engine.diff_lines import line_changes
from h2dlint.engine.edits import apply_edits
from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.integrations.server.answers import rule_names
from h2dlint.integrations.server.buffers import Buffer, Part
from h2dlint.integrations.server.index import Index
from h2dlint.integrations.server.noqa import noqa_edit
from h2dlint.integrations.server.positions import Positions
from h2dlint.syntax.source import SourceText

HEAD = "import torch\n\n\ndef forward(x: torch.Tensor, lens: list[int]):\n"
TEXT = st.text(st.sampled_from("ab\n\r\té\u2028\U0001f600\ud800"), max_size=30)


@pytest.mark.parametrize(
    ("body", "silenced"),
    [
        (
            "return torch.tensor(lens, device='cuda')",
            "return torch.tensor(lens, device='cuda')  # noqa: HTD101",
        ),
        (
            "return torch.tensor(lens, device='cuda')  # a",
            "return torch.tensor(lens, device='cuda')  # a  # noqa: HTD101",
        ),
        (
            "return torch.tensor(lens, device='cuda')  # noqa:E501,W291 x",
            "return torch.tensor(lens, device='cuda')  # noqa:E501,W291, HTD101 x",
        ),
        # No comment can stand in a string or behind a backslash.
        (
            "return torch.tensor(lens, device='cuda'), '''\n  a\n'''",
            "return torch.tensor(lens, device='cuda'), '''\n  a\n'''  # noqa: HTD101",
        ),
        ("y = torch.tensor(lens, device='cuda') + \\\n  x; s = '''\n'''", None),
        (
            "y = torch.tensor(\n  lens,\n  device='cuda',\n)",
            "y = torch.tensor(\n  lens,\n  device='cuda',\n)  # noqa: HTD101",
        ),
        (
            "y = torch.tensor(lens, device='cuda') \\\n  + x",
            "y = torch.tensor(lens, device='cuda') \\\n  + x  # noqa: HTD101",
        ),
    ],
)
def test_a_comment_is_put_where_it_silences(body: str, silenced: str | None) -> None:
    text = HEAD + "    " + body + "\n"
    source = SourceText(text)
    (finding,) = lint_source("a.py", text.encode(), Settings()).findings
    edit = noqa_edit(source, finding, rule_names())
    if silenced is None:
        assert edit is None
        return
    assert edit is not None
    after = apply_edits(source, [edit])
    assert after == HEAD + "    " + silenced + "\n"
    assert lint_source("a.py", after.encode(), Settings()).findings == ()


@settings(deadline=None)
@given(TEXT, st.sampled_from(list(types.PositionEncodingKind)), st.data())
def test_positions_come_back(text: str, encoding: types.PositionEncodingKind, data: st.DataObject) -> None:
    positions = Positions(SourceText(text), encoding)
    line = data.draw(st.integers(1, len(positions.source.line_starts)))
    column = data.draw(st.integers(1, len(positions.source.line_text(line)) + 1))
    assert positions.place(positions.position(line, column)) == (line, column)


@settings(deadline=None)
@given(TEXT, TEXT)
def test_changes_of_lines_make_one_text_of_another(before: str, after: str) -> None:
    text = before
    for change in reversed(line_changes(before, after)):
        text = text[: change.start] + change.content + text[change.end :]
    assert text == after


def test_a_graph_is_made_anew_where_it_would_be_another(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    file = tmp_path / "a.py"
    file.write_text("def forward():\n    prepare()\n\n\ndef prepare():\n    return 1\n", encoding="utf-8")
    index = Index()
    key = (str(tmp_path), ())
    assert index.find(*key).of(str(file), "prepare") is None
    states = [index.incomplete, index.renew(), index.incomplete]
    assert states == [True, True, False]
    assert "reached from forward" in (index.find(*key).of(str(file), "prepare") or ("", ""))[1]
    assert not index.renew()
    # Another text that looks the same; then one that does not; then another file.
    view = index.projects
    file.write_text("def forward():\n    prepare()\n\n\ndef prepare():\n    return 22\n", encoding="utf-8")
    assert not index.renew()
    assert index.projects is view
    file.write_text(
        "def load_weights():\n    prepare()\n\n\ndef prepare():\n    return 1\n", encoding="utf-8"
    )
    assert index.renew()
    assert index.projects is not view
    (tmp_path / "b.py").write_text("x = 1\n", encoding="utf-8")
    assert index.renew()


def test_a_text_is_split_once_however_much_is_found_in_it() -> None:
    part = Part("untitled:a.py", 1, "x = 1\n")
    buffer = Buffer("untitled:a.py", Path("a.py"), (part,))
    assert buffer.positions(part) is buffer.positions(part)
    other = Part("untitled:a.py", 2, "y = 1\n")
    assert buffer.positions(other).source.text == other.text
    assert buffer == Buffer("untitled:a.py", Path("a.py"), (part,))
