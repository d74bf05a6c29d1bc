"""From what a repository does to the configuration that makes fixes look like it."""

from __future__ import annotations

from dataclasses import dataclass, field

from h2dlint.engine.survey import Helper, Predicate, Survey
from h2dlint.model import Profile


@dataclass(slots=True)
class Proposal:
    """Keys of the configuration, and why.

    Args:
        values: by key, in the order in which they are written.
        reasons: one line for each choice.
    """

    values: dict[str, str | bool | list[str]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def propose(seen: Survey) -> Proposal:
    """What to configure: the helper and the predicate that are used most."""
    proposal = Proposal()
    helper = next((each for each in seen.helpers if not each.usable and each.calls), None)
    if helper is not None:
        _add_helper(proposal, helper)
    predicate = _chosen(seen.predicates)
    if predicate is not None:
        proposal.values["pin-memory"] = predicate.expression
        if predicate.statement:
            proposal.values["pin-memory-import"] = predicate.statement
        proposal.reasons.append(
            f"pin-memory: {predicate.expression} decides in {_times(len(predicate.places), 'place')}"
        )
    return proposal


def _chosen(predicates: list[Predicate]) -> Predicate | None:
    """The one that decides most often; an attribute only where nothing is to be had everywhere."""
    general = [each for each in predicates if each.kind != "attribute"]
    return next(iter(general or predicates), None)


def _add_helper(proposal: Proposal, helper: Helper) -> None:
    standard = Profile()
    name = helper.uploader.name
    proposal.values["helper"] = f"{helper.module}.{name}"
    if helper.template != standard.helper_call:
        proposal.values["helper-call"] = helper.template
    if helper.uploader.takes != standard.helper_takes:
        proposal.values["helper-takes"] = list(helper.uploader.takes)
    proposal.reasons.append(f"helper: {name} is called in {_times(helper.calls, 'place')}")


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
