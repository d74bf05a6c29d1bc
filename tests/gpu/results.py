"""Collects what the tests measured and writes it for the documentation.

Files are written only if the environment variable ``H2DLINT_GPU_RESULTS`` names a folder; they belong into
``docs/measured``. A figure is recorded by a test that has passed, so a failure leaves its figure out, and
a run of some of the tests writes the figures of those alone.
"""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from .stale import Hash

VARIABLE = "H2DLINT_GPU_RESULTS"
COMMAND = "python -m pytest -m gpu tests/gpu"
SCHEMA = 1

LOGITS_PROCESSOR = "logits_processor"
RULES = "rules"
HAZARDS = "hazards"
TRUTH_TABLE = "truth_table"
PROPERTIES = "properties"

_recorded: dict[str, dict[str, Any]] = {}


def record(file: str, name: str, hashes: list[Hash], figures: dict[str, Any]) -> None:
    """Keep a figure for the end of the run.

    Args:
        file: name of the file without its extension: one of the constants above.
        name: of the figure; the same name again replaces it.
        hashes: of what the figure speaks of, see ``stale.py``.
        figures: whatever the documentation shows.
    """
    _recorded.setdefault(file, {})[name] = {"hashes": hashes, **figures}


def write(folder: Path) -> list[Path]:
    """Write one file for each name that figures were recorded under; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for file, figures in sorted(_recorded.items()):
        document = {
            "schema": SCHEMA,
            **machine(),
            "command": COMMAND,
            "figures": dict(sorted(figures.items())),
        }
        path = folder / f"{file}.json"
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8", newline="\n")
        written.append(path)
    return written


def machine() -> dict[str, str]:
    """What the figures were measured with."""
    return {
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none",
        "torch": str(torch.__version__),
        "cuda": str(torch.version.cuda),
        "driver": _driver(),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def _driver() -> str:
    """Version of the driver, as its own tool tells it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip().split("\n")[0] or "unknown"
