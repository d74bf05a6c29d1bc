"""Whether an edit says anything to a call graph: most edits mention no function of the project, and leave it as it is.

A name that is mentioned can be a function of the project only if its last part is the name of a function or a class
somewhere, or one that an import gives to such a thing. What remains of a file without all other names is its essence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set

from h2dlint.analysis.scan import File
from h2dlint.engine.ledger import digest

Row = Sequence[str]
"""Path, and digests: of what a cheap look saw, definitions, essence, and hidden names that other files hold too."""


def names(files: Iterable[File]) -> set[str]:
    """The names that a function or a class of a project can have anywhere."""
    found: set[str] = set()
    for file in files:
        found.update(function.short for function in file.functions.values())
        found.update(name.rpartition(".")[2] for name in file.classes)
        found.update(word for word, target in file.imports.items() if word != target.rpartition(".")[2])
    return found


def essence(file: File, words: Set[str]) -> str:
    """A digest of what a graph takes from a file, given ``names`` of the project."""

    def left(mentions: Iterable[str]) -> list[str]:
        return [chain for chain in mentions if chain.rstrip("(").lstrip("$").rpartition(".")[2] in words]

    said: list[object] = [left(file.mentions)]
    for function in file.functions.values():
        if function.mentions:
            said.append((left(function.mentions), left(function.looped), left(function.served)))
        else:
            said.append(0)
    return digest(repr(said).encode("utf-8", "surrogatepass"))


def shared(file: File, hidden: Mapping[str, str]) -> str:
    """A digest of the hidden names of a file that other files hold too.

    Args:
        file: of the project.
        hidden: the file of each hidden name, empty where there are several.
    """
    common = sorted(name for name in file.hidden if hidden.get(name) == "")
    return digest(repr(common).encode("utf-8", "surrogatepass"))


def renewed(hidden: bytes, changed: Iterable[tuple[int, File]]) -> bytes | None:
    """The table of hidden names after edits, as ``answers.Hidden`` has it.

    Args:
        hidden: as it was; whether a name is one of several files has not changed.
        changed: files with their numbers.

    Returns:
        ``None`` where a name is now one of several files.
    """
    for number, file in changed:
        before = {m.group(1) for m in re.finditer(rb"\n([^\n ]+) %d(?=\n)" % number, hidden)}
        now = set()
        for name in file.hidden:
            word = name.encode("utf-8", "surrogatepass")
            start = hidden.find(b"\n%b " % word)
            holder = hidden[start + len(word) + 2 : hidden.index(b"\n", start + 1)] if start >= 0 else b""
            if holder in (b"", b"%d" % number):
                now.add(word)
            elif holder != b"-1":
                return None
        for word in before - now:
            hidden = hidden.replace(b"\n%b %d\n" % (word, number), b"\n")
        hidden += b"".join(b"%b %d\n" % (word, number) for word in sorted(now - before))
    return hidden
