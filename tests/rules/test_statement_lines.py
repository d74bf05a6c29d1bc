"""A comment silences what is found in its statement, whichever line of it the comment is on."""

from __future__ import annotations

import pytest

from h2dlint.engine.noqa import add_noqa
from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.syntax.source import SourceText

HEAD = "import torch\n\n\ndef f(xs):\n    for x in xs:\n"
MADE = 'torch.tensor([x, 1], device="cuda")'


@pytest.mark.parametrize(
    "statement",
    [
        f"if {MADE}.sum() > \\\n  2:  #\n  pass",
        f"while ({MADE}.sum() >\n  2):  #\n  pass",
        f"with g({MADE}), \\\n  h():  #\n  pass",
        f"for y in g({MADE},\n  2):  #\n  pass",
        f"assert {MADE}.sum(), (\n  'a'\n  'b')  #",
        f"raise KeyError({MADE},\n  2)  #",
        f"del a[{MADE}], \\\n  b  #",
    ],
)
def test_the_last_line_of_a_statement(statement: str) -> None:
    text = HEAD + "\n".join(f"        {line}" for line in statement.split("\n")) + "\n"
    bare = lint_source("a.py", text.replace("  #", "").encode(), Settings())
    assert [each.code for each in bare.findings] == ["HTD101"]
    noted = lint_source("a.py", text.replace("  #", "  # noqa: HTD101").encode(), Settings())
    assert (noted.errors, noted.findings, noted.suppressed) == ((), (), 1)


def test_what_stands_below_a_header_is_another_statement() -> None:
    text = f"{HEAD}        if {MADE}.sum() > 2:\n            pass  # noqa: HTD101\n"
    assert len(lint_source("a.py", text.encode(), Settings()).findings) == 1


def test_a_comment_finds_a_place_behind_a_backslash() -> None:
    text = f"{HEAD}        if {MADE}.sum() > \\\n                2:\n            pass\n"
    source = SourceText(text)
    after, count, homeless = add_noqa(source, lint_source("a.py", text.encode(), Settings()).findings)
    assert (count, homeless) == (1, ())
    assert lint_source("a.py", after.encode(), Settings()).findings == ()
