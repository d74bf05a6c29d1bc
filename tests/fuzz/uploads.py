"""Expressions and statements that make the host wait: what every generated program is made around.

The names that they use are the parameters of the generated functions; see ``PARAMETERS``.
"""

from __future__ import annotations

from random import Random

PARAMETERS = (
    "xs: list[int]",
    "n: int",
    "v: float",
    "arr: np.ndarray",
    "gpu: torch.Tensor",
    "mask: torch.Tensor",
    "device: torch.device",
)
"""Parameters whose annotations are proof of what they are; a generated function takes most of them."""

SETUP = (
    'x = torch.zeros(4, 4, device="cuda")',
    'idx = torch.arange(4, device="cuda")',
    "buffer = torch.empty(8, 8, pin_memory=True)",
    'flags = torch.ones(4, dtype=torch.bool, device="cuda")',
    "host = torch.zeros(4)",
)
"""What functions begin with, so that the devices of ``x`` and ``idx`` are known."""


class Uploads:
    """Draws code that copies to the device.

    Args:
        random: where choices come from.
        torch: the names by which the module knows PyTorch.
    """

    def __init__(self, random: Random, torch: tuple[str, ...] = ("torch",)) -> None:
        self._random = random
        self._modules = torch

    @property
    def torch(self) -> str:
        """A name of PyTorch."""
        return self._random.choice(self._modules)

    def pick(self, *options: str) -> str:
        """One of some texts."""
        return self._random.choice(options)

    def device(self) -> str:
        """A device, mostly one that is known to be CUDA."""
        return self.pick(
            "device",
            "device",
            '"cuda"',
            "'cuda:1'",
            "x.device",
            "gpu.device",
            f'{self.torch}.device("cuda", 0)',
            'f"cuda:{n}"',
            'device or "cuda"',
            "(where := x.device)",
            '"cpu"',
            'device if n else "cuda"',
            "idx.device",
            'dict(d=device)["d"]',
        )

    def scalar(self) -> str:
        """A number."""
        return self.pick(
            "0", "1", "-1", "0.5", "1e-5", "True", "1j", "n", "v", "len(xs)", "2 ** n", "float('inf')", "-n", "(3)",
            "n if v else 1", "xs[0]", "(m := n + 1)", "0x_ff", "1_000", "(not n)", "min(xs)", "x.shape[0]",
        )  # fmt: skip

    def data(self) -> str:
        """Host data of some kind."""
        s = self.scalar
        return self.pick(
            "xs", "xs", "arr", "[1, 2, 3]", "(4, 5)", "[]", "[[1, 2], [3, 4]]", f"[{s()}]", f"[{s()}, {s()}]",
            f"[{s()}] * n", f"[0] * {s()}", "range(n)", "list(range(n))", "[i + 1 for i in xs]",
            f"[{s()} for _ in range(n)]", "sorted(xs)", "xs[1:]", "xs + [1]", "[*xs, 1]", "(ys := list(xs))",
            "np.arange(n)", "np.zeros((2, 3), dtype=np.float32)", "arr[::2]", "[len(s) for s in ('a', f'{n}é')]",
            "list(map(int, 'ß1'[1:]))", "(lambda: xs)()", "{1: xs}[1]", "xs if n else [0]", "[\n    1,\n    2,\n]",
            "[\n1,  # one\n2]", s(), s(),
        )  # fmt: skip

    def dtype(self) -> str:
        """Nothing, or a keyword argument that says the dtype."""
        t = self.torch
        return self.pick(
            "", "", "", f", dtype={t}.int64", f", dtype={t}.float32", ", dtype=x.dtype", f", dtype={t}.bool"
        )

    def keywords(self) -> str:
        """Device and dtype, in one order or the other."""
        device = f", device={self.device()}"
        extra = self.pick("", "", "", "", ", requires_grad=True", ", **{}", ", pin_memory=True")
        return self.dtype() + device + extra if self._random.random() < 0.5 else device + self.dtype() + extra

    def host(self) -> str:
        """A tensor in host memory."""
        t = self.torch
        return self.pick(
            f"{t}.tensor({self.data()}{self.dtype()})", f"{t}.as_tensor({self.data()})", f"{t}.from_numpy(arr)",
            f"{t}.zeros(4, 4)", f"{t}.arange(n)", f"{t}.full((2, n), {self.scalar()})", f"{t}.ones(len(xs), n)",
            f"{t}.tensor({self.data()}, pin_memory=True)", f"{t}.empty(n).pin_memory()", f"{t}.LongTensor(xs)",
            f"{t}.cat([{t}.zeros(2), {t}.ones(3)])", f"{t}.stack([{t}.zeros(2), {t}.ones(2)]).view(-1)", "buffer",
            "buffer[:, ::2]", "host", f"{t}.eye(3).unsqueeze(0)", f"{t}.randn(n, 2).t()", f"{t}.linspace(0, 1, n)",
        )  # fmt: skip

    def moved(self) -> str:
        """A host tensor on its way."""
        d = self.device()
        move = self.pick(
            f".to({d})", f".to({d})", ".cuda()", f".to({d}, non_blocking=True)", f".to(device={d})", ".to(x)",
            ".cuda(non_blocking=True)", f".to({d}, {self.torch}.float16)", ".type_as(x)", ".to(x.device).unsqueeze(0)",
            f".float().to({d})", f".reshape(-1).to({d})",
        )  # fmt: skip
        return self.host() + move

    def expression(self) -> str:
        """An expression that copies to the device, as a rule."""
        t = self.torch
        roll = self._random.randrange(20)
        if not roll:
            maker = self.pick("make", "make_tensor", "tensor", f"getattr({t}, 'tensor')")
            return f"{maker}({self.data()}{self.keywords()})"
        if roll < 6:
            maker = self.pick("tensor", "tensor", "tensor", "as_tensor", "asarray")
            return f"{t}.{maker}({self.data()}{self.keywords()})"
        if roll < 11:
            return self.moved()
        return self.pick(
            f"x.new_tensor({self.data()})", f"x.new_tensor({self.data()}, device={self.device()})",
            f"{t}.cuda.LongTensor([1, 2])", f"{t}.cuda.FloatTensor({self.data()})", f"{t}.LongTensor(xs).cuda()",
            "x[[0, 2]]", "x[[0, n]]", f"x[{t}.tensor([0, 1])]", "x[np.array([0, 1])]", "x[list(range(n))]", "x[xs]",
            "x[:, [0, 2]]", "x[[1], :]", "x[..., [0]]", f"x[{self.host()}]", "x[range(2)]", "x[arr]",
            f"{t}.where(mask, x, {t}.tensor({self.scalar()}))", f"{t}.where(x > 0, x, {t}.tensor(0.0))",
            f"x.index_select(0, {t}.tensor(xs, device=x.device))", f"x.masked_fill(flags, {t}.tensor(0.5))",
            f"{t}.clamp(x, {t}.tensor(0.0))",
        )  # fmt: skip

    def statement(self) -> str:
        """A simple statement that copies to the device, as a rule; one line unless its data are not."""
        e = self.expression
        roll = self._random.randrange(24)
        if roll < 8:
            return f"{self.pick('y', 'y', 'z', 'self.y', 'y = z', 'y, z', 'x', '(y)', 'y: torch.Tensor')} = {e()}"
        if roll < 12:
            return self.pick(
                e(),
                f"return {e()}",
                f"return {e()}, {e()}",
                f"yield {e()}",
                f"assert {e()} is not None, {e()}",
            )
        return self.pick(
            f"x[idx] = {self.scalar()}", f"x[idx] += {self.scalar()}", "x[0, 1] = 3", f"x[n, 1] = {self.scalar()}",
            f"x[0:2] = {self.host()}", f"x[:, 0] = {self.moved()}", f"x.copy_({self.host()})", "x[idx, 0] = v",
            f"x.copy_({self.host()}, non_blocking=True)", f"x.index_put_((idx,), {self.torch}.tensor(1.0))",
            f"x += {e()}", f"y = z = {e()}", f"y = {e()} if n else {e()}", f"y = [{e()} for i in xs]",
            f"y = {{i: {e()} for i in xs}}", f"y = lambda: {e()}", f"y = lambda k={e()}: k",
            f'y = f"{{{e_flat(self)}}}"',
            f"print({e()}, *[{e()}], **dict(sep=' '))", f"(y := {e()})", f"y = not {e()}", f"del x[{e()}]",
            f"y = x.copy_({self.host()}) + {e()}", "y = host.pin_memory().to(device, non_blocking=True)",
            "y = buffer.to(device, non_blocking=True); buffer[0] = n",
            "y = x.to('cpu', non_blocking=True); z = y[0].item()",
            "host = torch.tensor(xs); y = host.to(device)", "host = torch.zeros(n)\ny = host.to(device)",
            "host = torch.from_numpy(arr)\nz = host[1:]\ny = z.to(device, non_blocking=True)",
        )  # fmt: skip


def e_flat(uploads: Uploads) -> str:
    """An expression that may stand in an f-string of double quotes, also before Python 3.12."""
    for _ in range(8):
        text = uploads.expression()
        if not any(mark in text for mark in "\"'\n\\#:{}!="):
            return text
    return "torch.tensor(xs).cuda()"
