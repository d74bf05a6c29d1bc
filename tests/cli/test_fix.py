"""``check --fix`` and ``fix``: what is written, what is said, and the exit status."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.cli.conftest import Project

FIXED = "fast(1)\nrisky(2)\nadvise(3)\nseldom(4)\ndoubt(5)\n"
DIFF = "-slow(1)\n+fast(1)\n risky(2)\n"


def test_check_fix(mixed: Project) -> None:
    done = mixed("check", "--fix", "--output-format", "concise")
    assert done.exit_code == 1
    assert mixed.read("a.py") == FIXED
    assert done.stdout == (
        "a.py:2:1: HTD201 `risky` blocks the host (assume-cuda: False)\n"
        "a.py:3:1: HTD201 `advise` blocks the host (assume-cuda: False)\n"
        "Found 3 findings (1 fixed, 2 remaining).\n"
        "1 more with --unsafe-fixes.\n"
        "Left out: 1 in cold code (--cold), 1 of low confidence (--min-confidence low).\n"
    )


def test_the_full_report_shows_the_text_after_fixing(project: Project) -> None:
    project.write("a.py", "slow(1)\nrisky(2)\n")
    assert "1 | fast(1)\n2 | risky(2)\n  | ^^^^^^^^\n" in project("check", "--fix").stdout


def test_unsafe_fixes(mixed: Project) -> None:
    done = mixed("check", "--fix", "--unsafe-fixes", "--output-format", "concise")
    assert mixed.read("a.py") == FIXED.replace("risky", "fast")
    assert "Found 3 findings (2 fixed, 1 remaining).\n" in done.stdout
    assert "more with" not in done.stdout


def test_unsafe_fixes_by_configuration(mixed: Project) -> None:
    mixed.write("h2dlint.toml", "unsafe-fixes = true\n")
    assert "[*] 2 fixable with --fix.\n" in mixed("check").stdout
    mixed("fix", "--no-unsafe-fixes")
    assert mixed.read("a.py") == FIXED


def test_everything_fixed(project: Project) -> None:
    project.write("a.py", "slow(1)\n")
    done = project("check", "--fix")
    assert (done.exit_code, done.stdout) == (0, "Found 1 finding (1 fixed, 0 remaining).\n")
    project.write("a.py", "slow(1)\n")
    assert project("check", "--fix", "--exit-non-zero-on-fix").exit_code == 1
    project.write("a.py", "slow(1)\n")
    assert project("check", "--fix", "--exit-non-zero-on-fix", "--exit-zero").exit_code == 0
    assert project("check", "--fix", "--exit-non-zero-on-fix").exit_code == 0


def test_only_what_check_would_report_is_fixed(mixed: Project) -> None:
    mixed("fix", "--select", "HTD2", "--unsafe-fixes")
    assert mixed.read("a.py") == "slow(1)\nfast(2)\nadvise(3)\nseldom(4)\ndoubt(5)\n"


@pytest.mark.parametrize("command", [["check", "--diff"], ["check", "--fix", "--diff"], ["fix", "--diff"]])
def test_diff(mixed: Project, command: list[str]) -> None:
    before = mixed.read("a.py")
    done = mixed(*command)
    assert done.exit_code == 1
    assert mixed.read("a.py") == before
    assert DIFF in done.stdout
    assert done.stdout.startswith("--- ")
    assert done.stderr == "Would fix 1 finding (1 more with --unsafe-fixes).\n"
    assert mixed(*command, "-q").stderr == ""
    assert mixed(*command, "--exit-zero").exit_code == 0


def test_diff_without_changes(project: Project) -> None:
    project.write("a.py", "risky(1)\n")
    done = project("check", "--diff")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "No findings would be fixed (1 fixable with --unsafe-fixes).\n"


def test_diff_with_a_broken_file(mixed: Project) -> None:
    mixed.write("broken.py", "slow(\n")
    done = mixed("check", "--diff")
    assert done.exit_code == 2
    assert DIFF in done.stdout


def test_diff_in_colour_shows_no_escape_sequence_of_the_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("a.py", "slow('\x1b]0;x\x07')\n")
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = project("check", "--diff").stdout
    assert "\x1b[31m-slow('\\x1b]0;x\\x07')\x1b[0m\n" in text
    assert "\x07" not in text


def test_fix_counts_by_rule(mixed: Project) -> None:
    done = mixed("fix")
    assert done.exit_code == 1
    assert mixed.read("a.py") == FIXED
    assert done.stdout == (
        "a.py:2:1: HTD201 `risky` blocks the host (assume-cuda: False)\n"
        "a.py:3:1: HTD201 `advise` blocks the host (assume-cuda: False)\n"
        "fixed   left  rule\n"
        "    1      0  HTD101 slow-call\n"
        "    0      2  HTD201 odd-call\n"
        "\n"
        "Found 3 findings (1 fixed, 2 remaining).\n"
        "1 more with --unsafe-fixes.\n"
        "Left out: 1 in cold code (--cold), 1 of low confidence (--min-confidence low).\n"
    )


def test_fix_in_json(mixed: Project) -> None:
    summary = json.loads(mixed("fix", "--output-format", "json").stdout)["summary"]
    assert (summary["fixed"], summary["findings"]) == (1, 2)


def test_patch_applies(mixed: Project) -> None:
    mixed.write("sub/c.py", b"slow(1)\r\nslow(2)")
    before = mixed.read("a.py")
    done = mixed("fix", "--patch", "out/fix.patch")
    assert (done.exit_code, done.stderr) == (1, "")
    assert done.stdout == "Would fix 3 findings (1 more with --unsafe-fixes).\n"
    assert mixed.read("a.py") == before
    subprocess.run(["git", "init", "-q"], cwd=mixed.root, check=True)
    subprocess.run(["git", "apply", "out/fix.patch"], cwd=mixed.root, check=True)
    assert mixed.read("a.py") == FIXED
    assert mixed.read("sub/c.py") == "fast(1)\r\nfast(2)"


def test_patch_and_diff_exclude_each_other(mixed: Project) -> None:
    assert mixed("fix", "--diff", "--patch", "x.patch").exit_code == 2


def test_fix_standard_input(mixed: Project) -> None:
    done = mixed("check", "-", "--fix", "--output-format", "concise", stdin=b"slow('\xc3\xa9')\r\nrisky(2)")
    assert done.exit_code == 1
    assert done.stdout_bytes == b"fast('\xc3\xa9')\r\nrisky(2)"
    assert done.stderr.startswith(
        "-:2:1: HTD201 `risky` blocks the host (assume-cuda: False)\nFound 2 findings (1 fixed, 1 rem"
    )


def test_fix_of_broken_standard_input_gives_it_back(mixed: Project) -> None:
    done = mixed("fix", "-", stdin="slow(\n")
    assert (done.exit_code, done.stdout) == (2, "slow(\n")


def test_fix_of_excluded_standard_input_gives_it_back(mixed: Project) -> None:
    options = ["fix", "-q", "--stdin-filename", "a.py", "--exclude", "a.py", "--force-exclude"]
    done = mixed(*options, stdin="slow(1)\n")
    assert (done.exit_code, done.stdout) == (0, "slow(1)\n")


def test_diff_of_standard_input(mixed: Project) -> None:
    done = mixed("check", "--diff", "--stdin-filename", "sub/new.py", stdin="slow(1)\n")
    assert done.exit_code == 1
    assert "sub/new.py" in done.stdout
    assert "-slow(1)\n+fast(1)\n" in done.stdout
