"""What happens when a program runs: trace, verify, and a guard for tests.

Nothing here imports torch before it is needed, so that the command line and the pytest plugin stay light.

* ``record(name, value)`` hands a result to ``h2dlint verify``, which compares it before and after the fixes.
* ``no_blocking_h2d()`` fails if the code under it makes the host wait for a host-to-device copy; ``allow(reason)``
  marks the copies that may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from h2dlint.runtime.guard import BlockingCopyError, GuardError, allow, no_blocking_h2d
    from h2dlint.runtime.recording import record

__all__ = ["BlockingCopyError", "GuardError", "allow", "no_blocking_h2d", "record"]

_PLACES = {
    "record": "h2dlint.runtime.recording",
    "no_blocking_h2d": "h2dlint.runtime.guard",
    "allow": "h2dlint.runtime.guard",
    "BlockingCopyError": "h2dlint.runtime.guard",
    "GuardError": "h2dlint.runtime.guard",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and no more: a program that records need not load the guard."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
