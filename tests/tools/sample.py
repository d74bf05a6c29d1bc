"""Draws places for grading: findings, and places of the same kinds that stayed silent.

    python tests/tools/sample.py TREE --count 60 --seed 1 --output sheet.md
    python tests/tools/sample.py TREE --count 60 --seed 1 --blind --output blind.md --key key.json

Right means: on CUDA this line holds the host for a host-to-device copy (for a silent place: it does not).
The same tree, seed and options give the same sheet. A blind sheet mixes both kinds in path order and tells of
neither what the linter said; the key does.

A silent place is a tensor constructor with a device, ``new_tensor``, ``.to(..)``, ``.cuda(..)`` or
``.copy_(..)`` that ``h2dlint check`` did not report by default. ``--universe reported-context`` (the default)
leaves out those that ``--cold --min-confidence low`` would report: they are not silent, only hidden.
``--universe all`` keeps them. Factories (``zeros``, ``arange`` and the like) are silent as a matter of course and
would fill the sheet; ``--factories`` lets them in.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CONSTRUCTORS = frozenset(
    {"tensor", "as_tensor", "asarray", "scalar_tensor", "sparse_coo_tensor", "sparse_csr_tensor"}
)
"""Counted where they are called with ``device=``."""

FACTORIES = frozenset(
    {
        *("zeros", "ones", "empty", "full", "arange", "range", "eye", "linspace", "logspace", "tril_indices"),
        *("zeros_like", "ones_like", "empty_like", "full_like", "triu_indices", "empty_strided"),
        *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like"),
        *("new_zeros", "new_ones", "new_empty", "new_full"),
    }
)
"""Counted where they are called with ``device=``, on request."""

MOVERS = frozenset({"to", "cuda", "copy_", "new_tensor"})
"""Methods, counted wherever they are called with an argument (``cuda`` without one too)."""

AROUND = 12
"""Lines of source shown on each side of a place."""

HIDDEN_TOO = ("--cold", "--min-confidence", "low")

Position = tuple[int, int, int, int]


@dataclass(frozen=True, order=True)
class Place:
    """One place to grade; ``verdict`` is what the linter said of it, empty for silence."""

    path: str
    line: int
    column: int
    expression: str
    lines: tuple[str, ...] = field(compare=False)
    verdict: dict[str, Any] = field(compare=False, default_factory=dict)


def run_check(tree: Path, extra: Sequence[str]) -> list[dict[str, Any]]:
    """The findings of ``h2dlint check`` on a tree, whatever configuration stands around it.

    Raises:
        RuntimeError: the linter could not run.
    """
    program = "from h2dlint.cli import main; main()"
    command = [sys.executable, "-c", program, "check", "--isolated", "--output-format", "json", *extra, "."]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, encoding="utf-8")
    try:
        findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    except (ValueError, KeyError) as error:
        raise RuntimeError(f"h2dlint ended with {done.returncode}: {done.stderr.strip()[-500:]}") from error
    return findings


def is_candidate(call: ast.Call, factories: bool = False) -> bool:
    """Whether a call is of a kind that the linter might have reported."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    keywords = {keyword.arg for keyword in call.keywords}
    if name in CONSTRUCTORS or (factories and name in FACTORIES):
        return "device" in keywords
    if name in MOVERS and isinstance(function, ast.Attribute):
        return name == "cuda" or bool(call.args or keywords)
    return False


def position(node: ast.expr, lines: Sequence[bytes]) -> Position:
    """Span of a node in the linter's coordinates: from 1, columns in code points."""
    assert node.end_lineno is not None and node.end_col_offset is not None

    def column(line: int, offset: int) -> int:
        return len(lines[line - 1][:offset].decode("utf-8", "replace")) + 1

    return (
        node.lineno,
        column(node.lineno, node.col_offset),
        node.end_lineno,
        column(node.end_lineno, node.end_col_offset),
    )


def receivers(call: ast.Call) -> Iterator[ast.Call]:
    """A call and the calls that it is chained to: of ``f(x).view(-1).to(d)``, all three."""
    node: ast.expr = call
    while True:
        if isinstance(node, ast.Call):
            yield node
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        else:
            return


def silent_calls(
    module: ast.Module, lines: Sequence[bytes], reported: set[Position], factories: bool
) -> Iterator[ast.Call]:
    """Candidates that no finding speaks of.

    A finding speaks of the call that has its span and of what that call is chained to; where no call has its
    span (an assignment into a tensor, say), of every call inside it.
    """
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    spans = {id(call): position(call, lines) for call in calls}
    spoken = {id(link) for call in calls if spans[id(call)] in reported for link in receivers(call)}
    loose = reported - set(spans.values())
    for call in calls:
        line, column, end_line, end_column = spans[id(call)]
        inside = any(
            (at[0], at[1]) <= (line, column) and (end_line, end_column) <= (at[2], at[3]) for at in loose
        )
        if id(call) not in spoken and not inside and is_candidate(call, factories):
            yield call


def read(path: Path) -> tuple[str, ast.Module] | None:
    """Text and tree of a file, or nothing where it is not Python that this interpreter reads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = path.read_bytes()
            text = data.decode("utf-8-sig")
            return text.replace("\r\n", "\n").replace("\r", "\n"), ast.parse(data)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return None


def around(lines: Sequence[str], line: int) -> tuple[str, ...]:
    first, last = max(1, line - AROUND), min(len(lines), line + AROUND)
    return tuple(
        f"{'>' if number == line else ' '}{number:5} {lines[number - 1]}" for number in range(first, last + 1)
    )


def expression(lines: Sequence[str], span: Position) -> str:
    """The source of a span on one line; made alike for both kinds, which a blind sheet must not tell apart."""
    line, column, end_line, end_column = span
    text = list(lines[line - 1 : end_line])
    if text:
        text[-1] = text[-1][: end_column - 1]
        text[0] = text[0][column - 1 :]
    return " ".join(" ".join(text).split())


def span_of(finding: dict[str, Any]) -> Position:
    return (finding["line"], finding["column"], finding["end_line"], finding["end_column"])


def finding_places(tree: Path, findings: Iterable[dict[str, Any]]) -> list[Place]:
    """Every finding as a place."""
    places = []
    for finding in findings:
        parsed = read(tree / finding["path"])
        lines = parsed[0].split("\n") if parsed else []
        place = Place(
            finding["path"],
            finding["line"],
            finding["column"],
            expression(lines, span_of(finding)),
            around(lines, finding["line"]),
            {key: finding[key] for key in ("code", "message", "context", "confidence", "evidence")},
        )
        places.append(place)
    return sorted(places)


def silent_places(tree: Path, findings: Iterable[dict[str, Any]], *, factories: bool = False) -> list[Place]:
    """Every candidate in the tree that no finding speaks of."""
    reported: dict[str, set[Position]] = {}
    for finding in findings:
        reported.setdefault(finding["path"], set()).add(span_of(finding))
    places = []
    for path in sorted(tree.rglob("*.py")):
        parsed = read(path)
        if parsed is None:
            continue
        text, module = parsed
        name, lines = path.relative_to(tree).as_posix(), text.split("\n")
        encoded = [line.encode("utf-8") for line in lines]
        for call in silent_calls(module, encoded, reported.get(name, set()), factories):
            span = position(call, encoded)
            places.append(Place(name, *span[:2], expression(lines, span), around(lines, span[0])))
    return sorted(places)


def draw(places: Sequence[Place], count: int, seed: int) -> list[Place]:
    """``count`` of the places (all where there are fewer), in order."""
    return sorted(random.Random(seed).sample(list(places), min(count, len(places))))


def sheet(places: Iterable[tuple[str, Place]], *, blind: bool) -> str:
    """The sheet to fill in, as Markdown; each place comes with its kind."""
    parts = ["# Places to grade", "", (__doc__ or "").split("\n\n")[2].replace("\n", " "), ""]
    for number, (kind, place) in enumerate(places, 1):
        parts += [f"## {number}. {place.path}:{place.line}:{place.column}", "", f"`{place.expression}`", ""]
        if not blind:
            said = place.verdict
            parts += [f"{kind}: {said['code']}, {said['context']}, {said['confidence']}" if said else kind]
            parts += [*(f"- {line}" for line in said.get("evidence", ())), ""]
        parts += ["````python", *place.lines, "````", "", "- holds the host for an H2D copy: ", "- why: ", ""]
    return "\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw and write the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--count", type=int, default=60, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--universe", choices=["reported-context", "all"], default="reported-context")
    parser.add_argument("--factories", action="store_true", help="count device factories as places too")
    parser.add_argument("--format", choices=["markdown", "json"], default="markdown")
    parser.add_argument("--blind", action="store_true", help="tell of no place what the linter said")
    parser.add_argument("--key", type=Path, help="with --blind: where to write what it said, as JSON")
    parser.add_argument("--output", type=Path, help="file to write; standard output without it")
    options = parser.parse_args(argv)

    findings = run_check(options.tree, ())
    known = findings if options.universe == "all" else run_check(options.tree, HIDDEN_TOO)
    found = finding_places(options.tree, findings)
    silent = silent_places(options.tree, known, factories=options.factories)
    print(f"{len(found)} findings, {len(silent)} silent places", file=sys.stderr)

    drawn = [("finding", place) for place in draw(found, options.count, options.seed)]
    drawn += [("silent", place) for place in draw(silent, options.count, options.seed)]
    if options.blind:
        drawn.sort(key=lambda pair: pair[1])
    key = [{"number": number, "kind": kind, **asdict(place)} for number, (kind, place) in enumerate(drawn, 1)]
    if options.key:
        options.key.write_text(json.dumps(key, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.format == "json":
        told = ("number", "path", "line", "column", "expression", "lines")
        rows = [{name: row[name] for name in told} for row in key] if options.blind else key
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    else:
        text = sheet(drawn, blind=options.blind)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
