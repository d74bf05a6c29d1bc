"""From a module to findings: candidate lines, interpretation, the LibCST visitor, the rules."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

import libcst as cst

from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.project import Surroundings
from h2dlint.analysis.records import CallRecord
from h2dlint.model import Finding, Options, Span
from h2dlint.rules.base import Rule
from h2dlint.rules.site import Site
from h2dlint.syntax.snippets import Snippet, snippet_node
from h2dlint.syntax.source import SourceText


class CandidateVisitor(cst.CSTVisitor):
    """Flags the calls of one parsed statement that a rule wants to see.

    Only expressions are walked: whitespace and tokens, which are most of the nodes, are not.
    """

    def __init__(self, snippet: Snippet, flag: Callable[[Span, cst.Call], None]) -> None:
        super().__init__()
        self._snippet = snippet
        self._flag = flag

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Call):
            span = self._snippet.position(node)
            if span is not None:
                self._flag(span, node)
            return True
        return not isinstance(node, (cst.BaseParenthesizableWhitespace, cst.TrailingWhitespace, cst.Comma))

    def on_leave(self, original_node: cst.CSTNode) -> None:
        return None


class Snippets:
    """The parsed statements of a module, each parsed when first asked for."""

    def __init__(self, module: ModuleAnalysis) -> None:
        self._module = module
        self._calls: dict[int, dict[Span, cst.Call]] = {}
        self._snippets: dict[int, Snippet | None] = {}

    def _parse(self, record: CallRecord) -> tuple[int, Snippet | None]:
        node = snippet_node(record.statement, record.node)
        key = id(node) if node is not None else 0
        if key not in self._snippets:
            snippet: Snippet | None = None
            calls: dict[Span, cst.Call] = {}
            if node is not None:
                try:
                    snippet = Snippet(self._module.source, node)
                    snippet.tree.visit(CandidateVisitor(snippet, calls.__setitem__))
                except cst.ParserSyntaxError:
                    # Newer syntax than this LibCST knows: reported, without a fix.
                    snippet = None
            self._snippets[key] = snippet
            self._calls[key] = calls
        return key, self._snippets[key]

    def find(self, record: CallRecord) -> tuple[Snippet, cst.Call] | None:
        """The LibCST node of a call."""
        if record.in_fstring:
            return None
        key, snippet = self._parse(record)
        if snippet is None:
            return None
        call = self._calls[key].get(self._module.source.span(record.node))
        return None if call is None else (snippet, call)


def candidate_lines(source: SourceText, rules: Sequence[Rule]) -> list[int]:
    """Lines on which the text holds something that a rule wants to see."""
    names: set[str] = set()
    for rule in rules:
        names.update(name.rsplit(".", 1)[-1] for name in rule.functions)
        names.update(rule.methods)
    if not names:
        return []
    pattern = re.compile(r"\b(?:" + "|".join(sorted(names)) + r")\b")
    starts = source.line_starts
    return sorted({bisect_right(starts, match.start()) for match in pattern.finditer(source.text)})


def _interested(rules: Sequence[Rule]) -> Callable[[CallRecord], Iterator[Rule]]:
    by_function: dict[str, list[Rule]] = {}
    by_method: dict[str, list[Rule]] = {}
    for rule in rules:
        for name in rule.functions:
            by_function.setdefault(name, []).append(rule)
        for name in rule.methods:
            by_method.setdefault(name, []).append(rule)

    def interested(record: CallRecord) -> Iterator[Rule]:
        if record.method is not None:
            yield from by_method.get(record.method, ())
        elif record.callee is not None:
            yield from by_function.get(record.callee, ())

    return interested


def check(
    source: SourceText, path: str, rules: Sequence[Rule], options: Options, within: Surroundings | None = None
) -> list[Finding]:
    """See ``h2dlint.rules.check_module``."""
    lines = candidate_lines(source, rules)
    if not lines:
        ast.parse(source.text)
        return []
    module = ModuleAnalysis(source, path, options, within)
    interested = _interested(rules)
    snippets = Snippets(module)
    findings: list[Finding] = []
    for record in module.run(lines):
        for rule in interested(record):
            findings.extend(rule.check(Site(module, record, path, options, snippets.find)))
    findings.sort(key=lambda finding: finding.sort_key)
    return findings
