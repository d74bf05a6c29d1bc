"""A progress bar for long runs."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from h2dlint.cli.terminal import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DELAY = 0.5
"""Seconds before a run counts as long."""


class ProgressBar:
    """Shows files done on standard error, if that is a terminal and the run is a long one.

    Args:
        label: what is done to the files.
        enabled: ``False`` shows nothing at all.
    """

    def __init__(self, label: str, enabled: bool = True) -> None:
        self.label = label
        self.enabled = enabled and is_terminal(sys.stderr)
        self._begin = time.monotonic()
        self._bar: tuple[Progress, TaskID] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Say how many files of how many are done."""
        if not self.enabled:
            return
        if self._bar is None:
            if time.monotonic() - self._begin < DELAY or done >= total:
                return
            self._bar = self._start(total)
        progress, task = self._bar
        progress.update(task, completed=done, total=total)

    def _start(self, total: int) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        task = progress.add_task(self.label, total=total)
        progress.start()
        return progress, task

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar[0].stop()
