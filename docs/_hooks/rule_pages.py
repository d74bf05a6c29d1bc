"""Makes the pages of the rules from the rules, and puts measured figures where a page asks for them.

A page asks with ``<!-- measured:NAME -->``; ``measured.render_measured(NAME)`` answers with Markdown.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from h2dlint.engine.diff import unified_diff
from h2dlint.engine.fixing import fix_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence
from h2dlint.rules import all_rules
from h2dlint.rules.base import Rule

HERE = Path(__file__).parent
FIXTURES = HERE.parent.parent / "fixtures"

MARKER = re.compile(r"<!-- *measured:([\w.-]+) *-->")

FAMILIES = {
    "1": "Constructed from host data on a device",
    "2": "Constructed on the host, then moved",
    "3": "Host values in indexing and arithmetic",
    "4": "Hazards of copies that do not wait",
}
"""First digit of a code to what its rules have in common."""


def on_config(config: Any) -> Any:
    """Name the rule pages in the navigation."""
    pages: list[Any] = ["rules/index.md"]
    pages += [{f"{rule.code} {rule.name}": f"rules/{rule.code}.md"} for rule in all_rules()]
    for entry in config.nav:
        if isinstance(entry, dict) and "Rules" in entry:
            entry["Rules"] = pages
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    pages = {f"rules/{rule.code}.md": rule_page(rule) for rule in all_rules()}
    for path, text in {"rules/index.md": rules_index(), **pages}.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the markers for measured figures."""
    return fill_measured(markdown, renderer())


def renderer() -> Callable[[str], str]:
    """What turns a name into measured figures: ``measured.py``, which mkdocs does not load for us."""
    if str(HERE) not in sys.path:
        sys.path.append(str(HERE))
    render: Callable[[str], str] = importlib.import_module("measured").render_measured
    return render


def fill_measured(markdown: str, render: Callable[[str], str]) -> str:
    """The text with every marker replaced by what ``render`` gives for its name."""
    return MARKER.sub(lambda match: render(match[1]), markdown)


def rules_index() -> str:
    """The page that lists all rules, family by family."""
    lines = ["# Rules", "", "`h2dlint rule CODE` prints the same text in a terminal.", ""]
    family = ""
    for rule in all_rules():
        if rule.code[3] != family:
            family = rule.code[3]
            lines += ["", f"## {FAMILIES.get(family, 'Others')}", "", "| code | name | what it finds | fix |"]
            lines.append("|---|---|---|---|")
        summary = rule.summary.replace("|", "\\|")
        lines.append(f"| [{rule.code}]({rule.code}.md) | `{rule.name}` | {summary} | {rule.fixable} |")
    return "\n".join(lines) + "\n"


def rule_page(rule: Rule) -> str:
    """One rule's page: its docstring, the figures of its fixture, and what the fixes make of that."""
    measured = rule.section("Measured")
    figures = measured if MARKER.search(measured) else f"{measured}\n\n<!-- measured:{rule.code} -->"
    text = rule.documentation().replace(measured, figures, 1)
    parts = [f"# {rule.name} ({rule.code})", text]
    diff = fixture_diff(rule.code)
    if diff:
        parts += [
            "## Every case",
            f"What `h2dlint fix --unsafe-fixes` makes of `fixtures/{rule.code}.py`, the file that the rule "
            "is tested and measured with.",
            '??? example "The whole difference"\n\n' + indented(f"```diff\n{diff.rstrip()}\n```"),
        ]
    return "\n\n".join(parts) + "\n"


def fixture_diff(code: str) -> str:
    """What the fixes change in a rule's fixture; empty where there is none."""
    path = FIXTURES / f"{code}.py"
    if not path.exists():
        return ""
    everything = Settings(cold=True, min_confidence=Confidence.LOW, unsafe_fixes=True)
    outcome = fix_source(path.name, path.read_bytes(), everything)
    return unified_diff(path.name, outcome.before, outcome.after).decode("utf-8")


def indented(text: str) -> str:
    """The text as the body of a collapsible block."""
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))
