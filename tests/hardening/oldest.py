"""Print requirements that pin what h2dlint needs to the oldest releases that ``pyproject.toml`` permits.

Of click the tests need a newer one than the program: their runner keeps standard error apart from 8.2 on.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def oldest(text: str) -> list[str]:
    """The dependencies of a ``pyproject.toml``, each pinned to its lower bound."""
    pins = []
    for line in tomllib.loads(text)["project"]["dependencies"]:
        match = re.fullmatch(r"([\w.-]+)>=([\d.]+)(?:,<[\d.]+)?(;.*)?", line.replace("'", '"'))
        if match is None:
            raise ValueError(f"no lower bound: {line}")
        # A marker would have to be quoted for the shell; where it does not hold, the package does no harm.
        if match[1] != "click":
            pins.append(f"{match[1]}=={match[2]}")
    return pins


if __name__ == "__main__":
    print(" ".join(oldest((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))))
