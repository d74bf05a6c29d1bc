"""What a cheap look at each file of a project saw, as it is kept: an edit has one file looked at again, not thousands.

The texts are kept once, and what a function mentions as their numbers; all of it is a tenth of the sources.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from h2dlint.analysis.scan import Class, File, Function

MAX_BYTES = 256 * 1024 * 1024
"""More is not unpacked."""


def packed(files: Sequence[File]) -> list[bytes]:
    """Files as bytes: their definitions, the texts, the numbers of those that are mentioned, and how many each time."""
    numbers: dict[str, int] = {}
    mentioned, counts = array("I"), array("I")

    def put(names: Sequence[str]) -> None:
        counts.append(len(names))
        mentioned.extend([numbers.setdefault(name, len(numbers)) for name in names])

    rows: list[list[Any]] = []
    for file in files:
        place = {cls: number for number, cls in enumerate(file.classes.values())}
        order = {function: number for number, function in enumerate(file.functions.values())}
        functions = [
            [
                function.name if function.name != _full(function) else function.short,
                place[function.owner] if function.owner is not None else -1,
                order[function.outer] if function.outer is not None else -1,
                *function.decorators,
            ]
            for function in order
        ]
        classes: list[list[Any]] = [[cls.name, *cls.bases] for cls in place]
        # Nearly always the functions that a class owns.
        owned: dict[Class, dict[str, Function]] = {cls: {} for cls in place}
        for function in order:
            if function.owner is not None:
                owned[function.owner][function.short] = function
        others = {
            place[cls]: {short: order[method] for short, method in cls.methods.items()}
            for cls, methods in owned.items()
            if list(cls.methods.items()) != list(methods.items())
        }
        rows.append([file.path, int(file.cold), functions, classes, others, file.imports, file.stars])
        put(sorted(file.hidden))
        put(file.mentions)
        for function in file.functions.values():
            put(function.mentions)
            put(function.looped)
            put(function.served)
    definitions = json.dumps(rows, separators=(",", ":")).encode()
    texts = "\n".join(numbers).encode("utf-8", "surrogatepass")
    # Fast, and it leaves less than a third.
    return [zlib.compress(part, 1) for part in (definitions, texts, mentioned.tobytes(), counts.tobytes())]


def unpacked(parts: Sequence[bytes]) -> list[File]:
    """The files again.

    Raises:
        ValueError, TypeError, LookupError, AttributeError, zlib.error: it is nothing that ``packed`` made.
    """
    definitions, texts, mentioned, counts = map(unzipped, parts)
    words = texts.decode("utf-8", "surrogatepass").split("\n")
    numbers, lengths = array("I"), array("I")
    numbers.frombytes(mentioned)
    lengths.frombytes(counts)
    if sum(lengths) != len(numbers):
        raise ValueError("numbers are missing")
    names, several = map(words.__getitem__, numbers), iter(lengths)
    files = [_file(row, names, several) for row in json.loads(definitions)]
    if next(several, None) is not None:
        raise ValueError("files are missing")
    return files


def unzipped(part: bytes) -> bytes:
    """What was compressed.

    Raises:
        ValueError, zlib.error: it is damaged, or more than can be.
    """
    stream = zlib.decompressobj()
    data = stream.decompress(part, MAX_BYTES)
    if not stream.eof:
        raise ValueError("too much")
    return data


def _file(row: list[Any], names: Iterator[str], several: Iterator[int]) -> File:
    def take() -> tuple[str, ...]:
        count = next(several)
        return tuple(islice(names, count)) if count else ()

    path, cold, functions, classes, others, imports, stars = row
    file = File(path, bool(cold), imports=imports, stars=stars, hidden=frozenset(take()), mentions=take())
    owners = [Class(name, file, tuple(bases)) for name, *bases in classes]
    file.classes.update((cls.name, cls) for cls in owners)
    made: list[Function] = []
    for name, owner, outer, *decorators in functions:
        function = Function(
            name,
            name.rpartition(".")[2],
            file,
            owners[owner] if owner >= 0 else None,
            made[outer] if outer >= 0 else None,
            tuple(decorators),
            take(),
            take(),
            take(),
        )
        if "." not in name:
            function.name = _full(function)
        made.append(function)
        file.functions[function.name] = function
        if function.owner is not None:
            function.owner.methods[function.short] = function
    for number, methods in others.items():
        owners[int(number)].methods = {short: made[place] for short, place in methods.items()}
    return file


def _full(function: Function) -> str:
    """The name of a function with those of what it stands in."""
    around = function.owner or function.outer
    return f"{around.name}.{function.short}" if around is not None else function.short
