"""Asks the analysis what an expression is: source with one call of ``look(..)``, and facts to expect."""

from __future__ import annotations

import ast
import textwrap

from h2dlint.analysis import values as V
from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.records import CallRecord
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Options
from h2dlint.syntax.source import SourceText

_KINDS = "NONE BOOL INT FLOAT COMPLEX STR SEQ DICT NPSCALAR NDARRAY TENSOR DEVICE DTYPE OBJ".split()
_DEVICES = {V.CUDA: "cuda", V.CPU: "cpu", V.OTHER: "other", V.UNSET: "none"}
_MEMORY = {V.PAGEABLE: "pageable", V.PINNED: "pinned", V.GAPPED: "gapped", V.EXPANDED: "expanded"}


def analyse(
    text: str, path: str = "module.py", options: Options | None = None
) -> tuple[ModuleAnalysis, list[CallRecord]]:
    """The analysis of a module, all of whose lines are of interest, and its calls."""
    source = SourceText(textwrap.dedent(text))
    module = ModuleAnalysis(source, path, options or Options())
    return module, module.run(range(1, len(source.line_starts) + 1))


def calls_of(records: list[CallRecord], name: str) -> list[CallRecord]:
    return [r for r in records if isinstance(r.node.func, ast.Name) and r.node.func.id == name]


def look(text: str) -> Value:
    """The value of the argument of the only ``look(..)`` in a module that imports torch, numpy and typing."""
    head = (
        "import torch\nimport numpy as np\nfrom typing import *\nfrom dataclasses import dataclass, field\n"
    )
    module, records = analyse(head + textwrap.dedent(text))
    (record,) = calls_of(records, "look")
    return module.value(record.node.args[0])


def look_in(*lines: str, parameters: str = "") -> Value:
    """``look`` inside a function of its own."""
    return look(f"def work({parameters}):\n" + textwrap.indent("\n".join(lines), "    "))


def kinds(value: Value) -> str:
    """The kinds of a value, such as ``INT FLOAT``; ``?`` where nothing is known."""
    if not value.known:
        return "?"
    return " ".join(name for name in _KINDS if value.kind & getattr(Kind, name))


def devices(value: Value) -> str:
    return " ".join(name for mask, name in _DEVICES.items() if value.device & mask)


def memory(value: Value) -> str:
    return " ".join(name for mask, name in _MEMORY.items() if value.memory & mask)
