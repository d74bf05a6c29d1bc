"""All fixes of a tree applied to a copy: every changed file still compiles, and a second run changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.corpus.findings import EVERYTHING, Found, run

SAFE: tuple[str, ...] = ()
ALL = ("--unsafe-fixes",)


@dataclass(frozen=True)
class Fixed:
    """What fixing a copy of a tree came to.

    Args:
        files: number of files that changed.
        fixes: number of fixes applied.
        problems: a line for each thing that is not as it has to be.
    """

    files: int
    fixes: int
    problems: tuple[str, ...]


def fix(tree: Path, code: Path, findings: Iterable[Found], copy: Path, kind: Sequence[str]) -> Fixed:
    """Fix a copy of a tree.

    Only files with a fix are named to h2dlint: a verdict does not depend on which paths are given.

    Args:
        tree: is left as it is.
        code: folder that holds the package h2dlint.
        findings: of the tree.
        copy: where the copy is put; what is there is removed.
        kind: ``SAFE`` or ``ALL``.

    Raises:
        RuntimeError: h2dlint said nothing of use.
    """
    wanted = ("safe", "unsafe") if kind else ("safe",)
    paths = sorted({item.path for item in findings if item.fix in wanted})
    if not paths:
        return Fixed(0, 0, ())
    shutil.rmtree(copy, ignore_errors=True)
    # Links: a fixed file is moved over its name, so that what the other link leads to stays.
    shutil.copytree(tree, copy, copy_function=os.link)
    problems: list[str] = []
    applied = _fix(copy, code, paths, kind, problems)
    changed = [path for path in paths if (copy / path).read_bytes() != (tree / path).read_bytes()]
    if applied and not changed:
        problems.append("fixes are said to be applied, and no file changed")
    for path in changed:
        problems += compile_problem(path, (copy / path).read_bytes())
    if changed:
        before = {path: (copy / path).read_bytes() for path in changed}
        again = _fix(copy, code, changed, kind, problems)
        moved = [path for path in changed if (copy / path).read_bytes() != before[path]]
        problems += (f"{path}: a second run changes it again" for path in moved)
        if again and not moved:
            problems.append(f"a second run says that it applied {again} fixes")
    shutil.rmtree(copy)
    return Fixed(len(changed), applied, tuple(problems))


def _fix(copy: Path, code: Path, paths: Sequence[str], kind: Sequence[str], problems: list[str]) -> int:
    """Run ``h2dlint fix``; the number of fixes. Errors of the report become problems."""
    options = ["--isolated", *EVERYTHING, *kind, "--no-cache", "--output-format", "json"]
    done = run(copy, code, ["check", "--fix", *options, *paths])
    try:
        document = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"h2dlint ended with {done.returncode} in {copy}: {done.stderr[-500:]}") from error
    problems += (f"{raw['path']}: {raw['kind']}: {raw['message']}" for raw in document["errors"])
    return int(document["summary"]["fixed"])


def compile_problem(path: str, data: bytes) -> list[str]:
    """Why a file does not compile; empty where it does. A notebook has to be JSON."""
    try:
        if path.endswith(".ipynb"):
            json.loads(data)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(data, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return [f"{path}: does not compile after fixing: {error}"]
    return []
