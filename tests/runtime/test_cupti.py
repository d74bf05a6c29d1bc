"""What CUPTI hands over is read as its headers say. The library is a fake; its structures are laid out for real."""

from __future__ import annotations

import ctypes
import sys
from types import FrameType
from typing import Any

import pytest

from h2dlint.runtime import cupti
from h2dlint.runtime.cupti import ENTER, EXIT, Call, CuptiError, Subscription

PAGEABLE, PINNED, DEVICE = 0x1000, 0x2000, 0x3000
MEMORY = {PINNED: 1, DEVICE: 2}

# Of CUPTI_RUNTIME_TRACE_CBID in cupti_runtime_cbid.h.
IDS = {
    13: "cudaLaunch_v3020",
    31: "cudaMemcpy_v3020",
    41: "cudaMemcpyAsync_v3020",
    44: "cudaMemcpy2DAsync_v3020",
    131: "cudaStreamSynchronize_v3020",
    165: "cudaDeviceSynchronize_v3020",
    225: "cudaMemcpyAsync_ptsz_v7000",
}


class FakeCupti:
    """Functions of the library that are called, with the callbacks that were enabled."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.enabled: set[int] = set()
        self.callback: Any = None
        self.unsubscribed = 0
        self.kept: object = None
        """The subscription: its callback lives as long as it does."""

    def cuptiSubscribe(self, handle: Any, callback: Any, _user: object) -> int:
        self.callback = callback
        handle._obj.value = 1234
        return self.status

    def cuptiUnsubscribe(self, _handle: object) -> int:
        self.unsubscribed += 1
        return 0

    def cuptiGetCallbackName(self, domain: ctypes.c_int, number: ctypes.c_uint32, name: Any) -> int:
        assert domain.value == 2
        if number.value not in IDS:
            return 1
        name._obj.value = IDS[number.value].encode()
        return 0

    def cuptiEnableCallback(self, on: ctypes.c_uint32, _handle: object, _domain: object, number: Any) -> int:
        assert on.value == 1
        self.enabled.add(number.value)
        return 0

    def cuptiGetResultString(self, _status: object, text: Any) -> int:
        text._obj.value = b"CUPTI_ERROR_SOMETHING"
        return 0

    def happens(self, number: int, parameters: ctypes.Structure) -> None:
        """Make a call: CUPTI tells of it before and after."""
        data = cupti._CallbackData(parameters=ctypes.addressof(parameters), correlation=number)
        for site in (ENTER, EXIT):
            data.site = site
            self.callback(None, 2, number, ctypes.pointer(data))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeCupti:
    fake = FakeCupti()
    monkeypatch.setattr(cupti, "_load_cupti", lambda: fake)

    class Pointers:
        def kind(self, pointer: int | None) -> int:
            return MEMORY.get(pointer or 0, 0)

    monkeypatch.setattr(cupti, "_PointerTypes", Pointers)
    return fake


@pytest.fixture
def heard(library: FakeCupti) -> list[tuple[int, Call, FrameType | None]]:
    told: list[tuple[int, Call, FrameType | None]] = []
    subscription = Subscription(lambda phase, call, frame: told.append((phase, call, frame)))
    assert subscription is not None
    library.kept = subscription
    return told


def copied(source: int, target: int, kind: int, count: int = 24, stream: int = 7) -> cupti._CopyParameters:
    return cupti._CopyParameters(target=target, source=source, count=count, kind=kind, stream=stream)


def test_only_copies_and_waits_are_called_back_for(library: FakeCupti, heard: object) -> None:
    assert library.enabled == set(IDS) - {13}


@pytest.mark.parametrize(
    ("parameters", "direction", "pinned"),
    [
        (copied(PAGEABLE, DEVICE, 1), "h2d", False),
        (copied(PINNED, DEVICE, 1), "h2d", True),
        (copied(DEVICE, PAGEABLE, 2), "d2h", False),
        (copied(DEVICE, PINNED, 2), "d2h", True),
        (copied(DEVICE, DEVICE, 3), "d2d", False),
        (copied(PAGEABLE, DEVICE, 4), "h2d", False),
        (copied(PINNED, DEVICE, 4), "h2d", True),
        (copied(DEVICE, PAGEABLE, 4), "d2h", False),
        (copied(DEVICE, DEVICE, 4), "d2d", False),
        (copied(PAGEABLE, PINNED, 4), "h2h", False),
        (copied(PAGEABLE, DEVICE, 99), "other", False),
    ],
)
@pytest.mark.parametrize("number", [41, 225])
def test_copies(
    library: FakeCupti,
    heard: list[Any],
    parameters: cupti._CopyParameters,
    direction: str,
    pinned: bool,
    number: int,
) -> None:
    library.happens(number, parameters)
    (phase, call, frame), (later, same, _) = heard
    assert (phase, later) == (ENTER, EXIT)
    assert call is same
    assert (call.name, call.waits, call.direction, call.pinned) == (
        "cudaMemcpyAsync",
        False,
        direction,
        pinned,
    )
    assert (call.bytes, call.stream) == (24, 7)
    assert 0 < call.began_ns <= call.ended_ns
    assert frame is not None
    assert frame.f_code is FakeCupti.happens.__code__


def test_a_copy_that_is_not_asynchronous_waits(library: FakeCupti, heard: list[Any]) -> None:
    # The parameters of cudaMemcpy end before the stream: what follows is not to be read.
    library.happens(31, copied(PAGEABLE, DEVICE, 1, stream=0xDEAD))
    call = heard[0][1]
    assert (call.name, call.waits, call.direction, call.stream) == ("cudaMemcpy", True, "h2d", 0)


def test_a_copy_of_a_rectangle(library: FakeCupti, heard: list[Any]) -> None:
    library.happens(
        44, cupti._Copy2DParameters(target=DEVICE, source=PINNED, width=16, height=3, kind=1, stream=5)
    )
    call = heard[0][1]
    assert (call.direction, call.bytes, call.pinned, call.stream) == ("h2d", 48, True, 5)


def test_waits(library: FakeCupti, heard: list[Any]) -> None:
    library.happens(131, cupti._WaitParameters(handle=9))
    library.happens(165, cupti._WaitParameters(handle=9))
    calls = [call for phase, call, _ in heard if phase == EXIT]
    assert [(call.name, call.waits, call.direction, call.stream) for call in calls] == [
        ("cudaStreamSynchronize", True, "", 9),
        ("cudaDeviceSynchronize", True, "", 0),
    ]


def test_a_fault_of_ours_is_said_once_and_harms_nobody(
    library: FakeCupti, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    subscription = Subscription(fail)
    for _ in range(3):
        library.happens(131, cupti._WaitParameters(handle=9))
    assert capsys.readouterr().err.count("ZeroDivisionError: of ours") == 1
    subscription.close()
    subscription.close()
    assert library.unsubscribed == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [(39, "another profiler holds"), (7, "cuptiSubscribe failed: CUPTI_ERROR_SOMETHING")],
)
def test_refusals(library: FakeCupti, status: int, message: str) -> None:
    library.status = status
    with pytest.raises(CuptiError, match=message):
        Subscription(lambda *_: None)


def test_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupti, "_candidates", lambda: iter(["libsurely-not-there.so"]))
    with pytest.raises(CuptiError, match=r"CUPTI cannot be loaded: .*libsurely-not-there"):
        Subscription(lambda *_: None)


@pytest.mark.skipif(sys.platform != "linux", reason="the layout is that of 64-bit Linux")
def test_the_layout_is_that_of_the_headers() -> None:
    data = cupti._CallbackData
    offsets = {name: getattr(data, name).offset for name, _ in data._fields_}
    # CUpti_CallbackData: int, 3 pointers, symbol name, context, uid, pointer, id.
    assert offsets == {
        "site": 0, "function": 8, "parameters": 16, "returned": 24, "symbol": 32, "context": 40,
        "context_id": 48, "correlation_data": 56, "correlation": 64,
    }  # fmt: skip
    assert [getattr(cupti._CopyParameters, name).offset for name, _ in cupti._CopyParameters._fields_] == [
        0, 8, 16, 24, 32,
    ]  # fmt: skip
