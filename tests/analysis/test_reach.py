"""How often code runs, by the calls of the whole project."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from h2dlint.analysis.bodies import Bodies
from h2dlint.analysis.outline import outline
from h2dlint.analysis.scan import scan
from h2dlint.engine.files import SourceFile
from h2dlint.engine.runner import lint_files
from h2dlint.engine.settings import Settings
from h2dlint.model import Options
from h2dlint.syntax.source import SourceText

Verdicts = Callable[..., dict[str, str]]
COPY = "torch.tensor([1, 2], device='cuda')"


@pytest.fixture
def verdicts(tmp_path: Path) -> Verdicts:
    """What is said of the copies in a project's file, by function."""

    def run(
        files: Mapping[str, str], name: str = "a.py", follow: bool = True, entry_points: tuple[str, ...] = ()
    ) -> dict[str, str]:
        (tmp_path / "pyproject.toml").write_text("")
        (tmp_path / ".git").mkdir(exist_ok=True)
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text("import torch\n" + text.replace("COPY", COPY))
        settings = Settings(follow_imports=follow, cold=True, options=Options(entry_points=entry_points))
        report = lint_files([SourceFile(name, tmp_path / name)], settings)
        assert not report.errors
        return {finding.function or "": finding.evidence[-1] if finding.evidence[-1].startswith(
            ("hot", "warm", "cold")) else next(e for e in finding.evidence if e.startswith(("hot", "warm", "cold")))
            for finding in report.findings}  # fmt: skip

    return run


HELPER = "def helper():\n    return COPY\n"
METHOD = "class Pool:\n    def upload_rows(self):\n        return COPY\n"


def test_reached_from_another_file(verdicts: Verdicts) -> None:
    b = """
from a import helper
class Engine:
    def run_batch(self):
        self.prepare()
    def prepare(self):
        helper()
"""
    assert verdicts({"a.py": HELPER, "b.py": b}) == {
        "helper": "hot: reached from Engine.run_batch -> Engine.prepare"
    }
    assert verdicts({"a.py": HELPER, "b.py": b}, follow=False) == {
        "helper": "warm: called from code that was not seen"
    }


@pytest.mark.parametrize(
    "b",
    [
        "import a\ndef forward():\n    a.helper()\n",
        "from a import helper as h\ndef forward():\n    h()\n",
        "from a import *\ndef forward():\n    helper()\n",
        "from a import helper\ndef forward():\n    defer(helper)\n",
        "def forward():\n    from a import helper\n    return helper()\n",
        "from a import (\n    other,\n    helper,\n)\ndef forward():\n    x = helper(\n    )\n",
    ],
)
def test_names_are_followed_through_imports(verdicts: Verdicts, b: str) -> None:
    assert verdicts({"a.py": HELPER, "b.py": b})["helper"] == "hot: reached from forward"


@pytest.mark.parametrize(
    "b",
    [
        "def forward():\n    helper()\n",
        "from gone import helper\ndef forward():\n    helper()\n",
        "def forward():\n    return 'helper()'  # helper()\n",
        "from a import helper\ndef test_it():\n    helper()\n",
    ],
)
def test_what_is_not_called_is_not_reached(verdicts: Verdicts, b: str) -> None:
    assert not verdicts({"a.py": HELPER, "b.py": b})["helper"].startswith("hot")


def test_methods_of_unknown_objects(verdicts: Verdicts) -> None:
    b = "def forward(pool):\n    pool.upload_rows()\n"
    others = "".join(f"class P{i}:\n    def upload_rows(self):\n        pass\n" for i in range(4))
    assert verdicts({"a.py": METHOD, "b.py": b}) == {"Pool.upload_rows": "hot: reached from forward"}
    assert verdicts({"a.py": METHOD, "b.py": b, "c.py": others})["Pool.upload_rows"].startswith("warm")
    common = METHOD.replace("upload_rows", "update")
    assert verdicts({"a.py": common, "b.py": "def forward(pool):\n    pool.update()\n", "c.py": ""})[
        "Pool.update"
    ].startswith("warm")


def test_a_function_of_a_library_is_not_a_method_of_ours(verdicts: Verdicts) -> None:
    b = "import torch.nn.functional as F\ndef forward(x):\n    return F.upload_rows(x)\n"
    assert verdicts({"a.py": METHOD, "b.py": b})["Pool.upload_rows"].startswith("warm")


def test_methods_across_base_classes(verdicts: Verdicts) -> None:
    base = "class Base:\n    def fetch_rows(self):\n        return COPY\n"
    b = "from a import Base\nclass Own(Base):\n    def forward(self):\n        self.fetch_rows()\n"
    assert verdicts({"a.py": base, "b.py": b}) == {"Base.fetch_rows": "hot: reached from Own.forward"}
    own = "from b import Base\nclass Own(Base):\n    def fetch_rows(self):\n        return COPY\n"
    b = "class Base:\n    def forward(self):\n        self.fetch_rows()\n    def fetch_rows(self):\n        pass\n"
    assert verdicts({"a.py": own, "b.py": b}) == {"Own.fetch_rows": "hot: reached from Base.forward"}
    mixin = "class Mixin:\n    def forward(self):\n        self.fetch_rows()\n"
    c = "from a import Base\nfrom b import Mixin\nclass Made(Mixin, Base):\n    pass\n"
    assert verdicts({"a.py": base, "b.py": mixin, "c.py": c}) == {
        "Base.fetch_rows": "hot: reached from Mixin.forward"
    }


def test_loops(verdicts: Verdicts) -> None:
    b = "from a import helper\ndef work(xs):\n    for x in xs:\n        helper()\n"
    assert verdicts({"a.py": HELPER, "b.py": b}) == {"helper": "hot: called in a loop of work"}
    b = "from a import helper\ndef serve():\n    while True:\n        once()\ndef once():\n    helper()\n"
    assert verdicts({"a.py": HELPER, "b.py": b}) == {"helper": "hot: reached from serve -> once"}
    b = "from a import helper\ndef load_weights(xs):\n    for x in xs:\n        helper()\n"
    assert verdicts({"a.py": HELPER, "b.py": b}) == {"helper": "cold: called only from load_weights"}


def test_called_only_from_cold_code(verdicts: Verdicts) -> None:
    b = "from a import helper\nclass Model:\n    def __init__(self):\n        {}\n"
    assert verdicts({"a.py": HELPER, "b.py": b.format("helper()")}) == {
        "helper": "cold: called only from Model.__init__"
    }
    # Handed on, it may be called by anything; so where its name is a string, or where it is exported.
    assert verdicts({"a.py": HELPER, "b.py": b.format("self.f = helper")})["helper"].startswith("warm")
    assert verdicts({"a.py": HELPER, "b.py": b.format("self.f = lambda x: helper()")})["helper"].startswith(
        "warm"
    )
    more = {"a.py": HELPER, "b.py": b.format("helper()")}
    assert verdicts({**more, "c.py": "__all__ = ['helper']\n"})["helper"].startswith("warm")
    assert verdicts({**more, "c.py": "from a import helper\ndef work():\n    helper()\n"})[
        "helper"
    ].startswith("warm")


def test_tests_say_nothing(verdicts: Verdicts) -> None:
    test = "from a import helper\ndef forward():\n    helper()\n"
    assert verdicts({"a.py": HELPER, "tests/test_a.py": test})["helper"].startswith("warm")


def test_cold_names_win(verdicts: Verdicts) -> None:
    a = "def warmup():\n    return COPY\n"
    b = "from a import warmup\ndef forward():\n    warmup()\n"
    assert verdicts({"a.py": a, "b.py": b})["warmup"].startswith("cold")


def test_capture_is_cold(verdicts: Verdicts) -> None:
    a = """
class {}:
    def capture(self):
        for n in sizes:
            self.capture_one(n)
    def capture_one(self, n):
        COPY
"""
    assert verdicts({"a.py": a.format("GraphRunner")})["GraphRunner.capture_one"].startswith("cold")
    assert verdicts({"a.py": a.format("Camera")})["Camera.capture_one"].startswith("hot")


def test_made_per_step(verdicts: Verdicts) -> None:
    a = "class Batch{}:\n    def __init__(self):\n        self.x = COPY\n"
    b = "from a import Batch\ndef forward():\n    return Batch()\n"
    assert verdicts({"a.py": a.format(""), "b.py": b})["Batch.__init__"] == "hot: reached from forward"
    assert verdicts({"a.py": a.format("(torch.nn.Module)"), "b.py": b})["Batch.__init__"].startswith("cold")


def test_entry_points_of_the_configuration(verdicts: Verdicts) -> None:
    b = "from a import helper\ndef tick():\n    helper()\n"
    assert verdicts({"a.py": HELPER, "b.py": b}, entry_points=("tick",))["helper"] == "hot: reached from tick"


def test_verdicts_do_not_depend_on_the_files_that_are_linted(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a.py").write_text("import torch\n" + HELPER.replace("COPY", COPY))
    (tmp_path / "b.py").write_text(
        f"import torch\nfrom a import helper\ndef forward():\n    return helper(), {COPY}\n"
    )
    files = [SourceFile(name, tmp_path / name) for name in ("a.py", "b.py")]
    found = [
        [repr(f) for f in lint_files(chosen, Settings()).findings if f.path == "a.py"]
        for chosen in (files, files[::-1], files[:1])
    ]
    assert found[0] and found[0] == found[1] == found[2]


TRICKY = '''
def one(a, b="def no(): pass"):
    """
def nor():
    this
    """
    x = [
for_this
    ]
    class Inner(Base, metaclass=Meta):
        async def two(self): return self.three(1)
        @property
        def four(self):
            def five(): pass
            return f"{five()}" + r\'\'\'def six(): \'\'\'
    return x
@decorated(
    1)
class Other(
    pkg.Base[int],
):
\tdef seven(self,
\t\tx): return x
'''


def test_a_scan_finds_what_parsing_finds() -> None:
    file = scan("a.py", TRICKY.replace("for_this", "        for_this"))
    tree = outline(ast.parse(TRICKY.replace("for_this", "        for_this")))
    assert set(file.functions) == {function.name for function in tree.functions}
    assert set(file.classes) == {cls.name for cls in tree.class_by_node.values()}
    assert file.classes["Other"].bases == ("pkg.Base",)
    assert "self.three(" in file.functions["one.Inner.two"].mentions


def test_scan_of_this_repository() -> None:
    for path in sorted(Path(__file__).parents[2].glob("h2dlint/**/*.py")):
        text = path.read_text()
        assert set(scan(str(path), text).functions) == {f.name for f in outline(ast.parse(text)).functions}, (
            path
        )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_bodies_come_back_as_they_were(newline: str) -> None:
    text = Path(__file__).read_text() + TRICKY
    source = SourceText(text.replace("\n", newline))
    whole, dropped = (outline(ast.parse(source.text)) for _ in range(2))
    Bodies(source, dropped).settle()
    assert not dropped.tree.body
    kept = [function for function in whole.functions if function.parent is None]
    assert [function.name for function in dropped.functions] == [function.name for function in kept]
    for before, after in zip(kept, list(dropped.functions), strict=True):
        assert not after.node.body
        assert after.gives == before.gives
        after.load()
        assert ast.dump(after.node, include_attributes=True) == ast.dump(before.node, include_attributes=True)
