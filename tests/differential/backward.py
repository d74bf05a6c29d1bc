"""Statements whose gradients are looked at."""

from __future__ import annotations

from tests.differential.moves import move
from tests.differential.scope import Scope


def gradients(g: Scope) -> None:
    """A leaf on the host whose gradient is asked for after a trip to the device."""
    leaf = g.local(
        "w",
        g.one(
            "torch.ones(3, requires_grad=True)",
            "torch.tensor([1.0, 2.0, 3.0], requires_grad=True)",
            "torch.arange(3.0, requires_grad=True)",
            "torch.nn.Parameter(torch.ones(3))",
            "torch.ones(3, requires_grad=True, pin_memory=True)",
            "torch.ones(3).requires_grad_()",
        ),
    )
    there = g.one(
        f"{leaf}{move(g)}",
        f"({leaf} * 2){move(g)}",
        f"{leaf}[:2]{move(g)}",
        f"{leaf}.expand(2, 3){move(g)}",
        f"torch.as_tensor({leaf}, device='cuda')",
        f"torch.stack([{leaf}, {leaf}]){move(g)}",
        f"{leaf}.detach(){move(g)}.requires_grad_()",
        f"torch.zeros(3, device='cuda').copy_({leaf})",
        f"torch.where(torch.ones(3, device='cuda') > 0, {leaf}.cuda(), torch.tensor(0.0))",
    )
    name = g.local("r", there)
    if g.chance(0.4):
        b = g.local("b", "torch.zeros(4, 3, device='cuda')")
        g.line(
            g.one(f"{b}[0] = {leaf}", f"{b}[:2].copy_({leaf})", f"{b}.index_put_((torch.arange(2),), {leaf})")
        )
        g.give(b)
    if g.chance(0.3):
        g.line(f"with torch.no_grad():\n    {leaf}.zero_()")
    g.line(f"if {name}.requires_grad and {name}.is_floating_point():\n    ({name} * {name}).sum().backward()")
    g.give(name)
    g.give(leaf)
    g.give(f"{leaf}.grad")
