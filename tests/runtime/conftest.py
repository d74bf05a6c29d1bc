"""A world with a GPU that is none, for whole programs."""

from __future__ import annotations

from pathlib import Path

import pytest

FAKE_TORCH = """
import sys
from pathlib import Path
from importlib import import_module
cuda = import_module("torch.cuda")
__version__ = "9.9"
"""

FAKE_TORCH_CUDA = """
import sys
sys.path.insert(0, {tests!r})
_queued = []
def _lazy_call(call):
    _queued.append(call)
def get_device_name():
    return "a fake GPU"
def init():
    from h2dlint.runtime import recorder
    from tests.runtime.scripted_cuda import ScriptedCuda
    fake = ScriptedCuda()
    recorder.hub.subscribe = fake.subscribe
    for call in _queued:
        call()
    return fake
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with a package ``torch`` whose CUDA is a fake."""
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text(FAKE_TORCH, encoding="utf-8")
    root = str(Path(__file__).parents[2])
    (package / "cuda.py").write_text(FAKE_TORCH_CUDA.format(tests=root), encoding="utf-8")
    return tmp_path
