"""One file per output format: a report in, text out.

A reporter decides nothing and writes nowhere: it yields text, which ``cli`` sends to its place.
To add a format, write a subclass of `Reporter` in a file of its own and name it in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from h2dlint.report.base import Reporter, Sources, Unreported, View


class _Formats(Mapping[str, type[Reporter]]):
    """Formats, each imported when it is asked for."""

    def __init__(self, **places: str) -> None:
        self._places = places

    def __getitem__(self, name: str) -> type[Reporter]:
        module, attribute = self._places[name].split(":")
        found = getattr(import_module(f"{__name__}.{module}"), attribute)
        assert issubclass(found, Reporter)
        return found  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


FORMATS: Mapping[str, type[Reporter]] = _Formats(
    full="full:FullReporter",
    concise="concise:ConciseReporter",
    json="json:JsonReporter",
    sarif="sarif:SarifReporter",
    github="github:GithubReporter",
    gitlab="gitlab:GitlabReporter",
    junit="junit:JunitReporter",
)
"""Format name, as ``--output-format`` takes it, to reporter."""

__all__ = ["FORMATS", "Reporter", "Sources", "Unreported", "View"]
