"""Is it worth it: what negates the gain of a finding, what it is, and which findings belong together.

``docs/ranking.md`` says for users what is decided here.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from h2dlint.analysis.aftermath import Ends, Walk
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.spots import Spot, Spots
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence, Effect, Finding, Gain

# Host time on an idle stream, from the truth table of an H200 (torch 2.11), tiny uploads.
_BLOCKING_US = 14.0
"""``torch.tensor(list8, device)``, ``from_numpy(np8).to(dev)``"""
_PINNED_US = 24.0
"""``torch.tensor(list8, pin).to(dev, nb)``"""
_FACTORY_US = 9.0
"""``torch.full((), 3, device)``"""
_PINNED_COPY_US = 11.0
"""``gpu.copy_(pinned)``"""
_ASYNC_COPY_US = 7.0
"""``gpu.copy_(pinned, nb)``"""
_ELEMENT_US = 0.13
"""Each element of a list that a tensor is built from, whatever the copy does."""


@dataclass(slots=True)
class _Upload:
    """A finding, where it stands, and the first of its group."""

    finding: Finding
    spot: Spot
    leader: int


def annotate(module: ModuleAnalysis, findings: Sequence[Finding]) -> list[Finding]:
    """The findings of a module with their gain and group, in the same order."""
    uploads: dict[int, _Upload] = {}
    by_node: dict[int, int] = {}
    spots = Spots(module)
    for index, finding in enumerate(findings):
        spot = spots.at(finding.span) if finding.effect is not Effect.HAZARD else None
        if spot is not None:
            uploads[index] = _Upload(finding, spot, index)
            if finding.effect is Effect.BLOCKS:
                by_node.setdefault(id(spot.node), index)
    for index in by_node.values():
        _link(module, index, uploads, by_node)
    groups = _groups(uploads)
    return [
        replace(finding, gain=_gain(module, uploads[index], uploads, by_node), group=groups.get(index))
        if index in uploads
        else finding
        for index, finding in enumerate(findings)
    ]


def _link(module: ModuleAnalysis, index: int, uploads: dict[int, _Upload], by_node: dict[int, int]) -> None:
    """Put an upload into one group with the upload that the host meets next."""

    def meet(node: ast.expr) -> Ends:
        first, second = _leader(uploads, index), _leader(uploads, by_node[id(node)])
        uploads[max(first, second)].leader = min(first, second)
        return Ends.UPLOAD

    Walk(module, uploads[index].spot, meet, lambda node: id(node) in by_node, through_calls=True).run()


def _leader(uploads: dict[int, _Upload], index: int) -> int:
    while uploads[index].leader != index:
        index = uploads[index].leader
    return index


def _groups(uploads: dict[int, _Upload]) -> dict[int, str]:
    """Index of a finding to its group: ``G`` and the line of the first member, with a letter where that is taken."""
    members: dict[int, list[int]] = {}
    for index in uploads:
        members.setdefault(_leader(uploads, index), []).append(index)
    groups: dict[int, str] = {}
    taken: set[str] = set()
    for together in sorted(members.values(), key=lambda m: [uploads[i].finding.sort_key for i in m]):
        if len(together) == 1:
            continue
        stem = f"G{min(uploads[i].finding.span.line for i in together)}"
        suffixes = ("", *"bcdefghijklmnopqrstuvwxyz", *(f"-{i}" for i in together))
        name = next(stem + suffix for suffix in suffixes if stem + suffix not in taken)
        taken.add(name)
        groups.update(dict.fromkeys(together, name))
    return groups


def _gain(
    module: ModuleAnalysis, upload: _Upload, uploads: dict[int, _Upload], by_node: dict[int, int]
) -> Gain:
    def meet(node: ast.expr) -> Ends | None:
        """An upload that is certain and stays, because nothing mends it, is a wait; others are passed by."""
        other = uploads[by_node[id(node)]].finding
        mended = other.fix is not None and bool(other.fix.edits)
        return Ends.WAITS if other.confidence is Confidence.HIGH and not mended else None

    met = Walk(module, upload.spot, meet, lambda node: id(node) in by_node).run()
    negated = met.line if met.what is Ends.WAITS else None
    return Gain(negated, _idle(upload), _note(module, upload))


def _idle(upload: _Upload) -> float | None:
    """What the fix saves where nothing is queued, by the rung of the ladder that it takes.

    What was measured are constructors and moves; of subscripts nothing is said.
    """
    finding, fix = upload.finding, upload.finding.fix
    if fix is None or not fix.edits or not isinstance(upload.spot.node, ast.Call):
        return None
    text = " ".join(edit.content for edit in fix.edits)
    if "pin_memory" in text or "pinned" in fix.title:
        return _BLOCKING_US - _PINNED_US
    if "non_blocking" in text:
        return _PINNED_COPY_US - _ASYNC_COPY_US
    # Neither pins nor copies without blocking, and blocks no more: nothing is copied.
    return _BLOCKING_US - _FACTORY_US if finding.effect is Effect.BLOCKS else None


def _note(module: ModuleAnalysis, upload: _Upload) -> str | None:
    """What building the tensor costs, where it is more than the copy and the fix does not spare it."""
    gain = _idle(upload)
    if gain is not None and gain > 0:
        return None
    count = max((elements(module.value(data)) for data in _data_of(module, upload.spot.node)), default=0)
    cost = count * _ELEMENT_US
    if cost <= _BLOCKING_US:
        return None
    return (
        f"building a tensor from {count} elements costs the host about {cost:.0f} us, more than the copy does"
    )


def _data_of(module: ModuleAnalysis, node: ast.expr) -> list[ast.expr]:
    """The data of the constructors that may have made the tensor."""
    if not isinstance(node, ast.Call):
        return []
    calls = [node]
    if isinstance(node.func, ast.Attribute):
        receiver = node.func.value
        calls += [receiver] if isinstance(receiver, ast.Call) else []
        calls += module.value(receiver).origins
    return [call.args[0] for call in calls if call.args]


def elements(value: Value) -> int:
    """Python objects that a sequence is known to hold, those of nested sequences included; 0 where it is not known."""
    if not value.only(Kind.SEQ):
        return 0
    if value.items is not None:
        return sum(elements(item) if item.only(Kind.SEQ) else 1 for item in value.items)
    inner = elements(value.elem) if value.elem is not None and value.elem.only(Kind.SEQ) else 1
    return (value.size or 0) * inner
