"""When may a pinned source be copied without waiting: only where nothing can write to it before the copy has run."""

from __future__ import annotations

import textwrap

import pytest

from h2dlint.model import Applicability, Effect, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText

HEAD = "import torch\nimport numpy as np\n\n\ndef work(xs: list, x: torch.Tensor, a: np.ndarray, d: torch.device):\n"
MAKE = "host = torch.tensor(xs, pin_memory=True)\n"
MOVE = 'y = host.to("cuda")\n'


def found(body: str, code: str, options: Options | None = None) -> list[Applicability]:
    text = HEAD + textwrap.indent(body, "    ")
    findings = check_module(SourceText(text), "module.py", all_rules(), options or Options())
    return [f.fix.applicability for f in findings if f.code == code and f.fix is not None]


@pytest.mark.parametrize(
    "body",
    [
        MAKE + MOVE,
        MAKE + "host[0] = 1\nhost[1:].copy_(x)\nhost.mul_(2)\n" + MOVE,
        MAKE + MOVE + "print(host.shape, host.sum(), len(host))\n",
        MAKE + MOVE + 'z = host[1:].to("cuda", non_blocking=True)\ndel host\n',
        MAKE + "x.copy_(host)\n" + MOVE,
        "for n in xs:\n    host = torch.tensor([n], pin_memory=True)\n    host.add_(1)\n    y = host.to('cuda')\n",
        "if xs:\n    host = torch.tensor(xs, pin_memory=True)\n    y = host.to('cuda')\n",
        MAKE + "if xs:\n    y = host.to('cuda')\n",
        "host = torch.zeros(9).pin_memory()[1:]\n" + MOVE,
        "y = torch.empty(9, pin_memory=True).fill_(1).to('cuda')\n",
    ],
)
def test_nothing_writes_to_it(body: str) -> None:
    assert found(body, "HTD205") and set(found(body, "HTD205")) <= {Applicability.SAFE, Applicability.UNSAFE}
    assert found(body, "HTD205")[-1] is Applicability.SAFE


@pytest.mark.parametrize(
    "body",
    [
        MAKE + MOVE + "host.zero_()\n",
        MAKE + MOVE + "host[0] = 1\n",
        MAKE + MOVE + "host += 1\n",
        MAKE + MOVE + "torch.add(host, 1, out=host)\n",
        MAKE + MOVE + "host[1:].t().copy_(x)\n",
        MAKE + "other = host\n" + MOVE + "other.zero_()\n",
        MAKE + "other = host.numpy()\n" + MOVE + "other[0] = 1\n",
        MAKE + "other = host[1:]\n" + MOVE + "other.zero_()\n",
        MAKE + "xs.append(host)\n" + MOVE,
        MAKE + MOVE + "return host\n",
        MAKE + MOVE + "unknown(host)\n",
        MAKE + "x.held = host\n" + MOVE,
        "host = other = torch.tensor(xs, pin_memory=True)\n" + MOVE,
        "host = x.pin_memory()\n" + MOVE,
        MAKE + "for n in xs:\n    host.fill_(n)\n    y = host.to('cuda')\n",
        MAKE + "for n in xs:\n    y = host.to('cuda')\n",
        MAKE + "def clear():\n    host.zero_()\n" + MOVE + "clear()\n",
        "for n in xs:\n    if n:\n        host = torch.tensor([n], pin_memory=True)\n    host.fill_(n)\n"
        "    y = host.to('cuda')\n",
        MAKE + "try:\n    y = host.to('cuda')\nfinally:\n    host.zero_()\n",
        MAKE + "y = [host.to('cuda') for _ in xs if host.zero_() is None]\n",
        "y = torch.empty_like(x, out=x, pin_memory=True).to('cuda')\n",
    ],
)
def test_something_may_write_to_it(body: str) -> None:
    assert Applicability.SAFE not in found(body, "HTD205")
    assert found(body, "HTD205")


def test_small_copies_are_reported_where_the_user_asks_for_them() -> None:
    body = "y = torch.tensor([1, 2]).to('cuda', non_blocking=True)\n"
    assert not found(body, "HTD206")
    assert found(body, "HTD206", Options(strict_pageable=True)) == [Applicability.SAFE]
    body = "y = torch.ones(4, 4, pin_memory=True)[:, ::2].to('cuda', non_blocking=True)\n"
    assert not found(body, "HTD207")
    assert found(body, "HTD207", Options(strict_pageable=True)) == [Applicability.SAFE]


def test_a_staged_copy_is_said_to_block_perhaps() -> None:
    text = HEAD + "    return torch.from_numpy(a).to(d, non_blocking=True)\n"
    (finding,) = check_module(SourceText(text), "module.py", all_rules(), Options())
    assert finding.effect is Effect.MAY_BLOCK
    assert "may hold" in finding.message
