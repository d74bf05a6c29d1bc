"""What makes one text another, as few changes of whole lines."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from h2dlint.engine.edits import Change

_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def line_changes(before: str, after: str) -> list[Change]:
    """Changes of whole lines, disjoint and in order.

    Args:
        before: the text that the offsets are of.
        after: what the changes make of it.
    """
    old, new = _LINES.findall(before), _LINES.findall(after)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [
        Change(starts[a], starts[b], "".join(new[c:d]))
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]
