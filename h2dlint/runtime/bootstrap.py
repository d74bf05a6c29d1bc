"""What happens inside a program that is traced or verified, before its first line runs.

Standard library only, and quick: every Python process below the command starts through here. A fault of ours must
not become the program's.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

CONFIGURATION = "run.json"
STARTED = "started"
TRACE = "trace"

FIRST_SAVE_S = 2.0
LONGEST_SAVE_S = 30.0
"""A worker that is killed leaves what it had saved last: after two seconds first, then ever less often."""


def start(folder: str) -> None:
    """Do in this process what the run asks for.

    Args:
        folder: of the run; ``run.json`` in it says what is wanted.
    """
    run = Path(folder)
    wanted = json.loads((run / CONFIGURATION).read_text(encoding="utf-8"))
    (run / f"{STARTED}-{os.getpid()}").touch()
    if wanted.get("plan"):
        importing = importlib.import_module("h2dlint.runtime.importing")
        importing.install(Path(wanted["plan"]))
    if wanted.get("trace"):
        Tracing(run).begin()


class Tracing:
    """The recording of one process.

    Args:
        folder: to write the trace to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._collector: Any = None
        self._watch: Any = None
        self._note = ""
        self._pid = os.getpid()
        self._saved = -1
        self._numbers = count()
        self._number = next(self._numbers)
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Watch lines now, and copies as soon as CUDA is there."""
        from h2dlint.runtime.lines import LineWatch

        self._watch = LineWatch()
        self._watch.start()
        # Calling CUPTI earlier would start CUDA, and a process that has started it cannot fork workers that use it.
        when_imported("torch.cuda", lambda module: module._lazy_call(self._cuda_is_up))
        atexit.register(self._finish)
        os.register_at_fork(after_in_child=self._forked)

    def _cuda_is_up(self) -> None:
        from h2dlint.runtime.collecting import Collector
        from h2dlint.runtime.cupti import CuptiError
        from h2dlint.runtime.recorder import hub

        if self._collector is not None:
            return
        collector = Collector(hub)
        try:
            collector.start()
        except CuptiError as error:
            self._note = str(error)
            sys.stderr.write(f"h2dlint: the copies of process {os.getpid()} are not recorded: {error}\n")
        torch = sys.modules["torch"]
        with suppress(Exception):
            collector.gpu = str(torch.cuda.get_device_name())
        self._collector = collector
        # Workers of multiprocessing that were forked end without atexit.
        from multiprocessing import util

        util.Finalize(None, self._finish, exitpriority=-100)
        threading.Thread(target=self._save_now_and_then, name="h2dlint", daemon=True).start()

    def _forked(self) -> None:
        """In a forked child: what the parent recorded is the parent's."""
        self._pid = os.getpid()
        self._number = next(self._numbers)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._saved = -1
        self._collector = None
        with suppress(OSError):
            (self._folder / f"{STARTED}-{self._pid}").touch()

    def _save_now_and_then(self) -> None:
        pause = FIRST_SAVE_S
        while not self._stop.wait(pause):
            with suppress(Exception):
                self._save()
            pause = min(pause * 1.5, LONGEST_SAVE_S)

    def _finish(self) -> None:
        if os.getpid() != self._pid:
            return
        self._stop.set()
        try:
            from h2dlint.runtime.recorder import hub

            hub.pairing.flush_all()
            self._save()
        except Exception as error:
            sys.stderr.write(f"h2dlint: the trace was not written: {type(error).__name__}: {error}\n")

    def _save(self) -> None:
        from h2dlint.runtime.stacks import is_user
        from h2dlint.runtime.traces import save

        with self._lock:
            collector = self._collector
            if collector is None:
                return
            lines = self._watch.lines
            if lines is not None:
                lines = {file: numbers for file, numbers in list(lines.items()) if is_user(file)}
            trace = collector.trace(lines, self._note)
            path = self._folder / f"{TRACE}-{self._pid}-{self._number}.json"
            partial = path.with_suffix(".partial")
            save(trace, partial)
            partial.replace(path)


def when_imported(name: str, then: Callable[[ModuleType], None]) -> None:
    """Call ``then`` with a module right after it has been imported, or now if it has been."""
    if name in sys.modules:
        then(sys.modules[name])
        return
    sys.meta_path.insert(0, _Waiting(name, then))


class _Waiting:
    """Lets others find the module, and steps in after it was executed.

    A finder by its methods alone: the abstract classes take longer to import than all the rest.
    """

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._then = then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module that is waited for; nothing else."""
        if fullname != self._name:
            return None
        with suppress(ValueError):
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Telling(spec.loader, self._then)
        return spec


class _Telling:
    """A loader that tells when it has executed its module, and leaves no trace of itself."""

    def __init__(self, loader: Any, then: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to the loader proper."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, then tell."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            self._then(module)
        except Exception as error:
            sys.stderr.write(f"h2dlint: this process is not watched: {type(error).__name__}: {error}\n")
