"""``helper``: what it is handed, and what is left to the other forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profiles.projects import HELPER, PIN, STEP, UTILS, App
from tests.profiles.test_predicate import HEAD, body

IMPORTED = "import torch\n\nfrom app.utils import upload\n\n\n"


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("return torch.tensor(lens, device=device)", "return upload(lens, device=device)"),
        (
            "return torch.tensor(lens, dtype=torch.int64, device=x.device)",
            "return upload(lens, dtype=torch.int64, device=x.device)",
        ),
        (
            "return torch.tensor(data=lens, device=device)",
            "return upload(lens, device=device)",
        ),
        (
            "return torch.tensor(lens, dtype=torch.int32).to(device)",
            "return upload(lens, dtype=torch.int32, device=device)",
        ),
        ("return torch.tensor(lens).cuda()", 'return upload(lens, device="cuda")'),
        ("return x[lens]", "return x[upload(lens, dtype=torch.int64, device=x.device)]"),
        (
            "return torch.tensor(\n        lens,  # kept\n        device=device,\n    )",
            "return torch.tensor(\n        lens,  # kept\n        pin_memory=True,\n"
            "    ).to(device, non_blocking=True)",
        ),
        (
            "return torch.tensor(\n        lens,\n        device=device,\n    )",
            "return upload(\n        lens,\n        device=device,\n    )",
        ),
    ],
)
def test_each_form(tmp_path: Path, line: str, becomes: str) -> None:
    app = App.made(tmp_path, HELPER, step=body(line))
    assert app.fixed(unsafe=True) == body(becomes, IMPORTED if "upload" in becomes else HEAD)


def test_it_is_safe_for_a_list(tmp_path: Path) -> None:
    assert "upload(lens, device=device)" in App.made(tmp_path, HELPER, step=STEP).fixed()


@pytest.mark.parametrize(
    ("call", "line", "takes_it"),
    [
        ("({data}, dtype={dtype}, device={device})", "torch.tensor(lens, device=device)", False),
        ("({data}, {device})", "torch.tensor(lens, dtype=torch.int64, device=device)", False),
        ("({data})", "torch.tensor(lens, device=device)", False),
        ("({data})", 'torch.tensor(lens, device="cuda")', True),
        ("({data}, {device}, {pin})", "torch.tensor(lens, device=device)", True),
        ("({data}, {device}, 3, mode='x')", "torch.tensor(lens, device=device)", True),
        ("({data}, {device})", "torch.tensor(lens, device=device, requires_grad=True)", False),
        ("({data}, {device})", "torch.tensor(len(lens) / 3, device=device).to(torch.int32)", False),
    ],
)
def test_a_place_for_everything_or_another_form(tmp_path: Path, call: str, line: str, takes_it: bool) -> None:
    app = App.made(tmp_path, f'{HELPER}helper-call = "{call}"\n', step=body(f"return {line}"))
    assert ("upload(" in app.fixed(unsafe=True)) is takes_it


def test_arrays_and_tensors_where_it_takes_them(tmp_path: Path) -> None:
    text = "import numpy as np\n" + body(
        "a = np.array(lens)\n    h = torch.tensor(lens)\n"
        "    return torch.from_numpy(a).to(device), torch.tensor(a, device=device), h.to(device)"
    )
    app = App.made(tmp_path, f'{HELPER}helper-takes = ["list", "array", "tensor"]\n', step=text)
    line = "return upload(a, device=device), upload(a, device=device), upload(h, device=device)"
    assert line in app.fixed(unsafe=True)
    # On the host the tensors before shared memory with something.
    assert app.fixed().count("upload(") == 0
    app = App.made(tmp_path, HELPER, step=text)
    assert app.fixed(unsafe=True).count("upload(") == 0


def test_it_is_not_called_in_its_own_body(tmp_path: Path) -> None:
    utils = UTILS.replace(
        "    pin = can_pin(device)\n", "    n = torch.tensor(data, device=device)\n    pin = n\n"
    )
    app = App.made(tmp_path, HELPER + PIN, utils=utils)
    assert app.fixed("utils", unsafe=True).count("upload(") == 1


def test_what_it_does_not_take_asks_the_predicate(tmp_path: Path) -> None:
    configuration = f'{HELPER}helper-call = "({{data}}, dtype={{dtype}}, device={{device}})"\n{PIN}'
    text = body(
        "return torch.tensor(lens, device=device), torch.tensor(lens, dtype=torch.int64, device=device)"
    )
    fixed = App.made(tmp_path, configuration, step=text).fixed()
    assert "torch.tensor(lens, pin_memory=can_pin(device)).to(device, non_blocking=True)" in fixed
    assert "upload(lens, dtype=torch.int64, device=device)" in fixed
    assert "from app.utils import can_pin, upload\n" in fixed


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    text = body("return torch.tensor(lens, device=device), x[[1, 2]]")
    once = App.made(tmp_path, HELPER + PIN, step=text).fixed(unsafe=True)
    app = App.made(tmp_path, HELPER + PIN, step=once)
    assert (app.fixed(unsafe=True), app.findings()) == (once, ())
