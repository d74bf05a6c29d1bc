"""Which lines changed since a revision, as git tells it."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from h2dlint.engine.changed_text import text_diff, unusual
from h2dlint.engine.errors import ConfigError

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb'\\([0-7]{3}|["\\abfnrtv])')
_CONTROL = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

Touches = Callable[[int, int], bool]
"""Whether a change touches the lines from a first one to a last one, both from 1 and both included."""


@dataclass
class Lines:
    """The lines of one file that changed.

    Args:
        ranges: first and last line of what was added or changed, in order.
        cuts: lines after which something was taken out.
    """

    ranges: list[tuple[int, int]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)

    def touch(self, first: int, last: int) -> bool:
        """Whether any line from ``first`` to ``last`` changed, or one between them was taken out."""
        index = bisect_left(self.ranges, (first, 0))
        for begin, end in self.ranges[max(0, index - 1) :]:
            if begin > last:
                break
            if end >= first:
                return True
        return any(first <= cut < last for cut in self.cuts)


EVERYTHING = Lines([(1, 2**62)])


@dataclass
class Changes:
    """What changed in a working tree since it left a revision.

    Args:
        top: absolute path of the working tree, symbolic links resolved.
        files: path relative to ``top`` to lines.
        revision: as the user gave it.
    """

    top: Path
    files: dict[str, Lines]
    revision: str

    def of(self, location: Path, before: bytes, now: bytes) -> Touches:
        """What changed in one file.

        Args:
            location: absolute path.
            before: what is in the file, and
            now: what fixes have made of it; a line that they changed, or that git says changed, counts.

        Raises:
            ConfigError: the file is not in the working tree.
        """
        try:
            name = location.resolve().relative_to(self.top).as_posix()
        except ValueError as error:
            raise ConfigError(f"--diff-only: {location} is not in the git repository {self.top}") from error
        found = self.files.get(name)
        if found is None:
            return lambda first, last: False
        return (found if before == now else _moved(found, before, now)).touch


def changes_since(revision: str, folder: Path, environment: Mapping[str, str] | None = None) -> Changes:
    """What changed since the commit that a revision and the checked-out one have in common.

    Staged, unstaged and untracked files count. A renamed file counts where its text changed.

    Args:
        revision: a branch, tag or commit.
        folder: any in the working tree.
        environment: for git; that of the process when not given.

    Raises:
        ConfigError: no git, no repository, no such revision, or nothing in common with it.
    """
    top = Path(os.fsdecode(_Git(folder, environment)("rev-parse", "--show-toplevel").rstrip(b"\n"))).resolve()
    git = _Git(top, environment)
    commit = _commit(git, revision)
    head = git("rev-parse", "--verify", "--quiet", "HEAD", fails=True).strip().decode()
    base = commit
    if head:
        base = git("merge-base", commit, head, fails=True).strip().decode()
        if not base:
            hint = "fetch more history" if _is_shallow(git) else "they are unrelated"
            raise ConfigError(f"--diff-only: {revision} and HEAD have no commit in common ({hint})")
    diff = git(
        "-c",
        "core.quotePath=true",
        "diff",
        "--unified=0",
        "--inter-hunk-context=0",
        "--find-renames",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-relative",
        "--submodule=short",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        base,
        "--",
    )
    files = parse_diff(diff)
    files.update(_on_disk(git, base, top))
    untracked = git("ls-files", "--others", "--exclude-standard", "-z")
    files.update((os.fsdecode(name), EVERYTHING) for name in untracked.split(b"\0") if name)
    return Changes(top, files, revision)


def _on_disk(git: _Git, base: str, top: Path) -> Iterator[tuple[str, Lines]]:
    """Changed lines of the files that git compares in another form than that on the disk."""
    for new, old in unusual(git, base).items():
        name = os.fsdecode(new)
        try:
            now = (top / name).read_bytes()
        except OSError:
            continue
        diff = text_diff(git, base, os.fsdecode(old), now)
        lines = EVERYTHING if diff is None else next(iter(parse_diff(diff).values()), Lines())
        yield name, lines


def parse_diff(diff: bytes) -> dict[str, Lines]:
    """Path to changed lines, of a unified diff without context and with ``b/`` before new paths."""
    files: dict[str, Lines] = {}
    current = Lines()
    skip = 0
    for line in diff.split(b"\n"):
        if skip and line[:1] in {b"+", b"-"}:
            skip -= 1
        elif line.startswith(b"+++ "):
            current = Lines()
            name = _unquoted(line[4:])
            if name.startswith(b"b/"):
                files[os.fsdecode(name[2:])] = current
        elif match := _HUNK.match(line):
            removed, first, added = int(match[1] or 1), int(match[2]), int(match[3] or 1)
            if added:
                current.ranges.append((first, first + added - 1))
            else:
                current.cuts.append(first)
            skip = removed + added
    return files


def _unquoted(name: bytes) -> bytes:
    """A path as git writes it in a diff: in quotes where it is unusual, with a tab behind where it holds a blank."""
    if not name.startswith(b'"'):
        return name[:-1] if name.endswith(b"\t") else name

    def plain(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8)]) if len(code) == 3 else _CONTROL.get(code, code)

    return _ESCAPE.sub(plain, name.rstrip(b"\t")[1:-1])


def _moved(changed: Lines, before: bytes, now: bytes) -> Lines:
    """Changed lines, where they are in another version of the text, and those in which the two differ."""
    old, new = _LINE.findall(before), _LINE.findall(now)
    moved = Lines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag != "equal":
            # Of unchanged text only fixes of changed statements make something else.
            moved.ranges.append((new_from + 1, max(new_to, new_from + 1)))
            continue
        shift = new_from - old_from
        for first, last in changed.ranges:
            begin, end = max(first, old_from + 1), min(last, old_to)
            if begin <= end:
                moved.ranges.append((begin + shift, end + shift))
        moved.cuts += [cut + shift for cut in changed.cuts if old_from < cut <= old_to]
    moved.ranges.sort()
    return moved


def _commit(git: _Git, revision: str) -> str:
    wanted = f"{revision}^{{commit}}"
    found = git("rev-parse", "--verify", "--quiet", "--end-of-options", wanted, fails=True)
    commit = found.strip().decode("ascii", "replace")
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        hint = "; the clone is shallow: fetch more history" if _is_shallow(git) else ""
        raise ConfigError(f'--diff-only: git knows no revision "{revision}"{hint}')
    return commit


def _is_shallow(git: _Git) -> bool:
    return git("rev-parse", "--is-shallow-repository", fails=True).strip() == b"true"


class _Git:
    """The program.

    Args:
        folder: to run it in.
        environment: of it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None) -> None:
        self._folder = folder
        self._environment = environment

    def __call__(
        self, *arguments: str, fails: bool = False, differs: bool = False, given: bytes | None = None
    ) -> bytes:
        """What it prints.

        Args:
            arguments: of git.
            fails: a failure is an answer too, an empty one.
            differs: exit status 1 says that two files differ.
            given: standard input.

        Raises:
            ConfigError: it cannot be run, or fails.
        """
        command = ("git", "-C", os.fspath(self._folder), *arguments)
        try:
            done = subprocess.run(
                command, env=self._environment, input=given or b"", capture_output=True, check=False
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"--diff-only: git cannot be run: {error}") from error
        if differs and done.returncode == 1:
            return done.stdout
        if done.returncode and not fails:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
            raise ConfigError(f"--diff-only: git: {said[0]}")
        return b"" if done.returncode else done.stdout
