"""The analysis of one module, as rules ask it."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable

from h2dlint.analysis import values as V
from h2dlint.analysis.context import Contexts
from h2dlint.analysis.interpreter import Interpreter
from h2dlint.analysis.outline import FunctionInfo, outline
from h2dlint.analysis.project import Surroundings
from h2dlint.analysis.records import CallRecord, Record, SubscriptRecord
from h2dlint.analysis.values import Value
from h2dlint.model import Context, Options
from h2dlint.syntax.bound import bound_in
from h2dlint.syntax.source import SourceText
from h2dlint.syntax.trees import walk

_STREAMS = re.compile(
    r"""\b(?:Stream|StreamContext|ExternalStream|wait_stream|record_stream|current_stream|default_stream|set_stream
    |wait_event|record_event|\w+_stream|Event|Thread|ThreadPoolExecutor|to_thread|run_in_executor)\b
    |Timer|ThreadPool|\bcuda\.stream\b|\bstream\s*\(""",
    re.VERBOSE,
)
_OF_STREAMS = ("tream", "Event", "_event", "hread", "run_in_executor", "Timer")
"""A text in which ``_STREAMS`` finds something holds one of these, which are found much faster."""
_COMPILED_DECORATOR = re.compile(
    r"(?:^|\.)(?:compile|script|script_if_tracing|jit|torch_compile|support_torch_compile)$"
)

_SCRIPT_DECORATOR = re.compile(r"(?:^|\.)(?:script|script_if_tracing|script_method)$")
_SCRIPTING = re.compile(
    r"\bjit\.(?:script|trace|ignore|unused|export|is_scripting|is_tracing)\w*|\bfx\.(?:wrap|symbolic_trace|Tracer)\b"
)
"""A module that speaks of TorchScript or symbolic tracing is meant to go through it, decorated or not."""

_OTHER_HARDWARE = frozenset(
    "npu xpu hpu mps mlx musa tpu xla ascend habana gaudi neuron mlu camb cambricon hccl".split()
)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


class ModuleAnalysis:
    """Everything that is known of one module.

    Args:
        source: its text.
        path: for the verdict on tests and examples; relative, with forward slashes.
        options: what the user says of the project.
        within: the project's other modules; without them imported names are unknown.
        tree: its syntax tree, where it was parsed before.

    Raises:
        SyntaxError: the text is not Python.
    """

    def __init__(
        self,
        source: SourceText,
        path: str,
        options: Options,
        within: Surroundings | None = None,
        tree: ast.Module | None = None,
    ) -> None:
        self.source = source
        self.options = options
        self.within = within
        self.tree = ast.parse(source.text) if tree is None else tree
        self.outline = outline(self.tree)
        if within is None:
            self.interpreter = Interpreter(self.outline, source.code)
        else:
            self.interpreter = Interpreter(self.outline, source.code, within.project, within.location)
        hidden = None if within is None else within.hidden(options.entry_points)
        self._callers = self.interpreter.watch_callers(source.line_starts, hidden)
        elsewhere = None if within is None else within.calls(options.entry_points)
        self._contexts = Contexts(self.outline, path, options, elsewhere)
        self._uses_streams: str | None = None
        self._scripting: str | None = None
        self._ran: set[FunctionInfo] = set()
        self._outermost: list[FunctionInfo] = []
        self._firsts: list[int] | None = None
        self._hardware = _named_hardware(path) or _imported_hardware(self.tree)

    def run(self, lines: Iterable[int]) -> list[CallRecord]:
        """Interpret the module, each outermost function that holds one of ``lines``, and first what calls those.

        Returns:
            Every call that was seen, in order of position.
        """
        wanted = sorted(lines)
        self.interpreter.run_module()
        asked: list[FunctionInfo] = []
        for function in self.outline.outermost():
            first, last = function.lines
            if bisect_right(wanted, last) > bisect_right(wanted, first - 1):
                asked.append(function)
        for function in self._callers.order(asked):
            self._run(function)
        return sorted(self.interpreter.records.calls.values(), key=lambda record: record.position)

    def _run(self, function: FunctionInfo) -> None:
        self._ran.add(function)
        self.interpreter.run_function(function)

    def subscripts(self) -> list[SubscriptRecord]:
        """Every subscript of a tensor that ``run`` saw, in order of position."""
        return sorted(self.interpreter.records.subscripts.values(), key=lambda record: record.position)

    def release(self) -> None:
        """Let go of everything at once: what is left in circles waits for the garbage collector, with its tree."""
        self.interpreter.release()
        self.outline.release()
        self.__dict__.clear()

    def value(self, node: ast.expr | None) -> Value:
        """What is known of an expression at the place where it stands."""
        if node is None:
            return V.UNKNOWN
        values = self.interpreter.records.values
        if id(node) not in values:
            self._see(node)
        return values.get(id(node), V.UNKNOWN)

    def call_of(self, node: ast.Call) -> CallRecord | None:
        """The record of a call, if it was seen."""
        calls = self.interpreter.records.calls
        if id(node) not in calls:
            self._see(node)
        return calls.get(id(node))

    def _see(self, node: ast.expr) -> None:
        """Run the function that an expression stands in, if it was not: one that made what another one is given."""
        if self._firsts is None:
            self._outermost = sorted(self.outline.outermost(), key=lambda function: function.lines)
            self._firsts = [function.lines[0] for function in self._outermost]
        position = bisect_right(self._firsts, node.lineno) - 1
        if position >= 0:
            function = self._outermost[position]
            if function not in self._ran and node.lineno <= function.lines[1]:
                self._run(function)

    def context(self, record: Record) -> tuple[Context, str]:
        """How often an expression runs, and one line that says why."""
        return self._contexts.of(record)

    def name_of_torch(self, function: FunctionInfo | None) -> str | None:
        """The name that a function has for ``torch``: imported for run time, and not used for something else."""
        for statement in self.tree.body:
            for name in _torch_names(statement):
                value = self.interpreter.globals.names.get(name)
                if value is not None and value.qual == "torch" and not _binds(function, name):
                    return name
        return None

    def streams(self) -> str:
        """What in the module speaks of streams, events or threads; empty if nothing does."""
        if self._uses_streams is None:
            text = self.source.code
            match = _STREAMS.search(text) if any(part in text for part in _OF_STREAMS) else None
            self._uses_streams = match.group(0).strip(".(") if match else ""
        return self._uses_streams

    def other_hardware(self, function: FunctionInfo | None) -> str:
        """The hardware other than CUDA that a function is for, by its name, its file's or what that imports."""
        while function is not None and not self._hardware:
            named = _named_hardware(function.name)
            if named:
                return named
            function = function.parent
        return self._hardware

    def compiled(self, function: FunctionInfo | None) -> str:
        """What compiles, scripts or traces the function, by its decorators or by what the module mentions."""
        while function is not None:
            for name in function.decorators:
                if _COMPILED_DECORATOR.search(name):
                    return name
            function = function.parent
        if self._scripting is None:
            text = self.source.code
            match = _SCRIPTING.search(text) if "jit." in text or "fx." in text else None
            self._scripting = match.group(0) if match else ""
        return self._scripting

    def scripted(self, function: FunctionInfo | None) -> bool:
        """The function is TorchScript, which has no ``pin_memory`` in a tensor constructor."""
        while function is not None:
            if any(_SCRIPT_DECORATOR.search(name) for name in function.decorators):
                return True
            function = function.parent
        return False


def _torch_names(statement: ast.stmt) -> list[str]:
    """Names that a statement of the module binds to torch when it runs; ``if TYPE_CHECKING`` does not run."""
    if isinstance(statement, ast.Import):
        return [a.asname or a.name.split(".")[0] for a in statement.names if a.name == "torch" or (
            a.name.startswith("torch.") and a.asname is None)]  # fmt: skip
    if isinstance(statement, ast.Try):
        return [name for inner in statement.body for name in _torch_names(inner)]
    return []


def _binds(function: FunctionInfo | None, name: str) -> bool:
    """The function, or one around it, has a name of its own for something else than torch."""
    while function is not None:
        for bound, at in bound_in(function.node):
            same = isinstance(at, ast.Global) or (isinstance(at, ast.Import) and name in _torch_names(at))
            if bound == name and not same:
                return True
        for node in walk(function.node):
            if (isinstance(node, ast.arg) and node.arg == name) or (
                isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)
            ):
                return True
        function = function.parent
    return False


def _named_hardware(text: str) -> str:
    words = (word.lower() for word in _WORD.findall(text))
    return next((word for word in words if word in _OTHER_HARDWARE), "")


def _imported_hardware(tree: ast.Module) -> str:
    """What the module cannot do without: ``import torch_npu`` at its top, under no condition."""
    for statement in tree.body:
        names: list[str] = []
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            names = [statement.module]
        for name in names:
            found = _named_hardware(name.split(".", 1)[0])
            if found:
                return found
    return ""
