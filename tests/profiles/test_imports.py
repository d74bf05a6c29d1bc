"""Where the import goes, that it is there once, hides nothing and closes no circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.engine.edits import apply_edits
from h2dlint.syntax.bound import Wanted
from h2dlint.syntax.imports import import_at_top
from h2dlint.syntax.source import SourceText
from tests.profiles.projects import PIN, STEP, App

FUNCTION = STEP.split("\n\n\n")[1]
WANTED = Wanted("app.utils", "can_pin", "can_pin")


def head_of(app: App, name: str = "step") -> str:
    return app.fixed(name).split("\n\n\n")[0]


@pytest.mark.parametrize(
    ("head", "becomes"),
    [
        ("import torch", "import torch\n\nfrom app.utils import can_pin"),
        (
            '"""Doc."""\nfrom __future__ import annotations\n\nimport torch',
            '"""Doc."""\nfrom __future__ import annotations\n\nimport torch\n\nfrom app.utils import can_pin',
        ),
        (
            "import torch\n\nfrom app.a import b\nfrom app.z import y",
            "import torch\n\nfrom app.a import b\nfrom app.utils import can_pin\nfrom app.z import y",
        ),
        (
            "import torch\n\nfrom app.utils import a, z",
            "import torch\n\nfrom app.utils import a, can_pin, z",
        ),
        (
            "import torch\n\nfrom app.utils import (\n    a,\n    z,\n)",
            "import torch\n\nfrom app.utils import (\n    a,\n    can_pin,\n    z,\n)",
        ),
        (
            "import torch\n\nfrom .utils import CONSTANT, Class, z",
            "import torch\n\nfrom .utils import CONSTANT, Class, can_pin, z",
        ),
        (
            "import torch\n\nfrom app.utils import *",
            "import torch\n\nfrom app.utils import *\nfrom app.utils import can_pin",
        ),
        (
            "import torch\nfrom typing import TYPE_CHECKING\n\n"
            "if TYPE_CHECKING:\n    from app.utils import can_pin as c",
            "import torch\nfrom typing import TYPE_CHECKING\n\nfrom app.utils import can_pin\n\n"
            "if TYPE_CHECKING:\n    from app.utils import can_pin as c",
        ),
        ("import torch\n\nfrom app import utils", "import torch\n\nfrom app import utils"),
        ("import torch\n\nimport app.utils as u", "import torch\n\nimport app.utils as u"),
        ("import torch\n\nfrom .utils import can_pin", "import torch\n\nfrom .utils import can_pin"),
        (
            "import torch\n\nfrom app.utils import a  # isort: skip",
            "import torch\n\nfrom app.utils import a  # isort: skip\nfrom app.utils import can_pin",
        ),
    ],
)
def test_place(tmp_path: Path, head: str, becomes: str) -> None:
    app = App.made(tmp_path, PIN, step=f"{head}\n\n\n{FUNCTION}", a="b = 1\n", z="y = 1\n")
    assert head_of(app) == becomes
    assert app.fixed().count("can_pin(device)") == 1


def test_a_line_that_would_be_too_long_is_broken(tmp_path: Path) -> None:
    names = ", ".join(f"name_{index}_of_some_length" for index in range(3))
    app = App.made(tmp_path, PIN, step=f"import torch\nfrom app.utils import {names}\n\n\n{FUNCTION}")
    assert "from app.utils import (\n    can_pin,\n    name_0_of_some_length,\n" in app.fixed()


def test_a_re_export_is_used(tmp_path: Path) -> None:
    text = STEP.replace("import torch\n", "import torch\nfrom app import can_pin\n")
    app = App.made(tmp_path, PIN, step=text, __init__="from app.utils import can_pin\n")
    assert app.fixed().count("import") == 2


@pytest.mark.parametrize(
    "clash",
    [
        "def can_pin():\n    return 3\n\n\n",
        "can_pin = 3\n\n\n",
        "import can_pin\n\n\n",
        "for can_pin in ():\n    pass\n\n\n",
    ],
)
def test_a_name_that_is_taken_gets_another(tmp_path: Path, clash: str) -> None:
    app = App.made(tmp_path, PIN, step=STEP.replace("def forward", f"{clash}def forward"))
    fixed = app.fixed()
    assert "from app.utils import can_pin as _can_pin\n" in fixed and "pin_memory=_can_pin(device)" in fixed


def test_a_parameter_of_that_name(tmp_path: Path) -> None:
    app = App.made(tmp_path, PIN, step=STEP.replace("lens: list[int]", "lens: list[int], can_pin: bool"))
    assert "pin_memory=_can_pin(device)" in app.fixed()


def test_a_circle_is_seen_and_the_import_stands_in_the_function(tmp_path: Path) -> None:
    utils = "import torch\nfrom app.middle import something\n\n\ndef can_pin(device=None) -> bool:\n    return False\n"
    app = App.made(
        tmp_path, PIN, step=STEP, utils=utils, middle="from app.step import forward\nsomething = 1\n"
    )
    assert app.fixed() == STEP
    way = "(utils.py -> middle.py -> step.py)"
    reason = f"importing app.utils at the top would close a circle {way}, so it stands in the function"
    assert app.reasons() == [reason]
    fixed = app.fixed(unsafe=True)
    assert "-> torch.Tensor:\n    from app.utils import can_pin\n\n    return" in fixed
    (tmp_path / "app" / "step.py").write_text(fixed, encoding="utf-8")
    (tmp_path / "app" / "utils.py").write_text(utils.replace("import torch\n", ""), encoding="utf-8")
    (tmp_path / "torch.py").write_text("class Tensor: ...\nclass device: ...\n", encoding="utf-8")
    for module in ("app.step", "app.utils", "app.middle"):
        subprocess.run([sys.executable, "-c", f"import {module}"], cwd=tmp_path, check=True)
    # Where the file does so already, it is its style.
    late = STEP + "\n\ndef other():\n    from app.middle import something\n    return something\n"
    (tmp_path / "app" / "step.py").write_text(late, encoding="utf-8")
    assert "    from app.utils import can_pin\n" in app.fixed()


def test_an_import_for_type_checking_closes_no_circle(tmp_path: Path) -> None:
    utils = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.step import forward\n\n\n"
        "def can_pin(device=None) -> bool:\n    from app.step import forward\n    return False\n"
    )
    app = App.made(tmp_path, PIN, step=STEP, utils=utils)
    assert app.reasons() == [] and head_of(app).endswith("\n\nfrom app.utils import can_pin")


def test_the_package_around_closes_no_circle(tmp_path: Path) -> None:
    app = App.made(tmp_path, PIN, step=STEP, __init__="from app.step import forward\n")
    assert app.reasons() == []


def test_a_name_of_the_package_around_may(tmp_path: Path) -> None:
    utils = "from app import LATE\n\n\ndef can_pin(device=None) -> bool:\n    return False\n"
    app = App.made(tmp_path, PIN, step=STEP, utils=utils, __init__="from app.step import forward\nLATE = 1\n")
    assert len(app.reasons()) == 1 and "circle" in app.reasons()[0]


def test_without_a_look_at_other_files_a_circle_cannot_be_excluded(tmp_path: Path) -> None:
    text = STEP.replace("import torch\n", "import torch\nfrom app.other import thing\n")
    app = App.made(tmp_path, "follow-imports = false\n" + PIN, step=text)
    assert "closes a circle is not known" in app.reasons()[0]


def test_a_fix_at_module_level_has_its_import_before_it(tmp_path: Path) -> None:
    text = 'import torch\n\nTABLE = torch.tensor([1, 2], device="cuda")\n'
    fixed = App.made(tmp_path, PIN, step=text).fixed(unsafe=True)
    assert fixed.index("import can_pin") < fixed.index("TABLE")


LINES = st.sampled_from(
    [
        "import os",
        "import torch",
        "import torch.nn as nn",
        "from app import other",
        "from app.a import b",
        "from app.zebra import (\n    a,\n    b,\n)",
        "from app.utils import some, thing  # why",
        "from app.utils import (some, thing)",
        "from app.utils import (\n    some,  # one\n    thing,\n)",
        "from app.utils import some, \\\n    thing",
        "from . import near",
        "import os; import sys",
        "# a comment",
        "",
        "try:\n    import fast\nexcept ImportError:\n    fast = None",
        "if True:\n    from app.utils import thing",
        "x = 1",
        "def f():\n    import late",
    ]
)


@given(st.lists(LINES, max_size=9), st.booleans(), st.booleans())
def test_any_head_stays_what_it_was_and_binds_one_name_more(
    lines: list[str], future: bool, own: bool
) -> None:
    head = ['"""Doc."""', "from __future__ import annotations"] if future else []
    text = "\n".join([*head, *lines, "def g():\n    return can_pin()", ""])
    source, tree = SourceText(text), ast.parse(text)
    edit = import_at_top(
        source, tree, WANTED, "can_pin", own=own, same=lambda n: n.module == "app.utils" and not n.level
    )
    assert edit is not None
    after = apply_edits(source, [edit])
    compile(after, "after.py", "exec")
    added = ast.unparse(ast.parse(after)).replace("from app.utils import can_pin\n", "")
    for form in ("can_pin, ", ", can_pin"):
        added = added.replace(form, "", 1) if form in added else added
    assert ast.unparse(ast.parse(added)) == ast.unparse(tree)
    kept = [line for line in after.splitlines() if "#" in line]
    assert [line for line in text.splitlines() if "#" in line and "why" not in line] == [
        line for line in kept if "why" not in line
    ]
