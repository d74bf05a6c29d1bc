"""Tensors on the host: made, named, pinned, viewed, shared, and
written to after a copy of them was asked for."""

from __future__ import annotations

from tests.differential.hostdata import array, data, dtype, listed
from tests.differential.scope import USUAL, Data, Scope

VIEWS = tuple(
    """.view(-1) .reshape(-1) .unsqueeze(0) .t() .T .flatten() .contiguous() .clone() .float() .long() .half()
    .double() [None] [::2] [1:] [:1] [0] [...,:2] .narrow(-1,0,1) .transpose(0,-1) .expand(2,*TAIL) .repeat(2) .detach()
    .sum(0) .cumsum(0) .to(torch.float32) .to(torch.int64) .cpu() .pin_memory() .data .neg() .add(1)
    .requires_grad_(False) .movedim(0,-1) .mT .bool() .swapaxes(0,-1) .flip(0) .squeeze() .ravel()
    .conj() .real .imag .to_sparse() .type_as(torch.ones(1)) .view_as(torch.ones(3)) .reshape(1,-1)
    .to('cpu')""".split()
)


def views(g: Scope, shape: tuple[int, ...] | None, most: int = 2) -> str:
    """Some methods and subscripts after a tensor."""
    if g.chance(0.55):
        return ""
    chosen = [g.rng.choice(VIEWS) for _ in range(g.rng.randint(1, most))]
    tail = ", ".join(["-1"] * len(shape)) if shape else "-1"
    return "".join(step.replace("*TAIL", tail) for step in chosen)


def constructed(g: Scope) -> Data:
    """``torch.tensor(..)`` and its kin without a device."""
    made = data(g)
    function = g.one("tensor", "tensor", "tensor", "as_tensor", "asarray")
    grad = "requires_grad=True" if function == "tensor" and g.chance(0.1) else ""
    if made.kind == "array" and g.chance(0.15):
        return Data(f"torch.from_numpy({made.text})", "tensor", made.element, made.shape, made.source)
    if made.kind == "list" and g.chance(0.15):
        legacy = g.one(
            "LongTensor", "FloatTensor", "Tensor", "IntTensor", "HalfTensor", "BoolTensor", "DoubleTensor"
        )
        return Data(f"torch.{legacy}({made.text})", "tensor", made.element, made.shape)
    text = g.call(f"torch.{function}", made.text, [dtype(g, element=made.element), grad])
    return Data(text, "tensor", made.element, made.shape)


def size_of(g: Scope, shape: tuple[int, ...]) -> str:
    """A shape, written in one way or another."""
    written = ", ".join(map(str, shape))
    if not shape or g.chance(0.25):
        return f"({written},)" if len(shape) == 1 else f"({written})"
    if g.chance(0.2):
        count = g.parameter("n", "int", str(shape[0]))
        return ", ".join([count, *map(str, shape[1:])])
    return written


def made_by_factory(g: Scope, pin: bool = False) -> Data:
    """A factory's tensor on the host."""
    shape = g.rng.choice([(3,), (2, 3), (2, 3), (1,), (), (0, 3), (3, 1), (1, 2, 3), (1, 2, 3, 2)])
    given = g.one(*USUAL)
    kind = dtype(g) if g.chance(0.5) else g.one("", f"dtype=torch.{given}")
    grad = "requires_grad=True" if g.chance(0.06) and "int" not in kind and "bool" not in kind else ""
    pinned = "pin_memory=True" if pin else ""
    size = size_of(g, shape)
    form = g.one(
        *"zeros ones full arange arange eye empty linspace tril hann scalar cat stack random like".split()
    )
    if form in ("zeros", "ones"):
        text = g.call(f"torch.{form}", size, [kind, grad, pinned])
    elif form == "full":
        value = g.one("0", "2", "0.5", "True", "-1", "1e39", "300", "float('inf')", "1j")
        text = g.call("torch.full", f"{shape}, {value}", [kind, grad, pinned])
    elif form == "arange":
        bounds, shape = g.rng.choice(
            [
                ("3", (3,)),
                ("2, 5", (3,)),
                ("0, 6, 2", (3,)),
                ("0.0, 1.0, 0.1", (10,)),
                ("5, 0, -2", (3,)),
                ("250, 260", (10,)),
                ("0", (0,)),
                ("3.0", (3,)),
                ("end=3", (3,)),
            ]
        )
        if bounds.startswith("0.0") and kind and "float" not in kind:
            # A step of 0, which ends the process in torch 2.11: a division by zero.
            bounds = "0.0, 10.0, 1.0"
        text = g.call("torch.arange", bounds, [kind, grad, pinned])
    elif form == "eye":
        shape = (3, 3)
        text = g.call("torch.eye", "3", [kind, grad, pinned])
    elif form == "empty":
        text = g.call("torch.empty", size, [kind, pinned]) + g.one(".fill_(1)", ".zero_()")
    elif form == "linspace":
        shape = (7,)
        text = g.call("torch.linspace", "0, 1, 7", [grad, pinned])
    elif form == "tril":
        shape = (2, 6)
        text = g.call("torch.tril_indices", "3, 3", [pinned])
    elif form == "hann":
        shape = (6,)
        text = g.call(f"torch.{g.one('hann_window', 'hamming_window', 'blackman_window')}", "6", [pinned])
    elif form == "scalar":
        shape = ()
        text = g.call("torch.scalar_tensor", g.one("2.5", "3", "True", "1e39"), [kind, pinned])
    elif form in ("cat", "stack") and not pin:
        shape = (2, 3)
        text = f"torch.{form}([torch.zeros(1, 3), torch.ones(1, 3)])" + (
            ".squeeze(1)" if form == "stack" else ""
        )
    elif form == "random":
        shape = (3,)
        text = g.call(g.one("torch.rand", "torch.randn", "torch.randperm"), "3", [pinned])
    else:
        shape = (2, 3)
        text = g.call("torch.zeros", "2, 3", [kind, pinned])
    element = "float" if "float" in kind or not kind else "int"
    return Data(text, "tensor", element, shape)


def pinned(g: Scope) -> Data:
    """A tensor that is pinned as it is made."""
    if g.chance(0.5):
        return made_by_factory(g, pin=True)
    if g.chance(0.5):
        made = listed(g)
        return Data(
            g.call("torch.tensor", made.text, ["pin_memory=True", dtype(g, element=made.element)]),
            "tensor",
            made.element,
            made.shape,
        )
    made = constructed(g) if g.chance(0.5) else made_by_factory(g)
    return Data(f"{made.text}.pin_memory()", "tensor", made.element, made.shape)


def given(g: Scope) -> Data:
    """A tensor that the caller made: it may be pinned, a view, expanded, a leaf, or on the device already."""
    text, shape = g.rng.choice(
        [
            ("torch.arange(6.).view(2, 3)", (2, 3)),
            ("torch.ones(3)", (3,)),
            ("torch.arange(3)", (3,)),
            ("torch.ones(2, 3).pin_memory()", (2, 3)),
            ("torch.zeros(3, pin_memory=True)", (3,)),
            ("torch.arange(12).view(3, 4)[:, 1:3].t()", (2, 3)),
            ("torch.ones(3).expand(2, 3)", (2, 3)),
            ("torch.ones(3, requires_grad=True)", (3,)),
            ("torch.tensor(2.)", ()),
            ("torch.zeros(0, 3)", (0, 3)),
            ("torch.ones(2, 3, device='cuda')", (2, 3)),
            ("torch.ones(3, dtype=torch.complex64).conj()", (3,)),
            ("torch.ones(2, 4, pin_memory=True)[:, :3]", (2, 3)),
        ]
    )
    name = g.parameter("h", g.one("torch.Tensor", "torch.Tensor", ""), text)
    return Data(name, "tensor", "float", shape, name)


def keeper(g: Scope, name: str) -> str:
    """Something that may hand on the tensor itself, or memory that is its own."""
    return g.one(
        f"{name}.contiguous()",
        f"{name}.cpu()",
        f"{name}.detach()",
        f"{name}.to('cpu')",
        f"torch.as_tensor({name})",
        f"torch.asarray({name})",
        f"torch.from_numpy({name}.numpy())",
        f"torch.as_tensor({name}.numpy())",
        f"torch.from_numpy(np.asarray({name}))",
        f"{name}.float()",
        f"{name}.to({name}.dtype)",
        f"{name}.requires_grad_(False)",
        f"torch.atleast_1d({name})",
        f"{name}.view_as({name})",
        f"same({name})",
        f"first([{name}])",
        f"{name}.pin_memory()",
        f"{name}.clone()",
        f"torch.empty_like({name}).copy_({name})",
        f"torch.zeros_like({name}, pin_memory=True)",
        f"max([{name}], key=len)",
        f"({name} if len({name}) else {name}.clone())",
        f"{name}.new_zeros(3)",
        f"{name}.reshape(-1)",
        f"{name}.squeeze(0)",
        f"{name}.type(torch.float32)",
        f"{name}.numpy()",
        f"{name}.unbind()[0]",
        f"{name}.chunk(1)[0]",
        f"next(iter([{name}]))",
        f"torch.nn.Parameter({name})",
        f"{name}.add_(1)",
        f"torch.ravel({name})",
        f"torch.reshape({name}, (-1,))",
        f"torch.flatten({name})",
        f"torch.broadcast_to({name}, {name}.shape)",
        f"torch.utils.dlpack.from_dlpack({name})",
        f"torch.add({name}, 1, out={name})",
        f"{name}.apply_(abs)",
        f"{name}.share_memory_()",
        f"{name}.view({name}.dtype)",
        f"torch.frombuffer({name}.numpy(), dtype={name}.dtype)",
    )


def kept(g: Scope) -> Data:
    """A tensor that may be pinned under another name, through what hands it on."""
    g.helper("same", "def same(t):\n    return t")
    g.helper("first", "def first(ts: list[torch.Tensor]) -> torch.Tensor:\n    return ts[0]")
    shape = g.one("3", "1, 3")
    made = g.one(
        f"torch.zeros({shape}, pin_memory=True)",
        f"torch.zeros({shape}, pin_memory=True)",
        f"torch.ones({shape})",
        "torch.tensor([1.0, 2.0, 3.0], pin_memory=True)",
        f"torch.ones({shape}).pin_memory()",
    )
    name = g.attribute("p", made) if g.chance(0.25) else g.local("p", made)
    text = keeper(g, name)
    if ".numpy()" in text and text.endswith("numpy()"):
        text = f"torch.{g.one('from_numpy', 'as_tensor')}({g.local('a', text)})"
    if g.chance(0.5):
        text = g.local("h", text)
    return Data(text, "tensor", "float", None, name)


def host(g: Scope, make: str = "") -> Data:
    """A host tensor: an expression, or a name that may be written to.

    Args:
        make: ``constructed``, ``factory``, ``numpy``, ``pinned``, ``kept`` or ``given``; drawn where it is empty.
    """
    make = make or g.one(
        "constructed", "constructed", "factory", "factory", "numpy", "pinned", "given", "kept"
    )
    if make == "kept":
        return kept(g)
    if make == "given":
        made = given(g)
    elif make == "numpy":
        made = _bridged(g)
    else:
        makers = {"constructed": constructed, "factory": made_by_factory, "pinned": pinned}
        made = makers[make](g)
    if make == "given" or g.chance(0.45):
        return made
    where = g.one("local", "local", "local", "attr", "function", "branch", "walrus", "default")
    if where == "attr":
        name = g.attribute(
            "h", made.text if not made.source else f"torch.arange(3, dtype=torch.{g.one(*USUAL)})"
        )
    elif where == "function" and not made.source and "xs" not in made.text and g.depth < 3:
        # The data may be named in the text: a closure.
        name = g.name("h")
        g.line(f"def make_{name}():\n    return {made.text}")
        g.line(f"{name} = make_{name}()")
    elif where == "branch":
        name = g.name("h")
        flag = g.parameter("flag", "bool", g.one("True", "False"))
        g.line(
            f"{name} = {made.text}\nif {flag}:\n    {name} = "
            + g.one("torch.ones(2, 3)", f"{name}.clone()", name, f"{name}.pin_memory()")
        )
    elif where == "walrus":
        name = g.name("h")
        g.line(f"if ({name} := {made.text}) is None:\n    raise ValueError('none')")
    elif where == "default" and not made.source and not any(p in made.text for p in g.parameters):
        name = g.name("h")
        g.line(f"def with_{name}({name}={made.text}):\n    return {name}{g.one('', '', '[:1]')}")
        g.line(f"{name} = with_{name}()")
    else:
        name = g.local("h", made.text)
    if g.chance(0.2):
        prepare(g, name)
    return Data(name, "tensor", made.element, made.shape, name)


def _bridged(g: Scope) -> Data:
    if g.chance(0.2):
        buffer = g.one(
            "bytearray(range(24))", "array.array('f', [1, 2, 3])", "bytes(24)", "memoryview(bytearray(24))"
        )
        name = g.local("buf", buffer) if g.chance(0.7) else buffer
        text = f"torch.frombuffer({name}, dtype=torch.{g.one('float32', 'int64', 'uint8', 'int32')})"
        return Data(
            text,
            "tensor",
            "float",
            None,
            name if name != buffer and "(bytes" not in buffer and not buffer.startswith("bytes(") else "",
        )
    made = array(g)
    text = f"torch.{g.one('from_numpy', 'from_numpy', 'from_numpy', 'as_tensor', 'asarray')}({made.text})"
    return Data(text, "tensor", made.element, made.shape, made.source)


def prepare(g: Scope, name: str) -> None:
    """The tensor is written to before it is copied, or gets another name."""
    if g.chance(0.6):
        alias = g.name("other")
        form = g.one(
            "{0}",
            "{0}.view(-1)",
            "[{0}][0]",
            "{0}.numpy()",
            "{0}.detach()",
            "{0}[:1]",
            "{0}.data",
            "{0}.T",
            "{0}.to('cpu')",
        )
        g.line(f"{alias} = {form.format(name)}")
        g.aliases[name] = alias
        return
    g.line(g.one(f"{name}.add_(1)", f"{name}.fill_(2)", f"{name}[...] = 3"))


def write(g: Scope, name: str) -> None:
    """Something happens to a host tensor after a copy of it was asked for."""
    g.helper("touch", "def touch(t):\n    t[...] = 1")
    g.helper("refill", "def refill(t: torch.Tensor, value: int) -> torch.Tensor:\n    return t.fill_(value)")
    number = g.one("0", "1", "1", "5")
    if name in g.aliases and g.chance(0.7):
        g.line(f"{g.aliases[name]}[...] = {number}")
        return
    options = [
        f"{name}.fill_({number})",
        f"{name}.zero_()",
        f"{name}[...] = {number}",
        f"{name}[:1] = {number}",
        f"{name}.mul_(0)",
        f"touch({name})",
        f"refill({name}, {number})",
        f"{name}.copy_(torch.zeros(()))",
        f"{name}.data.fill_({number})",
        f"view = {name}.view(-1)\nview.fill_({number})",
        f"{name}.numpy()[...] = {number}",
        f"torch.mul({name}, 0, out={name})",
        f"holder = {{'t': {name}}}\nholder['t'].zero_()",
        f"for row in {name}: row.zero_()",
        f"(lambda t: t.fill_({number}))({name})",
        f"{name}.masked_fill_({name} == {name}, {number})",
        f"{name}.T.zero_()",
        f"{name}.unbind()[0].zero_()",
        f"del {name}",
        f"{name}.detach().fill_({number})",
        f"first, *_ = {name}.split(1)\nfirst.fill_({number})",
        f"torch.nn.init.zeros_({name})",
        f"list(map(touch, [{name}]))",
        f"[t.zero_() for t in ({name},)]",
        f"{name}.set_(torch.zeros(3, dtype={name}.dtype))",
        f"{name}.resize_(1)",
        f"{name}.requires_grad_(False).zero_()",
        f"{name}.index_fill_(0, torch.tensor([0]), {number})",
        f"{name}.scatter_(0, torch.zeros_like({name}, dtype=torch.int64), {number})",
        f"{name}.squeeze_(); {name}.zero_()",
    ]
    if "." not in name:
        options += [
            f"{name} += 1",
            f"{name} *= 0",
            f"{name} = None",
            f"{name} = {name}.zero_()",
            f"del {name}",
        ]
        if not g.yields:
            options += [
                f"def later(t={name}):\n    t.zero_()\nlater()",
                f"def inner():\n    {name}.zero_()\ninner()",
            ]
    text = g.rng.choice(options)
    g.line(text)
