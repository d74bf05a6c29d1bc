"""What the functions of a project call: the names that each of them mentions, and which functions those may be.

A project mentions a million names, most of which are no function of it. So what a name can be is first asked of what
does not depend on the function: of the name alone, and of what is known at the top of the file.
"""

from __future__ import annotations

import builtins
from array import array
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from h2dlint.analysis.lookup import Lookup
from h2dlint.analysis.scan import Class, File, Function

MAX_CLASSES = 3
"""A method is looked up by its name alone where at most so many classes define it."""

_COMMON = frozenset(
    name for kind in (list, dict, set, str, bytes, int, float, tuple) for name in vars(kind) if name[0] != "_"
) | frozenset(
    """add apply build call cancel check clean cleanup clone close compile config configure connect contiguous convert
    cpu create cuda debug delete destroy detach device disable done empty enable error execute exists exit export fetch
    fill finish fit flush free from_config full info init initialize is_available is_empty item launch length list
    load log main mean merge name new next numpy ones open parse path post prepare print process push put query read
    record recv
    register release reload remove reset reshape resize resume run save scale search seek select send set setup shape
    shutdown size sleep start state status stop submit sum sync test to tolist transform type unregister validate view
    wait warning write zeros""".split()
)
"""Method names that say nothing of the class."""
_OWN = frozenset(("self", "cls", "super"))

_NameOnly = tuple[str, Sequence[Function], str]
"""Of a dotted name: its first part, the methods that it may be by its last alone, and that one if they are too many."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier run found of the same definitions.

    Functions have numbers: in the order of the files, and in each in the order of their definition.

    Args:
        valid: paths of files that mention what they mentioned.
        counts: for each function that is in no cold file: how many it calls, how many in loops, how many vague names.
        numbers: of those it calls, doubled, one more where it calls and does not only hand on; of those in loops,
            one more in a loop that runs as long as there is work; of names.
        names: method names that are vague.
    """

    valid: Set[str]
    counts: Sequence[int]
    numbers: Sequence[int]
    names: Sequence[str]


class Edges:
    """What functions call.

    Args:
        lookup: of the project.
        cold_files: paths of files of which nothing is called that counts.
        kept: what is known of some files.
    """

    def __init__(self, lookup: Lookup, cold_files: Set[str], kept: Kept | None = None) -> None:
        self._lookup = lookup
        self._cold_files = cold_files
        self.calls: dict[Function, dict[Function, bool]] = {}
        """What each function calls, or hands on (``False``)."""
        self.loops: dict[Function, dict[Function, bool]] = {}
        """What it calls in loops; whether in one that runs as long as there is work."""
        self.vague: dict[str, list[Function]] = {}
        """The callers of methods that too many classes have."""
        self._by_name: dict[str, _NameOnly] = {}
        self._of_class: dict[tuple[Class, str], list[Function]] = {}
        warm = [file for file in lookup.files.values() if file.path not in cold_files]
        if kept is None:
            for file in warm:
                self._add(file)
        else:
            self._take(warm, kept)
        # Only for what was just done; of a large project it is a tenth of the graph.
        self._by_name.clear()
        self._of_class.clear()

    @property
    def numbered(self) -> list[Function]:
        """All functions, in the order of their numbers."""
        return [function for file in self._lookup.files.values() for function in file.functions.values()]

    def kept(self) -> tuple[array[int], array[int], list[str]]:
        """What ``Kept`` keeps: counts, numbers and names."""
        order = {function: number for number, function in enumerate(self.numbered)}
        names: dict[str, int] = {}
        unclear: dict[Function, dict[int, None]] = {}
        for name, callers in self.vague.items():
            number = names.setdefault(name, len(names))
            for function in callers:
                unclear.setdefault(function, {})[number] = None
        counts, numbers = array("I"), array("I")
        for function, called in self.calls.items():
            looped, vague = self.loops.get(function, {}), unclear.get(function, {})
            counts.extend((len(called), len(looped), len(vague)))
            numbers.extend([2 * order[callee] + mark for callee, mark in called.items()])
            numbers.extend([2 * order[callee] + mark for callee, mark in looped.items()])
            numbers.extend(vague)
        return counts, numbers, list(names)

    def _take(self, files: Iterable[File], kept: Kept) -> None:
        """Take over what is known, and look at the other files."""
        functions, numbers = self.numbered, kept.numbers
        counts = iter(kept.counts)
        end = 0
        for file in files:
            valid = file.path in kept.valid
            for function in file.functions.values():
                start = end
                looped = start + next(counts)
                vague = looped + next(counts)
                end = vague + next(counts)
                if valid:
                    self.calls[function] = {functions[n >> 1]: bool(n & 1) for n in numbers[start:looped]}
                    if looped < vague:
                        self.loops[function] = {functions[n >> 1]: bool(n & 1) for n in numbers[looped:vague]}
                    for number in numbers[vague:end]:
                        self.vague.setdefault(kept.names[number], []).append(function)
            if not valid:
                self._add(file)

    def _add(self, file: File) -> None:
        known, foreign = self._words(file)
        for function in file.functions.values():
            self.calls[function] = self._edges(function, known, foreign)

    def _words(self, file: File) -> tuple[frozenset[str] | None, frozenset[str]]:
        """The words that mean something of the project in a file, ``None`` if any may; those of other packages."""
        defined = {name.rpartition(".")[2] for name in (*file.functions, *file.classes)}
        imported: set[str] = set()
        foreign: set[str] = set()
        for word, target in file.imports.items():
            inside = target[:1] == "." or self._lookup.find(file.path, target.partition(".")[0]) is not None
            (imported if inside else foreign).add(word)
        if file.stars:
            return None, frozenset()
        return frozenset(defined | imported | _OWN), frozenset(foreign - defined - _OWN)

    def _edges(self, function: Function, known: Set[str] | None, foreign: Set[str]) -> dict[Function, bool]:
        found: dict[Function, bool] = {}
        loops: dict[Function, bool] = {}
        looped, served = set(function.looped), set(function.served)
        by_name = self._by_name
        for chain in dict.fromkeys(function.mentions):
            alone = by_name.get(chain) or self._alone(chain)
            first = alone[0]
            if not first or (known is not None and first not in known):
                if first in foreign:
                    continue
                callees: Iterable[Function] = alone[1]
                if alone[2]:
                    self.vague.setdefault(alone[2], []).append(function)
            else:
                callees = self._meant(function, chain.rstrip("("), chain[-1] == "(")
            for callee in callees:
                if callee is function or callee.file.path in self._cold_files:
                    continue
                called = chain[-1] == "("
                found[callee] = found.get(callee, True) and called
                if called and chain in looped:
                    loops[callee] = loops.get(callee, False) or chain in served
        if loops:
            self.loops[function] = loops
        return found

    def _alone(self, chain: str) -> _NameOnly:
        """What a name can be where its first part is not known."""
        head, _, last = chain.rstrip("(").rpartition(".")
        first = "" if chain[0] in "$." else chain.rstrip("(").partition(".")[0]
        methods: Sequence[Function] = ()
        vague = ""
        if chain[0] != "$" and (head or chain[0] == ".") and chain[-1] == "(":
            methods, vague = self._methods(last)
        self._by_name[chain] = found = (first, methods, vague)
        return found

    def _methods(self, name: str) -> tuple[Sequence[Function], str]:
        """The methods of a name, and the name if it says too little."""
        methods = self._lookup.methods.get(name, ())
        if name.startswith("__"):
            return (), ""
        if len(methods) > MAX_CLASSES or name in _COMMON:
            return (), name if methods else ""
        return methods, ""

    def _meant(self, function: Function, chain: str, called: bool) -> Iterable[Function]:
        """The functions that a dotted name may be."""
        head, _, last = chain.rpartition(".")
        if not head:
            return self._bare(function, chain, called)
        owner = _owner(function)
        if head in ("self", "cls") and owner is not None:
            # What is no method is an attribute that can be called: of it nothing is known.
            found = self._of_class.get((owner, last))
            if found is None:
                found = self._lookup.method(owner, last) or self._lookup.beside(owner, last)
                self._of_class[owner, last] = found
            return found
        if head == "super" and owner is not None:
            return self._lookup.inherited(owner, last)
        if not head.startswith(("self.", "cls.")):
            named = self._lookup.meaning(function.file, chain)
            if named is not None:
                return self._as_called(named, called)
            cls = self._lookup.class_(function.file, head)
            if cls is not None:
                return self._lookup.method(cls, last)
            if head.partition(".")[0] in function.file.imports:
                return ()
        if not called:
            return ()
        methods, vague = self._methods(last)
        if vague:
            self.vague.setdefault(vague, []).append(function)
        return methods

    def _bare(self, function: Function, name: str, called: bool) -> Iterable[Function]:
        outer: Function | None = function
        while outer is not None:
            inner = function.file.functions.get(f"{outer.name}.{name}")
            if inner is not None and inner.owner is None:
                return (inner,)
            outer = outer.outer
        if hasattr(builtins, name) and name not in function.file.functions:
            return ()
        named = self._lookup.meaning(function.file, name)
        return self._as_called(named, called) if named is not None else ()

    def _as_called(self, named: Function | Class, called: bool) -> Iterable[Function]:
        if isinstance(named, Function):
            return (named,)
        return self._lookup.constructors(named) if called else ()


def _owner(function: Function | None) -> Class | None:
    while function is not None and function.owner is None:
        function = function.outer
    return function.owner if function is not None else None
