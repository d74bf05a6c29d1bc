# mypy: ignore-errors
"""What the programs here share: options, seeds, features that may fail one by one, a last line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import traceback
import warnings
from collections.abc import Callable

import torch

try:
    from h2dlint.runtime import record
except ImportError:  # a plain run where h2dlint is not installed

    def record(name, value):
        return value


__all__ = ["feature", "main", "options", "record", "report", "seed", "synchronize"]

_features: dict[str, Callable] = {}


def options(description: str | None, **more) -> argparse.ArgumentParser:
    """The options that every program has: ``--device``, ``--tiny``."""
    parser = argparse.ArgumentParser(description=description, **more)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small enough for a test on the CPU")
    return parser


def seed(number: int = 0) -> None:
    """Seed every generator that a library may draw from."""
    random.seed(number)
    torch.manual_seed(number)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(number)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def feature(function: Callable) -> Callable:
    """Have ``main`` run a function ``(device, tiny)``; what it returns is recorded under its name."""
    _features[function.__name__] = function
    return function


def main(description: str | None) -> None:
    """Run the features, each with the same seed; one that fails is told of and does not stop the others."""
    parser = options(description)
    parser.add_argument("--only", action="append", default=[], metavar="FEATURE")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each feature")
    parser.add_argument(
        "--deterministic", action="store_true", help="have torch take the deterministic algorithms"
    )
    chosen = parser.parse_args()
    unknown = sorted({*chosen.only} - {*_features})
    if unknown:
        parser.error(f"no such feature: {', '.join(unknown)}; there are: {', '.join(_features)}")
    device = torch.device(chosen.device)
    warnings.simplefilter("ignore")
    # The point of the runs is to compare bits, so the library may not pick another algorithm each time.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if chosen.deterministic:
        # Sums by atomic additions differ from run to run, some of them so rarely that two runs do not show it.
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    failed, seconds = {}, {}
    for name in chosen.only or _features:
        began = time.perf_counter()
        try:
            for _ in range(chosen.repeat):
                seed()
                value = _features[name](device, chosen.tiny)
                record(name, value)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            failed[name] = f"{type(error).__name__}: {error}"[:300] + f" ({last.name}, line {last.lineno})"
            print(f"feature {name} failed:\n{traceback.format_exc()}", file=sys.stderr)
        synchronize(device)
        seconds[name] = round(time.perf_counter() - began, 3)
    report(features=len(seconds), failed=failed, seconds=seconds)


def report(**figures) -> None:
    """The last line of standard output, for whoever started the program."""
    print(json.dumps(figures), flush=True)
