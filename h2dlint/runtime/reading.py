"""Reads trace files of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from h2dlint.runtime.traces import KIND, Trace, TraceError, from_json, merge

_HEAD = 4096
"""Bytes from which the kind of a file is told."""


def read(path: Path) -> Trace:
    """Read a trace of h2dlint, or of ``torch.profiler``.

    Raises:
        TraceError: the file cannot be read, or is none.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
        if f'"{KIND}"'.encode() in head:
            return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"a damaged trace: not UTF-8: {error.reason}") from error
    from h2dlint.runtime import chrome

    return chrome.read(path)


def read_all(paths: Sequence[Path]) -> Trace:
    """Read traces of one run, such as one of each rank, as one.

    Raises:
        TraceError: one cannot be read, or they are of different kinds; the message names the file.
    """
    traces = []
    for path in paths:
        try:
            traces.append(read(path))
        except TraceError as error:
            raise TraceError(f"{path}: {error}") from error
    if len({trace.source for trace in traces}) > 1:
        raise TraceError("traces of h2dlint and of torch.profiler cannot be read together")
    return traces[0] if len(traces) == 1 else merge(traces)
