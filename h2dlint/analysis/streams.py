"""Under which stream a statement runs, as far as ``with`` statements say it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from h2dlint.analysis.inflight import Identity
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.outline import FunctionInfo, dotted
from h2dlint.analysis.waits import name_of
from h2dlint.syntax.trees import walk

CURRENT: Identity = ("current",)
"""The stream that the function was called under."""

_MAKERS = frozenset({"Stream", "ExternalStream"})
_CONTEXTS = frozenset({"stream", "StreamContext"})


class Streams:
    """The streams that are entered while the text of a function is walked.

    Args:
        module: the module.
        function: the function that is walked.
    """

    def __init__(self, module: ModuleAnalysis, function: FunctionInfo | None) -> None:
        self._module = module
        self._function = function
        self._stack: list[Identity | None] = [CURRENT]
        self._calls: dict[int, ast.Call] = {}

    @property
    def current(self) -> Identity | None:
        """The stream that is current; ``None`` where that is not known."""
        return self._stack[-1]

    def made(self, node: ast.Call) -> None:
        """A call was evaluated, which may have made a stream."""
        self._calls[id(node)] = node

    def enter(self, node: ast.expr, identify: Callable[[ast.expr], Identity]) -> None:
        """The body of ``with node:`` begins."""
        self._stack.append(self._entered(node, identify))

    def leave(self) -> None:
        """The body of the innermost ``with`` ends."""
        self._stack.pop()

    def proven(self, stream: Identity) -> bool:
        """The stream is the function's own current one, or seen to be made."""
        return stream == CURRENT or any(name_of(call.func) in _MAKERS for call in self._origins(stream))

    def told(self, stream: Identity) -> str:
        """The stream in words."""
        if stream == CURRENT:
            return "the current stream"
        call = next(iter(self._origins(stream)), None)
        return f"the stream of line {call.lineno}" if call is not None else f"the stream {_spelled(stream)}"

    def _entered(self, node: ast.expr, identify: Callable[[ast.expr], Identity]) -> Identity | None:
        text = ast.unparse(node).lower()
        if not isinstance(node, ast.Call) or name_of(node.func) not in _CONTEXTS:
            # A stream that is entered by itself, a function that returns such a context, a capture.
            return None if "stream" in text or "graph" in text else self.current
        if len(node.args) != 1 or node.keywords:
            return None
        given = node.args[0]
        if isinstance(given, ast.Constant) and given.value is None:
            return self.current
        stream = identify(given)
        if any(name_of(call.func) not in _MAKERS for call in self._origins(stream)):
            # ``torch.cuda.current_stream()`` may be this one or that.
            return None
        return stream

    def _origins(self, stream: Identity) -> list[ast.Call]:
        """The calls that a stream comes from, so far as they are seen."""
        if stream[0] == "made":
            call = self._calls.get(stream[1]) if isinstance(stream[1], int) else None
            return [call] if call is not None else []
        path = _spelled(stream)
        return [value for target, value in self._assignments() if target == path]

    def _assignments(self) -> Iterator[tuple[str, ast.Call]]:
        """What the module, and the class of the function, assign to names and attributes."""
        owner = self._function.owner if self._function is not None else None
        inner = walk(owner.node) if owner is not None else ()
        for statement in [*self._module.tree.body, *inner]:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
                for target in statement.targets:
                    path = dotted(target)
                    if path is not None:
                        yield path, statement.value


def _spelled(stream: Identity) -> str:
    """The path of a name or an attribute; empty for anything else."""
    if stream[0] == "name":
        return str(stream[1])
    if stream[0] == "attribute" and isinstance(stream[1], tuple):
        return f"{_spelled(stream[1])}.{stream[2]}"
    return ""
