"""The rules, one file each, found by discovery, and the function that runs them over a module."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Sequence
from functools import cache

from h2dlint.analysis.project import Surroundings
from h2dlint.model import Finding, Options
from h2dlint.rules.base import Rule
from h2dlint.syntax.source import SourceText

__all__ = ["Rule", "all_rules", "check_module"]

_RULE_FILE = re.compile(r"htd\d{3}$")


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule in this package, by code."""
    rules: list[Rule] = []
    for info in pkgutil.iter_modules(__path__):
        if not _RULE_FILE.match(info.name):
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__:
                rules.append(value())
    return tuple(sorted(rules, key=lambda rule: rule.code))


def check_module(
    source: SourceText, path: str, rules: Sequence[Rule], options: Options, within: Surroundings | None = None
) -> list[Finding]:
    """Lint one module.

    Args:
        source: its text.
        path: as it is to stand in the findings; relative, with forward slashes.
        rules: those to run.
        options: what the user says of the project.
        within: the project's other modules; without them imported names are unknown.

    Returns:
        Findings by position; not yet suppressed, nor filtered by context or confidence.

    Raises:
        SyntaxError: the text is not Python.
    """
    from h2dlint.rules.visitor import check

    return check(source, path, rules, options, within)
