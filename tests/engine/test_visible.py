"""What other files see of a module."""

import ast
import time
from pathlib import Path

import pytest

from h2dlint.engine.visible import without_comments
from h2dlint.syntax.source import SourceText

_TRIPLE = ['"' * 3, "'" * 3]


def seen(text: str) -> str:
    return without_comments(SourceText(text)).text


@pytest.mark.parametrize("quotes", _TRIPLE)
def test_three_quotes_in_a_comment_start_no_string(quotes: str) -> None:
    code = f"def f():\n    {quotes}Doc.\n\n    # see g{quotes}\n    return [1]\n"
    assert seen(f"x = 'a'  # {quotes}\n{code}") == f"x = 'a'\n{code}"


@pytest.mark.parametrize("quotes", _TRIPLE)
def test_three_quotes_in_a_string_start_no_string(quotes: str) -> None:
    other = '"' if quotes[0] == "'" else "'"
    text = f"x = {other}{quotes}{other}\ns = {quotes}\n# text {quotes}\ny = 1\n"
    assert seen(text) == text


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("x = 'a'  # why", "x = 'a'"),
        ("x = 'a\\'#'  # why", "x = 'a\\'#'"),
        ('x = "#"', 'x = "#"'),
        ('x = ""  # why', 'x = ""'),
        ("    # why", ""),
        ("x = 'a\\\n# no comment'", "x = 'a\\\n# no comment'"),
        ("x = 'a\\\r\n# no comment'", "x = 'a\\\r\n# no comment'"),
        ("x = 1\t # don't", "x = 1"),
    ],
)
def test_comments_are_told_from_strings(line: str, code: str) -> None:
    assert seen(f"{line}\ny = 2\n") == f"{code}\ny = 2\n"


def test_our_own_modules_mean_the_same() -> None:
    for path in Path(__file__).parents[2].joinpath("h2dlint", "engine").glob("*.py"):
        source = SourceText.from_bytes(path.read_bytes())
        found = ast.dump(ast.parse(seen(source.text)), include_attributes=True)
        assert found == ast.dump(ast.parse(source.text), include_attributes=True), path.name


@pytest.mark.parametrize("piece", ['\\"""', "\\'''", '"\\\n', "'\"", " ", '"""\\', '"""a\\"""'])
def test_strings_without_an_end_take_no_longer_than_their_length(piece: str) -> None:
    begin = time.process_time()
    seen("#\n" + piece * 60_000)
    assert time.process_time() - begin < 5
