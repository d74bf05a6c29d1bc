"""Whole runs over folders that hold links to files that are not there yet."""

from pathlib import Path

import pytest

from tests.engine.test_whole import HELPER, MAIN, Runs
from tests.engine.test_whole import runs as runs


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pkg/.gitignore", "main.py\n"),
        ("pkg/.h2dlint.toml", 'ignore = ["HTD"]\n'),
        ("pkg/late.pyw", MAIN),
        ("pkg/late.py", MAIN),
        ("tool/helper.py", HELPER),
    ],
)
def test_a_file_that_a_link_was_waiting_for_is_seen(runs: Runs, tmp_path: Path, name: str, text: str) -> None:
    target = tmp_path / "late.txt"
    (runs.project / name).symlink_to(target)
    runs()
    assert runs() == "whole"
    target.write_text(text, encoding="utf-8")
    assert runs() != "whole"
    target.unlink()
    assert runs() != "whole"


@pytest.mark.parametrize("name", ["pkg/.gitignore", "pkg/.#main.py"])
def test_a_link_that_leads_nowhere_leaves_a_run_whole(runs: Runs, tmp_path: Path, name: str) -> None:
    (runs.project / name).symlink_to(tmp_path / "nowhere")
    runs()
    assert runs() == "whole"
