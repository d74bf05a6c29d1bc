"""One file per output format: a report in, text out.

A reporter decides nothing and writes nowhere: it yields text, which ``cli`` sends to its place.
To add a format, write a subclass of `Reporter` in a file of its own and name it in `FORMATS`.
"""

from __future__ import annotations

from h2dlint.report.base import Reporter, Sources, Unreported, View
from h2dlint.report.concise import ConciseReporter
from h2dlint.report.full import FullReporter
from h2dlint.report.json import JsonReporter

FORMATS: dict[str, type[Reporter]] = {
    "full": FullReporter,
    "concise": ConciseReporter,
    "json": JsonReporter,
}
"""Format name, as ``--output-format`` takes it, to reporter."""

__all__ = ["FORMATS", "Reporter", "Sources", "Unreported", "View"]
