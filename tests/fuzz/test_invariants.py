"""Each invariant fails where what it says does not hold: a check that cannot fail proves nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from h2dlint.engine.fixing import FixOutcome
from h2dlint.engine.results import FileResult
from h2dlint.model import ErrorKind, FileError, Finding, Span
from tests.fuzz import campaign, invariants, metamorphic
from tests.fuzz.campaign import Counts, run_one, signature
from tests.fuzz.minimize import smaller
from tests.fuzz.subject import BrokenError, Subject, TimeUpError, limited

PROGRAM = b"""\
import torch  # a name


def f(xs: list[int], x: torch.Tensor):
    y = torch.tensor(xs, device="cuda")  # moved
    return y, torch.tensor(3, device="cuda")
"""


def with_verdict(**changes: object) -> Subject:
    each = Subject(PROGRAM)
    each.__dict__["verdict"] = replace(each.verdict, **changes)  # type: ignore[arg-type]
    return each


def with_fixed(after: bytes) -> Subject:
    each = Subject(PROGRAM)
    for name in ("fixed", "safely_fixed"):
        each.__dict__[name] = replace(getattr(each, name), after=after)
    return each


def moved(finding: Finding, columns: int) -> Finding:
    span = finding.span
    return replace(finding, span=Span(span.line, span.column + columns, span.end_line, span.end_column))


def broken(check: object, each: Subject) -> str:
    assert callable(check)
    with pytest.raises(BrokenError) as error:
        check(each, Random(0))
    return str(error.value)


def test_the_program_itself_is_sound() -> None:
    each = Subject(PROGRAM)
    assert len(each.verdict.findings) == 2 and len(each.outcomes) == 2
    for check in (invariants.no_fault, *invariants.ALWAYS, *metamorphic.METAMORPHIC, campaign.command_agrees):
        check(each, Random(0))


@pytest.mark.parametrize("kind", [ErrorKind.INTERNAL, ErrorKind.SYNTAX])
def test_a_fault_is_seen(kind: ErrorKind) -> None:
    error = FileError("module.py", 1, kind, "something")
    assert "something" in broken(invariants.no_fault, with_verdict(errors=(error,)))


def test_an_unreported_syntax_error_is_seen() -> None:
    each = Subject(b"import torch\nif\n")
    each.__dict__["verdict"] = FileResult("module.py")
    assert "CPython refuses it" in broken(invariants.no_fault, each)


def test_a_wrong_span_is_seen() -> None:
    first, second = Subject(PROGRAM).verdict.findings
    assert "is no expression" in broken(
        invariants.spans_are_expressions, with_verdict(findings=(moved(first, 1), second))
    )
    outside = replace(first, statement=(1, 2))
    assert "not within" in broken(invariants.spans_are_expressions, with_verdict(findings=(outside,)))


@pytest.mark.parametrize(
    ("after", "said"),
    [(b"def f(:\n", "invalid"), (b"def f():\n    pass\nreturn 1\n", "does not compile")],
)
def test_fixed_text_that_is_no_program_is_seen(after: bytes, said: str) -> None:
    assert said in broken(invariants.fixes_parse, with_fixed(after))


def test_a_fix_that_was_left_out_is_seen() -> None:
    each = Subject(PROGRAM)
    error = FileError("module.py", 1, ErrorKind.INTERNAL, "left out")
    outcome: FixOutcome = each.fixed
    each.__dict__["fixed"] = replace(outcome, result=replace(outcome.result, errors=(error,)))
    assert "left out" in broken(invariants.fixes_parse, each)


def test_a_fix_that_does_not_come_to_rest_is_seen() -> None:
    assert "finds something else" in broken(invariants.fixes_are_stable, with_fixed(PROGRAM))


@pytest.mark.parametrize("stray", [b" ", b"\n"])
def test_a_change_outside_the_edits_is_seen(stray: bytes) -> None:
    after = Subject(PROGRAM).fixed.after
    assert "differs" in broken(invariants.only_edits_change, with_fixed(after + stray))


@pytest.mark.parametrize("comment", [b"# a name", b"# moved"])
def test_a_lost_comment_is_seen(comment: bytes) -> None:
    after = Subject(PROGRAM).fixed.after.replace(comment, b"")
    assert comment.decode() in broken(invariants.comments_are_kept, with_fixed(after))


def test_comments_out_of_order_are_seen() -> None:
    after = Subject(PROGRAM).fixed.after
    swapped = after.replace(b"# a name", b"#").replace(b"# moved", b"# a name").replace(b"#\n", b"# moved\n")
    assert "comments" in broken(invariants.comments_are_kept, with_fixed(swapped))


def test_findings_that_are_not_in_order_are_seen() -> None:
    findings = tuple(reversed(Subject(PROGRAM).verdict.findings))
    assert "in order" in broken(invariants.reports_agree, with_verdict(findings=findings))


def test_a_verdict_that_depends_on_comments_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metamorphic, "spread", lambda text, random: text.replace("xs: list[int]", "xs: list[int],")
    )
    # Another program is not compared.
    metamorphic.comments_change_nothing(Subject(PROGRAM), Random(0))
    monkeypatch.setattr(metamorphic, "spread", lambda text, random: text.replace("# moved", "# noqa"))
    assert "gone" in broken(metamorphic.comments_change_nothing, Subject(PROGRAM))


def test_a_hang_is_stopped() -> None:
    with pytest.raises(TimeUpError), limited(0.05):
        while True:
            pass


def test_failures_are_saved_and_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def finds_fault(each: Subject, random: Random) -> None:
        if b"torch.tensor" in each.data:
            raise BrokenError("finds_fault", "at 17")

    monkeypatch.setattr(campaign, "ALWAYS", (finds_fault,))
    monkeypatch.setattr(campaign, "METAMORPHIC", ())
    counts = Counts()
    said = run_one("program", 3, counts, tmp_path, tmp_path, minimize=60) or ""
    assert "--repeat program:3" in said
    small = (tmp_path / "finds_fault-program-3.small.py").read_bytes()
    assert (
        b"torch.tensor" in small
        and len(small) < len((tmp_path / "finds_fault-program-3.py").read_bytes()) / 3
    )
    assert counts.failures == {"finds_fault: at": 1}


def test_smaller_keeps_what_fails() -> None:
    data = b"".join(b"line %d\n" % number for number in range(200))
    assert smaller(data, lambda each: b" 77\n" in each and b"133" in each, 60) == b" 77\n 133"


def test_failures_of_one_cause_have_one_signature() -> None:
    one, two = (BrokenError("only", f"HTD101 at {line}:4 is 'x{line}'") for line in (3, 44))
    assert signature(one) == signature(two) != signature(BrokenError("only", "HTD103 at 3:4"))
