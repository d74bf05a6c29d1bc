from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2dlint.syntax.magics import mask_magics


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("%matplotlib inline\nx = 1", "_                 \nx = 1"),
        ("!ls -l", "_     "),
        ("if x:\n    !ls\n", "if x:\n    _  \n"),
        ("files = !ls *.py", "files = _       "),
        ("t = %timeit -o f()\n", "t = _             \n"),
        ("?torch.tensor", "_            "),
        ("torch.tensor?", "_            "),
        ("x[0].y??\n", "_       \n"),
        ("!pip install \\\n   torch\nx = 1", "_             \n        \nx = 1"),
        ("%%time\nx = 1", "_     \nx = 1"),
        ("\n%%capture out\nx = 1", "\n_            \nx = 1"),
        ("/f 1", "_   "),
        # Python that looks like it.
        ("x = (a\n     % b)", "x = (a\n     % b)"),
        ('s = """\n%foo\n!ls\n"""', 's = """\n%foo\n!ls\n"""'),
        ("x = a \\\n  % b", "x = a \\\n  % b"),
        ("x = 1  # why?", "x = 1  # why?"),
        ("x = 'why?'", "x = 'why?'"),
        ("x != y", "x != y"),
        ("x %= 3", "x %= 3"),
        ("f(a, b=1)\nx = f'{a!r}'", "f(a, b=1)\nx = f'{a!r}'"),
        ("s = 'it\\'s ?'\nx = a % b", "s = 'it\\'s ?'\nx = a % b"),
    ],
)
def test_what_ipython_adds_is_masked(text: str, masked: str) -> None:
    assert mask_magics(text) == masked
    ast.parse(masked)


@pytest.mark.parametrize("text", ["%%bash\nls", "%%writefile x.py\nimport torch", "\n%%html\n<b>", "%%!\nls"])
def test_a_cell_that_is_no_python_is_left_out(text: str) -> None:
    assert mask_magics(text) is None


LINES = st.sampled_from(
    [
        "x = 1",
        "%time f()",
        "  !ls \\",
        "y = !a",
        "'''",
        '"""',
        "(",
        ")",
        "# %x?",
        "a?",
        "é = 'ü'",
        "\t% b",
        "",
    ]
)


@settings(deadline=None)
@given(st.lists(LINES), st.sampled_from(["\n", "\r\n"]))
def test_offsets_and_lines_hold(lines: list[str], newline: str) -> None:
    text = newline.join(lines)
    masked = mask_magics(text)
    assert masked is not None
    assert len(masked) == len(text)
    assert [i for i, c in enumerate(text) if c in "\r\n"] == [i for i, c in enumerate(masked) if c in "\r\n"]
    assert all(a == b or b in "_ " for a, b in zip(text, masked, strict=True))
