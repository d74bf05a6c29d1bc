"""Names the measured figures whose subject has changed since: ``python tests/gpu/stale.py``.

A figure carries hashes of what it speaks of. Hashes of Python leave out comments, docstrings and layout, so
that a rule's docstring may quote a figure about the rule. Standard library only; the fixes are h2dlint's, run
as a program. Exit status 1 if a figure is stale.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "docs" / "measured"
FIXTURES = ROOT / "fixtures"
REFERENCE = FIXTURES / "logits_processor"
ROWS = Path(__file__).resolve().parent / "truth_rows.py"

TEXT = "text"
CODE = "code"
FIXED = "fixed"
FIXED_EVERYTHING = "fixed-everything"
ROW = "row: "

FIX_OPTIONS: Mapping[str, tuple[str, ...]] = {
    FIXED: ("--unsafe-fixes",),
    # A fixture shows every finding that a rule can make, also those that the default output leaves out.
    FIXED_EVERYTHING: ("--unsafe-fixes", "--cold", "--min-confidence", "low"),
}

Hash = dict[str, str]
"""``path`` (in the repository), ``how`` (one of the kinds above, ``ROW`` with the row's name) and ``sha256``."""

Fixer = Callable[[Path, str], None]
"""Rewrites a file, or the files of a folder, in place; the second argument is a key of ``FIX_OPTIONS``."""


class FixFailed(Exception):
    """h2dlint could not do its job."""


def h2dlint_fix(path: Path, how: str) -> None:
    """Run ``h2dlint fix`` of this repository on a file or folder.

    Raises:
        FixFailed: it exited with a status other than 0 (clean) or 1 (findings are left).
    """
    command = [sys.executable, "-m", "h2dlint", "fix", *FIX_OPTIONS[how], "--isolated", path.name]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=path.parent, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode not in (0, 1):
        raise FixFailed(f"h2dlint fix exited with {done.returncode}:\n{done.stdout}{done.stderr}")


def copy_to(path: Path, folder: Path) -> Path:
    """Copy a file, or a folder without compiled files, into ``folder``; returns the copy."""
    copy = folder / path.name
    if path.is_dir():
        shutil.copytree(path, copy, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(path, copy)
    return copy


def text_of(path: Path) -> str:
    """The text of a file with ``\\n`` at every line's end."""
    return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def text_hash(path: Path) -> str:
    return _sha256(text_of(path))


def code_hash(path: Path) -> str:
    """Hash of a Python file, or of those in a folder, that only a change of code changes."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    parts = []
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        parts.append(f"{name}\n{canonical(ast.parse(text_of(file)))}")
    return _sha256("\n".join(parts))


def fixed_hash(path: Path, how: str, fixer: Fixer = h2dlint_fix) -> str:
    """Hash of what the fixes make of a file or folder; the original stays as it is."""
    # Not a folder of pytest's: h2dlint takes what lies among tests for cold code.
    with tempfile.TemporaryDirectory(prefix="h2dlint-proof-") as folder:
        copy = copy_to(path, Path(folder))
        fixer(copy, how)
        return code_hash(copy)


def canonical(tree: ast.AST) -> str:
    """A text form of a syntax tree that is the same under every version of Python.

    ``ast.dump`` is not: versions differ in the fields that a node has and in whether empty ones are shown.
    Docstrings, positions, contexts and type comments are left out.
    """
    return "".join(_canonical(tree))


_LEFT_OUT = {"ctx", "kind", "type_comment", "type_ignores"}


def _canonical(value: object) -> Iterator[str]:
    if isinstance(value, ast.AST):
        yield type(value).__name__
        yield "("
        for name, child in ast.iter_fields(value):
            if name == "body" and isinstance(child, list) and _has_docstring(value):
                child = child[1:]
            if isinstance(value, ast.JoinedStr):
                # Python 3.12 puts empty strings between the parts of some f-strings.
                child = [part for part in child if not _is_empty_text(part)]
            if name in _LEFT_OUT or (child is None and not isinstance(value, ast.Constant)) or child == []:
                continue
            yield f"{name}="
            yield from _canonical(child)
            yield ","
        yield ")"
    elif isinstance(value, list):
        yield "["
        for child in value:
            yield from _canonical(child)
            yield ","
        yield "]"
    else:
        yield repr(value)


def _is_empty_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def _has_docstring(node: ast.AST) -> bool:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def rule_file(code: str, root: Path = ROOT) -> Path:
    """The file of a rule, found by its code; a rule that has none gets the plain name, which is missing."""
    rules = root / "h2dlint" / "rules"
    return next(iter(sorted(rules.glob(f"{code.lower()}*.py"))), rules / f"{code.lower()}.py")


def make_hash(path: Path, how: str, root: Path = ROOT, fixer: Fixer = h2dlint_fix) -> Hash:
    """The hash of one file or folder of the repository, with what is needed to make it again."""
    return {
        "path": path.relative_to(root).as_posix(),
        "how": how,
        "sha256": _compute(path, how, fixer),
    }


def _compute(path: Path, how: str, fixer: Fixer) -> str:
    if how == TEXT:
        return text_hash(path)
    if how == CODE:
        return code_hash(path)
    if how.startswith(ROW):
        return row_hash(how.removeprefix(ROW))
    return fixed_hash(path, how, fixer)


def hashes_of_rule(code: str, root: Path = ROOT, fixer: Fixer = h2dlint_fix) -> list[Hash]:
    """What a rule's figures speak of: the rule, its fixture, and what the fixes make of the fixture.

    The last stands for the code that rules share: a change to it counts if it changes what is written.
    """
    fixture = root / "fixtures" / f"{code}.py"
    return [
        make_hash(rule_file(code, root), CODE, root, fixer),
        make_hash(fixture, TEXT, root, fixer),
        make_hash(fixture, FIXED_EVERYTHING, root, fixer),
    ]


def row_hash(name: str) -> str:
    """Hash of what is run for one row of the truth table.

    Raises:
        KeyError: there is no such row.
    """
    sha256: str = _rows()[name].sha256
    return sha256


def hashes_of_row(name: str) -> list[Hash]:
    """What a row of the truth table speaks of: itself."""
    return [make_hash(ROWS, ROW + name)]


@cache
def _rows() -> Mapping[str, Any]:
    """The rows by name; imported when asked for, and as this file may be run as a program, by the full name."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    rows: Mapping[str, Any] = importlib.import_module("tests.gpu.truth_rows").ROWS
    return rows


def hashes_of_reference(root: Path = ROOT, fixer: Fixer = h2dlint_fix) -> list[Hash]:
    """What the figures about the reference module speak of."""
    reference = root / "fixtures" / "logits_processor"
    return [make_hash(reference, CODE, root, fixer), make_hash(reference, FIXED, root, fixer)]


def stale_figures(measured: Path, root: Path = ROOT, fixer: Fixer = h2dlint_fix) -> list[str]:
    """One line for each figure whose hashes do not match the working tree, or cannot be checked."""
    stale = []
    seen: dict[tuple[str, str], str] = {}
    for file in sorted(measured.glob("*.json")):
        try:
            figures: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))["figures"]
        except (ValueError, KeyError, TypeError) as error:
            stale.append(f"{file.name}: cannot be read: {error!r}")
            continue
        for name, figure in figures.items():
            changed = [why for entry in figure["hashes"] if (why := _changed(entry, root, fixer, seen))]
            if changed:
                stale.append(f"{file.name}: {name}: {'; '.join(changed)}")
    return stale


def _changed(entry: Hash, root: Path, fixer: Fixer, seen: dict[tuple[str, str], str]) -> str:
    """Why a hash does not match; empty if it does."""
    path, how = entry["path"], entry["how"]
    if how not in (TEXT, CODE, *FIX_OPTIONS) and not how.startswith(ROW):
        return f"{path}: hashed in an unknown way: {how}"
    if not (root / path).exists():
        return f"{path} is gone"
    try:
        if (path, how) not in seen:
            seen[path, how] = _compute(root / path, how, fixer)
    except KeyError:
        return f"{path} has no such row any more"
    except (FixFailed, OSError, SyntaxError, UnicodeDecodeError) as error:
        return f"{path}: cannot be hashed: {error}"
    if seen[path, how] == entry["sha256"]:
        return ""
    if how.startswith(ROW):
        return "the row has changed"
    return f"the fixes make something else of {path}" if how in FIX_OPTIONS else f"{path} has changed"


def unmeasured(measured: Path, root: Path = ROOT) -> list[str]:
    """Rule fixtures that have no figure; worth saying, no fault of whoever has no GPU."""
    figures = {**_figures(measured / "rules.json"), **_figures(measured / "hazards.json")}
    return [path.stem for path in sorted((root / "fixtures").glob("HTD*.py")) if path.stem not in figures]


def unmeasured_rows(measured: Path) -> list[str]:
    """Rows of the truth table that have no figure."""
    figures = _figures(measured / "truth_table.json")
    return [name for name in _rows() if name not in figures]


def _figures(path: Path) -> Mapping[str, Any]:
    """The figures of a file; none if it cannot be read."""
    try:
        figures: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["figures"]
    except (OSError, ValueError, KeyError):
        return {}
    return figures


def main() -> int:
    missing = unmeasured(MEASURED)
    if missing:
        print(f"note: not measured yet: {', '.join(missing)}")
    rows = unmeasured_rows(MEASURED)
    if rows:
        print(f"note: {len(rows)} rows of the truth table are not measured yet")
    stale = stale_figures(MEASURED)
    for line in stale:
        print(f"stale: {line}")
    if stale:
        print("measure again with `make gpu` on a machine with a GPU (see docs/proof.md)")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
