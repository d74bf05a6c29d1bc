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
from pathlib import Path
from types import ModuleType
from typing import Any

CONFIGURATION = "run.json"
STARTED = "started"
TRACE = "trace"
UNFINISHED = "unfinished"
"""A file for each process that uses CUDA, until it has written its trace to the end."""

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
        self._token = os.urandom(6).hex()
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Watch lines now, and copies as soon as CUDA is there."""
        from h2dlint.runtime.lines import LineWatch

        self._watch = LineWatch()
        self._watch.start()
        # Calling CUPTI earlier would start CUDA, and a process that has started it cannot fork workers that use it.
        when_imported("torch.cuda", lambda module: module._lazy_call(self._cuda_is_up))
        atexit.register(self._end)
        os.register_at_fork(after_in_child=self._forked)

    def _cuda_is_up(self) -> None:
        try:
            self._collect()
        except Exception as error:
            # Torch would take it for a fault of its own, and the program would end.
            self._note = self._note or f"{type(error).__name__}: {error}"
            _say(f"the copies of process {os.getpid()} are not recorded: {self._note}")

    def _collect(self) -> None:
        from h2dlint.runtime.collecting import Collector
        from h2dlint.runtime.cupti import CuptiError
        from h2dlint.runtime.recorder import hub

        if self._collector is not None:
            return
        collector = Collector(hub)
        try:
            collector.start()
        except Exception as error:
            self._note = str(error) if isinstance(error, CuptiError) else f"{type(error).__name__}: {error}"
            _say(f"the copies of process {os.getpid()} are not recorded: {self._note}")
        with suppress(OSError):
            self._path(UNFINISHED).touch()
        torch = sys.modules["torch"]
        with suppress(Exception):
            collector.gpu = str(torch.cuda.get_device_name())
        self._collector = collector
        self._finish_as_worker()
        threading.Thread(target=self._save_now_and_then, name="h2dlint", daemon=True).start()

    def _finish_as_worker(self) -> None:
        """Workers of multiprocessing that were forked end without atexit."""
        from multiprocessing import util

        util.Finalize(None, self._finish, exitpriority=-100)

    def _forked(self) -> None:
        """In a forked child: what the parent recorded is the parent's."""
        self._pid = os.getpid()
        self._token = os.urandom(6).hex()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._saved = -1
        self._collector = None
        if "multiprocessing.util" in sys.modules:
            # It drops what is registered before this, and then asks whoever wants to know of a fork.
            sys.modules["multiprocessing.util"].register_after_fork(self, Tracing._finish_as_worker)
        with suppress(OSError):
            (self._folder / f"{STARTED}-{self._pid}").touch()

    def _save_now_and_then(self) -> None:
        pause = FIRST_SAVE_S
        while not self._stop.wait(pause):
            with suppress(Exception):
                self._save()
            pause = min(pause * 1.5, LONGEST_SAVE_S)

    def _path(self, kind: str) -> Path:
        # A number of a process may come again: after ``os.execv``, in another container, after days.
        return self._folder / f"{kind}-{self._pid}-{self._token}.json"

    def _end(self) -> None:
        """At the end of the interpreter: nothing of ours may be called any more."""
        self._finish()
        with suppress(Exception):
            self._watch.stop()
        with suppress(Exception):
            if self._collector is not None:
                self._collector.stop()

    def _finish(self) -> None:
        if os.getpid() != self._pid:
            return
        self._stop.set()
        try:
            if self._collector is not None:
                from h2dlint.runtime.recorder import hub

                hub.pairing.flush_all()
            self._save()
            with suppress(OSError):
                self._path(UNFINISHED).unlink(missing_ok=True)
        except Exception as error:
            if self._folder.is_dir():
                _say(f"the trace was not written: {type(error).__name__}: {error}")

    def _save(self) -> None:
        from h2dlint.runtime.stacks import is_user
        from h2dlint.runtime.traces import Trace, save

        with self._lock:
            collector = self._collector
            lines = self._watch.lines
            if lines is not None:
                lines = {file: numbers for file, numbers in list(lines.items()) if is_user(file)}
            if collector is not None:
                trace = collector.trace(lines, self._note)
            elif lines:
                # No CUDA here, but a line that ran must not be said not to have run.
                ran = {file: tuple(sorted(numbers)) for file, numbers in lines.items()}
                trace = Trace((), (), (), (), ran)
            else:
                return
            path = self._path(TRACE)
            partial = path.with_suffix(".partial")
            save(trace, partial)
            partial.replace(path)


def _say(text: str) -> None:
    """Tell the user, if there is a way: the standard error of a program may be closed, or anything at all."""
    with suppress(Exception):
        sys.stderr.write(f"h2dlint: {text}\n")


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
            spec.loader = _Telling(spec.loader, self._then)  # type: ignore[assignment, unused-ignore]
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
            _say(f"this process is not watched: {type(error).__name__}: {error}")
