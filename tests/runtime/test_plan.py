"""Plans: the same texts as ``h2dlint fix``, any choice of fixes, packages, and the file that the program reads."""

from __future__ import annotations

import ast
import json
import random
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from h2dlint.engine.config import load_settings
from h2dlint.engine.errors import ConfigError
from h2dlint.engine.files import discover
from h2dlint.engine.fixing import fix_files
from h2dlint.runtime.plan import FixPlan, PackageError, build, find_package
from h2dlint.runtime.positions import PositionMap
from tests.runtime.planning import run

ROOT = Path(__file__).parent.parent.parent
EVERYTHING = {"unsafe-fixes": True, "cold": True, "min-confidence": "low"}

STEP = """\
import torch


def step(x: torch.Tensor, ids: list[int], lens: list[int]) -> torch.Tensor:
    # größe →
    a = torch.tensor(ids, device=x.device); b = torch.tensor(lens, device=x.device)
    return x[a] + b
"""


@pytest.fixture(scope="module")
def fixtures() -> FixPlan:
    # With every rule and in several rounds: an inner fix waits for the outer one.
    return build(
        ["fixtures/HTD305.py", "fixtures/HTD101.py", "fixtures/logits_processor"],
        EVERYTHING,
        ROOT,
        isolated=True,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "step.py").write_text(STEP, encoding="utf-8")
    (tmp_path / "other.py").write_text("import torch\n", encoding="utf-8")
    return tmp_path


def test_texts_are_what_fix_writes(fixtures: FixPlan) -> None:
    paths = ["fixtures/HTD305.py", "fixtures/HTD101.py", "fixtures/logits_processor"]
    settings = load_settings(paths, ROOT, None, True, EVERYTHING)
    _, outcomes = fix_files(discover(paths, settings, ROOT), settings, write=False)
    assert {text.path: text.text.encode() for text in fixtures.texts()} == {
        outcome.path: outcome.after for outcome in outcomes if outcome.changed
    }
    assert len(fixtures.fixes) == sum(sum(outcome.applied.values()) for outcome in outcomes)
    assert [fix.id for fix in fixtures.fixes] == list(range(1, len(fixtures.fixes) + 1))
    assert max(fix.round for fix in fixtures.fixes) > 1


def test_each_fix_names_its_place_on_disk(fixtures: FixPlan) -> None:
    lines = {
        path: (ROOT / path).read_text("utf-8").split("\n") for path in {fix.path for fix in fixtures.fixes}
    }
    for fix in fixtures.fixes:
        assert lines[fix.path][fix.line - 1][fix.column - 1 :].strip(), fix
        assert fix.code.startswith("HTD") and fix.title and fix.applicability in ("safe", "unsafe")
    assert len({(fix.path, fix.line, fix.column, fix.code, fix.round) for fix in fixtures.fixes}) > 20


def test_any_choice_is_sound(fixtures: FixPlan) -> None:
    every = [fix.id for fix in fixtures.fixes]
    chance = random.Random(5)
    later = {fix.id for fix in fixtures.fixes if fix.round > 1}
    for share in (2, 3, 10):
        ids = chance.sample(every, len(every) // share)
        applied = set(fixtures.applied(ids))
        assert applied <= set(ids)
        assert set(ids) - applied <= later
        for text in fixtures.texts(ids):
            original = text.data.decode(text.encoding)
            tree = ast.parse(text.text)
            marks = PositionMap(original, text.text, text.segments).relocate(tree)
            compile(tree, text.path, "exec", dont_inherit=True)
            assert {fix for found in marks.values() for fix in found} == set(text.fixes)
            assert {fix for segment in text.segments for fix in segment.fixes} == set(text.fixes)
            for before, after in zip(text.segments, [*text.segments[1:], None], strict=True):
                stop = after.start if after else len(original)
                fixed_stop = after.fixed_start if after else len(text.text)
                assert original[before.end : stop] == text.text[before.fixed_end : fixed_stop]
    assert fixtures.applied(every) == tuple(every)
    assert fixtures.applied([]) == ()
    assert fixtures.texts([]) == ()


def test_fixes_of_later_rounds_hang_on_earlier_ones(fixtures: FixPlan) -> None:
    later = [fix.id for fix in fixtures.fixes if fix.round > 1]
    first = [fix.id for fix in fixtures.fixes if fix.round == 1]
    assert fixtures.applied(first) == tuple(first)
    # The second operand of the same call, which the linter offers only once the first is done.
    (second,) = [fix for fix in fixtures.fixes if fix.round > 1]
    (before,) = [
        fix for fix in fixtures.fixes if fix.round == 1 and (fix.path, fix.line) == (second.path, second.line)
    ]
    assert fixtures.applied(later) == fixtures.applied([second.id, 1])[1:] == ()
    assert fixtures.applied([second.id, before.id]) == (before.id, second.id)


def test_one_fix_alone(project: Path) -> None:
    plan = build(["step.py"], {"assume-cuda": True}, project)
    assert [(fix.line, fix.column, fix.code) for fix in plan.fixes] == [(6, 9, "HTD101"), (6, 49, "HTD101")]
    assert (plan.files, plan.checked, plan.held_back, plan.errors) == (1, 1, 0, ())
    (only,) = plan.texts([2])
    line = only.text.split("\n")[5]
    assert line.startswith(
        "    a = torch.tensor(ids, device=x.device); b = torch.tensor(lens, pin_memory=True).to("
    )
    out = project / "plan.json"
    assert plan.write(out, [2]) == (2,)
    (entry,) = json.loads(out.read_text("utf-8"))["files"]
    assert entry["path"] == str((project / "step.py").resolve())
    assert entry["sha256"] == sha256((project / "step.py").read_bytes()).hexdigest()
    assert entry["fixes"] == [2]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 knows no columns")
def test_the_program_runs_what_was_written(project: Path) -> None:
    plan = build(["."], {"assume-cuda": True}, project)
    plan.write(project / "plan.json")
    code = (
        "import sys, types\nt = types.ModuleType('torch'); t.Tensor = int; sys.modules['torch'] = t\n"
        "t.tensor = lambda *a, **k: print(a, k)\n"
        "import step, inspect\nprint(inspect.getsource(step) == open('step.py').read())\n"
        "class X: device = 'd'\ntry: step.step(X(), [1], [2])\nexcept AttributeError as e:\n"
        " tb = e.__traceback__.tb_next\n print(tb.tb_lineno, list(tb.tb_frame.f_code.co_positions())[tb.tb_lasti // 2])"
    )
    outcome = run(["-c", code], project, project / "plan.json")
    assert outcome.out.splitlines() == [
        "True",
        "([1],) {'pin_memory': True}",
        # What failed is ``torch.tensor(..).to``, which ends within what was put in the place of ``device=x.device``.
        "6 (6, 6, 8, 41)",
    ], outcome.err
    assert outcome.runs.loaded == {1, 2}
    if sys.version_info >= (3, 12):
        assert outcome.runs.ran == {1, 2}


def test_unsafe_fixes_are_counted_where_they_are_not_allowed(project: Path) -> None:
    plan = build(None, {}, project)
    assert (plan.fixes, plan.held_back, plan.checked) == ((), 2, 2)
    assert len(build(None, {"unsafe-fixes": True}, project).fixes) == 2


def test_what_is_wrong_is_said(project: Path) -> None:
    (project / "broken.py").write_text("import torch\ntorch.tensor([1], device=\n", encoding="utf-8")
    plan = build([".", "gone.py"], {"unsafe-fixes": True}, project)
    assert [(error.path, error.kind.value) for error in plan.errors] == [
        ("broken.py", "syntax"),
        ("gone.py", "unreadable"),
    ]
    assert len(plan.fixes) == 2
    with pytest.raises(ConfigError, match="no-such"):
        build(["."], {"no-such": True}, project)


class TestPackages:
    @pytest.fixture(autouse=True)
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Packages in a ``site-packages`` that every default, and .gitignore, leaves out."""
        site = tmp_path / ".venv" / "lib" / "site-packages"
        for name in (
            "h2dprobe_pack/__init__.py",
            "h2dprobe_pack/dist/ops.py",
            "h2dprobe_single.py",
            "h2dprobe_space/part/a.py",
        ):
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(STEP + "\n\nimport h2dprobe_absent\n", encoding="utf-8")
        (site / "h2dprobe_c.so").touch()
        (tmp_path / ".gitignore").write_text(".venv\n", encoding="utf-8")
        (tmp_path / ".git").mkdir()
        (tmp_path / "h2dlint.toml").write_text('select = ["HTD4"]\nforce-exclude = true\n', encoding="utf-8")
        (tmp_path / "app.py").write_text(STEP, encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        return site

    @pytest.mark.parametrize(
        ("name", "count"),
        [
            ("h2dprobe_pack", 4),
            ("h2dprobe_pack.dist", 2),
            ("h2dprobe_pack.dist.ops", 2),
            ("h2dprobe_single", 2),
            ("h2dprobe_space", 2),
        ],
    )
    def test_they_are_looked_at_and_not_imported(self, tmp_path: Path, name: str, count: int) -> None:
        plan = build(None, {"unsafe-fixes": True}, tmp_path, packages=[name])
        assert len(plan.fixes) == count
        assert not plan.errors
        assert all("site-packages" in fix.path for fix in plan.fixes)
        assert name not in sys.modules

    def test_beside_paths(self, tmp_path: Path) -> None:
        plan = build(
            ["."], {"unsafe-fixes": True, "select": ["HTD1"]}, tmp_path, packages=["h2dprobe_single"]
        )
        assert sorted({Path(fix.path).name for fix in plan.fixes}) == ["app.py", "h2dprobe_single.py"]

    @pytest.mark.parametrize(
        "name", ["h2dprobe_none", "h2dprobe_pack.none", "sys", "../x", "", "h2dprobe_single.x", "a b"]
    )
    def test_there_is_none(self, name: str) -> None:
        with pytest.raises(PackageError):
            find_package(name)

    def test_the_name_of_a_distribution(self) -> None:
        pytest.importorskip("yaml", reason="the distribution PyYAML is what brings it, except on Python 3.13")
        with pytest.raises(PackageError, match="the distribution of that name has yaml"):
            find_package("PyYAML")
