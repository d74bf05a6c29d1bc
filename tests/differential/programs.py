"""Draws whole programs: statements of every rule in functions, classes, loops, branches, contexts and handlers."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tests.differential import backward, moves, subscripts, tricky
from tests.differential.scope import Scope, Template

TEMPLATES: tuple[tuple[Template, float], ...] = (
    (moves.tensor_on_device, 1.0),
    (moves.as_tensor_on_device, 1.8),
    (moves.constant_on_device, 1.2),
    (moves.new_tensor, 1.0),
    (moves.legacy, 1.0),
    (moves.pinned_on_device, 0.8),
    (moves.moved("constructed"), 1.0),
    (moves.moved("factory"), 1.0),
    (moves.moved("numpy"), 3.0),
    (moves.copied, 1.2),
    (moves.moved("pinned"), 1.4),
    (moves.moved("", blocking=0.0), 1.0),
    (moves.gapped, 1.4),
    (moves.moved("given"), 0.5),
    (moves.moved("kept", blocking=0.7), 1.2),
    (tricky.ordered, 1.0),
    (tricky.handed_on, 1.0),
    (tricky.odd_kinds, 0.7),
    (tricky.odd_layouts, 0.7),
    (backward.gradients, 0.6),
    (tricky.written_otherwise, 0.8),
    (subscripts.read, 1.0),
    (subscripts.scalar_by_tensor, 1.2),
    (subscripts.scalar_by_element, 1.2),
    (subscripts.host_into_part, 1.2),
    (subscripts.write_by_host_index, 0.8),
    (subscripts.chosen, 1.2),
    (subscripts.other, 0.4),
)
"""What draws a statement, with how often."""

HEAD = """\
import array
import dataclasses
import enum

import numpy as np
import torch

DEVICE = torch.device("cuda")
CAUGHT = []


def caught(error: Exception) -> str:
    CAUGHT.append(type(error).__name__)
    return type(error).__name__
"""

DEVICES = (
    ("torch.device('cuda')", "torch.device"),
    ("torch.device('cuda', 0)", "torch.device"),
    ("'cuda'", "str"),
    ("'cuda:0'", "torch.device | str"),
    ("torch.device('cpu')", "torch.device"),
    ("'cpu'", "str"),
    # The host as well, unless a default device is set; assume-cuda does not cover it.
    ("None", "torch.device | None"),
)
"""What the parameter ``d`` is, and its annotation."""

SPOIL = """

def spoil(*things):
    for thing in things:
        if isinstance(thing, (torch.Tensor, np.ndarray)):
            thing[...] = 1
"""


@dataclass(frozen=True)
class Program:
    """A program and what it is run with.

    Args:
        seed, number: it is drawn from these two alone.
        text: a module with a function ``run``.
        inputs: of its parameters, each an expression that is evaluated anew for every run.
        device: expression of the parameter ``d``.
        bare: for a machine without an accelerator, where pinning raises; ``d`` is the host.
    """

    seed: int
    number: int
    text: str
    inputs: tuple[tuple[str, str], ...]
    device: str
    bare: bool = False

    @property
    def on_host(self) -> bool:
        """The device is the host, which ``assume-cuda`` rules out."""
        return "cpu" in self.device


def draw(seed: int, number: int) -> Program:
    """The program of that number; the same on every machine."""
    rng = random.Random(f"{seed}/{number}")
    frame = rng.choices(
        ["function", "class", "generator", "async", "module", "methods"], [45, 22, 8, 5, 8, 12]
    )[0]
    scope = Scope(
        rng, owner="self" if frame in ("class", "methods", "module") else "", yields=frame == "generator"
    )
    scope.depth = 2 if scope.owner else 1
    for _ in range(rng.randint(1, 4)):
        statement(scope)
    device, annotation = rng.choices(DEVICES, [30, 20, 15, 10, 12, 8, 5])[0]
    text = _framed(scope, frame, rng.choice([annotation, annotation, ""]) if device != "None" else annotation)
    if rng.random() < 0.08:
        text = text.replace("torch.", "th.").replace("import torch\n", "import torch as th\n")
    inputs = tuple(scope.inputs.items())
    bare = "cpu" in device and rng.random() < 0.6
    if bare:
        text = without_accelerator(text)
        inputs = tuple((name, without_accelerator(value)) for name, value in inputs)
    return Program(seed, number, text, inputs, device, bare)


_BARE = (
    (r"\.cuda\([^()]*\)", ".to(d)"),
    (r"\.cuda\((?:\w|torch)\.device\([^()]*\)\)", ".to(d)"),
    (r"torch\.cuda\.(?=\w*Tensor)", "torch."),
    (r"torch\.device\(['\"]cuda(?::0)?['\"]\)", "torch.device('cpu')"),
    (r"(?<==)['\"]cuda(?::0)?['\"](?=\):)", "'cpu'"),
    (r"['\"]cuda(?::0)?['\"]", "d"),
    (r"\bDEVICE\b(?! =)", "d"),
    (r"\.pin_memory\(\)", ""),
    (r"(?:, )?pin_memory=True", ""),
)


def without_accelerator(text: str) -> str:
    """A program in which ``d``, the host, takes the place of every device that is spelled out."""
    head, mark, body = text.partition("def run(")
    for pattern, new in _BARE:
        # Above the function there is no ``d``.
        body = re.sub(pattern, new, body)
        head = re.sub(
            pattern,
            new if new not in ("d", ".to(d)") or "class Worker" in head else new.replace("d", "'cpu'"),
            head,
        )
    return head + mark + body if mark else re.sub("'cuda'", "'cpu'", head)


def statement(g: Scope) -> None:
    """A statement of some rule, by itself or in something."""
    templates = [template for template, _ in TEMPLATES]
    template = g.rng.choices(templates, [weight for _, weight in TEMPLATES])[0]
    room = g.depth < 4
    form = g.rng.random()
    if not room or form < 0.5:
        template(g)
    elif form < 0.66:
        _loop(g, template)
    elif form < 0.74:
        _handled(g, template)
    elif form < 0.84:
        _context(g, template)
    elif form < 0.92:
        _branch(g, template)
    else:
        _inner(g, template)


def _loop(g: Scope, template: Template) -> None:
    """A loop, with the statement in it; what was made before may be written to in every turn."""
    # A parameter or a buffer that is made outside and used inside.
    kind = g.one("reuse", "reuse", "reuse", "plain", "while", "comprehension")
    if kind == "reuse":
        _reuse(g)
        return
    if kind == "comprehension":
        made = g.one(
            "torch.tensor([k, 1])",
            "torch.full((2,), k)",
            "torch.tensor([k], pin_memory=True)",
            "torch.zeros(2, dtype=torch.int64)",
        )
        g.give(f"[{made}{moves.move(g)} for k in range(2)]")
        return
    head = "for i in range(2):" if kind == "plain" else "i = 2\nwhile (i := i - 1) >= 0:"
    *before, last = head.split("\n")
    for line in before:
        g.line(line)
    with g.block(last):
        template(g)
        if g.chance(0.15):
            g.line(g.one("if i == 1: continue", "if i == 1: break"))
        if g.chance(0.3):
            template(g)


def _reuse(g: Scope) -> None:
    """A buffer on the host that is written anew in every turn and copied in every turn."""
    pin = g.one(", pin_memory=True", ", pin_memory=True", "")
    made, write = g.rng.choice(
        [
            (f"torch.zeros(3{pin})", "{b}.fill_(i + 1)"),
            (f"torch.zeros(3, dtype=torch.int64{pin})", "{b}[:] = i + 1"),
            (f"torch.tensor([1, 2, 3]{pin})", "{b} += i" if not g.owner else "{b}.add_(i)"),
            (f"torch.ones(2, 3{pin})", "{b}.mul_(i)"),
            (f"torch.ones(2, 6{pin})[:, :3]", "{b}[0] = i"),
            ("np.zeros(3, dtype=np.float32)", "{b}[:] = i + 1"),
            ("np.zeros((2, 3))", "{b} += 1"),
            ("[1, 2, 3]", "{b}[0] = i + 7"),
            (f"torch.zeros(3{pin})", "{b}.copy_(torch.full((3,), float(i)))"),
            (f"torch.zeros(3{pin})", "torch.add({b}, 1, out={b})"),
            (f"torch.zeros(3{pin})", "fill({b}, i)"),
            ("bytearray(24)", "{b}[0] = i + 1"),
        ]
    )
    g.helper("fill", "def fill(t: torch.Tensor, value: int) -> None:\n    t.fill_(value)")
    name = g.attribute("buf", made) if g.chance(0.35) else g.local("buf", made)
    if made.startswith("np"):
        read = g.one(f"torch.from_numpy({name})", f"torch.as_tensor({name})", f"torch.tensor({name})")
    elif made.startswith("bytearray"):
        read = f"torch.frombuffer({name}, dtype=torch.uint8)"
    elif made.startswith("["):
        read = f"torch.tensor({name})"
    else:
        read = name + g.one(
            "", "", "", "[:2]", ".view(-1)" if "6" not in made else "", ".pin_memory()", ".clone()", ".t()"
        )
    there = ""
    if g.chance(0.35):
        shape = "2, 3" if "2, " in made or "(2" in made else "3"
        there = g.local("dst", f"torch.zeros({2 if g.chance(0.6) else 1}, {shape}, device={g.device()})")
    head = g.one("for i in range(2):", "for i in range(3):", "for i, _ in enumerate('ab'):")
    with g.block(head):
        first = write.format(b=name)
        late = g.chance(0.35)
        if not late:
            g.line(first)
        if there:
            flag = g.one("", "", ", non_blocking=True")
            source = read if not made.startswith("[") else f"torch.tensor({name})"
            g.line(f"{there}{g.one('[0]', '[-1]', '')}.copy_({source}{flag})")
            if g.chance(0.5):
                g.give(f"{there}.clone()")
        else:
            g.give(f"{read}{moves.move(g, g.chance(0.8))}")
        if late:
            g.line(first)
    if there:
        g.give(there)
    if g.chance(0.3) and not made.startswith(("bytearray", "[")):
        g.give(name)


def _handled(g: Scope, template: Template) -> None:
    with g.block("try:"):
        template(g)
        if g.chance(0.15):
            g.line("raise ValueError('on purpose')")
    caught = g.one("Exception", "(RuntimeError, TypeError, ValueError, IndexError, OverflowError)")
    with g.block(f"except {caught} as error:"):
        g.give("caught(error)")
    if g.chance(0.4):
        with g.block("finally:"):
            g.give("'done'") if g.chance(0.5) else statement_leaf(g)


def statement_leaf(g: Scope) -> None:
    """A statement by itself."""
    templates = [template for template, _ in TEMPLATES]
    g.rng.choices(templates, [weight for _, weight in TEMPLATES])[0](g)


def _context(g: Scope, template: Template) -> None:
    kind = g.one("no_grad", "inference", "device", "default_device", "dtype", "grad", "device")
    heads = {
        "no_grad": "with torch.no_grad():",
        "inference": "with torch.inference_mode():",
        "grad": "with torch.enable_grad():",
    }
    if kind in heads:
        with g.block(heads[kind]):
            template(g)
    elif kind == "device":
        where = g.one("'cuda'", "'cuda'", g.given_device(), "'cpu'")
        with g.block(f"with torch.device({where}):"):
            template(g)
    elif kind == "default_device":
        g.line(f"torch.set_default_device({g.one(repr('cuda'), g.given_device(), repr('cpu'))})")
        with g.block("try:"):
            template(g)
        with g.block("finally:"):
            g.line("torch.set_default_device(None)")
    else:
        g.line(f"torch.set_default_dtype(torch.{g.one('float64', 'float32')})")
        with g.block("try:"):
            template(g)
        with g.block("finally:"):
            g.line("torch.set_default_dtype(torch.float32)")


def _branch(g: Scope, template: Template) -> None:
    test = g.one(
        f"len(str({g.given_device()})) > 3",
        f"torch.device({g.given_device()}).type == 'cuda'",
        "torch.cuda.is_available()",
        g.parameter("flag", "bool", g.one("True", "False")),
    )
    with g.block(f"if {test}:"):
        template(g)
    if g.chance(0.6):
        with g.block("else:"):
            statement_leaf(g)


def _inner(g: Scope, template: Template) -> None:
    """The statement in a function of its own: a closure, with an argument, run once or twice."""
    name = g.name("inner")
    inner = Scope(g.rng, parameters=g.parameters, inputs=g.inputs, defaults=g.defaults, helpers=g.helpers)
    inner.numbers, inner.depth = g.numbers + 100, g.depth
    with inner.block(f"def {name}(k: int = 1):"):
        inner.line("out = []")
        template(inner)
        inner.line("return out")
    g.numbers = inner.numbers
    g.lines += inner.lines
    g.give(f"{name}()")
    if g.chance(0.3):
        g.give(f"[{name}(k) for k in range(2)]")


def _framed(g: Scope, frame: str, of_device: str) -> str:
    """The whole module; ``of_device`` is the annotation of ``d``."""
    parameters = dict(g.parameters)
    names = ["d", *sorted(parameters, key=lambda name: name in g.defaults)]
    spelled = []
    for name in names:
        annotation = of_device if name == "d" else parameters[name]
        text = f"{name}: {annotation}" if annotation else name
        if name in g.defaults:
            text += f" = {g.defaults[name]}"
        spelled.append(text)
    given = ", ".join(spelled)
    passed = ", ".join(names)
    helpers = "".join(f"\n\n{text}\n" for text in g.helpers.values())
    body = "\n".join(g.lines)
    head = HEAD + helpers
    if frame == "generator":
        return f"{head}\n\ndef run({given}):\n{body}\n"
    if frame == "async":
        return f"{head}\n\nasync def run({given}):\n    out = []\n{body}\n    return out\n"
    if not g.owner:
        return f"{head}\n\ndef run({given}):\n    out = []\n{body}\n    return out\n"
    base = "(torch.nn.Module)" if frame == "module" else ""
    method = "forward" if frame == "module" else "step"
    made = (
        "\n".join(f"        {line}" for line in (*(["super().__init__()"] if base else []), *g.attributes))
        or "        pass"
    )
    once = f"out.append(worker.{method}({passed}))"
    between = ""
    again = ""
    if frame == "methods" and g.attributes:
        head += SPOIL
        kept = ", ".join(line.partition(" = ")[0] for line in g.attributes)
        again = f"\n    def again(self):\n        spoil({kept})\n"
        between = "    worker.again()\n"
    return (
        f"{head}\n\nclass Worker{base}:\n    def __init__(self, {given}):\n{made}\n{again}\n"
        f"    def {method}(self, {given}):\n        out = []\n{body}\n        return out\n\n\n"
        f"def run({given}):\n    worker = Worker({passed})\n    out = []\n"
        f"    {once}\n{between}    {once}\n    return out, vars(worker)\n"
    )
