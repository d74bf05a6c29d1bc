"""``--add-noqa``: afterwards a check is clean, and nothing but comments has changed."""

from __future__ import annotations

import ast

import pytest

from tests.cli.conftest import Project


def added(project: Project, text: str, *arguments: str) -> str:
    """The text after ``--add-noqa``; the program is the same, and a check is clean."""
    project.write("a.py", text)
    done = project("check", *(arguments or ("--add-noqa",)))
    assert done.exit_code == 0, done.output
    after = project.read("a.py")
    assert ast.dump(ast.parse(after)) == ast.dump(ast.parse(text))
    again = project("check")
    assert again.exit_code == 0, again.output
    project("check", *(arguments or ("--add-noqa",)))
    assert project.read("a.py") == after
    return after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("slow(1)\n", "slow(1)  # noqa: HTD101\n"),
        ("slow(1)", "slow(1)  # noqa: HTD101"),
        ("slow(1)\r\nx = 1\r\n", "slow(1)  # noqa: HTD101\r\nx = 1\r\n"),
        ("slow(1)  # why\n", "slow(1)  # why  # noqa: HTD101\n"),
        ("slow(1)  # noqa: E501\n", "slow(1)  # noqa: E501, HTD101\n"),
        ("slow(1)  # noqa:E501 long\n", "slow(1)  # noqa:E501, HTD101 long\n"),
        ("slow(1)  # flake8: noqa: E501\n", "slow(1)  # flake8: noqa: E501  # h2dlint: ignore[HTD101]\n"),
        ("slow(risky(1))\n", "slow(risky(1))  # noqa: HTD101, HTD201\n"),
        ("use(\n    slow(1),\n    2,\n)\n", "use(\n    slow(1),  # noqa: HTD101\n    2,\n)\n"),
        ("x = slow(1) + \\\n    2\n", "x = slow(1) + \\\n    2  # noqa: HTD101\n"),
        ('x = slow("""a\nb""", 2)\n', 'x = slow("""a\nb""", 2)  # noqa: HTD101\n'),
        ('x = f"""{slow(1)}\n{2}\n"""\n', 'x = f"""{slow(1)}\n{2}\n"""  # noqa: HTD101\n'),
        ('x = f"""{\nslow(1)\n}"""\n', 'x = f"""{\nslow(1)\n}"""  # noqa: HTD101\n'),
        ("if slow(1):\n    pass\n", "if slow(1):  # noqa: HTD101\n    pass\n"),
        ("s = '# noqa'; slow(1)\n", "s = '# noqa'; slow(1)  # noqa: HTD101\n"),
        ("slow(1)  # type: ignore\n", "slow(1)  # type: ignore  # noqa: HTD101\n"),
        ("use(slow(1),  # noqa: HTD201\n    2)\n", "use(slow(1),  # noqa: HTD201, HTD101\n    2)\n"),
        ("d\u00e9f = slow('\u65e5')\n", "d\u00e9f = slow('\u65e5')  # noqa: HTD101\n"),
    ],
)
def test_where_the_comment_goes(project: Project, before: str, after: str) -> None:
    assert added(project, before) == after


def test_a_reason(project: Project) -> None:
    assert (
        added(project, "slow(1)\n", "--add-noqa=once at start") == "slow(1)  # noqa: HTD101 once at start\n"
    )
    # What looks like a code at the start of a reason would be read as one.
    assert added(project, "slow(1)\n", "--add-noqa=AB12-3 says so") == (
        "slow(1)  # noqa: HTD101 # AB12-3 says so\n"
    )
    for text in ("slow(1)\n", "slow(1)  # noqa\n", "slow(1)  # noqa: HTD101\n", "slow(1)  # gpu-sync-ok\n"):
        added(project, text, "--add-noqa=so")


def test_the_path_after_it_is_a_path(mixed: Project) -> None:
    done = mixed("check", "--add-noqa", "b.py")
    assert (done.exit_code, done.stderr) == (0, "Added 0 suppression comments.\n")
    done = mixed("check", "--add-noqa", "a.py")
    assert done.stderr == "Added 3 suppression comments.\n"
    assert mixed.read("a.py") == (
        "slow(1)  # noqa: HTD101\nrisky(2)  # noqa: HTD201\nadvise(3)  # noqa: HTD201\nseldom(4)\ndoubt(5)\n"
    )


def test_a_reason_of_two_lines(mixed: Project) -> None:
    before = mixed.read("a.py")
    assert mixed("check", "--add-noqa=one\ntwo").exit_code == 2
    assert mixed.read("a.py") == before


def test_a_reason_that_the_file_cannot_hold(project: Project) -> None:
    project.write("a.py", "# coding: latin-1\nslow('\u00e9')\n".encode("latin-1"))
    done = project("check", "--add-noqa=\u65e5")
    assert done.exit_code == 2
    assert "the reason cannot be written in iso-8859-1" in done.stderr
    assert added(project, "slow(1)\n", "--add-noqa=\u65e5").endswith("\u65e5\n")


def test_where_there_is_no_place(project: Project) -> None:
    text = 'x = slow(1); y = """\n"""\n'
    project.write("a.py", text)
    done = project("check", "--add-noqa")
    assert done.exit_code == 2
    assert "a.py:1: there is no place for a comment on HTD101" in done.stderr
    assert project.read("a.py") == text


def test_broken_and_read_only_files(project: Project) -> None:
    project.write("a.py", "slow(1\n")
    path = project.write("b.py", "slow(1)\n")
    path.chmod(0o444)
    done = project("check", "--add-noqa")
    assert done.exit_code == 2
    assert "b.py: not written: the file is read-only" in done.stderr
    assert project.read("b.py") == "slow(1)\n"


@pytest.mark.parametrize("writes", ["--add-noqa", "--write-baseline=known.json"])
@pytest.mark.parametrize("other", ["--show-files", "--show-settings", "--watch"])
def test_what_makes_no_sense_together(project: Project, writes: str, other: str) -> None:
    project.write("a.py", "slow(1)\n")
    done = project("check", writes, other)
    assert done.exit_code == 2
    assert "cannot be used with" in done.stderr
    assert project.read("a.py") == "slow(1)\n"
    assert not (project.root / "known.json").exists()


def test_a_code_that_lacks_a_reason_is_not_listed_twice(project: Project) -> None:
    project.write("h2dlint.toml", "require-reason = true\n")
    project.write("a.py", "slow(1)  # noqa: HTD101\nslow(2)  # noqa: E501,HTD101\n")
    done = project("check", "--add-noqa=because")
    assert done.exit_code == 0, done.output
    assert project.read("a.py") == "slow(1)  # noqa: HTD101 because\nslow(2)  # noqa: E501,HTD101 because\n"
    assert project("check").exit_code == 0
