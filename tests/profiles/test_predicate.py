"""``pin-memory``: what is written, where, and how far it is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profiles.projects import PIN, STEP, App

HEAD = "import torch\n\n\n"


def body(text: str, head: str = HEAD) -> str:
    return f"{head}def forward(lens: list[int], x: torch.Tensor, device: torch.device):\n    {text}\n"


def test_the_predicate_is_written_imported_and_safe(tmp_path: Path) -> None:
    app = App.made(tmp_path, PIN, step=STEP)
    assert app.fixed() == (
        "import torch\n\nfrom app.utils import can_pin\n\n\n"
        "def forward(lens: list[int], device: torch.device) -> torch.Tensor:\n"
        "    return torch.tensor(lens, pin_memory=can_pin(device)).to(device, non_blocking=True)\n"
    )


def test_without_it_the_same_fix_is_unsafe(tmp_path: Path) -> None:
    app = App.made(tmp_path, "", step=STEP)
    assert app.fixed() == STEP
    assert "pin_memory=True" in app.fixed(unsafe=True)


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        (
            "return torch.tensor(lens).to(device)",
            "return torch.tensor(lens, pin_memory=can_pin(device)).to(device, non_blocking=True)",
        ),
        (
            "return torch.tensor(lens).cuda()",
            'return torch.tensor(lens, pin_memory=can_pin("cuda")).cuda(non_blocking=True)',
        ),
        (
            "return torch.tensor(lens, device=x.device, pin_memory=True)",
            "return torch.tensor(lens, pin_memory=can_pin(x.device)).to(x.device, non_blocking=True)",
        ),
        (
            "return x.new_tensor(lens)",
            "return torch.tensor(lens, dtype=x.dtype, pin_memory=can_pin(x.device)).to(x.device, non_blocking=True)",
        ),
        (
            "return torch.tensor(lens).type_as(x)",
            "return torch.tensor(lens, pin_memory=can_pin(x.device)).to(x, non_blocking=True)",
        ),
        (
            "x.copy_(torch.tensor(lens))",
            "x.copy_(torch.tensor(lens, pin_memory=can_pin(x.device)), non_blocking=True)",
        ),
        (
            "h = torch.tensor(lens); return h.to(device)",
            "h = torch.tensor(lens); return (h.pin_memory() if can_pin(device) else h).to(device, non_blocking=True)",
        ),
        (
            "return x[lens]",
            "return x[torch.tensor(lens, dtype=torch.int64, pin_memory=can_pin(x.device))"
            ".to(x.device, non_blocking=True)]",
        ),
    ],
)
def test_each_form(tmp_path: Path, line: str, becomes: str) -> None:
    app = App.made(tmp_path, PIN, step=body(line))
    assert app.fixed(unsafe=True) == body(becomes, "import torch\n\nfrom app.utils import can_pin\n\n\n")


def test_nothing_is_pinned_without_asking(tmp_path: Path) -> None:
    text = "import numpy as np\n" + body("return torch.from_numpy(np.array(lens)).to(device)")
    app = App.made(tmp_path, PIN + "assume-cuda = true\n", step=text)
    assert app.fixed(unsafe=True) == text
    assert [f.fix and f.fix.applicability.value for f in app.findings()] == ["display-only"]


def test_a_named_tensor_is_not_safe_as_the_device_may_be_the_host(tmp_path: Path) -> None:
    # On the host ``h.to(device)`` is ``h`` itself, and a pinned copy of it is not.
    app = App.made(tmp_path, PIN, step=body("h = torch.tensor(lens)\n    return h.to(device)"))
    assert app.reasons() == ["device is not proven to be CUDA or ROCm (assume-cuda)"]


def test_a_device_that_may_be_none_stays_unsafe(tmp_path: Path) -> None:
    text = STEP.replace("device: torch.device", "device: torch.device | None")
    app = App.made(tmp_path, PIN, step=text)
    assert app.reasons() == ["device may be None"]


def test_code_for_other_hardware_stays_unsafe(tmp_path: Path) -> None:
    app = App.made(tmp_path, PIN, step=STEP.replace("def forward", "def npu_forward"))
    assert app.reasons() == ["device is not proven to be CUDA or ROCm (assume-cuda)"]


def test_a_module_with_streams_stays_unsafe(tmp_path: Path) -> None:
    app = App.made(tmp_path, PIN, step=f"{STEP}\n\nside = torch.cuda.Stream()\n")
    assert app.fixed() == app.root.joinpath("app/step.py").read_text()


def test_the_predicate_does_not_ask_itself(tmp_path: Path) -> None:
    utils = HEAD + (
        "def can_pin(device=None) -> bool:\n"
        "    probe = torch.tensor([1, 2], device=device)\n    return probe.is_cuda\n"
    )
    app = App.made(tmp_path, PIN, utils=utils)
    assert "can_pin(" not in app.fixed("utils", unsafe=True).replace("def can_pin(", "")


def test_at_home_no_import_is_needed(tmp_path: Path) -> None:
    utils = HEAD + "def can_pin(device=None) -> bool:\n    return False\n\n\n" + STEP.split("\n\n\n")[1]
    app = App.made(tmp_path, PIN, utils=utils)
    fixed = app.fixed("utils")
    assert "pin_memory=can_pin(device)" in fixed and "from app" not in fixed


def test_a_constant_and_an_alias_that_is_there(tmp_path: Path) -> None:
    configuration = 'pin-memory = "PIN"\npin-memory-import = "from app.utils import PIN"\n'
    text = STEP.replace("import torch\n", "import torch\nfrom .utils import PIN as MAY_PIN\n")
    app = App.made(tmp_path, configuration, step=text, utils="PIN = True\n")
    fixed = app.fixed()
    assert "pin_memory=MAY_PIN)" in fixed and fixed.count("import") == 2


CLASS = """\
import torch


class Runner:
    def __init__(self, device: torch.device) -> None:
        {first}
        self.start = torch.tensor([1, 2], device=device)
        self.device = device

    def forward(self, lens: list[int]) -> torch.Tensor:
        return torch.tensor(lens, device=self.device)
"""


def test_an_attribute_is_used_where_the_object_has_it(tmp_path: Path) -> None:
    configuration = 'pin-memory = "self.pin_memory"\n'
    app = App.made(tmp_path, configuration, step=CLASS.format(first="self.pin_memory = device.type != 'cpu'"))
    assert app.fixed(unsafe=True).count("pin_memory=self.pin_memory)") == 2
    late = CLASS.format(first="pass").replace(
        "self.device = device", "self.device = device\n        self.pin_memory = True"
    )
    app = App.made(tmp_path, configuration, step=late)
    assert app.fixed(unsafe=True).count("pin_memory=self.pin_memory)") == 1
    app = App.made(tmp_path, configuration, step=CLASS.format(first="pass"))
    assert app.fixed(unsafe=True) == CLASS.format(first="pass")


def test_an_attribute_of_a_base_class_in_another_file(tmp_path: Path) -> None:
    base = "class Base:\n    def __init__(self) -> None:\n        self.pin_memory = True\n"
    text = CLASS.format(first="super().__init__()").replace("class Runner:", "class Runner(Base):")
    text = text.replace("import torch\n", "import torch\nfrom app.base import Base\n", 1)
    app = App.made(tmp_path, 'pin-memory = "self.pin_memory"\n', step=text, base=base)
    assert app.fixed(unsafe=True).count("pin_memory=self.pin_memory)") == 2


def test_a_name_that_nothing_binds_is_not_written(tmp_path: Path) -> None:
    app = App.made(tmp_path, 'pin-memory = "PIN"\n', step=STEP)
    assert app.fixed(unsafe=True) == STEP


def test_a_device_that_is_computed_is_not_asked_for_twice(tmp_path: Path) -> None:
    text = body("return torch.tensor(lens).to(pick())").replace(
        HEAD, f"{HEAD}def pick() -> torch.device:\n    ...\n\n\n"
    )
    assert App.made(tmp_path, PIN, step=text).fixed(unsafe=True) == text


@pytest.mark.parametrize(
    "configuration", [PIN, "assume-cuda = true\n" + PIN, 'fix-comment = "one wait less"\n' + PIN]
)
def test_a_second_run_changes_nothing(tmp_path: Path, configuration: str) -> None:
    text = body(
        "h = torch.tensor(lens)\n    return h.to(device), x[[0, 2]], torch.tensor(lens, device=device)"
    )
    app = App.made(tmp_path, configuration, step=text)
    once = app.fixed(unsafe=True)
    assert once != text
    app = App.made(tmp_path, configuration, step=once)
    assert (app.fixed(unsafe=True), app.findings()) == (once, ())


def test_the_comment_stands_above_the_statement_once(tmp_path: Path) -> None:
    text = body(
        "return (\n        torch.tensor(lens, device=device),\n        torch.tensor(lens[1:], device=device),\n    )"
    )
    app = App.made(tmp_path, 'assume-cuda = true\nfix-comment = "no wait"\n', step=text)
    fixed = app.fixed()
    assert fixed.count("    # no wait\n    return (\n") == 1 and fixed.count("no wait") == 1


def test_options_for_some_files(tmp_path: Path) -> None:
    configuration = (
        PIN + '[per-file-options."other.py"]\npin-memory = ""\npin-memory-import = ""\nassume-cuda = true\n'
    )
    app = App.made(tmp_path, configuration, step=STEP, other=STEP)
    assert "pin_memory=can_pin(device)" in app.fixed("step")
    assert "pin_memory=True" in app.fixed("other")


def test_pageable(tmp_path: Path) -> None:
    app = App.made(tmp_path, 'transfer = "pageable"\nassume-cuda = true\n', step=STEP)
    once = app.fixed()
    assert "return torch.tensor(lens).to(device, non_blocking=True)\n" in once
    assert (
        App.made(tmp_path, 'transfer = "pageable"\nassume-cuda = true\n', step=once).fixed(unsafe=True)
        == once
    )
