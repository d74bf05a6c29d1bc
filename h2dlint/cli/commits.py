"""Fixing in commits that can be reviewed one by one: one for each rule, or one for each folder."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h2dlint import __version__
from h2dlint.cli.base import Failure
from h2dlint.engine.files import Discovery, SourceFile
from h2dlint.engine.fixing import FixOutcome, fix_files
from h2dlint.engine.plan import RuleSet, installed_rules
from h2dlint.engine.results import FileResult, Report
from h2dlint.engine.settings import Settings
from h2dlint.engine.sieve import Sieve, Sift
from h2dlint.engine.write import WriteError, write_atomically
from h2dlint.model import Finding
from h2dlint.rules.base import Rule


@dataclass(frozen=True)
class _Only:
    """The installed rules, of which one reports."""

    code: str
    rules: RuleSet

    def all_rules(self) -> tuple[Rule, ...]:
        return self.rules.all_rules()

    def check_module(self, *args: Any, **kwargs: Any) -> list[Finding]:
        found = self.rules.check_module(*args, **kwargs)
        return [finding for finding in found if finding.code == self.code]


@dataclass(frozen=True)
class _Remembering(Sieve):
    """A sieve that goes on, for each commit, with what it knew of a file before the first one.

    What a baseline has of a file is told by whole verdicts, so those on a single rule go to another one.
    """

    verdicts: Sieve = field(default_factory=Sieve)
    sifts: dict[Path, Sift] = field(default_factory=dict)

    def of(self, location: Path, data: bytes) -> Sift:
        if location in self.sifts:
            return self.sifts[location]
        whole, own = self.verdicts.of(location, data), super().of(location, data)
        self.sifts[location] = own

        def both(result: FileResult, now: bytes) -> FileResult:
            own(result, now)
            return whole(result, now)

        return both


def commit_fixes(
    found: Discovery,
    settings: Settings,
    by: str,
    progress: Callable[[int, int], None] | None,
    say: Callable[[str], None],
    sieves: tuple[Sieve, Sieve] | None = None,
    jobs: int = 1,
) -> tuple[Report, tuple[FixOutcome, ...]]:
    """Fix files and commit what changed.

    Args:
        found: the files.
        settings: of the run.
        by: ``rule`` or ``folder``.
        progress: as ``fix_files`` takes it.
        say: is told of each commit.
        sieves: leave out findings that are not to be fixed: that of the run, and one like it for its own use.
        jobs: processes to share the work, at most.

    Returns:
        What ``fix_files`` returns.

    Raises:
        Failure: the files are in no clean git work tree, or a commit fails.
    """
    git = Git(found.files)
    sieve = None
    if sieves is not None:
        sieve = _Remembering(sieves[1].baseline, sieves[1].changes, sieves[0])
    report, outcomes = fix_files(found, settings, write=False, progress=progress, sieve=sieve, jobs=jobs)
    changed = [outcome for outcome in outcomes if outcome.changed]
    places = {file.path: file for file in found.files}
    for outcome in changed:
        git.tracked(places[outcome.path].location)
    if by == "folder":
        for folder, group in _by_folder(changed, places, git.top).items():
            applied = sum((Counter(outcome.applied) for outcome in group), Counter[str]())
            _write(group, places)
            say(git.commit(_message(applied, f" in {folder}"), [places[o.path].location for o in group]))
        return report, outcomes
    for code in sorted({code for outcome in changed for code in outcome.applied}):
        files = tuple(places[outcome.path] for outcome in changed if code in outcome.applied)
        only = _Only(code, installed_rules())
        _, written = fix_files(files, settings, write=True, rules=only, sieve=sieve, jobs=jobs)
        _commit(git, written, places, say, "")
    # What only shows once fixes of several rules are applied together.
    rest = tuple(
        places[outcome.path]
        for outcome in changed
        if places[outcome.path].location.read_bytes() != outcome.after
    )
    if rest:
        _, written = fix_files(rest, settings, write=True, sieve=sieve, jobs=jobs)
        _commit(git, written, places, say, " (what the other commits left)")
    return report, outcomes


def _commit(
    git: Git,
    written: Iterable[FixOutcome],
    places: dict[str, SourceFile],
    say: Callable[[str], None],
    tail: str,
) -> None:
    group = [outcome for outcome in written if outcome.changed]
    if group:
        applied = sum((Counter(outcome.applied) for outcome in group), Counter[str]())
        say(git.commit(_message(applied, tail), [places[outcome.path].location for outcome in group]))


def _write(group: Sequence[FixOutcome], places: dict[str, SourceFile]) -> None:
    for outcome in group:
        try:
            write_atomically(places[outcome.path].location, outcome.after, expected=outcome.before)
        except WriteError as error:
            raise Failure(f"{outcome.path}: {error}") from error


def _by_folder(
    changed: Sequence[FixOutcome], places: dict[str, SourceFile], top: Path
) -> dict[str, list[FixOutcome]]:
    """The files by the first folder that they do not have in common."""
    paths = {outcome.path: places[outcome.path].location.relative_to(top).parts for outcome in changed}
    shared = 0
    while len({parts[shared] for parts in paths.values() if len(parts) > shared + 1}) == 1 and all(
        len(parts) > shared + 1 for parts in paths.values()
    ):
        shared += 1
    groups: dict[str, list[FixOutcome]] = {}
    for outcome in changed:
        parts = paths[outcome.path]
        folder = "/".join(parts[: shared + 1] if len(parts) > shared + 1 else parts[:shared]) or "."
        groups.setdefault(folder, []).append(outcome)
    return dict(sorted(groups.items()))


def _message(applied: Counter[str], where: str) -> str:
    """What a commit says: rule, count, and how to read why."""
    rules = {rule.code: rule for rule in installed_rules().all_rules()}
    total = sum(applied.values())
    copies = f"{total} place{'' if total == 1 else 's'}"
    if len(applied) == 1:
        code = next(iter(applied))
        head = f"{code} {rules[code].name}: fix {copies}{where}"
    else:
        head = f"Host-to-device copies that block: fix {copies}{where}"
    lines = [head, ""]
    for code, count in sorted(applied.items()):
        summary = getattr(rules[code], "summary", "")
        lines.append(f"{code} ({count}): {summary}" if len(applied) > 1 else summary)
    lines += ["", f"Written by h2dlint {__version__}. Why: h2dlint rule {' or '.join(sorted(applied))}"]
    return "\n".join(lines) + "\n"


class Git:
    """The git work tree that files lie in.

    Args:
        files: to be fixed.

    Raises:
        Failure: there is no git, no work tree, or it is not clean.
    """

    def __init__(self, files: Sequence[SourceFile]) -> None:
        folder = files[0].location.parent if files else Path.cwd()
        done = self._run(folder, "rev-parse", "--show-toplevel")
        if done.returncode:
            raise Failure("committing needs a git work tree, and there is none here")
        self.top = Path(done.stdout.strip())
        outside = [f for f in files if self.top not in f.location.parents]
        if outside:
            raise Failure(
                f"{outside[0].path} is not in the git work tree {self.top} of {files[0].path}: "
                "name the files of one repository"
            )
        status = self._run(self.top, "status", "--porcelain", "--untracked-files=no")
        if status.returncode or status.stdout.strip():
            first = status.stdout.splitlines()[0] if status.stdout else status.stderr.strip()
            raise Failure(f"committing needs a clean work tree; git status says: {first.strip()}")

    @staticmethod
    def _run(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        # Names with brackets or stars are names, not patterns.
        command = ["git", "--literal-pathspecs", *arguments]
        environment = dict(os.environ)
        if "GIT_WORK_TREE" not in environment:
            # Of a command of git that this runs in; the folder would count as the top.
            environment.pop("GIT_DIR", None)
        try:
            return subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                **options,
            )
        except OSError as error:
            raise Failure(f"git cannot be run: {error}") from error

    def tracked(self, file: Path) -> None:
        """Raise unless git knows a file.

        Raises:
            Failure: it does not; it would be committed as a whole.
        """
        if self._run(self.top, "ls-files", "--error-unmatch", "--", str(file)).returncode:
            raise Failure(f"{file.relative_to(self.top)} is not tracked by git: add or exclude it first")

    def commit(self, message: str, files: Sequence[Path]) -> str:
        """Commit files, and nothing else.

        Returns:
            Abbreviated hash and first line of the message.

        Raises:
            Failure: git refuses, or a hook of the repository does.
        """
        names = [str(file) for file in files]
        # Not "commit --only": what a hook adds would be missing in the index afterwards.
        done = self._run(self.top, "add", "--update", "--", *names)
        if not done.returncode:
            done = self._run(self.top, "commit", "--quiet", "--file=-", input=message)
        head = message.splitlines()[0]
        if done.returncode:
            self._run(self.top, "reset", "--quiet", "--", *names)
            said = (done.stdout + done.stderr).strip()
            raise Failure(
                f'the commit "{head}" failed; its changes are in the work tree. git or a hook said:\n{said}'
            )
        return f"{self._run(self.top, 'rev-parse', '--short', 'HEAD').stdout.strip()} {head}"
