"""``h2dlint init``: what it finds by behaviour and use, and what it writes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from h2dlint.analysis.uploaders import read_uploader
from h2dlint.cli import main
from tests.profiles.projects import STEP, UTILS, App

USER = """\
from app.utils import can_pin, upload
import torch


def prepare(xs, device):
    pin = can_pin(device)
    a = torch.tensor(xs, pin_memory=pin)
    b = torch.zeros(3, pin_memory=can_pin(device))
    return a, b, upload(xs, dtype=torch.int64, device=device), upload(xs, device=device)
"""


def init(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments, str(root)])


def uploader(text: str) -> str | None:
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    found = read_uploader(node)
    return None if found is None else f"{found.call()} {','.join(found.takes)}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "def whatever(xs: list, d, t=None):\n    h = torch.tensor(xs, dtype=t, pin_memory=True)\n"
            "    return h.to(d, non_blocking=True)",
            "({data}, {device}, t={dtype?}) list",
        ),
        (
            "def f(a, *, where):\n    return torch.from_numpy(a).pin_memory().cuda(where, non_blocking=True)",
            "({data}, where={device}) array",
        ),
        (
            "def f(t: torch.Tensor, d):\n    if ok():\n        t = t.pin_memory()\n"
            "    return t.to(d, non_blocking=True)",
            "({data}, {device}) tensor",
        ),
        (
            "def f(t, d, pin):\n    return torch.as_tensor(t).pin_memory().to(d, non_blocking=pin)",
            "({data}, {device}) list,array",
        ),
        ("def f(xs, d):\n    return torch.tensor(xs, pin_memory=True).to(d)", None),
        ("def f(xs, d):\n    return torch.tensor(xs).to(d, non_blocking=True)", None),
        ("def f(x):\n    return x.pin_memory().to('cpu', non_blocking=True)", None),
        ("def f(xs, d):\n    torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)", None),
        ("def upload(xs, d):\n    return xs", None),
        (
            "def f(xs: list[torch.Tensor], d):\n    return torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
            None,
        ),
    ],
)
def test_a_helper_is_known_by_what_it_does(text: str, found: str | None) -> None:
    assert uploader(text) == found


def test_what_is_used_most_is_proposed(tmp_path: Path) -> None:
    App.made(tmp_path, "", step=STEP, user=USER)
    done = init(tmp_path)
    assert done.exit_code == 0
    assert "app/utils.py:8: upload({data}, dtype={dtype?}, device={device})" in done.stdout
    assert "takes list; called in 2 places" in done.stdout
    assert "can_pin({device}) (from app.utils import can_pin): call, 3 places" in done.stdout
    assert done.stdout.endswith(
        '[tool.h2dlint]\nhelper = "app.utils.upload"\npin-memory = "can_pin({device})"\n'
        'pin-memory-import = "from app.utils import can_pin"\n'
    )


def test_written_and_used(tmp_path: Path) -> None:
    app = App.made(tmp_path, "", step=STEP, user=USER)
    (tmp_path / "h2dlint.toml").unlink()
    before = '# top\n[project]\nname = "app"   # odd   spacing\n\n[tool.other]\nx = [ 1,2 ]\n'
    (tmp_path / "pyproject.toml").write_text(before, encoding="utf-8")
    assert init(tmp_path, "--write", "-q").exit_code == 0
    text = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    assert text.startswith(before) and '[tool.h2dlint]\nhelper = "app.utils.upload"\n' in text
    assert "upload(lens, device=device)" in app.fixed()
    # A second time nothing is left to add.
    again = init(tmp_path, "--write")
    assert "helper is there already, and stays as it is" in again.stderr
    assert (tmp_path / "pyproject.toml").read_text(encoding="utf-8") == text


def test_keys_that_are_there_stay(tmp_path: Path) -> None:
    App.made(tmp_path, "", step=STEP, user=USER)
    (tmp_path / "h2dlint.toml").write_text('# mine\nhelper = "app.mine"\n', encoding="utf-8")
    assert init(tmp_path, "--write").exit_code == 0
    text = (tmp_path / "h2dlint.toml").read_text(encoding="utf-8")
    assert text.startswith('# mine\nhelper = "app.mine"\n') and "pin-memory-import" in text


def test_without_a_pyproject_a_file_of_its_own(tmp_path: Path) -> None:
    App.made(tmp_path, "", step=STEP, user=USER)
    (tmp_path / "h2dlint.toml").unlink()
    assert init(tmp_path, "--write").exit_code == 0
    assert 'helper = "app.utils.upload"' in (tmp_path / ".h2dlint.toml").read_text(encoding="utf-8")


def test_a_broken_pyproject_is_left_alone(tmp_path: Path) -> None:
    App.made(tmp_path, "", step=STEP, user=USER)
    (tmp_path / "h2dlint.toml").unlink()
    (tmp_path / "pyproject.toml").write_text("[tool\n", encoding="utf-8")
    assert init(tmp_path, "--write").exit_code == 2
    assert (tmp_path / "pyproject.toml").read_text(encoding="utf-8") == "[tool\n"


def test_nothing_is_made_up(tmp_path: Path) -> None:
    literal = "import torch\nx = torch.zeros(3, pin_memory=True)\n"
    App.made(tmp_path, "", step=literal, utils="")
    (tmp_path / "h2dlint.toml").unlink()
    done = init(tmp_path, "--write")
    assert "Nothing to propose" in done.stdout and "app/step.py:2" in done.stdout
    assert not (tmp_path / ".h2dlint.toml").exists()


def test_a_private_helper_is_shown_and_not_proposed(tmp_path: Path) -> None:
    App.made(tmp_path, "", utils=UTILS.replace("upload", "_upload"), user=USER.replace("upload", "_upload"))
    done = init(tmp_path)
    assert "not proposed: its name says that it is private" in done.stdout and "helper =" not in done.stdout


def test_a_constant_an_attribute_and_an_import_from_elsewhere(tmp_path: Path) -> None:
    text = (
        "import torch\nfrom other.lib import PIN as P\n\n\nclass A:\n    def f(self):\n        p = P\n"
        "        torch.zeros(1, pin_memory=self.pin)\n        torch.zeros(1, pin_memory=self.pin)\n"
        "        return torch.zeros(1, pin_memory=p)\n"
    )
    App.made(tmp_path, "", step=text, utils="")
    done = init(tmp_path)
    assert "self.pin: attribute, 2 places" in done.stdout
    # An attribute is to be had in its class only.
    assert done.stdout.endswith('pin-memory = "PIN"\npin-memory-import = "from other.lib import PIN"\n')


def test_checks_of_the_repository_are_shown(tmp_path: Path) -> None:
    App.made(tmp_path, "")
    hook = "repos:\n- repo: local\n  hooks:\n  - id: pins\n    entry: python tools/check.py\n"
    (tmp_path / ".pre-commit-config.yaml").write_text(hook, encoding="utf-8")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "check.py").write_text(
        "import re\nBAD = re.compile('pin_memory=True')\n", encoding="utf-8"
    )
    assert "tools/check.py:2: BAD = re.compile('pin_memory=True')" in init(tmp_path).stdout


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return torch.tensor(xs[1:], pin_memory=True).to(d, non_blocking=True)", "xs[1:]"),
        ("return torch.tensor(xs, dtype=torch.int32, pin_memory=True).to(d, non_blocking=True)", "int32"),
        ("return torch.tensor(xs, pin_memory=True).to(d, torch.half, non_blocking=True)", "half"),
        ("return torch.tensor(xs, pin_memory=True).to(d, non_blocking=True).view(-1)", "changes what"),
        (
            "t = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)\n    t += 1\n    return t",
            "t += 1",
        ),
        (
            "t = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)\n    t.neg_()\n    return t",
            "neg_",
        ),
        (
            "t = torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)\n    t[0] = 1\n    return t",
            "t[0] = 1",
        ),
        (
            "if d:\n        return xs\n    return torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)",
            "give back",
        ),
        ("return torch.tensor(xs, pin_memory=True).to(d, non_blocking=True)", ""),
    ],
)
def test_a_helper_that_changes_values_is_not_proposed(tmp_path: Path, body: str, why: str) -> None:
    utils = f"import torch\n\n\ndef up(xs, d):\n    {body}\n"
    user = "from app.utils import up\n\n\ndef f(xs, d):\n    return up(xs, d)\n"
    app = App.made(tmp_path, "", utils=utils, user=user)
    done = init(app.root, "--verbose")
    assert ("not proposed: it" in done.stdout and why in done.stdout) is bool(why)
    assert ('helper = "app.utils.up"' in done.stdout) is (not why)


def test_a_decorated_helper_is_not_proposed(tmp_path: Path) -> None:
    utils = UTILS.replace("def upload", "@traced\ndef upload")
    done = init(App.made(tmp_path, "", utils=utils, user=USER).root)
    assert "it is decorated (traced)" in done.stdout and "helper =" not in done.stdout


@pytest.mark.parametrize(
    ("signature", "given", "template"),
    [
        ("xs, d, dtype=None", "dtype", "({data}, {device}, dtype={dtype?})"),
        ("xs, d, dtype=torch.int64", "dtype", "({data}, {device}, {dtype})"),
        ("xs, d, *, dtype=torch.int64", "dtype", "({data}, {device}, dtype={dtype})"),
        ("xs, d, *, dtype=None", "dtype or torch.int64", "({data}, {device}, dtype={dtype})"),
    ],
)
def test_a_dtype_of_its_own_is_never_left_to_the_helper(signature: str, given: str, template: str) -> None:
    made = f"torch.tensor(xs, dtype={given}, pin_memory=True).to(d, non_blocking=True)"
    assert uploader(f"def f({signature}):\n    return {made}") == f"{template} list"


def test_keys_go_to_the_configuration_that_rules(tmp_path: Path) -> None:
    App.made(tmp_path, 'select = ["HTD1"]\n', user=USER)
    assert init(tmp_path / "app", "--write").exit_code == 0
    assert not (tmp_path / "app" / ".h2dlint.toml").exists()
    written = (tmp_path / "h2dlint.toml").read_text(encoding="utf-8")
    assert written.startswith('select = ["HTD1"]\n') and 'helper = "app.utils.upload"' in written


def test_a_configuration_further_up_is_added_to(tmp_path: Path) -> None:
    App.made(tmp_path, "cold = true\n", step=STEP, user=USER)
    assert init(tmp_path / "app", "--write").exit_code == 0
    assert not (tmp_path / "app" / ".h2dlint.toml").exists()
    assert 'helper = "app.utils.upload"' in (tmp_path / "h2dlint.toml").read_text(encoding="utf-8")
