"""What the analysis says of values: one table for kinds, one for devices, one for memory, one for lengths."""

from __future__ import annotations

import pytest

from h2dlint.analysis import values as V
from h2dlint.analysis.layout import bytes_bound
from h2dlint.analysis.values import Kind, Value, join, same
from h2dlint.model import Confidence
from tests.analysis.helper import devices, kinds, look, memory


def table(rows: dict[str, str]) -> pytest.MarkDecorator:
    names = [" / ".join(text.strip().split("\n"))[:90] for text in rows]
    return pytest.mark.parametrize(("text", "expected"), rows.items(), ids=names)


@table(
    {
        # literals and displays
        "look(3)": "INT",
        "look(-2.5)": "FLOAT",
        "look(1j)": "COMPLEX",
        "look(not 3)": "BOOL",
        "look(None)": "NONE",
        "look('a')": "STR",
        "look(f'{3}')": "STR",
        "look([1, 2])": "SEQ",
        "look((1, *range(3)))": "SEQ",
        "look({'a': 1})": "DICT",
        "look([x for x in range(3)])": "SEQ",
        "look(lambda: 1)": "OBJ",
        "look([1] + [2])": "SEQ",
        "look([1] * 3)": "SEQ",
        "look(2 ** 3)": "INT FLOAT",
        "look(1 / 2)": "FLOAT",
        "look(1 < 2)": "BOOL",
        # well-known calls
        "look(len('a'))": "INT",
        "look(sorted('ab'))": "SEQ",
        "look(list(map(int, '12')))": "SEQ",
        "look(max(1, 2.5))": "INT FLOAT",
        "import math\nlook(math.ceil(2.5))": "INT",
        "import math\nlook(math.pi)": "FLOAT",
        "look(np.arange(3))": "NDARRAY",
        "look(np.float64(3))": "NPSCALAR",
        "look(np.arange(3).tolist())": "SEQ",
        "look(np.arange(3).reshape(1, 3))": "NDARRAY",
        "look(torch.arange(3).tolist())": "SEQ",
        "look(torch.arange(3).numpy())": "NDARRAY",
        "look(torch.zeros(3).size())": "SEQ",
        "look(torch.zeros(3).size(0))": "INT",
        "look(torch.zeros(3).shape)": "SEQ",
        "look(torch.zeros(3).item())": "BOOL INT FLOAT COMPLEX",
        "look(torch.zeros(3) + 1)": "TENSOR",
        "look(torch.zeros(3) > 1)": "TENSOR",
        "look(torch.zeros(3)[1:])": "TENSOR",
        "look(torch.device('cuda'))": "DEVICE",
        "look(torch.float16)": "DTYPE",
        "look('a,b'.split(','))": "SEQ",
        "look(unknown(3))": "?",
        # names
        "import torch as th\nlook(th.zeros(3))": "TENSOR",
        "from torch import zeros as z\nlook(z(3))": "TENSOR",
        "x = 1\nx = [x]\nlook(x)": "SEQ",
        "x = y = [1]\nlook(y)": "SEQ",
        "x = [1]\ndel x\nlook(x)": "?",
        "a, (b, c) = 1, ([2], 'z')\nlook(b)": "SEQ",
        "a, *b = [1, 2, 3]\nlook(b)": "SEQ",
        "x: list = unknown()\nlook(x)": "SEQ",
        "look(y := [1])": "SEQ",
        "(y := [1])\nlook(y)": "SEQ",
        "x = [1]\nx += [2]\nlook(x)": "SEQ",
        "x = 1\nx += 2.5\nlook(x)": "INT FLOAT",
        "def list(x):\n    return 3\nlook(list('a'))": "INT",
        # annotations of parameters
        "def f(a: int):\n    look(a)": "INT",
        "def f(a: float = 1.0):\n    look(a)": "INT FLOAT",
        "def f(a: 'List[int]'):\n    look(a)": "SEQ",
        "def f(a: Optional[List[int]]):\n    look(a)": "NONE SEQ",
        "def f(a: List[int] = None):\n    look(a)": "NONE SEQ",
        "def f(a: list[int] | None):\n    look(a)": "NONE SEQ",
        "def f(a: Union[int, torch.Tensor]):\n    look(a)": "INT TENSOR",
        "def f(a: Annotated[List[int], 3]):\n    look(a)": "SEQ",
        "def f(a: Literal[1, 2]):\n    look(a)": "INT",
        "def f(a: Sequence[float]):\n    look(a)": "SEQ",
        "def f(a: Tuple[int, str]):\n    look(a[1])": "STR",
        "def f(a: Dict[str, List[int]]):\n    look(a['x'])": "SEQ",
        "def f(a: np.ndarray):\n    look(a)": "NDARRAY",
        "def f(a: torch.Tensor):\n    look(a)": "TENSOR",
        "def f(a: torch.device):\n    look(a)": "DEVICE",
        "def f(a: torch.dtype):\n    look(a)": "DTYPE",
        "def f(a: Unheard[int]):\n    look(a)": "?",
        "def f(*a: int):\n    look(a)": "SEQ",
        "def f(**a):\n    look(a)": "DICT",
        "def f(a):\n    look(a)": "?",
        # joins, loops
        "def f(c):\n    x = [1] if c else 'a'\n    look(x)": "STR SEQ",
        "def f(c):\n    x = [1]\n    if c:\n        x = 'a'\n    look(x)": "STR SEQ",
        "def f(c):\n    x = [1]\n    if c:\n        x = 'a'\n        return\n    look(x)": "SEQ",
        "def f(c):\n    if c:\n        x = [1]\n    else:\n        raise ValueError\n    look(x)": "SEQ",
        "def f(c):\n    x = 1\n    while c():\n        x = [x]\n    look(x)": "INT SEQ",
        "def f(c):\n    x = None\n    for i in range(3):\n        x = [i]\n    look(x)": "NONE SEQ",
        "def f(c):\n    while True:\n        x = [1]\n        if c():\n            break\n    look(x)": "SEQ",
        "def f(c):\n    x = 1\n    for i in c:\n        "
        "if i:\n            x = 'a'\n            continue\n    look(x)": "INT STR",
        "def f():\n    for i in [1, 2]:\n        if i:\n            "
        "break\n    else:\n        i = 'a'\n    look(i)": "INT STR",
        "def f():\n    try:\n        x = [1]\n    except ValueError:\n        x = None\n    look(x)": "NONE SEQ",
        "def f():\n    x = 1\n    try:\n        x = [1]\n    finally:\n        look(x)": "SEQ",
        "def f(a):\n    match a:\n        case [x, *y]:\n            look(y)": "?",
        "def f(xs: List[int]):\n    for i, x in enumerate(xs):\n        look(x)": "INT",
        "def f(d: Dict[str, List[int]]):\n    for k, v in d.items():\n        look(v)": "SEQ",
        "def f(xs: List[int], ys: List[str]):\n    for x, y in zip(xs, ys):\n        look(y)": "STR",
        "def f():\n    xs = []\n    for i in range(3):\n        xs.append(i)\n    look(xs[0])": "INT",
        "def f(g):\n    xs = []\n    xs.append(g())\n    look(xs[0])": "?",
        "def f(xs):\n    return [look(int(x)) for x in xs]": "INT",
        # guards
        "def f(x: Optional[list]):\n    if x is None:\n        return\n    look(x)": "SEQ",
        "def f(x: Optional[list]):\n    if x:\n        look(x)": "SEQ",
        "def f(x: Optional[list]):\n    if not x:\n        return\n    look(x)": "SEQ",
        "def f(x: Optional[list]):\n    x = x or []\n    look(x)": "SEQ",
        "def f(x: Optional[list]):\n    assert x is not None\n    look(x)": "SEQ",
        "def f(x: Optional[list]):\n    look(x if x is not None else [])": "SEQ",
        "def f(x):\n    if isinstance(x, (list, tuple)):\n        look(x)": "SEQ",
        "def f(x: Union[int, list]):\n    if isinstance(x, int):\n        x = [x]\n    look(x)": "SEQ",
        "def f(x: Union[list, torch.Tensor]):\n    if torch.is_tensor(x):\n        return\n    look(x)": "SEQ",
        "def f(x: Union[list, torch.Tensor]):\n    look(x) if isinstance(x, torch.Tensor) else None": "TENSOR",
        "def f(x):\n    if x.is_cuda:\n        look(x)": "TENSOR",
        # functions, closures, globals
        "def g():\n    return [1]\ndef f():\n    look(g())": "SEQ",
        "def g(c):\n    if c:\n        return [1]\ndef f():\n    look(g(1))": "NONE SEQ",
        "def g(x):\n    return x\ndef f():\n    look(g('a'))": "STR",
        "def g() -> List[int]:\n    return unknown()\ndef f():\n    look(g())": "SEQ",
        "def g():\n    yield 1\ndef f():\n    look(g())": "?",
        "def g():\n    return g()\ndef f():\n    look(g())": "?",
        "def f():\n    x = [1]\n    def g():\n        look(x)": "SEQ",
        "def f():\n    x = [1]\n    def g():\n        look(x)\n    x = 'a'": "?",
        "x = [1]\ndef f():\n    look(x)": "SEQ",
        "x = [1]\ndef f():\n    global x\n    x = 3\ndef g():\n    look(x)": "?",
        "x = [1]\ndef f(x):\n    look(x)": "?",
        # classes
        "@dataclass\nclass A:\n    n: List[int]\ndef f(a: A):\n    look(a.n)": "SEQ",
        "@dataclass\nclass A:\n    n: List[int] = None\ndef f(a: A):\n    look(a.n)": "NONE SEQ",
        "@dataclass\nclass A:\n    n: int\n@dataclass\nclass B:\n    a: A\ndef f(b: B):\n    look(b.a.n)": "INT",
        "class R(NamedTuple):\n    n: List[int]\ndef f(r: R):\n    look(r.n)": "SEQ",
        "class A:\n    def __init__(self):\n        self.n = [1]\n    def f(self):\n        look(self.n)": "SEQ",
        "class A:\n    def __init__(self):\n        self.n = [1]\n    def g(self):\n        self.n = 'a'\n"
        "    def f(self):\n        look(self.n)": "STR SEQ",
        "class A:\n    n = [1]\n    def f(self):\n        look(self.n)": "SEQ",
        "class A:\n    @property\n    def n(self):\n        return [1]\n    def f(self):\n        look(self.n)": "SEQ",
        "class A:\n    def n(self):\n        return [1]\n    def f(self):\n        look(self.n())": "SEQ",
        "class B:\n    def __init__(self):\n        self.n = [1]\n"
        "class A(B):\n    def f(self):\n        look(self.n)": "SEQ",
        "class A:\n    n: int\ndef f():\n    a = A()\n    look(a.n)": "INT",
        "class A:\n    n: int\ndef f(a: A):\n    a.n = 'a'\n    look(a.n)": "STR",
        "class A:\n    n: int\ndef f(a: A, b: A):\n    a.n = 'a'\n    a = b\n    look(a.n)": "INT",
    }
)
def test_kind(text: str, expected: str) -> None:
    assert kinds(look(text)) == expected


@table(
    {
        "look('cuda')": "cuda",
        "look('cuda:1')": "cuda",
        "look('cpu')": "cpu",
        "look('mps')": "other",
        "look('meta')": "other",
        "look(None)": "none",
        "look(torch.device('cuda', 1))": "cuda",
        "look(torch.device('cpu'))": "cpu",
        "look(torch.cuda.current_device())": "cuda",
        "def f(i):\n    look(f'cuda:{i}')": "cuda",
        "def f(c):\n    look('cuda' if c else 'cpu')": "cuda cpu",
        "def f(d: torch.device):\n    look(d)": "cuda cpu other",
        "def f(d: torch.device = None):\n    look(d)": "cuda cpu other none",
        "def f(d='cuda'):\n    look(d)": "cuda cpu other",
        "def f(d=None):\n    look(d)": "cuda cpu other none",
        "def f(d: Literal['cuda', 'cpu']):\n    look(d)": "cuda cpu",
        "d = torch.device('cuda')\ndef f():\n    look(d)": "cuda",
        # tensors
        "look(torch.zeros(3))": "cpu",
        "look(torch.zeros(3, device='cuda'))": "cuda",
        "look(torch.zeros(3).cuda())": "cuda",
        "look(torch.zeros(3).to('cuda'))": "cuda",
        "look(torch.zeros(3).to('cuda').cpu())": "cpu",
        "look(torch.zeros(3).to(torch.float16))": "cpu",
        "look(torch.zeros(3).to(dtype=torch.float16))": "cpu",
        "look(torch.zeros(3, device='cuda').device)": "cuda",
        "look(torch.zeros(3).type_as(torch.zeros(1, device='cuda')))": "cuda",
        "look(torch.zeros(3).to(torch.zeros(1, device='cuda')))": "cuda",
        "look(torch.zeros_like(torch.zeros(3, device='cuda')))": "cuda",
        "look(torch.zeros(3, device='cuda').new_zeros(3))": "cuda",
        "look(torch.cuda.LongTensor([1]))": "cuda",
        "look(torch.LongTensor([1]))": "cpu",
        "look(torch.from_numpy(np.arange(3)))": "cpu",
        "look(torch.tensor([1]))": "cpu",
        "look(torch.tensor(torch.zeros(3, device='cuda')))": "cuda",
        "look(torch.as_tensor(torch.zeros(3, device='cuda')))": "cuda",
        "look(torch.cat([torch.zeros(1), torch.zeros(2)]))": "cpu",
        "look(torch.cat([torch.zeros(1, device='cuda')]))": "cuda",
        "look(torch.zeros(1, device='cuda') + torch.tensor(1.0))": "cuda",
        "look(torch.zeros(3).view(1, 3).t())": "cpu",
        "def f(x: torch.Tensor):\n    look(x)": "cuda cpu other",
        "def f(x: torch.Tensor):\n    look(torch.cat([x, torch.zeros(1)]))": "cuda cpu other",
        "def f(d):\n    look(torch.zeros(1, device=d))": "cuda cpu other",
        "def f(d):\n    look(torch.tensor(unknown()).to(d))": "cuda cpu other",
        # guards
        "def f(d: torch.device):\n    if d.type == 'cuda':\n        look(d)": "cuda",
        "def f(d: torch.device):\n    if d.type != 'cuda':\n        return\n    look(d)": "cuda",
        "def f(d: torch.device):\n    if d.type == 'cpu':\n        return\n    look(d)": "cuda other",
        "def f(d: str):\n    if d.startswith('cuda'):\n        look(d)": "cuda",
        "def f(d):\n    if 'cuda' in str(d):\n        look(d)": "cuda",
        "def f(d: torch.device):\n    if d.type in ('cuda', 'cpu'):\n        look(d)": "cuda cpu",
        "def f(x: torch.Tensor):\n    if x.is_cuda:\n        look(x)": "cuda",
        "def f(x: torch.Tensor):\n    if not x.is_cuda:\n        look(x)": "cpu other",
        "def f(x: torch.Tensor):\n    if x.device.type == 'cpu':\n        return\n    look(x)": "cuda other",
        "def f(x: torch.Tensor):\n    assert x.is_cuda\n    look(x.device)": "cuda",
        "def f(d: torch.device = None):\n    if d is None:\n        "
        "d = torch.device('cuda')\n    look(d)": "cuda cpu other",
        # default devices
        "with torch.device('cuda'):\n    look(torch.zeros(3))": "cuda",
        "with torch.device('cuda'):\n    pass\nlook(torch.zeros(3))": "cpu",
        "with torch.device('cuda'):\n    look(torch.zeros(3, device='cpu'))": "cpu",
        "with torch.device('cuda'):\n    look(torch.zeros(3, device=None))": "cuda",
        "with torch.device('cuda'):\n    with torch.device('cpu'):\n        look(torch.zeros(3))": "cpu",
        "def f(d: torch.device):\n    with d:\n        look(torch.zeros(3))": "cuda cpu other",
        "torch.set_default_device('cuda')\nlook(torch.zeros(3))": "cuda cpu other",
        # functions and attributes
        "def g(n):\n    return torch.zeros(n)\ndef f():\n    look(g(3))": "cpu",
        "def g(n, d):\n    return torch.zeros(n, device=d)\ndef f():\n    look(g(3, 'cuda'))": "cuda",
        "class A:\n    def __init__(self):\n        self.x = torch.zeros(3)\n    def h(self):\n"
        "        self.x = self.x.cuda()\n    def f(self):\n        look(self.x)": "cuda cpu",
    }
)
def test_device(text: str, expected: str) -> None:
    assert devices(look(text)) == expected


@table(
    {
        "look(torch.zeros(3))": "pageable",
        "look(torch.zeros(3, pin_memory=True))": "pinned",
        "look(torch.zeros(3, pin_memory=False))": "pageable",
        "def f(p):\n    look(torch.zeros(3, pin_memory=p))": "pageable pinned",
        "look(torch.tensor([1]).pin_memory())": "pinned",
        "look(torch.tensor([1]).pin_memory().view(1, 1))": "pinned",
        "look(torch.tensor([1]).pin_memory().clone())": "pageable",
        "look(torch.tensor([1]).pin_memory() + 1)": "pageable",
        "look(torch.tensor([1]).pin_memory().cuda().cpu())": "pageable",
        # of the same dtype after all, it is returned as it is
        "look(torch.zeros(3, pin_memory=True).float())": "pageable pinned",
        "look(torch.zeros(3, pin_memory=True).to(torch.float32))": "pageable pinned",
        "look(torch.zeros(3, dtype=torch.int64, pin_memory=True).float())": "pageable",
        "look(torch.zeros(3, pin_memory=True).to('cpu'))": "pinned",
        "look(torch.squeeze(torch.zeros(3, pin_memory=True)))": "pageable pinned",
        "def f(i):\n    look(torch.zeros(3, pin_memory=True)[i])": "pageable pinned",
        "look(torch.zeros(3, pin_memory=True)[[0, 1]])": "pageable",
        "look(torch.zeros(3, pin_memory=True)[1:])": "pinned",
        # elements that share memory
        "look(torch.zeros(3).expand(2, 3))": "pageable expanded",
        "look(torch.zeros(3).expand(2, 3).t())": "pageable expanded",
        "look(torch.zeros(3).expand(2, 3).contiguous())": "pageable",
        "look(torch.zeros(3).expand(2, 3).clone())": "pageable",
        "look(torch.zeros(3).expand(2, 3) * 2)": "pageable",
        "look(torch.broadcast_to(torch.zeros(3), (2, 3)))": "pageable expanded",
        "look(torch.zeros(6).unfold(0, 2, 1))": "pageable expanded",
        "def f(x: torch.Tensor):\n    look(x.cpu())": "pageable pinned gapped expanded",
        # views of pinned tensors: with gaps or without
        "look(torch.zeros(3, 4, pin_memory=True)[::2])": "gapped",
        "look(torch.zeros(3, 4, pin_memory=True)[:, ::2])": "gapped",
        "look(torch.zeros(3, 4, pin_memory=True)[:, :2])": "gapped",
        "look(torch.zeros(3, 4, pin_memory=True)[..., :2])": "gapped",
        "look(torch.zeros(3, 4, pin_memory=True)[:, 1])": "gapped",
        "look(torch.zeros(3, 4, pin_memory=True)[1, :2])": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True)[1:2, :2])": "pinned",
        "def f(i: int):\n    look(torch.zeros(3, 4, pin_memory=True)[i : i + 1, :2])": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True)[:, :])": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True)[None, 1:])": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True)[..., None])": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True)[::1])": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True).T)": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True).t().unsqueeze(0))": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True)[::2].t())": "gapped",
        "look(torch.zeros(3, 4, pin_memory=True).expand(2, 3, 4))": "gapped expanded",
        "look(torch.zeros(3, 4, pin_memory=True)[::2].contiguous())": "pageable",
        "look(torch.zeros(3, 4, pin_memory=True)[:, :2].contiguous())": "pageable pinned",
        "look(torch.zeros(3, 4, pin_memory=True).contiguous())": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True).t().reshape(-1))": "pageable pinned",
        "look(torch.zeros(3, 4, pin_memory=True).reshape(-1))": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True).narrow(0, 1, 2))": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True).narrow(1, 1, 2))": "gapped",
        "look(torch.zeros(3, 4, pin_memory=True).split(2)[0])": "pinned",
        "look(torch.zeros(3, 4, pin_memory=True).chunk(2, dim=1)[0])": "gapped",
        "look(torch.zeros(3, 4)[::2].pin_memory())": "gapped",
        "look(torch.zeros(3, 4)[::2].clone().pin_memory())": "pinned",
        "look(torch.cat([torch.zeros(3, pin_memory=True)]))": "pageable",
        "look(torch.stack([torch.zeros(3, pin_memory=True)]))": "pageable",
        "look(-torch.zeros(3, pin_memory=True))": "pageable",
        "def f(x: torch.Tensor):\n    look(x.pin_memory())": "pinned",
        "def f(x):\n    look(x.pin_memory())": "pinned",
        "look(torch.zeros_like(torch.zeros(3), pin_memory=True))": "pinned",
        "look(torch.zeros(3).new_zeros(2, pin_memory=True))": "pinned",
        "look(torch.from_numpy(torch.zeros(3, pin_memory=True).numpy()))": "pinned",
        "def f(x: torch.Tensor):\n    if x.is_pinned():\n        look(x)": "pinned gapped expanded",
        "def f(x: torch.Tensor):\n    if not x.is_pinned():\n        look(x)": "pageable expanded",
        "def f(c):\n    x = torch.zeros(3).pin_memory()\n    if c:\n        x = x[::2]\n    look(x)": "pinned gapped",
    }
)
def test_memory(text: str, expected: str) -> None:
    assert memory(look(text)) == expected


@table(
    {
        "look(3)": "natural",
        "look(0)": "natural",
        "look(-1)": "",
        "look(2**31)": "",
        "look(True)": "",
        "look(len('a'))": "natural",
        "look(len('a') + 1)": "natural",
        "look(len('a') - 1)": "",
        "look(len('a') * 2)": "",
        "look(-len('a'))": "",
        "def f(x: torch.Tensor):\n    look(x.shape[0])": "natural",
        "def f(x: torch.Tensor):\n    look(x.size(0) // 2)": "natural",
        "def f(x: torch.Tensor):\n    look(x.numel())": "natural",
        "def f(x: torch.Tensor):\n    b, n = x.shape\n    look(n)": "natural",
        "def f(n: int):\n    look(n)": "",
        "def f(c, xs):\n    n = len(xs)\n    if c:\n        n = -n\n    look(n)": "",
        "def f(c, xs):\n    n = len(xs)\n    if c:\n        n = 0\n    look(n)": "natural",
        "def f(c, xs):\n    n = len(xs)\n    while c():\n        n -= 1\n    look(n)": "",
        "def f(c, xs):\n    n = 0\n    while c():\n        n += 1\n    look(n)": "natural",
    }
)
def test_a_length_is_never_negative(text: str, expected: str) -> None:
    assert ("natural" if look(text).natural else "") == expected


@table(
    {
        "look(torch.zeros(3))": "distinct",
        "look(torch.zeros(3).view(1, 3))": "distinct",
        "look(torch.zeros(3).expand(2, 3))": "",
        "look(torch.zeros(3).expand(2, 3).clone())": "distinct",
        "look(torch.from_numpy(np.arange(3)))": "distinct",
        "look(torch.from_numpy(np.broadcast_to(np.arange(3), (2, 3))))": "",
        "look(torch.from_numpy(np.broadcast_to(np.arange(3), (2, 3))).double())": "",
        "def f(a: np.ndarray):\n    look(torch.from_numpy(a))": "",
        "def f(a: np.ndarray):\n    look(torch.tensor(a))": "distinct",
        "def f(x: torch.Tensor):\n    look(x.cpu())": "",
    }
)
def test_elements_share_no_memory(text: str, expected: str) -> None:
    assert ("distinct" if look(text).distinct else "") == expected


@table(
    {
        "look([1])": "high",
        "def f(x: List[int]):\n    look(x)": "high",
        "def f(x=3):\n    look(x)": "medium",
        "def f(d='cuda'):\n    look(d)": "medium",
        "def f(x):\n    look(x)": "medium",
        "def f(x):\n    look(torch.as_tensor(x))": "medium",
    }
)
def test_confidence(text: str, expected: str) -> None:
    assert look(text).confidence.label == expected


@table(
    {
        "look(torch.zeros(3, dtype=torch.half))": "float16",
        "look(torch.zeros(3).to(torch.int32))": "int32",
        "look(torch.zeros(3).long())": "int64",
        "look(torch.LongTensor([1]))": "int64",
        "look(torch.zeros(3) > 0)": "bool",
        "look(torch.zeros(3, dtype=torch.int8).cuda())": "int8",
        "look(torch.zeros(3, dtype=torch.int8).view(3))": "int8",
        "def f(c):\n    look(torch.float16 if c else torch.float32)": "None",
    }
)
def test_dtype(text: str, expected: str) -> None:
    assert str(look(text).dtype) == expected


@table(
    {
        "look(torch.zeros(3))": "24",
        "look(torch.zeros(2, 3, dtype=torch.int8))": "6",
        "look(torch.zeros((2, 3), dtype=torch.float64))": "48",
        "look(torch.full((5,), 1, dtype=torch.int32))": "20",
        "look(torch.arange(10))": "80",
        "look(torch.arange(2, 10, 3))": "24",
        "look(torch.eye(4))": "128",
        "look(torch.tensor(7))": "8",
        "look(torch.tensor([[1, 2, 3], [4, 5, 6]]))": "48",
        "def f(n: int):\n    look(torch.tensor([n, n]))": "16",
        "def f(n: int):\n    look(torch.tensor([[n, n], [n, n]]))": "32",
        "def f(xs: list):\n    look(torch.tensor(xs))": "None",
        "def f(xs: list):\n    look(torch.tensor([xs, xs]))": "None",
        "def f(n: int):\n    look(torch.zeros(3, n))": "None",
        "def f(n: int):\n    look(torch.zeros(n, 0))": "0",
        "look(torch.zeros(2, 3)[:, 1:].t().unsqueeze(0))": "48",
        "look(torch.zeros(2, 3).expand(4, 2, 3))": "None",
        "look(torch.zeros(2, 3, dtype=torch.int8).double())": "48",
        "look(torch.zeros(2, dtype=torch.float64).view(torch.uint8))": "None",
        "look(torch.zeros(2, dtype=torch.complex128))": "32",
        "look(torch.from_numpy(np.zeros(3)))": "24",
        "look(torch.from_numpy(np.array([1, 2])))": "16",
        "look(torch.zeros(5).sum())": "8",
        "def f(c):\n    x = torch.zeros(3)\n    if c:\n        x = torch.zeros(5)\n    look(x)": "40",
        "def f(c, n):\n    x = torch.zeros(3)\n    if c:\n        x = torch.zeros(n)\n    look(x)": "None",
        "def f(c):\n    x = torch.zeros(3)\n    while c():\n        x = torch.cat([x, x])\n    look(x)": "None",
    }
)
def test_at_most_so_many_bytes(text: str, expected: str) -> None:
    assert str(bytes_bound(look(text))) == expected


SAMPLES = [
    V.UNKNOWN, V.NONE, V.INT, V.LENGTH, V.FLOAT, V.STR, V.SEQ, V.INTS, V.DICT, V.NDARRAY, V.TENSOR, V.HOST_TENSOR,
    V.DEVICE, V.DTYPE, V.constant("cuda"), V.constant("cpu"), V.constant(3), V.constant(-3), V.constant(1.5),
    Value(kind=Kind.SEQ, items=(), size=0), Value(kind=Kind.SEQ, elem=V.INT, size=2), Value(kind=Kind.SEQ, size=3),
    Value(kind=Kind.TENSOR, device=V.CUDA, memory=V.PAGEABLE, dtype="int64", ndim=1, distinct=True),
    Value(kind=Kind.TENSOR, device=V.CPU, memory=V.PINNED, dtype="int32", ndim=1),
    Value(kind=Kind.TENSOR, device=V.CPU, memory=V.PINNED, most=6, layout=V.CONTIGUOUS),
    Value(kind=Kind.TENSOR, device=V.CPU, memory=V.GAPPED, most=3, layout=V.GAPS),
]  # fmt: skip


@pytest.mark.parametrize("a", SAMPLES)
@pytest.mark.parametrize("b", SAMPLES)
def test_a_join_covers_both_and_claims_no_more_than_both(a: Value, b: Value) -> None:
    joined = join(a, b)
    for one in (a, b):
        assert not one.kind & ~joined.kind
        if one.may(V.DEVICE_LIKE | Kind.TENSOR | Kind.NONE) and one.kind != V.ANY:
            assert not one.device & ~joined.device
        if one.only(Kind.TENSOR):
            assert not one.memory & ~joined.memory
            assert joined.layout in (one.layout, V.ANYHOW, V.DENSE, V.SLICED)
            assert joined.most is None or (one.most is not None and one.most <= joined.most)
        assert joined.confidence <= one.confidence
        assert one.natural or not joined.natural
        if one.only(Kind.SEQ) and joined.size is not None:
            assert one.size == joined.size
        if one.const is not V.MISSING and joined.const is not V.MISSING:
            assert one.const == joined.const


@pytest.mark.parametrize("a", SAMPLES)
def test_a_join_with_itself_changes_nothing(a: Value) -> None:
    assert same(join(a, a), a)
    assert same(join(join(a, V.INT), V.INT), join(a, V.INT))
    assert join(a, None) is a


def test_a_loop_over_growing_values_ends() -> None:
    text = "def f(c):\n    x = [1]\n    while c():\n        x = [x, [x]]\n    look(x)"
    assert kinds(look(text)) == "SEQ"
    assert look(text).confidence is Confidence.HIGH
