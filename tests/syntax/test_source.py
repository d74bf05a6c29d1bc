"""Decoding as CPython does, writing back byte for byte, and conversion between coordinates."""

from __future__ import annotations

import ast
import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.model import Span
from h2dlint.syntax.source import DecodeError, SourceText

ROUND_TRIPS = [
    b"",
    b"x = 1",
    b"x = 1\n",
    b"x = 1\r\ny = 2\r\n",
    b"x = 1\ry = 2\r",
    b"x = 1\ny = 2\r\n",
    b"x = '\f'\n\fy = 2\n",
    "x = 'größe'\n".encode(),
    codecs.BOM_UTF8 + b"x = 1\n",
    codecs.BOM_UTF8 + "# coding: utf-8\nx = 'ß'\n".encode(),
    "# -*- coding: latin-1 -*-\nx = 'größe'\n".encode("latin-1"),
    "#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '€'\n".encode("cp1252"),
    "# coding: euc-jp\nx = '日本'\n".encode("euc-jp"),
    "x = '\N{GRINNING FACE}'\n".encode(),
]


@pytest.mark.parametrize("data", ROUND_TRIPS)
def test_bytes_come_back(data: bytes) -> None:
    source = SourceText.from_bytes(data)
    assert source.to_bytes() == data
    assert ast.dump(ast.parse(data)) == ast.dump(ast.parse(source.text))


@pytest.mark.parametrize("data", ROUND_TRIPS)
def test_a_changed_text_keeps_mark_and_encoding(data: bytes) -> None:
    source = SourceText.from_bytes(data)
    assert source.to_bytes(source.text + "#") == data + b"#"


@pytest.mark.parametrize(
    "data",
    [
        b"x = '\xff'\n",
        b"# coding: nonsense\n",
        b"# coding: utf-8\nx = '\xe9'\n",
        b"# coding: ascii\nx = '\xe9'\n",
        codecs.BOM_UTF8 + b"# coding: latin-1\n",
        b"\xff\xfex\x00",
    ],
)
def test_what_cpython_refuses_is_refused(data: bytes) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        compile(data, "module.py", "exec", dont_inherit=True)
    with pytest.raises(DecodeError):
        SourceText.from_bytes(data)


def test_lines_end_where_cpython_ends_them() -> None:
    source = SourceText("a = 1\rb = 2\r\nc = '\x0b\x0c\x1c\x85\u2028'\nd = 4")
    assert list(source.line_starts) == [0, 6, 13, 25]
    assert [source.line_text(line) for line in range(0, 6)] == [
        "",
        "a = 1",
        "b = 2",
        "c = '\x0b\x0c\x1c\x85\u2028'",
        "d = 4",
        "",
    ]
    assert [node.lineno for node in ast.parse(source.text).body] == [1, 2, 3, 4]


@given(st.text(alphabet="ab \n\r\f\u2028é\N{GRINNING FACE}", max_size=30))
def test_positions_and_offsets_are_inverse(text: str) -> None:
    source = SourceText(text)
    for offset in range(len(text) + 1):
        line, column = source.position(offset)
        assert source.offset(line, column) == offset
        assert 1 <= line <= len(source.line_starts)
    assert source.slice(Span(1, 1, *source.position(len(text)))) == text


@given(st.text(alphabet="abé日\N{GRINNING FACE}'", max_size=8).map(lambda s: s.replace("'", "")))
def test_columns_count_code_points(text: str) -> None:
    source = SourceText(f"x = '{text}', name  # {text}\n")
    (statement,) = ast.parse(source.text).body
    assert isinstance(statement, ast.Assign)
    assert isinstance(statement.value, ast.Tuple)
    assert source.slice(source.span(statement.value.elts[1])) == "name"
    assert source.slice(source.span(statement)) == f"x = '{text}', name"


def test_spans_over_several_lines() -> None:
    source = SourceText("é = f(\r\n    'ß',\r\n  1)\r\n")
    (statement,) = ast.parse(source.text).body
    assert isinstance(statement, ast.Assign)
    assert source.span(statement.value) == Span(1, 5, 3, 5)
    assert source.slice(source.span(statement.value)) == "f(\r\n    'ß',\r\n  1)"
