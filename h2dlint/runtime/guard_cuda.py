"""Whether this process can have a CUDA device, asked as cheaply as may be."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

_CUDA = re.compile(r"^cuda\b[^=\n]*=\s*(.+)$", re.MULTILINE)


def why_not() -> str:
    """Why no copy can block here; empty if one can. Imports torch only where a CUDA device is likely.

    Code that is about to run may import torch itself, so that it does not matter whether it is imported yet.
    """
    if "torch" not in sys.modules and (why := unlikely()):
        return why
    try:
        import torch
    except (ImportError, OSError) as error:  # a library of it that is missing is the latter
        return f"torch cannot be imported: {error}"
    if _hip(torch):
        return "this torch is built for ROCm, where copies cannot be watched yet"
    if not torch.cuda.is_available():
        return "torch.cuda.is_available() is false"
    return ""


@lru_cache(maxsize=1)
def unlikely() -> str:
    """Why there is no CUDA device, as far as that can be told without torch, which takes seconds to import."""
    try:
        spec = importlib.util.find_spec("torch")
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return "torch is not installed"
    if _built_without(spec.submodule_search_locations or ()):
        return "this torch is built without CUDA"
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides all devices"
    import ctypes

    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "there is no CUDA driver"
    return ""


def _built_without(folders: Any) -> bool:
    for folder in folders:
        try:
            text = (Path(folder) / "version.py").read_text(encoding="utf-8")
        except OSError:
            continue
        found = _CUDA.search(text)
        return found is not None and found[1].strip() == "None"
    return False


def _hip(torch: Any) -> bool:
    return getattr(getattr(torch, "version", None), "hip", None) is not None
