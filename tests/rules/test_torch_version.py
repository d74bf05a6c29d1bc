"""Where PyTorch's behaviour depends on its version, ``torch-version`` selects it."""

from __future__ import annotations

import pytest

from h2dlint.model import Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText

MASKED = """\
import torch

def keep(flags: list[bool]) -> torch.Tensor:
    x = torch.zeros(4, device="cuda")
    mask = torch.tensor(flags, dtype=torch.bool)
    return x[mask]
"""


@pytest.mark.parametrize(
    ("version", "reported"), [((2, 4), True), ((2, 8), True), ((2, 9), False), ((2, 11), False)]
)
def test_reading_by_a_host_mask_waited_before_2_9(version: tuple[int, int], reported: bool) -> None:
    found = check_module(SourceText(MASKED), "module.py", all_rules(), Options(torch_version=version))
    assert [finding.code for finding in found] == ["HTD301"] * reported


def test_the_default_is_the_version_that_was_measured() -> None:
    assert not check_module(SourceText(MASKED), "module.py", all_rules(), Options())
