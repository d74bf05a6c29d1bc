"""A set of rules that a test can predict, and a folder to run in.

A call of ``slow`` has a safe fix, of ``risky`` an unsafe one, of ``advise`` only advice; ``seldom`` is in
cold code, ``doubt`` is of low confidence; ``crash`` breaks the rule.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from h2dlint import rules
from h2dlint.cli import main
from h2dlint.model import Applicability, Confidence, Context, Edit, Effect, Finding, Fix, Options
from h2dlint.rules.base import Rule
from h2dlint.syntax.source import SourceText


class SlowCall(Rule):
    """Calls of `slow`.

    ## What it does

    Finds calls of `slow`.
    """

    code = "HTD101"
    name = "slow-call"
    screen = (b"slow",)
    fixable = "always"


class OddCall(Rule):
    """Every other call that a test wants found."""

    code = "HTD201"
    name = "odd-call"
    screen = (b"risky", b"advise", b"seldom", b"doubt", b"crash")


RULES = (SlowCall(), OddCall())


def fix_of(name: str, call: ast.Call, source: SourceText) -> Fix | None:
    edits = (Edit(source.span(call.func), "fast"),)
    return {
        "slow": Fix(Applicability.SAFE, "Call `fast`", edits),
        "risky": Fix(Applicability.UNSAFE, "Call `fast`", edits, ("it may differ",)),
        "advise": Fix(Applicability.DISPLAY, "Call less often"),
    }.get(name)


def check_module(
    source: SourceText, path: str, rules: Sequence[Rule], options: Options, within: object = None
) -> list[Finding]:
    codes = {rule.code for rule in rules}
    found: list[Finding] = []
    tree = ast.parse(source.text)
    statements = {
        node: (statement.lineno, statement.end_lineno or statement.lineno)
        for statement in ast.walk(tree)
        if isinstance(statement, (ast.Expr, ast.Assign))
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        name = node.func.id
        if name == "crash":
            raise ZeroDivisionError("oops")
        rule: Rule = RULES[0] if name == "slow" else RULES[1]
        if name not in {"slow", "risky", "advise", "seldom", "doubt"} or rule.code not in codes:
            continue
        context = Context.COLD if name == "seldom" else Context.HOT
        confidence = Confidence.LOW if name == "doubt" else Confidence.HIGH
        message, evidence = f"`{name}` blocks the host", (f"assume-cuda: {options.assume_cuda}",)
        found.append(
            Finding(
                path,
                source.span(node),
                rule.code,
                rule.name,
                message,
                None,
                context,
                confidence,
                Effect.BLOCKS,
                evidence,
                fix=fix_of(name, node, source),
                statement=statements.get(node, (node.lineno, node.end_lineno or node.lineno)),
            )
        )
    return found


@dataclass
class Project:
    """A folder with files, and the command line run in it."""

    root: Path
    runner: CliRunner = field(default_factory=CliRunner)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, name: str) -> str:
        return (self.root / name).read_bytes().decode()

    def __call__(self, *arguments: str, stdin: str | bytes | None = None) -> Result:
        return self.runner.invoke(main, arguments, input=stdin)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty folder as working directory, the rules above, no colours."""
    monkeypatch.setattr(rules, "all_rules", lambda: RULES, raising=False)
    monkeypatch.setattr(rules, "check_module", check_module, raising=False)
    monkeypatch.setattr("h2dlint.engine.screen.Screen.passes", lambda self, data: True)
    monkeypatch.setattr("h2dlint.engine.runner.NEEDED", b"")
    for name in ("FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def mixed(project: Project) -> Project:
    """``a.py`` with one finding of each kind, ``b.py`` without any."""
    project.write("a.py", "slow(1)\nrisky(2)\nadvise(3)\nseldom(4)\ndoubt(5)\n")
    project.write("b.py", "fast(1)\n")
    return project
