from __future__ import annotations

import ast
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from h2dlint.engine import fixing
from h2dlint.engine.files import discover
from h2dlint.engine.fixing import FixOutcome, fix_files, fix_source
from h2dlint.engine.results import Hidden
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence, ErrorKind
from tests.engine.fakes import PLAIN, FakeRules

UNSAFE = replace(PLAIN, unsafe_fixes=True)


def fix(text: str | bytes, settings: Settings = PLAIN) -> FixOutcome:
    data = text.encode() if isinstance(text, str) else text
    return fix_source("x.py", data, settings, FakeRules())


def body(outcome: FixOutcome) -> str:
    """The text after fixing, without the line that the screen wants."""
    return outcome.after.decode().removeprefix("import torch\n")


def test_safe_fixes_are_applied_and_counted() -> None:
    outcome = fix("import torch\nx = blocks(1) + blocks(2)  # keep\nperhaps(3)\nblocks_advice(4)\n")
    assert body(outcome) == "x = ok(1) + ok(2)  # keep\nperhaps(3)\nblocks_advice(4)\n"
    assert outcome.applied == {"HTD101": 2}
    assert [finding.span.line for finding in outcome.result.findings] == [3, 4]
    assert outcome.held_back_unsafe == 1
    assert outcome.changed


def test_unsafe_fixes_are_applied_on_request() -> None:
    outcome = fix("import torch\nblocks(perhaps(3))\n", UNSAFE)
    assert body(outcome) == "ok(ok(3))\n"
    assert outcome.applied == {"HTD101": 1, "HTD102": 1}
    assert (outcome.held_back_unsafe, outcome.result.findings) == (0, ())


def test_nothing_to_fix() -> None:
    for text in ("x = 1\n", "import torch\nblocks_advice(1)\n", ""):
        outcome = fix(text)
        assert not outcome.changed
        assert outcome.after == text.encode()
        assert outcome.applied == {}


def test_nested_fixes_take_rounds_and_are_all_counted() -> None:
    outcome = fix("import torch\nblocks(blocks(blocks(blocks(1))))\n")
    assert body(outcome) == "ok(ok(ok(ok(1))))\n"
    assert outcome.applied == {"HTD101": 4}


def test_a_second_run_changes_nothing() -> None:
    first = fix("import torch\nblocks(bare(blocks(1)))\nbare(2)\n", UNSAFE)
    second = fix(first.after, UNSAFE)
    assert not second.changed
    assert second.result.findings == first.result.findings == ()


def test_an_edit_that_several_fixes_share_is_made_once() -> None:
    outcome = fix("import torch\nbare(1)\nbare(2)\n")
    assert outcome.after == b"import added\nimport torch\nadded.bare_(1)\nadded.bare_(2)\n"
    assert outcome.applied == {"HTD302": 2}


def test_only_what_check_reports_is_fixed() -> None:
    text = "import torch\nblocks_cold(1)\nblocks_low(2)\nblocks(3)  # noqa\n# gpu-sync-ok: x\nblocks(4)\n"
    outcome = fix(text)
    assert not outcome.changed
    assert outcome.result.hidden == Hidden(1, 1)
    assert outcome.result.suppressed == 2
    assert body(fix(text, replace(PLAIN, cold=True))).startswith("ok(1)\nblocks_low(2)\nblocks(3)")
    low = replace(PLAIN, min_confidence=Confidence.LOW)
    assert body(fix(text, low)).startswith("blocks_cold(1)\nok(2)\nblocks(3)")
    assert not fix("import torch\nblocks(1)\n", replace(PLAIN, ignore=("HTD101",))).changed
    per_file = replace(PLAIN, per_file_ignores=(("x.py", ("HTD101",)),))
    assert not fix("import torch\nblocks(1)\n", per_file).changed


# Bytes that must survive.


@pytest.mark.parametrize(
    "data",
    [
        b"import torch\r\nif x:\r\n\tblocks(1)  # caf\xc3\xa9\r\n\x0c\r\ny = '''a\r\nb'''\r\n",
        b"\xef\xbb\xbfimport torch\r\nblocks(1)\r\n",
        b"# coding: latin-1\nimport torch; s = '\xe4\xff'; blocks(1)\n",
        b"# -*- coding: cp1252 -*-\nimport torch; s = '\x80'; blocks(1)\n",
        b"# coding: utf-8\nimport torch\nblocks(1)\n\x0c\nx = 1\n\n\n",
        b"import torch\nblocks(1)",
        b"import torch\nif x:\n\ty = 1; blocks(1)   \n    \n",
        b"import torch\nblocks(1)\nx = 1 \\\n  + 2\r\ny = 3\n",
        b"import torch\rblocks(1)\ry = 2\r",
        b"import torch; s = '\xe2\x80\xa8\xe2\x80\xa9\x0b\x1c\x1d\x1e\xc2\x85'; blocks(1)\ny = 1\n",
    ],
)
def test_other_bytes_survive(data: bytes) -> None:
    outcome = fix(data)
    assert outcome.after == data.replace(b"blocks(1)", b"ok(1)")
    assert outcome.applied == {"HTD101": 1}


def test_new_lines_end_like_those_of_the_file() -> None:
    outcome = fix(b"import torch\r\nblocks_lines(1)\r\nbare(2)\r\n")
    assert outcome.after == b"import added\r\nimport torch\r\nok(\r\n    1,\r\n)\r\nadded.bare_(2)\r\n"


# Fixes that are no good.


def test_a_fix_that_breaks_the_syntax_is_left_out_and_the_others_apply() -> None:
    outcome = fix("import torch\nblocks(1)\nfaulty(2)\nblocks(3)\nfaulty(4)\nblocks(5)\n")
    assert body(outcome) == "ok(1)\nfaulty(2)\nok(3)\nfaulty(4)\nok(5)\n"
    assert outcome.applied == {"HTD101": 3}
    assert [(error.kind, error.line) for error in outcome.result.errors] == [
        (ErrorKind.INTERNAL, 3),
        (ErrorKind.INTERNAL, 5),
    ]
    assert outcome.result.errors[0].message.startswith(
        "the fix of HTD201 was not applied: the result does not parse: "
    )


def test_a_fix_that_loses_a_comment_is_left_out() -> None:
    outcome = fix("import torch\nblocks(1)\nloses(\n    2,  # why\n)\nloses(3)\n")
    assert body(outcome) == "ok(1)\nloses(\n    2,  # why\n)\nok()\n"
    assert outcome.applied == {"HTD101": 1, "HTD201": 1}
    assert [(error.line, error.message) for error in outcome.result.errors] == [
        (3, "the fix of HTD201 was not applied: the result lost the comment '# why'")
    ]


def test_a_fix_that_the_encoding_cannot_hold_is_left_out() -> None:
    outcome = fix(b"# coding: latin-1\nimport torch; euro(1); blocks(2)\n")
    assert outcome.after == b"# coding: latin-1\nimport torch; euro(1); ok(2)\n"
    (error,) = outcome.result.errors
    assert "cannot be written in the encoding of the file, iso-8859-1" in error.message
    assert fix(b"import torch; euro(1)\n").after == "import torch; ok('\u20ac')\n".encode()


def test_a_fix_outside_the_text_is_left_out() -> None:
    outcome = fix("import torch\noutside(1)\nblocks(2)\n")
    assert body(outcome) == "outside(1)\nok(2)\n"
    assert "an edit lies outside the text: 2:900 to 2:901" in outcome.result.errors[0].message


def test_fixes_that_undo_each_other_change_nothing() -> None:
    text = "import torch\nping(1)\nblocks(2)\n"
    outcome = fix(text)
    assert (outcome.after, outcome.applied) == (text.encode(), {})
    assert len(outcome.result.findings) == 2
    (error,) = outcome.result.errors
    assert error.kind is ErrorKind.INTERNAL
    assert error.message == "fixes undo each other, so none were applied (rules HTD101, HTD301)"


def test_fixes_without_end_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixing, "MAX_ROUNDS", 3)
    outcome = fix("import torch\nblocks(blocks(blocks(blocks(1))))\n")
    assert not outcome.changed
    assert [error.kind for error in outcome.result.errors] == [ErrorKind.INTERNAL]


def test_a_rule_that_fails_on_the_result_undoes_the_fixes() -> None:
    class Fussy(FakeRules):
        def check_module(self, source, path, rules, options, within=None):  # type: ignore[no-untyped-def]
            if "ok(" in source.text:
                raise KeyError("ok")
            return super().check_module(source, path, rules, options)

    outcome = fix_source("x.py", b"import torch\nblocks(1)\nblocks_advice(2)\n", PLAIN, Fussy())
    assert not outcome.changed
    assert [finding.code for finding in outcome.result.findings] == ["HTD101", "HTD101"]
    assert outcome.result.errors[0].message.startswith("KeyError: 'ok'")


def test_files_that_cannot_be_linted_are_left_alone() -> None:
    for data in (b"import torch\nblocks(\n", b"import torch\nblocks('\xff')\n"):
        outcome = fix(data)
        assert outcome.after == data
        assert len(outcome.result.errors) == 1


def test_an_encoding_that_does_not_come_back_is_left_alone() -> None:
    data = b"# coding: utf-7\nimport torch; s = '+AGE-'; blocks(1)\n"
    outcome = fix(data)
    assert outcome.after == data
    assert [error.kind for error in outcome.result.errors] == [ErrorKind.ENCODING]


# Many files.


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    def make(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text("import torch\n" + text)
        return tmp_path

    return make


def text_of(file: Path) -> str:
    return file.read_text().removeprefix("import torch\n")


def test_fix_files_writes_what_changed(project: Callable[..., Path]) -> None:
    cwd = project(
        a="blocks(1); blocks(2)\n", b="perhaps(1)\n", c="blocks(3); blocks_advice(4)\n", d="x = 1\n"
    )
    (cwd / "a.py").chmod(0o755)
    untouched = (cwd / "b.py").stat()
    calls: list[tuple[int, int]] = []
    found = discover([], Settings(root=str(cwd)), cwd)
    report, outcomes = fix_files(
        found, PLAIN, write=True, progress=lambda done, total: calls.append((done, total)), rules=FakeRules()
    )
    assert [text_of(cwd / f"{name}.py") for name in "abc"] == [
        "ok(1); ok(2)\n",
        "perhaps(1)\n",
        "ok(3); blocks_advice(4)\n",
    ]
    assert stat.S_IMODE((cwd / "a.py").stat().st_mode) == 0o755
    assert (cwd / "b.py").stat().st_ino == untouched.st_ino
    assert report.fixed == {"a.py": {"HTD101": 2}, "c.py": {"HTD101": 1}}
    assert report.fixed_count == 3
    assert [(finding.path, finding.code) for finding in report.findings] == [
        ("b.py", "HTD102"),
        ("c.py", "HTD101"),
    ]
    assert (report.checked, calls[-1]) == (4, (4, 4))
    assert [(outcome.path, outcome.changed) for outcome in outcomes] == [
        ("a.py", True),
        ("b.py", False),
        ("c.py", True),
    ]
    assert sorted(path.name for path in cwd.iterdir()) == ["a.py", "b.py", "c.py", "d.py"]


def test_fix_files_can_leave_the_files_alone(project: Callable[..., Path]) -> None:
    cwd = project(a="blocks(1)\n")
    found = discover([], Settings(root=str(cwd)), cwd)
    report, outcomes = fix_files(found, PLAIN, write=False, rules=FakeRules())
    assert text_of(cwd / "a.py") == "blocks(1)\n"
    assert outcomes[0].after == b"import torch\nok(1)\n"
    assert report.fixed_count == 1
    assert report.findings == ()


def test_a_file_that_cannot_be_written_counts_as_not_fixed(project: Callable[..., Path]) -> None:
    cwd = project(a="blocks(1)\n", b="blocks(2)\n")
    (cwd / "a.py").chmod(0o444)
    found = discover([], Settings(root=str(cwd)), cwd)
    report, _ = fix_files(found, PLAIN, write=True, rules=FakeRules())
    assert text_of(cwd / "a.py") == "blocks(1)\n"
    assert text_of(cwd / "b.py") == "ok(2)\n"
    assert report.fixed == {"b.py": {"HTD101": 1}}
    assert [finding.path for finding in report.findings] == ["a.py"]
    assert [(error.path, error.kind, error.message) for error in report.errors] == [
        ("a.py", ErrorKind.UNREADABLE, "not written: the file is read-only")
    ]


def test_a_file_that_changed_meanwhile_is_not_overwritten(project: Callable[..., Path]) -> None:
    cwd = project(a="blocks(1)\n")

    class Meddling(FakeRules):
        def check_module(self, source, path, rules, options, within=None):  # type: ignore[no-untyped-def]
            (cwd / "a.py").write_text("# somebody else's\n")
            return super().check_module(source, path, rules, options)

    found = discover([], Settings(root=str(cwd)), cwd)
    report, _ = fix_files(found, PLAIN, write=True, rules=Meddling())
    assert (cwd / "a.py").read_text() == "# somebody else's\n"
    assert [error.message for error in report.errors] == ["not written: the file changed after it was read"]
    assert report.fixed == {}


def test_results_parse(project: Callable[..., Path]) -> None:
    ast.parse(fix("import torch\nx = [blocks(i) for i in y if blocks(i)]\n").after)
