"""Looking over a repository: how it pins memory and uploads data, and what forbids to do it by hand."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from h2dlint.analysis.habits import Habits, read_habits
from h2dlint.analysis.heat import Names, cold_by_name, cold_by_path
from h2dlint.analysis.uploaders import Uploader
from h2dlint.engine.files import Discovery
from h2dlint.engine.modules import Projects
from h2dlint.engine.quiet import quiet
from h2dlint.syntax.source import SourceText

_TELLING = (b"pin_memory", b"non_blocking", b"inference_mode", b"no_grad")
_WATCHED = (
    ".pre-commit-config.yaml",
    ".pre-commit-config.yml",
    "pyproject.toml",
    "ruff.toml",
    ".ruff.toml",
    "setup.cfg",
    "tox.ini",
    ".flake8",
    ".semgrep.yml",
    ".semgrep.yaml",
)
_SCRIPT = re.compile(r"[\w./-]+\.(?:py|sh)\b")
_PIN = re.compile(r"pin_memory|is_pinned|pinned memory", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was seen."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(slots=True)
class Predicate:
    """What decides whether memory is pinned.

    Args:
        kind: ``call``, ``constant`` or ``attribute``.
        expression: as it would be written, with ``{device}`` where it asks for a device.
        statement: the import that it needs; empty where it needs none.
        places: where it is used.
        defined: where it is defined, if that is in the project.
    """

    kind: str
    expression: str
    statement: str
    places: list[Place] = field(default_factory=list)
    defined: Place | None = None


@dataclass(slots=True)
class Helper:
    """A function that uploads.

    Args:
        uploader: what it does.
        module: dotted name of the module that it is imported from.
        place: where it is defined.
        calls: how often it is called.
        template: of a call.
    """

    uploader: Uploader
    module: str
    place: Place
    calls: int = 0
    template: str = ""

    @property
    def usable(self) -> str:
        """Why a fix could not call it; empty if it could."""
        odd = self.uploader.odd
        if self.uploader.name.startswith("_"):
            return "its name says that it is private to its module"
        if odd:
            return f"it needs {', '.join(odd)}, of which a fix knows nothing"
        if self.uploader.device is None:
            return "it takes no device"
        return self.uploader.alters


@dataclass(slots=True)
class Survey:
    """What was seen, each list with the most used first."""

    files: int = 0
    helpers: list[Helper] = field(default_factory=list)
    predicates: list[Predicate] = field(default_factory=list)
    literal: list[Place] = field(default_factory=list)
    entries: list[tuple[str, Place]] = field(default_factory=list)
    hooks: list[tuple[Place, str]] = field(default_factory=list)


def survey(found: Discovery, root: Path, progress: Callable[[int, int], None] | None = None) -> Survey:
    """Look over the files of a repository.

    Args:
        found: its Python files.
        root: absolute path of its top.
        progress: called after each file with the number done and the number of all.
    """
    surveyor = _Surveyor(root, [file.location for file in found.files])
    for done, file in enumerate(found.files, 1):
        surveyor.read(file.location)
        if progress is not None:
            progress(done, len(found.files))
    result = surveyor.result()
    result.files = len(found.files)
    result.hooks = _hooks(root)
    return result


class _Surveyor:
    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self._root = root
        self._files = files
        self._project = Projects().project
        self._read: list[tuple[Path, Habits]] = []
        self._names = Names()

    def read(self, location: Path) -> None:
        """Read one file, if anything in it can tell something."""
        try:
            data = location.read_bytes()
            if not any(word in data for word in _TELLING):
                return
            with quiet():
                tree = ast.parse(SourceText.from_bytes(data).text)
        except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            return
        self._read.append((location, read_habits(tree)))

    def shown(self, location: Path) -> str:
        try:
            return location.relative_to(self._root).as_posix()
        except ValueError:
            return str(location)

    def module_of(self, location: Path) -> str:
        """The dotted name by which the project imports a file."""
        parts = [location.stem] if location.stem != "__init__" else []
        folder = location.parent
        while (folder / "__init__.py").is_file() and folder != folder.parent:
            parts.append(folder.name)
            folder = folder.parent
        inside = len(folder.parts) >= len(self._root.parts)
        # Packages without ``__init__.py``, up to a folder that holds sources and is none itself.
        while (
            inside
            and folder != self._root
            and folder.name.isidentifier()
            and folder.name not in ("src", "python", "lib")
        ):
            parts.append(folder.name)
            folder = folder.parent
        return ".".join(reversed(parts))

    def result(self) -> Survey:
        result = Survey()
        result.predicates = self._predicates()
        result.helpers = self._helpers()
        for location, habits in self._read:
            if cold_by_path(self.shown(location)):
                continue
            result.literal += [Place(self.shown(location), line) for line in habits.literal]
            for name, line in habits.stepping:
                owner, _, short = name.rpartition(".")
                known = self._names.entry(short, name) or cold_by_name(short, name, owner, ())
                if not known and not short.startswith("__"):
                    result.entries.append((name, Place(self.shown(location), line)))
        called = sum((habits.methods for _, habits in self._read), Counter[str]())
        result.entries.sort(key=lambda entry: (-called[entry[0].rpartition(".")[2]], str(entry[1])))
        return result

    def _predicates(self) -> list[Predicate]:
        found: dict[tuple[str, str], Predicate] = {}
        origins: dict[tuple[str, str], Counter[str]] = {}
        shapes: dict[tuple[str, str], Counter[str]] = {}
        for location, habits in self._read:
            if cold_by_path(self.shown(location)):
                continue
            for pin in habits.pins:
                root, dot, rest = pin.expression.partition(".")
                bare = root.partition("(")[0]
                if pin.kind == "attribute":
                    key = ("", pin.expression)
                    origin = ""
                else:
                    origin = pin.origin or f"{self.module_of(location)}.{bare}"
                    definer = self._definer(location, origin)
                    # One and the same, by whatever name it was imported.
                    key = (definer or origin, f"{dot}{rest}".partition("(")[0])
                    name = origin.rpartition(".")[2]
                    shape = f"{name}{pin.expression[len(bare) :]}"
                    shapes.setdefault(key, Counter())[shape] += 1
                    if pin.origin and not pin.origin.startswith("."):
                        origins.setdefault(key, Counter())[origin] += 1
                predicate = found.setdefault(key, Predicate(pin.kind, pin.expression, ""))
                predicate.places.append(Place(self.shown(location), pin.line))
        for key, predicate in found.items():
            if predicate.kind == "attribute":
                continue
            origin = origins[key].most_common(1)[0][0] if key in origins else key[0].partition("|")[0]
            predicate.expression = shapes[key].most_common(1)[0][0]
            module, _, name = origin.rpartition(".")
            if module:
                predicate.statement = f"from {module} import {name}"
            else:
                predicate.statement = "" if name == "torch" else f"import {name}"
            predicate.defined = self._place_of(key[0])
        return sorted(found.values(), key=lambda p: (-len(p.places), p.expression))

    def _definer(self, location: Path, origin: str) -> str | None:
        """Where a name is defined, as ``dotted.name|file``; ``None`` outside of the project."""
        module, _, name = origin.rpartition(".")
        if origin.startswith(".") and not module.strip("."):
            module = "." * (len(origin) - len(origin.lstrip(".")))
            name = origin.lstrip(".")
        found = self._project.definer(str(location), module, name) if module and name else None
        if found is None:
            return None
        return f"{self.module_of(Path(found[0]))}.{found[1]}|{found[0]}"

    def _place_of(self, key: str) -> Place | None:
        dotted, _, path = key.partition("|")
        if not path:
            return None
        name = dotted.rpartition(".")[2]
        tree = self._project.tree(path, path)
        for node in tree.body if tree is not None else ():
            names = [node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else [
                target.id for target in getattr(node, "targets", [getattr(node, "target", None)])
                if isinstance(target, ast.Name)]  # fmt: skip
            if name in names:
                return Place(self.shown(Path(path)), node.lineno)
        return Place(self.shown(Path(path)), 1)

    def _helpers(self) -> list[Helper]:
        defined: dict[tuple[str, str], Helper] = {}
        for location, habits in self._read:
            shown = self.shown(location)
            if cold_by_path(shown):
                continue
            for uploader in habits.uploaders:
                module = self.module_of(location)
                place = Place(shown, uploader.line)
                defined[str(location), uploader.name] = Helper(uploader, module, place)
        if not defined:
            return []
        keywords: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in defined}
        origins: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in defined}
        names = {name for _, name in defined}
        for location, habits in self._callers(names):
            for called in habits.called:
                if called.name not in names:
                    continue
                key = (str(location), called.name)
                if called.origin:
                    found = self._project.definer(str(location), called.origin, called.name)
                    key = found if found is not None else key
                if key in defined:
                    defined[key].calls += 1
                    keywords[key].update(called.keywords)
                    if called.origin and not called.origin.startswith("."):
                        origins[key][called.origin] += 1
        for key, helper in defined.items():
            often = {name for name, count in keywords[key].items() if count * 2 > helper.calls}
            helper.template = helper.uploader.call(frozenset(often))
            if origins[key]:
                helper.module = origins[key].most_common(1)[0][0]
        return sorted(defined.values(), key=lambda h: (bool(h.usable), -h.calls, str(h.place)))

    def _callers(self, names: set[str]) -> list[tuple[Path, Habits]]:
        """The files that may call one of the helpers: also those in which nothing else was telling."""
        known = {location for location, _ in self._read}
        words = [name.encode() for name in names]
        found = list(self._read)
        for location in self._files:
            if location in known:
                continue
            try:
                data = location.read_bytes()
                if not any(word in data for word in words):
                    continue
                with quiet():
                    tree = ast.parse(SourceText.from_bytes(data).text)
            except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            found.append((location, read_habits(tree)))
        return found


def _hooks(root: Path) -> list[tuple[Place, str]]:
    """Lines of the repository's checks that speak of pinning: hooks, lint settings and the scripts that they run."""
    found: list[tuple[Place, str]] = []
    scripts: set[str] = set()
    for name in _WATCHED:
        text = _text(root / name)
        if text is None:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if "h2dlint" in text and name == "pyproject.toml" and re.match(r"\s*pin-memory|\s*helper", line):
                continue
            if _PIN.search(line):
                found.append((Place(name, number), line.strip()))
            if name.startswith(".pre-commit"):
                scripts.update(_SCRIPT.findall(line))
    for script in sorted(scripts):
        text = _text(root / script) if not script.startswith("/") else None
        for number, line in enumerate((text or "").splitlines(), 1):
            if _PIN.search(line):
                found.append((Place(script, number), line.strip()))
                break
    return found


def _text(path: Path) -> str | None:
    try:
        if path.stat().st_size > 1 << 20:
            return None
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return None
