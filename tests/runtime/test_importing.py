"""The import hook: what is planned is fixed, nothing else is touched, and whoever reads source reads the disk."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from tests.runtime.planning import MINOR, PYTHON, Outcome, Planned, run


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def alike(folder: Path, python: Path, plan: Path, arguments: list[str]) -> Outcome:
    """Run plainly and with a plan that changes nothing to be seen, and compare."""
    plain = run(arguments, folder, None, python=python)
    fixed = run(arguments, folder, plan, python=python)
    assert (fixed.out, fixed.err, fixed.code) == (plain.out, plain.err, plain.code)
    assert not fixed.runs.notes
    return fixed


@PYTHON
def test_everything_that_a_module_says_of_itself_stays_true(tmp_path: Path, python: Path) -> None:
    module = write(
        tmp_path / "pack" / "mod.py",
        '''\
        """Doc.

        >>> twice(2)
        4
        """
        from __future__ import annotations
        import functools, pickle

        SCALE = 2


        @functools.lru_cache(
            maxsize=None,
        )
        def twice(n):
            """Doc of twice.

            >>> twice(3)
            6
            """
            return n * SCALE


        class Shape:
            """A shape."""

            @property
            def area(self): return self.missing + SCALE

            def fail(self, größe="é"):
                return größe, {}[self.area if False else größe]


        def gen():
            yield [Shape().fail() for _ in range(1)]
        ''',
    )
    write(tmp_path / "pack" / "__init__.py", "from pack import mod\nfrom .other import X\n")
    write(tmp_path / "pack" / "other.py", "import pack.mod\nX = pack.mod.twice(4)\n")
    write(tmp_path / "pack" / "data.txt", "data")
    script = write(
        tmp_path / "main.py",
        """\
        import doctest, importlib, importlib.resources, importlib.util, inspect, json, linecache
        import pickle, pkgutil, sys, traceback
        import pack
        from pack import mod
        spec, loader = mod.__spec__, mod.__loader__
        def clean(value): return repr(value).split(" at 0x")[0]
        def facts():
            return {
                "spec": [spec.name, spec.origin, spec.cached, spec.parent, spec.has_location, spec.loader is loader],
                "module": {key: clean(value) for key, value in vars(mod).items() if key != "__builtins__"},
                "loader": [type(loader).__name__, loader.path, len(loader.get_data(mod.__file__))],
                "text": loader.get_source("pack.mod"),
                "code": [loader.get_code("pack.mod").co_filename, loader.is_package("pack.mod")],
                "source": [inspect.getsource(item) for item in (mod, mod.twice.__wrapped__, mod.Shape, mod.gen)],
                "lines": [inspect.getsourcelines(mod.Shape.fail), inspect.getsourcefile(mod.gen)],
                "cached": linecache.getlines(mod.__file__),
                "first": [mod.twice.__wrapped__.__code__.co_firstlineno, mod.Shape.fail.__code__.co_firstlineno],
                "pickle": pickle.dumps([mod.Shape(), mod.twice]).hex(),
                "resources": importlib.resources.files("pack").joinpath("data.txt").read_text(),
                "data": pkgutil.get_data("pack", "data.txt").decode(),
                "modules": [item.name for item in pkgutil.iter_modules(pack.__path__)],
                "found": clean(importlib.util.find_spec("pack.mod")),
                "meta": [clean(finder) for finder in sys.meta_path],
                "doctest": doctest.testmod(mod),
                "tests": [(test.name, test.lineno) for test in doctest.DocTestFinder().find(mod)],
                "annotations": mod.Shape.fail.__annotations__,
                "flags": mod.gen.__code__.co_flags,
            }
        first = facts()
        before = mod.Shape
        importlib.reload(mod)
        assert mod.Shape is not before
        json.dump([first, facts(), pack.X], sys.stdout, indent=1)
        try:
            list(mod.gen())
        except KeyError:
            print(traceback.format_exc())
        mod.Shape().area
        """,
    )
    fixes = [
        ("SCALE = 2", "import os as _unseen; del _unseen\nSCALE = (\n  2)"),
        ("n * SCALE", "n * (\n\n\nSCALE)"),
        ("self.area if False else größe", "größe"),
    ]
    plan = Planned(tmp_path, {module: fixes}).write()
    fixed = alike(tmp_path, python, plan, [str(script)])
    assert fixed.runs.loaded == {1, 2, 3}
    assert fixed.runs.ran in (None, frozenset({1, 2, 3}))
    assert "größe, {}[self.area if False else größe]" in fixed.out and fixed.code == 1
    # The plain runs have cached the plain code; nothing of ours has got there, and nothing from there to us.
    changed = Planned(tmp_path, {module: [("SCALE = 2", "SCALE = 3")]}).write()
    assert '"12"' not in (out := run([str(script)], tmp_path, changed, python=python).out)
    assert out.rstrip().splitlines() and "\n 12\n" in out
    assert "\n 8\n" in run([str(script)], tmp_path, None, python=python).out


@PYTHON
@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (
            "# coding: latin-1\nname = 'é'; old = 1\nprint(name, old)\nname; 1 / 0\n".encode("latin-1"),
            "latin-1",
        ),
        (b"\xef\xbb\xbf" + "name = 'é'; old = 1; print(name, old); größe = 1 / 0\n".encode(), "utf-8"),
        ("name = 'é→'\r\nold = 1\r\nprint(name, old)\r\nname, 1 / 0\r\n".encode(), "utf-8"),
        ("name = '''é\r→'''\rold = 1\rprint(repr(name), old)\rname, 1 / 0\r".encode(), "utf-8"),
        ("\fname = 'é'\n\told = 1\n".replace("\t", "").encode() + b"print(name, old)\nold, 1 / 0", "utf-8"),
    ],
    ids=["latin-1", "bom", "crlf", "cr", "no-newline"],
)
def test_encodings_and_line_ends(tmp_path: Path, python: Path, data: bytes, encoding: str) -> None:
    path = tmp_path / "mod.py"
    path.write_bytes(data)
    plan = Planned(tmp_path, {path: [("old = 1", "old = (\n'ñ') and 1")]}, encoding).write()
    for arguments in (["-c", "import mod"], ["mod.py"]):
        fixed = alike(tmp_path, python, plan, arguments)
        assert fixed.runs.loaded == {1} and "ZeroDivisionError" in fixed.err


@PYTHON
def test_ways_to_load_a_file(tmp_path: Path, python: Path) -> None:
    mod = write(
        tmp_path / "space" / "inner" / "mod.py", "import sys\nVALUE = 'plain'\nprint(__name__, VALUE)\n"
    )
    (tmp_path / "linked").symlink_to("space")
    (tmp_path / "space" / "linked.py").symlink_to("inner/mod.py")
    script = write(
        tmp_path / "main.py",
        """\
        import importlib.util, runpy, space.inner.mod, linked.inner.mod, space.linked
        spec = importlib.util.spec_from_file_location("by_file", "space/inner/mod.py")
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        runpy.run_path("space/inner/mod.py", run_name="by_path")
        runpy.run_module("space.inner.mod", run_name="by_module")
        exec(open("space/inner/mod.py").read(), {"__name__": "by_exec"})
        """,
    )
    plan = Planned(tmp_path, {mod: [("'plain'", "'fixed'")]}).write()
    outcome = run(["-W", "ignore::RuntimeWarning", str(script)], tmp_path, plan, python=python)
    assert outcome.out.split("\n")[:-1] == [
        "space.inner.mod fixed",
        "linked.inner.mod fixed",
        "space.linked fixed",
        "by_file fixed",
        "by_path fixed",
        "by_module fixed",
        "by_exec plain",
    ], outcome.err


@PYTHON
def test_what_is_not_planned_is_left_alone(tmp_path: Path, python: Path) -> None:
    mod = write(tmp_path / "a" / "mod.py", "VALUE = 1\n")
    write(tmp_path / "b" / "mod.py", "import marshal\nVALUE = 1\n")
    write(tmp_path / "broken.py", "x = 1\nx = = 2\n")
    write(tmp_path / "failing.py", "import broken\n")
    plan = Planned(tmp_path, {mod: [("1", "2")]}).write()
    code = (
        "import b.mod, sys, os; print(b.mod.VALUE, b.mod.__cached__, os.path.exists(b.mod.__cached__));"
        "import importlib.machinery as m; print(m.SourceFileLoader.get_code.__name__[-8:]); import failing"
    )
    alike(tmp_path, python, plan, ["-c", code])
    assert not (tmp_path / "a" / "__pycache__").exists()
    outcome = run(["-c", "import a.mod; print(a.mod.VALUE)"], tmp_path, plan, python=python)
    assert outcome.out == "2\n"
    assert not (tmp_path / "a" / "__pycache__").exists()


def test_a_file_that_has_changed_and_a_loader_that_compiles(tmp_path: Path) -> None:
    changed = write(tmp_path / "changed.py", "VALUE = 1\n")
    own = write(tmp_path / "own.py", "VALUE = 1\n")
    plan = Planned(tmp_path, {changed: [("1", "2")], own: [("1", "2")]}).write()
    write(changed, "VALUE = 11\n")
    script = write(
        tmp_path / "main.py",
        """\
        import importlib.machinery, importlib.util, changed
        class Loader(importlib.machinery.SourceFileLoader):
            def source_to_code(self, data, path, *, _optimize=-1):
                return super().source_to_code(data.replace(b"1", b"111"), path)
        spec = importlib.util.spec_from_loader("own", Loader("own", "own.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        print(changed.VALUE, module.VALUE)
        """,
    )
    outcome = run([str(script)], tmp_path, plan)
    assert outcome.out == "11 111\n"
    assert [name for name, _ in outcome.runs.notes] == [str(changed), str(own)]
    assert outcome.runs.loaded == frozenset()


@PYTHON
def test_which_fixes_ran(tmp_path: Path, python: Path) -> None:
    mod = write(
        tmp_path / "mod.py",
        """\
        def called(x):
            if x: return "one"
            return "two"
        def never():
            return "three"
        def both(x): return "four" if x else "five"
        """,
    )
    fixes = [(f'"{word}"', f'str("{word}")') for word in ("one", "two", "three", "four", "five")]
    plan = Planned(tmp_path, {mod: fixes}).write()
    code = "import os, mod; mod.called(0); mod.both(1); os._exit(3)"
    outcome = run(["-c", code], tmp_path, plan, python=python)
    assert outcome.code == 3 and outcome.runs.loaded == {1, 2, 3, 4, 5}
    if MINOR[python] < 12:
        assert outcome.runs.ran is None
    else:
        # Lines are what is seen: branches on one line are not told apart.
        assert outcome.runs.ran == frozenset({1, 2, 4, 5})


def test_pytest_rewrites_the_fixed_text(tmp_path: Path) -> None:
    conftest = write(
        tmp_path / "conftest.py",
        "NAME = 'plain'\n\ndef pytest_report_header(config): return 'it is ' + NAME\n",
    )
    test = write(
        tmp_path / "test_it.py",
        """\
        from conftest import NAME

        def value():
            return "plain"

        def test_value():
            assert value() == "fixed" == NAME

        def test_fails():
            größe = 1
            assert [value(), größe] == ["neither", 2], 1 / 0
        """,
    )
    plan = Planned(
        tmp_path, {conftest: [("'plain'", "'fixed'")], test: [('"plain"', '(\n\n"fixed"\n)')]}
    ).write()
    arguments = [
        "-m",
        "pytest",
        "-v",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:h2dlint",
        "--rootdir",
        ".",
        "-c",
        "/dev/null",
    ]
    plain = run(arguments, tmp_path, None)
    caches = sorted((tmp_path / "__pycache__").iterdir())
    stamps = [path.read_bytes() for path in caches]
    assert "2 failed" in plain.out and "it is plain" in plain.out
    for _ in range(2):
        fixed = run(arguments, tmp_path, plan)
        assert "1 failed, 1 passed" in fixed.out and "it is fixed" in fixed.out, fixed.out + fixed.err
        assert "test_it.py:11: ZeroDivisionError" in fixed.out
        assert fixed.runs.loaded == {1, 2} and not fixed.runs.notes
        assert [path.read_bytes() for path in sorted((tmp_path / "__pycache__").iterdir())] == stamps
    assert "2 failed" in run(arguments, tmp_path, None).out


def test_torch_script_and_triton_read_the_disk(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    module = write(
        tmp_path / "kernels.py",
        """\
        import inspect, textwrap, ast
        import torch


        @torch.jit.script
        def scripted(x: torch.Tensor) -> torch.Tensor:
            return x + 1


        class Kernel:
            \"\"\"As triton.JITFunction does it.\"\"\"

            def __init__(self, fn):
                lines, self.first = inspect.getsourcelines(fn)
                self.source = textwrap.dedent("".join(lines))
                self.tree = ast.parse(self.source)
                self.code = fn.__code__.co_firstlineno


        @Kernel
        def kernel(x):
            return x + 1


        def eager(x): return x + 1
        """,
    )
    script = write(
        tmp_path / "main.py",
        """\
        import torch, kernels
        x = torch.zeros(1)
        print(kernels.scripted(x).item(), kernels.eager(x).item())
        print(torch.compile(kernels.eager, backend="eager")(x).item())
        print(torch.jit.trace(kernels.eager, x)(x).item(), torch.jit.script(kernels.eager)(x).item())
        print(kernels.kernel.source.strip(), kernels.kernel.first, kernels.kernel.code, len(kernels.kernel.tree.body))
        """,
    )
    fixes = [("import torch\n", "import torch\nimport os\nimport sys\n")] + [("x + 1", "x + (\n 2)")] * 3
    plan = Planned(tmp_path, {module: fixes}).write()
    outcome = run(["-W", "ignore", str(script)], tmp_path, plan)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == [
        "1.0 2.0",
        "2.0",
        "2.0 1.0",
        "@Kernel",
        "def kernel(x):",
        "    return x + 1 20 20 1",
    ]


def test_a_plan_of_another_version_is_refused(tmp_path: Path) -> None:
    from h2dlint.runtime import importing

    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"kind": importing.KIND, "version": 0, "files": []}), encoding="utf-8")
    with pytest.raises(ValueError, match="no plan of this version"):
        importing.install(plan)
    assert importing.active is None
