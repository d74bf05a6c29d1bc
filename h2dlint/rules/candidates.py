"""Lines that hold something a rule wants to see, by the text alone: only the functions around them are interpreted."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from h2dlint.rules.base import Rule
from h2dlint.syntax.source import SourceText

_WRITTEN_OUT = re.compile(
    r"""[\w\])]\[[^\[\]\n]*?(?:\[|\b(?:range|list|tuple|sorted)\(|\b(?:np|numpy|torch)\.|\.(?:tolist|cpu|numpy)\()"""
)
"""A subscript whose index holds a list, a range, an array or a tensor made on the spot."""
_STORED = re.compile(r"[\w\])]\[[^\n=]*\]\s*=(?!=)")
"""An assignment to a subscript."""
_NAMED = re.compile(r"[\w\])]\[(?:[^\[\]\n]*,\s*)?~?(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)\s*[,\]]")
"""A subscript whose index is, or ends in, a name."""
_HOST_NAMES = re.compile(
    r"""\b([A-Za-z_]\w*)\s*(?::[^=\n]*)?=\s*(?:\[|\(\s*\d|(?:list|range|sorted|tuple)\(|(?:np|numpy|torch)\.
    |[\w.\[\]()]*\.(?:tolist|cpu|numpy)\()
    |\b([A-Za-z_]\w*)\s*:\s*(?:typing\.|t\.|Optional\[)?(?:List|list|Sequence|Tuple|tuple|range|np\.ndarray|ndarray)\b
    |\b([A-Za-z_]\w*)\.(?:append|extend)\(""",
    re.VERBOSE,
)
"""Names that somewhere in the module are bound to a list, a range, an array or a new tensor."""


def candidate_lines(source: SourceText, rules: Sequence[Rule]) -> list[int]:
    """Lines on which the text holds something that a rule wants to see, in order."""
    offsets: set[int] = set()
    names: set[str] = set()
    for rule in rules:
        names.update(name.rsplit(".", 1)[-1] for name in rule.functions)
        names.update(rule.methods)
    if names:
        pattern = re.compile(r"\b(?:" + "|".join(sorted(names)) + r")\b")
        offsets.update(match.start() for match in pattern.finditer(source.text))
    if any(rule.subscripts for rule in rules):
        offsets.update(_subscripts(source.text))
    starts = source.line_starts
    return sorted({bisect_right(starts, offset) for offset in offsets})


def _subscripts(text: str) -> Iterator[int]:
    for pattern in (_WRITTEN_OUT, _STORED):
        for match in pattern.finditer(text):
            yield match.start()
    host = {name for groups in _HOST_NAMES.findall(text) for name in groups if name}
    if host:
        for match in _NAMED.finditer(text):
            if match.group(1) in host:
                yield match.start()
