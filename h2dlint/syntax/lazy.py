"""LibCST, imported when something of it is used.

Importing it takes longer than anything else that a run does at the start, and it is needed only where there is
something to report.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import libcst as cst
else:

    class _Lazy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            import libcst

            found = getattr(libcst, name)
            setattr(self, name, found)
            return found

    cst = _Lazy("cst")

__all__ = ["cst"]
