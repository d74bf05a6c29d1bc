"""Do the fixes change anything but the waiting? Every fixture, before and after, on whatever machine this is."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
import torch

from tests.fixture_markers import fixture_paths
from tests.gpu.compare import differences, tensors
from tests.gpu.proof import STAGED_RULES, Function, functions
from tests.rules.running import FIXTURES, fixed, module, outcome
from tests.rules.simulated_cuda import Counts, simulated_cuda

PATHS = fixture_paths(FIXTURES, hazards=False)


@cache
def text(name: str) -> str:
    return (FIXTURES / f"{name}.py").read_text(encoding="utf-8")


@cache
def text_after(name: str, unsafe: bool) -> str:
    return fixed(text(name), unsafe)


def every(prefix: str) -> pytest.MarkDecorator:
    found = [
        (path.stem, f) for path in PATHS for f in functions(text(path.stem)) if f.name.startswith(prefix)
    ]
    return pytest.mark.parametrize(("code", "function"), found, ids=[f"{c}-{f.name}" for c, f in found])


def simulate(source: str, name: str) -> tuple[object, Counts]:
    """The result of a function on the simulated device, and its copies."""
    torch.manual_seed(0)
    with module(source) as loaded, simulated_cuda() as counts:
        ran = outcome(lambda: getattr(loaded, name)(torch.device("cuda", 0)))
        assert ran.error is None, ran.error
        return ran.value, counts


@every("case_")
@pytest.mark.parametrize("unsafe", [True, False], ids=["all", "safe"])
def test_case_gives_the_same(code: str, function: Function, unsafe: bool) -> None:
    before, _ = simulate(text(code), function.name)
    after, counts = simulate(text_after(code, unsafe), function.name)
    assert not counts.races, "a pinned source is written to while it is copied"
    assert tensors(before), "nothing to compare"
    assert not differences(before, after)


@every("case_")
def test_case_waits_less(code: str, function: Function) -> None:
    _, before = simulate(text(code), function.name)
    _, after = simulate(text_after(code, unsafe=True), function.name)
    assert before.waited or (before.staged and code in STAGED_RULES)
    if function.fixable and all(kind != "display-only" for _, kind in function.markers):
        assert after.waited == 0
        assert after.staged <= STAGED.get((code, function.name), 0)
    elif function.fixable:
        assert (after.waited, after.staged) < (before.waited, before.staged)
    else:
        assert (after.waited, after.staged) == (before.waited, before.staged)


STAGED = {
    ("HTD203", "case_strided_array"): 1,
}
"""Pinned copies whose source has gaps: staged, so that they may hold the host, but not waited for."""


@every("silent_")
def test_silent_function_does_not_wait(code: str, function: Function) -> None:
    _, counts = simulate(text(code), function.name)
    assert counts.waited == 0
    assert text_after(code, True).count(f"def {function.name}(") == 1


RUN_ANYWHERE = {"HTD101": 15, "HTD102": 3, "HTD103": 15, "HTD104": 3, "HTD201": 2, "HTD202": 2, "HTD203": 2}
"""Cases that need no accelerator: at least so many, or the test below has lost its subject."""


@pytest.mark.parametrize("code", RUN_ANYWHERE)
def test_safe_fixes_on_a_machine_without_an_accelerator(code: str) -> None:
    """Nothing simulated: where the original runs on a CPU, so does the safely fixed one, with the same result."""
    device = torch.device("cpu")
    ran = 0
    with module(text(code)) as before, module(text_after(code, unsafe=False)) as after:
        for function in functions(text(code)):
            first = outcome(partial(getattr(before, function.name), device))
            if first.error is not None:
                continue
            second = outcome(partial(getattr(after, function.name), device))
            assert second.error is None, f"{function.name}: {second.error}"
            assert not differences(first.value, second.value), function.name
            ran += function.is_case
    assert ran >= RUN_ANYWHERE[code]


def _put_in(tensor: torch.Tensor, index: object, value: object) -> torch.Tensor:
    tensor[index] = value
    return tensor


def test_the_simulation_counts_what_was_measured() -> None:
    """Against the truth table measured on an H200: the forms that the fixtures use."""
    table = {
        "torch.tensor([3, 1], device='cuda')": (1, 0),
        "torch.tensor([], device='cuda')": (0, 0),
        "torch.tensor([3, 1], device='cuda', pin_memory=True)": (1, 0),
        "torch.tensor([3, 1], pin_memory=True).to('cuda')": (1, 0),
        "torch.tensor([3, 1], pin_memory=True).to('cuda', non_blocking=True)": (0, 0),
        "torch.tensor([3, 1], pin_memory=True).to('cuda', torch.int32, True)": (0, 0),
        "torch.tensor([3, 1]).pin_memory().cuda(non_blocking=True)": (0, 0),
        "torch.tensor([3, 1]).to('cuda', non_blocking=True)": (0, 1),
        "torch.tensor([3, 1, 2], pin_memory=True)[::2].to('cuda', non_blocking=True)": (0, 1),
        "torch.tensor([[3, 1], [2, 4]], pin_memory=True).t().to('cuda', non_blocking=True)": (0, 0),
        "torch.full((2,), 3, device='cuda')": (0, 0),
        "torch.zeros(2, device='cuda').cuda()": (0, 0),
        "torch.zeros(2).cuda()": (1, 0),
        "torch.zeros(2, device='cuda').new_tensor([1, 2])": (1, 0),
        "torch.zeros(2, device='cuda').new_full((2,), 1)": (0, 0),
        "torch.cuda.LongTensor([1, 2])": (1, 0),
        "torch.cuda.LongTensor(2)": (0, 0),
        "torch.as_tensor([1, 2], device='cuda')": (1, 0),
        "torch.as_tensor(torch.zeros(2, device='cuda'), device='cuda')": (0, 0),
        "torch.zeros(4, device='cuda')[[1, 2]]": (1, 0),
        "torch.zeros(2, device='cuda').copy_(torch.ones(2))": (1, 0),
        "torch.zeros(2, device='cuda').copy_(torch.ones(2), True)": (0, 1),
        "torch.zeros(2, device='cuda').copy_(torch.ones(2, pin_memory=True))": (1, 0),
        "torch.zeros(2, device='cuda').copy_(torch.ones(2, pin_memory=True), non_blocking=True)": (0, 0),
        "torch.zeros(2, 4, device='cuda')[:, ::2].copy_(torch.ones(2, 2, pin_memory=True), True)": (0, 0),
        "torch.zeros(2, 4, device='cuda')[1:].copy_(torch.ones(4, pin_memory=True), True)": (0, 0),
        "torch.zeros(2, device='cuda').copy_(torch.ones(2, device='cuda'))": (0, 0),
        "torch.ones(3, pin_memory=True).expand(2, 3).to('cuda', non_blocking=True)": (0, 1),
        "torch.zeros(4, device='cuda')[np.array([1, 2])]": (1, 0),
        "torch.zeros(4, device='cuda')[range(2)]": (1, 0),
        "torch.zeros(4, device='cuda')[torch.tensor([1, 2])]": (1, 0),
        "torch.zeros(2, device='cuda')[torch.tensor([True, False])]": (0, 0),
        "torch.zeros(4, device='cuda')[torch.arange(2, device='cuda')]": (0, 0),
        "torch.zeros(4, 4, device='cuda')[(1, 2)]": (0, 0),
        "torch.zeros(4, device='cuda')[1:3]": (0, 0),
        "put_in(torch.zeros(4, device='cuda'), 1, 3.0)": (1, 0),
        "put_in(torch.zeros(4, 4, device='cuda'), 1, 3.0)": (0, 0),
        "put_in(torch.zeros(4, device='cuda'), [1, 2], 3.0)": (2, 0),
        "put_in(torch.zeros(4, device='cuda'), torch.arange(2, device='cuda'), 3.0)": (1, 0),
        "put_in(torch.ones(4, device='cuda'), torch.ones(4, device='cuda') > 0, 3.0)": (0, 0),
        "put_in(torch.zeros(4, device='cuda'), slice(2), torch.ones(2))": (1, 0),
        "torch.where(torch.ones(2, device='cuda') > 0, torch.ones(2, device='cuda'), torch.tensor(0.0))": (
            1,
            0,
        ),
        "torch.where(torch.ones(2, device='cuda') > 0, torch.ones(2, device='cuda'), 0.0)": (0, 0),
        "torch.tensor([1, 2]).type_as(torch.zeros(2, device='cuda'))": (1, 0),
    }
    for expression, expected in table.items():
        with simulated_cuda() as counts:
            result = eval(expression, {"torch": torch, "np": np, "put_in": _put_in})
        assert (counts.waited, counts.staged) == expected, expression
        assert result.device.type == "cuda", expression


@pytest.mark.parametrize(
    "expression",
    [
        "torch.tensor(np.arange(3), pin_memory=True)",
        "torch.tensor(torch.zeros(2), pin_memory=True)",
        "torch.as_tensor([1, 2], pin_memory=True)",
        "torch.zeros(2, device='cuda').pin_memory()",
    ],
)
def test_the_simulation_raises_where_torch_does(expression: str) -> None:
    with simulated_cuda(), pytest.raises((RuntimeError, TypeError)):
        eval(expression, {"torch": torch, "np": np})


@pytest.mark.parametrize(("wait", "races"), [("", 1), ("torch.cuda.synchronize()", 0)])
def test_the_simulation_sees_a_source_written_to_too_early(wait: str, races: int) -> None:
    lines = [
        "host = torch.ones(3, pin_memory=True)",
        "host.to('cuda', non_blocking=True)",
        wait,
        "host.zero_()",
    ]
    with simulated_cuda() as counts:
        exec("\n".join(lines), {"torch": torch})
    assert counts.races == races
