"""Runs when Python starts below ``h2dlint trace`` and ``h2dlint verify``, because its folder heads PYTHONPATH.

It must not be seen: the folder leaves sys.path, and a ``sitecustomize`` that the environment has runs as ever.
"""

import os
import sys


def _start() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    own = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # noqa: F401 - that of the environment, if there is one
    except ImportError:
        # The import system wants to find the module that it has just run.
        sys.modules["sitecustomize"] = own
    folder = os.environ.get("H2DLINT_RUN")
    if not folder:
        return
    try:
        from importlib import import_module

        package = os.environ.get("H2DLINT_PACKAGE", "")
        try:
            bootstrap = import_module("h2dlint.runtime.bootstrap")
        except ImportError:
            # Another interpreter than the one that h2dlint is installed for: what runs here needs no more than the
            # standard library, so that its files will do.
            sys.path.append(package)
            bootstrap = import_module("h2dlint.runtime.bootstrap")
        bootstrap.start(folder)
    except Exception as error:
        sys.stderr.write(f"h2dlint: this process is not watched: {type(error).__name__}: {error}\n")


_start()
