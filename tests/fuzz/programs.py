"""Modules drawn from a grammar, with copies to the device in every place where an expression may stand.

``make`` takes a ``Random``: a seed repeats a program, and Hypothesis can stand in for it and shrink what fails.
"""

from __future__ import annotations

import sys
from random import Random

from tests.fuzz.uploads import PARAMETERS, SETUP, Uploads

_IMPORTS = (
    ("import torch", ("torch",)),
    ("import torch", ("torch",)),
    ("import torch as th\nimport torch", ("torch", "th")),
    ("import torch, torch.nn as nn", ("torch",)),
    ("import torch\nfrom torch import tensor as make_tensor\nmake = torch.tensor", ("torch",)),
    ("import torch; from torch import tensor, nn as Net", ("torch",)),
    ("from torch import (\n    tensor,  # a name\n    zeros,\n)\nimport torch", ("torch",)),
    ("try:\n    import torch\nexcept ImportError:\n    torch = None", ("torch",)),
)
_HEADS = (
    '"""A docstring, é."""',
    "'''Zwei\nZeilen: \\\nund drei.'''",
    "# a comment before all else",
    "from __future__ import annotations",
    '"""Doc."""\nfrom __future__ import annotations',
    "",
    "",
)
_SUITES = ("if n", "while n", "for i in xs", "with torch.no_grad()", "if True")
_NEW = sys.version_info >= (3, 12)
_GROUPS = sys.version_info >= (3, 11)
_DEPTH = 4


class Writer:
    """Draws one module.

    Args:
        random: where choices come from.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._uploads = Uploads(random)
        self._names = 0

    def _roll(self, sides: int) -> int:
        return self._random.randrange(sides)

    def _name(self, stem: str) -> str:
        self._names += 1
        tail = self._random.choice(("", "", "", "_é", "_数", "_ñ"))
        return f"{stem}{tail}{self._names}"

    def module(self) -> str:
        """The text of a module that parses, as a rule."""
        imports, modules = self._random.choice(_IMPORTS)
        self._uploads = Uploads(self._random, modules)
        parts = [self._random.choice(_HEADS), imports, "import numpy as np"]
        if not self._roll(8):
            parts.append('torch.set_default_device("cuda")')
        if not self._roll(3):
            parts.append(
                "\n".join(
                    (*SETUP, 'n, v, xs, arr, gpu, mask, device = 1, 0.5, [1], np.zeros(3), x, x > 0, "cuda"')
                )
            )
            parts += ["\n".join(self._statement(1, False)) for _ in range(1 + self._roll(3))]
        for _ in range(1 + self._roll(5) // 3):
            parts.append("\n".join(self._class() if not self._roll(4) else self._function(0)))
        if not self._roll(6):
            parts.append('if __name__ == "__main__":\n    print(1)')
        ends = self._random.choice(("\n", "\n", "\n", "", "\n\n\n", "\n# the end", "\n    # indented\n"))
        return "\n\n\n".join(part for part in parts if part) + ends

    def _function(self, depth: int, method: bool = False) -> list[str]:
        e = self._uploads.expression
        parameters = list(PARAMETERS)
        if not self._roll(6):
            del parameters[self._roll(len(parameters))]
        if not self._roll(6):
            parameters.append(f"k={e()}")
        if not self._roll(8):
            parameters = ["/" if p == "n: int" else p for p in parameters]
            parameters = [*parameters[1:], "*args"] if parameters[0] == "/" else parameters
        if not self._roll(10):
            parameters.append("**kwargs: object")
        if method:
            parameters.insert(0, "self")
        kind = self._random.choice(("def", "def", "def", "def", "async def"))
        generic = "[T: int = int]" if sys.version_info >= (3, 13) else "[T: int, *Ts, **P]"
        name = (
            self._random.choice(("forward", "step", "run", "__init__", "load_weights"))
            if method
            else self._name("f")
        )
        if not method and not self._roll(4):
            name = self._random.choice(("forward", "decode_step", "main"))
        head = f"{kind} {name}{generic if _NEW and not self._roll(8) else ''}({', '.join(parameters)})"
        head += self._random.choice(("", "", " -> torch.Tensor", ' -> "list[int]"', " -> None")) + ":"
        decorators = [
            self._random.choice(
                (
                    "torch.no_grad()",
                    "torch.inference_mode()",
                    "staticmethod",
                    f"(lambda f, k={e()}: f)",
                    "torch.compile",
                )
            )
            for _ in range(max(0, self._roll(6) - 4))
        ]
        body: list[str] = []
        if not self._roll(5):
            body.append('"""Does things, µs."""')
        body += self._random.sample(SETUP, self._roll(len(SETUP) + 1)) if self._roll(4) else list(SETUP)
        for _ in range(1 + self._roll(3)):
            body += self._statement(depth + 1, True, kind.startswith("async"))
        return [*(f"@{decorator}" for decorator in decorators), head, *_indented(body)]

    def _class(self) -> list[str]:
        e = self._uploads.expression
        bases = self._random.choice(
            ("", "(torch.nn.Module)", "(object)", "[T]" if _NEW else "", "(dict, metaclass=type)")
        )
        head = f"class {self._name('C')}{bases}:"
        body: list[str] = []
        if not self._roll(3):
            body += [*SETUP[:2], "n, v, xs, device = 1, 0.5, [1, 2], 'cuda'", f"table = {e()}"]
        if not self._roll(3):
            body.append("width: int = 3; pads: list[int]")
        for _ in range(1 + self._roll(2)):
            body += self._function(1, method=True)
        decorator = ["@(lambda c: c)"] if not self._roll(6) else []
        return [*decorator, head, *_indented(body)]

    def _block(self, depth: int, inside: bool, coroutine: bool) -> list[str]:
        body = [
            line
            for _ in range(1 + self._roll(3) // 2)
            for line in self._statement(depth + 1, inside, coroutine)
        ]
        return _indented(body)

    def _simple(self, inside: bool) -> str:
        while True:
            text = self._uploads.statement()
            if inside or not any(word in text for word in ("return", "yield", "self.")):
                return text

    def _statement(self, depth: int, inside: bool, coroutine: bool = False) -> list[str]:
        """The lines of a statement; those of a literal over several lines are one entry."""
        e = self._uploads.expression
        if depth > _DEPTH or self._roll(10) < 7:
            text = self._simple(inside)
            if text.startswith("host = ") and "\n" in text:
                return text.split("\n")
            if not self._roll(8):
                other = self._simple(inside)
                text = text if other.startswith("host = ") else f"{text}; {other}"
            if not self._roll(12):
                text = f"{self._random.choice(_SUITES)}: {text}"
            return [text]

        def block() -> list[str]:
            return self._block(depth, inside, coroutine)

        a = "async " if coroutine and self._roll(2) else ""
        forms = ["if", "for", "while", "with", "try", "match", "def", "class", "device", "stream"]
        form = self._random.choice(forms)
        if form == "if":
            test = self._random.choice(
                (
                    "n > 1",
                    "xs",
                    "x.is_cuda",
                    "torch.cuda.is_available()",
                    f"(w := {e()}) is None",
                    "isinstance(v, float)",
                )
            )
            chain = (
                [f"elif {self._random.choice(('v', 'not xs', e()))}:", *block()] if not self._roll(3) else []
            )
            return [f"if {test}:", *block(), *chain, *(["else:", *block()] if self._roll(2) else [])]
        if form == "for":
            over = self._random.choice(("xs", "range(n)", "enumerate(xs)", e(), f"[{e()}, {e()}]"))
            target = "i, j" if "enumerate" in over else "i"
            start = f"{a}for {target} in {over}:"
            return [start, *block(), *(["else:", *block()] if not self._roll(4) else [])]
        if form == "while":
            return [f"while {self._random.choice(('n', 'True', e()))}:", *block(), "    break"]
        if form == "with":
            what = self._random.choice(
                (
                    "torch.no_grad()",
                    f"open({e()}) as h",
                    "torch.autocast('cuda')",
                    f"torch.device('cuda'), open({e()}) as h",
                    f"(torch.no_grad(), open({e()}) as h)",
                )
            )
            return [f"{a}with {what}:", *block()]
        if form == "try":
            star = "*" if _GROUPS and not self._roll(4) else ""
            last = self._random.choice(("finally", "else", ""))
            handler = [f"except{star} (ValueError, TypeError) as error:", *block()]
            return ["try:", *block(), *handler, *([f"{last}:", *block()] if last else [])]
        if form == "match":
            patterns = self._random.sample(
                ("1 | 2", "[a, *b]", '{"k": w}', "int(real=r)", "str() as s if n", "None"), 2
            )
            cases = [line for pattern in patterns for line in (f"case {pattern}:", *block())]
            return [
                f"match {self._random.choice(('n', 'xs', e(), 'n, v'))}:",
                *_indented([*cases, "case _:", *block()]),
            ]
        if form == "def":
            return self._function(depth)
        if form == "class":
            return [f"class {self._name('L')}:", *_indented([f"y = {e()}" if self._roll(2) else "pass"])]
        if form == "device":
            return ['with torch.device("cuda"):', *block()]
        return ["side = torch.cuda.Stream()", "with torch.cuda.stream(side):", *block(), "side.synchronize()"]


def _indented(lines: list[str]) -> list[str]:
    """Lines one level further in; what goes on inside brackets or a string is not touched."""
    return [f"    {line}" for line in lines]


def make(random: Random) -> str:
    """The text of a module.

    Args:
        random: where choices come from.
    """
    return Writer(random).module()
