"""Call graphs from what an earlier run kept say what graphs made anew say, whatever was edited in between."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from h2dlint.analysis.lookup import Lookup
from h2dlint.analysis.reach import CallGraph
from h2dlint.analysis.scan import File, scan
from h2dlint.engine.graphs import Graphs
from h2dlint.engine.ledger import Ledger
from h2dlint.engine.materials import Materials
from h2dlint.engine.modules import Projects
from h2dlint.engine.scans import packed, unpacked

FUNCTIONS = (
    "forward",
    "step",
    "load_weights",
    "helper",
    "_private",
    "_other",
    "build",
    "decode_batch",
    "__init__",
)
CLASSES = ("Model", "Layer", "Base")
OUTSIDE = (
    "shortcut",
    "a.shortcut",
    "torch.zeros",
    "x.view",
    "unknown",
    "np.array",
    "self.nothing",
    "logger.info",
)
MODULES = ("a", "b", "c", "sub.d", "sub.e")


def body(draw: random.Random) -> list[str]:
    """Statements that mention functions of the project, others, and words with underscores."""
    lines = []
    for _ in range(draw.randrange(1, 4)):
        name = draw.choice(FUNCTIONS + CLASSES + OUTSIDE)
        form = draw.choice(
            (
                "{}()",
                "self.{}()",
                "x.{}()",
                "a.{}",
                "run({})",
                "'{}'",
                "super().{}()",
                "w = {0}({0}())",
                "(lambda: {}())",
            )
        ).format(name.rpartition(".")[2] if draw.random() < 0.5 else name)
        loop = draw.choice(("", "", "for i in xs: ", "while True: "))
        lines.append(loop + form)
    if draw.random() < 0.3:
        lines.append(draw.choice(("_word = 1", "_seen = x._word", "v = '_private'", "pass  # _seen")))
    return lines


def module(draw: random.Random) -> str:
    """A module with functions and classes of few names."""
    lines = []
    for other in draw.sample(MODULES, draw.randrange(3)):
        lines.append(
            draw.choice(
                (
                    f"from pkg.{other} import {draw.choice(FUNCTIONS)}",
                    f"from pkg.{other} import {draw.choice(CLASSES)}",
                    f"from pkg.{other} import {draw.choice(FUNCTIONS + CLASSES)} as shortcut",
                    f"from pkg import {other.partition('.')[0]}",
                    f"from pkg.{other} import *",
                    f"import pkg.{other} as a",
                    "import torch",
                )
            )
        )
    for name in draw.sample(FUNCTIONS, draw.randrange(3)):
        if draw.random() < 0.2:
            lines.append("@functools.lru_cache")
        lines += [f"def {name}(self, x, xs):", *("    " + line for line in body(draw))]
        if draw.random() < 0.2:
            lines += [f"    def {draw.choice(FUNCTIONS)}():", "        " + body(draw)[0]]
    for name in draw.sample(CLASSES, draw.randrange(3)):
        lines.append(f"class {name}({draw.choice((*CLASSES, 'nn.Module', 'a.Base'))}):")
        for method in draw.sample(FUNCTIONS, draw.randrange(1, 3)):
            lines += [f"    def {method}(self, x, xs):", *("        " + line for line in body(draw))]
    lines += body(draw)[:1]
    return "\n".join(lines) + "\n"


def edited(text: str, draw: random.Random) -> str:
    """A small change: a line more, a line less, another one, or a comment; now and then another module altogether."""
    lines = text.split("\n")[:-1]
    place = draw.randrange(len(lines)) if lines else 0
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())] if lines else ""
    kind = draw.random()
    if kind < 0.1:
        return module(draw)
    if kind < 0.3 and lines:
        del lines[place]
    elif kind < 0.5:
        lines.insert(place, indent + "# " + draw.choice(("nothing", "_word", "_seen", "_rare")))
    else:
        lines.insert(place, indent + draw.choice(body(draw)))
    return "\n".join(lines) + "\n"


class Runs:
    """Runs over a project, one after the other, with a cache as ``Cache`` has it."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root, self.cache = root, cache
        self.looks: dict[str, tuple[str, str]] = {}

    def graph(self) -> CallGraph:
        """The graph of now, as the next run gets it."""
        ledger = Ledger()
        graphs = Graphs(self.cache, "1", ledger)
        graphs.scan = self.known
        graph = graphs.projects.project.calls(str(self.root), ())
        projects = Projects()
        for path in projects.paths(str(self.root)):
            look = ledger.scans.get(path) or projects.look(path, str(self.root))
            assert look == projects.look(path, str(self.root))
            self.looks[path] = (Path(path).read_text(), str(look))
        return graph

    def known(self, path: str) -> str | None:
        """What was seen of a file, where it is as it was."""
        text, look = self.looks.get(path, ("", ""))
        return look if look and Path(path).is_file() and Path(path).read_text() == text else None


def same(graph: CallGraph, root: Path) -> None:
    """A graph answers all that can be asked as one made anew."""
    projects = Projects()
    anew = projects.project.calls(str(root), ())
    for path in projects.paths(str(root)):
        file = projects.scan(path, str(root))
        assert file is not None
        for name in file.functions:
            assert graph.of(path, name) == anew.of(path, name), (path, name)
        for word in (*file.hidden, "_word", "_seen", "_rare", "_private", "_never"):
            assert graph.private(path, word) == anew.private(path, word), (path, word)


def project(tmp_path: Path, draw: random.Random) -> Path:
    """A project of a few modules."""
    root = tmp_path / "project"
    (root / "pkg/sub").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "pyproject.toml").write_text("")
    for name in ("pkg/__init__.py", "pkg/sub/__init__.py", "tests/test_it.py"):
        (root / name).write_text(module(draw) if draw.random() < 0.5 else "")
    for name in MODULES:
        (root / "pkg" / (name.replace(".", "/") + ".py")).write_text(module(draw))
    return root


@pytest.mark.parametrize("seed", range(12))
def test_edits_change_a_kept_graph_as_they_change_a_new_one(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    root = project(tmp_path, draw)
    runs = Runs(root, tmp_path / "cache")
    same(runs.graph(), root)
    history: list[dict[Path, str]] = []
    for step in range(40):
        files = sorted(root.rglob("*.py"))
        for path in draw.sample(files, draw.choice((1, 1, 1, 2))):
            path.write_text(edited(path.read_text(), draw))
        if draw.random() < 0.05:
            draw.choice(files).unlink()
        if draw.random() < 0.05:
            (root / "pkg" / f"new{step}.py").write_text(module(draw))
        if history and draw.random() < 0.3:
            # One file, or all of them, as it was some time ago.
            then = draw.choice(history[-4:])
            for path in draw.choice((list(then), [draw.choice(list(then))])):
                path.write_text(then[path])
        history.append({path: path.read_text() for path in root.rglob("*.py")})
        same(runs.graph(), root)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_seen_of_files_comes_back_as_it_was(tmp_path: Path, seed: int) -> None:
    root = project(tmp_path, random.Random(seed))
    files = Projects().project._modules.scans(str(root), {})
    back = unpacked(packed(files))
    assert [file.path for file in back] == [file.path for file in files]
    assert [file.digest() for file in back] == [file.digest() for file in files]


def test_functions_and_classes_of_one_name_come_back(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "def A():\n    def b(): pass\nclass A:\n    def b(self): c()\n    def b(self): d()\n"
        "def f():\n    class K:\n        def m(self):\n            def n(): pass\n"
    )
    files = Projects().project._modules.scans(str(tmp_path), {})
    back = unpacked(packed(files))
    assert [file.digest() for file in back] == [file.digest() for file in files]
    assert list(back[0].functions) == ["A", "A.b", "f", "f.K.m", "f.K.m.n"]


@pytest.mark.parametrize("kind", ["scans", "edges"])
def test_what_is_damaged_counts_as_not_there(tmp_path: Path, kind: str) -> None:
    draw = random.Random(1)
    root = project(tmp_path, draw)
    runs = Runs(root, tmp_path / "cache")
    runs.graph()
    (path,) = (tmp_path / "cache").glob(f"{kind}-*")
    data = path.read_bytes()
    for damaged in (b"", data[:-3], data[: len(data) // 2] + b"?" + data[len(data) // 2 + 1 :]):
        path.write_bytes(damaged)
        first = root / "pkg/a.py"
        first.write_text(first.read_text() + f"n{len(damaged)}()\n")
        same(runs.graph(), root)


def test_an_edit_has_one_file_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path, random.Random(2))
    runs = Runs(root, tmp_path / "cache")
    runs.graph()
    (root / "pkg/a.py").write_text((root / "pkg/a.py").read_text() + "def another():\n    forward()\n")
    looked: list[str] = []

    def noted(path: str, text: str, cold: bool) -> File:
        looked.append(path)
        return scan(path, text, cold)

    monkeypatch.setattr("h2dlint.engine.modules.scan", noted)
    graphs = Graphs(tmp_path / "cache", "1", Ledger())
    graphs.scan = runs.known
    graphs.projects.project.calls(str(root), ())
    assert set(looked) == {str(root / "pkg/a.py")}


def test_an_edit_that_names_nothing_of_the_project_leaves_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tmp_path, random.Random(2))
    text = "import torch\n\n\ndef helper(x):\n    return torch.zeros(_count)\n\n\n"
    (root / "pkg/a.py").write_text(text)
    runs = Runs(root, tmp_path / "cache")
    runs.graph()
    made: list[object] = []
    lookup = Lookup.__init__

    def noted(self: Lookup, *rest: Any) -> None:
        made.append(self)
        lookup(self, *rest)

    monkeypatch.setattr(Lookup, "__init__", noted)
    for more in ("torch.ones()\n", "y = x.relu(2)\n_mine = 1\n", "_mine = 2\n", ""):
        (root / "pkg/a.py").write_text(text + more)
        graph = runs.graph()
        assert not made
        same(graph, root)
        made.clear()
    (root / "pkg/a.py").write_text(text + "helper()\n")
    runs.graph()
    assert made


def test_a_damaged_number_is_noticed(tmp_path: Path) -> None:
    root = project(tmp_path, random.Random(3))
    runs = Runs(root, tmp_path / "cache")
    runs.graph()
    ledger = Ledger()
    files = Projects(ledger).project._modules.scans(str(root), {})
    (edges,) = (tmp_path / "cache").glob("edges-*")
    kept = Materials(Path("none"), edges, ledger, lambda path: None)
    assert kept.edges(files) is not None
    # As if another file had come or gone.
    assert kept.edges(files[1:]) is None
