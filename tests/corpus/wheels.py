"""Fetching the pinned wheels, and unpacking what of them is linted."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".py", ".pyi", ".ipynb")
LINE = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})")
# Wheels with compiled parts are fetched for one platform, whatever this one is: only their sources are read.
PLATFORMS = (
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_28_x86_64",
    "manylinux_2_34_x86_64",
)


@dataclass(frozen=True)
class Pin:
    """One wheel of the corpus.

    Args:
        name: of the package, as its index has it.
        version: of the package.
        sha256: of the wheel, in hexadecimal digits.
    """

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


def read_pins(path: Path) -> list[Pin]:
    """The wheels of a requirements file with hashes.

    Raises:
        ValueError: a line is neither a comment nor a pin with one hash.
    """
    pins = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            match = LINE.fullmatch(line.strip())
            if match is None:
                raise ValueError(f"{path.name}: not a pin with one hash: {line}")
            pins.append(Pin(match["name"], match["version"], match["sha256"]))
    return pins


def unpacked(pin: Pin, build: Path) -> Path:
    """The sources of a wheel, which is fetched where it is not there yet.

    Args:
        pin: which wheel.
        build: folder for wheels and sources.

    Raises:
        RuntimeError: the wheel cannot be fetched, or is another one than the pin says.
    """
    tree = build / "sources" / str(pin)
    done = tree / ".git" / "complete"
    if done.exists() and done.read_text(encoding="utf-8") == pin.sha256:
        return tree
    wheel = _wheel(pin, build / "wheels")
    shutil.rmtree(tree, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree, [name for name in archive.namelist() if name.endswith(SUFFIXES)])
    # A project of its own, all files of which count: else it would be a part of the one around it.
    (tree / ".git").mkdir(parents=True)
    done.write_text(pin.sha256, encoding="utf-8")
    return tree


def _wheel(pin: Pin, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f"{pin.name}-{pin.version}-".replace("-", "_").lower()

    def there() -> list[Path]:
        found = [p for p in folder.glob("*.whl") if p.name.replace("-", "_").lower().startswith(prefix)]
        return [path for path in found if _sha256(path) == pin.sha256]

    if not there():
        requirement = folder / f"{pin}.txt"
        requirement.write_text(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n", encoding="utf-8")
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        only = ["--no-deps", "--only-binary", ":all:", "--python-version", "3.11", *platforms]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *only, "--require-hashes"]
        done = subprocess.run(
            [*command, "--dest", str(folder), "-r", str(requirement)], capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{pin} cannot be fetched: {done.stderr.strip()[-500:]}")
    if not (found := there()):
        raise RuntimeError(f"{pin}: what was fetched has another sha256 than the pin")
    return found[0]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
