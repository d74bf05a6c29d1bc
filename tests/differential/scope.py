"""What a program is written with: its lines, its parameters with their inputs, and the dice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

DTYPES = tuple(
    """float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 float long half
    double int float8_e4m3fn float8_e5m2 uint16 uint32""".split()
)
USUAL = ("float32", "float64", "int64", "int32", "float16", "bool", "uint8")


@dataclass(frozen=True)
class Data:
    """An expression for something on the host.

    Args:
        text: the expression.
        kind: ``list``, ``scalar``, ``array``, ``tensor`` or ``range``.
        element: ``int``, ``float``, ``bool`` or ``complex``; for arrays and tensors the kind of their dtype.
        shape: what a tensor of it has; ``None`` where that is left to the inputs.
        source: a name under which it can be written to afterwards.
    """

    text: str
    kind: str
    element: str = "int"
    shape: tuple[int, ...] | None = None
    source: str = ""


@dataclass
class Scope:
    """A program while it is drawn.

    Args:
        rng: the dice.
        owner: ``self`` in a method, so that attributes can be made.
    """

    rng: random.Random
    owner: str = ""
    lines: list[str] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    helpers: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)
    depth: int = 1
    numbers: int = 0
    yields: bool = False
    aliases: dict[str, str] = field(default_factory=dict)
    """Of a host tensor, another name for its memory."""

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def one(self, *options: str) -> str:
        return self.rng.choice(options)

    def name(self, stem: str) -> str:
        self.numbers += 1
        return f"{stem}{self.numbers}"

    def line(self, text: str) -> None:
        for part in text.split("\n"):
            self.lines.append("    " * self.depth + part)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """The lines inside stand under ``head``."""
        self.line(head)
        self.depth += 1
        size = len(self.lines)
        yield
        if len(self.lines) == size:
            self.line("pass")
        self.depth -= 1

    def parameter(self, stem: str, annotation: str, value: str, default: str = "") -> str:
        """A parameter of the program.

        Args:
            annotation: empty for none.
            value: expression of its input.
            default: expression of its default; then no input is given half of the time.
        """
        name = self.name(stem)
        self.parameters[name] = annotation
        if default:
            self.defaults[name] = default
        if not default or self.chance(0.5):
            self.inputs[name] = value
        return name

    def attribute(self, stem: str, text: str) -> str:
        """An attribute that ``__init__`` sets; a local name outside of a class."""
        name = self.name(stem)
        if not self.owner:
            self.line(f"{name} = {text}")
            return name
        self.attributes.append(f"self.{name} = {text}")
        return f"self.{name}"

    def local(self, stem: str, text: str) -> str:
        name = self.name(stem)
        self.line(f"{name} = {text}")
        return name

    def helper(self, name: str, text: str) -> str:
        """A function of the module, written once."""
        self.helpers.setdefault(name, text)
        return name

    def give(self, text: str) -> None:
        """The program gives a value out."""
        self.line(f"yield {text}" if self.yields else f"out.append({text})")

    def call(self, function: str, first: str, keywords: Sequence[str]) -> str:
        """A call with its keywords in any order."""
        rest = [keyword for keyword in keywords if keyword]
        self.rng.shuffle(rest)
        return f"{function}({', '.join([first, *rest] if first else rest)})"

    def device(self) -> str:
        """An expression for the device."""
        choice = self.rng.random()
        if choice < 0.45:
            return '"cuda"'
        if choice < 0.8:
            return self.given_device()
        return self.one('"cuda:0"', 'torch.device("cuda")', "DEVICE", f"{self.anchor()}.device")

    def given_device(self) -> str:
        if self.owner and self.chance(0.5):
            if "self.device = d" not in self.attributes:
                self.attributes.insert(0, "self.device = d")
            return "self.device"
        return "d"

    def anchor(self) -> str:
        """A tensor on the device that is a parameter."""
        if "x" not in self.parameters:
            self.parameters["x"] = self.one("torch.Tensor", "torch.Tensor", "")
            dtype = self.one("float32", "float32", "int64", "float16", "bool")
            self.inputs["x"] = f"torch.ones(2, 3, dtype=torch.{dtype}, device='cuda')"
        return "x"


Template = Callable[[Scope], None]
