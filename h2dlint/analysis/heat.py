"""What names say of how often code runs."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from functools import cache

ENTRY_POINTS: tuple[str, ...] = (
    "forward",
    "forward_*",
    "*_forward",
    "_forward",
    "__call__",
    "step",
    "*_step",
    "step_*",
    "backward",
    "decode",
    "decode_*",
    "prefill",
    "generate",
    "sample",
    "run_batch",
    "execute_model",
    "execute_*",
    "forward_batch_*",
    "process_batch*",
    "prepare_for_*",
    "prepare_inputs*",
    "_prepare_inputs*",
    "compute_loss",
    "collate*",
    "loss",
    "__getitem__",
    "train_one_*",
    "training_step",
)
"""Names of functions that are taken to run per step or request."""

_COLD = re.compile(
    r"""^(?:__new__|__setstate__|__init_subclass__|__set_name__|reset_parameters|_?init_weights?|_init_params
    |from_pretrained|load_state_dict|_load_from_state_dict|setUp(?:Class)?|tearDown|test_.*
    |(?:.*_)?load_(?:.*_)?(?:weights?|checkpoint|state_dict|model)s?(?:_.*)?|(?:.*_)?weight_loader(?:_.*)?
    |(?:.*_)?warm_?up(?:_.*)?|(?:.*_)?(?:init|capture|create)_(?:.*_)?(?:cuda_?)?graphs?
    |process_weights_after_loading.*|(?:.*_)?convert_(?:.*_)?(?:weights?|checkpoint|state_dict|lora)s?.*)$""",
    re.VERBOSE,
)
_COLD_CLASS = re.compile(r"^Test[A-Z]|.*(?:TestCase|Tests)$")
_COLD_PATH = re.compile(
    r"(?:^|/)(?:tests?|testing|examples?|benchmarks?|scripts|docs?|tutorials?)/|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup)\.py$"
)
_CAPTURE = re.compile(r"_?capture(?:_.*)?$")
_CACHES = frozenset({"cache", "lru_cache", "cached_property"})
CONSTRUCTORS = ("__init__", "__post_init__")


@cache
def _entry_points(extra: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(name) for name in (*ENTRY_POINTS, *extra)))


class Names:
    """Tells entry points by their names.

    Args:
        extra: ``fnmatch`` patterns over ``Class.method`` or ``function``, added to those known here.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self._pattern = _entry_points(tuple(extra))

    def entry(self, short: str, name: str) -> bool:
        """Whether a function, by its own name or by its whole name, is an entry point."""
        return bool(self._pattern.match(short) or self._pattern.match(name))


def cold_by_path(path: str) -> bool:
    """A test, example or script.

    Args:
        path: relative to the project, with forward slashes.
    """
    return bool(_COLD_PATH.search(path))


def is_cached(decorators: Iterable[str]) -> bool:
    """It runs once for each argument."""
    return any(name.rsplit(".", 1)[-1] in _CACHES for name in decorators)


def cold_by_name(short: str, name: str, owner: str | None, decorators: Iterable[str]) -> str:
    """Why a function runs once, by what it is called; empty if its name does not say so.

    Args:
        short: its own name.
        name: ``Class.method``.
        owner: the name of its class.
        decorators: dotted, without arguments.
    """
    if short in CONSTRUCTORS and owner is not None:
        return f"cold: {name} constructs"
    if _COLD.match(short) or (owner is not None and "Graph" in owner and _CAPTURE.match(short)):
        return f"cold: {name} by its name"
    if is_cached(decorators):
        return f"cold: {name} is cached"
    if owner is not None and _COLD_CLASS.match(owner):
        return f"cold: {owner} is a test"
    return ""
