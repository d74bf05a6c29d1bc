"""``h2dlint rule``: explain the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from h2dlint.cli.base import HELP_OPTIONS, Command, Failure

if TYPE_CHECKING:
    from h2dlint.rules.base import Rule


def _complete(ctx: click.Context, parameter: click.Parameter, given: str) -> list[str]:
    """Codes and names, for the shell."""
    from h2dlint.rules import all_rules

    words = [word for each in all_rules() for word in (each.code, each.name)]
    return [word for word in words if word.lower().startswith(given.lower())]


@click.command("rule", cls=Command, context_settings=HELP_OPTIONS)
@click.argument("code", required=False, metavar="[CODE]", shell_complete=_complete)
@click.option(
    "--format",
    "--output-format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to write it.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show where an internal fault lies.")
def rule(code: str | None, form: str, verbose: bool) -> None:
    """Explain a rule, given by code or name, or list all rules."""
    from h2dlint.cli.terminal import Output
    from h2dlint.rules import all_rules

    rules = all_rules()
    output = Output()
    if code is None:
        output.write([_json([_object(each) for each in rules]) if form == "json" else _table(rules, output)])
        return
    chosen = _find(code, rules)
    output.write([_json(_object(chosen)) if form == "json" else _page(chosen, output)])


def _find(wanted: str, rules: tuple[Rule, ...]) -> Rule:
    for each in rules:
        if wanted.upper() == each.code or wanted.lower() == each.name:
            return each
    import difflib

    names = {each.code: each.code for each in rules} | {each.name.upper(): each.name for each in rules}
    near = [names[name] for name in difflib.get_close_matches(wanted.upper(), names, 3, 0.6)]
    hint = f"did you mean {' or '.join(near)}?" if near else "`h2dlint rule` lists all rules"
    raise Failure(f"unknown rule {wanted!r}; {hint}")


def _object(each: Rule) -> dict[str, Any]:
    return {
        "code": each.code,
        "name": each.name,
        "summary": each.summary,
        "fix": each.fixable,
        "explanation": each.documentation(),
        "sections": each.sections(),
    }


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=2) + "\n"


def _markdown(each: Rule) -> str:
    return f"# {each.name} ({each.code})\n\nFix: {each.fixable}.\n\n{each.documentation()}\n"


def _page(each: Rule, output: Any) -> str:
    """The page rendered for a terminal; as Markdown where it goes into a pipe or a file, as in ruff."""
    if not (output.terminal or output.colour):
        return _markdown(each)
    from rich.markdown import Markdown

    return _rendered(Markdown(_markdown(each), code_theme="ansi_dark", hyperlinks=False), output, 100)


def _table(rules: tuple[Rule, ...], output: Any) -> str:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if output.terminal or output.colour else None, pad_edge=False)
    table.add_column("code", no_wrap=True, style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("fix", no_wrap=True)
    table.add_column("what it finds", overflow="fold")
    for each in rules:
        table.add_row(each.code, each.name, each.fixable, each.summary)
    return _rendered(table, output, output.width if output.terminal else 200)


def _rendered(renderable: Any, output: Any, most: int) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.theme import Theme

    text = StringIO()
    console = Console(
        file=text,
        width=min(output.width, most) if output.terminal else most,
        force_terminal=output.colour,
        color_system="standard" if output.colour else None,
        legacy_windows=False,
        highlight=False,
        theme=Theme({"markdown.code": "bold cyan"}),
        markup=False,
    )
    console.print(renderable)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
