"""The fixtures of races on a device that does everything at once: whatever is reported or fixed, the results are right.

That they are wrong on a real one, where work is queued, is shown in ``tests/gpu/test_hazards.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest import mock

import pytest
import torch

from tests.fixture_markers import fixture_paths
from tests.gpu.proof import functions
from tests.rules.running import FIXTURES, fixed, module, outcome
from tests.rules.simulated_cuda import simulated_cuda

PATHS = fixture_paths(FIXTURES, hazards=True)


class Nothing:
    """A stream, or an event, on a device where nothing is ever queued."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


@contextmanager
def simulated_streams() -> Iterator[None]:
    replaced: dict[str, Any] = {
        "Stream": Nothing,
        "Event": Nothing,
        "current_stream": Nothing,
        "default_stream": Nothing,
        "stream": nullcontext,
        "synchronize": lambda *_: None,
        "_sleep": lambda _: None,
    }
    with ExitStack() as stack:
        for name, what in replaced.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, what))
        yield


@pytest.mark.parametrize("fixes", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("code", [path.stem for path in PATHS])
def test_results_are_right(code: str, fixes: bool) -> None:
    text = (FIXTURES / f"{code}.py").read_text(encoding="utf-8")
    listed = functions(text)
    if fixes:
        text = fixed(text, unsafe=True)
    with module(text) as loaded, simulated_cuda(), simulated_streams():
        for function in listed:
            ran = outcome(partial(getattr(loaded, function.name), torch.device("cuda", 0)))
            assert ran.error is None, f"{function.name}: {ran.error}"
            got, meant = ran.value
            assert torch.equal(got.as_subclass(torch.Tensor), meant.as_subclass(torch.Tensor)), function.name


def test_there_are_races_and_right_ways() -> None:
    for path in PATHS:
        listed = functions(path.read_text(encoding="utf-8"))
        assert any(function.is_case for function in listed)
        assert any(not function.is_case for function in listed)
