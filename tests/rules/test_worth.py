"""Gain and group of findings."""

from __future__ import annotations

import textwrap
from pathlib import Path

from h2dlint.analysis import values as V
from h2dlint.analysis.aftermath import NEAR
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Effect, Finding, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.rules.worth import elements
from h2dlint.syntax.source import SourceText

HEAD = "import torch\n"


def findings(body: str, parameters: str = "xs: list[int], d: torch.device") -> list[Finding]:
    text = f"{HEAD}def forward({parameters}):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    found = check_module(SourceText(text), "module.py", all_rules(), Options())
    return [finding for finding in found if finding.effect is Effect.BLOCKS]


def verdicts(body: str) -> list[tuple[int, str | None, int | None]]:
    """Line in ``body``, group and the line that negates, of each finding."""
    return [
        (
            finding.span.line - 2,
            finding.group,
            finding.gain.negated_by_line - 2 if finding.gain and finding.gain.negated_by_line else None,
        )
        for finding in findings(body)
    ]


def test_a_read_right_after_negates() -> None:
    assert verdicts("t = torch.tensor(xs, device=d)\nn = t.max().item()\n") == [(1, None, 2)]


def test_uploads_in_a_row_are_a_group_and_are_negated_together() -> None:
    body = """\
        a = torch.tensor(xs, device=d)
        b = torch.tensor(xs, device=d)
        n = b.max().item()
        c = torch.tensor(xs, device=d)
        """
    assert verdicts(body) == [(1, "G3", 3), (2, "G3", 3), (4, None, None)]


def test_uploads_in_one_expression_are_a_group() -> None:
    body = "return foo(torch.tensor(xs, device=d), torch.tensor(xs, device=d))\n"
    assert verdicts(body) == [(1, "G3", None), (1, "G3", None)]


def test_uploads_in_branches_join_what_comes_after() -> None:
    body = """\
        if xs:
            a = torch.tensor(xs, device=d)
        else:
            a = torch.tensor(xs[1:], device=d)
        b = torch.tensor(xs, device=d)
        """
    assert [group for _, group, _ in verdicts(body)] == ["G4", "G4", "G4"]


def test_an_upload_in_one_branch_belongs_to_those_around_it() -> None:
    body = """\
        a = torch.tensor(xs, device=d)
        if xs:
            b = torch.tensor(xs, device=d)
        c = torch.tensor(xs, device=d)
        """
    assert [group for _, group, _ in verdicts(body)] == ["G3", "G3", "G3"]


def test_work_on_the_device_parts_groups() -> None:
    body = """\
        a = torch.tensor(xs, device=d)
        model(a)
        b = torch.tensor(xs, device=d)
        """
    assert verdicts(body) == [(1, None, None), (3, None, None)]


def test_an_upload_that_nothing_mends_is_a_wait() -> None:
    body = """\
        a = torch.tensor(xs, device=d)
        with torch.device("cuda"):
            b = torch.tensor(xs)
        """
    first, second = findings(body)
    assert second.fix is not None and not second.fix.edits
    assert first.gain is not None and first.gain.negated_by_line == second.span.line
    assert first.group == second.group == "G3"


def idle(body: str) -> list[float | None]:
    return [finding.gain.idle_us if finding.gain else None for finding in findings(body)]


def test_what_a_fix_saves_where_nothing_is_queued() -> None:
    assert idle("t = torch.tensor(xs, device=d)\n") == [-10.0]
    assert idle("t = torch.tensor(xs).to(d)\n") == [-10.0]
    assert idle("t = torch.tensor(0.0, device=d)\n") == [5.0]
    assert idle("t = torch.zeros(3).to(d)\n") == [5.0]
    assert idle("with torch.device('cuda'):\n    t = torch.tensor(xs)\n") == [None]


def notes(body: str) -> list[str | None]:
    return [finding.gain.note if finding.gain else None for finding in findings(body)]


def test_long_lists_cost_more_than_the_copy() -> None:
    many = ", ".join(str(n * n) for n in range(1000))
    said = ["building a tensor from 1000 elements costs the host about 130 us, more than the copy does"]
    assert notes(f"t = torch.tensor([{many}], device=d)\n") == said
    assert notes(f"t = torch.tensor([{many}]).to(d)\n") == said
    assert notes("t = torch.tensor(xs, device=d)\n") == [None]
    assert notes("t = torch.tensor([1, 2, 3], device=d)\n") == [None]
    assert notes("t = torch.tensor([7] * 1000, device=d)\n") == [None], "the fix makes no list"


def test_elements() -> None:
    one = Value(kind=Kind.INT)
    row = Value(kind=Kind.SEQ, items=(one, one))
    assert elements(Value(kind=Kind.SEQ, items=(row, row, one))) == 5
    assert elements(Value(kind=Kind.SEQ, size=3, elem=row)) == 6
    assert elements(V.SEQ) == elements(one) == 0


def test_the_page_says_what_is_done() -> None:
    page = (Path(__file__).parents[2] / "docs" / "ranking.md").read_text(encoding="utf-8")
    assert page.count(f" {NEAR} statements") == 2
    assert idle("t = torch.tensor(xs, device=d)\n") == [-10.0] and "10 µs **slower**" in page
    assert idle("t = torch.tensor(0.0, device=d)\n") == [5.0] and "5 µs faster" in page
