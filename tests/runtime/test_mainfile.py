"""A script under the import hook is what it is in a plain run, on every Python there is here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtime.planning import MINOR, PYTHON, Outcome, Planned, run

PROBE = '''\
"""What the program says of itself."""
from __future__ import annotations
import atexit, collections, gc, inspect, json, linecache, os, pickle, sys, warnings


class Point:
    def __init__(self, x):
        self.x = x


def worker(n):
    return [n, VALUE, __name__, Point(n).x, worker.__module__]


VALUE = "plain"
if __name__ == "__main__":
    atexit.register(lambda: print("at exit", "__file__" in globals(), "__cached__" in globals()))


def say():
    names = {name: repr(value) for name, value in globals().items() if name not in ("VALUE", "names")}
    names = {name: text.split(" at 0x")[0] for name, text in names.items()}
    loader = __loader__
    VALUE_LINE = 1 + open(__file__).read().split('VALUE = "plain"')[0].count("\\n")
    facts = {
        "names": names,
        "order": list(globals())[:10],
        "file": __file__,
        "doc": __doc__,
        "argv": sys.argv,
        "path": sys.path,
        "orig": sys.orig_argv[1:],
        "hooks": [getattr(hook, "__qualname__", repr(hook)) for hook in sys.path_hooks],
        "meta": [repr(finder).split(" at 0x")[0] for finder in sys.meta_path],
        "cache": sorted(key for key in sys.path_importer_cache if key.endswith(".py")),
        "builtins": type(__builtins__).__name__,
        "loader": [type(loader).__name__, loader.name, loader.path],
        "text": loader.get_source("__main__") == open(__file__).read(),
        "source": [inspect.getsource(say), inspect.getsource(Point), inspect.getsourcefile(worker)],
        "line": linecache.getline(__file__, VALUE_LINE),
        "first": [worker.__code__.co_firstlineno, say.__code__.co_filename, Point.__init__.__qualname__],
        "pickle": pickle.dumps(Point(3)).hex(),
        "same": pickle.loads(pickle.dumps(Point(3))).x,
        "hook": repr(sys.excepthook),
        "main": sys.modules["__main__"].__dict__ is globals(),
        "traced": [sys.gettrace(), sys.getprofile()],
        "flags": sys._getframe().f_code.co_flags,
        "recursion": sys.getrecursionlimit(),
        "dontwrite": sys.dont_write_bytecode,
    }
    print(json.dumps(facts, indent=1, sort_keys=True))


if __name__ == "__main__":
    say()
    import helper
    print(helper.NAME)
    warnings.warn("careful")
    import multiprocessing
    for method in sys.argv[2:]:
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:
            print(method, pool.map(worker, [1, 2]))
    ending = sys.argv[1]
    if ending == "raise":
        def inner(): return {}[VALUE and "missing"]
        try:
            inner()
        except KeyError as error:
            raise ValueError("é") from error
    elif ending == "exit":
        sys.exit("said at the end")
    elif ending == "code":
        raise SystemExit(7)
    elif ending == "interrupt":
        raise KeyboardInterrupt
    elif ending == "group" and sys.version_info >= (3, 11):
        raise ExceptionGroup("several", [ValueError(1), TypeError(2)])
    elif ending == "hook":
        def hook(kind, error, tb):
            print("hooked", kind.__name__, tb.tb_lineno, tb.tb_frame.f_code.co_name, error.__traceback__ is tb)
            print(sys.last_traceback is tb, "__file__" in globals())
        sys.excepthook = hook
        raise RuntimeError
    elif ending == "syntax":
        exec("a b")
    elif ending == "thread":
        import threading
        threading.Thread(target=lambda: print("late", "__file__" in globals())).start()
'''

ENDINGS = ["end", "raise", "exit", "code", "interrupt", "group", "hook", "syntax", "thread"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("NAME = __name__\n", encoding="utf-8")
    path = tmp_path / "probe.py"
    path.write_text(PROBE, encoding="utf-8")
    return path


def both(
    program: Path, python: Path, before: list[str], after: list[str] | None = None, name: str = "probe.py"
) -> tuple[Outcome, Outcome]:
    """Plainly, and with a fix that moves every line below it and changes nothing that is printed."""
    plan = Planned(
        program.parent, {program: [('VALUE = "plain"', 'import os as os\nVALUE = (\n"plain")')]}
    ).write()
    arguments = [*before, name, *(after or ["end"])]
    return run(arguments, program.parent, None, python=python), run(
        arguments, program.parent, plan, python=python
    )


def compare(plain: Outcome, fixed: Outcome) -> None:
    assert fixed.out == plain.out
    assert fixed.err == plain.err
    assert fixed.code == plain.code
    assert fixed.runs.loaded == {1}
    assert plain.out.startswith("{") and plain.runs.loaded == frozenset()


@PYTHON
@pytest.mark.parametrize("ending", ENDINGS)
def test_it_is_what_it_is_in_a_plain_run(program: Path, python: Path, ending: str) -> None:
    compare(*both(program, python, [], [ending]))


@PYTHON
@pytest.mark.parametrize(
    "flags", [["-I"], ["-P"], ["-B"], ["-X", "dev"], ["-W", "error::UserWarning"], ["-OO"], ["-u"]], ids=str
)
def test_flags(program: Path, python: Path, flags: list[str]) -> None:
    if flags == ["-P"] and MINOR[python] < 11:
        pytest.skip("there is no -P before 3.11")
    plain, fixed = both(program, python, flags)
    if flags == ["-I"]:
        # PYTHONPATH is not heeded, and with it neither the hook.
        assert (fixed.out, fixed.err, fixed.code) == (plain.out, plain.err, plain.code)
    else:
        compare(plain, fixed)


@PYTHON
def test_workers_of_multiprocessing(program: Path, python: Path) -> None:
    for method in ("spawn", "fork", "forkserver"):
        # Forking a process with threads, which a pool's helper leaves behind, is warned of.
        compare(*both(program, python, ["-W", "ignore::DeprecationWarning"], ["end", method]))


@PYTHON
def test_workers_run_the_fixed_text(tmp_path: Path, python: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(
        "import multiprocessing, sys\n\n\ndef work(n):\n    return n + 1\n\n\nif __name__ == '__main__':\n"
        "    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:\n"
        "        print(pool.map(work, range(3)))\n",
        encoding="utf-8",
    )
    plan = Planned(tmp_path, {script: [("n + 1", "n + 100")]}).write()
    for method in ("spawn", "fork", "forkserver"):
        outcome = run(["-W", "ignore::DeprecationWarning", "pool.py", method], tmp_path, plan, python=python)
        assert outcome.out == "[100, 101, 102]\n", outcome.err
        # The pool kills its workers: they have said by then that the fix ran.
        assert outcome.runs.ran in (None, frozenset({1}))
        assert (outcome.runs.ran is None) == (MINOR[python] < 12)


@PYTHON
@pytest.mark.parametrize(
    "name", ["./probe.py", "sub/../probe.py", "link.py", "sub/link.py", "{cwd}/probe.py"]
)
def test_ways_to_name_the_script(program: Path, python: Path, name: str) -> None:
    folder = program.parent
    (folder / "sub").mkdir()
    (folder / "link.py").symlink_to("probe.py")
    (folder / "sub" / "link.py").symlink_to("../probe.py")
    compare(*both(program, python, [], name=name.format(cwd=folder)))


@PYTHON
def test_what_is_no_script_is_left_alone(program: Path, python: Path) -> None:
    folder = program.parent
    plan = Planned(folder, {program: [('"plain"', '"fixed"')]}).write()
    code = "import sys; print(sys.path[:1], __spec__, sys.argv); import probe; print(probe.VALUE)"
    for arguments, stdin in ((["-c", code, "a"], None), (["-", "a"], code), ([], code)):
        plain = run(arguments, folder, None, python=python, stdin=stdin)
        fixed = run(arguments, folder, plan, python=python, stdin=stdin)
        assert fixed.out == plain.out.replace("\nplain\n", "\nfixed\n") != plain.out
        assert (fixed.code, fixed.err) == (0, plain.err)


@PYTHON
def test_a_module_is_run_through_the_import_system(program: Path, python: Path) -> None:
    folder = program.parent
    package = folder / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    program.rename(package / "probe.py")
    (package / "__main__.py").write_text(
        "import sys\nprint(sys.argv, __package__, __spec__.name)\nx = 1\n1 / x - x\n0 / 0\n"
    )
    plan = Planned(
        folder,
        {
            package / "probe.py": [('"plain"', '(\n"plain")')],
            package / "__main__.py": [("x = 1", "x = (1,\n)[0]")],
        },
    ).write()
    for arguments in (["-m", "pack.probe", "raise"], ["-m", "pack"], ["pack"]):
        plain = run(arguments, folder, None, python=python)
        fixed = run(arguments, folder, plan, python=python)
        assert (fixed.out, fixed.err, fixed.code) == (plain.out, plain.err, plain.code)
        assert len(fixed.runs.loaded) == 1


def test_a_script_that_has_changed_runs_as_it_is(program: Path) -> None:
    plan = Planned(program.parent, {program: [('"plain"', '"fixed"')]}).write()
    program.write_text("print(__spec__)\n", encoding="utf-8")
    outcome = run(["probe.py"], program.parent, plan)
    assert (outcome.out, outcome.err, outcome.code) == ("None\n", "", 0)
    assert outcome.runs.loaded == frozenset()
    assert [note[0] for note in outcome.runs.notes] == [str(program)]


def test_a_fixed_text_that_does_not_compile_is_not_run(program: Path) -> None:
    plan = Planned(program.parent, {program: [('"plain"', "((")]}).write()
    outcome = run(["probe.py", "code"], program.parent, plan)
    assert outcome.code == 7
    assert json.loads(outcome.out[: outcome.out.index("\n}") + 2])["line"] == 'VALUE = "plain"\n'
    assert "SyntaxError" in outcome.runs.notes[0][1]
