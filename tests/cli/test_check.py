"""``h2dlint check``: what it prints where, and its exit status."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Project
from tests.report.schema import SCHEMA

MIXED = (
    "a.py:1:1: HTD101 [*] `slow` blocks the host (assume-cuda: False)\n"
    "a.py:2:1: HTD201 `risky` blocks the host (assume-cuda: False)\n"
    "a.py:3:1: HTD201 `advise` blocks the host (assume-cuda: False)\n"
)


def test_nothing_found(project: Project) -> None:
    project.write("b.py", "fast(1)\n")
    done = project("check")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "All checks passed!\n", "")


def test_findings(mixed: Project) -> None:
    done = mixed("check", "--output-format", "concise")
    assert done.exit_code == 1
    assert done.stderr == ""
    assert done.stdout == MIXED + (
        "Found 3 findings in 1 file (3 hot).\n"
        "[*] 1 fixable with --fix (1 more with --unsafe-fixes).\n"
        "Left out: 1 in cold code (--cold), 1 of low confidence (--min-confidence low).\n"
    )


def test_full_is_the_default(mixed: Project) -> None:
    done = mixed("check", "a.py")
    assert done.stdout.startswith(
        "HTD101 [*] `slow` blocks the host\n"
        " --> a.py:1:1\n"
        "  |\n"
        "1 | slow(1)\n"
        "  | ^^^^^^^\n"
        "2 | risky(2)\n"
        "3 | advise(3)\n"
        "  |\n"
        "  = because: assume-cuda: False\n"
        "  = where: module level (hot, high confidence)\n"
        "help: Call `fast` (safe fix)\n"
        "  |\n"
        "  - slow(1)\n"
        "1 + fast(1)\n"
        "2 | risky(2)\n"
        "  |\n"
        "help: for more on this rule, run `h2dlint rule HTD101`\n"
    )


def test_json(mixed: Project) -> None:
    done = mixed("check", "--output-format", "json")
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    assert [finding["line"] for finding in document["findings"]] == [1, 2, 3]
    assert document["findings"][1]["evidence"][-1] == "fix: it may differ"
    assert document["summary"]["files_checked"] == 2
    assert document["summary"]["hidden"] == {"cold": 1, "low_confidence": 1, "unchanged": 0}


def test_quiet_prints_findings_only(mixed: Project) -> None:
    assert mixed("check", "-q", "--output-format", "concise").stdout == MIXED
    assert mixed("check", "-q", "b.py").output == ""


def test_verbose_tells_of_the_run(mixed: Project) -> None:
    done = mixed("check", "-v", "--output-format", "concise")
    assert done.stdout.startswith(MIXED)
    assert "files:         2 checked, 0 with errors\n" in done.stderr
    assert "rules:         HTD101, HTD201\n" in done.stderr
    assert "configuration: none\n" in done.stderr


def test_quiet_and_verbose_exclude_each_other(project: Project) -> None:
    assert project("check", "-q", "-v").exit_code == 2


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["--cold"], [1, 2, 3, 4]),
        (["--min-confidence", "low"], [1, 2, 3, 5]),
        (["--select", "HTD1"], [1]),
        (["--select", "HTD1,HTD201"], [1, 2, 3]),
        (["--select", "HTD1", "--select", "HTD2"], [1, 2, 3]),
        (["--ignore", "HTD101"], [2, 3]),
        (["--select", "HTD1", "--extend-select", "odd-call"], [1, 2, 3]),
        (["--per-file-ignores", "a.py:HTD2"], [1]),
        (["--per-file-ignores", "b.py:HTD2,*.py:HTD1"], [2, 3]),
        (["--exclude", "a.py"], []),
        (["--extend-exclude", "b.py,a.py"], []),
    ],
)
def test_selection(mixed: Project, options: list[str], lines: list[int]) -> None:
    done = mixed("check", "--output-format", "json", *options)
    assert [finding["line"] for finding in json.loads(done.stdout)["findings"]] == lines
    assert done.exit_code == bool(lines)


def test_assume_cuda_overrides_the_configuration(mixed: Project) -> None:
    mixed.write("h2dlint.toml", "assume-cuda = true\n")
    assert "assume-cuda: True" in mixed("check").stdout
    assert "assume-cuda: False" in mixed("check", "--no-assume-cuda").stdout
    assert "assume-cuda: False" in mixed("check", "--isolated").stdout
    assert "assume-cuda: True" in mixed("check", "--isolated", "--assume-cuda").stdout


def test_folders_with_a_configuration_of_their_own(mixed: Project) -> None:
    mixed.write("sub/h2dlint.toml", 'ignore = ["HTD101"]\n')
    mixed.write("sub/a.py", "slow(1)\nrisky(2)\n")
    done = mixed("check", "-q", "--output-format", "concise")
    assert done.stdout == MIXED + "sub/a.py:2:1: HTD201 `risky` blocks the host (assume-cuda: False)\n"


def test_output_format_from_the_configuration(mixed: Project) -> None:
    mixed.write("h2dlint.toml", 'output-format = "concise"\n')
    assert mixed("check", "-q").stdout == MIXED
    assert mixed("check", "-q", "--output-format", "json").stdout.startswith("{")


def test_statistics(mixed: Project) -> None:
    done = mixed("check", "--statistics", "-q")
    assert done.stdout == "2\tHTD201\t[ ] odd-call\n1\tHTD101\t[*] slow-call\n"
    assert done.exit_code == 1


def test_output_file(mixed: Project) -> None:
    done = mixed("check", "-q", "--output-format", "concise", "--output-file", "new/report.txt")
    assert (done.exit_code, done.output) == (1, "")
    assert mixed.read("new/report.txt") == MIXED


def test_output_file_is_never_coloured(mixed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    mixed("check", "-o", "report.txt")
    assert "\x1b" not in mixed.read("report.txt")


def test_output_file_that_cannot_be_written(mixed: Project) -> None:
    done = mixed("check", "-o", "a.py/report.txt")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: cannot write a.py/report.txt: ")


def test_exit_zero_forgives_findings_only(mixed: Project) -> None:
    assert mixed("check", "--exit-zero").exit_code == 0
    assert mixed("check", "--exit-zero", "missing").exit_code == 2


def test_a_missing_path(mixed: Project) -> None:
    done = mixed("check", "a.py", "missing.py", "-q", "--output-format", "concise")
    assert done.exit_code == 2
    assert done.stdout == MIXED
    assert done.stderr == "error: missing.py: No such file or directory\n"


def test_a_broken_file_does_not_hide_the_others(mixed: Project) -> None:
    mixed.write("broken.py", "x = 1\nslow(\n")
    mixed.write("latin.py", b"slow('\xe9')\n")
    mixed.write("crash.py", "crash()\n")
    done = mixed("check", "--output-format", "concise")
    assert done.exit_code == 2
    assert done.stdout.startswith(MIXED)
    assert "\n3 paths could not be checked.\n" in done.stdout
    broken, crash, latin = sorted(done.stderr.splitlines())
    assert broken.startswith("error: broken.py:2: ")
    assert crash.startswith("error: crash.py: ZeroDivisionError: oops")
    assert latin.startswith("error: latin.py:1: not valid utf-8")
    document = json.loads(mixed("check", "--output-format", "json").stdout)
    assert {error["kind"] for error in document["errors"]} == {"syntax", "encoding", "internal"}


@pytest.mark.parametrize(
    "options",
    [
        ["--select", "HTD9"],
        ["--select", "nonsense"],
        ["--per-file-ignores", "nocolon"],
        ["--config", "missing.toml"],
        ["--min-confidence", "some"],
        ["--output-format", "xml"],
        ["--no-such-option"],
        ["-", "a.py"],
        ["a.py", "--stdin-filename", "b.py"],
    ],
)
def test_what_cannot_be_done(mixed: Project, options: list[str]) -> None:
    done = mixed("check", *options)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "rror: " in done.stderr


def test_a_bad_configuration(mixed: Project) -> None:
    mixed.write("h2dlint.toml", "colour = true\n")
    done = mixed("check")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: h2dlint.toml")
    mixed.write("h2dlint.toml", 'output-format = "xml"\n')
    done = mixed("check")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "'xml'" in done.stderr or '"xml"' in done.stderr


def test_no_files(project: Project) -> None:
    done = project("check")
    assert (done.exit_code, done.stdout) == (0, "All checks passed!\n")
    assert done.stderr == "warning: no Python files found under the given paths\n"


def test_show_files(mixed: Project) -> None:
    mixed.write("notes.txt", "")
    done = mixed("check", "--show-files")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [str(mixed.root / "a.py"), str(mixed.root / "b.py")]


def test_show_settings(mixed: Project) -> None:
    config = mixed.write("h2dlint.toml", 'min-confidence = "low"\n[per-file-ignores]\n"a.py" = ["HTD1"]\n')
    done = mixed("check", "--show-settings", "--cold", "--ignore", "HTD2")
    assert done.exit_code == 0
    assert {
        f'config-file = "{config}"',
        'min-confidence = "low"',
        'per-file-ignores = { "a.py" = ["HTD1"] }',
        "cold = true",
        "assume-cuda = false",
        'command-line.ignore = ["HTD2"]',
        'rules = ["HTD101"]',
    } <= set(done.stdout.splitlines())


def test_stdin(mixed: Project) -> None:
    done = mixed("check", "-", "-q", "--output-format", "concise", stdin="slow(1)\n")
    assert (done.exit_code, done.stdout) == (
        1,
        "-:1:1: HTD101 [*] `slow` blocks the host (assume-cuda: False)\n",
    )
    assert "1 | slow(1)\n" in mixed("check", "-", stdin="slow(1)\n").stdout


def test_stdin_filename(mixed: Project) -> None:
    mixed.write("sub/h2dlint.toml", 'per-file-ignores = { "new.py" = ["HTD101"] }\n')
    options = ["check", "-q", "--output-format", "concise", "--stdin-filename", "sub/new.py"]
    done = mixed(*options, stdin="slow(1)\nrisky(1)")
    assert done.stdout == "sub/new.py:2:1: HTD201 `risky` blocks the host (assume-cuda: False)\n"


def test_stdin_of_an_excluded_file(mixed: Project) -> None:
    options = ["check", "-", "--stdin-filename", "a.py", "--exclude", "a.py", "-q"]
    assert mixed(*options, stdin="slow(1)\n").exit_code == 1
    assert mixed(*options, "--force-exclude", stdin="slow(1)\n").exit_code == 0


def test_stdin_that_is_broken(mixed: Project) -> None:
    done = mixed("check", "-", stdin="slow(\n")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: -:1: ")


def test_colours(mixed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def coloured() -> bool:
        return "\x1b[" in mixed("check", "a.py").stdout

    assert not coloured()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured()
    monkeypatch.delenv("FORCE_COLOR")
    assert not coloured()


def test_an_internal_fault_is_one_line(mixed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **keywords: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("h2dlint.cli.session.lint_files", broken)
    done = mixed("check")
    assert done.exit_code == 2
    assert done.stderr == "error: internal fault: ZeroDivisionError: oops (--verbose shows where)\n"
    done = mixed("check", "-v")
    assert done.exit_code == 2
    assert "Traceback (most recent call last):\n" in done.stderr


def test_an_interrupt(mixed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("h2dlint.cli.session.lint_files", interrupted)
    done = mixed("check")
    assert done.exit_code == 130
    assert "Traceback" not in done.output


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be made there")
def test_a_name_that_would_steer_the_terminal(project: Project) -> None:
    project.write("a\x1b[31m.py", "slow(1)\n")
    for form in ("full", "concise", "json"):
        assert "\x1b" not in project("check", "--output-format", form).output


def test_paths_outside_the_working_directory(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other: Path = tmp_path_factory.mktemp("other") / "a.py"
    other.write_text("slow(1)\n")
    done = project("check", "-q", "--output-format", "concise", str(other))
    assert done.stdout.startswith(f"{other.as_posix()}:1:1: HTD101")
