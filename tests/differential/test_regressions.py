"""Programs that the campaigns found a wrong fix in, cut down to what mattered."""

from __future__ import annotations

import pytest

from tests.differential.observe import disagreements, run
from tests.differential.programs import HEAD, Program
from tests.differential.stand_in import stand_in
from tests.differential.trial import ASSUME_CUDA, fix

NOTE = """\
LOG = []

def note(value: int) -> int:
    LOG.append(value)
    return value
"""

FOUND = {
    # The index was made on the default device, where it cannot be pinned.
    "an array as an index under a default device": """\
def run(d: torch.device):
    with torch.device("cuda"):
        t = torch.zeros(4, 3, device=d)
        t[np.array([0, 1])] = 7.0
        return t, t[np.array([2, 0])]
""",
    # The dtype was taken into the factory, before what a view is given is evaluated.
    "what a view and a move are given has an order": f"""\
{NOTE}
def run(d: torch.device):
    return torch.zeros(3).view(note(3)).to("cuda", [torch.float64][note(0)]), LOG
""",
    # The device of the move took the place of the factory's, before the dtype.
    "a device that is given twice": f"""\
{NOTE}
def place() -> torch.device:
    note(5)
    return torch.device("cuda")

def run(d: torch.device):
    return torch.ones(3, device="cpu", dtype=[torch.float64][note(0)]).to(place()), LOG
""",
    "an argument that is left out": f"""\
{NOTE}
def run(d: torch.device):
    made = torch.zeros(3, pin_memory=note(0) > 1).to("cuda")
    return made, torch.tensor([1, 2], device="cuda", pin_memory=note(0) > 1), LOG
""",
    "the order of a device and a dtype of new_tensor": f"""\
{NOTE}
def run(d: torch.device):
    t = torch.zeros(3, device="cuda")
    return t.new_tensor([1, 2], device=[d][note(0)], dtype=[torch.float64][note(-1)]), LOG
""",
    "a local name that is reached without being mentioned": """\
def run(d: torch.device):
    buffer = torch.zeros(3, pin_memory=True)
    moved = buffer.to("cuda")
    locals()["buffer"].fill_(1)
    return moved
""",
}


@pytest.mark.parametrize("name", FOUND)
def test_the_fixed_program_does_the_same(name: str) -> None:
    text = f"{HEAD}\n\n{FOUND[name]}"
    program = Program(0, 0, text, (), "torch.device('cuda')")
    fixed = fix(text, ASSUME_CUDA)
    before = run(program, text, stand_in)
    assert before.error is None
    assert not disagreements(before, run(program, fixed.text, stand_in))
