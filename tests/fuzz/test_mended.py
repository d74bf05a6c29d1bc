"""What the fuzzer found, each as the smallest program that showed it."""

from __future__ import annotations

import codecs
from pathlib import Path
from random import Random

import pytest

from h2dlint.engine.deep import deeply
from h2dlint.engine.files import discover
from h2dlint.engine.noqa import same_program
from h2dlint.engine.runner import lint_files
from h2dlint.engine.settings import Settings
from h2dlint.model import Applicability
from h2dlint.syntax.kept import keeps_comments
from h2dlint.syntax.magics import mask_magics
from h2dlint.syntax.source import SourceText
from tests.fuzz.invariants import ALWAYS, no_fault
from tests.fuzz.subject import Subject, limited


def sound(text: str, profile: str = "plain") -> Subject:
    """An input that breaks no invariant, and has a finding."""
    each = Subject(text.encode(), profile)
    for check in (no_fault, *ALWAYS):
        check(each, Random(0))
    assert each.verdict.findings
    return each


@pytest.mark.parametrize(
    "call",
    [
        'torch.tensor(xs, device=  # why\n        "cuda")',
        'torch.tensor(3, device="cuda", pin_memory  # why\n        =True)',
        "torch.cuda  # why\n    .FloatTensor([2])",
        'torch.asarray(xs, device="cuda"  # why\n        )',
        "x.  # why\n    new_tensor(xs)",
    ],
)
def test_a_comment_in_a_gap_that_a_fix_writes_anew(call: str) -> None:
    """The fix would lose the comment: it is advice then, where it was an internal error."""
    each = sound(
        f"import torch\ndef f(xs: list[int]):\n    x = torch.zeros(3, device='cuda')\n    y = ({call})\n"
    )
    assert all("# why" in outcome.after.decode() for outcome in (each.fixed, each.safely_fixed))


def test_advice_says_that_a_comment_is_in_the_way() -> None:
    text = 'import torch\ndef f(xs: list[int]):\n    y = torch.tensor(xs, device=  # why\n        "cuda")\n'
    (finding,) = Subject(text.encode()).verdict.findings
    assert finding.fix is not None and finding.fix.applicability is Applicability.DISPLAY
    assert "a comment stands in the way of the fix" in finding.fix.reasons


def test_keeps_comments_looks_at_order() -> None:
    source = SourceText("f(1, # one\n  2) # '#'\n")
    (edit,) = (each for each in [_edit(source, "1, # one\n  2", "2, # one\n  1")])
    assert keeps_comments(source, [edit])
    assert not keeps_comments(source, [_edit(source, "1, # one\n  2", "2, 1")])
    assert not keeps_comments(source, [_edit(source, "2)", "2 # new\n)")])
    assert keeps_comments(source, [_edit(source, "1", "'#'")])


def _edit(source: SourceText, old: str, new: str):  # type: ignore[no-untyped-def]
    from h2dlint.model import Edit, Span

    start = source.text.index(old)
    return Edit(Span(*source.position(start), *source.position(start + len(old))), new)


@pytest.mark.parametrize("profile", ["predicate", "pageable"])
def test_what_is_pinned_spans_lines(profile: str) -> None:
    """With a predicate the source of a copy is written twice; what only brackets join cannot be."""
    sound(
        "import torch\nx = torch.zeros(3, device='cuda')\ny = x[torch.tensor([0, 1] \\\n)[:2]\n]\n", profile
    )


@pytest.mark.parametrize("profile", ["plain", "helper", "predicate"])
def test_a_file_of_lone_carriage_returns(profile: str) -> None:
    text = (
        "import torch\rimport numpy as np\rmake = torch.tensor  # a name\rdef f(n: int, device=None):\r"
        "    x = torch.arange(n\r\r    ).to(device or\r\r          'cuda', torch.float16)\r"
        "    x.copy_(torch.linspace(0  # one\r\r          , 1,  n), non_blocking=True)\r"
        "    return make([1], device='cuda'), x[  # two\r        [0, 1]]\r"
    )
    each = sound(text, profile)
    other = Subject(text.replace("\r", "\n").encode(), profile)
    assert [f.span for f in each.verdict.findings] == [f.span for f in other.verdict.findings]
    assert each.fixed.after.replace(b"\r", b"\n") == other.fixed.after
    assert b"\n" not in each.fixed.after


def test_an_encoding_is_declared_before_a_lone_carriage_return() -> None:
    data = (
        "# coding: cp1252\rimport torch\rdef f():\r    return torch.tensor([1], device='cuda')  # é\r".encode(
            "cp1252"
        )
    )
    each = Subject(data)
    assert not each.refusal and not each.verdict.errors and each.source.encoding == "cp1252"
    for check in (no_fault, *ALWAYS):
        check(each, Random(0))
    assert Subject(codecs.BOM_UTF8 + b"# coding: latin-1\rimport torch\r").verdict.errors


def codes(text: str) -> list[str]:
    each = Subject(text.encode())
    assert not each.verdict.errors
    return [finding.code for finding in each.verdict.findings]


@pytest.mark.parametrize(
    "index",
    [
        "[[0, 1]]",
        "[\n    [0, 1]\n]",
        "[  # two\n    [0, 1]]",
        "[\n    :, [0, 1]]",
        "[\n    idx]",
        "[  # of them\n    idx\n]",
    ],
)
def test_the_layout_of_an_index(index: str) -> None:
    text = f"import torch\ndef f(idx: list[int]):\n    x = torch.zeros(3, 3, device='cuda')\n    return x{index}\n"
    assert codes(text) == ["HTD301"]


@pytest.mark.parametrize("end", ["", "  # a name", "; n = 1", "\r"])
def test_other_names_of_functions(end: str) -> None:
    head = f"import torch\nmake = torch.tensor{end}\n"
    assert codes(f"{head}def f(xs: list[int]):\n    return make(xs, device='cuda')\n") == ["HTD101"]


@pytest.mark.parametrize("words", [" as ", "  as  ", " \\\n    as "])
def test_imported_by_another_name(words: str) -> None:
    head = f"from torch import tensor{words}make\n"
    assert codes(f"{head}def f(xs: list[int]):\n    return make(xs, device='cuda')\n") == ["HTD101"]


@pytest.mark.parametrize(
    "value",
    [
        "torch.tensor([1]).to('cuda')" + " + 1" * 900,
        "torch.tensor([1]).to('cuda')" + ".T" * 900,
        "torch.tensor(" + "not " * 900 + "1).to('cuda')",
    ],
    ids=["operators", "attributes", "not"],
)
def test_code_deeper_than_the_stack(value: str) -> None:
    """CPython compiles it, so it is looked into; in a thread, with a deeper stack."""
    assert codes(f"import torch\ndef f(n):\n    return {value}\n")


def test_a_long_chain_of_branches() -> None:
    chain = "".join(f"    elif n == {number}:\n        pass\n" for number in range(400))
    head, tail = (
        "import torch\ndef f(n, x):\n    if n:\n        pass\n",
        "        x = torch.tensor(n).cuda()\n",
    )
    text = f"{head}{chain}    else:\n{tail}"
    assert codes(text) == ["HTD201"]
    assert same_program(text, text.replace("pass\n", "pass  # noqa\n"))


@pytest.mark.parametrize("head", ["for i in x", "while n", "try"])
@pytest.mark.parametrize(
    "inner",
    [
        "y = torch.tensor(xs, pin_memory=True).to(device, non_blocking=True)",
        "y = x.to('cpu', non_blocking=True)",
    ],
)
def test_loops_in_loops(head: str, inner: str) -> None:
    """Each level used to take twice the time; what is nested deeper than 20 CPython parses and does not compile."""
    depth = 40
    lines = [f"{' ' * level}{head}:" for level in range(1, depth)] + [" " * depth + inner]
    if head == "try":
        lines += [f"{' ' * level}finally: pass" for level in reversed(range(1, depth))]
    text = "\n".join(["import torch", "def f(n, x: torch.Tensor, xs: list[int], device):", *lines, ""])
    with limited(20):
        assert codes(text) is not None


@pytest.mark.parametrize(
    "line",
    [
        "s = 'a %s' % (n,)",
        "m = (n + 1) % 7",
        "m = [1, 2] [0] % 7",
        "s = '' != n",
        "y = 'is it?'",
        "y = n  # is it?",
    ],
)
def test_python_beside_magics(line: str) -> None:
    """In a cell with a magic, ``= (..) % n`` was taken for one too."""
    text = f"!ls\n{line}\n"
    assert mask_magics(text) == f"_  \n{line}\n"


def test_deeply_hands_back_what_is_returned_and_raised() -> None:
    def depth(left: int) -> int:
        return depth(left - 1) + 1 if left else 0

    assert deeply(lambda: depth(20_000)) == 20_000
    with pytest.raises(KeyError, match="gone"):
        deeply(lambda: dict[str, int]()["gone"])


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("x = 1\n", "x = 1  # noqa\n", True),
        ("x = 1\n", "x = True\n", False),
        ("x = 0.0\n", "x = -0.0\n", False),
        ("x = 1\n", "x = 1\ny = 2\n", False),
        ("x = 1\n", "\nx = 1\n", False),
        ("f(a, b)\n", "f(b, a)\n", False),
        ("x = 'a'\n", "x = b'a'\n", False),
    ],
)
def test_same_program(before: str, after: str, same: bool) -> None:
    assert same_program(before, after) is same


_INDEXED = (
    "import torch, numpy as np\ndef f(x: torch.Tensor):\n    {}\n    return x[np.array([0, 1])]\n"
    "def g(x):\n    return x.to('cuda')\n"
)
_MADE = "import torch\n{}\ndef f(xs: list[int]):\n    return torch.tensor(xs, device='cuda')\n"
_ARRAY = "import torch, numpy as np\n{}\ndef f(a: np.ndarray):\n    return torch.from_numpy(a).to('cuda')\n"
_FACTORY = "import torch\n{}\ndef f(n: int, device: torch.device):\n    return torch.zeros(n).to(device)\n"
_BUFFER = (
    "import torch\n{}\nclass A:\n    def __init__(self):\n        self.buf = torch.zeros(1024, pin_memory=True)\n"
    "    def step(self, n):\n        self.buf.fill_(n)\n        return self.buf.to('cuda', non_blocking=True)\n"
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (_INDEXED, "device = None"),
        (_MADE, "s = torch.cuda.Stream()"),
        (_MADE, "torch.jit.script(g)"),
        (_ARRAY, "p = q.requires_grad, torch.complex64"),
        (_BUFFER, "torch.cuda.synchronize()"),
        (_FACTORY, "torch.set_default_device('cuda')"),
    ],
)
def test_what_a_comment_speaks_of_does_not_count(text: str, code: str) -> None:
    """It did where the text of a function or a module is asked for words; as code the same words do count."""

    def said(line: str) -> list[object]:
        verdict = Subject(text.format(line).encode()).verdict
        assert not verdict.errors
        return [
            (f.code, f.span, f.confidence, f.evidence, f.fix and (f.fix.applicability, f.fix.reasons))
            for f in verdict.findings
        ]

    without = said("pass")
    assert without
    assert said(f"pass  # {code}") == without
    assert said(f"pass  # it's: {code}") == without
    assert said(code) != without


def test_a_comment_is_no_call_by_a_name_put_together(tmp_path: Path) -> None:
    """``globals()`` in a comment was why the calls that are seen were not taken for all of them."""
    text = (
        "import torch{}\ndef _g(xs):\n    return torch.tensor(xs, device='cuda')\n"
        "def f():\n    return _g([1, 2])\n"
    )
    (tmp_path / "pyproject.toml").touch()

    def reasons(remark: str) -> object:
        path = tmp_path / "module.py"
        path.write_text(text.format(remark), encoding="utf-8")
        report = lint_files(discover([str(path)], Settings(), tmp_path), Settings())
        (finding,) = report.findings
        return finding.fix and finding.fix.reasons

    assert reasons("  # globals()") == reasons("")
    assert reasons("; globals()") != reasons("")
