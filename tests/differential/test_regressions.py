"""Programs that the campaigns found a wrong fix in, cut down to what mattered."""

from __future__ import annotations

import pytest

from tests.differential.observe import disagreements, run
from tests.differential.programs import HEAD, Program
from tests.differential.stand_in import stand_in
from tests.differential.trial import ASSUME_CUDA, fix

FOUND = {
    # The index was made on the default device, where it cannot be pinned.
    "an array as an index under a default device": """\
def run(d: torch.device):
    with torch.device("cuda"):
        t = torch.zeros(4, 3, device=d)
        t[np.array([0, 1])] = 7.0
        return t, t[np.array([2, 0])]
""",
}


@pytest.mark.parametrize("name", FOUND)
def test_the_fixed_program_does_the_same(name: str) -> None:
    text = f"{HEAD}\n\n{FOUND[name]}"
    program = Program(0, 0, text, (), "torch.device('cuda')")
    fixed = fix(text, ASSUME_CUDA)
    assert fixed.applied
    before = run(program, text, stand_in)
    assert before.error is None
    assert not disagreements(before, run(program, fixed.text, stand_in))
