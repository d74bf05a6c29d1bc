"""Many files: those of which the verdict is known are left out, the others are shared among processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from h2dlint.engine import pool
from h2dlint.engine.cache import Cache, version
from h2dlint.engine.files import Discovery, SourceFile
from h2dlint.engine.graphs import Graphs, Held, questions
from h2dlint.engine.grounds import Verdict
from h2dlint.engine.ledger import Ledger, Seen, digest, signature
from h2dlint.engine.packing import unpack
from h2dlint.engine.results import FileResult
from h2dlint.engine.runner import lint_source, project_top, read_file
from h2dlint.engine.screen import NEEDED
from h2dlint.engine.settings import Settings
from h2dlint.model import FileError

if TYPE_CHECKING:
    from h2dlint.analysis.reach import Told
    from h2dlint.analysis.scan import File
    from h2dlint.engine.modules import Projects
    from h2dlint.engine.whole import WholeRun

Item = TypeVar("Item")
Result = TypeVar("Result")

FEW = 8
"""Up to so many files are looked at before the cache is, which holds the verdicts on all files of a project."""
MANY = 100
"""Files of a project from which on its call graph is made before the work is shared, and not by each worker."""

Outcome = tuple[FileResult, "Seen | None", tuple[str, ...], list[list[Any]]]
Progress = Callable[[int, int], None]


def lint_all(
    files: Sequence[SourceFile],
    settings: Settings,
    progress: Progress | None = None,
    *,
    jobs: int = 1,
    folder: Path | None = None,
    run: tuple[WholeRun, Discovery] | None = None,
) -> list[FileResult]:
    """Verdicts on files, in their order.

    Args:
        files: to be linted.
        settings: of the run; a file that has settings of its own keeps them.
        progress: called with the number of files done and the number of all.
        jobs: processes at most.
        folder: where verdicts are kept from run to run; ``None`` keeps none.
        run: where the run as a whole is kept, and what was found for it.
    """
    return Batch(files, settings, progress, folder, run).run(jobs)


def shared_by(sizes: Sequence[int], jobs: int) -> int:
    """How many processes are to share work on files; one where it is not worth it, or cannot be.

    Args:
        sizes: of the files, in bytes.
        jobs: processes at most.
    """
    workers = min(jobs, sum(sizes) // pool.LEAST_BYTES + 1, len(sizes))
    return workers if workers > 1 and pool.can_fork() else 1


class Batch:
    """Work on many files.

    Args:
        files: to be looked at.
        settings: of the run; a file that has settings of its own keeps them.
        progress: called with the number of files done and the number of all.
        folder: where verdicts are kept from run to run; ``None`` keeps none.
        run: where the run as a whole is kept, and what was found for it.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        settings: Settings,
        progress: Progress | None,
        folder: Path | None,
        run: tuple[WholeRun, Discovery] | None = None,
    ) -> None:
        self._files = files
        self._settings = settings
        self._progress = progress
        self._done = 0
        self._ledger: Ledger | None = None
        self._cache: Cache | None = None
        self._folder = folder
        self._whole = run
        self._tops: dict[tuple[Settings, str], str] = {}
        self._looked: dict[str, bool] = {}

    def run(self, jobs: int) -> list[FileResult]:
        """Verdicts on the files, in their order."""
        plain = self._without_cache()
        if plain is not None:
            return plain
        known: dict[int, FileResult] = {}
        untouched: set[int] = set()
        if self._folder is not None:
            self._ledger = Ledger()
            self._graphs = Graphs(self._folder, version(), self._ledger)
            part = self._whole[0].part if self._whole is not None else None
            self._cache = Cache(self._folder, self._settings, self._graphs, part)
            stay = self._cache.staying() or ()
            for number, file in enumerate(self._files):
                if part is not None and str(file.location) in stay:
                    packed = part.results.get(file.path)
                    known[number] = FileResult(file.path) if packed is None else unpack(packed, file.path)
                    untouched.add(number)
                    continue
                found = self._cache.find(file, self._top(file))
                if found is not None:
                    known[number] = found
            if part is not None:
                part.fresh = tuple(f.path for n, f in enumerate(self._files) if n not in untouched)
            # Told with the first of the others: a progress bar is a thread, which must not be there at a fork.
            self._done = len(known)
        todo = [file for number, file in enumerate(self._files) if number not in known]
        fresh = self.each(todo, jobs, self._one)
        if self._cache is not None and todo:
            self._save(todo, fresh, {str(self._files[n].location) for n in known if n not in untouched})
        results = iter([outcome[0] for outcome in fresh])
        every = [known[n] if n in known else next(results) for n in range(len(self._files))]
        if self._whole is not None and self._cache is not None and self._ledger is not None:
            self._whole[0].keep(self._whole[1], every, self._cache, self._ledger)
        return every

    def _without_cache(self) -> list[FileResult] | None:
        """Verdicts on a few files of which none can hold a finding: reading the cache would take longer than that."""
        if self._folder is None or len(self._files) > FEW:
            return None
        texts = [data for data in map(read_file, self._files) if isinstance(data, bytes)]
        if len(texts) < len(self._files) or any(NEEDED in data for data in texts):
            return None
        results: list[FileResult] = []
        for file, data in zip(self._files, texts, strict=True):
            settings = file.settings or self._settings
            results.append(lint_source(file.path, data, settings, location=file.location))
            self._tell(1)
        return results

    def _tell(self, more: int) -> None:
        self._done += more
        if self._progress is not None and more:
            self._progress(self._done, len(self._files))

    def _top(self, file: SourceFile) -> str:
        """The top of the project of a file."""
        settings = file.settings or self._settings
        key = (settings, str(file.location.parent))
        if key not in self._tops:
            top = project_top(file.location, settings, self._looked) if settings.follow_imports else ""
            self._tops[key] = os.fspath(top)
        return self._tops[key]

    def each(
        self, todo: Sequence[SourceFile], jobs: int, work: Callable[[SourceFile], Result]
    ) -> list[Result]:
        """Have something done to each file, by several processes where that is worth it; in the order of the files."""
        sizes = [_size(file) for file in todo]
        workers = shared_by(sizes, jobs)
        if workers < 2:
            done = []
            for file in todo:
                done.append(work(file))
                self._tell(1)
            return done
        import h2dlint.rules.visitor  # noqa: F401  (once, and not by each worker)

        tops = [
            (self._top(file), (file.settings or self._settings).options.entry_points)
            for file in todo
            if (file.settings or self._settings).follow_imports
        ]
        for top, entry_points in sorted(set(tops)):
            if tops.count((top, entry_points)) >= MANY:
                root = os.path.normpath(top)
                self._make_graph(root, entry_points, workers)
        return self._share(todo, sizes, work, workers, self._tell)

    def _make_graph(self, root: str, entry_points: tuple[str, ...], workers: int) -> None:
        """Have the call graph of a project made before the work is shared.

        It is made by a process of its own: what it takes to make it would else be in the memory of each worker.
        """
        shelf, project = self._held, self.projects.project
        scans = partial(self._scans, workers)

        def make() -> tuple[Told, Ledger | None]:
            graph = project.calls(root, entry_points, scans)
            return graph.told, self._ledger

        made = pool.apart(make) if shelf.find(root, entry_points) is None else None
        if made is not None:
            from h2dlint.analysis.reach import CallGraph

            told, ledger = made
            if self._ledger is not None and ledger is not None:
                self._ledger.add(ledger)
            shelf.hold(root, entry_points, CallGraph.remembered(told))
        project.calls(root, entry_points, scans)

    def _share(
        self,
        items: Sequence[Item],
        sizes: Sequence[int],
        work: Callable[[Item], Result],
        workers: int,
        tell: Callable[[int], None],
        came: Callable[[list[Result]], object] = len,
    ) -> list[Result]:
        """Have work done by several processes, and take over what they wrote down."""
        ours = self._ledger
        if ours is None:
            return pool.run(items, sizes, work, workers, tell, lambda: None, came=came)[0]
        ours.mark()
        results, _ = pool.run(items, sizes, work, workers, tell, ours.news, ours.add, came)
        ours.before = None
        return results

    def _scans(self, workers: int, root: str, known: Mapping[str, File]) -> list[File]:
        """A cheap look at each file of a project that is not known, by several processes."""
        projects = self.projects
        paths = projects.paths(root)
        todo = [path for path in paths if path not in known]
        sizes = [_bytes(path) for path in todo]
        from h2dlint.analysis.scan import share_words

        def look(path: str) -> File | None:
            return projects.scan(path, root)

        found = self._share(todo, sizes, look, workers, lambda more: None, share_words)
        both = {**known, **{file.path: file for file in found if file is not None}}
        return [both[path] for path in paths if path in both]

    @cached_property
    def projects(self) -> Projects:
        """The modules that the run looks into."""
        from h2dlint.engine.modules import Projects

        return self._graphs.projects if self._cache is not None else Projects(None, self._held, brief=True)

    @cached_property
    def _held(self) -> Held:
        return self._graphs if self._cache is not None else Held()

    def _one(self, file: SourceFile) -> Outcome:
        location = str(file.location)
        sign = signature(location) if self._ledger is not None else None
        data = read_file(file)
        if isinstance(data, FileError):
            return FileResult(file.path, errors=(data,)), None, (), []
        settings = file.settings or self._settings
        result = lint_source(file.path, data, settings, location=file.location, projects=self.projects)
        project, place = self.projects.project, os.path.normpath(location)
        needs = tuple(sorted(project.dependencies(place))) if sign is not None else ()
        if sign is None:
            return result, None, (), []
        return result, (sign, digest(data)), needs, questions(project, place)

    def _save(self, todo: list[SourceFile], fresh: list[Outcome], kept: set[str]) -> None:
        assert self._cache is not None and self._ledger is not None
        verdicts = [
            Verdict(file, result, seen, needs, asked, self._top(file))
            for file, (result, seen, needs, asked) in zip(todo, fresh, strict=True)
        ]
        self._cache.save(verdicts, kept, self._ledger, self._graphs)


def _size(file: SourceFile) -> int:
    return _bytes(os.fspath(file.location))


def _bytes(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
