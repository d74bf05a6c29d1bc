"""Several LibCST nodes replaced in one pass."""

from __future__ import annotations

import libcst as cst


class Replacing(cst.CSTTransformer):
    """Puts several nodes in the place of others in one pass: a pass makes every node anew."""

    def __init__(self, made: dict[int, cst.CSTNode]) -> None:
        super().__init__()
        self._made = made

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> cst.CSTNode:  # type: ignore[override]
        return self._made.get(id(original_node), updated_node)
