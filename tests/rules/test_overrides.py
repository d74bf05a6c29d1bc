"""Subclasses that put something else in the place of what a fix rests on."""

from __future__ import annotations

import pytest

from h2dlint.model import Applicability, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText

MODULE = """\
import numpy as np
import torch


class Base:
    def __init__(self):
        self.rows = [1, 2]

    def chosen(self):
        return [1, 2]

    def step(self):
        for n in range(3):
            {step}


class Below(Base):
    def __init__(self):
        {init}

    def {method}


class Other:
    def chosen(self):
        return np.ones(2)
"""
ARRAY = "chosen(self):\n        return np.ones(2)"
LIST = "chosen(self):\n        return [n for n in range(7)]"
OF_METHOD = "a = torch.tensor(self.chosen(), device='cuda')"
OF_NAME = "xs = self.chosen(); a = torch.tensor(xs, device='cuda')"
OF_ATTRIBUTE = "a = torch.tensor(self.rows, device='cuda')"


def applicabilities(step: str, init: str, method: str) -> set[Applicability]:
    text = MODULE.format(step=step, init=init, method=method)
    findings = check_module(SourceText(text), "m.py", all_rules(), Options(assume_cuda=True))
    return {finding.fix.applicability for finding in findings if finding.fix is not None}


@pytest.mark.parametrize(
    ("step", "init", "method"),
    [
        (OF_METHOD, "pass", ARRAY),
        (OF_NAME, "pass", ARRAY),
        (OF_ATTRIBUTE, "self.rows = np.ones(2)", LIST),
        (OF_ATTRIBUTE, "self.rows = load()", LIST),
    ],
)
def test_what_a_subclass_gives_is_not_known(step: str, init: str, method: str) -> None:
    assert applicabilities(step, init, method) == {Applicability.UNSAFE}


@pytest.mark.parametrize(
    ("step", "init", "method"),
    [
        (OF_METHOD, "self.rows = np.ones(2)", LIST),
        (OF_NAME, "pass", LIST),
        (OF_ATTRIBUTE, "self.rows = [3, -4]", ARRAY),
        (OF_ATTRIBUTE, "other = np.ones(2)", ARRAY),
    ],
)
def test_numbers_and_lists_are(step: str, init: str, method: str) -> None:
    assert applicabilities(step, init, method) == {Applicability.SAFE}
