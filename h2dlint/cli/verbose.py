"""What ``--verbose`` and ``--show-settings`` tell."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import click

from h2dlint import __version__
from h2dlint.engine.results import Report
from h2dlint.engine.selectors import selected_codes
from h2dlint.engine.settings import Settings
from h2dlint.report.style import escape


def explain_run(report: Report, settings: Settings, seconds: float) -> None:
    """Print to standard error what was checked, with what and for how long."""
    codes = selected_codes(settings, rule_names())
    errors = len({error.path for error in report.errors})
    rows = {
        "version": __version__,
        "root": settings.root,
        "configuration": settings.config_file or "none",
        "rules": ", ".join(sorted(codes)) or "none",
        "files": f"{report.checked} checked, {errors} with errors",
        "suppressed": f"{report.suppressed} by comments",
        "time": f"{seconds:.2f} s",
    }
    for key, value in rows.items():
        click.echo(escape(f"{key + ':':15}{value}"), err=True)


def rule_names() -> dict[str, str]:
    """Code to name, of all rules there are."""
    from h2dlint.rules import all_rules

    return {rule.code: rule.name for rule in all_rules()}


def settings_text(settings: Settings) -> str:
    """The settings that hold, one a line, and the rules that they select."""
    values = dict(_values(settings))
    values["rules"] = sorted(selected_codes(settings, rule_names()))
    return "".join(f"{escape(key)} = {_toml(value)}\n" for key, value in values.items())


def _values(settings: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for field in fields(settings):
        value = getattr(settings, field.name)
        key = prefix + field.name.replace("_", "-")
        if callable(value) or field.name in {"nested", "extended"}:
            continue
        if field.name in ("options", "profile"):
            yield from _values(value)
        elif is_dataclass(value):
            yield from _values(value, f"{key}.")
        elif value is not None:
            yield key, value


def _toml(value: Any) -> str:
    if isinstance(value, Enum):
        return json.dumps(value.name.lower())
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
            pairs = (f"{json.dumps(key)} = {_toml(item)}" for key, item in value)
            return "{ " + ", ".join(pairs) + " }"
        items = [_toml(item) for item in value]
        if sum(map(len, items)) < 80:
            return "[" + ", ".join(items) + "]"
        return "[\n" + "".join(f"  {item},\n" for item in items) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
