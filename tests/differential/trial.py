"""One program: fixed in each way, run before and after, compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from h2dlint.engine.fixing import fix_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence, Options
from tests.differential.observe import RAISED, Device, Run, disagreements, no_device, run
from tests.differential.programs import Program, draw

DEFAULT, ASSUME_CUDA, UNSAFE = "default", "assume-cuda", "unsafe"

_SETTINGS = {
    # Everything is reported and so fixed, also what is cold, doubtful or small.
    DEFAULT: Settings(cold=True, min_confidence=Confidence.LOW, options=Options(strict_pageable=True)),
    ASSUME_CUDA: Settings(
        cold=True, min_confidence=Confidence.LOW, options=Options(strict_pageable=True, assume_cuda=True)
    ),
    UNSAFE: Settings(
        cold=True,
        min_confidence=Confidence.LOW,
        unsafe_fixes=True,
        options=Options(strict_pageable=True, assume_cuda=True),
    ),
}

_VALUE = re.compile(r"the values differ$|: -?[\d.]+ became -?[\d.]+$")

AGAIN = 2
"""How often both forms run again where they differ, so that what is never twice the same is no failure."""


class FixFault(Exception):
    """h2dlint reported an internal fault."""


@dataclass(frozen=True)
class Fixed:
    """A program after ``h2dlint fix``.

    Args:
        applied: rule to number of fixes.
    """

    text: str
    applied: Mapping[str, int]


@dataclass(frozen=True)
class Failure:
    """A program that a fix changed the meaning of.

    Args:
        settings: under which it was fixed.
    """

    program: Program
    settings: str
    fixed: str
    lines: tuple[str, ...]


@dataclass
class Trial:
    """What came of one program.

    Args:
        changed: by settings, the fixes per rule; settings under which nothing changed are left out.
        ran: the original came to its end.
        skipped: it was not run on the device, because an index out of range would end the process.
        unstable: it differs from itself.
        races: it differs from itself where every copy is waited for, or where none is: it writes
            to what it still copies itself.
        raised: the original raised something somewhere, and the fixed program did not, or something else.
        unsafe_differs: the unsafe fixes changed its meaning.
    """

    number: int
    changed: dict[str, dict[str, int]] = field(default_factory=dict)
    ran: bool = False
    skipped: bool = False
    unstable: bool = False
    races: bool = False
    raised: bool = False
    unsafe_differs: bool = False
    failures: list[Failure] = field(default_factory=list)


def fix(text: str, settings: str) -> Fixed:
    """A program's text after ``h2dlint fix``.

    Raises:
        FixFault: the fixes or the rules failed.
    """
    outcome = fix_source("program.py", text.encode(), _SETTINGS[settings])
    if outcome.result.errors:
        raise FixFault(f"{outcome.result.errors}\n{text}")
    return Fixed(outcome.after.decode(), dict(outcome.applied))


def trial(
    seed: int,
    number: int,
    device: Device,
    rehearse: Device | None = None,
    unsafe: bool = False,
    others: Sequence[Device] = (),
) -> Trial:
    """Draw a program, fix it, run it before and after; arguments as of ``examine``."""
    return examine(draw(seed, number), device, rehearse, unsafe, others)


def examine(
    program: Program,
    device: Device,
    rehearse: Device | None = None,
    unsafe: bool = False,
    others: Sequence[Device] = (),
) -> Trial:
    """Fix a program in each way, run it before and after.

    Args:
        device: where it runs.
        rehearse: where it runs first, to see whether an index is out of range; ``None`` where that is no harm.
        unsafe: run it with the unsafe fixes too, to count how many differ.
        others: the same device, where every copy is waited for, and where none is; empty where
            no copy runs late.
    """
    result = Trial(program.number)
    forms: dict[str, Fixed] = {}
    for settings in (DEFAULT, ASSUME_CUDA, *((UNSAFE,) if unsafe else ())):
        if program.on_host and settings != DEFAULT:
            # What assume-cuda says does not hold there.
            continue
        fixed = fix(program.text, settings)
        if fixed.text != program.text:
            result.changed[settings] = dict(fixed.applied)
            forms[settings] = fixed
    if program.bare and rehearse is None:
        device = no_device
    elif rehearse is not None and run(program, program.text, rehearse).watch.out_of_range:
        result.skipped = True
        return result
    before = run(program, program.text, device)
    result.ran = before.error is None
    seen: dict[str, list[str]] = {}
    for settings, fixed in forms.items():
        if fixed.text not in seen:
            seen[fixed.text] = _differ(program, fixed.text, before, device, result, others)
        lines = seen[fixed.text]
        if lines and settings == UNSAFE:
            result.unsafe_differs = True
        elif lines and lines[0].startswith(RAISED):
            result.raised = True
        elif lines:
            result.failures.append(Failure(program, settings, fixed.text, tuple(lines)))
    return result


def _differ(
    program: Program, text: str, before: Run, device: Device, result: Trial, others: Sequence[Device]
) -> list[str]:
    """How the fixed program differs, unless the original differs from itself as well."""
    lines = disagreements(before, run(program, text, device))
    if lines and any(disagreements(before, run(program, program.text, device)) for _ in range(AGAIN)):
        result.unstable = True
        return []
    if _values_only(lines) and any(
        _values_only(disagreements(before, run(program, program.text, other))) for other in others
    ):
        # Its own copies without blocking race with what it writes, or would without a wait that has another purpose.
        result.races = True
        return []
    return lines


def _values_only(lines: Sequence[str]) -> bool:
    """There are differences, and all are of values: a race changes nothing else."""
    return bool(lines) and all(map(_VALUE.search, lines))
