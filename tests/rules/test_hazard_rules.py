"""What the rules about races report, how sure they are, and what they leave alone."""

from __future__ import annotations

import textwrap

import pytest

from h2dlint.engine.edits import apply_edits
from h2dlint.model import Applicability, Confidence, Effect, Finding, Options
from h2dlint.rules import all_rules, check_module
from h2dlint.syntax.source import SourceText

RULES = tuple(rule for rule in all_rules() if rule.effect is Effect.HAZARD)

HEAD = """\
import numpy as np
import torch

def work(x: torch.Tensor, host: torch.Tensor, d: torch.device, unknown, xs, n, i):
    gpu = torch.zeros(8, device="cuda")
    buf = torch.empty(8, pin_memory=True)
    s = torch.cuda.Stream()
"""


def lint(text: str) -> list[Finding]:
    return check_module(SourceText(text), "module.py", RULES, Options())


def body(text: str) -> str:
    return HEAD + textwrap.indent(textwrap.dedent(text).strip("\n"), "    ") + "\n"


def found(text: str) -> list[str]:
    return [f"{f.code} {f.confidence.label}" for f in lint(body(text))]


REPORTED = {
    # HTD401
    "y = buf.to('cuda', non_blocking=True)\nbuf.fill_(0)": "HTD401 high",
    "y = buf.to(d, non_blocking=True)\nbuf.fill_(0)": "HTD401 high",
    "y = buf.to(unknown, None, True)\nbuf.fill_(0)": "HTD401 medium",
    "y = buf.cuda(0, True)\nbuf.copy_(torch.ones(8))": "HTD401 high",
    "y = buf.cuda(non_blocking=True)\nbuf.copy_(unknown)": "HTD401 medium",
    "y = buf.cuda(non_blocking=True)\nbuf.copy_(host)": "HTD401 medium",
    "y = buf.pin_memory().to('cuda', non_blocking=True)\nbuf.fill_(0)": "HTD401 high",
    "gpu.copy_(buf, non_blocking=True)\nbuf[0] = 1": "HTD401 high",
    "gpu.copy_(buf, True)\nbuf.numpy()[:3] = xs": "HTD401 medium",
    "unknown.copy_(buf, non_blocking=True)\nbuf *= 2": "HTD401 medium",
    "gpu[:n].copy_(buf[:n], non_blocking=True)\nunknown(gpu)\nbuf[:n] = 2.0": "HTD401 medium",
    "y = buf.cuda(non_blocking=True)\nunknown.readinto(buf.numpy())": "HTD401 high",
    "for z in xs:\n    buf.fill_(1)\n    yield buf.cuda(non_blocking=True)": "HTD401 low",
    "y = host.pin_memory()\nz = y.cuda(non_blocking=True)\ntorch.relu(host, out=y)": "HTD401 medium",
    # HTD402
    "y = gpu.to('cpu', non_blocking=True)\nreturn y.tolist()": "HTD402 high",
    "y = gpu.sum().to('cpu', non_blocking=True)\nif y > 1: return 1": "HTD402 high",
    "y = unknown.to('cpu', non_blocking=True)\nreturn y.item()": "HTD402 medium",
    "y = x.to('cpu', non_blocking=True)\nunknown()\nreturn y.sum()": "HTD402 medium",
    "y = gpu.to('cpu', non_blocking=True)\nreturn np.sort(y)": "HTD402 high",
    "y = gpu.to('cpu', non_blocking=True)\nfor z in y: print(1)": "HTD402 high",
    "y = gpu.to('cpu', non_blocking=True)\nhost = torch.zeros(8)\nhost[:] = y": "HTD402 high",
    "y = gpu.to('cpu', non_blocking=True)\nhost = torch.zeros(8)\nhost.copy_(y)": "HTD402 high",
    "y = gpu.to('cpu', non_blocking=True).numpy()\nreturn y": "HTD402 medium",
    "y = gpu.to('cpu', non_blocking=True).numpy()\nunknown.show(y)": "HTD402 medium",
    "return [z.to('cpu', non_blocking=True).item() for z in xs]": "HTD402 medium",
    "return xs[gpu.to('cpu', non_blocking=True)] if gpu.to('cpu', non_blocking=True) else 0": "HTD402 high",
    "y = gpu.int().to('cpu', torch.int32, True)\nreturn float(y)": "HTD402 high",
    "buf.copy_(gpu, non_blocking=True)\nreturn buf.tolist()": "HTD402 high",
    "buf.copy_(gpu, non_blocking=True)\nreturn f'{buf[0]}'": "HTD402 high",
    "self = unknown\nself.y = gpu.to('cpu', non_blocking=True)\nreturn float(self.y)": "HTD402 high",
    # HTD403
    "y = buf.cuda(non_blocking=True)\nwith torch.cuda.stream(s):\n    return y + 1": "HTD403 high",
    "with torch.cuda.stream(s):\n    y = buf.cuda(non_blocking=True)\nreturn torch.relu(y)": "HTD403 high",
    "with torch.cuda.stream(unknown):\n    y = buf.cuda(non_blocking=True)\nreturn y.add_(1)": "HTD403 medium",
    "y = x.to('cuda', non_blocking=True)\nwith torch.cuda.stream(s):\n    return unknown.model(y)": "HTD403 medium",
    "y = buf.cuda(non_blocking=True)\nwith torch.cuda.stream(s):\n    return unknown.register(y)": "HTD403 low",
    "with torch.cuda.stream(s):\n    gpu.copy_(buf, non_blocking=True)\ngpu += 1": "HTD403 high",
    "with torch.cuda.stream(s):\n    y = buf.cuda(non_blocking=True)\nreturn y.cpu()": "HTD403 high",
}


@pytest.mark.parametrize("text", REPORTED)
def test_reported(text: str) -> None:
    assert REPORTED[text] in found(text)


@pytest.mark.parametrize(
    "text",
    [
        # HTD401
        "y = buf.to('cuda')\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=unknown)\nbuf.fill_(0)",
        "y = buf.to('cpu', non_blocking=True)\nbuf.fill_(0)",
        "y = buf.to('mps', non_blocking=True)\nbuf.fill_(0)",
        "y = buf.to(gpu, non_blocking=True)\nbuf.fill_(0)",
        "y = buf[:, ::2].to('cuda', non_blocking=True)\nbuf.fill_(0)",
        "y = host.to('cuda', non_blocking=True)\nhost.fill_(0)",
        "y = host.pin_memory().to('cuda', non_blocking=True)\nhost.fill_(0)",
        "y = torch.from_numpy(xs).pin_memory().to('cuda', non_blocking=True)\nxs[:] = 0",
        "y = buf.view(2, 4).t().contiguous().to('cuda', non_blocking=True)\nbuf.fill_(0)",
        "y = buf.clone().to('cuda', non_blocking=True)\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nbuf.requires_grad_()\nbuf.unsqueeze_(0)",
        "y = buf.to('cuda', non_blocking=True)\nbuf.copy_(gpu, non_blocking=True)",
        "y = buf.to('cuda', non_blocking=True)\nbuf[:3] = gpu[:3]",
        "y = buf.to('cuda', non_blocking=True)\ny.sum().item()\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nunknown.wait()\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nwhile not unknown.query(): pass\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nz = host.to('cuda')\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nz = torch.tensor([1], device='cuda')\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nif y.any(): buf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nawait unknown()\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nbuf = torch.empty(3)\nbuf.fill_(0)",
        "y = buf.to('cuda', non_blocking=True)\nbuf = buf + 1",
        "for k in range(4):\n    unknown[k].copy_(buf[k], non_blocking=True)\n    buf[k + 1] = 2",
        "for b in unknown:\n    b = b.pin_memory()\n    y = b.cuda(non_blocking=True)\n    b = None",
        # HTD402
        "y = gpu.to('cpu')\nreturn y.tolist()",
        "y = gpu.to('cpu', non_blocking=unknown)\nreturn y.tolist()",
        "y = gpu.to(d, non_blocking=True)\nreturn y.tolist()",
        "y = torch.zeros(3).to('cpu', non_blocking=True)\nreturn y.tolist()",
        "y = gpu.to('cpu', torch.int32, non_blocking=True)\nreturn y.tolist()",
        "y = gpu.to('cpu', non_blocking=True)\nreturn y",
        "y = gpu.to('cpu', non_blocking=True)\nreturn y.view(-1)[0], y.shape[0], len(xs)",
        "y = gpu.to('cpu', non_blocking=True)\nxs.append(y.numpy())",
        "y = gpu.to('cpu', non_blocking=True)\nassert y.shape == gpu.shape and y is not None and y.numel() > 2",
        "y = gpu.to('cpu', non_blocking=True)\nz = gpu.cpu()\nreturn y.tolist()",
        "y = gpu.to('cpu', non_blocking=True)\ns.synchronize()\nreturn y.tolist()",
        "y = gpu.to('cpu', non_blocking=True)\nz = gpu[gpu > 0]\nreturn y.tolist()",
        "y = gpu.to('cpu', non_blocking=True)\nreturn y.to('cuda', non_blocking=True) + gpu",
        "y = gpu.to('cpu', non_blocking=True)\nz = gpu.clone()\nreturn torch.empty_like(y)",
        "y = unknown.to('cpu', non_blocking=True)\ny.float()\nif y: return y.sort()",
        "y = unknown.to('cpu', non_blocking=True)\nfor z in y: print(y)",
        "host = torch.empty(8)\nhost.copy_(gpu, non_blocking=True)\nreturn host.tolist()",
        "if not x.is_cuda:\n    return x.to('cpu', non_blocking=True).tolist()",
        "y = {k: v.to('cpu', non_blocking=True) for k, v in xs}\ntorch.cuda.synchronize()\nreturn y['a'].tolist()",
        "y = gpu.to('cpu', non_blocking=True)\nhost = torch.zeros(8)\nhost[x.long()] = y",
        "y = [v.to('cpu', non_blocking=True) for v in xs]\nreturn len(y), y[0].size(0)",
        # HTD403
        "y = buf.cuda(non_blocking=True)\nwith torch.cuda.stream(s):\n    z = gpu + 1\nreturn y + 1",
        "y = buf.cuda()\nwith torch.cuda.stream(s):\n    return y + 1",
        "y = buf.cuda(non_blocking=True)\ns.wait_stream(unknown)\nwith torch.cuda.stream(s):\n    return y + 1",
        "with torch.cuda.stream(s):\n    y = buf.cuda(non_blocking=True)\ns.synchronize()\nreturn y + 1",
        "with torch.cuda.stream(s):\n    y = buf.cuda(non_blocking=True)\nn.wait()\nreturn y + 1",
        "with torch.cuda.stream(s):\n    y = buf.cuda(non_blocking=True)\ny.record_stream(s)\nreturn y.shape, [y]",
        "with torch.cuda.stream(s):\n    y = buf.cuda(non_blocking=True)\n    z = y + 1\nreturn torch.empty_like(y)",
        "with unknown.stream_context():\n    y = buf.cuda(non_blocking=True)\nreturn y + 1",
        "with torch.cuda.stream(s) if s else unknown:\n    y = buf.cuda(non_blocking=True)\nreturn y + 1",
        "with torch.cuda.stream(None):\n    y = buf.cuda(non_blocking=True)\nreturn y + 1",
        "y = gpu.to('cuda:1', non_blocking=True)\nwith torch.cuda.stream(s):\n    return y + 1",
        "torch.cuda.set_stream(s)\ny = buf.cuda(non_blocking=True)\ntorch.cuda.set_stream(unknown)\nreturn y + 1",
    ],
)
def test_silent(text: str) -> None:
    assert not lint(body(text).replace("def work", "async def work"))


KEPT = """
import torch

class Uploader:
    def __init__(self, n):
        self.buf = torch.empty(n, pin_memory=True)

    def step(self, n, data):
        {write}
        {before}
        y = self.buf[:n].to("cuda", non_blocking=True)
        {after}
        return y

    def helper(self):
        {helper}
"""


def kept(
    write: str = "self.buf[:n] = torch.tensor(data)", before: str = "", after: str = "", helper: str = "pass"
) -> list[str]:
    text = KEPT.format(write=write, before=before or "pass", after=after or "pass", helper=helper)
    return [f"{f.code} {f.confidence.label}" for f in lint(text)]


def test_a_buffer_that_is_kept() -> None:
    assert kept() == ["HTD401 medium"]
    assert kept(helper="torch.cuda.synchronize()") == ["HTD401 low"]
    assert kept(after="self.helper()") == ["HTD401 medium"]
    assert kept(after="self.helper()", helper="torch.cuda.synchronize()") == []
    assert kept(write="self.done.synchronize(); self.buf.copy_(data)") == []
    assert kept(write="self.buf = torch.empty(n, pin_memory=True); self.buf[:n] = data") == []
    assert kept(write="self.buf[n:] = 0") == []
    assert kept(write="pass") == []


def test_a_buffer_of_the_constructor_is_filled_once() -> None:
    text = """
import torch

class Table:
    def __init__(self, n):
        self.buf = torch.empty(n, pin_memory=True)
        self.buf.fill_(1)
        self.there = self.buf.cuda(non_blocking=True)
"""
    assert not lint(text)


def test_scripts_have_no_function() -> None:
    text = "import torch\ny = torch.zeros(3, device='cuda').to('cpu', non_blocking=True)\nprint(y)\n"
    assert [f.code for f in lint(text)] == ["HTD402"]


@pytest.mark.parametrize(
    ("call", "fixed"),
    [
        ('gpu.to("cpu", non_blocking=True)', 'gpu.to("cpu")'),
        ('gpu.to(non_blocking=True, device="cpu")', 'gpu.to(device="cpu")'),
        ('gpu.to("cpu", non_blocking=True, copy=True)', 'gpu.to("cpu", copy=True)'),
        ('(gpu).to( "cpu" , non_blocking = True )', '(gpu).to( "cpu" )'),
    ],
)
def test_the_fix_waits(call: str, fixed: str) -> None:
    text = body(f"y = {call}\nreturn y.tolist()")
    (finding,) = lint(text)
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.UNSAFE
    assert finding.confidence is Confidence.HIGH
    after = apply_edits(SourceText(text), list(finding.fix.edits))
    assert after == text.replace(call, fixed)
    assert not lint(after)


def test_a_comment_keeps_the_fix_away() -> None:
    text = body('y = gpu.to(\n    "cpu",\n    # soon\n    non_blocking=True,\n)\nreturn y.tolist()')
    (finding,) = lint(text)
    after = apply_edits(SourceText(text), list(finding.fix.edits)) if finding.fix is not None else ""
    assert "# soon" in after
