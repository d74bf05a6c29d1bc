"""Lines that hold something a rule wants to see, by the text alone: a file without one is not looked into.

It is asked of every file that the screen lets through, so each pattern begins with a character that regular
expressions find fast; what stands in front of a match is looked at afterwards. ``shortlist`` looks at the syntax.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from h2dlint.rules.base import Rule
from h2dlint.syntax.source import SourceText

_GAP = r"(?:[\s\\]|#[^\n]*\n)*"
"""What may stand between the names and brackets of a call."""
_WRITTEN_OUT = re.compile(
    r"""\[(?=[^\[\]]*?(?:\[|\b(?:np|numpy|torch)\.|(?<=[\[,\s])\(
    |\b(?!(?:size|dim|item|numel|get|index|len|int|min|max|abs|sum|str|id|slice|bool)\()\w+\())""",
    re.VERBOSE,
)
"""A subscript whose index holds a list, a tuple, an array, or something that a call makes."""
_STORED = re.compile(r"\]\s*=(?!=)\s*(?!None\b|\{)")
"""An assignment to a subscript."""
_ANNOTATED = re.compile(r"\s*(?!(?:else|try|finally)\b)(?:\*{0,2}[\w.]+)\s*:\s*[\"'\w.]+\[")
"""The start of a line that declares a name, and assigns no subscript."""
_NAMED = re.compile(rf"\[(?:[^\[\]]*,)?{_GAP}~?(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*){_GAP}[,\]]")
"""A subscript whose index is, or ends in, a name."""
_ARRAYS = re.compile(r"import\s+(?:numpy|torch)\s+as\s+(\w+)")


@lru_cache(maxsize=64)
def _bound(modules: str) -> re.Pattern[str]:
    """The right-hand side of an assignment that gives a list, a range, an array or a new tensor."""
    return re.compile(
        rf"=\s*(?:\[|\(\s*\d|(?:list|range|sorted|tuple)\(|(?:{modules})\.|[\w.\[\]()]*\.(?:tolist|cpu|numpy)\()"
    )


_AS = re.compile(r"as[\s\\]+(\w+)")
_ASSIGNED = re.compile(r"=[ \t]*\w+\.(?:\w+\.)*(\w+)[ \t]*(?=[#;\r\n]|\Z)")
"""What stands behind a name that is bound to another one with a dot."""
_TARGET = re.compile(r"\b([A-Za-z_]\w*)\s*(?::[^=\n]*)?$")
_DECLARED = re.compile(
    r":\s*(?:typing\.|t\.|Optional\[)?(?:List|list|Sequence|Tuple|tuple|range|np\.ndarray|ndarray)\b"
)
_GROWN = re.compile(r"\.(?:append|extend)\(")
_NAME_BEFORE = re.compile(r"\b([A-Za-z_]\w*)[\s\\]*$")
_REACH = 200
"""How far to the left of a match a name is looked for."""
TYPES = frozenset(
    """List Dict Tuple Optional Union Callable Set FrozenSet Iterable Iterator Sequence Mapping MutableMapping Generator
    Type Literal Annotated ClassVar Final DefaultDict OrderedDict Deque Awaitable Coroutine AsyncGenerator
    AsyncIterator Counter Generic Concatenate Collection NamedTuple list dict tuple set frozenset type deque
    defaultdict""".split()
)
"""What stands in front of the brackets of annotations."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the text of a module holds.

    Args:
        lines: on which something stands that a rule wants to see, in order.
        host: names that somewhere in the module are bound to a list, a range, an array or a new tensor.
        functions: names by which functions that rules want to see may be called here, by their last part.
    """

    lines: list[int]
    host: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()


@lru_cache(maxsize=64)
def names_of(rules: tuple[Rule, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """The functions that rules want to see, by their last name, and the methods."""
    functions = {name.rsplit(".", 1)[-1] for rule in rules for name in rule.functions}
    return frozenset(functions), frozenset(name for rule in rules for name in rule.methods)


@lru_cache(maxsize=64)
def _patterns(rules: tuple[Rule, ...]) -> tuple[re.Pattern[str] | None, ...]:
    functions, methods = names_of(rules)
    called = re.compile(rf"\.{_GAP}(?:{'|'.join(sorted(methods))}){_GAP}\(") if methods else None
    if not functions:
        return called, None, None
    either = "|".join(sorted(functions))
    # Called, or handed on by the name of its module.
    return called, re.compile(rf"(?:{either}){_GAP}\("), re.compile(rf"\.{_GAP}(?:{either})\b(?!{_GAP}\()")


def find_candidates(source: SourceText, rules: Sequence[Rule]) -> Candidates:
    """What the text holds that a rule wants to see."""
    text = source.text
    offsets: set[int] = set()
    functions, _ = names_of(tuple(rules))
    called, function, mentioned = _patterns(tuple(rules))
    if called is not None:
        offsets.update(match.start() for match in called.finditer(text))
    if function is not None and mentioned is not None:
        for match in function.finditer(text):
            before = text[match.start() - 1] if match.start() else " "
            if not (before.isalnum() or before == "_"):
                offsets.add(match.start())
        offsets.update(match.start() for match in mentioned.finditer(text))
        aliases = _aliases(text, functions)
        for alias in aliases:
            offsets.update(match.start() for match in re.finditer(rf"\b{alias}\b", text))
        functions |= aliases
    host: frozenset[str] = frozenset()
    if any(rule.subscripts for rule in rules):
        written = set(_subscripts(text))
        offsets |= written
        named = [match for match in _NAMED.finditer(text) if _subscripted(text, match.start())]
        host = frozenset(_host_names(text)) if named or written else host
        offsets.update(match.start() for match in named if match.group(1) in host)
    starts = source.line_starts
    lines = sorted({bisect_right(starts, offset) for offset in offsets})
    return Candidates([line for line in lines if not _comment(text, starts, line)], host, functions)


def _comment(text: str, starts: Sequence[int], line: int) -> bool:
    return text[starts[line - 1] : starts[line - 1] + 400].lstrip().startswith("#")


def _aliases(text: str, functions: frozenset[str]) -> frozenset[str]:
    """Other names of functions: ``from torch import tensor as T``, ``make = torch.tensor``."""
    found: set[str] = set()
    for match in _AS.finditer(text):
        if text[match.start() - 1] in " \t\n\\":
            named = _NAME_BEFORE.search(text, max(0, match.start() - _REACH), match.start())
            if named is not None and named.group(1) in functions:
                found.add(match.group(1))
    for match in _ASSIGNED.finditer(text):
        if match.group(1) in functions:
            named = _NAME_BEFORE.search(text, max(0, match.start() - _REACH), match.start())
            if named is not None:
                found.add(named.group(1))
    return frozenset(found)


def _subscripted(text: str, bracket: int) -> bool:
    """A bracket that stands behind an expression, which is no type."""
    before = text[bracket - 1] if bracket else " "
    if before in "])":
        return True
    if not (before.isalnum() or before == "_"):
        return False
    start = bracket - 1
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[start:bracket] not in TYPES


def _subscripts(text: str) -> Iterator[int]:
    for match in _WRITTEN_OUT.finditer(text):
        if _subscripted(text, match.start()):
            yield match.start()
    for match in _STORED.finditer(text):
        bracket = match.start()
        start = text.rfind("\n", 0, bracket) + 1
        # A key that is text is that of a dict.
        if text[bracket - 1] not in "\"'" and not _ANNOTATED.match(text, start, bracket + 1):
            yield bracket


def _host_names(text: str) -> Iterator[str]:
    modules = {"np", "numpy", "torch"}
    for match in _ARRAYS.finditer(text):
        before = text[match.start() - 1 : match.start()]
        if not (before.isalnum() or before == "_"):
            modules.add(match.group(1))
    for match in _bound("|".join(sorted(modules))).finditer(text):
        found = _TARGET.search(text, max(0, match.start() - _REACH), match.start())
        if found is not None:
            yield found.group(1)
    for pattern in (_DECLARED, _GROWN):
        for match in pattern.finditer(text):
            found = _NAME_BEFORE.search(text, max(0, match.start() - _REACH), match.start())
            if found is not None:
                yield found.group(1)
