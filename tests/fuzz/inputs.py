"""Where the inputs come from. An input is named by its kind and a number, which together repeat it."""

from __future__ import annotations

import ast
import functools
import sysconfig
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz import layout
from tests.fuzz.mutations import mutated, part
from tests.fuzz.programs import make
from tests.fuzz.subject import PROFILES, Subject
from tests.fuzz.uploads import Uploads

FIXTURES = Path(__file__).parents[2] / "fixtures"
LARGEST = 60_000
"""Bytes; a larger file of a corpus takes the time of many small ones."""
_DEEPEST = 60
_SEED = "import torch, numpy as np\n"


def program(random: Random) -> bytes:
    """A generated module in some layout; one of eight is damaged as well."""
    text = make(random)
    text = mutated(text, random) if not random.randrange(8) else layout.varied(text, random)
    return layout.as_bytes(text, random)


def fixture(random: Random) -> bytes:
    """A part of a rule's fixture, mutated."""
    path = random.choice(_fixtures())
    text = path.read_text(encoding="utf-8")
    return layout.as_bytes(mutated(part(text, random), random), random)


@functools.cache
def _fixtures() -> tuple[Path, ...]:
    return tuple(sorted(FIXTURES.rglob("*.py")))


def library(random: Random) -> bytes:
    """A file of CPython's own tests, mostly with copies to the device planted in its functions."""
    return _of_corpus(_files("stdlib", "test"), random)


def installed(random: Random) -> bytes:
    """A file of an installed package, likewise."""
    return _of_corpus(_files("purelib", ""), random)


def _of_corpus(paths: tuple[Path, ...], random: Random) -> bytes:
    if not paths:
        return program(random)
    data = random.choice(paths).read_bytes()
    if not random.randrange(6):
        return data
    try:
        return planted(data.decode(), random).encode()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return data


@functools.cache
def _files(scheme: str, folder: str) -> tuple[Path, ...]:
    top = Path(sysconfig.get_paths()[scheme]) / folder
    paths = sorted(path for path in top.rglob("*.py") if path.is_file())
    return tuple(path for path in paths if path.stat().st_size <= LARGEST)


def planted(text: str, random: Random) -> str:
    """A module with copies to the device in some of its functions.

    Raises:
        SyntaxError: it is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    uploads = Uploads(random)
    lines = text.split("\n")
    if "\r" in text:
        return text
    places: list[ast.stmt] = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.With))
        for inner in node.body
        if inner.col_offset < _DEEPEST
    ]
    for inner in sorted(random.sample(places, min(len(places), 6)), key=lambda node: -node.lineno):
        start = min([inner.lineno, *(d.lineno for d in getattr(inner, "decorator_list", ()))])
        head = lines[start - 1].encode()[: inner.col_offset].decode()
        if not head.strip():
            new = uploads.statement().split("\n")
            lines[start - 1 : start - 1] = [f"{head}{line}" for line in new]
    first = next((node.lineno for node in tree.body[1:] if not isinstance(node, ast.ImportFrom)), 1)
    lines.insert(first - 1, _SEED.rstrip())
    return "\n".join(lines)


def grammar(random: Random) -> bytes:
    """What hypothesmith makes of Python's grammar, around a generated module."""
    text = _grammatical(random.randrange(2**16))
    own = make(random)
    both = f"{own}\n{text}" if random.random() < 0.5 else f"{text}\n{own}"
    return layout.as_bytes(both, random)


@functools.lru_cache(maxsize=4)
def _drawn(number: int) -> tuple[str, ...]:
    import hypothesmith
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis.strategies import SearchStrategy

    found: list[str] = []
    quick = settings(
        max_examples=16,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def keep(text: str) -> None:
        found.append(text)

    strategies: list[SearchStrategy[str]] = [hypothesmith.from_node(), hypothesmith.from_grammar()]
    for strategy in strategies:
        seed(number)(quick(given(strategy)(keep)))()
    return tuple(found)


def _grammatical(number: int) -> str:
    texts = _drawn(number // 32)
    return texts[number % len(texts)]


KINDS: dict[str, tuple[Callable[[Random], bytes], int]] = {
    "program": (program, 10),
    "fixture": (fixture, 8),
    "library": (library, 2),
    "installed": (installed, 2),
    "grammar": (grammar, 2),
}
"""Name to what draws an input of the kind, and how often it is asked."""


def subject(kind: str, number: int) -> Subject:
    """An input by its name.

    Args:
        kind: key of ``KINDS``.
        number: repeats it, on a machine with the same corpus.
    """
    random = Random(f"{kind}:{number}")
    profile = random.choice(tuple(PROFILES))
    return Subject(KINDS[kind][0](random), profile)
