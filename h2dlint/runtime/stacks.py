"""Which line asked for a copy: chains of Python frames, taken quickly and spelt out later.

Taking a chain happens inside a CUDA call of the program that is watched, so it only notes code objects and
instructions. Files are read and expressions parsed when the trace is written.
"""

from __future__ import annotations

import ast
import dis
import linecache
import os
import sys
import sysconfig
from dataclasses import dataclass, field
from itertools import islice
from types import CodeType, FrameType, ModuleType

from h2dlint.runtime.traces import Frame

MAX_FRAMES = 100
"""Frames further out than this are left off; a chain of pytest has about fifty."""

Step = tuple[int, int]
"""Id of a code object and offset of an instruction in it."""

Key = tuple[Step, ...]

_COMPILERS = (
    "/torch/_dynamo/convert_frame.py",
    "/torch/_inductor/compile_fx.py",
    "/torch/_dynamo/output_graph.py",
)


# Reading and storing have the same span in the source; the instruction tells them apart.
_SUBSCRIPTS = {
    "BINARY_SUBSCR": "__getitem__",
    "BINARY_SLICE": "__getitem__",
    "STORE_SUBSCR": "__setitem__",
    "STORE_SLICE": "__setitem__",
}


@dataclass(slots=True)
class Chain:
    """One chain of frames, innermost first.

    Args:
        steps: code object and instruction of each frame.
        modules: names in the scope of the user's frame that are modules, with the modules' own names; tells that
        ``th`` in
            ``th.tensor`` is ``torch``.
        user: index of the innermost frame of the user's code; 0 if there is none.
        compiling: torch.compile is among the frames.
    """

    steps: list[tuple[CodeType, int]]
    modules: dict[str, str] = field(default_factory=dict)
    user: int = 0
    compiling: bool = False
    _frames: tuple[Frame, ...] | None = None
    _operator: str | None = None

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames with their places in the source."""
        if self._frames is None:
            self._frames = tuple(_frame(code, offset) for code, offset in self.steps)
        return self._frames

    @property
    def operator(self) -> str:
        """What copied, as a reader of the user's line knows it."""
        if self._operator is None:
            self._operator = self._named()
        return self._operator

    def _named(self) -> str:
        if not self.steps:
            return ""
        if self.compiling:
            return "torch.compile"
        if self.user > 0:
            # Python code of torch did it, on behalf of what the user called: ``Module.to``.
            return self.frames[self.user - 1].function.replace("<locals>.", "")
        code, offset = self.steps[self.user]
        instruction = dis.opname[code.co_code[offset]] if 0 <= offset < len(code.co_code) else ""
        if instruction in _SUBSCRIPTS:
            return _SUBSCRIPTS[instruction]
        text = _segment(self.frames[self.user])
        return _operator(text, self.modules) if text else ""


class Chains:
    """The chains seen so far. Code objects are kept, so that their ids stay theirs."""

    def __init__(self) -> None:
        self._known: dict[Key, Chain] = {(): Chain([])}

    def take(self, frame: FrameType | None) -> Key:
        """The chain that ends in a frame; equal chains have equal keys."""
        steps: list[Step] = []
        current = frame
        while current is not None and len(steps) < MAX_FRAMES:
            steps.append((id(current.f_code), current.f_lasti))
            current = current.f_back
        key = tuple(steps)
        if key not in self._known:
            self._known[key] = _chain(frame)
        return key

    def __getitem__(self, key: Key) -> Chain:
        """The chain of a key."""
        return self._known[key]


def _chain(frame: FrameType | None) -> Chain:
    chain = Chain([])
    user = None
    current = frame
    while current is not None and len(chain.steps) < MAX_FRAMES:
        code = current.f_code
        if user is None and is_user(code.co_filename):
            user = len(chain.steps)
            scope = current.f_globals
            chain.modules = {
                name: scope[name].__name__
                for name in code.co_names
                if isinstance(scope.get(name), ModuleType)
            }
        if code.co_filename.replace(os.sep, "/").endswith(_COMPILERS):
            chain.compiling = True
        chain.steps.append((code, current.f_lasti))
        current = current.f_back
    chain.user = user or 0
    return chain


def is_user(filename: str) -> bool:
    """Whether a file is code that somebody may want to change: not torch's, not the standard library's, not ours.

    Args:
        filename: of a code object. What was typed in has a name such as ``<stdin>``, and counts; other code without
            a file is generated.
    """
    if filename.startswith("<"):
        return filename.startswith(("<stdin>", "<ipython-input", "<string>"))
    if filename.startswith((_OWN, _torch())) or filename.startswith(_generated()):
        return False
    # Installed packages lie within the folder of the standard library, and are somebody's code.
    installed = f"{os.sep}site-packages{os.sep}" in filename or f"{os.sep}dist-packages{os.sep}" in filename
    return installed or not filename.startswith(_STANDARD)


_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STANDARD = tuple({sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "platstdlib")})


def _torch() -> str:
    """The folder of torch; a name that no file has while torch is not there."""
    file = getattr(sys.modules.get("torch"), "__file__", None)
    return os.path.dirname(file) + os.sep if file else "\0"


def _generated() -> tuple[str, ...]:
    """Folders that compilers of torch write Python code to.

    The program may still choose them, so they are asked for each time; ``tempfile`` would settle on one for good.
    """
    named = (os.environ.get(name) for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"))
    temporary = (
        *(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")),
        "/tmp",
        "/var/tmp",
        "/usr/tmp",
    )
    inductor = (os.path.join(folder, "torchinductor_") for folder in temporary if folder)
    return (*(folder for folder in named if folder), *inductor)


def _frame(code: CodeType, offset: int) -> Frame:
    name = getattr(code, "co_qualname", code.co_name)
    positions = getattr(code, "co_positions", None)
    if positions is None or offset < 0:
        return Frame(code.co_filename, _line(code, offset), name)
    line, end_line, column, end_column = next(islice(positions(), offset // 2, None), (None,) * 4)
    if line is None:
        return Frame(code.co_filename, code.co_firstlineno, name)
    if end_line is None or column is None or end_column is None:
        return Frame(code.co_filename, line, name)
    return Frame(
        code.co_filename,
        line,
        name,
        _column(code.co_filename, line, column),
        end_line,
        _column(code.co_filename, end_line, end_column),
    )


def _line(code: CodeType, offset: int) -> int:
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno


def _column(filename: str, line: int, offset: int) -> int:
    """Column from 1 in code points, of an offset in bytes of UTF-8."""
    text = linecache.getline(filename, line)
    if text.isascii():
        return offset + 1
    return len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace")) + 1


def _segment(frame: Frame) -> str:
    """The source of the expression that a frame was at; its line where the columns are not known."""
    lines = [
        linecache.getline(frame.file, line) for line in range(frame.line, max(frame.line, frame.end_line) + 1)
    ]
    if not frame.column or not all(lines):
        return lines[0].strip()
    # The end first, because both may be on one line.
    lines[-1] = lines[-1][: frame.end_column - 1]
    lines[0] = lines[0][frame.column - 1 :]
    return "".join(lines)


def _operator(text: str, modules: dict[str, str]) -> str:
    try:
        # In brackets, because an expression over several lines is no statement of its own.
        node: ast.AST = ast.parse(f"({text}\n)", mode="eval").body
    except SyntaxError:
        return _operator_of_statement(text, modules)
    return _spell(node, modules)


def _operator_of_statement(text: str, modules: dict[str, str]) -> str:
    """The one call in a line of which the columns are not known; empty if there are several."""
    try:
        tree = ast.parse(text.strip())
    except SyntaxError:
        return ""
    statement = tree.body[0] if len(tree.body) == 1 else None
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        return "__setitem__"
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return _spell(calls[0], modules) if len(calls) == 1 else ""


def _spell(node: ast.AST, modules: dict[str, str]) -> str:
    if isinstance(node, ast.Subscript):
        return "__getitem__"
    if not isinstance(node, ast.Call):
        return type(node).__name__.lower()
    parts = []
    function: ast.AST = node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        if not parts:
            return function.id
        if function.id in modules:
            return ".".join([modules[function.id], *reversed(parts)])
    return f"Tensor.{parts[0]}" if parts else ""
