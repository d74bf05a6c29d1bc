"""Verdicts of earlier runs: the same as new ones, and never stale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from h2dlint.engine import cache as caching
from h2dlint.engine.config import load_settings
from h2dlint.engine.files import discover
from h2dlint.engine.ledger import digest
from h2dlint.engine.results import Report
from h2dlint.engine.runner import lint_files, lint_source
from h2dlint.engine.settings import Settings
from h2dlint.engine.storing import read_sections, remove, write_sections
from h2dlint.model import Confidence

MAIN = """\
import torch

from pkg.helper import made


def upload(x: torch.Tensor) -> torch.Tensor:
    return made(4).to(x.device)


def _private(x: torch.Tensor, sizes) -> torch.Tensor:
    return x.new_tensor(sizes)


def listed(x: torch.Tensor) -> torch.Tensor:
    return _private(x, [1, 2])
"""
HELPER = """\
import torch


def made(n: int):
    return torch.zeros(n)
"""
ON_DEVICE = HELPER.replace("zeros(n)", "zeros(n, device='cuda')")
FILES = {"pkg/__init__.py": "", "pkg/main.py": MAIN, "pkg/helper.py": HELPER, "pkg/other.py": "import os\n"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "project" / "pyproject.toml").write_text("[tool.h2dlint]\n")
    return tmp_path / "project"


Lint = Callable[..., Report]


@pytest.fixture
def lint(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lint:
    """Lints with the cache, and says which files it linted anew."""
    linted: list[str] = []

    def noted(path: str, *args: object, **more: object) -> object:
        linted.append(path)
        return lint_source(path, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("h2dlint.engine.batch.lint_source", noted)
    # Files here are younger than any run.
    monkeypatch.setattr(caching, "SETTLED", -3_600_000_000_000)

    def run(
        fresh: list[str] | None = None, settings: Settings | None = None, paths: Sequence[str] = (".",)
    ) -> Report:
        linted.clear()
        chosen = settings or made_settings(project)
        found = discover(paths, chosen, project)
        report = lint_files(found, chosen, cache=tmp_path / "cache")
        said = list(linted)
        assert report == lint_files(found, chosen)
        if fresh is not None:
            assert sorted(said) == fresh
        return report

    return run


def made_settings(project: Path, **more: object) -> Settings:
    settings = load_settings(["."], project, None, False, more)
    return replace(settings, cold=True, min_confidence=Confidence.LOW)


EVERY = ["pkg/__init__.py", "pkg/helper.py", "pkg/main.py", "pkg/other.py"]


def test_nothing_is_linted_twice(lint: Lint) -> None:
    first = lint(EVERY)
    assert first.findings
    assert lint([]) == first


def test_a_changed_file_is_linted_again(lint: Lint, project: Path) -> None:
    lint()
    (project / "pkg/other.py").write_text("import os, sys\n")
    lint(["pkg/other.py"])


def test_what_depends_on_a_changed_file_is_linted_again(lint: Lint, project: Path) -> None:
    lint()
    (project / "pkg/helper.py").write_text(ON_DEVICE)
    codes = [finding.code for finding in lint(["pkg/helper.py", "pkg/main.py"]).findings]
    (project / "pkg/helper.py").write_text(HELPER)
    assert codes != [finding.code for finding in lint(["pkg/helper.py", "pkg/main.py"]).findings]


def test_what_depends_on_it_through_another_module_is_linted_again(lint: Lint, project: Path) -> None:
    (project / "pkg/helper.py").write_text("from pkg.third import made\n")
    (project / "pkg/third.py").write_text(HELPER)
    lint()
    (project / "pkg/third.py").write_text(ON_DEVICE)
    lint(["pkg/main.py", "pkg/third.py"])


def test_a_module_that_appears_hides_another_one(lint: Lint, project: Path) -> None:
    lint()
    (project / "pkg/helper").mkdir()
    (project / "pkg/helper/__init__.py").write_text(ON_DEVICE)
    lint()


def test_a_module_that_goes_is_missed(lint: Lint, project: Path) -> None:
    lint()
    (project / "pkg/helper.py").unlink()
    lint()


def test_what_calls_a_function_elsewhere_counts(lint: Lint, project: Path) -> None:
    before = lint()
    (project / "pkg/other.py").write_text(
        "from pkg.main import upload\n\n\ndef forward(xs):\n    return [upload(x) for x in xs]\n"
    )
    after = lint(["pkg/main.py", "pkg/other.py"])
    assert [f.context for f in before.findings] != [f.context for f in after.findings]


def test_a_new_file_that_mentions_a_private_name_counts(lint: Lint, project: Path) -> None:
    before = lint()
    (project / "pkg/new.py").write_text("from pkg.main import _private\n_private(1, 2)\n")
    after = lint()
    assert {f.evidence for f in before.findings} != {f.evidence for f in after.findings}


def test_a_comment_elsewhere_does_not_count(lint: Lint, project: Path) -> None:
    lint()
    (project / "pkg/other.py").write_text("import os  # nothing\n")
    lint(["pkg/other.py"])


def test_a_change_that_keeps_size_and_time_of_writing_is_seen(lint: Lint, project: Path) -> None:
    path = project / "pkg/helper.py"
    status = path.stat()
    lint()
    path.write_text(HELPER.replace("zeros(n)", "items(n)"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    lint(["pkg/helper.py", "pkg/main.py"])


def test_files_written_shortly_before_are_read_again(
    lint: Lint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "SETTLED", 3_000_000_000)
    lint()
    read: list[str] = []

    def noted(data: bytes) -> str:
        read.append(data.decode())
        return digest(data)

    monkeypatch.setattr("h2dlint.engine.cache.digest", noted)
    lint([])
    assert MAIN in read and HELPER in read


def test_a_run_on_some_files_keeps_the_verdicts_on_others(lint: Lint, project: Path) -> None:
    lint(EVERY)
    lint([], paths=["pkg/main.py"])
    lint([])
    (project / "pkg/main.py").write_text(MAIN + "\n\nMORE = 1\n")
    lint(["pkg/main.py"], paths=["pkg/main.py"])
    lint([])


def test_a_run_on_some_files_keeps_no_verdict_that_they_change(lint: Lint, project: Path) -> None:
    lint(EVERY)
    (project / "pkg/helper.py").write_text(ON_DEVICE)
    lint(["pkg/helper.py"], paths=["pkg/helper.py"])
    lint(["pkg/main.py"])
    (project / "pkg/other.py").write_text(
        "import torch\nfrom pkg.main import upload, _private\n\n\n"
        "def forward(xs):\n    return [upload(x) for x in xs]\n"
    )
    lint(["pkg/other.py"], paths=["pkg/other.py"])
    lint(["pkg/main.py"])


def test_a_file_that_changes_while_it_is_looked_at_is_looked_at_again(
    lint: Lint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "pkg/helper.py"

    def meanwhile(name: str, *args: object, **more: object) -> object:
        if name == "pkg/other.py":
            path.write_text(ON_DEVICE)
        return lint_source(name, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("h2dlint.engine.batch.lint_source", meanwhile)
    settings = made_settings(project)
    lint_files(discover(["."], settings, project), settings, cache=project.parent / "cache")
    monkeypatch.undo()
    assert lint_files(
        discover(["."], settings, project), settings, cache=project.parent / "cache"
    ) == lint_files(discover(["."], settings, project), settings)


def test_settings_have_verdicts_of_their_own(lint: Lint, project: Path) -> None:
    lint(EVERY)
    lint(EVERY, replace(made_settings(project), cold=False))
    lint([], replace(made_settings(project), output_format="json"))
    lint(EVERY, made_settings(project, assume_cuda=True))


def test_another_version_starts_anew(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    lint()
    monkeypatch.setattr(caching, "version", lambda: "another")
    lint(EVERY)


def test_errors_are_kept_too(lint: Lint, project: Path) -> None:
    (project / "pkg/broken.py").write_text("def f(:\n")
    assert lint().errors
    assert lint([]).errors


def stored(tmp_path: Path, start: str) -> Path:
    (found,) = (tmp_path / "cache").glob(f"{start}-*.json")
    return found


def damaged(part: bytes) -> bytes:
    """A file whose check sum is right."""
    body = b"%d\n" % len(part) + part
    return digest(body).encode() + b"\n" + body


@pytest.mark.parametrize("start", ["verdicts", "graph"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"HTD", b"HTX"),
        lambda data: b"\x80\x04nonsense",
        *(
            lambda data, body=body: digest(body).encode() + b"\n" + body
            for body in (b"", b"[]", b"null", b"{}", b'{"files": 1}', b"[" * 100_000)
        ),
        *(
            lambda data, part=part: damaged(part)
            for part in (b"[]", b"null", b"{}", b'{"files": 1, "roots": 1, "places": 1}', b"[" * 100_000)
        ),
    ],
)
def test_damaged_files_are_ignored(
    lint: Lint, project: Path, tmp_path: Path, start: str, damage: Callable[[bytes], bytes]
) -> None:
    lint()
    path = stored(tmp_path, start)
    path.write_bytes(damage(path.read_bytes()))
    lint(EVERY if start == "verdicts" else [])
    # With a graph that has to be asked.
    (project / "pkg/other.py").write_text("from pkg.main import upload\nupload(1)\n")
    lint()


def test_foreign_entries_are_ignored(lint: Lint, tmp_path: Path) -> None:
    lint()
    path = stored(tmp_path, "verdicts")
    _, (head, numbers, lines, rows) = read_sections(path)
    entries = [json.loads(line) for line in lines.split(b"\n")]
    for number, entry in enumerate(entries):
        entry[-1] = entry[-1][:2] if number else [[1], 2, 3, 4, 5, 6, 7]
    write_sections(path, json.loads(head), numbers, "\n".join(map(json.dumps, entries)).encode(), rows)
    lint(EVERY)
    for cut in (numbers[4:], numbers + b"1234", numbers[:-1]):
        write_sections(path, json.loads(head), cut, lines, rows)
        lint(EVERY)
    write_sections(path, json.loads(head), numbers, lines.partition(b"\n")[2], rows)
    lint(EVERY)
    count = rows.count(b"\n")
    for bad in (rows.partition(b"\n")[2], b"", b"\n" * count, b"{}\n" * count + b"[1, 2]", b"[" * 9 + rows):
        write_sections(path, json.loads(head), numbers, lines, bad)
        lint()
        lint([])
    write_sections(path, json.loads(head))
    lint(EVERY)


def test_a_folder_that_cannot_be_written_is_no_error(project: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    settings = made_settings(project)
    found = discover(["."], settings, project)
    assert lint_files(found, settings, cache=tmp_path / "cache") == lint_files(found, settings)


def test_runs_at_the_same_time_do_not_disturb_each_other(project: Path, tmp_path: Path, lint: Lint) -> None:
    command = [sys.executable, "-m", "h2dlint", "check", "--cold", "--output-format", "json"]
    command += ["--min-confidence", "low", "--cache-dir", str(tmp_path / "cache"), "."]
    for _ in range(2):
        runs = [subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE) for _ in range(4)]
        said = {run.communicate()[0] for run in runs}
        assert len(said) == 1
    assert not list((tmp_path / "cache").glob(".writing-*"))
    # As the one that comes later says, which uses what they wrote.
    assert json.loads(said.pop())["summary"]["findings"] == len(lint().findings)


def test_the_cache_is_ignored_by_git_and_removed_as_a_whole(lint: Lint, tmp_path: Path) -> None:
    lint()
    folder = tmp_path / "cache"
    assert "*" in (folder / ".gitignore").read_text().splitlines()
    (folder / "mine.txt").write_text("kept")
    assert remove(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert not remove(folder)
    assert not remove(tmp_path / "nowhere")


def test_a_file_without_a_word_of_torch_needs_no_cache(lint: Lint, project: Path, tmp_path: Path) -> None:
    lint(fresh=["pkg/other.py"], paths=["pkg/other.py"])
    assert not (tmp_path / "cache").exists()
    (project / "pkg/other.py").write_text("def (:\n")
    assert lint(fresh=["pkg/other.py"], paths=["pkg/other.py"]).errors
    lint(fresh=["pkg/main.py", "pkg/other.py"], paths=["pkg/other.py", "pkg/main.py"])
    assert (tmp_path / "cache").exists()
