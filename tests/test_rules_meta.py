"""What every rule owes: a docstring that tells the truth, and a fixture that shows it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from h2dlint.engine.fixing import FixOutcome, fix_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Applicability, Confidence, Finding, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.rules.base import SECTIONS, Rule
from h2dlint.syntax.source import SourceText
from tests.fixture_markers import MarkerError, comments, expected, reported

FIXTURES = Path(__file__).parent.parent / "fixtures"
RULES = all_rules()
EVERYTHING = Settings(cold=True, min_confidence=Confidence.LOW, unsafe_fixes=True)

CURES = {"always", "avoid", "do", "dont", "must", "never", "no", "prefer", "replace", "should", "use"}
"""Words that begin or end a name which states the cure; a name states the pattern."""

BLOCK = re.compile(r"^```(?:python|py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

rules = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def fixture(rule: Rule) -> Path:
    return FIXTURES / f"{rule.code}.py"


def blocks(rule: Rule, heading: str) -> list[str]:
    return BLOCK.findall(rule.section(heading) + "\n")


def lint(text: str, path: str = "example.py") -> list[Finding]:
    return check_module(SourceText(text), path, RULES, Options())


@cache
def fixed(code: str) -> FixOutcome:
    path = FIXTURES / f"{code}.py"
    return fix_source(path.name, path.read_bytes(), EVERYTHING)


def test_codes_and_names_are_unique_and_sorted() -> None:
    assert RULES
    assert [rule.code for rule in RULES] == sorted({rule.code for rule in RULES})
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert len({type(rule).__module__ for rule in RULES}) == len(RULES), "one file for each rule"


def test_no_fixture_without_a_rule() -> None:
    assert {path.stem for path in FIXTURES.glob("HTD*.py")} == {rule.code for rule in RULES}


@rules
def test_code_and_name(rule: Rule) -> None:
    assert re.fullmatch(r"HTD\d{3}", rule.code)
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", rule.name)
    words = rule.name.split("-")
    assert not {words[0], words[-1]} & CURES, "a name states the pattern, never the cure"
    assert rule.fixable in {"always", "sometimes", "never"}


@rules
def test_the_screen_names_bytes(rule: Rule) -> None:
    assert rule.screen
    assert all(rule.screen)


@rules
def test_headings(rule: Rule) -> None:
    assert tuple(rule.sections()) == SECTIONS
    assert all(rule.sections().values()), "a heading without text"
    assert re.fullmatch(r"\S.*\.", rule.summary), "the first line is one sentence"
    assert rule.documentation().split("\n")[1:2] == [""], "a blank line after the first"


@rules
def test_example_fires(rule: Rule) -> None:
    examples = blocks(rule, "Example")
    assert examples
    for example in examples:
        assert rule.code in {finding.code for finding in lint(example)}, example


@rules
def test_use_instead_is_silent(rule: Rule) -> None:
    cures = blocks(rule, "Use instead")
    assert cures
    for cure in cures:
        found = [f"{finding.code} at line {finding.span.line}: {finding.message}" for finding in lint(cure)]
        assert not found, cure


@rules
def test_the_screen_lets_its_own_example_through(rule: Rule) -> None:
    for text in (*blocks(rule, "Example"), fixture(rule).read_text(encoding="utf-8")):
        assert any(needle in text.encode() for needle in rule.screen)


@rules
def test_markers(rule: Rule) -> None:
    text = fixture(rule).read_bytes().decode("utf-8")
    wanted, got = expected(text), reported(lint(text, fixture(rule).name))
    assert any(code == rule.code for _, code, _ in wanted), "a fixture marks its own rule"
    missed = "\n".join(f"  not reported: line {line}: {code}: {fix}" for line, code, fix in wanted - got)
    excess = "\n".join(f"  not marked: line {line}: {code}: {fix}" for line, code, fix in got - wanted)
    assert wanted == got, f"{fixture(rule).name}\n{missed}\n{excess}"


@rules
def test_a_fixture_has_cases_for_the_gpu_and_silent_ones(rule: Rule) -> None:
    tree = ast.parse(fixture(rule).read_bytes())
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert any(name.startswith("case_") for name in names)


@rules
def test_messages_are_one_line(rule: Rule) -> None:
    for finding in lint(fixture(rule).read_text(encoding="utf-8")):
        assert finding.message == finding.message.strip()
        assert "\n" not in finding.message
        assert not finding.message.endswith(".")
        assert finding.evidence, "a finding says what it rests on"


@rules
def test_the_fixed_fixture_compiles(rule: Rule) -> None:
    outcome = fixed(rule.code)
    assert not outcome.result.errors
    compile(outcome.after, fixture(rule).name, "exec", dont_inherit=True)


@rules
def test_fixing_is_stable(rule: Rule) -> None:
    first = fixed(rule.code)
    second = fix_source(first.path, first.after, EVERYTHING)
    assert second.after == first.after
    assert not second.applied


@rules
def test_fixing_keeps_every_comment(rule: Rule) -> None:
    outcome = fixed(rule.code)
    before = Counter(comment for _, comment in comments(outcome.before.decode("utf-8")))
    after = Counter(comment for _, comment in comments(outcome.after.decode("utf-8")))
    assert before == after


@rules
def test_fixing_removes_its_own_findings(rule: Rule) -> None:
    outcome = fixed(rule.code)
    before, after = lint(outcome.before.decode("utf-8")), lint(outcome.after.decode("utf-8"))
    left = Counter(finding.code for finding in after)
    advice = Counter(finding.code for finding in before if not has_edits(finding))
    assert not [finding for finding in after if has_edits(finding)]
    assert not left - advice, "a fix that brings another finding"
    assert bool(outcome.applied) == any(map(has_edits, before))


@rules
def test_safe_fixes_alone(rule: Rule) -> None:
    path = fixture(rule)
    safely = fix_source(
        path.name, path.read_bytes(), Settings(cold=True, min_confidence=Confidence.LOW, unsafe_fixes=False)
    )
    compile(safely.after, path.name, "exec", dont_inherit=True)
    left = lint(safely.after.decode("utf-8"))
    assert not [f for f in left if f.fix and f.fix.applicability is Applicability.SAFE]


def has_edits(finding: Finding) -> bool:
    return finding.fix is not None and bool(finding.fix.edits)


def test_a_marker_that_cannot_be_read_is_an_error() -> None:
    assert expected("x = 1  # HTD101: safe, HTD201: unsafe\n") == Counter(
        {(1, "HTD101", "safe"): 1, (1, "HTD201", "unsafe"): 1}
    )
    with pytest.raises(MarkerError):
        expected("x = 1  # HTD101: sure\n")
    assert not expected('x = "# HTD101: safe"  # see HTD101\n')
