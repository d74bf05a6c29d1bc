"""Reading ``torch.tensor(data, device=..)`` and its kin: what is copied, where to, how sure that is."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from h2dlint.analysis import values as V
from h2dlint.analysis.torch_facts import CONSTRUCTORS
from h2dlint.analysis.values import Kind, Value
from h2dlint.model import Confidence
from h2dlint.rules.constants import Constant, constant_form
from h2dlint.rules.site import Case, Site, told_of, weigh_device


@dataclass(slots=True)
class Construction:
    """A tensor constructor with a device that is or may be an accelerator."""

    names: tuple[str, ...]
    data: ast.expr
    value: Value
    device: ast.expr | None
    """``None`` under ``with torch.device("cuda")``, where the call names none."""
    mask: int
    pinned: bool
    constant: Constant | None
    where: str
    case: Case = field(default_factory=Case)


def read_constructor(site: Site) -> Construction | None:
    """Read the site's call; ``None`` where no host data goes to an accelerator."""
    callee = site.record.callee or ""
    names = CONSTRUCTORS[callee]
    data = site.argument(0, names[0])
    device = site.argument(names.index("device") if "device" in names else None, "device")
    if data is None or isinstance(data, ast.Starred):
        return None
    case = Case()
    value = site.value(data)
    if device is None:
        # A tensor stays where it is; anything else lands on the default device.
        if site.record.default_device != V.CUDA or site.hidden_arguments or value.may(Kind.TENSOR):
            return None
        mask = V.CUDA
        case.say("device: the default device, set to CUDA around the call")
    else:
        mask = weigh_device(site, device, case)
    if not mask:
        return None
    if not weigh_data(site, data, value, case, tensors_welcome=callee != "torch.tensor"):
        return None
    dtype = site.argument(1 if "dtype" in names else None, "dtype")
    pin = site.argument(None, "pin_memory")
    pinned = pin is not None and not (isinstance(pin, ast.Constant) and pin.value in (False, None))
    constant = constant_form(data, site.value, site.value(dtype) if dtype is not None else None)
    where = f"`{site.code(device)}`" if device is not None else "the default device"
    return Construction(names, data, value, device, mask, pinned, constant, where, case)


def weigh_data(site: Site, node: ast.expr, value: Value, case: Case, tensors_welcome: bool) -> bool:
    """Say in ``case`` what is known of the data.

    Args:
        tensors_welcome: the function is commonly given tensors (``as_tensor``), so that data of unknown kind
            may well be on the device already.

    Returns:
        False where nothing is copied from the host, or nothing is known of a tensor's place.
    """
    code = site.code(node)
    if value.kind == Kind.NONE or value.only(Kind.STR | Kind.DICT | Kind.DEVICE | Kind.DTYPE):
        return False
    if value.only(Kind.SEQ) and value.items == ():
        return False
    if value.only(Kind.SEQ) and value.size == 0 and isinstance(node, ast.Call):
        return False
    said = told_of(code, value.why)
    if value.only(V.UPLOADABLE | Kind.NONE):
        case.say(f"data: {said}", value.confidence)
        return True
    if value.only(Kind.TENSOR | Kind.NONE):
        if value.device == V.CPU:
            case.say(f"data: {code}: host tensor, {value.why}", value.confidence)
            return True
        if value.device & V.CPU and not tensors_welcome and value.device != V.SOME_DEVICE:
            case.say(f"data: {code}: a tensor, on the host on one branch", Confidence.LOW)
            return True
        return False
    if value.known and value.may(Kind.TENSOR):
        case.say(f"data: {said}, or a tensor", Confidence.LOW if tensors_welcome else Confidence.MEDIUM)
        return True
    if not value.may(V.UPLOADABLE):
        return False
    hinted = _hint(node)
    if tensors_welcome and not (value.known and not value.may(Kind.TENSOR)):
        strength = Confidence.MEDIUM if hinted else Confidence.LOW
        case.say(
            f"data: {code}, " + ("named as host data" if hinted else "not known; it may be a tensor"),
            strength,
        )
    else:
        case.say(f"data: {code}, not known; torch.tensor is given host data as a rule", Confidence.MEDIUM)
    return True


def _hint(node: ast.expr) -> bool:
    """The name says host data: weak evidence."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lower().endswith(("_cpu", "_np", "_list", "_lens_list", "_numpy", "_arr", "_host"))
