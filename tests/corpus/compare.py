"""What differs between two runs over the same sources, in the words of a reviewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.corpus.findings import Found

CAP = 12
"""Findings shown of one rule in one package; the file of changes has all."""


@dataclass(frozen=True)
class Difference:
    """What became of the findings of one package.

    Args:
        added: findings of the new run only.
        vanished: findings of the old run only.
        changed: pairs of one finding that is told in another way, or fixed in another.
    """

    added: tuple[Found, ...] = ()
    vanished: tuple[Found, ...] = ()
    changed: tuple[tuple[Found, Found], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.vanished or self.changed)

    def __str__(self) -> str:
        return f"+{len(self.added)} -{len(self.vanished)} ~{len(self.changed)}"


def compare(before: Iterable[Found], after: Iterable[Found]) -> Difference:
    """The difference between two runs.

    A place can hold several findings of one rule; those that are alike in both runs are taken out first.
    """
    old, new = _rest(before, after), _rest(after, before)
    changed, added = [], []
    for item in new:
        match = next((other for other in old if other.place == item.place), None)
        if match is None:
            added.append(item)
        else:
            old.remove(match)
            changed.append((match, item))
    return Difference(tuple(added), tuple(old), tuple(changed))


def _rest(findings: Iterable[Found], others: Iterable[Found]) -> list[Found]:
    return sorted((Counter(findings) - Counter(others)).elements())


def describe(package: str, difference: Difference, tree: Path | None, cap: int | None = CAP) -> list[str]:
    """Lines for a terminal: grouped by rule, each finding with its line of source.

    Args:
        package: name and version.
        difference: of its findings.
        tree: its sources; without them the lines are left out.
        cap: how many findings of one rule to show; all without.
    """
    rows: dict[str, list[tuple[Found, str, str]]] = {}
    for item in difference.vanished:
        rows.setdefault(item.rule, []).append((item, "-", item.said))
    for item in difference.added:
        rows.setdefault(item.rule, []).append((item, "+", item.said))
    for old, new in difference.changed:
        rows.setdefault(new.rule, []).append((new, "~", _what_changed(old, new)))
    lines = [f"{package}: {difference}"]
    texts: dict[str, list[str]] = {}
    for rule in sorted(rows):
        lines.append(f"  {rule}")
        group = sorted(rows[rule], key=lambda row: (row[0].path, row[0].line, row[0].column, row[1]))
        for item, sign, said in group[:cap]:
            lines.append(f"    {sign} {item.path}:{item.line}:{item.column}: {item.rule} {said}")
            if tree is not None:
                lines.append(f"        {_source(tree, item, texts)}")
        if cap is not None and len(group) > cap:
            lines.append(f"    .. and {len(group) - cap} more of {rule}")
    return lines


def _what_changed(old: Found, new: Found) -> str:
    words = [
        before if before == after else f"{before} -> {after}"
        for before, after in zip(old.said.split()[:-1], new.said.split()[:-1], strict=True)
    ]
    return " ".join(words) + ("" if old.digest == new.digest else ", fixed in another way")


def _source(tree: Path, item: Found, texts: dict[str, list[str]]) -> str:
    """The line of a finding, with nothing in it that a terminal would obey."""
    if item.path not in texts:
        try:
            text = (tree / item.path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        # As the parser counts lines: a form feed ends none.
        texts[item.path] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = texts[item.path]
    line = lines[item.line - 1].strip() if 0 < item.line <= len(lines) else ""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)[:160]


def matrix(differences: Mapping[str, Difference]) -> list[str]:
    """Rule by rule, how many findings came, went and changed."""
    sums: dict[str, list[int]] = {}
    for difference in differences.values():
        for index, items in enumerate(
            (difference.added, difference.vanished, tuple(new for _, new in difference.changed))
        ):
            for item in items:
                sums.setdefault(item.rule, [0, 0, 0])[index] += 1
    return [f"{rule}: +{row[0]} -{row[1]} ~{row[2]}" for rule, row in sorted(sums.items())]
