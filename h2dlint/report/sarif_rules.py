"""Rules as SARIF describes them, taken from their docstrings."""

from __future__ import annotations

import re
from typing import Any

from h2dlint import rules
from h2dlint.model import Effect
from h2dlint.rules.base import Rule

LEVELS = {Effect.HAZARD: "error", Effect.BLOCKS: "warning", Effect.MAY_BLOCK: "note"}
_SEVERITIES = {Effect.HAZARD: "error", Effect.BLOCKS: "warning", Effect.MAY_BLOCK: "recommendation"}
_TAGS = {Effect.HAZARD: ["correctness", "pytorch", "cuda"]}
_MARKER = re.compile(r"\n?<!--.*?-->\n?", re.DOTALL)


def rules_by_code() -> dict[str, Rule]:
    """Every rule there is."""
    return {rule.code: rule for rule in rules.all_rules()}


def rule_object(code: str, name: str, rule: Rule | None) -> dict[str, Any]:
    """The metadata of a rule.

    Args:
        code, name: as findings give them.
        rule: where its documentation is; ``None`` where there is none.
    """
    made: dict[str, Any] = {"id": code, "name": name}
    if rule is None:
        return {**made, "shortDescription": {"text": name}, "help": {"text": name}}
    page = _MARKER.sub("\n", rule.documentation()).strip()
    markdown = f"# {name} ({code})\n\n{page}\n"
    return {
        **made,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": _flat(rule.sections().get("What it does", rule.summary))},
        "help": {"text": markdown, "markdown": markdown},
        "defaultConfiguration": {"level": LEVELS[rule.effect]},
        "properties": {
            "tags": _TAGS.get(rule.effect, ["performance", "pytorch", "cuda"]),
            "problem.severity": _SEVERITIES[rule.effect],
        },
    }


def _flat(text: str) -> str:
    return " ".join(text.split())
