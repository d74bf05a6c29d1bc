"""A short run of the fuzzer, always the same one. ``make fuzz`` runs for longer and from another seed each time."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import layout
from tests.fuzz.campaign import Counts, examine, run_one, shares
from tests.fuzz.inputs import FIXTURES, planted, subject
from tests.fuzz.invariants import ALWAYS, no_fault
from tests.fuzz.metamorphic import METAMORPHIC
from tests.fuzz.mutations import CHANGES, mutated, part
from tests.fuzz.programs import make
from tests.fuzz.subject import PROFILES, Subject

QUICK = settings(
    derandomize=True, max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
LAYOUTS = (layout.spread, layout.opened, layout.broken, layout.joined, layout.indented)


@QUICK
@given(st.randoms(use_true_random=False), st.sampled_from(sorted(PROFILES)))
def test_generated_modules(random: Random, profile: str) -> None:
    """Hypothesis draws, and makes a program that fails smaller."""
    examine(Subject(layout.as_bytes(layout.varied(make(random), random), random), profile), Random(0))


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("HTD*.py")), ids=lambda path: path.stem)
def test_mutated_fixtures(path: Path) -> None:
    random = Random(path.stem)
    text = mutated(part(path.read_text(encoding="utf-8"), random), random)
    examine(Subject(layout.as_bytes(text, random), random.choice(sorted(PROFILES))), Random(1))


@pytest.mark.parametrize("number", range(2))
def test_every_invariant(number: int) -> None:
    each = subject("program", number)
    assert not each.refusal and each.verdict.findings
    for check in (no_fault, *ALWAYS, *METAMORPHIC):
        check(each, Random(number))


def test_code_of_others() -> None:
    """Copies to the device in the code of this very package, which has none."""
    random = Random(3)
    source = Path(layout.__file__).read_text(encoding="utf-8")
    each = Subject(planted(source, random).encode())
    assert each.verdict.findings and each.fixable
    examine(each, random)


def test_most_programs_have_findings_and_fixes() -> None:
    """A fuzzer without findings would prove nothing."""
    subjects = [Subject(make(Random(seed)).encode()) for seed in range(40)]
    sound = [each for each in subjects if not each.refusal]
    found = [each for each in sound if each.verdict.findings]
    fixable = [each for each in sound if each.fixable]
    codes = {finding.code for each in found for finding in each.verdict.findings}
    assert len(sound) >= 38
    assert len(found) >= 0.9 * len(sound)
    assert len(fixable) >= 0.8 * len(sound)
    assert len(codes) >= 17, codes


@pytest.mark.parametrize("change", LAYOUTS, ids=lambda change: change.__name__)
def test_layouts_keep_the_program(change: type) -> None:
    changed = 0
    for seed in range(10):
        text = make(Random(seed))
        other = change(text, Random(seed))
        assert ast.dump(_tree(other)) == ast.dump(_tree(text)), other
        changed += other != text
    assert changed >= 8


def test_mutations_do_something_and_repeat() -> None:
    text = part((FIXTURES / "HTD201.py").read_text(encoding="utf-8"), Random(0))
    for change in CHANGES:
        made = {_tried(change, text, seed) for seed in range(12)}
        assert len(made - {text, ""}) > 1, change
        assert made == {_tried(change, text, seed) for seed in range(12)}


def test_a_run_counts_what_it_did(tmp_path: Path) -> None:
    counts = Counts()
    assert run_one("program", 3, counts, tmp_path, tmp_path) is None
    other = Counts()
    other.merge(counts.plain())
    assert other == counts
    assert counts.findings and counts.checks["spans_are_expressions"] == 1
    assert "program" in shares(counts)[0]


def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _tried(change: object, text: str, seed: int) -> str:
    assert callable(change)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(change(text, Random(seed)))
    except ValueError:
        return ""
