from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from h2dlint.engine import runner
from h2dlint.engine.files import Discovery, SourceFile, discover
from h2dlint.engine.results import FileResult, Hidden
from h2dlint.engine.runner import lint_files, lint_source
from h2dlint.engine.screen import Screen
from h2dlint.engine.selectors import UnknownSelectorError
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence, ErrorKind, FileError, Finding, Options
from h2dlint.rules.base import Rule
from h2dlint.syntax.source import SourceText
from tests.engine.fakes import EVERYTHING, PLAIN, FakeRules

Tree = Callable[..., Path]
HEAD = b"import torch\n"


def lint(text: str | bytes, settings: Settings = PLAIN, rules: FakeRules | None = None) -> FileResult:
    data = text.encode() if isinstance(text, str) else text
    return lint_source("x.py", HEAD + data, settings, rules or FakeRules())


def places(result: FileResult) -> list[str]:
    return [f"{finding.span.line}:{finding.span.column}:{finding.code}" for finding in result.findings]


def only_error(result: FileResult) -> FileError:
    assert result.findings == ()
    (error,) = result.errors
    assert error.path == "x.py"
    assert "\n" not in error.message
    return error


# Findings.


def test_findings_are_sorted_and_distinct() -> None:
    class Twice(FakeRules):
        def check_module(
            self,
            source: SourceText,
            path: str,
            rules: Sequence[Rule],
            options: Options,
            within: object = None,
        ) -> list[Finding]:
            return super().check_module(source, path, rules, options)[::-1] * 2

    result = lint("f(perhaps(1), blocks(2)); blocks(perhaps(3))\nblocks(4)\n", rules=Twice())
    assert places(result) == ["2:3:HTD102", "2:15:HTD101", "2:27:HTD101", "2:34:HTD102", "3:1:HTD101"]


def test_selection_reaches_the_rules() -> None:
    text = "blocks(perhaps(1))\n"
    assert places(lint(text, replace(PLAIN, select=("HTD102",)))) == ["2:8:HTD102"]
    assert places(lint(text, replace(PLAIN, ignore=("HTD102",)))) == ["2:1:HTD101"]
    with pytest.raises(UnknownSelectorError):
        lint(text, replace(PLAIN, select=("HTD999",)))


def test_per_file_ignores() -> None:
    text = HEAD + b"blocks(perhaps(1))\n"
    settings = replace(PLAIN, per_file_ignores=(("tests/*", ("HTD101",)), ("!src/*", ("HTD102",))))

    def codes(path: str, location: Path | None = None) -> list[str]:
        result = lint_source(path, text, settings, FakeRules(), location=location)
        return [finding.code for finding in result.findings]

    assert codes("src/x.py") == ["HTD101", "HTD102"]
    assert codes("tests/x.py") == []
    assert codes("other/x.py") == ["HTD101"]
    # What counts is where the file lies, not what the path looks like from the working directory.
    assert codes("tests/x.py", Path("/project/src/x.py")) == ["HTD101", "HTD102"]


def test_filters_and_what_they_hide() -> None:
    text = "blocks(1)\nblocks_cold(2)\nblocks_low(3)\nblocks_cold_low(4)\n"
    result = lint(text)
    assert places(result) == ["2:1:HTD101"]
    assert result.hidden == Hidden(cold=2, low_confidence=1)
    result = lint(text, replace(PLAIN, cold=True))
    assert places(result) == ["2:1:HTD101", "3:1:HTD101"]
    assert result.hidden == Hidden(cold=0, low_confidence=2)
    result = lint(text, replace(PLAIN, min_confidence=Confidence.LOW))
    assert places(result) == ["2:1:HTD101", "4:1:HTD101"]
    assert result.hidden == Hidden(cold=2)
    assert len(lint(text, EVERYTHING).findings) == 4


def test_suppressed_findings_are_counted_apart() -> None:
    result = lint("blocks(1)  # noqa\nblocks_cold(2)  # gpu-sync-ok: start\nblocks(3)\n")
    assert places(result) == ["4:1:HTD101"]
    assert (result.suppressed, result.hidden) == (2, Hidden())
    assert [suppression.used for suppression in result.suppressions] == [True, True]


def test_unused_suppressions_of_ours_are_seen_without_findings() -> None:
    assert [s.used for s in lint("blocks_(1)  # noqa: HTD101\n").suppressions] == [False]
    assert lint("blocks_(1)  # noqa: E501\n").suppressions == ()
    assert [note.line for note in lint("blocks_(1)  # h2dlint: disable\n").notes] == [2]


# The screen.


def test_screened_out_files_are_not_looked_at() -> None:
    rules = FakeRules()
    assert lint_source("x.py", b"blocks(1)", PLAIN, rules).screened_out
    assert lint_source("x.py", b"import torch", PLAIN, rules).screened_out
    assert lint_source(
        "x.py", b"import torch\nperhaps(1)", replace(PLAIN, select=("HTD101",)), rules
    ).screened_out
    assert rules.seen == []
    assert not lint("blocks(1)", rules=rules).screened_out
    assert rules.seen == ["x.py"]


def test_screen() -> None:
    assert not Screen([]).passes(b"torch")
    assert Screen([()]).passes(b"torch")
    assert not Screen([()]).passes(b"numpy")
    screen = Screen([(b"tensor(", b".to("), (b"as_tensor(",)])
    assert screen.passes(b"torch.as_tensor(x)")
    assert screen.passes(b"torch; x.to(d)")
    assert not screen.passes(b"torch; x.cuda()")


# What goes wrong.


def test_syntax_error_has_its_line() -> None:
    error = only_error(lint("x = 1\nblocks(\n"))
    assert (error.kind, error.line, error.message) == (ErrorKind.SYNTAX, 3, "'(' was never closed")


def test_null_byte_is_a_syntax_error_with_its_line() -> None:
    error = only_error(lint("x = 1\nblocks('\0')\n"))
    assert (error.kind, error.line) == (ErrorKind.SYNTAX, 3)
    assert error.message == "source code cannot contain null bytes"


def test_too_deep_for_the_parser() -> None:
    depth = 100_000
    error = only_error(lint("blocks(" + "(" * depth + ")" * depth + ")\n"))
    assert error.kind is ErrorKind.SYNTAX


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="how deep a newer parser goes is not known")
def test_recursion_in_the_parser_is_the_fault_of_the_file() -> None:
    error = only_error(lint("x = " + "-" * 100_000 + "blocks(1)\n"))
    assert (error.kind, error.message) == (ErrorKind.SYNTAX, "nested too deeply for the parser")


def test_recursion_in_a_rule_is_ours() -> None:
    class Recursive(FakeRules):
        def check_module(
            self,
            source: SourceText,
            path: str,
            rules: Sequence[Rule],
            options: Options,
            within: object = None,
        ) -> list[Finding]:
            return self.check_module(source, path, rules, options)

    error = only_error(lint("blocks(1)\n", rules=Recursive()))
    assert error.kind is ErrorKind.INTERNAL
    assert error.message.startswith("RecursionError: ")


def test_any_other_exception_is_internal() -> None:
    error = only_error(lint("blocks(1)\ncrash()\n"))
    assert (error.kind, error.line) == (ErrorKind.INTERNAL, None)
    assert error.message.startswith("ZeroDivisionError: no such thing (in h2dlint.engine.runner:")
    assert error.message.endswith(", check)")


def test_encoding_errors_have_their_line() -> None:
    error = only_error(lint(b"x = 1\nblocks('\xff')\n"))
    assert (error.kind, error.line) == (ErrorKind.ENCODING, 3)
    assert "utf-8" in error.message
    unknown = lint_source("x.py", b"# coding: nonsense\nimport torch; blocks(1)\n", PLAIN, FakeRules())
    assert only_error(unknown).kind is ErrorKind.ENCODING


@pytest.mark.parametrize("codec", ["undefined", "hex", "rot13", "punycode", "idna"])
def test_codecs_that_are_not_for_source_text(codec: str) -> None:
    data = f"# coding: {codec}\nimport torch; blocks('\xe4')\n".encode()
    result = lint_source("x.py", data, PLAIN, FakeRules())
    assert [error.kind for error in result.errors] in ([ErrorKind.ENCODING], [ErrorKind.SYNTAX])


def test_latin_1() -> None:
    data = b"# coding: latin-1\nimport torch; '\xe4\xff'; blocks(1)\n"
    assert places(lint_source("x.py", data, PLAIN, FakeRules())) == ["2:21:HTD101"]


def test_columns_are_code_points_and_a_mark_counts_for_nothing() -> None:
    data = b"\xef\xbb\xbf'\xc3\xa4\xf0\x9f\x98\x80'; blocks(torch)\r\n\tblocks"
    result = lint_source("x.py", data.replace(b"\r\n\tblocks", b"\r\nblocks(2)"), PLAIN, FakeRules())
    assert places(result) == ["1:7:HTD101", "2:1:HTD101"]


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MAX_BYTES", 1024 * 1024)
    error = only_error(lint(b"blocks(1)\n" + b"#" * 1024 * 1024))
    assert (error.kind, error.message) == (ErrorKind.TOO_LARGE, "1.0 MiB; files over 1 MiB are not linted")


def test_warnings_about_linted_code_stay_inside(recwarn: pytest.WarningsRecorder) -> None:
    lint("blocks('\\d')\nassert (1, 2)\n1 is 1\n'a'()  # noqa: HTD101\n0x1for x in y\n")
    assert not recwarn.list


# Many files.


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Discovery]:
    def make(**texts: str | bytes) -> Discovery:
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_bytes(text.encode() if isinstance(text, str) else text)
        return discover([], Settings(root=str(tmp_path)), tmp_path)

    return make


def test_report_is_in_path_order_and_adds_up(files: Callable[..., Discovery]) -> None:
    found = files(
        b="import torch\nblocks(1); blocks_cold(2)\nblocks(3)  # noqa\n",
        a="import torch\nblocks(1); blocks_low(2)\n# h2dlint: disable\n",
        c="import torch\nblocks(\n",
        d="nothing",
    )
    shuffled = replace(
        found, files=found.files[::-1], errors=(FileError("a9.py", None, ErrorKind.UNREADABLE, "gone"),)
    )
    for todo in (found, found.files[::-1]):
        report = lint_files(todo, PLAIN, rules=FakeRules())
        assert [finding.path for finding in report.findings] == ["a.py", "b.py"]
        assert [error.path for error in report.errors] == ["c.py"]
        assert (report.hidden, report.suppressed, report.checked) == (Hidden(1, 1), 1, 4)
        assert [(note.path, note.line) for note in report.notes] == [("a.py", 3)]
    assert [error.path for error in lint_files(shuffled, PLAIN, rules=FakeRules()).errors] == [
        "a9.py",
        "c.py",
    ]


def test_a_faulty_file_does_not_stop_the_others(files: Callable[..., Discovery]) -> None:
    found = files(a="torch; crash()", b="torch; blocks(1)", c=b"torch; blocks('\xff')", d="torch; blocks(1)")
    (found.files[3].location).unlink()
    report = lint_files(found, PLAIN, rules=FakeRules())
    assert [finding.path for finding in report.findings] == ["b.py"]
    assert [(error.path, error.kind) for error in report.errors] == [
        ("a.py", ErrorKind.INTERNAL),
        ("c.py", ErrorKind.ENCODING),
        ("d.py", ErrorKind.UNREADABLE),
    ]
    assert report.errors[2].message == "No such file or directory"


def test_files_may_have_settings_of_their_own(files: Callable[..., Discovery]) -> None:
    first, second = files(a="torch; blocks_cold(1)", b="torch; blocks_cold(1)").files
    report = lint_files([first, replace(second, settings=EVERYTHING)], PLAIN, rules=FakeRules())
    assert [finding.path for finding in report.findings] == ["b.py"]


def test_progress(files: Callable[..., Discovery]) -> None:
    calls: list[tuple[int, int]] = []
    lint_files(files(a="", b="", c=""), PLAIN, lambda done, total: calls.append((done, total)), FakeRules())
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_what_became_a_pipe_or_a_folder_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    todo = [SourceFile(name, tmp_path / name) for name in ("folder.py", "pipe.py")]
    report = lint_files(todo, PLAIN, rules=FakeRules())
    assert [(error.path, error.kind) for error in report.errors] == [
        ("folder.py", ErrorKind.UNREADABLE),
        ("pipe.py", ErrorKind.UNREADABLE),
    ]


def test_large_files_are_not_read(files: Callable[..., Discovery], monkeypatch: pytest.MonkeyPatch) -> None:
    found = files(a="torch; blocks(1)  " + "#" * 100)
    monkeypatch.setattr(runner, "MAX_BYTES", 50)
    assert [error.kind for error in lint_files(found, PLAIN, rules=FakeRules()).errors] == [
        ErrorKind.TOO_LARGE
    ]


def test_results_and_settings_can_go_to_another_process(files: Callable[..., Discovery]) -> None:
    report = lint_files(files(a="torch; blocks(1)  # noqa: HTD201"), EVERYTHING, rules=FakeRules())
    assert pickle.loads(pickle.dumps(report)) == report
    assert pickle.loads(pickle.dumps(EVERYTHING)) == EVERYTHING
