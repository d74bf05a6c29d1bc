"""Makes the table of keys from what reads them: the schema, the defaults of the settings, the options of the commands.

The page asks with ``<!-- keys -->`` for the table and with ``<!-- default:KEY -->`` for a default in full. Its
``###`` headings give the order of the rows, and each row links to its section.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import click

from h2dlint.cli.check import check
from h2dlint.cli.fix import fix
from h2dlint.cli.options import overrides
from h2dlint.engine.profiles import PROFILE
from h2dlint.engine.schema import KEYS, OPTIONS
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence, Transfer

TABLE = re.compile(r"<!-- *keys *-->")
DEFAULT = re.compile(r"<!-- *default:([\w-]+) *-->")
HEADING = re.compile(r"^### ([\w-]+)$", re.MULTILINE)

LONG = 4
"""A list of more items is counted in the table, and shown in full in its section."""

_CHOICE = re.compile(r"^((\"\w+\"(?:, | or )?)+)$")
_ELSE = re.compile(r"else (\w+)\]")


def fill_settings(markdown: str) -> str:
    """The text with the markers replaced."""
    if TABLE.search(markdown):
        markdown = TABLE.sub(lambda _: keys_table(HEADING.findall(markdown)), markdown)
    return DEFAULT.sub(lambda match: f"```toml\n{match[1]} = {_wrapped(default_of(match[1]))}\n```", markdown)


def keys_table(order: list[str]) -> str:
    """The table of all keys.

    Args:
        order: the keys in the order of the rows; those that it does not name come last.
    """
    rest = sorted(KEYS.keys() - set(order))
    lines = ["| key | kind | default | option |", "|---|---|---|---|"]
    for key in [*(key for key in order if key in KEYS), *rest]:
        lines.append(
            f"| [`{key}`](#{key}) | {kind_of(key)} | {_shown_default(key)} | {_shown_options(key)} |"
        )
    return "\n".join(lines)


def kind_of(key: str) -> str:
    """What the value must be, in the words of the error message."""
    expected = KEYS[key].expected
    return re.sub(r'"(\w+)"', r'`"\1"`', expected) if _CHOICE.match(expected) else expected


def default_of(key: str) -> object:
    """What ``Settings`` holds where nobody says anything; ``None`` where a key stands for nothing then."""
    settings = Settings()
    name = key.replace("-", "_")
    if key in OPTIONS:
        return getattr(settings.options, name)
    if key in PROFILE:
        return getattr(settings.options.profile, name)
    return getattr(settings, name, None)


def options_of(key: str) -> list[str]:
    """The options of ``h2dlint check`` that overrule the key."""
    name = key.replace("-", "_")
    given: Mapping[str, object] = {param.name or "": ["x"] if param.multiple else "x" for param in _options()}
    if key != "output-format" and key not in overrides(given):
        return []
    return [param.opts[-1] for param in _options() if param.name in (name, f"no_{name}")]


def _options() -> list[click.Option]:
    return [param for param in check.params if isinstance(param, click.Option)]


def _shown_options(key: str) -> str:
    return ", ".join(f"`{flag}`" for flag in options_of(key))


def _shown_default(key: str) -> str:
    value = default_of(key)
    if key == "output-format":
        return f'`"{_fallback(check)}"`; for `fix` `"{_fallback(fix)}"`'
    if key == "transfer":
        # Decided where it is asked for: it depends on whether there is a helper.
        return (
            f'`"{Transfer.HELPER.value}"` where there is one, else `"{Settings().options.profile.way.value}"`'
        )
    if isinstance(value, tuple) and len(value) > LONG and key != "torch-version":
        return f"[{len(value)} patterns](#{key})"
    return "none" if value is None or value in ("", ()) else f"`{_toml(value)}`"


def _fallback(command: click.Command) -> str:
    """The format that a command uses where none is configured, from the help of its option."""
    option = next(param for param in command.params if param.name == "output_format")
    match = _ELSE.search(getattr(option, "help", "") or "")
    if match is None:
        raise ValueError(f"the help of {command.name} --output-format names no default")
    return match[1]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Confidence):
        return f'"{value.label}"'
    if isinstance(value, tuple) and value and all(isinstance(part, int) for part in value):
        return '"' + ".".join(map(str, value)) + '"'
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _wrapped(value: object) -> str:
    """A value as TOML, one line for about five items of a list."""
    if not isinstance(value, tuple):
        return _toml(value)
    items = [json.dumps(item) for item in value]
    rows = [", ".join(items[start : start + 5]) for start in range(0, len(items), 5)]
    return "[\n" + "".join(f"    {row},\n" for row in rows) + "]"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the markers."""
    return fill_settings(markdown)
