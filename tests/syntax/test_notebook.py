from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2dlint.syntax import notebook as module
from h2dlint.syntax.notebook import NotebookError, NotebookText
from h2dlint.syntax.source import DecodeError


def notebook(*cells: Any, metadata: Any = None, **style: Any) -> str:
    document = {
        "cells": [
            cell
            if isinstance(cell, dict)
            else {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": cell}
            for cell in cells
        ],
        "metadata": metadata or {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, **{"indent": 1, "ensure_ascii": False, **style}) + "\n"


def sources(data: bytes) -> list[str]:
    return [
        cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        for cell in json.loads(data)["cells"]
    ]


def test_code_cells_are_one_text_and_lines_tell_their_cell() -> None:
    raw = notebook(
        {"cell_type": "markdown", "metadata": {}, "source": ["# title"]},
        ["%load_ext x\n", "a = 1"],
        ["%%bash\n", "ls"],
        [],
        "b = a\nc = b\n",
    )
    text = NotebookText.from_bytes(raw.encode())
    assert text.text == "_          \na = 1\n\nb = a\nc = b\n\n"
    assert text.plain == "%load_ext x\na = 1\n\nb = a\nc = b\n\n"
    assert [text.cells.place(line) for line in range(1, 6)] == [(2, 1), (2, 2), (4, 1), (5, 1), (5, 2)]
    lines = raw.split("\n")
    assert "a = 1" in lines[text.cells.in_file(2) - 1]
    assert "b = a" in lines[text.cells.in_file(4) - 1]
    assert text.cell_text(2) == "%load_ext x\na = 1"
    assert text.to_bytes() == raw.encode()


@pytest.mark.parametrize(
    "metadata",
    [{"language_info": {"name": "R"}}, {"kernelspec": {"name": "ir", "language": "R"}}],
)
def test_other_kernels_are_left_out(metadata: Any) -> None:
    assert NotebookText.from_bytes(notebook(["x <- 1"], metadata=metadata).encode()).text == ""


def test_cells_of_other_languages_are_left_out() -> None:
    cell = {"cell_type": "code", "metadata": {"vscode": {"languageId": "sql"}}, "source": ["select"]}
    assert NotebookText.from_bytes(notebook(cell, ["x = 1"]).encode()).text == "x = 1\n"


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        (b"", "Expecting '{'", 1),
        (b"[]", "Expecting '{'", 1),
        (b'{\n "cells": [}', "Expecting value", 2),
        (b'{"cells": []} x', "Extra data", 1),
        (b'{"cells": [{"cell_type": "code", "source": [1]}]}', "not text", 1),
        (b'{"nbformat": 3, "worksheets": []}', "format 3", None),
        (b'{"nbformat": 4}', "no list of cells", None),
        (b'{"cells": [', "Expecting value", 1),
        (b'{"cells": ["', "Unterminated", 1),
        (b'{"cells": [[]]}', "Expecting '{'", 1),
        (b'{"a', "Unterminated", 1),
    ],
)
def test_a_broken_notebook_is_told_of(data: bytes, message: str, line: int | None) -> None:
    with pytest.raises(NotebookError, match=message) as caught:
        NotebookText.from_bytes(data)
    assert caught.value.line == line


def test_what_is_not_utf_8_is_told_of() -> None:
    with pytest.raises(DecodeError, match="utf-8"):
        NotebookText.from_bytes(b'{"cells": ["\xff"]}')


def test_only_the_lines_that_change_are_written() -> None:
    # An escape that nothing needs, in a line that nobody touches.
    raw = notebook(["a = 1\n", "b = 1\n", "c = 2"], ["d = 'é'"]).replace('"a = 1', '"\\u0061 \\u003d 1')
    text = NotebookText.from_bytes(raw.encode())
    at = text.text.index("b = 1")
    after = text.rewritten([(at, at, "new\n"), (at + 4, at + 5, "é")]).decode()
    assert after == raw.replace('"b = 1\\n"', '"new\\n",\n    "b = é\\n"')


def test_a_file_of_plain_ascii_stays_so() -> None:
    raw = notebook(["a = 'é'\n", "b = 1"], ensure_ascii=True, indent=None)
    text = NotebookText.from_bytes(b"\xef\xbb\xbf" + raw.encode())
    at = text.text.index("1")
    after = text.rewritten([(at, at + 1, "'ü'")])
    assert after == b"\xef\xbb\xbf" + raw.replace('"b = 1"', "\"b = '\\u00fc'\"").encode()


def test_a_change_stays_within_its_cell() -> None:
    text = NotebookText.from_bytes(notebook("a", "%%time\nb", "%%time").encode())
    with pytest.raises(ValueError, match="beyond a cell"):
        text.rewritten([(0, 3, "x")])
    # The newline between cells is not in the file; a cell magic stays the first line.
    assert sources(text.rewritten([(0, 2, "x\n"), (2, 2, "import y\n")])) == [
        "x",
        "%%time\nimport y\nb",
        "%%time",
    ]
    with pytest.raises(ValueError, match="no room"):
        text.rewritten([(11, 11, "import y\n")])


TEXT = st.text(st.sampled_from('ab =\n\r"\\é\U0001f600\ud800\u2028%!?\t/'), max_size=12)
SOURCE = st.one_of(TEXT, st.lists(TEXT, max_size=4))
STYLE = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 1, 4, "\t"]),
        "ensure_ascii": st.booleans(),
        "sort_keys": st.booleans(),
        "separators": st.sampled_from([None, (",", ":"), (" , ", " : ")]),
    }
)


@settings(deadline=None)
@given(st.lists(SOURCE, max_size=4), STYLE, st.data())
def test_untouched_json_is_kept_byte_for_byte(cells: list[Any], style: Any, data: st.DataObject) -> None:
    raw = notebook(*cells, **style)
    try:
        before = raw.encode()
    except UnicodeEncodeError:
        before = notebook(*cells, **{**style, "ensure_ascii": True}).encode()
    text = NotebookText.from_bytes(before)
    assert text.to_bytes() == before
    assert text.rewritten([]) == before
    changes, wanted = [], [part.text for part in text.parts]
    for index, part in enumerate(text.parts):
        if part.text.startswith("%%") or not data.draw(st.booleans()):
            continue
        start = data.draw(st.integers(0, len(part.text)))
        end = data.draw(st.integers(start, len(part.text)))
        content = data.draw(TEXT)
        changes.append((part.offset + start, part.offset + end, content))
        wanted[index] = part.text[:start] + content + part.text[end:]
    after = text.rewritten(changes)
    assert NotebookText.from_bytes(after).cells is not None
    now = sources(after)
    told = dict(zip((part.number for part in text.parts), wanted, strict=True))
    for number, was in enumerate(sources(before), 1):
        assert now[number - 1] == told.get(number, was)
    # With the sources cut out, the two files are the same.
    assert _without_sources(after) == _without_sources(before)


def _without_sources(data: bytes) -> list[str]:
    """What stands between the sources of the code cells."""
    raw = data.decode()
    out, done = [], 0
    document = module._members(raw, 0)
    for start, _ in module._items(raw, document.values["cells"][0])[0]:
        begin, end = module._members(raw, start).values["source"]
        out.append(raw[done:begin])
        done = end
    return [*out, raw[done:]]
