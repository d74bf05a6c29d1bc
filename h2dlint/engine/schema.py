"""The keys of the configuration: what each must hold, and how it reaches ``Settings``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from h2dlint.engine.errors import ConfigError
from h2dlint.engine.globs import PathPatterns, PatternError
from h2dlint.engine.selectors import RuleIndex, UnknownSelectorError
from h2dlint.model import Confidence, Transfer

Value = object


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Args:
        expected: what the value must be, as an error message says it.
        read: turns the value into what ``Settings`` holds; ``None`` where the value is not of that kind.
    """

    expected: str
    read: Callable[[Value], Value | None]


def _strings(value: Value) -> tuple[str, ...] | None:
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = tuple(item for item in value if isinstance(item, str))
        return items if len(items) == len(value) else None
    return None


def _boolean(value: Value) -> bool | None:
    return value if isinstance(value, bool) else None


def _string(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _confidence(value: Value) -> Confidence | None:
    if isinstance(value, Confidence):
        return value
    labels = {level.label: level for level in Confidence}
    return labels.get(value) if isinstance(value, str) else None


def _ignores(value: Value) -> tuple[tuple[str, tuple[str, ...]], ...] | None:
    if not isinstance(value, Mapping):
        return None
    pairs = tuple((pattern, _strings(codes)) for pattern, codes in value.items())
    found = tuple((str(pattern), codes) for pattern, codes in pairs if codes is not None)
    return found if len(found) == len(pairs) else None


def _version(value: Value) -> tuple[int, int] | None:
    """``"2.11"`` or ``"2.11.0"``; a number would take 2.10 for 2.1."""
    match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})(?:\..*)?", value) if isinstance(value, str) else None
    return (int(match.group(1)), int(match.group(2))) if match is not None else None


def _transfer(value: Value) -> Transfer | None:
    if isinstance(value, Transfer):
        return value
    return next((each for each in Transfer if each.value == value), None)


def _file_options(value: Value) -> tuple[tuple[str, tuple[tuple[str, Value], ...]], ...] | None:
    """Tables by pattern; what is in them is checked as the keys of the same name are."""
    if not isinstance(value, Mapping) or not all(isinstance(table, Mapping) for table in value.values()):
        return None
    return tuple((str(pattern), tuple(table.items())) for pattern, table in value.items())


_LIST = Key("a list of strings", _strings)
_TEXT = Key("a string", _string)
_SWITCH = Key("true or false", _boolean)

KEYS: Mapping[str, Key] = {
    "assume-cuda": _SWITCH,
    "baseline": Key("a string", _string),
    "cold": _SWITCH,
    "entry-points": _LIST,
    "exclude": _LIST,
    "extend": Key("a string", _string),
    "extend-exclude": _LIST,
    "extend-select": _LIST,
    "follow-imports": _SWITCH,
    "fix-comment": _TEXT,
    "force-exclude": _SWITCH,
    "helper": _TEXT,
    "helper-call": _TEXT,
    "helper-import": _TEXT,
    "helper-takes": _LIST,
    "ignore": _LIST,
    "min-confidence": Key('"low", "medium" or "high"', _confidence),
    "output-format": Key("a string", _string),
    "per-file-ignores": Key("a table of patterns with lists of rules", _ignores),
    "require-reason": _SWITCH,
    "per-file-options": Key("a table of patterns with tables of options", _file_options),
    "pin-memory": _TEXT,
    "pin-memory-import": _TEXT,
    "respect-gitignore": _SWITCH,
    "select": _LIST,
    "strict-pageable": _SWITCH,
    "torch-version": Key('a version such as "2.11"', _version),
    "transfer": Key('"pinned", "pageable" or "helper"', _transfer),
    "unsafe-fixes": _SWITCH,
    "warn-unused-suppressions": _SWITCH,
}

OPTIONS = frozenset({"assume-cuda", "entry-points", "strict-pageable", "torch-version"})
"""The keys that end up in ``Settings.options``."""

SELECTORS = ("select", "ignore", "extend-select")
"""The keys that hold rule selectors."""


def read_value(key: str, value: Value, label: str) -> Value:
    """Check the value of a known key and turn it into what ``Settings`` holds.

    Args:
        key: one of ``KEYS``.
        value: as TOML (or the command line) gave it.
        label: what the message calls the key.

    Raises:
        ConfigError: the value is of another kind.
    """
    found = KEYS[key].read(value)
    if found is None:
        raise ConfigError(f"{label} must be {KEYS[key].expected}, got {describe(value)}")
    return found


def check_values(values: Mapping[str, Any], rules: Mapping[str, str], label: Callable[[str], str]) -> None:
    """Check that rule selectors select something and that patterns can be read.

    Args:
        values: what ``read_value`` returned, by key.
        rules: rule code to rule name.
        label: key to what a message calls it.

    Raises:
        ConfigError: a selector or a pattern is no good.
    """
    ignores = values.get("per-file-ignores", ())
    selectors = [(key, values.get(key, ())) for key in SELECTORS]
    selectors += [("per-file-ignores", codes) for _, codes in ignores]
    # Looking at the rules imports them, which a run that finds nothing new has no need of.
    index = RuleIndex(rules if any(chosen for _, chosen in selectors) else {})
    for key, chosen in selectors:
        try:
            index.codes_of(chosen)
        except UnknownSelectorError as error:
            raise ConfigError(f"{label(key)}: {error}") from error
    patterns = [(key, values.get(key, ())) for key in ("exclude", "extend-exclude")]
    patterns.append(("per-file-ignores", [pattern.removeprefix("!") for pattern, _ in ignores]))
    for key, globs in patterns:
        try:
            PathPatterns(globs, "/")
        except PatternError as error:
            raise ConfigError(f"{label(key)}: the pattern {error}") from error


def describe(value: Value) -> str:
    """What a value is, in words: ``the string "x"``, ``a list that holds the integer 3``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the string "{value}"'
    if isinstance(value, int):
        return f"the integer {value}"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, Sequence):
        odd = next((item for item in value if not isinstance(item, str)), None)
        return "a list" if odd is None else f"a list that holds {describe(odd)}"
    if isinstance(value, Mapping):
        odd = next(((key, item) for key, item in value.items() if _strings(item) is None), None)
        return "a table" if odd is None else f'a table in which "{odd[0]}" is {describe(odd[1])}'
    return f"a {type(value).__name__}"
