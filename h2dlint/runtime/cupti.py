"""Watches the copies and waits that a process asks CUDA for, through CUPTI's callbacks.

CUPTI calls back on the thread that makes the call, before and after it. That gives what nothing else gives at once:
the Python frames that asked for the copy, the time that the very call took, and bytes, direction, stream and
thread. Only the few calls in ``WATCHED`` are called back for, so that kernels are launched at full speed.

Source: CUPTI's Callback API, ``cupti_callbacks.h`` and ``generated_cuda_runtime_api_meta.h`` of CUDA 12 and 13. The
layouts read here (``CUpti_CallbackData``, the parameters of the copies) have not changed since CUDA 3.2.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

ENTER = 0
EXIT = 1

H2D = "h2d"
D2H = "d2h"
D2D = "d2d"
H2H = "h2h"
OTHER = "other"

_RUNTIME_API = 2
_OK = 0
_ALREADY_SUBSCRIBED = 39
_NAMES_END = 1000
"""Callback ids are asked for their names up to this one; CUDA 13.5 has less than 600."""

_COPY = ("cudaMemcpyAsync", "cudaMemcpy")
_COPY_2D = ("cudaMemcpy2DAsync", "cudaMemcpy2D")
_WAIT = ("cudaStreamSynchronize", "cudaEventSynchronize", "cudaDeviceSynchronize")
WATCHED = _COPY + _COPY_2D + _WAIT

_KINDS = {0: H2H, 1: H2D, 2: D2H, 3: D2D}
_DEFAULT_KIND = 4
_MEMORY_TYPE = 2  # CU_POINTER_ATTRIBUTE_MEMORY_TYPE
_HOST = 1  # CU_MEMORYTYPE_HOST: page-locked


class CuptiError(RuntimeError):
    """CUPTI cannot be used in this process; the message says why."""


@dataclass(slots=True)
class Call:
    """One watched call, as it begins.

    Attributes:
        name: of the CUDA function, without the version: ``cudaMemcpyAsync``.
        waits: the call returns when the device is done: a synchronize, or a copy that is not asynchronous.
        direction: of a copy, ``h2d`` and so on; empty for a wait.
        bytes: that a copy moves.
        pinned: the host side of a copy is page-locked, so that the device can read it by itself.
        stream: handle of the stream, 0 for the default one.
        began_ns, ended_ns: of the call itself, by ``time.perf_counter_ns``; ``ended_ns`` is 0 until it has ended.
    """

    name: str
    waits: bool
    direction: str = ""
    bytes: int = 0
    pinned: bool = False
    stream: int = 0
    began_ns: int = 0
    ended_ns: int = 0


Sink = Callable[[int, Call, FrameType | None], None]
"""Called with ``ENTER`` or ``EXIT``, the call, and the Python frame that it comes from, if any."""


class _CallbackData(ctypes.Structure):
    _fields_ = (
        ("site", ctypes.c_int),
        ("function", ctypes.c_char_p),
        ("parameters", ctypes.c_void_p),
        ("returned", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("context", ctypes.c_void_p),
        ("context_id", ctypes.c_uint32),
        ("correlation_data", ctypes.c_void_p),
        ("correlation", ctypes.c_uint32),
    )


class _CopyParameters(ctypes.Structure):
    _fields_ = (
        ("target", ctypes.c_void_p),
        ("source", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
        ("kind", ctypes.c_int),
        ("stream", ctypes.c_void_p),
    )


class _Copy2DParameters(ctypes.Structure):
    _fields_ = (
        ("target", ctypes.c_void_p),
        ("target_pitch", ctypes.c_size_t),
        ("source", ctypes.c_void_p),
        ("source_pitch", ctypes.c_size_t),
        ("width", ctypes.c_size_t),
        ("height", ctypes.c_size_t),
        ("kind", ctypes.c_int),
        ("stream", ctypes.c_void_p),
    )


class _WaitParameters(ctypes.Structure):
    _fields_ = (("handle", ctypes.c_void_p),)


_CALLBACK = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.POINTER(_CallbackData)
)


_closed: list[object] = []
"""Callbacks of closed subscriptions, which C code may still be about to call; they are small, and there are few."""


class Subscription:
    """A subscriber of this process; there can be only one, and it stays until ``close``.

    Args:
        sink: gets each watched call twice. It runs inside the call, so it must be quick and must not raise.

    Raises:
        CuptiError: the library is not there, or another tool (a profiler) holds the subscription.
    """

    def __init__(self, sink: Sink) -> None:
        self._cupti = _load_cupti()
        self._pinned = _PointerTypes()
        self._sink = sink
        self._open: dict[int, Call] = {}
        self._handle = ctypes.c_void_p()
        self._callback = _CALLBACK(self._called)
        status = self._cupti.cuptiSubscribe(ctypes.byref(self._handle), self._callback, None)
        if status == _ALREADY_SUBSCRIBED:
            raise CuptiError("another profiler holds CUPTI's callbacks in this process")
        self._check(status, "cuptiSubscribe")
        self._names = dict(self._watched())
        if not self._names:
            self.close()
            raise CuptiError("CUPTI knows none of the calls to watch")
        for callback_id in self._names:
            status = self._cupti.cuptiEnableCallback(
                ctypes.c_uint32(1), self._handle, ctypes.c_int(_RUNTIME_API), ctypes.c_uint32(callback_id)
            )
            self._check(status, "cuptiEnableCallback")

    def close(self) -> None:
        """End the subscription."""
        if self._handle.value:
            self._cupti.cuptiUnsubscribe(self._handle)
            self._handle = ctypes.c_void_p()
            # Another thread may be on its way into the callback, waiting for the interpreter.
            _closed.append(self._callback)

    def _watched(self) -> Iterator[tuple[int, str]]:
        """Ids of the calls to watch, with their names; CUPTI itself knows which is which."""
        name = ctypes.c_char_p()
        for callback_id in range(1, _NAMES_END):
            status = self._cupti.cuptiGetCallbackName(
                ctypes.c_int(_RUNTIME_API), ctypes.c_uint32(callback_id), ctypes.byref(name)
            )
            if status != _OK or name.value is None:
                continue
            # cudaMemcpyAsync_v3020, and cudaMemcpyAsync_ptsz_v7000 of programs with a default stream per thread.
            base = name.value.decode("ascii", "replace").split("_")[0]
            if base in WATCHED:
                yield callback_id, base

    def _called(self, _user: object, _domain: int, callback_id: int, data: Any) -> None:
        now = time.perf_counter_ns()
        # An exception cannot leave a callback of ctypes: it would be printed each time, and go nowhere.
        try:
            event = data.contents
            frame = sys._getframe().f_back
            if event.site == ENTER:
                call = self._call(self._names[callback_id], event.parameters)
                self._open[event.correlation] = call
                self._sink(ENTER, call, frame)
                call.began_ns = time.perf_counter_ns()
                return
            opened = self._open.pop(event.correlation, None)
            if opened is not None:
                opened.ended_ns = now
                self._sink(EXIT, opened, frame)
        except Exception as error:
            _complain(error)

    def _call(self, name: str, parameters: int) -> Call:
        if name in _WAIT:
            handle = 0
            if name == "cudaStreamSynchronize":
                handle = _WaitParameters.from_address(parameters).handle or 0
            return Call(name, waits=True, stream=handle)
        asynchronous = name.endswith("Async")
        copy: Any
        if name in _COPY:
            copy = _CopyParameters.from_address(parameters)
            count = copy.count
        else:
            copy = _Copy2DParameters.from_address(parameters)
            count = copy.width * copy.height
        direction, pinned = self._direction(copy.kind, copy.source, copy.target)
        # The parameters of copies that are not asynchronous end before the stream.
        stream = (copy.stream or 0) if asynchronous else 0
        return Call(name, not asynchronous, direction, count, pinned, stream)

    def _direction(self, kind: int, source: int | None, target: int | None) -> tuple[str, bool]:
        if kind == _DEFAULT_KIND:
            ends = self._pinned.kind(source), self._pinned.kind(target)
            host = ends[0] in (0, _HOST), ends[1] in (0, _HOST)
            direction = {(True, True): H2H, (True, False): H2D, (False, True): D2H}.get(host, D2D)
        else:
            direction = _KINDS.get(kind, OTHER)
        if direction == H2D:
            return direction, self._pinned.kind(source) == _HOST
        if direction == D2H:
            return direction, self._pinned.kind(target) == _HOST
        return direction, False

    def _check(self, status: int, function: str) -> None:
        if status == _OK:
            return
        text = ctypes.c_char_p()
        self._cupti.cuptiGetResultString(ctypes.c_int(status), ctypes.byref(text))
        reason = (text.value or b"").decode("ascii", "replace") or f"error {status}"
        raise CuptiError(f"{function} failed: {reason}")


class _PointerTypes:
    """Asks the driver where memory lies."""

    def __init__(self) -> None:
        try:
            self._driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        except OSError as error:
            raise CuptiError(f"the CUDA driver cannot be loaded: {error}") from error

    def kind(self, pointer: int | None) -> int:
        """Memory type of an address; 0 for memory that CUDA does not know: pageable."""
        kind = ctypes.c_uint(0)
        status = self._driver.cuPointerGetAttribute(
            ctypes.byref(kind), ctypes.c_int(_MEMORY_TYPE), ctypes.c_void_p(pointer)
        )
        return kind.value if status == _OK else 0


def _load_cupti() -> ctypes.CDLL:
    """The CUPTI that torch brought along, else one that the system has."""
    tried = []
    for name in _candidates():
        try:
            library = ctypes.CDLL(name)
        except OSError as error:
            tried.append(str(error))
            continue
        if hasattr(library, "cuptiSubscribe"):
            return library
    raise CuptiError("CUPTI cannot be loaded: " + ("; ".join(tried) or "no library found"))


def _candidates() -> Iterator[str]:
    # A library that the process has loaded already is the one to use: two copies would not see each other's calls.
    maps = Path("/proc/self/maps")
    if maps.exists():
        loaded = {
            line.split(maxsplit=5)[5].strip() for line in maps.read_text().splitlines() if "libcupti" in line
        }
        yield from sorted(loaded)
    for folder in map(Path, sys.path):
        for pattern in ("nvidia/cu*/lib/libcupti.so.*", "nvidia/cuda_cupti/lib/libcupti.so.*"):
            yield from (str(path) for path in sorted(folder.glob(pattern), reverse=True))
    yield from ("libcupti.so.13", "libcupti.so.12", "libcupti.so")


_complained: set[str] = set()


def _complain(error: Exception) -> None:
    """Say a fault of ours once; the program that is watched goes on."""
    text = f"{type(error).__name__}: {error}"
    if text not in _complained:
        _complained.add(text)
        sys.stderr.write(f"h2dlint: some copies were not recorded: {text}\n")
