"""The tables of the page are those of the committed files."""

from __future__ import annotations

import json
from pathlib import Path

from docs._hooks import corpus_tables

DOCS = Path(__file__).parents[2] / "docs"


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_page_holds_all_tables() -> None:
    text = (DOCS / "hardening.md").read_text(encoding="utf-8")
    page = corpus_tables.on_page_markdown(text, None)
    assert set(corpus_tables.MARKER.findall(text)) == set(corpus_tables.TABLES)
    assert not corpus_tables.MARKER.search(page)
    assert all(table() in page for table in corpus_tables.TABLES.values())


def test_packages_add_up() -> None:
    document = json.loads((DOCS / "corpus.json").read_text(encoding="utf-8"))
    rows = corpus_tables.corpus_table(document).split("\n")
    assert len(rows) == len(document["packages"]) + 3
    found = [int(cells(row)[3].replace(",", "")) for row in rows[2:]]
    assert sum(found[:-1]) == found[-1] == sum(p["findings"] for p in document["packages"].values())
    rules = corpus_tables.rules_table(document).split("\n")[2:]
    assert sum(int(cells(row)[1].replace(",", "")) for row in rules) == found[-1]


def test_the_score_is_that_of_the_statuses() -> None:
    document = json.loads((DOCS / "mutation.json").read_text(encoding="utf-8"))
    for run in (document["before"], document["after"]):
        killed = run["statuses"].get("killed", 0) + run["statuses"].get("timeout", 0)
        assert run["tried"] == sum(run["statuses"].values())
        assert run["score"] == round(killed / run["tried"], 4)
    left = sum(len(names) for names in document["survivors"].values())
    assert left == document["before"]["tried"] - sum(
        document["before"]["statuses"].get(status, 0) for status in ("killed", "timeout")
    )
    before, after = corpus_tables.mutation_table(document).split("\n")[2:]
    assert f"{document['before']['score']:.1%}" in before
    assert "interval" not in after
