"""As ``test_mutants.py``, for a larger sample: races, operands of ``where``, what is left out, the project's style."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2dlint.model import Applicability, Effect, Fix, Options, Profile
from tests.profiles.projects import App
from tests.rules.test_fixes import apply, body, lint
from tests.rules.test_hazard_rules import body as racing
from tests.rules.test_hazard_rules import found
from tests.rules.test_hazard_rules import lint as races

COPY = "y = gpu.to('cpu', non_blocking=True)\n"
INTO = "y = gpu.int().to('cpu', non_blocking=True)\n"
UNSURE = "y = unknown.to('cpu', non_blocking=True)\n"

READS = {
    # Of what may be no tensor, only these.
    UNSURE + "return int(y)": ["HTD402 medium"],
    UNSURE + "return float(y)": ["HTD402 medium"],
    UNSURE + "return str(y)": [],
    COPY + "return torch.nn.functional.relu(y)": ["HTD402 high"],
    COPY + "return torch.linalg.norm(y)": ["HTD402 high"],
    COPY + "return torch.distributed.send(y)": [],
    COPY + "return np.ndim(y)": [],
    COPY + "return np.ndarray(8, np.float32, y.numpy())": [],
    # A conversion reads, unless it gives the tensor itself.
    INTO + "z = y.float()": ["HTD402 high"],
    INTO + "z = y.int()": [],
    COPY + "y += 1": ["HTD402 high"],
    COPY + "n += y": ["HTD402 high"],
    COPY + "n += 1": [],
    # A condition waits.
    COPY + "if gpu.sum() > 0: pass\nreturn y.tolist()": [],
    COPY + "if n > 0: pass\nreturn y.tolist()": ["HTD402 high"],
}


@pytest.mark.parametrize("text", READS)
def test_reads_of_a_copy_in_flight(text: str) -> None:
    assert found(text) == READS[text]


def test_in_code_for_other_hardware_a_race_is_not_likely() -> None:
    text = racing(UNSURE + "return y.item()")
    assert [f.confidence.label for f in races(text)] == ["medium"]
    assert [f.confidence.label for f in races(text.replace("work", "npu_work"))] == ["low"]


def test_a_race_is_a_hazard_and_no_wait() -> None:
    (finding,) = races(racing(COPY + "return y.tolist()"))
    assert finding.effect is Effect.HAZARD


@pytest.mark.parametrize(
    ("read", "how"), [("y.item()", ".item()"), ("'%s' % y", "formatting"), ("y + 1", "arithmetic")]
)
def test_the_evidence_for_a_race(read: str, how: str) -> None:
    (finding,) = races(racing(f"{COPY}return {read}"))
    assert finding.evidence[:2] == (
        "source: gpu: torch.zeros() at line 5",
        f"read at line 9 ({how}), nothing between is seen to wait",
    )


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("'cuda'", "'cuda'"),
        ("d", "parameter d: torch.device"),
        ("ys.gpu", "ys.gpu, by its name"),
        ("ys.other", "ys.other, not known"),
    ],
)
def test_the_evidence_for_a_device(device: str, told: str) -> None:
    (finding,) = lint(body(f"y = torch.tensor(xs, device={device})"))
    assert finding.evidence[0] == f"device: {told}"


def advice(text: str, options: Options | None = None) -> Fix:
    (finding,) = lint(text, options)
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.DISPLAY
    return finding.fix


def test_advice_has_a_title() -> None:
    # The text report breaks lines of the title.
    copied = racing('y = gpu.to(\n    "cpu",\n    non_blocking=True,  # soon\n)\nreturn y.tolist()')
    assert advice(copied).title == "Wait for the copy: drop non_blocking"
    made = body("y = torch.asarray(xs, copy=True, device=d)")
    assert advice(made).title == "Copy from pinned memory without blocking"


G = 'g = torch.arange(4, dtype=torch.float32, device="cuda"); '
W = 'g = torch.arange(4, device="cuda"); '

WHERE = {
    G + "torch.where(g > 1, g, torch.tensor(0.5))": G + "torch.where(g > 1, g, 0.5)",
    G + "torch.where(g > 1, g, torch.tensor(0j))": (
        G + "torch.where(g > 1, g, torch.full((), 0j, device=g.device))"
    ),
    W + "torch.where(g > 1, g, torch.tensor(3))": (
        W + "torch.where(g > 1, g, torch.full((), 3, device=g.device))"
    ),
    W + "torch.where(g > 1, g, torch.tensor([3, 3], dtype=torch.int32))": (
        W + "torch.where(g > 1, g, torch.full((2,), 3, dtype=torch.int32, device=g.device))"
    ),
    G + "torch.where(g > 1, g, other=torch.tensor(0.5))": G + "torch.where(g > 1, g, other=0.5)",
    G + "torch.where(g > 1, self=g, other=torch.tensor(0.5))": G + "torch.where(g > 1, self=g, other=0.5)",
    G + "torch.where(condition=g > 1, input=torch.tensor(0.5), other=g)": (
        G + "torch.where(condition=g > 1, input=0.5, other=g)"
    ),
    G + "g.where(condition=g > 1, other=torch.tensor(0.5))": G + "g.where(condition=g > 1, other=0.5)",
    # The operand goes to the device of the tensor that is known to be on one.
    W + "torch.where(x, g, torch.tensor([3, 4]))": (
        W + "torch.where(x, g, torch.tensor([3, 4], pin_memory=True).to(g.device, non_blocking=True))"
    ),
}


@pytest.mark.parametrize("before", WHERE)
def test_operands_of_where(before: str) -> None:
    assert apply(body(before)) == body(WHERE[before])
    (finding,) = lint(body(before))
    assert finding.confidence.label == "high"


CUDA = Options(assume_cuda=True)
ORDER = "the order of evaluation changes"
LEFT_OUT = "an argument that is left out may do something"
NO_TENSOR = "as_tensor takes tensors too, and w is none by its annotation only"


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        # What is not written any more is not evaluated either.
        ("torch.tensor(xs, device='cuda', pin_memory=next(ys))", [LEFT_OUT]),
        ("torch.tensor(xs, device='cuda', pin_memory=ys.pins)", []),
        ("torch.tensor(3, device='cuda', pin_memory=next(ys))", [LEFT_OUT]),
        ("torch.tensor(3, device='cuda', pin_memory=ys.pins)", []),
        # The device is asked for behind the other arguments.
        ("torch.tensor(xs, device=d if next(ys) else d, dtype=torch.int64)", []),
        ("torch.tensor(xs, device=d if next(ys) else d, dtype=next(ys))", [ORDER]),
        ("torch.tensor(next(ys), device=d)", ["next(ys) is not proven to be host data"]),
    ],
)
def test_why_a_fix_is_not_safe(line: str, reasons: list[str]) -> None:
    (finding,) = lint(body(f"y = {line}"), CUDA)
    assert finding.fix is not None
    assert [reason for reason in reasons if reason not in finding.fix.reasons] == []
    assert finding.fix.applicability is (Applicability.UNSAFE if reasons else Applicability.SAFE)


@pytest.mark.parametrize("data", ["w", "data=w"])
def test_what_may_be_a_tensor_has_no_factory_by_keyword_either(data: str) -> None:
    text = body(f"y = torch.as_tensor({data}, device=d)").replace("xs: list", "w: int")
    (finding,) = lint(text)
    assert finding.fix is not None
    assert (finding.fix.applicability, finding.fix.reasons) == (Applicability.UNSAFE, (NO_TENSOR,))


@pytest.mark.parametrize(
    ("head", "before", "after"),
    [
        ("import torch as th\n", "th.tensor(3, device=d)", "th.full((), 3, device=d)"),
        (
            "import torch as th\n",
            "th.as_tensor(xs, device=d)",
            "th.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
        ),
        (
            "",
            "(torch  # why\n        .tensor(3, device=d))",
            "(torch  # why\n        .full((), 3, device=d))",
        ),
    ],
)
def test_torch_stays_as_it_is_written(head: str, before: str, after: str) -> None:
    assert apply(head + body(f"y = {before}")) == head + body(f"y = {after}")


def test_a_device_by_its_name() -> None:
    line = "y = torch.zeros(3).to(ys.{})"
    assert apply(body(line.format("dev"))) == body("y = torch.zeros(3, device=ys.dev)")
    assert apply(body(line.format("other"))) == body(
        "y = torch.zeros(3, pin_memory=True).to(ys.other, non_blocking=True)"
    )


def test_large_copies_with_gaps_block() -> None:
    line = "y = torch.zeros({}, {}, pin_memory=True)[:, ::2].to('cuda', non_blocking=True)"
    effects = [f.effect for size in (512, 2048) for f in lint(body(line.format(size, size)))]
    assert effects == [Effect.MAY_BLOCK, Effect.BLOCKS]


# The project's style.

ATTRIBUTE = Options(assume_cuda=True, profile=Profile(pin_memory="self.pin_memory"))
PREDICATE = Options(assume_cuda=True, profile=Profile(pin_memory="can_pin()"))
COMMENT = Options(assume_cuda=True, profile=Profile(fix_comment="no wait"))

BASE = "class Base:\n    pin_memory = True\n\n\n"
RUNNER = """\
import torch


{head}class Runner{bases}:
    {body}

    def forward(self, lens: list[int], device: torch.device):
        {line}
"""
UPLOAD = "return torch.tensor(lens, device=device)"


def runner(head: str = "", bases: str = "", body: str = "pass", line: str = UPLOAD) -> str:
    return RUNNER.format(head=head, bases=bases, body=body, line=line)


@pytest.mark.parametrize(
    "text",
    [
        runner(body="pin_memory = True"),
        runner(body="@property\n    def pin_memory(self) -> bool: return True"),
        runner(BASE, "(Base)"),
        # Bases that the module does not define are passed over.
        runner(BASE, "(dict, Base)"),
        runner(BASE, "(dict, torch.nn.Module, Base)"),
        runner(body="pin_memory = True", line="return [torch.tensor(n, device=device) for n in [lens]]"),
        runner(body="pin_memory = True", line="def inner(): " + UPLOAD + "\n        return inner"),
    ],
)
def test_an_attribute_that_the_object_has(text: str) -> None:
    assert "pin_memory=self.pin_memory).to(device, non_blocking=True)" in apply(text, ATTRIBUTE)


@pytest.mark.parametrize(
    "text",
    [
        runner(body="@torch.no_grad()\n    def pin_memory(self) -> bool: return True"),
        runner(bases="(dict)"),
        runner("from app import *\n\n\n", "(Base)"),
        # Another object.
        runner(body="pin_memory = True", line="def inner(self): " + UPLOAD + "\n        return inner"),
        runner(
            body="pin_memory = True",
            line=f"def inner():\n            self = lens[0]\n            {UPLOAD}\n        return inner",
        ),
    ],
)
def test_an_attribute_that_it_may_not_have(text: str) -> None:
    assert apply(text, ATTRIBUTE) == text


def test_an_imported_base_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    text = runner("from elsewhere import Missing\nfrom app.base import Base\n\n\n", "(Missing, Base)")
    app = App.made(tmp_path, 'pin-memory = "self.pin_memory"\n', step=text, base=BASE)
    assert "pin_memory=self.pin_memory)" in app.fixed(unsafe=True)


CALLED = """\
import torch


def can_pin() -> bool:
    return {}


def upload(lens: list[int], device: torch.device):
    return torch.tensor(lens, device=device)
"""


@pytest.mark.parametrize("asks", ["True", "torch.tensor([1, 2], device='cuda') is None"])
def test_a_predicate_of_the_module(asks: str) -> None:
    upload = "    return torch.tensor(lens, device=device)\n"
    asked = "    return torch.tensor(lens, pin_memory=can_pin()).to(device, non_blocking=True)\n"
    text = CALLED.format(asks)
    assert apply(text, PREDICATE) == text.replace(upload, asked)


def test_a_predicate_does_not_ask_itself() -> None:
    text = CALLED.format('upload([1], "cuda") is None')
    assert apply(text, PREDICATE) == text


COMMENTED = "    # no wait\n    y = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", COMMENTED),
        # There already, above and nowhere else.
        ("    # no wait\n{}", COMMENTED),
        ("{}    # no wait\n", COMMENTED + "    # no wait\n"),
        # Columns are counted in characters.
        ("    # é\n{}", "    # é\n" + COMMENTED),
        ("    é = 1; y = 2\n{}", "    é = 1; y = 2\n" + COMMENTED),
    ],
)
def test_the_comment_stands_above_the_statement_once(before: str, after: str) -> None:
    head = body("pass").removesuffix("    pass\n")
    upload = "    y = torch.tensor(xs, device=d)\n"
    assert apply(head + before.format(upload), COMMENT) == head + after
