"""``h2dlint verify`` applies fixes with imports and comments in memory as ``fix`` does on disk."""

from __future__ import annotations

import ast
from pathlib import Path

from h2dlint.engine.config import load_settings
from h2dlint.engine.modules import Projects
from h2dlint.runtime.reworking import Reworkable
from tests.profiles.projects import PIN, App
from tests.profiles.test_predicate import body


def test_all_fixes_and_one_of_them(tmp_path: Path) -> None:
    text = body("a = torch.tensor(lens, device=device)\n    return a, torch.tensor(lens).to(device)")
    app = App.made(tmp_path, PIN + 'fix-comment = "no wait"\n', step=text)
    location = tmp_path / "app" / "step.py"
    settings = load_settings([str(location)], tmp_path, overrides={"cold": True, "min-confidence": "low"})
    file = Reworkable("app/step.py", location, location.read_bytes(), settings, Projects())
    assert file.all.text == app.fixed()
    file.number(0)
    assert len(file.ids) == 2
    for chosen in file.ids:
        fixed = file.fixed(frozenset({chosen})).text
        ast.parse(fixed)
        assert (fixed.count("can_pin(device)"), fixed.count("import can_pin"), fixed.count("# no wait")) == (
            1,
            1,
            1,
        )
