"""The full format, to the letter."""

from __future__ import annotations

import re

import pytest

from h2dlint.engine.results import Report
from h2dlint.model import Applicability as A
from h2dlint.model import Edit, Fix, Span
from h2dlint.report import View
from h2dlint.syntax.source import SourceText
from tests.report.samples import REPORT, SOURCE, finding, render, replace, span_of

WHOLE = """\
HTD101 [*] `torch.tensor` blocks the host
 --> pkg/step.py:4:9
  |
3 | def forward(self, xs, d):
4 |     x = torch.tensor(xs, device=d)
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^
5 |     y = torch.tensor(xs, device=d)
6 |     return x + y
  |
  = because: data: `xs` is a list; device: `d` is CUDA
  = gain: the wait for queued work; where nothing is queued about 10 us slower
  = group: with line 5; fixing one alone moves its wait to another
  = where: Model.forward (hot, high confidence)
help: Pin it and copy with `non_blocking=True` (safe fix)
  |
3 | def forward(self, xs, d):
  -     x = torch.tensor(xs, device=d)
4 +     x = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)
5 |     y = torch.tensor(xs, device=d)
  |
help: for more on this rule, run `h2dlint rule HTD101`

HTD101 `torch.tensor` blocks the host
 --> pkg/tail.py:5:9
  |
3 | def forward(self, xs, d):
4 |     x = torch.tensor(xs, device=d)
5 |     y = torch.tensor(xs, device=d)
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^
6 |     return x + y
  |
  = where: Model.forward (hot, high confidence)
help: Hoist it out of the loop (advice)
help: for more on this rule, run `h2dlint rule HTD101`

HTD206 `torch.tensor` blocks the host
 --> pkg/step.py:5:9
  |
3 | def forward(self, xs, d):
4 |     x = torch.tensor(xs, device=d)
5 |     y = torch.tensor(xs, device=d)
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^
6 |     return x + y
  |
  = because: data: `xs` is a list; device: `d` is CUDA
  = no gain: line 6 synchronizes
  = group: with line 4; fixing one alone moves its wait to another
  = where: module level (warm, medium confidence)
help: Pin it and copy with `non_blocking=True` (unsafe fix)
  |
4 |     x = torch.tensor(xs, device=d)
  -     y = torch.tensor(xs, device=d)
5 +     y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)
6 |     return x + y
  |
note: unsafe because the device may not be an accelerator
help: for more on this rule, run `h2dlint rule HTD206`

Found 3 findings in 2 files (2 hot, 1 warm).
1 path could not be checked.
[*] 1 fixable with --fix (1 more with --unsafe-fixes).
Left out: 40 in cold code (--cold), 3 of low confidence (--min-confidence low).
"""


def frame_of(text: str, target: str, width: int = 140) -> list[str]:
    """The lines of the frame around ``target``, without the empty gutters at both ends."""
    source = SourceText(text)
    report = Report(findings=(finding(span_of(source, target), evidence=()),))
    lines = render(report, source, view=View(width=width)).splitlines()
    end = next(n for n, line in enumerate(lines) if line.lstrip().startswith("= "))
    return lines[3 : end - 1]


def preview_of(text: str, fix: Fix, width: int = 140) -> list[str]:
    source = SourceText(text)
    lines = render(finding(Span(1, 1, 1, 2), fix=fix), source, view=View(width=width)).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("help: "))
    return lines[start + 2 : -3]


def test_whole_report() -> None:
    assert render(REPORT, SOURCE) == WHOLE


def test_colours_change_nothing_but_the_colour() -> None:
    coloured = render(REPORT, SOURCE, view=View(colour=True))
    assert "\x1b[1;91mHTD101\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == WHOLE


def test_no_source_leaves_out_the_frame_and_the_preview() -> None:
    text = render(REPORT, None)
    assert " --> pkg/step.py:4:9\n  = because: data: `xs` is a list; device" in text
    assert "|" not in text


def test_unsafe_fixes_get_the_star_when_they_would_be_applied() -> None:
    text = render(REPORT, SOURCE, view=View(unsafe_fixes=True))
    assert "HTD206 [*] " in text
    assert "[*] 2 fixable with --fix.\n" in text


def test_tabs_are_expanded_and_the_caret_follows() -> None:
    assert frame_of("if x:\n\ty =\tcall(a)\n", "call(a)") == [
        "1 | if x:",
        "2 |     y = call(a)",
        "  |         ^^^^^^^",
    ]


def test_wide_characters_take_two_columns() -> None:
    assert frame_of('数 = "宽宽"; y = call(数)\n', "call(数)") == [
        '1 | 数 = "宽宽"; y = call(数)',
        "  |                  ^^^^^^^^",
    ]


def test_combining_characters_take_none() -> None:
    assert frame_of("s = 'e\u0301'; call(a)\n", "call(a)")[1] == "  |          ^^^^^^^"


def test_escape_sequences_are_spelled_out() -> None:
    text = "s = '\x1b[31m\u202e\x07'; call(a)\n"
    assert frame_of(text, "call(a)") == [
        r"1 | s = '\x1b[31m\u202e\x07'; call(a)",
        "  |                           ^^^^^^^",
    ]


def test_nothing_in_a_finding_reaches_the_terminal_raw() -> None:
    bad = "\x1b]0;x\x07\r\n\u2028"
    span = Span(1, 1, 1, 2)
    fix = Fix(A.UNSAFE, bad, (Edit(span, bad),), (bad,))
    evil = finding(span, path=bad, code=bad, message=bad, function=bad, evidence=(bad,), fix=fix)
    for form in ("full", "concise", "json"):
        text = render(evil, SourceText(f"x = '{bad}'\n"), form)
        assert not set(text) & set("\x1b\x07\r\u2028"), form


def test_a_span_of_several_lines() -> None:
    text = "def f():\n    y = call(\n        a,\n    )\n    return y\n"
    assert frame_of(text, "call(\n        a,\n    )") == [
        "1 |   def f():",
        "2 |       y = call(",
        "  |  _________^",
        "3 | |         a,",
        "4 | |     )",
        "  | |_____^",
        "5 |       return y",
    ]


def test_a_span_of_several_lines_that_begins_a_line() -> None:
    assert frame_of("    call(\n        a)\n", "call(\n        a)") == [
        "1 | /     call(",
        "2 | |         a)",
        "  | |__________^",
    ]


def test_a_long_span_is_cut_in_the_middle() -> None:
    target = "call(\n" + "".join(f"    a{n},\n" for n in range(20)) + ")"
    assert frame_of(f"x = {target}\n", target) == [
        " 1 |   x = call(",
        "   |  _____^",
        " 2 | |     a0,",
        " 3 | |     a1,",
        " 4 | |     a2,",
        " 5 | |     a3,",
        "...",
        "21 | |     a19,",
        "22 | | )",
        "   | |_^",
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_newline(newline: str) -> None:
    assert frame_of(newline.join(["a = 1", "call(a)", "b = 2", ""]), "call(a)") == [
        "1 | a = 1",
        "2 | call(a)",
        "  | ^^^^^^^",
        "3 | b = 2",
    ]


def test_form_feeds_and_other_separators_end_no_line() -> None:
    assert frame_of("a = 1\n\x0ccall(a)\x0b\n", "call(a)") == [
        "1 | a = 1",
        r"2 | \x0ccall(a)\x0b",
        "  |     ^^^^^^^",
    ]


def test_a_long_line_is_clipped_around_the_caret() -> None:
    before, after = "b" * 300, "c" * 300
    lines = frame_of(f"short = 1\n[{before}, call(a), {after}]\n", "call(a)", width=60)
    assert lines == [
        "1 | …",
        "2 | …bbbbbbbbbbbbbbbbbbbbb, call(a), cccccccccccccccccccccc…",
        "  |                         ^^^^^^^",
    ]
    assert len(lines[1]) == 60


def test_a_long_line_with_the_caret_at_its_start_is_clipped_at_the_end() -> None:
    lines = frame_of(f"call(a), {'c' * 300}\n", "call(a)", width=40)
    assert lines == [f"1 | call(a), {'c' * 26}…", "  | ^^^^^^^"]


def test_a_caret_longer_than_the_line_may_be() -> None:
    target = f"call({'a' * 300})"
    lines = frame_of(f"{'b' * 100} = {target}\n", target, width=60)
    assert [len(line) for line in lines] == [60, 60]
    assert lines[1] == "  |     " + "^" * 52


def test_wide_characters_are_never_halved() -> None:
    lines = frame_of(f"x = '{'宽' * 100}', call(a), '{'宽' * 100}'\n", "call(a)", width=60)
    assert lines[0].count("…") == 2
    column = lines[0].index("call(a)")
    wide = lines[0][:column].count("宽")
    assert lines[1].index("^") == column + wide


def test_a_span_outside_the_text_does_no_harm() -> None:
    for span in (Span(9, 1, 9, 5), Span(1, 80, 1, 90), Span(1, 1, 99, 1), Span(2, 1, 2, 1)):
        assert "HTD101" in render(finding(span, fix=replace(span, "x")), SourceText("a = 1\nb = 2\n"))


def test_preview_of_edits_far_apart() -> None:
    text = "import torch\n" + "".join(f"a{n} = 1\n" for n in range(20)) + "b = call(a)\n"
    target = span_of(SourceText(text), "call(a)")
    fix = Fix(A.SAFE, "T", (Edit(Span(2, 1, 2, 1), "import util\n"), Edit(target, "util.call(a)")))
    assert preview_of(text, fix) == [
        " 1 | import torch",
        " 2 + import util",
        " 3 | a0 = 1",
        "...",
        "22 | a19 = 1",
        "   - b = call(a)",
        "23 + b = util.call(a)",
    ]


def test_preview_of_deleted_lines() -> None:
    fix = Fix(A.SAFE, "T", (Edit(Span(2, 1, 4, 1), ""),))
    assert preview_of("a\nb\nc\nd\ne\n", fix) == ["1 | a", "  - b", "  - c", "2 | d"]


def test_preview_of_a_file_without_a_last_newline() -> None:
    assert preview_of("a\nb", Fix(A.SAFE, "T", (Edit(Span(2, 1, 2, 2), "c"),))) == [
        "1 | a",
        "  - b",
        "2 + c",
    ]


def test_preview_of_two_edits_on_one_line() -> None:
    fix = Fix(A.SAFE, "T", (Edit(Span(1, 1, 1, 2), "x"), Edit(Span(1, 5, 1, 6), "yy")))
    assert preview_of("a = b\n", fix) == ["  - a = b", "1 + x = yy"]


def test_preview_of_a_long_line_shows_the_difference() -> None:
    fix = Fix(A.SAFE, "T", (Edit(Span(1, 301, 1, 302), "NEW"),))
    for line in preview_of("a" * 300 + "b" + "c" * 300 + "\n", fix, width=60):
        assert len(line) <= 60
        assert "NEW" in line or "b" in line
