"""What every rule is."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from h2dlint.model import Effect, Finding

if TYPE_CHECKING:
    from h2dlint.rules.site import Site, SubscriptSite

SECTIONS = (
    "What it does",
    "Why it blocks",
    "Example",
    "Use instead",
    "Fix safety",
    "Measured",
    "References",
)
"""The headings of a rule's docstring, in order; a test demands them."""

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


class Rule:
    """One pattern. A subclass in a file of its own in ``h2dlint/rules/`` is found by discovery.

    Class attributes:
        code: ``HTD`` and three digits.
        name: kebab-case; names the pattern, never the cure.
        screen: a file whose bytes hold none of these is never parsed for this rule.
        functions: dotted names of functions whose calls the rule wants to see, such as ``torch.tensor``.
        methods: method names whose calls the rule wants to see, whatever the receiver, such as ``to``.
        effect: what the pattern does; a fixture of a hazard is proven by wrong values, of others by waiting.
        subscripts: the rule wants to see subscripts of tensors, read and assigned to.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    screen: ClassVar[tuple[bytes, ...]]
    functions: ClassVar[frozenset[str]] = frozenset()
    methods: ClassVar[frozenset[str]] = frozenset()
    subscripts: ClassVar[bool] = False
    fixable: ClassVar[str] = "sometimes"
    effect: ClassVar[Effect] = Effect.BLOCKS

    def check(self, site: Site) -> Iterable[Finding]:
        """Yield what is wrong at one call."""
        return ()

    def check_subscript(self, site: SubscriptSite) -> Iterable[Finding]:
        """Yield what is wrong at one subscript."""
        return ()

    @classmethod
    def documentation(cls) -> str:
        """The docstring, dedented: Markdown with the headings of ``SECTIONS``."""
        return inspect.cleandoc(cls.__doc__ or "")

    @classmethod
    def section(cls, heading: str) -> str:
        """The text under a heading, without the heading.

        Raises:
            KeyError: the docstring has no such heading.
        """
        return cls.sections()[heading]

    @classmethod
    def sections(cls) -> dict[str, str]:
        """Heading to text, in the order of the docstring."""
        parts = _HEADING.split(cls.documentation())
        return {parts[i].strip(): parts[i + 1].strip() for i in range(1, len(parts) - 1, 2)}

    @property
    def summary(self) -> str:
        """The first line of the docstring: one sentence."""
        return self.documentation().split("\n", 1)[0]


def node_key(node: ast.expr) -> tuple[int, int, int, int]:
    """Position of a node as ``ast`` gives it, for looking it up again."""
    return (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
