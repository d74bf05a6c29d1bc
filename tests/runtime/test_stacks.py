"""Frames, the expression in them, and what it is called."""

from __future__ import annotations

import linecache
import os
import sys
import types
from pathlib import Path

import pytest

from h2dlint.runtime.stacks import Chain, Chains, is_user
from h2dlint.runtime.traces import Frame

exact = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Python 3.10 does not know the columns of an expression"
)


class Spy:
    """Takes the chain of whoever uses it in some way."""

    def __init__(self) -> None:
        self.chains = Chains()
        self.taken: list[Chain] = []

    def _take(self) -> None:
        frame = sys._getframe(2)
        self.taken.append(self.chains[self.chains.take(frame)])

    def tensor(self, *_: object, **__: object) -> Spy:
        self._take()
        return self

    def to(self, *_: object) -> Spy:
        self._take()
        return self

    def __getitem__(self, _: object) -> int:
        self._take()
        return 0

    def __setitem__(self, _: object, __: object) -> None:
        self._take()

    def __add__(self, _: object) -> int:
        self._take()
        return 0


def run(text: str, tmp_path: Path, **scope: object) -> Chain:
    """The chain that running a file with this text takes."""
    spy = Spy()
    path = tmp_path / "step.py"
    path.write_text(text, encoding="utf-8")
    linecache.checkcache(str(path))
    exec(compile(text, str(path), "exec"), {"spy": spy, "__name__": "step", **scope})
    assert len(spy.taken) == 1
    return spy.taken[0]


def spanned(chain: Chain) -> str:
    frame = chain.frames[chain.user]
    lines = Path(frame.file).read_text(encoding="utf-8").splitlines()[frame.line - 1 : frame.end_line]
    lines[-1] = lines[-1][: frame.end_column - 1]
    lines[0] = lines[0][frame.column - 1 :]
    return "\n".join(lines)


@exact
def test_the_span_is_that_of_the_expression(tmp_path: Path) -> None:
    chain = run("x = 'ä'; y = [spy.tensor([1, 2]), 3]\n", tmp_path)
    assert spanned(chain) == "spy.tensor([1, 2])"


@exact
def test_an_expression_over_several_lines(tmp_path: Path) -> None:
    chain = run("def f():\n    return spy.tensor(\n        [1],\n        2,\n    )\nf()\n", tmp_path)
    assert spanned(chain) == "spy.tensor(\n        [1],\n        2,\n    )"
    assert chain.operator == "Tensor.tensor"
    assert chain.frames[chain.user].function == "f"


@exact
@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("spy[0]", "__getitem__"),
        ("spy[1:2]", "__getitem__"),
        ("spy[0] = 3", "__setitem__"),
        ("spy[0:2] = 3", "__setitem__"),
        ("spy + 1", "binop"),
        ("spy.to(1)", "Tensor.to"),
        ("(lambda: 0)() or spy.to(1)", "Tensor.to"),
    ],
)
def test_operators(text: str, operator: str, tmp_path: Path) -> None:
    assert run(text + "\n", tmp_path).operator == operator


@exact
def test_a_module_is_called_by_its_own_name(tmp_path: Path) -> None:
    module = types.ModuleType("torch")
    spy = Spy()
    module.tensor = lambda *_: spy.taken.append(  # type: ignore[attr-defined]
        spy.chains[spy.chains.take(sys._getframe(1))]
    )
    path = tmp_path / "step.py"
    path.write_text("th.tensor([1])\n", encoding="utf-8")
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"th": module})
    assert spy.taken[0].operator == "torch.tensor"


def test_what_torch_does_in_python_is_the_users_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site-packages" / "torch"
    folder.mkdir(parents=True)
    torch = types.ModuleType("torch")
    torch.__file__ = str(folder / "__init__.py")
    monkeypatch.setitem(sys.modules, "torch", torch)
    scope: dict[str, object] = {}
    inner = (
        "class Module:\n    def to(self, spy):\n        return self._apply(spy)\n"
        "    def _apply(self, spy):\n        return spy.to(1)\n"
    )
    exec(compile(inner, str(folder / "nn.py"), "exec"), scope)
    chain = run("m.to(spy)\n", tmp_path, m=scope["Module"]())  # type: ignore[operator]
    assert chain.user == 2
    assert Path(chain.frames[chain.user].file).name == "step.py"
    if sys.version_info >= (3, 11):
        assert [frame.function for frame in chain.frames[:2]] == ["Module._apply", "Module.to"]
        assert chain.operator == "Module.to"


def test_whose_file_it_is(tmp_path: Path) -> None:
    installed = Path(pytest.__file__)
    assert is_user(str(installed))
    assert is_user(str(tmp_path / "train.py"))
    assert is_user("<stdin>")
    assert not is_user(linecache.__file__)
    assert not is_user(os.__file__)
    assert not is_user("<frozen importlib._bootstrap>")
    assert not is_user("<eval_with_key>.3")
    assert not is_user(str(Path(sys.modules["h2dlint.runtime.stacks"].__file__ or "")))


def test_equal_chains_are_one(tmp_path: Path) -> None:
    spy = Spy()
    for _ in range(3):
        spy.to(1)
    assert len({id(chain) for chain in spy.taken}) == 1


def test_lines_without_columns(tmp_path: Path) -> None:
    code = compile("\n\nx = 1\n", str(tmp_path / "gone.py"), "exec")
    chain = Chain([(code, 0)])
    assert isinstance(chain.frames[0], Frame)
    assert chain.operator in ("", "constant")
