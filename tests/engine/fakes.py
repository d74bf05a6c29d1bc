"""Rules that find calls by name, so that the engine can be tested without the analysis."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from h2dlint.engine.settings import Settings
from h2dlint.model import Applicability, Confidence, Context, Edit, Effect, Finding, Fix, Options, Span
from h2dlint.rules.base import Rule
from h2dlint.syntax.source import SourceText


class Safe(Rule):
    """Finds ``blocks(..)``."""

    code = "HTD101"
    name = "calls-blocks"
    screen = (b"blocks", b"crash")


class Unsafe(Rule):
    """Finds ``perhaps(..)``."""

    code = "HTD102"
    name = "calls-perhaps"
    screen = (b"perhaps",)


class Faulty(Rule):
    """Finds calls whose fixes are no good."""

    code = "HTD201"
    name = "calls-faulty"
    screen = (b"faulty", b"loses", b"euro", b"outside")


class Endless(Rule):
    """Finds ``ping(..)`` and ``pong(..)``, each of which it turns into the other."""

    code = "HTD301"
    name = "calls-ping"
    screen = (b"ping", b"pong")


class Importing(Rule):
    """Finds ``bare(..)``, whose fix adds an import at the top."""

    code = "HTD302"
    name = "calls-bare"
    screen = (b"bare",)


@dataclass(frozen=True)
class Pattern:
    """What a call with some name means."""

    rule: type[Rule]
    rewrite: str | None = None
    applicability: Applicability = Applicability.SAFE
    context: Context = Context.HOT
    confidence: Confidence = Confidence.HIGH


PATTERNS = {
    "blocks": Pattern(Safe, "ok({})"),
    "blocks_cold": Pattern(Safe, "ok({})", context=Context.COLD),
    "blocks_low": Pattern(Safe, "ok({})", confidence=Confidence.LOW),
    "blocks_cold_low": Pattern(Safe, "ok({})", context=Context.COLD, confidence=Confidence.LOW),
    "blocks_advice": Pattern(Safe),
    "blocks_lines": Pattern(Safe, "ok(\n    {},\n)"),
    "perhaps": Pattern(Unsafe, "ok({})", Applicability.UNSAFE),
    "faulty": Pattern(Faulty, "ok({}"),
    "loses": Pattern(Faulty, "ok()"),
    "euro": Pattern(Faulty, "ok('\u20ac')"),
    "outside": Pattern(Faulty, "ok()"),
    "ping": Pattern(Endless, "pong({})"),
    "pong": Pattern(Endless, "ping({})"),
    "bare": Pattern(Importing, "added.bare_({})"),
}


@dataclass(frozen=True)
class FakeRules:
    """A rule set; ``seen`` collects the paths that were really looked at."""

    seen: list[str] = field(default_factory=list, compare=False, hash=False)

    def all_rules(self) -> tuple[Rule, ...]:
        return (Safe(), Unsafe(), Faulty(), Endless(), Importing())

    def check_module(
        self, source: SourceText, path: str, rules: Sequence[Rule], options: Options, within: object = None
    ) -> list[Finding]:
        self.seen.append(path)
        tree = ast.parse(source.text)
        active = {rule.code for rule in rules}
        found = []
        for statement in ast.walk(tree):
            if isinstance(statement, ast.stmt):
                found += _statement_findings(source, path, statement)
        return [finding for finding in found if finding.code in active]


def _statement_findings(source: SourceText, path: str, statement: ast.stmt) -> list[Finding]:
    found = []
    for expression in ast.iter_child_nodes(statement):
        for node in ast.walk(expression):
            if isinstance(node, ast.stmt):
                break
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == "crash":
                    raise ZeroDivisionError("no\nsuch thing")
                if node.func.id in PATTERNS:
                    found.append(_finding(source, path, statement, node, PATTERNS[node.func.id]))
    return found


def _finding(source: SourceText, path: str, statement: ast.stmt, node: ast.Call, pattern: Pattern) -> Finding:
    assert isinstance(node.func, ast.Name)
    span = source.span(node)
    fix = Fix(Applicability.DISPLAY, "think")
    if pattern.rewrite is not None:
        inner = source.slice(span)[len(node.func.id) + 1 : -1]
        edits = [Edit(span, pattern.rewrite.format(inner))]
        if node.func.id == "bare":
            edits.insert(0, Edit(Span(1, 1, 1, 1), "import added\n"))
        if node.func.id == "outside":
            edits = [Edit(Span(span.line, 900, span.line, 901), "x")]
        fix = Fix(pattern.applicability, "rewrite", tuple(edits))
    return Finding(
        path,
        span,
        pattern.rule.code,
        pattern.rule.name,
        "blocks",
        None,
        pattern.context,
        pattern.confidence,
        Effect.BLOCKS,
        fix=fix,
        statement=(statement.lineno, statement.end_lineno or statement.lineno),
    )


RULES = FakeRules()
NAMES = {rule.code: rule.name for rule in RULES.all_rules()}
EVERYTHING = Settings(root="/project", cold=True, min_confidence=Confidence.LOW, unsafe_fixes=True)
PLAIN = Settings(root="/project")
