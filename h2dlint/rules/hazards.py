"""What the rules about races have in common."""

from __future__ import annotations

import ast

from h2dlint.analysis.waits import is_true
from h2dlint.model import Confidence
from h2dlint.rules.site import Case, Site


def copied_by(site: Site) -> ast.expr | None:
    """The source of ``x.copy_(source, non_blocking=True)``; ``None`` where it is hidden, or the copy waits."""
    if site.hidden_arguments:
        return None
    if not is_true(site.argument(1, "non_blocking")):
        return None
    return site.argument(0, "src")


def doubt(case: Case, doubts: frozenset[str]) -> None:
    """Say what ran in between and was not seen to the bottom."""
    if "yield" in doubts:
        case.say("the generator is left in between: whoever takes its values may wait", Confidence.LOW)
        doubts -= {"yield"}
    if doubts:
        names = ", ".join(sorted(doubts)[:3]) + (", .." if len(doubts) > 3 else "")
        case.say(f"runs in between, not known to wait: {names}", Confidence.MEDIUM)
