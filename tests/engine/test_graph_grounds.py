"""What a call graph rests on bears on every verdict that asked it, whichever run or project it was made for."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from h2dlint.engine import cache as caching
from h2dlint.engine import whole
from h2dlint.engine.config import load_settings
from h2dlint.engine.files import discover
from h2dlint.engine.runner import lint_files
from h2dlint.model import Context

MADE = "import torch\n\n\ndef made(x):\n    return torch.tensor([1.0, 2.0]).cuda()\n"
FORWARD = "from {}.a import made\n\n\ndef forward(x):\n    return {}(x)\n"

Lint = Callable[..., list[Context]]


@pytest.fixture
def lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lint:
    """Lints with the cache, as without it; the contexts of the findings."""
    # Files here are younger than any run.
    monkeypatch.setattr(caching, "SETTLED", -3_600_000_000_000)
    monkeypatch.setattr(whole, "SETTLED", -3_600_000_000_000)

    def run(paths: Sequence[str], **more: object) -> list[Context]:
        project = tmp_path / "project"
        settings = load_settings(paths, project, None, False, {"cold": True, **more})
        found = discover(paths, settings, project)
        report = lint_files(found, settings, cache=tmp_path / "cache")
        assert report == lint_files(found, settings)
        return [finding.context for finding in report.findings]

    return run


def written(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"select": ["HTD2"]}, id="the-same-graph"),
        pytest.param({"entry-points": ["nothing"]}, id="another-graph-of-the-same-calls"),
    ],
)
def test_where_a_kept_graph_found_modules_bears_on_verdicts(
    lint: Lint, tmp_path: Path, other: dict[str, object]
) -> None:
    project = tmp_path / "project"
    files = {"pyproject.toml": "[tool.h2dlint]\n", "vend/__init__.py": "", "vend/a.py": MADE}
    written(project, {**files, "pkg/b.py": FORWARD.format("vend", "made")})
    assert lint(["vend/a.py"]) == [Context.HOT]
    assert lint(["vend/a.py"], **other) == [Context.HOT]
    # Now ``pkg`` is a project of its own, and finds nothing beside it.
    (project / "pkg/setup.cfg").touch()
    assert lint(["vend/a.py"], **other) == [Context.WARM]
    assert lint(["vend/a.py"]) == [Context.WARM]


@pytest.mark.parametrize("seed", range(4))
def test_a_project_among_the_tests_of_another_one(lint: Lint, tmp_path: Path, seed: int) -> None:
    project = tmp_path / "project"
    inner = project / "tests/inner"
    toml = "[tool.h2dlint]\n"
    written(project, {"pyproject.toml": toml, "top.py": MADE, "tests/x.py": MADE})
    written(inner, {"pyproject.toml": toml, "pkg/__init__.py": "", "pkg/a.py": MADE, "pkg/b.py": ""})
    draw = random.Random(seed)
    for _ in range(40):
        called = draw.choice(("made", "other"))
        (inner / "pkg/b.py").write_text(FORWARD.format("pkg", called))
        if draw.random() < 0.4:
            (project / "top.py").write_text(MADE + draw.choice(("", "\n\nmade(1)\n", "\n\ntop()\n")))
        both = ["tests/inner/pkg/a.py", "top.py"]
        paths = draw.choice((both, both[::-1], both[:1], both[1:], ["."]))
        contexts = lint(paths)
        assert (Context.HOT in contexts) == (called == "made" and paths != ["top.py"])
