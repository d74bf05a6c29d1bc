"""Skips the proof where there is no GPU, keeps its warnings from failing it, writes its results."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def _why_not() -> str:
    """Why the tests here cannot run; empty if they can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch

            available = torch.cuda.is_available()
    except ImportError as error:
        return f"torch cannot be imported: {error}"
    if not available:
        return "no CUDA device: torch.cuda.is_available() is False"
    if torch.version.cuda is None:
        return "not a CUDA build of torch"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents and item.get_closest_marker("gpu")]
    why = _why_not() if ours else ""
    for item in ours:
        # The machine's own torch may warn of anything; it is the code under test that is judged here.
        item.add_marker(pytest.mark.filterwarnings("default"))
        if why:
            item.add_marker(pytest.mark.skip(reason=why))


def pytest_sessionfinish(session: pytest.Session) -> None:
    package = f"{__package__}." if __package__ else ""
    # Looked up, not imported: a run that measured nothing need not import torch.
    if f"{package}loading" in sys.modules:
        sys.modules[f"{package}loading"].remove_copies()
    folder = os.environ.get("H2DLINT_GPU_RESULTS")
    if folder and f"{package}results" in sys.modules:
        for path in sys.modules[f"{package}results"].write(Path(folder)):
            print(f"\nwrote {path.name}")
