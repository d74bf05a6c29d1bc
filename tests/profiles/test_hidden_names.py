"""Names that mean something else at the place of a fix, calls that would never end, imports that come too early."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profiles.projects import HELPER, PIN, STEP, UTILS, App
from tests.profiles.test_predicate import body

ATTRIBUTE = 'pin-memory = "self.pin"\n'
ON_CUDA = "torch.tensor([1, 5, 3], device='cuda')"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (f"import torch\n\n\nclass A:\n    upload = None\n    x = {ON_CUDA}\n", "x = _upload("),
        (
            f"import torch\n\n\nclass A:\n    upload = None\n\n    def f(self):\n        return {ON_CUDA}\n",
            " upload(",
        ),
        (f"import torch\n\nf = lambda upload: {ON_CUDA}\n", ": _upload("),
        (f"import torch\n\nf = lambda other: {ON_CUDA}\n", ": upload("),
        (
            "import torch\n\n\ndef outer():\n    from app.utils import upload\n\n"
            f"    def inner(upload):\n        return {ON_CUDA}\n\n    return inner(upload)\n",
            "return _upload(",
        ),
    ],
)
def test_a_name_that_is_hidden_is_not_used(tmp_path: Path, text: str, written: str) -> None:
    assert written in App.made(tmp_path, HELPER, step=text).fixed()


def test_the_other_name_of_a_private_one_is_not_mangled(tmp_path: Path) -> None:
    text = "import torch\n\n_upload = 3\n\n\nclass A:\n    def f(self):\n        return " + ON_CUDA + "\n"
    app = App.made(
        tmp_path, 'helper = "app.utils._upload"\n', step=text, utils=UTILS.replace("upload", "_upload")
    )
    assert "from app.utils import _upload as _upload_\n" in app.fixed()


def test_what_is_there_for_type_checkers_only_is_not_asked(tmp_path: Path) -> None:
    head = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from app.flags import PIN\n\n"
    assert "PIN)" not in App.made(tmp_path, 'pin-memory = "PIN"\n', step=head + STEP).fixed(unsafe=True)


@pytest.mark.parametrize(
    ("method", "asks"),
    [
        (f"    def f(self):\n        return {ON_CUDA}\n", True),
        (f"    def f(self, xs):\n        return [{ON_CUDA} for self in xs]\n", False),
        (f"    def f(self, xs):\n        self = xs\n        return {ON_CUDA}\n", False),
        (f"    @staticmethod\n    def f(self):\n        return {ON_CUDA}\n", False),
        (f"    def f(self):\n        return lambda self: {ON_CUDA}\n", False),
    ],
)
def test_self_is_the_object(tmp_path: Path, method: str, asks: bool) -> None:
    text = f"import torch\n\n\nclass A:\n    def __init__(self):\n        self.pin = True\n\n{method}"
    assert ("pin_memory=self.pin" in App.made(tmp_path, ATTRIBUTE, step=text).fixed(unsafe=True)) is asks


@pytest.mark.parametrize(("decorator", "asks"), [("", False), ("@dataclass\n", True)])
def test_an_annotation_alone_makes_no_attribute(tmp_path: Path, decorator: str, asks: bool) -> None:
    text = (
        f"from dataclasses import dataclass\n\nimport torch\n\n\n{decorator}class A:\n    pin: bool\n\n"
        f"    def f(self):\n        return {ON_CUDA}\n"
    )
    assert ("pin_memory=self.pin" in App.made(tmp_path, ATTRIBUTE, step=text).fixed(unsafe=True)) is asks


CALLS_MAKE = "def upload(data, *, dtype=None, device):\n    {}return make(data, device)\n"
MAKE = "def make(xs: list[int], device: torch.device):\n    return torch.tensor(xs, device=device)\n"


@pytest.mark.parametrize(
    ("utils", "step"),
    [
        (f"import torch\n\n\n{CALLS_MAKE.format('')}\n\n{MAKE}", None),
        (CALLS_MAKE.format("from app.step import make\n    "), f"import torch\n\n\n{MAKE}"),
        (
            "from app import step\n\n\n" + CALLS_MAKE.format("").replace("make(", "step.make("),
            f"import torch\n\n\n{MAKE}",
        ),
        (
            "from app.between import through\n\n\ndef upload(data, *, device):\n    return through(data, device)\n",
            f"import torch\n\n\n{MAKE}",
        ),
    ],
)
def test_what_the_helper_calls_does_not_call_it(tmp_path: Path, utils: str, step: str | None) -> None:
    between = "def through(data, device):\n    from app.step import make\n\n    return make(data, device)\n"
    app = App.made(tmp_path, HELPER, utils=utils, step=step or STEP, between=between)
    fixed = app.fixed("utils" if step is None else "step", unsafe=True)
    assert "return upload(" not in fixed and "pin_memory=True" in fixed


@pytest.mark.parametrize("configuration", [PIN, 'pin-memory = "can_pin(None)"\n'])
def test_what_the_predicate_calls_does_not_ask_it(tmp_path: Path, configuration: str) -> None:
    probe = f"\n\ndef _probe():\n    return bool({ON_CUDA}.sum())\n\n\ndef other():\n    return {ON_CUDA}\n"
    utils = UTILS.replace("torch.cuda.is_available()", "_probe()") + probe
    fixed = App.made(tmp_path, configuration, utils=utils).fixed("utils", unsafe=True)
    assert "pin_memory=can_pin" not in fixed.partition("def _probe")[2].partition("def other")[0]
    assert "pin_memory=can_pin" in fixed.partition("def other")[2]


def test_a_name_of_a_package_that_imports_the_file_first(tmp_path: Path) -> None:
    inits = ("from .step import forward\nfrom .utils import upload\n", "from .utils import upload\n")
    for init, at_top in zip(inits, (False, True), strict=True):
        app = App.made(tmp_path, 'helper = "app.upload"\n', __init__=init, step=STEP)
        assert ("\nfrom app import upload\n" in app.fixed(unsafe=True)) is at_top
        assert (app.fixed() == STEP) is not at_top


def test_effects_stay_in_their_order(tmp_path: Path) -> None:
    text = body("return torch.tensor(g(), device=h())") + (
        "\n\ndef g() -> list[int]: ...\n\n\ndef h() -> torch.device: ...\n"
    )
    kept = App.made(tmp_path, f'{HELPER}helper-call = "({{data}}, {{device}})"\n', step=text)
    assert "upload(g(), h())" in kept.fixed()
    turned = App.made(tmp_path, f'{HELPER}helper-call = "({{device}}, {{data}})"\n', step=text)
    assert "upload(" not in turned.fixed() and "upload(h(), g())" in turned.fixed(unsafe=True)
    assert "the order of evaluation changes" in turned.reasons()


def test_a_walrus_as_a_keyword_argument(tmp_path: Path) -> None:
    call = 'helper-call = "(data={data}, device={device})"\n'
    app = App.made(tmp_path, HELPER + call, step=body("return torch.tensor(y := [1, 5], device=device), y"))
    assert "upload(data=(y := [1, 5]), device=device), y" in app.fixed()


def test_another_name_is_written_for_the_name_only(tmp_path: Path) -> None:
    configuration = (
        "pin-memory = 'ok(ok=a.ok, s=\"\u00e4 ok\") and ok'\n"
        'pin-memory-import = "from app.utils import can_pin as ok"\n'
    )
    text = STEP.replace("import torch\n", "import torch\n\na = ok = 1\n")
    fixed = App.made(tmp_path, configuration, step=text).fixed()
    assert 'pin_memory=_ok(ok=a.ok, s="\u00e4 ok") and _ok)' in fixed
