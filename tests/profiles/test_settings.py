"""What of a profile is refused, with a message that says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2dlint.engine.config import ConfigError, load_settings


def settings_error(tmp_path: Path, text: str) -> str:
    (tmp_path / "h2dlint.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings([str(tmp_path)], tmp_path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('pin-memory = "can_pin("', '"pin-memory" is no Python expression'),
        ('pin-memory = "can_pin({dev})"', 'unknown placeholder "{dev}"'),
        ('pin-memory = "(x := 1)"', "must be a plain expression"),
        ("pin-memory = true", '"pin-memory" must be a string, got true'),
        ('pin-memory-import = "from a import b"', "needs pin-memory"),
        ('pin-memory = "b"\npin-memory-import = "from a import b, c"', "one import of one name"),
        ('pin-memory = "b"\npin-memory-import = "from .a import b"', "absolute import"),
        ('pin-memory = "b"\npin-memory-import = "from a import *"', "absolute import"),
        ('pin-memory = "b"\npin-memory-import = "import a.b"', "import module as name"),
        ('helper = "upload"', "must be a dotted name"),
        ('helper = "a.b"\nhelper-call = "{data}"', "arguments in parentheses"),
        ('helper = "a.b"\nhelper-call = "({device})"', "must hold {data} once"),
        ('helper = "a.b"\nhelper-call = "({data}, {what})"', 'unknown placeholder "{what}"'),
        ('helper = "a.b"\nhelper-call = "({data}, {dtype?})"', "keyword argument"),
        ('helper = "a.b"\nhelper-takes = ["list", "dict"]', 'got "dict"'),
        ('transfer = "helper"', "needs the key helper"),
        ('transfer = "fast"', 'must be "pinned", "pageable" or "helper"'),
        ('transfer = "pageable"\nstrict-pageable = true', "use one of them"),
        ('fix-comment = "a\\nb"', "one line"),
        ('[per-file-options."a/**"]\nselect = ["HTD"]', 'unknown key "select"'),
        ('[per-file-options."a/**"]\ntransfer = "helper"', "needs the key helper"),
        ('[per-file-options."[a"]\ntransfer = "pinned"', "the pattern"),
        ("per-file-options = 3", "a table of patterns with tables of options"),
    ],
)
def test_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in settings_error(tmp_path, text)


def test_later_patterns_come_on_top(tmp_path: Path) -> None:
    from h2dlint.engine.profiles import options_for

    text = 'fix-comment = "a"\n[per-file-options."*.py"]\nfix-comment = "b"\n'
    text += '[per-file-options."!x.py"]\nfix-comment = "c"\n'
    (tmp_path / "h2dlint.toml").write_text(text, encoding="utf-8")
    settings = load_settings([str(tmp_path)], tmp_path)
    comments = [
        options_for(settings, tmp_path / name).profile.fix_comment for name in ("x.py", "y.py", "z.pyw")
    ]
    assert comments == ["b", "c", "c"]
