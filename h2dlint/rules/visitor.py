"""From a module to findings: candidate lines, interpretation, the LibCST visitor, the rules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import libcst as cst

from h2dlint.analysis.module import ModuleAnalysis
from h2dlint.analysis.project import Surroundings
from h2dlint.analysis.records import CallRecord, Record
from h2dlint.model import Finding, Options, Span
from h2dlint.rules.base import Rule
from h2dlint.rules.candidates import find_candidates
from h2dlint.rules.shortlist import Shortlist
from h2dlint.rules.site import Site, SubscriptSite
from h2dlint.rules.worth import annotate
from h2dlint.syntax.check import check_syntax
from h2dlint.syntax.limits import fits_libcst
from h2dlint.syntax.snippets import Snippet, snippet_node
from h2dlint.syntax.source import SourceText

REFUSED = "no fix: the statement is nested too deeply, or too large, to be rewritten"


class CandidateVisitor(cst.CSTVisitor):
    """Flags the calls and subscripts of one parsed statement that a rule wants to see.

    Only expressions are walked: whitespace and tokens, which are most of the nodes, are not.
    """

    def __init__(self, snippet: Snippet, flag: Callable[[Span, cst.BaseExpression], None]) -> None:
        super().__init__()
        self._snippet = snippet
        self._flag = flag

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.Call, cst.Subscript)):
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
        self._nodes: dict[int, dict[Span, cst.BaseExpression]] = {}
        self._snippets: dict[int, Snippet | None] = {}
        self._refused: set[int] = set()

    def _parse(self, record: Record) -> tuple[int, Snippet | None]:
        node = snippet_node(record.statement, record.node)
        key = id(node) if node is not None else 0
        if key not in self._snippets:
            snippet: Snippet | None = None
            nodes: dict[Span, cst.BaseExpression] = {}
            source = self._module.source
            if node is not None and not fits_libcst(node, source.slice(source.span(node))):
                self._refused.add(key)
            elif node is not None:
                try:
                    snippet = Snippet(source, node)
                    snippet.tree.visit(CandidateVisitor(snippet, nodes.__setitem__))
                except cst.ParserSyntaxError:
                    # Newer syntax than this LibCST knows: reported, without a fix.
                    snippet = None
                except RecursionError:
                    # Only the command line raises Python's limit, other programs that use us have the usual one.
                    self._refused.add(key)
                    snippet, nodes = None, {}
            self._snippets[key] = snippet
            self._nodes[key] = nodes
        return key, self._snippets[key]

    def find(self, record: Record) -> tuple[Snippet, cst.BaseExpression] | None:
        """The LibCST node of a record."""
        if record.in_fstring:
            return None
        key, snippet = self._parse(record)
        if snippet is None:
            return None
        node = self._nodes[key].get(self._module.source.span(record.node))
        return None if node is None else (snippet, node)

    def told(self, record: Record, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Findings on a record; where its statement is too much for LibCST, they say so."""
        for finding in findings:
            refused = bool(self._refused) and self._key(record) in self._refused
            yield replace(finding, evidence=(*finding.evidence, REFUSED)) if refused else finding

    @staticmethod
    def _key(record: Record) -> int:
        node = snippet_node(record.statement, record.node)
        return id(node) if node is not None else 0


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
    candidates = find_candidates(source, rules)
    if not candidates.lines:
        # A broken file is told of.
        check_syntax(source.text)
        return []
    tree = ast.parse(source.text)
    lines = Shortlist(tree, candidates, rules).lines()
    if not lines:
        return []
    module = ModuleAnalysis(source, path, options, within, tree)
    try:
        interested = _interested(rules)
        snippets = Snippets(module)
        findings: list[Finding] = []
        for record in module.run(lines):
            for rule in interested(record):
                site = Site(module, record, path, options, snippets.find)
                findings.extend(snippets.told(record, rule.check(site)))
                site.release()
        watching = [rule for rule in rules if rule.subscripts]
        for subscript in module.subscripts() if watching else ():
            for rule in watching:
                part = SubscriptSite(module, subscript, path, options, snippets.find)
                findings.extend(snippets.told(subscript, rule.check_subscript(part)))
                part.release()
        findings.sort(key=lambda finding: finding.sort_key)
        return annotate(module, findings)
    finally:
        module.release()
