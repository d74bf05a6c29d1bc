"""Names that a fix uses: what mutation testing showed that no other test tells apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from h2dlint.engine.config import load_settings
from h2dlint.engine.fixing import fix_source
from tests.profiles.projects import HELPER, PIN, STEP, App

MODULE = 'pin-memory = "u.can_pin()"\npin-memory-import = "import app.utils as u"\n'
LINE = "return torch.tensor(lens, device=device)"


def step(line: str) -> str:
    return STEP.replace(LINE, line)


@pytest.mark.parametrize(
    ("head", "becomes", "name"),
    [
        # The module itself is wanted, and not a name of it.
        ("import torch\nfrom app import utils", "import torch\nfrom app import utils", "utils"),
        ("import torch\nfrom . import utils", "import torch\nfrom . import utils", "utils"),
        ("import torch\nimport app.utils as v", "import torch\nimport app.utils as v", "v"),
        ("import torch\nimport os", "import torch\nimport os\n\nimport app.utils as u", "u"),
        (
            "import torch\nfrom app.a import b",
            "import app.utils as u\nimport torch\nfrom app.a import b",
            "u",
        ),
    ],
)
def test_a_module(tmp_path: Path, head: str, becomes: str, name: str) -> None:
    app = App.made(tmp_path, MODULE, step=STEP.replace("import torch", head, 1), a="b = 1\n")
    assert app.fixed() == STEP.replace("import torch", becomes, 1).replace(
        "lens, device=device)", f"lens, pin_memory={name}.can_pin()).to(device, non_blocking=True)"
    )


@pytest.mark.parametrize(
    ("lines", "asks"),
    [
        (f"from app.utils import can_pin\n    {LINE}", "can_pin"),
        # Handed on by the package.
        (f"from app import can_pin\n    {LINE}", "can_pin"),
        # Bound after it is needed.
        ("y = torch.tensor(lens, device=device); from app.utils import can_pin; return y", "_can_pin"),
        (
            "y = torch.tensor(lens, device=device)\n    from app.utils import can_pin\n    return y",
            "_can_pin",
        ),
    ],
)
def test_an_import_in_the_function(tmp_path: Path, lines: str, asks: str) -> None:
    app = App.made(tmp_path, PIN, step=step(lines), __init__="from app.utils import can_pin\n")
    fixed = app.fixed()
    assert f"pin_memory={asks}(device)" in fixed
    assert ("from app.utils import can_pin as _can_pin\n" in fixed) is (asks == "_can_pin")
    assert fixed.count("import") == step(lines).count("import") + (asks == "_can_pin")


@pytest.mark.parametrize(
    "text",
    [
        "import torch\n\nT = torch.tensor([1, 5], device='cuda')\n\nfrom app.utils import upload\n",
        "import torch; T = torch.tensor([1, 5], device='cuda')\nimport os\n",
    ],
)
def test_no_import_after_the_use(tmp_path: Path, text: str) -> None:
    assert App.made(tmp_path, PIN, step=text).fixed(unsafe=True) == text


@pytest.mark.parametrize(("parameter", "asks"), [("can_pin", False), ("other", True)])
def test_a_name_of_the_module_that_a_parameter_hides(tmp_path: Path, parameter: str, asks: bool) -> None:
    text = (
        "import torch\n\n\ndef can_pin(device=None) -> bool:\n    return True\n\n\n"
        f"def f(xs: list[int], {parameter}: int):\n    return torch.tensor(xs, device='cuda')\n"
    )
    fixed = App.made(tmp_path, PIN, utils=text).fixed("utils", unsafe=True)
    assert ("pin_memory=can_pin('cuda')" in fixed) is asks
    assert asks or fixed == text


@pytest.mark.parametrize(("parameter", "asks"), [("PIN", False), ("other", True)])
def test_a_constant_that_a_parameter_hides(tmp_path: Path, parameter: str, asks: bool) -> None:
    text = (
        f"import torch\n\nPIN = True\n\n\ndef f(xs: list[int], {parameter}):\n"
        "    return torch.tensor(xs, device='cuda')\n"
    )
    fixed = App.made(tmp_path, 'pin-memory = "PIN"\n', step=text).fixed(unsafe=True)
    assert ("pin_memory=PIN" in fixed) is asks
    assert asks or fixed == text


def test_blanks_at_the_end_of_the_comment_of_a_fix(tmp_path: Path) -> None:
    app = App.made(
        tmp_path, 'fix-comment = "h2dlint: pinned  "\n', step=STEP.replace("device=device", "device='cuda'")
    )
    assert "    # h2dlint: pinned\n    return torch.tensor(lens, pin_memory=True)" in app.fixed()


def test_a_cell_that_binds_names_for_itself(tmp_path: Path) -> None:
    App.made(tmp_path, HELPER)
    place = tmp_path / "app" / "n.ipynb"
    use = "for i in range(9):\n    x = torch.tensor([1, 5, i], device='cuda')"
    texts = ["%%timeit\nfrom app.utils import upload", "import torch", use]
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": text} for text in texts]
    data = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    settings = load_settings([str(place)], tmp_path, overrides={"cold": True, "min-confidence": "low"})
    outcome = fix_source("app/n.ipynb", data, settings, location=place)
    assert not outcome.result.errors
    assert [cell["source"] for cell in json.loads(outcome.after)["cells"]] == [
        "%%timeit\nfrom app.utils import upload",
        "import torch\n\nfrom app.utils import upload",
        "for i in range(9):\n    x = upload([1, 5, i], device='cuda')",
    ]
