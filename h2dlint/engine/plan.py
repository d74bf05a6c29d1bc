"""What some settings mean for each file: which rules run, compiled once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from h2dlint.engine.globs import PathPatterns
from h2dlint.engine.screen import Screen
from h2dlint.engine.selectors import RuleIndex, selection_layers
from h2dlint.engine.settings import Settings
from h2dlint.model import Finding, Options

if TYPE_CHECKING:
    from h2dlint.analysis.project import Surroundings
    from h2dlint.rules.base import Rule
    from h2dlint.syntax.source import SourceText


class RuleSet(Hashable, Protocol):
    """What the engine needs of the rules; the package ``h2dlint.rules`` is one."""

    def all_rules(self) -> tuple[Rule, ...]:
        """Every rule, sorted by code."""
        ...

    def check_module(
        self,
        source: SourceText,
        path: str,
        rules: Sequence[Rule],
        options: Options,
        within: Surroundings | None = None,
    ) -> list[Finding]:
        """What the rules find in a module.

        Raises:
            SyntaxError: the source does not parse.
        """
        ...


def installed_rules() -> RuleSet:
    """The rules of this package, imported when first needed."""
    from h2dlint import rules

    return rules


class Plan:
    """The rules that run under some settings.

    Args:
        settings: of the files.
        rules: to choose from.

    Raises:
        UnknownSelectorError: a selector stands for no rule.
    """

    def __init__(self, settings: Settings, rules: RuleSet) -> None:
        every = rules.all_rules()
        self.names = {rule.code: rule.name for rule in every}
        index = RuleIndex(self.names)
        codes = index.resolve(selection_layers(settings))
        self.rules = tuple(rule for rule in every if rule.code in codes)
        self.screen = Screen(rule.screen for rule in self.rules)
        self._root = Path(settings.root)
        self._ignores = [
            (
                PathPatterns([pattern.removeprefix("!")], settings.root),
                pattern.startswith("!"),
                index.codes_of(selectors),
            )
            for pattern, selectors in settings.per_file_ignores
        ]

    def rules_for(self, location: Path) -> tuple[Rule, ...]:
        """The rules that run on one file.

        Args:
            location: of the file; a relative one counts from the project root.
        """
        if not self._ignores:
            return self.rules
        path = (self._root / location).as_posix()
        ignored: set[str] = set()
        for patterns, negated, codes in self._ignores:
            if patterns.match(path) != negated:
                ignored |= codes
        return tuple(rule for rule in self.rules if rule.code not in ignored)


@lru_cache(maxsize=1024)
def plan_for(settings: Settings, rules: RuleSet) -> Plan:
    """The plan of some settings; made once for each."""
    return Plan(settings, rules)
