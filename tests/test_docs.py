"""What the pages say of options, keys and formats is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs._hooks import rule_pages, settings_page
from h2dlint.engine.schema import KEYS
from h2dlint.report import FORMATS
from h2dlint.rules import all_rules

DOCS = Path(__file__).parent.parent / "docs"


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_key_is_described_once_and_no_other() -> None:
    text = read("configuration.md")
    headings = settings_page.HEADING.findall(text)
    rows = re.findall(r"^\| \[`(\S+)`\]\(#(\S+)\)", settings_page.fill_settings(text), re.MULTILINE)
    assert sorted(headings) == sorted(KEYS)
    assert rows == [(key, key) for key in headings]


def test_every_output_format_is_named() -> None:
    text = read("configuration.md").partition("### output-format")[2].partition("###")[0]
    assert set(re.findall(r'`"(\w+)"`', text)) == set(FORMATS)


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    assert not re.search(r"!\[[^]]*\]\(https?:|<(?:img|script|iframe)\b", path.read_text(encoding="utf-8"))


def test_every_rule_has_a_page_and_a_row() -> None:
    index = rule_pages.rules_index()
    for rule in all_rules():
        assert f"[{rule.code}]({rule.code}.md)" in index
        page = rule_pages.rule_page(rule)
        for heading, text in rule.sections().items():
            assert re.search(rf"^## {heading}\n+{re.escape(text)}", page, re.MULTILINE)
        assert rule_pages.MARKER.search(page), "every page shows the measured figures"


def test_measured_figures_are_put_where_a_page_asks() -> None:
    text = "a\n<!-- measured:HTD101 -->\n<!--measured:logits-processor-->\n<!-- another -->"
    assert rule_pages.fill_measured(text, str.upper) == "a\nHTD101\nLOGITS-PROCESSOR\n<!-- another -->"


def test_a_rule_asks_only_for_figures_that_can_be_given() -> None:
    render = rule_pages.renderer()
    for rule in all_rules():
        for name in rule_pages.MARKER.findall(rule_pages.rule_page(rule)):
            assert render(name).strip(), name
