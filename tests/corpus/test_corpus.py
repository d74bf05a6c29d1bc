"""The corpus on a wheel of a few lines, without a network."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import compare, corpus, findings, fixes, wheels
from tests.corpus.corpus import ROOT, Places
from tests.corpus.findings import Found
from tests.corpus.wheels import Pin

STEP = """\
import torch


class Model(torch.nn.Module):
    def forward(self, x: torch.Tensor, lens: list[int]):
        starts = torch.tensor(lens, device=x.device)
        ends = torch.tensor([0.5], device=x.device)
        return x[starts], ends
"""
COLD = "import torch\n\n\ndef load_weights(d: torch.device):\n    return torch.tensor([1.0, 2.0], device=d)\n"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    build = tmp_path / "build"
    (build / "wheels").mkdir(parents=True)
    wheel = build / "wheels" / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/step.py", STEP)
        archive.writestr("tiny/cold.py", COLD)
        archive.writestr("tiny/data.bin", "no source")
    pins = tmp_path / "wheels.txt"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pins.write_text(f"# a comment\n\ntiny==1.0 --hash=sha256:{digest}\n", encoding="utf-8")
    return Places(pins, tmp_path / "findings", tmp_path / "corpus.json", build)


def rewrite(places: Places, old: str, new: str) -> None:
    path = places.findings / "tiny.txt"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_what_was_accepted_is_the_same_until_it_is_not(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    assert corpus.main([], places) == 1, "nothing is committed yet"
    assert corpus.main(["--accept"], places) == 0
    committed = (places.findings / "tiny.txt").read_text(encoding="utf-8")
    found = findings.load(committed)
    assert [(item.path, item.line, item.rule, item.fix, item.shown) for item in found] == [
        ("tiny/cold.py", 5, "HTD101", "unsafe", "hidden"),
        ("tiny/step.py", 6, "HTD101", "unsafe", "default"),
        ("tiny/step.py", 7, "HTD103", "safe", "default"),
    ]
    assert "torch" not in committed, "no source of others is kept"
    row = json.loads(places.table.read_text(encoding="utf-8"))["packages"]["tiny"]
    assert (row["files"], row["findings"], row["default"], row["errors"]) == (2, 3, 2, {})
    assert row["fixed"] == {"safe": {"files": 1, "fixes": 1}, "all": {"files": 2, "fixes": 3}}
    capsys.readouterr()
    assert corpus.main([], places) == 0
    assert capsys.readouterr().out == "tiny-1.0: the same, 3 findings\n"

    rewrite(places, "  6:18 HTD101 unsafe", "  6:18 HTD101 safe")
    rewrite(places, "  7:16 HTD103", "  8:1 HTD203")
    assert corpus.main([], places) == 1
    out = capsys.readouterr().out
    assert "tiny-1.0: +1 -1 ~1" in out
    assert "~ tiny/step.py:6:18: HTD101 safe -> unsafe" in out
    assert "        starts = torch.tensor(lens, device=x.device)" in out
    assert "+ tiny/step.py:7:16: HTD103 safe" in out
    assert "- tiny/step.py:8:1: HTD203 safe" in out
    assert "HTD101: +0 -0 ~1" in out
    assert "+ tiny/step.py:7:16" in (places.build / "changes.txt").read_text(encoding="utf-8")
    assert corpus.main(["--accept"], places) == 0
    assert (places.findings / "tiny.txt").read_text(encoding="utf-8") == committed


def test_a_fix_that_is_applied_otherwise_is_a_difference(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus.main(["--accept"], places)
    table = json.loads(places.table.read_text(encoding="utf-8"))
    table["packages"]["tiny"]["fixed"]["all"]["fixes"] = 2
    places.table.write_text(json.dumps(table), encoding="utf-8")
    capsys.readouterr()
    assert corpus.main([], places) == 1
    assert (
        "fixed: {'safe': {'files': 1, 'fixes': 1}, 'all': {'files': 2, 'fixes': 2}} -> "
        in capsys.readouterr().out
    )
    assert corpus.main(["--no-fixes"], places) == 0


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_against_a_revision(places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = tmp_path / "code"
    shutil.copytree(ROOT / "h2dlint", code / "h2dlint", ignore=shutil.ignore_patterns("__pycache__"))
    rule = code / "h2dlint" / "rules" / "htd103.py"
    text = rule.read_text(encoding="utf-8")
    rule.unlink()
    git(code, "init", "-q")
    git(code, "add", "-A")
    git(code, "commit", "-q", "-m", "without a rule")
    rule.write_text(text, encoding="utf-8")
    places = Places(places.pins, places.findings, places.table, places.build, code)
    assert corpus.main(["--against", "HEAD", "--no-fixes"], places) == 1
    out = capsys.readouterr().out
    assert "+ tiny/step.py:7:16: HTD103 safe" in out
    assert "HTD101: " not in out
    assert not places.table.exists()
    git(code, "add", "-A")
    git(code, "commit", "-q", "-m", "with it")
    assert corpus.main(["--against", "HEAD", "--no-fixes"], places) == 0
    assert corpus.main(["--against", "no-such-revision"], places) == 2


def test_what_cannot_be_told_is_status_2(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus.main(["other"], places) == 2
    assert "not in wheels.txt: other" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        corpus.main(["--accept", "--no-fixes"], places)
    places.pins.write_text("tiny>=1.0\n", encoding="utf-8")
    assert corpus.main([], places) == 2


def test_a_wheel_is_what_the_pin_says(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    (pin,) = wheels.read_pins(places.pins)
    tree = wheels.unpacked(pin, places.build)
    assert sorted(path.name for path in (tree / "tiny").iterdir()) == ["cold.py", "step.py"]
    asked: list[Sequence[str]] = []

    def pip(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(RuntimeError, match="another sha256"):
        wheels.unpacked(Pin("tiny", "1.0", "0" * 64), places.build)
    assert "--require-hashes" in asked[0]
    assert (tree / "tiny" / "step.py").exists(), "what is there stays until there is something better"


def found(
    line: int, rule: str = "HTD101", fix: str = "safe", digest: str = "aaaaaa", path: str = "a.py"
) -> Found:
    return Found(path, line, 5, rule, fix, "high", "hot", "default", digest)


def test_findings_are_read_as_they_were_written() -> None:
    items = (found(3), found(10), found(2, path="b c.py"), found(3, "HTD201", "none", "-"))
    text = findings.dump(items)
    assert findings.load(text) == tuple(sorted(items))
    assert text.splitlines()[:3] == [
        "a.py",
        "  3:5 HTD101 safe high hot default aaaaaa",
        "  3:5 HTD201 none high hot default -",
    ]
    with pytest.raises(ValueError, match="line 2"):
        findings.load("a.py\n  3:5 HTD101\n")


def test_counts() -> None:
    table = findings.counts([found(1), found(2, fix="unsafe"), found(3, "HTD201")])
    assert table["HTD101"] == {
        "findings": 2,
        "default": 2,
        "safe": 1,
        "unsafe": 1,
        "display-only": 0,
        "none": 0,
        "high": 2,
        "medium": 0,
        "low": 0,
    }
    assert table["HTD201"]["findings"] == 1


def test_two_findings_at_one_place_are_told_apart() -> None:
    twice = [found(1, digest="aaaaaa"), found(1, digest="bbbbbb")]
    assert not compare.compare(twice, reversed(twice))
    difference = compare.compare(twice, [found(1, digest="bbbbbb"), found(1, digest="cccccc")])
    assert difference.changed == ((found(1), found(1, digest="cccccc")),)
    assert str(compare.compare(twice, twice[:1])) == "+0 -1 ~0"
    assert str(compare.compare(twice[:1], [*twice, twice[0]])) == "+2 -0 ~0"


def test_a_terminal_obeys_no_line_of_source(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = '\x1b[2J\x9b'\f\n", encoding="utf-8")
    lines = compare.describe("p-1", compare.compare([], [found(2), found(99)]), tmp_path)
    assert "        y = '\ufffd[2J\ufffd'" in lines
    assert all(line.isprintable() for line in lines)


def test_many_findings_are_cut_off_and_said_to_be() -> None:
    difference = compare.compare([], [found(line) for line in range(1, 8)])
    assert compare.describe("p-1", difference, None, 5)[-1] == "    .. and 2 more of HTD101"
    assert len(compare.describe("p-1", difference, None, None)) == 9


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ("x = (", None, "does not compile"),
        ("x = 2\n", "x = 3\n", "a second run changes it again"),
        (None, None, "no file changed"),
        ("x = 2\n", None, None),
    ],
)
def test_what_is_wrong_with_fixes(
    first: str | None,
    second: str | None,
    problem: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    tree.mkdir()
    (tree / "a.py").write_text("x = 1\n", encoding="utf-8")
    todo = [first, second]

    def run(folder: Path, code: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        text = todo.pop(0)
        if text is not None:
            (folder / "a.py").unlink()
            (folder / "a.py").write_text(text, encoding="utf-8")
        applied = int(text is not None or len(todo) == 1)
        out = json.dumps({"errors": [], "summary": {"fixed": applied}})
        return subprocess.CompletedProcess([], 0, out, "")

    monkeypatch.setattr(fixes, "run", run)
    done = fixes.fix(tree, tmp_path, [found(1)], copy, fixes.SAFE)
    assert (tree / "a.py").read_text(encoding="utf-8") == "x = 1\n"
    assert [problem in text for text in done.problems] == [True] if problem else not done.problems
    assert fixes.fix(tree, tmp_path, [found(1, fix="unsafe")], copy, fixes.SAFE) == fixes.Fixed(0, 0, ())


def test_the_committed_table_counts_the_committed_findings() -> None:
    places = Places()
    rows = json.loads(places.table.read_text(encoding="utf-8"))["packages"]
    pins = {pin.name: pin for pin in wheels.read_pins(places.pins)}
    assert sorted(rows) == sorted(pins) == sorted(path.stem for path in places.findings.glob("*.txt"))
    for name, row in rows.items():
        items = corpus.committed(places, pins[name])
        assert row["rules"] == findings.counts(items), name
        assert (row["version"], row["sha256"]) == (pins[name].version, pins[name].sha256)
        assert (row["findings"], row["default"]) == (len(items), sum(i.shown == "default" for i in items))


def test_a_report_without_cells_gives_the_same_digest() -> None:
    edit = {"line": 1, "column": 2, "end_line": 1, "end_column": 3, "content": "x"}

    def raw(**more: Any) -> dict[str, Any]:
        place = {
            "path": "a.py",
            "line": 1,
            "column": 2,
            "code": "HTD101",
            "confidence": "high",
            "context": "hot",
        }
        return {**place, "fix": {"applicability": "safe", "edits": [{**edit, **more}]}}

    digests = [findings.Found.parse(item, True).digest for item in (raw(), raw(cell=None), raw(content="y"))]
    assert digests[0] == digests[1] != digests[2]
