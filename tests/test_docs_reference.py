"""The generated references say what the settings and the commands say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs._hooks import commands_page, settings_page, speed_table
from h2dlint.cli import main
from h2dlint.cli.check import check
from h2dlint.cli.options import overrides
from h2dlint.engine.config import load_settings
from h2dlint.engine.schema import KEYS, read_value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

DOCS = Path(__file__).parent.parent / "docs"


def rows() -> dict[str, list[str]]:
    cells = (line.strip("|").split(" | ") for line in settings_page.keys_table([]).splitlines()[2:])
    return {re.sub(r".*`(.*)`.*", r"\1", row[0]): [cell.strip() for cell in row] for row in cells}


def test_a_default_is_what_a_run_without_configuration_has(tmp_path: Path) -> None:
    """Writing all the defaults of the table into a file changes nothing."""
    table = rows()
    written = {key: match[1] for key, row in table.items() if (match := re.fullmatch("`([^`]*)`", row[2]))}
    assert {
        "select",
        "cold",
        "torch-version",
        "min-confidence",
        "helper-call",
        "follow-imports",
    } <= written.keys()
    (tmp_path / "h2dlint.toml").write_text("".join(f"{key} = {text}\n" for key, text in written.items()))
    settings = load_settings([], tmp_path, rules={"HTD101": "x"})
    for key in written:
        value = tomllib.loads(f"x = {written[key]}")["x"]
        assert read_value(key, value, key) == settings_page.default_of(key), key
    plain = load_settings([], tmp_path, isolated=True, rules={"HTD101": "x"})
    assert settings.options == plain.options
    assert settings.exclude == plain.exclude


def test_a_default_in_full_is_toml_that_says_the_default() -> None:
    shown = (
        settings_page.fill_settings("<!-- default:exclude -->").removeprefix("```toml\n").removesuffix("```")
    )
    assert tuple(tomllib.loads(shown)["exclude"]) == settings_page.default_of("exclude")


def test_the_options_of_a_key_overrule_it_and_no_other_does() -> None:
    named = {key for key in KEYS if settings_page.options_of(key)}
    flags = {flag for param in check.params for flag in param.opts}
    for key in named:
        assert set(settings_page.options_of(key)) <= flags
    every = {param.name or "": ["x"] if getattr(param, "multiple", False) else "x" for param in check.params}
    assert named == overrides(every).keys() | {"output-format"}


def test_the_defaults_that_depend_on_something() -> None:
    table = rows()
    assert table["output-format"][2] == '`"full"`; for `fix` `"concise"`'
    assert table["transfer"][2] == '`"helper"` where there is one, else `"pinned"`'
    assert table["min-confidence"][1] == '`"low"`, `"medium"` or `"high"`'


def commands() -> Iterator[tuple[str, click.Command]]:
    root = click.Context(main)
    for name in main.list_commands(root):
        command = main.get_command(root, name)
        assert command is not None
        yield name, command


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_and_every_option_is_in_the_reference(name: str, command: click.Command) -> None:
    page = commands_page.on_page_markdown("<!-- commands -->", None)
    section = re.split(rf"^## {name}$", page, flags=re.MULTILINE)[1].partition("\n## ")[0]
    assert f"h2dlint {name} " in section or f"h2dlint {name}\n" in section
    for param in command.params:
        for flag in param.opts if isinstance(param, click.Option) and not param.hidden else ():
            assert re.search(rf"^\| `[^`]*(?<![\w-]){re.escape(flag)}(?![\w-])", section, re.MULTILINE), flag


def test_text_of_a_terminal_is_no_markup() -> None:
    command = click.Command("x", help="A <b> of `a*b` and [c].\n\n\b\nkept\n  as is")
    assert commands_page.text_of(command) == "A \\<b\\> of `a*b` and \\[c\\].\n\n```text\nkept\n  as is\n```"


def test_the_speed_table_is_of_the_file() -> None:
    run = {"seconds": 2.0, "processor": 1.0, "memory": 50.0}
    document = {
        "date": "2026-01-02",
        "machine": {"cores": 2, "python": "3.11"},
        "tree": {"requirement": "a==1", "files": 1234, "lines": 5},
        "commands": {"one": [run, {**run, "seconds": 9.0}, {**run, "seconds": 4.0}], "two": [run]},
    }
    text = speed_table.speed_table(document)
    assert "2026-01-02 on `a==1` (1,234 files, 5 lines), 2 processors, Python 3.11." in text
    assert "| one | 4.00 s | 50 MiB |\n| two | 2.00 s | 50 MiB |" in text
    page = speed_table.on_page_markdown((DOCS / "comparison.md").read_text(encoding="utf-8"), None)
    assert "| h2dlint, warm |" in page


def test_every_page_is_in_the_navigation() -> None:
    """mkdocs only warns of a page that no one gets to; here it is an error without building the site."""
    named = re.findall(
        r": ([\w-]+\.md)$", (DOCS / "_hooks" / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(named) == sorted(page.name for page in DOCS.glob("*.md"))


@pytest.mark.parametrize("page", ["index.md", "README"])
def test_the_front_pages_lead_to_every_page(page: str) -> None:
    text = ((DOCS / page) if page.endswith(".md") else DOCS.parent / "README.md").read_text(encoding="utf-8")
    wanted = {
        "tutorial.md",
        "configuration.md",
        "suppressions.md",
        "safety.md",
        "codemod.md",
        "verify.md",
        "faq.md",
    }
    if page == "index.md":
        wanted = {each.name for each in DOCS.glob("*.md")} - {"index.md", "measured-runtime.md"}
    linked = set(re.findall(r"\]\((?:docs/)?([\w-]+\.md)", text))
    assert wanted <= linked
