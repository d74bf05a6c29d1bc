"""Runs when Python starts below ``h2dlint trace`` and ``h2dlint verify``, because its folder heads PYTHONPATH.

It must not be seen: the folder leaves sys.path, and a ``sitecustomize`` that the environment has runs as ever.
"""

import os
import sys
from importlib import import_module


def _start() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    own = sys.modules.pop("sitecustomize")
    try:
        # That of the environment, if there is one.
        import_module("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        # The import system wants to find the module that it has just run.
        sys.modules["sitecustomize"] = own
    finally:
        # One that fails is told of by Python, as ever, and ends nothing.
        _watch()


def _watch() -> None:
    folder = os.environ.get("H2DLINT_RUN")
    # A server that outlives the run may still start processes when nobody waits for their traces.
    if not folder or not os.path.isdir(folder):
        return
    try:
        package = os.environ.get("H2DLINT_PACKAGE", "")
        try:
            bootstrap = import_module("h2dlint.runtime.bootstrap")
        except ImportError:
            # Another interpreter than the one that h2dlint is installed for: what runs here needs no more than the
            # standard library, so that its files will do. What else lies there is not for the program to find.
            sys.path.append(package)
            try:
                bootstrap = import_module("h2dlint.runtime.bootstrap")
            finally:
                if sys.path[-1:] == [package]:
                    sys.path.pop()
        bootstrap.start(folder)
    except Exception as error:
        if sys.stderr is not None:
            sys.stderr.write(f"h2dlint: this process is not watched: {type(error).__name__}: {error}\n")


_start()
