"""Statements whose order, ownership or kind is not what it seems."""

from __future__ import annotations

from tests.differential.hostdata import SAFE_INTS
from tests.differential.moves import finish, move
from tests.differential.scope import Data, Scope

NOTES = {
    "note_int": "def note_int(value: int) -> int:\n    LOG.append(value)\n    return value",
    "note_float": "def note_float(value: float) -> float:\n    LOG.append(value)\n    return value",
    "note_list": "def note_list(value: list[int]) -> list[int]:\n"
    "    LOG.append(len(value))\n    return value",
    "note_dtype": "def note_dtype() -> torch.dtype:\n    LOG.append('dtype')\n    return torch.float64",
    "note_device": "def note_device() -> torch.device:\n"
    "    LOG.append('device')\n    return torch.device('cuda')",
    "note_tensor": "def note_tensor(value: torch.Tensor) -> torch.Tensor:\n"
    "    LOG.append(value.numel())\n    return value",
}


def ordered(g: Scope) -> None:
    """Arguments with side effects, which have an order."""
    g.helper("LOG", "LOG: list[object] = []")
    for name, text in NOTES.items():
        g.helper(name, text)
    xs = g.parameter("xs", "list[int]", "[3, 1, 2]")
    data = g.one(
        f"note_int({g.one(*SAFE_INTS)})",
        "[note_int(4)]",
        "[note_int(4)] * note_int(2)",
        "[2] * note_int(3)",
        "range(note_int(3))",
        f"note_list({xs})",
        f"{xs}.pop()",
        f"[{xs}.pop(), {xs}.pop()]",
        f"[{xs}.pop()] * len({xs})",
        "(k := note_int(3))",
        "note_float(0.5)",
        f"[{xs}.pop(0)] * 2",
        f"len({xs})",
    )
    device = g.one("note_device()", '"cuda"', "note_device()", "(place := note_device())")
    kind = g.one("", "dtype=note_dtype()", "dtype=torch.int64", "dtype=torch.float64")
    form = g.rng.random()
    if form < 0.4:
        text = g.call(f"torch.{g.one('tensor', 'tensor', 'as_tensor')}", data, [f"device={device}", kind])
    elif form < 0.6:
        text = f"torch.tensor({data}).to({device})"
    elif form < 0.75:
        text = _keywords(g, data, device)
    elif form < 0.8:
        made = g.one(
            "torch.zeros(note_int(3))",
            "torch.full((note_int(2),), note_int(3))",
            "torch.arange(note_int(3))",
            "torch.zeros(3).view(note_int(3))",
        )
        text = g.one(
            f"{made}.to({device})", f"{made}.to({device}, note_dtype())", f"note_tensor({made}).to({device})"
        )
    else:
        t = g.local("t", "torch.zeros(4, 3, device='cuda')")
        g.line(
            g.one(
                f"{t}[note_int(1), note_int(2)] = note_float(0.5)",
                f"{t}[{xs}.pop(), 0] = len({xs})",
                f"{t}[[note_int(0), 1]] = note_float(1.5)",
                f"{t}[torch.arange(2, device='cuda')] = note_float(2.0)",
                f"note_tensor({t})[note_int(0)] = torch.ones(note_int(3))",
                f"{t}[:note_int(2)] = torch.full((3,), note_float(1.0))",
                f"{t}[{xs}.pop():].copy_(torch.ones(note_int(3)))",
                f"{t}[note_int(1)].copy_(torch.tensor([note_float(1.0)] * 3))",
                f"note_tensor({t}).copy_(torch.full((note_int(3),), 2))",
                f"{t}[{xs}.pop()][{xs}.pop()] = len({xs})",
                f"{t}[len({xs}), 0] = {xs}.pop()",
                f"{t}.index_put_((torch.tensor([note_int(1)]),), torch.ones(note_int(3)))",
            )
        )
        text = t
    name = g.local("r", text)
    g.give(name)
    g.give("list(LOG)")
    g.give(f"list({xs})")
    g.line("LOG.clear()")


def _keywords(g: Scope, data: str, device: str) -> str:
    """Keywords with side effects, in any order."""
    kind, flag = "dtype=note_dtype()", g.one("requires_grad=note_flag()", "pin_memory=note_flag()", "")
    given = [f"device={device}", kind, flag]
    g.helper("note_flag", NOTE_FLAG)
    if g.chance(0.35):
        return g.call(f"torch.{g.one('tensor', 'tensor', 'as_tensor')}", data, given)
    if g.chance(0.3):
        owner = g.local("t", "torch.zeros(2, 3, device='cuda')")
        return g.call(f"{owner}.new_tensor", data, given)
    host = g.one("device=note_host()", "device='cpu'", "")
    g.helper("note_host", NOTE_HOST)
    made = g.one("zeros", "ones", "arange", "eye")
    made = g.call(
        f"torch.{made}", "note_int(3)", [host, g.one("", "pin_memory=note_flag()"), g.one("", kind)]
    )
    return made + g.one("", ".view(-1)", ".reshape(note_int(-1))") + g.call(".to", "", given[:2])


NOTE_FLAG = "def note_flag() -> bool:\n    LOG.append('flag')\n    return False"
NOTE_HOST = "def note_host() -> torch.device:\n    LOG.append('host')\n    return torch.device('cpu')"

HANDLERS = {
    "upload": "def upload(data: list[int], where: torch.device) -> torch.Tensor:\n"
    "    return torch.tensor(data, device=where)",
    "upload_array": "def upload_array(a: np.ndarray):\n    return torch.from_numpy(a).to('cuda')",
    "upload_as": "def upload_as(a: np.ndarray, kind=None):\n"
    "    return torch.as_tensor(a, dtype=kind, device='cuda')",
    "upload_tensor": "def upload_tensor(h: torch.Tensor):\n    return h.to('cuda', non_blocking=True)",
    "upload_blocking": "def upload_blocking(h: torch.Tensor, where='cuda'):\n"
    "    moved = h.to(where)\n    return moved",
    "upload_any": "def upload_any(v, where='cuda'):\n    return torch.as_tensor(v, device=where)",
    "_stage": "def _stage(h):\n    return h.to('cuda')",
    "_pinned": "def _pinned(n: int = 3):\n    return torch.zeros(n, pin_memory=True)",
    "_fill": "def _fill(b, h):\n    b.copy_(h)\n    return b",
    "_twice": "def _twice(h: torch.Tensor):\n"
    "    once = h.pin_memory()\n    moved = once.to('cuda')\n    once.fill_(7)\n    return moved",
    "default": "def default(h=torch.zeros(3)):\n    moved = h.to('cuda')\n    h.add_(1)\n    return moved",
    "CACHE": "CACHE: dict[str, torch.Tensor] = {}",
    "cached": "def cached(n: int = 3) -> torch.Tensor:\n"
    "    if 'b' not in CACHE:\n        CACHE['b'] = torch.zeros(n).to('cpu')\n    return CACHE['b']",
    "Batch": "@dataclasses.dataclass\nclass Batch:\n"
    "    ids: list[int]\n    host: torch.Tensor\n    table: np.ndarray\n\n"
    "    def up(self):\n"
    "        return torch.tensor(self.ids, device='cuda'), self.host.to('cuda'), torch.from_numpy(self.table).cuda()",
}


def handed_on(g: Scope) -> None:
    """The upload is in a function of the module; what it is given is written to by the one who gave it."""
    for name in (
        "upload",
        "upload_array",
        "upload_as",
        "upload_tensor",
        "upload_blocking",
        "upload_any",
        "_stage",
        "_pinned",
        "_fill",
        "_twice",
        "default",
        "CACHE",
        "cached",
        "Batch",
    ):
        if name in ("_stage", "_pinned") or g.chance(0.7) or name in ("CACHE", "cached"):
            g.helper(name, HANDLERS[name])
    known = [name for name in HANDLERS if name in g.helpers]
    name = g.one(*known)
    pinned = "torch.zeros(3, pin_memory=True)"
    host = g.local(
        "h",
        g.one(pinned, pinned, "torch.ones(3)", "_pinned()", "_pinned(3)[:2]", "cached()", "torch.arange(3)"),
    )
    if name == "upload":
        finish(
            g, f"upload({g.one('[1, 2]', '[n for n in range(3)]')}, torch.device('cuda'))", Data("", "scalar")
        )
    elif name in ("upload_array", "upload_as", "upload_any"):
        array = g.local(
            "a",
            g.one(
                f"{host}.numpy()",
                "np.arange(3)",
                "np.broadcast_to(np.ones(2), (3, 2))",
                "np.ones((2, 4))[:, :2]",
            ),
        )
        finish(g, f"{name}({array})", Data(array, "array", source=array))
        if g.chance(0.5):
            g.line(f"{host}.zero_()")
    elif name == "_fill":
        target = g.local("b", "torch.zeros(3, device='cuda')")
        finish(g, f"_fill({target}, {host})", Data(host, "tensor", source=host))
    elif name == "_twice":
        finish(g, f"_twice({host})", Data(host, "tensor", source=host))
    elif name == "default":
        g.give("default()")
        g.give("default()")
    elif name == "Batch":
        batch = g.local("batch", f"Batch([1, 2], {host}, np.ones(3))")
        up = g.local("r", f"{batch}.up()")
        g.line(
            g.one(
                f"{batch}.host.zero_()", f"{batch}.table[:] = 0", f"{batch}.ids.clear()", f"{host}.fill_(3)"
            )
        )
        g.give(up)
    elif name in ("cached", "_pinned", "CACHE"):
        buffer = g.local("h", g.one("cached()", "_pinned()"))
        r = g.local("r", f"{buffer}{move(g, g.chance(0.7))}")
        g.line(g.one(f"{buffer}.fill_(5)", "cached().fill_(6)", f"{buffer}[0] = 1"))
        g.give(r)
    else:
        finish(g, f"{name}({host})", Data(host, "tensor", source=host))


def odd_kinds(g: Scope) -> None:
    """Values of a subclass of what an annotation says, which Python lets pass."""
    g.helper("Color", "class Color(enum.IntEnum):\n    RED = 3")
    annotation, value = g.rng.choice(
        [
            ("float", "np.float64(0.1)"),
            ("float", "np.float64(1e300)"),
            ("float", "3"),
            ("int", "True"),
            ("float", "True"),
            ("float", "np.float64('nan')"),
            ("bool", "True"),
        ]
    )
    name = g.parameter("v", annotation, value)
    if g.chance(0.15):
        name = "Color.RED"
    text = g.one(
        f"torch.tensor({name}, device='cuda')",
        f"torch.tensor([{name}], device='cuda')",
        f"torch.tensor([{name}] * 2, device='cuda')",
        f"torch.as_tensor([{name}, {name}], device='cuda')",
        f"torch.tensor({name}, device='cuda', dtype=torch.float64)",
        f"torch.tensor({name}, dtype=torch.float32).to('cuda')",
        f"torch.full((2,), {name}).to('cuda')",
        f"torch.tensor({name}).cuda()",
        f"torch.zeros(2, device='cuda').new_tensor({name})",
        f"torch.zeros(2, device='cuda').new_tensor([{name}, 1])",
        f"torch.full((2,), {name}, dtype=torch.int64).cuda()",
        f"torch.tensor(({name}, 1), device='cuda')",
        f"torch.cuda.FloatTensor([{name}])",
        f"torch.scalar_tensor({name}).to('cuda')",
        f"torch.tensor(-{name}, device='cuda')"
        if annotation != "bool" and value != "True"
        else f"torch.tensor(not {name}, device='cuda')",
        f"torch.tensor({name} + {name}, device='cuda')",
        f"torch.tensor({name} if {name} else 0.5, device='cuda')",
        f"torch.tensor(max({name}, 1), device='cuda')",
        f"torch.tensor(int({name} > 0), device='cuda')",
    )
    if g.chance(0.35):
        t = g.local(
            "t",
            f"torch.zeros(4, 3, dtype=torch.{g.one('float32', 'int64', 'float64', 'float16', 'bool')}, device='cuda')",
        )
        g.line(
            g.one(
                f"{t}[0, 1] = {name}",
                f"{t}[torch.arange(2, device='cuda')] = {name}",
                f"{t}[[0, 1]] = {name}",
                f"{t} = torch.where({t} > 0, {t}, torch.tensor({name}))",
                f"{t}[1].copy_(torch.tensor({name}))",
                f"{t}.copy_(torch.full((3,), {name}))",
            )
        )
        g.give(t)
        return
    finish(g, text, Data("", "scalar"))


def odd_layouts(g: Scope) -> None:
    """Host tensors that are not plain: sparse, conjugate, channels last, parameters, of other devices."""
    made = g.one(
        "torch.eye(3).to_sparse()",
        "torch.ones(2, 3, dtype=torch.complex64).conj()",
        "torch.tensor([1j, 2]).conj()",
        "torch.tensor([1j, 2]).imag",
        "torch._neg_view(torch.ones(3))",
        "torch.zeros(1, 2, 3, 2).to(memory_format=torch.channels_last)",
        "torch.zeros(1, 2, 3, 2).contiguous(memory_format=torch.channels_last)",
        "torch.nn.Parameter(torch.ones(3))",
        "torch.zeros(3, device='meta')",
        "torch.ones(1, 3).t()",
        "torch.ones(3, 1)[:, 0]",
        "torch.ones(1, 1, 3).expand(1, 1, 3)",
        "torch.ones(3, 4)[:, :1]",
        "torch.empty(0, 3).t()",
        "torch.ones(2, 3).t().contiguous().t()",
        "torch.as_strided(torch.arange(6.0), (2, 2), (1, 1))",
        "torch.arange(6.0).unfold(0, 3, 1)",
        "torch.ones(2, 3)[[0, 1]]",
        "torch.ones(2, 1, 3).permute(2, 0, 1)",
        "torch.tensor([1.0, 2.0]).to(torch.float8_e5m2)",
        "torch.ones(2, 3).nonzero()",
        "torch.tensor(True).expand(3)",
        "torch.zeros(4)[1:3]",
        "torch.ones(2, 3).tril()",
        "torch.nn.functional.one_hot(torch.tensor([0, 2]), 3)",
        "torch.ones(3).view(torch.int32)",
        "torch.zeros(2, 2, dtype=torch.complex128).T.conj()",
        "torch.nn.Linear(2, 3).weight",
        "torch.ones(2, 3, 4).movedim(0, 1)",
        "torch.vander(torch.tensor([1, 2, 3]))",
        "torch.ones(3, names=('a',))",
    )
    name = g.local("h", made) if g.chance(0.5) else made
    flag = g.one(
        "",
        "",
        ", memory_format=torch.contiguous_format",
        ", memory_format=torch.channels_last",
        ", memory_format=torch.preserve_format",
    )
    step = move(g, g.chance(0.8)) if not flag else f".to('cuda'{flag})"
    finish(g, f"{name}{step}", Data(name, "tensor", "float", None, name if name != made else ""))


def written_otherwise(g: Scope) -> None:
    """A pinned buffer that is copied, and then written to through what does not look like it."""
    buffer = g.name("p")
    kind = g.rng.random()
    if kind < 0.25:
        g.helper("STAGE", "STAGE = []")
        g.line(
            f"if not STAGE:\n    STAGE.append(torch.zeros(3, pin_memory=True))\n{buffer} = STAGE[0]\n{buffer}.add_(1)"
        )
    elif kind < 0.5:
        g.line(f"{buffer} = torch.zeros(3, pin_memory=True)")
    elif kind < 0.75:
        g.line(f"{buffer}, other = torch.zeros(3, pin_memory=True), torch.ones(3, pin_memory=True)")
    else:
        g.line(f"both = torch.zeros(2, 3, pin_memory=True)\n{buffer} = both[0]")
    results = []
    for _ in range(g.rng.randint(1, 2)):
        results.append(g.local("r", f"{buffer}{move(g, g.chance(0.8))}"))
    g.line(
        g.one(
            f"{buffer}.fill_(1)",
            f"{buffer}[0] = 4",
            f"{buffer} += 1",
            f"{buffer}.numpy()[0] = 4",
            f"{buffer}.tolist()\n{buffer}.fill_(1)",
            f"{results[0]}.cpu()\n{buffer}.fill_(1)",
            f"{results[0]}.sum().item()\n{buffer}.fill_(1)",
            f"torch.cuda.synchronize()\n{buffer}.fill_(1)",
            f"torch.cuda.synchronize()\n{buffer}.fill_(1)\n{buffer}.to('cuda')\n{buffer}.fill_(2)",
            f"torch.ones(3, out={buffer})",
            f"locals()['{buffer}'].fill_(1)",
            f"vars().get('{buffer}').fill_(1)",
            f"exec('{buffer}.fill_(1)')",
            f"np.asarray({buffer})[:] = 1",
            f"{buffer}.untyped_storage().fill_(0)",
            f"{buffer}.storage().fill_(0)",
            f"{buffer}.copy_({results[0]})",
            f"{buffer}, spare = torch.ones(3, pin_memory=True), {buffer}\nspare.zero_()",
            f"for {buffer} in [{buffer}]:\n    {buffer}.fill_(1)",
            f"match {buffer}:\n    case torch.Tensor() as t:\n        t.fill_(1)",
            f"{buffer}.__setitem__(0, 4)",
            f"torch.Tensor.fill_({buffer}, 1)",
            f"torch.fill_({buffer}, 1)",
            f"getattr({buffer}, 'fill_')(1)",
            f"del {buffer}\nfresh = torch.full((3,), 9.0, pin_memory=True)\nfresh.fill_(8)",
            f"{buffer} = None\nfresh = [torch.full((3,), 9.0, pin_memory=True) for _ in range(4)]",
            f"with torch.no_grad(): {buffer}.zero_()",
            f"torch._foreach_zero_([{buffer}])",
            f"torch.nn.init.ones_({buffer})",
            f"while True:\n    {buffer}.fill_(1)\n    break",
            f"try:\n    pass\nfinally:\n    {buffer}.fill_(1)",
            f"assert {buffer}.fill_(1) is not None",
            f"print({buffer}.fill_(1), file=None) if False else {buffer}.fill_(1)",
            f"x_ = {buffer}.fill_(1).sum()",
            f"if (w := {buffer}) is not None: w.fill_(1)",
            f"{buffer}.index_copy_(0, torch.tensor([0]), torch.tensor([4.0]))",
            f"{buffer}.map_(torch.ones(3), lambda a, b: 4.0)",
            f"{buffer}.clamp_(1, 2)",
            f"{buffer}.random_(1, 2)",
            f"{buffer}.swap_ = 1\n{buffer}.fill_(1)",
        )
    )
    for result in results:
        g.give(result)
