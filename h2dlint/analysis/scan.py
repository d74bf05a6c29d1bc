"""A cheap look at one file: its functions and classes, what it imports, and what each function mentions.

The text is scanned by regular expressions and by indentation: nothing is parsed, because a project has thousands of
files that no finding is in. What this gets wrong can change how hot a finding is said to be, and nothing else.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from sys import intern

_QUOTED = re.compile(
    r"""\#[^\n]*|"{3}[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"{3}|'{3}[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'{3}
    |"(?P<a>(?:\\.|[^"\\\n])*)"|'(?P<b>(?:\\.|[^'\\\n])*)'""",
    re.DOTALL | re.VERBOSE,
)
_LINE = re.compile(
    r"^([ \t]*)(?:(?:async[ \t]+)?(def|class|for|while)\b[ \t]*([^\W\d]\w*)?|@([\w.]*)|[^\s)\]}@])",
    re.MULTILINE,
)
_BASES = re.compile(r"[ \t]*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_FROM = re.compile(r"from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|(?:[^\n;\\]|\\\n)*)")
_IMPORT = re.compile(r"import[ \t]+((?:[^\n;\\]|\\\n)*)")
_CHAIN = re.compile(r"[$.]?[^\W\d]\w*(?:\.[^\W\d]\w*)*\(?")
_LAMBDA = re.compile(r"lambda(?<!\wlambda)\b[^\n]*(?:\n[^\n]*)?")
_IGNORED = frozenset(keyword.kwlist) | frozenset(f"{word}(" for word in keyword.kwlist) | {"self", "cls"}
_IGNORED |= {"r", "R", "b", "B", "u", "U", "f", "F", "rb", "br", "fr", "rf", "Rb", "bR"}  # of strings
_HIDDEN = re.compile(r"_\w+")
"""Words with an underscore at their start, and what stands behind the first one in others."""
_TAB = 8


@dataclass(eq=False, slots=True)
class Function:
    """A function or method.

    Args:
        name: ``Class.method``, with the names of enclosing functions in front.
        short: its own name.
        file: that defines it.
        owner: the class whose body defines it.
        outer: the function that it is nested in.
        decorators: dotted, without arguments.
        mentions: dotted names in its body: ``f(`` where it is called, ``f`` where it is not, ``.m(`` on what is not
            a name, ``$f`` for a string that is a name.
        looped: those in its loops.
        served: those in its ``while`` loops, which run as long as there is work.
    """

    name: str
    short: str
    file: File
    owner: Class | None
    outer: Function | None
    decorators: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    looped: tuple[str, ...] = ()
    served: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class Class:
    """A class, its bases as they are written, and its methods."""

    name: str
    file: File
    bases: tuple[str, ...] = ()
    methods: dict[str, Function] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class File:
    """One file.

    Args:
        path: absolute.
        cold: what is mentioned was not looked at.
        functions, classes: by their names, ``Class.method``.
        imports: what a name stands for: a dotted name, with dots in front if relative.
        stars: modules all of whose names are imported.
        mentions: what runs when the file is imported mentions.
        hidden: words of its text, comments and all, that start with an underscore.
    """

    path: str
    cold: bool = False
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    mentions: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()

    def digest(self) -> str:
        """Equal for files of which the same is seen; it begins with ``mark(cold)``."""
        said: list[object] = [sorted(self.hidden), self.mentions]
        for function in self.functions.values():
            said += (function.mentions, function.looped, function.served)
        return mark(self.cold) + _digest([*self._defined(), *said])

    def definitions(self) -> str:
        """Equal for files that define and import the same, whatever they mention."""
        return _digest(self._defined())

    def _defined(self) -> list[object]:
        said: list[object] = [self.cold, list(self.imports.items()), self.stars]
        for function in self.functions.values():
            owner = function.owner.name if function.owner is not None else None
            outer = function.outer.name if function.outer is not None else None
            said += (function.name, owner, outer, function.decorators)
        for cls in self.classes.values():
            said += (cls.name, cls.bases, [(name, method.name) for name, method in cls.methods.items()])
        return said


def mark(cold: bool) -> str:
    """Where a digest begins: a file that is cold for one project may not be for another one around it."""
    return "c" if cold else "w"


def _digest(said: list[object]) -> str:
    return blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


@dataclass(slots=True)
class _Scope:
    indent: int
    function: Function | None
    owner: Class | None = None
    loop: str = ""
    prefix: str = ""


def scan(path: str, text: str, cold: bool = False) -> File:
    """Look at a file.

    Args:
        path: absolute path.
        text: what is in it.
        cold: it is a test, an example or a script: nobody asks what it mentions.
    """
    file = File(path, cold, hidden=_hidden(text))
    text = _QUOTED.sub(_unquoted, text).replace("super().", "super.")
    text = _imports(text, file)
    scopes = [_Scope(-1, None)]
    decorators: list[str] = []
    start = 0
    for match in _LINE.finditer(text):
        space, word, name, decorator = match.groups()
        indent = len(space.expandtabs(_TAB)) if "\t" in space else len(space)
        if indent <= scopes[-1].indent:
            _mention(text[start : match.start()], scopes[-1], file)
            start = match.start()
            while indent <= scopes[-1].indent:
                scopes.pop()
        if decorator is not None:
            decorators.append(decorator)
        if word is None:
            continue
        scope = scopes[-1]
        end = _end_of_line(text, match.end())
        if word in ("for", "while"):
            _mention(text[start:end], scope, file)
            scopes.append(
                _Scope(
                    indent, scope.function, None, scope.loop if scope.loop == "while" else word, scope.prefix
                )
            )
        elif name is not None:
            _mention(text[start : match.start()], scope, file)
            full = intern(scope.prefix + name)
            if word == "def":
                inner = _define(file, scope, full, intern(name), tuple(decorators))
                scopes.append(_Scope(indent, inner, None, "", full + "."))
                # ``def f(): return g()``
                colon = text.rfind(":", match.end(), end)
                end = colon + 1 if colon >= 0 else match.end()
            else:
                bases = _BASES.match(text, match.end())
                if bases is not None:
                    end = max(end, bases.end())
                cls = file.classes.setdefault(full, Class(full, file))
                cls.bases += _names(bases.group(1)) if bases is not None else ()
                scopes.append(_Scope(indent, scope.function, cls, "", full + "."))
            decorators = []
        else:
            continue
        start = end
    _mention(text[start:], scopes[-1], file)
    return file


def share_words(files: Iterable[File | None]) -> None:
    """Let equal words be one: what comes from another process has words of its own."""
    for file in files:
        if file is None:
            continue
        file.mentions = tuple(map(intern, file.mentions))
        file.hidden = frozenset(map(intern, file.hidden))
        for function in file.functions.values():
            function.mentions = tuple(map(intern, function.mentions))
            function.looped = tuple(map(intern, function.looped))
            function.served = tuple(map(intern, function.served))


def _hidden(text: str) -> frozenset[str]:
    """Words that start with an underscore; what stands in front is looked at here, because that is faster."""
    return frozenset(
        intern(match.group())
        for match in _HIDDEN.finditer(text)
        if not text[match.start() - 1 : match.start()].isalnum()
    )


def _define(file: File, scope: _Scope, full: str, name: str, decorators: tuple[str, ...]) -> Function:
    function = file.functions.get(full)
    if function is None:
        function = file.functions[full] = Function(full, name, file, scope.owner, scope.function, decorators)
    if scope.owner is not None:
        scope.owner.methods.setdefault(name, function)
    return function


def _unquoted(match: re.Match[str]) -> str:
    inner = match.group("a") or match.group("b")
    return f"${inner} " if inner is not None and inner.isidentifier() else ""


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1


def _names(bases: str) -> tuple[str, ...]:
    found = (part.partition("[")[0].strip() for part in bases.split(",") if "=" not in part)
    return tuple(intern(name) for name in found if name and name.replace(".", "").isidentifier())


def _mention(text: str, scope: _Scope, file: File) -> None:
    if file.cold:
        return
    found = set(_CHAIN.findall(text))
    if "lambda" in text:
        # What a lambda calls is called later, by whoever it is given to.
        found.update(c.rstrip("(") for part in _LAMBDA.findall(text) for c in _CHAIN.findall(part))
    found -= _IGNORED
    if not found:
        return
    chains = tuple(map(intern, sorted(found)))
    if scope.function is None:
        file.mentions += chains
        return
    scope.function.mentions += chains
    if scope.loop:
        scope.function.looped += chains
    if scope.loop == "while":
        scope.function.served += chains


def _imports(text: str, file: File) -> str:
    """Write down what a file imports; the text without it."""

    def names(match: re.Match[str]) -> str:
        if not _starts_line(match):
            return match.group()
        module = match.group(1)
        joint = "" if module.endswith(".") else "."
        for part in match.group(2).strip("()").replace("\\\n", " ").split(","):
            name, _, alias = part.strip().partition(" as ")
            name = name.strip()
            if name == "*":
                file.stars.append(module)
            elif name.isidentifier():
                file.imports.setdefault(intern(alias.strip() or name), f"{module}{joint}{name}")
        return ""

    def modules(match: re.Match[str]) -> str:
        if not _starts_line(match):
            return match.group()
        for part in match.group(1).replace("\\\n", " ").split(","):
            name, _, alias = part.strip().partition(" as ")
            if alias:
                file.imports.setdefault(intern(alias.strip()), name.strip())
            elif name.replace(".", "").isidentifier():
                root = name.strip().partition(".")[0]
                file.imports.setdefault(intern(root), root)
        return ""

    return _IMPORT.sub(modules, _FROM.sub(names, text))


def _starts_line(match: re.Match[str]) -> bool:
    start = match.start()
    return not match.string[match.string.rfind("\n", 0, start) + 1 : start].strip(" \t")
