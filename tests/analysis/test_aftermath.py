"""What the host meets after an upload: markers in the source say where it begins and what is expected."""

from __future__ import annotations

import ast
import textwrap

import pytest

from h2dlint.analysis.aftermath import NEAR, Ends, Walk
from h2dlint.analysis.spots import Spots
from h2dlint.model import Span
from tests.analysis.helper import analyse

HEAD = "import torch\nimport torch.nn.functional as F\n\n"
HEAD_LINES = HEAD.count("\n")


def met(body: str, *, parameters: str = "xs, d", through_calls: bool = False) -> str:
    """``waits N``, ``upload N`` or ``unknown`` after the first ``torch.tensor(xs, ..)`` in a function.

    Lines count within ``body``; the other ``torch.tensor(..)`` are uploads, which only a walk through calls ends at.
    """
    text = (
        HEAD
        + f"def work({parameters}):\n"
        + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        + "\n"
    )
    module, records = analyse(text)
    uploads = [r.node for r in records if r.callee == "torch.tensor"]
    first = next(node for node in uploads if ast.unparse(node).startswith("torch.tensor(xs"))
    spot = Spots(module).at(module.source.span(first))
    assert spot is not None and spot.node is first

    def meets(node: ast.expr) -> Ends | None:
        return Ends.UPLOAD if through_calls else None

    result = Walk(module, spot, meets, lambda node: node in uploads, through_calls).run()
    return result.what.value if result.line is None else f"{result.what.value} {result.line - HEAD_LINES - 1}"


READS = """\
t.item()
n = int(t.sum())
t.tolist()
t.cpu()
t.to("cpu")
t.to("cpu", torch.float32)
t.to(device=torch.device("cpu"))
t.detach().float().cpu().numpy()
bool(t.any())
print(t)
print(f"{t}")
y = 1 if t else 2
y = t and d
y = not t
y = 3 in t
t.nonzero()
torch.nonzero(t)
torch.where(t)
torch.unique(t)
torch.bincount(t)
t.repeat_interleave(t)
F.one_hot(t)
t[t > 0]
t[(t > 0) & (t < 5)]
y = xs[: t[0]]
y = xs[t.sum()]
range(t.max())
0 < t < 3
torch.cuda.synchronize()
torch.cuda.current_stream().synchronize()
torch.stack([t, t]).max().item()
(t + 1).tolist()
assert t.any()
for x in t.tolist(): pass
while t.sum() > 0: pass
t += 1; t.item()
u = v = t * 2; v.item()
(u := t).item()
a, b = t, 1; a.item()
v, i = t.max(0); i.item()
t.topk(2).values.tolist()
return t.item()
t[t > 0] = t"""

NOT_READS = """\
t.size(0)
t.shape[0]
len(t)
t.to("cpu", non_blocking=True)
t.to(torch.float32)
y = t is None
y = t.is_floating_point() and d
t[t > 0] = 1.0
t[0:2]
t.repeat_interleave(t, output_size=9)
t.repeat_interleave(2)
torch.where(t > 0, t, 0)
F.one_hot(t, 9)
xs.item()
d.item()
d.synchronize()
t.size(0).item()
f = lambda: t.item()
y = d or t.item()
y = t.item() if d else 0
y = [t.item() for _ in d]
t = d; t.item()
del t
work(t).item()
if d: t.item()
for x in d: t.item()
try: t.foo = d.foo() ; t.item()
finally: pass
torch.distributed.all_reduce(t); t.item()
t.sum().backward(); t.item()
a, b = 1, t; a.item()
a, *b = t; b.item()
a, b = d.max(0); a.item()"""


def lines(text: str) -> list[str]:
    return text.replace("\nfinally", "\\nfinally").split("\n")


@pytest.mark.parametrize("line", lines(READS))
def test_a_read_of_the_uploaded_tensor_waits(line: str) -> None:
    assert met("t = torch.tensor(xs, device=d)\n" + line, parameters="xs: list, d") == "waits 2"


@pytest.mark.parametrize("line", lines(NOT_READS))
def test_what_is_no_wait_or_is_not_certain(line: str) -> None:
    assert met("t = torch.tensor(xs, device=d)\n" + line.replace("\\n", "\n")) == "unknown"


def test_a_read_in_the_same_expression() -> None:
    assert met("return torch.tensor(xs, device=d).item()") == "waits 1"
    assert met("return torch.sum(\n    torch.tensor(xs, device=d)\n).item()") == "waits 3"
    assert met("return foo(torch.tensor(xs, device=d)).item()") == "unknown"
    assert met("y = [torch.tensor(xs, device=d).item() for _ in xs]") == "waits 1"
    assert met("y = [torch.tensor(xs, device=d) for _ in xs]\ny[0].item()") == "unknown"
    assert met("y = d and torch.tensor(xs, device=d).any().item()") == "waits 1"
    assert met("y = torch.tensor(xs, device=d) if d else xs\ny.item()") == "unknown"
    assert met("if torch.tensor(xs, device=d).any():\n    return 1") == "waits 1"


def test_reads_before_the_upload_do_not_count() -> None:
    assert met("t = d\nfoo(t.item(), torch.tensor(xs, device=d))") == "unknown"


def test_only_tensors_proven_to_be_on_cuda_count_beside_the_uploaded_one() -> None:
    upload = "t = torch.tensor(xs, device=d)\n"
    assert met(upload + "y.item()", parameters="xs, d, y") == "unknown"
    assert met(upload + "y.item()", parameters="xs, d, y: torch.Tensor") == "unknown"
    assert met("y = torch.zeros(3, device='cuda')\n" + upload + "y.item()") == "waits 3"
    assert met("y = torch.zeros(3)\n" + upload + "y.item()") == "unknown"


def test_the_tensor_that_the_device_is_taken_from_is_on_it() -> None:
    upload = "t = torch.tensor(xs, device=y.device)\n"
    assert met(upload + "y.item()", parameters="xs, y: torch.Tensor") == "waits 2"
    assert met(upload + "y.item()", parameters="xs, y") == "unknown"


def test_what_follows_the_enclosing_block() -> None:
    assert met("if d:\n    t = torch.tensor(xs, device=d)\nelse:\n    t = 1\nt.item()") == "waits 5"
    assert met("with torch.no_grad():\n    t = torch.tensor(xs, device=d)\nt.item()") == "waits 3"
    assert met("try:\n    t = torch.tensor(xs, device=d)\nfinally:\n    t.item()") == "waits 4"
    assert (
        met("try:\n    t = torch.tensor(xs, device=d)\nexcept E:\n    pass\nelse:\n    t.item()") == "waits 6"
    )
    assert met("for x in xs:\n    t = torch.tensor(xs, device=d)\nt.item()") == "unknown"
    assert met("t = torch.tensor(xs, device=d)\ndef f():\n    return t.item()\n") == "unknown"
    assert met("def f():\n    t = torch.tensor(xs, device=d)\nt.item()") == "unknown"


def test_branches() -> None:
    upload = "t = torch.tensor(xs, device=d)\n"
    assert met(upload + "if d:\n    a = t.item()\nelse:\n    a = t.sum().item()") == "waits 3"
    assert met(upload + "if d:\n    raise E\nt.item()") == "waits 4"
    assert met(upload + "if d:\n    raise E(t.shape)\nelse:\n    t = t + 1\nt.item()") == "waits 6"
    assert met(upload + "if d:\n    t = t + 1\nt.item()") == "waits 4"
    assert met(upload + "if d:\n    t = foo\nt.item()") == "unknown"
    assert met(upload + "if d:\n    return t\nt.item()") == "unknown"
    assert met(upload + "if d:\n    foo()\nt.item()") == "unknown"
    assert met(upload + "match d:\n    case 1:\n        t.item()") == "unknown"
    assert met(upload + "match t.item():\n    case 1:\n        pass") == "waits 2"


def test_work_of_unknown_weight_ends_it() -> None:
    assert met("t = torch.tensor(xs, device=d)\ny = foo(d)\nt.item()") == "unknown"
    assert met("t = torch.tensor(xs, device=d)\ny = len(xs)\nt.item()") == "waits 3"


def test_many_statements_end_it() -> None:
    for between, expected in ((NEAR - 1, f"waits {NEAR + 1}"), (NEAR, "unknown")):
        assert met("t = torch.tensor(xs, device=d)\n" + "y = d\n" * between + "t.item()") == expected


def test_the_next_upload() -> None:
    first = "t = torch.tensor(xs, device=d)\n"
    assert met(first + "u = torch.tensor(d.lens(), device=d)", through_calls=True) == "upload 2"
    assert met("foo(torch.tensor(xs, device=d), torch.tensor(d, device=d))", through_calls=True) == "upload 1"
    assert met(first + "y = model(t)\nu = torch.tensor(d, device=d)", through_calls=True) == "unknown"
    assert met(first + "y = t.item()\nu = torch.tensor(d, device=d)", through_calls=True) == "waits 2"
    assert met(first + "if d:\n    u = torch.tensor(d, device=d)", through_calls=True) == "unknown"
    assert met(first + "for x in d:\n    u = torch.tensor(d, device=d)", through_calls=True) == "unknown"
    assert met(first + "u = torch.tensor(d, device=d)\nu.item()") == "waits 3"


def test_endless_expressions_end_it() -> None:
    for count, expected in ((100, "waits 3"), (1000, "unknown")):
        assert met(f"t = torch.tensor(xs, device=d)\ny = [{'d, ' * count}]\nt.item()") == expected


def test_a_span_that_is_no_expression_is_not_located() -> None:
    module, _ = analyse("x = 1\n")
    assert Spots(module).at(Span(1, 1, 1, 6)) is None
    assert Spots(module).at(Span(7, 1, 7, 6)) is None
