"""What a run over one text takes from the cache: the call graph of the project around it.

A text that an editor holds is linted as if it were in its file. Its verdict is not kept, but what calls what in the
project is the same as for the files on disk, and takes seconds to find out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from h2dlint.engine.cache import Cache, version
from h2dlint.engine.graphs import Graphs
from h2dlint.engine.ledger import Ledger
from h2dlint.engine.settings import Settings

if TYPE_CHECKING:
    from h2dlint.engine.modules import Projects


def standing(folder: Path, settings: Settings) -> Projects:
    """The modules that a run looks into, with the call graphs that an earlier run has left.

    Where one of them is no longer that of the files on disk, it is made anew and kept.

    Args:
        folder: of the cache.
        settings: of the run.
    """
    graphs = Graphs(folder, version(), Ledger())

    def scan(path: str) -> str | None:
        # Read when a graph is asked for: most texts ask none. It takes the place of this function.
        Cache(folder, settings, graphs)
        return graphs.scan(path)

    graphs.scan = scan
    return graphs.projects
