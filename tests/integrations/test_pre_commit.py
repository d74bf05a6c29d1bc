"""The hooks, run by pre-commit in a real repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
MANIFEST = ROOT / ".pre-commit-hooks.yaml"

HELPERS = "def lengths(batch: list[str]) -> list[int]:\n    return [len(each) for each in batch]\n"
STEP = (
    "import torch\n\nfrom pkg.helpers import lengths\n\n\n"
    "def forward(x: torch.Tensor, batch: list[str]) -> torch.Tensor:\n"
    "    return x + torch.tensor(lengths(batch), device=x.device)\n"
)
SCALE = (
    "import torch\n\n\ndef forward(x: torch.Tensor) -> torch.Tensor:\n"
    "    return x * torch.tensor(0.5, device=x.device)\n"
)
NO_NETWORK = re.compile(
    "No matching distribution found for (?:hatchling|click|junitparser|libcst|pathspec|rich)"
    "|Connection(?:Error| refused)|Temporary failure in name resolution|Network is unreachable"
    "|Failed to establish a new connection|timed out"
)

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@dataclass
class Repository:
    """A git repository with hooks that pre-commit installed."""

    root: Path
    environment: dict[str, str]

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=540,
        )

    def pre_commit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "pre_commit", *arguments)

    def git(self, *arguments: str) -> str:
        done = self.run("git", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def commit(self) -> subprocess.CompletedProcess[str]:
        return self.run("git", "commit", "-m", "a change")


def repository(root: Path) -> Repository:
    """A repository with a package; the helpers are committed."""
    root.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    for key in ("PRE_COMMIT_ALLOW_NO_CONFIG", "SKIP", "NO_COLOR", "FORCE_COLOR"):
        kept.pop(key, None)
    made = Repository(
        root,
        {
            **kept,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "n",
            "GIT_AUTHOR_EMAIL": "n@example.org",
            "GIT_COMMITTER_NAME": "n",
            "GIT_COMMITTER_EMAIL": "n@example.org",
            "PRE_COMMIT_HOME": str(root.parent / "pre-commit"),
        },
    )
    made.git("init", "-q", "-b", "main")
    made.write("pkg/__init__.py", "")
    made.write("pkg/helpers.py", HELPERS)
    made.git("add", "-A")
    made.git("commit", "-qm", "helpers")
    return made


def configure(repo: Repository, config: object) -> None:
    repo.write(".pre-commit-config.yaml", yaml.safe_dump(config))
    repo.git("add", ".pre-commit-config.yaml")
    done = repo.pre_commit("install")
    assert done.returncode == 0, done.stdout + done.stderr


def local(repo: Repository) -> Callable[[str], None]:
    """Our hooks as local ones, run by this interpreter; what is in the manifest is as it is."""
    repo.environment["PYTHONPATH"] = str(ROOT)

    def use(name: str) -> None:
        (hook,) = (hook for hook in yaml.safe_load(MANIFEST.read_text("utf-8")) if hook["id"] == name)
        program, _, arguments = hook["entry"].partition(" ")
        assert program == "h2dlint"
        entry = f"{sys.executable} -m h2dlint {arguments}"
        configure(
            repo, {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system", "entry": entry}]}]}
        )

    return use


def a_finding_fails_the_commit(repo: Repository) -> None:
    repo.write("pkg/step.py", STEP)
    repo.git("add", "-A")
    done = repo.commit()
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "pkg/step.py:7:16" in said
    # What the other file says is known, although pre-commit names the changed one only.
    assert "comprehension at helpers.py:2" in said
    assert repo.git("log", "--format=%s") == "helpers"
    repo.write("pkg/step.py", STEP.replace("device=x.device)", "device=x.device)  # noqa: HTD101 read back"))
    repo.git("add", "-A")
    done = repo.commit()
    assert done.returncode == 0, done.stdout + done.stderr


def a_fix_fails_once_and_then_passes(repo: Repository) -> None:
    repo.write("pkg/scale.py", SCALE)
    repo.git("add", "-A")
    done = repo.commit()
    assert done.returncode == 1
    assert "files were modified by this hook" in done.stdout + done.stderr
    fixed = (repo.root / "pkg/scale.py").read_text(encoding="utf-8")
    assert "torch.full((), 0.5, device=x.device)" in fixed
    repo.git("add", "-A")
    done = repo.commit()
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manifest_is_valid(tmp_path: Path) -> None:
    done = repository(tmp_path / "repo").pre_commit("validate-manifest", str(MANIFEST))
    assert done.returncode == 0, done.stdout
    for hook in yaml.safe_load(MANIFEST.read_text("utf-8")):
        assert hook["types_or"] == ["python", "jupyter"]
        assert hook["require_serial"] is True
        assert "--force-exclude" in hook["entry"]
        assert ("--no-unsafe-fixes" in hook["entry"]) is ("--fix" in hook["entry"])


def test_a_finding_fails_the_commit(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    local(repo)("h2dlint")
    a_finding_fails_the_commit(repo)


def test_a_fix_fails_once_and_then_passes(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    local(repo)("h2dlint-fix")
    a_fix_fails_once_and_then_passes(repo)


def test_the_hook_applies_safe_fixes_only_and_keeps_to_the_excludes(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    local(repo)("h2dlint-fix")
    repo.write("h2dlint.toml", 'unsafe-fixes = true\nextend-exclude = ["gen"]\n')
    repo.write("gen/scale.py", SCALE)
    repo.git("add", "-A")
    done = repo.commit()
    assert done.returncode == 0, done.stdout + done.stderr
    repo.write("pkg/step.py", STEP)
    repo.git("add", "-A")
    assert repo.commit().returncode == 1
    assert (repo.root / "pkg/step.py").read_text(encoding="utf-8") == STEP


def hook_repository(root: Path) -> str:
    """What a user would clone, committed; its revision."""
    root.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "h2dlint", root / "h2dlint", ignore=shutil.ignore_patterns("__pycache__"))
    made = repository(root.parent / "scratch")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x")):
        made.git("-C", str(root), *arguments)
    return made.git("-C", str(root), "rev-parse", "HEAD")


@pytest.mark.timeout(600)
def test_installed_by_pre_commit_itself(tmp_path: Path) -> None:
    revision = hook_repository(tmp_path / "h2dlint-hooks")
    repo = repository(tmp_path / "repo")
    # Only what pre-commit installs is to be found.
    repo.environment.pop("PYTHONPATH", None)
    source = {"repo": str(tmp_path / "h2dlint-hooks"), "rev": revision}

    def use(name: str) -> None:
        configure(repo, {"repos": [{**source, "hooks": [{"id": name}]}]})
        done = repo.pre_commit("install-hooks")
        said = done.stdout + done.stderr
        if done.returncode and NO_NETWORK.search(said):
            pytest.skip("no package index to install the hook from")
        assert done.returncode == 0, said

    use("h2dlint")
    a_finding_fails_the_commit(repo)
    use("h2dlint-fix")
    a_fix_fails_once_and_then_passes(repo)
