"""A short run of the drawn programs, and proof that the run would notice a wrong fix.

``make differential`` runs many more; on a GPU it is ``python -m tests.gpu.differential``.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import Any
from unittest import mock

import pytest

from h2dlint.rules import all_rules, constants, copies, htd303, ladder, pinned_moves, rewriter, trust
from tests.differential import campaign
from tests.differential.observe import run
from tests.differential.programs import HEAD, Program, draw
from tests.differential.stand_in import stand_in
from tests.differential.trial import Trial, examine, trial

PROGRAMS = 120
SEED = 20


def trials(seed: int, programs: int) -> list[Trial]:
    return [trial(seed, number, stand_in) for number in range(programs)]


def test_safe_fixes_change_nothing_that_a_program_can_observe() -> None:
    done = trials(SEED, PROGRAMS)
    failures = [failure for result in done for failure in result.failures]
    assert not failures, f"{failures[0].lines}\n{failures[0].program.text}\n{failures[0].fixed}"
    # It would show nothing if few programs ran, or few were changed.
    assert sum(result.ran for result in done) > 0.65 * PROGRAMS
    assert sum(bool(result.changed) for result in done) > 0.6 * PROGRAMS
    touched = Counter(code for result in done for rules in result.changed.values() for code in rules)
    safely_fixed = {rule.code for rule in all_rules() if not rule.code.startswith("HTD4")}
    assert not safely_fixed - set(touched)


REUSED = """\
def run(d: torch.device):
    buffer = torch.zeros(3, pin_memory=True)
    out = []
    for i in range(2):
        buffer.fill_(i)
        out.append(buffer.to("cuda"))
    return out
"""
SHARED = """\
def run(d: torch.device):
    p = torch.zeros(3, pin_memory=True)
    q = p if len(p) else torch.ones(3)
    moved = q.to("cuda")
    p.add_(1)
    return moved
"""
ON_THE_HOST = """\
def run(d: torch.device):
    return torch.tensor([1, 2], device=d)
"""
ORDER = """\
LOG = []

def note(value: int) -> int:
    LOG.append(value)
    return value

def run(d: torch.device):
    t = torch.zeros(4, 3, dtype=torch.float32, device="cuda")
    t[note(1), note(2)] = float(note(3))
    return t, LOG
"""
ROUNDED = """\
def run(d: torch.device, n: int = 2**40):
    return torch.tensor([n] * 0, device=d), torch.tensor(1e39, device=d)
"""

FAULTS: dict[str, tuple[str, list[Any]]] = {
    "a pinned source is never written again": (
        REUSED,
        [mock.patch.object(module, "written_later", lambda *given: "") for module in (pinned_moves, copies)],
    ),
    "every tensor can be pinned": (
        SHARED,
        [mock.patch.object(m, "can_pin", lambda *given: None) for m in (ladder, pinned_moves, rewriter)],
    ),
    "every device is CUDA": (ON_THE_HOST, [mock.patch.object(trust.Trust, "device", lambda *given: None)]),
    "every expression may be evaluated later": (
        ORDER,
        [mock.patch.object(htd303, "pure", lambda *given: True)],
    ),
    "every number fits": (ROUNDED, [mock.patch.object(constants, "_fill_reasons", lambda *a, **k: [])]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_fix_is_noticed(fault: str) -> None:
    text, patches = FAULTS[fault]
    on_host = text is ON_THE_HOST
    program = Program(
        0, 0, f"{HEAD}\n\n{text}", (), f"torch.device('{'cpu' if on_host else 'cuda'}')", on_host
    )
    assert not examine(program, stand_in).failures
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        assert examine(program, stand_in).failures


def test_a_program_is_drawn_from_its_seed_and_number_alone() -> None:
    assert draw(1, 2) == draw(1, 2)
    assert draw(1, 2) != draw(2, 2)
    program = draw(SEED, 0)
    assert run(program, program.text, stand_in).raised == run(program, program.text, stand_in).raised


def test_a_campaign_counts_every_program_once() -> None:
    tally = campaign.campaign(SEED, 100, 12, campaign.STAND_IN, jobs=1, budget=120.0)
    assert (tally.programs, tally.failures, tally.lost, tally.faults) == (12, [], [], [])
    assert tally.figures()["changed"] == sum(bool(trial(SEED, n, stand_in).changed) for n in range(100, 112))


def test_a_campaign_ends_with_its_budget() -> None:
    tally = campaign.campaign(SEED, 0, 10_000, campaign.STAND_IN, jobs=1, budget=0.0)
    assert tally.programs < 10_000
