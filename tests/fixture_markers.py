"""Reads what a fixture expects: ``# HTD101: safe`` at the end of the first line of a finding.

Several expectations are separated by commas; a line without a marker must stay silent.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from h2dlint.model import Effect, Finding
from h2dlint.rules import all_rules

_ONE = r"HTD\d{3}: (?:safe|unsafe|display-only)"
_MARKER = re.compile(rf"#\s*({_ONE}(?:,\s*{_ONE})*)\s*")

Expectation = tuple[int, str, str]
"""Line, code, applicability."""


class MarkerError(ValueError):
    """A comment looks like a marker and is none."""


def comments(text: str) -> list[tuple[int, str]]:
    """Every comment of a module, with its line."""
    tokens = tokenize.generate_tokens(io.StringIO(text, newline="").readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def expected(text: str) -> Counter[Expectation]:
    """What the markers of a fixture say.

    Raises:
        MarkerError: a comment begins as a marker does and cannot be read as one.
    """
    found: Counter[Expectation] = Counter()
    for line, comment in comments(text):
        match = _MARKER.fullmatch(comment)
        if match is None:
            if re.match(r"#\s*HTD", comment):
                raise MarkerError(f"line {line}: not a marker: {comment}")
            continue
        for part in match[1].split(","):
            code, _, applicability = part.strip().partition(": ")
            found[line, code, applicability] += 1
    return found


def fixture_paths(folder: Path, *, hazards: bool) -> list[Path]:
    """The fixtures of rules about races, or those of all other rules, which are about waiting."""
    codes = {rule.code for rule in all_rules() if (rule.effect is Effect.HAZARD) == hazards}
    return [path for path in sorted(folder.glob("HTD*.py")) if path.stem in codes]


def reported(findings: Iterable[Finding]) -> Counter[Expectation]:
    """The findings in the form of the markers; one without a fix counts as display-only."""
    return Counter(
        (
            finding.span.line,
            finding.code,
            finding.fix.applicability.value if finding.fix else "display-only",
        )
        for finding in findings
    )
