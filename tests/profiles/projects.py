"""Small projects with a style of their own, and fixing them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from h2dlint.engine.config import load_settings
from h2dlint.engine.fixing import FixOutcome, fix_source
from h2dlint.engine.runner import lint_source
from h2dlint.model import Finding

UTILS = """\
import torch


def can_pin(device=None) -> bool:
    return torch.cuda.is_available() and str(device) != "cpu"


def upload(data: list, *, dtype=None, device) -> torch.Tensor:
    pin = can_pin(device)
    return torch.tensor(data, dtype=dtype, pin_memory=pin).to(device, non_blocking=pin)
"""

PIN = 'pin-memory = "can_pin({device})"\npin-memory-import = "from app.utils import can_pin"\n'
HELPER = 'helper = "app.utils.upload"\n'

STEP = """\
import torch


def forward(lens: list[int], device: torch.device) -> torch.Tensor:
    return torch.tensor(lens, device=device)
"""


@dataclass(frozen=True)
class App:
    """A package ``app`` with a configuration."""

    root: Path

    @classmethod
    def made(cls, root: Path, configuration: str, **files: str) -> App:
        """Write the package; ``files`` are modules of it by name, ``utils`` has a default."""
        (root / ".git").mkdir(exist_ok=True)
        (root / "h2dlint.toml").write_text(configuration, encoding="utf-8")
        package = root / "app"
        package.mkdir(exist_ok=True)
        for name, text in {"__init__": "", "utils": UTILS, **files}.items():
            (package / f"{name}.py").write_text(text, encoding="utf-8")
        return cls(root)

    def fix(self, name: str = "step", unsafe: bool = False) -> FixOutcome:
        """Fix one module; nothing is written."""
        location = self.root / "app" / f"{name}.py"
        overrides = {"unsafe-fixes": unsafe, "cold": True, "min-confidence": "low"}
        settings = load_settings([str(location)], self.root, overrides=overrides)
        outcome = fix_source(f"app/{name}.py", location.read_bytes(), settings, location=location)
        assert not outcome.result.errors, outcome.result.errors
        return outcome

    def fixed(self, name: str = "step", unsafe: bool = False) -> str:
        """The text of one module after fixing."""
        return self.fix(name, unsafe).after.decode()

    def findings(self, name: str = "step") -> tuple[Finding, ...]:
        """What is found in one module."""
        location = self.root / "app" / f"{name}.py"
        settings = load_settings(
            [str(location)], self.root, overrides={"cold": True, "min-confidence": "low"}
        )
        return lint_source(f"app/{name}.py", location.read_bytes(), settings, location=location).findings

    def reasons(self, name: str = "step") -> list[str]:
        """Why the fixes of one module are not safe."""
        return [reason for f in self.findings(name) if f.fix is not None for reason in f.fix.reasons]
