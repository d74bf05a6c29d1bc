"""Which rules run: codes, prefixes, names and ``ALL``; the more specific selector wins, as in ruff."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from h2dlint.engine.settings import Selection, Settings

ALL = "ALL"
_PREFIX = re.compile(r"HTD\d{0,2}")


class UnknownSelectorError(ValueError):
    """A selector that selects nothing.

    Args:
        selector: as the user wrote it.
        suggestion: the nearest code or name, if one is near.
    """

    def __init__(self, selector: str, suggestion: str | None) -> None:
        hint = f'; did you mean "{suggestion}"?' if suggestion else ""
        super().__init__(f'unknown rule "{selector}"{hint}')
        self.selector = selector
        self.suggestion = suggestion


class RuleIndex:
    """The rules there are, as selectors see them.

    Args:
        names: rule code to rule name.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._codes = tuple(sorted(names))
        self._by_name = {name: code for code, name in names.items()}

    def match(self, selector: str) -> tuple[frozenset[str], int]:
        """The codes that a selector stands for, and how specific it is (more is more specific).

        Raises:
            UnknownSelectorError: it stands for none.
        """
        if selector == ALL:
            return frozenset(self._codes), 0
        if selector in self._by_name:
            return frozenset((self._by_name[selector],)), len("HTD000")
        if selector in self._codes or _PREFIX.fullmatch(selector):
            codes = frozenset(code for code in self._codes if code.startswith(selector))
            if codes:
                return codes, len(selector)
        raise UnknownSelectorError(selector, self._suggest(selector))

    def _suggest(self, selector: str) -> str | None:
        if selector.lower() == ALL.lower():
            return ALL
        import difflib

        codes = difflib.get_close_matches(selector.upper(), ["HTD", *self._codes], 1, 0.6)
        names = difflib.get_close_matches(selector.lower(), self._by_name, 1, 0.6)
        return next(iter(codes or names), None)

    def codes_of(self, selectors: Iterable[str]) -> frozenset[str]:
        """Every code that any of the selectors stands for.

        Raises:
            UnknownSelectorError: one of them stands for none.
        """
        found: set[str] = set()
        for selector in selectors:
            found |= self.match(selector)[0]
        return frozenset(found)

    def resolve(self, layers: Sequence[Selection]) -> frozenset[str]:
        """Apply layers of selection, lowest first.

        Within a layer the more specific selector wins, and of two equally specific ones the one that ignores.

        Raises:
            UnknownSelectorError: a selector stands for no rule.
        """
        selected: frozenset[str] = frozenset()
        for layer in layers:
            verdict: dict[str, tuple[int, bool]] = {}
            chosen = [(selector, True) for selector in (*(layer.select or ()), *layer.extend_select)]
            for selector, enabled in chosen + [(selector, False) for selector in layer.ignore]:
                codes, specificity = self.match(selector)
                for code in codes:
                    if code not in verdict or specificity >= verdict[code][0]:
                        verdict[code] = (specificity, enabled)
            on = {code for code, (_, enabled) in verdict.items() if enabled}
            off = verdict.keys() - on
            selected = frozenset(on) if layer.select is not None else (selected | on) - off
        return selected


def selected_codes(settings: Settings, rules: Mapping[str, str]) -> frozenset[str]:
    """The codes that run, before ``per-file-ignores``.

    Args:
        settings: of the project.
        rules: rule code to rule name, of all rules there are.

    Raises:
        UnknownSelectorError: a selector stands for no rule.
    """
    return RuleIndex(rules).resolve(selection_layers(settings))


def selection_layers(settings: Settings) -> tuple[Selection, ...]:
    """The layers of selection of some settings, lowest first."""
    file = Selection(settings.select, settings.ignore, settings.extend_select)
    return *settings.extended, file, settings.command_line


def nearest(word: str, choices: Collection[str]) -> str:
    """``; did you mean "x"?`` where one of the choices is near, else nothing."""
    import difflib

    close = difflib.get_close_matches(word, choices, 1, 0.6)
    return f'; did you mean "{close[0]}"?' if close else ""
