"""Which calls make a copy that the host waits for, and whose they are."""

from __future__ import annotations

import _thread
import threading
from pathlib import Path
from types import CodeType, SimpleNamespace

import pytest

from h2dlint.runtime.collecting import MAX_STALLS, MAX_THREADS, OTHER_THREADS, Collector
from h2dlint.runtime.cupti import D2H, ENTER, EXIT, H2D, Call, CuptiError
from h2dlint.runtime.recorder import Event, Happened, Hub, staged_holds
from h2dlint.runtime.traces import ASYNC, STAGED, SYNC, WAIT, Trace

from .scripted_cuda import ScriptedCuda

HERE = str(Path(__file__))


@pytest.fixture
def cuda() -> ScriptedCuda:
    return ScriptedCuda()


@pytest.fixture
def hub(cuda: ScriptedCuda) -> Hub:
    return Hub(cuda.subscribe)


@pytest.fixture
def told(hub: Hub) -> list[Happened]:
    happened: list[Happened] = []
    hub.add(happened.append)
    return happened


def kinds(told: list[Happened]) -> list[str]:
    return [item.kind for item in told]


def line_of(text: str) -> int:
    lines = Path(HERE).read_text(encoding="utf-8").splitlines()
    found = [number for number, line in enumerate(lines, 1) if line.rstrip().endswith(f"# {text}")]
    assert len(found) == 1, text
    return found[0]


def test_a_copy_and_the_wait_of_its_operator_are_one_stall(cuda: ScriptedCuda, told: list[Happened]) -> None:
    cuda.upload(24, held_us=250.0)
    assert kinds(told) == [SYNC]
    assert told[0].held_us == pytest.approx(250.0)
    assert (told[0].call.bytes, told[0].blocked) == (24, True)


def test_a_wait_on_the_next_line_is_not_the_copys(hub: Hub, cuda: ScriptedCuda, told: list[Happened]) -> None:
    cuda.send()
    cuda.synchronize(name="cudaStreamSynchronize", took_us=5000.0)
    assert kinds(told) == [ASYNC, WAIT]
    assert not told[0].blocked


def test_a_wait_for_another_stream_is_not_the_copys(cuda: ScriptedCuda, told: list[Happened]) -> None:
    import sys

    from h2dlint.runtime.cupti import H2D, Call

    frame = sys._getframe()
    for call in (
        Call("cudaMemcpyAsync", False, H2D, 8, True, 7),
        Call("cudaStreamSynchronize", True, stream=9),
    ):
        cuda.call(call, 10.0, frame)
    assert kinds(told) == [ASYNC, WAIT]


def test_a_copy_in_a_loop_is_told_each_time(hub: Hub, cuda: ScriptedCuda, told: list[Happened]) -> None:
    for _ in range(3):
        cuda.send()
    hub.pairing.flush()
    assert kinds(told) == [ASYNC] * 3


@pytest.mark.parametrize(
    ("took_us", "size", "holds"),
    [(20.0, 24, False), (204.0, 2 << 20, False), (10_432.0, 4 << 20, True), (3_841.0, 16 << 20, True)],
)
def test_staged_copies_hold_by_the_measured_figures(
    hub: Hub, cuda: ScriptedCuda, told: list[Happened], took_us: float, size: int, holds: bool
) -> None:
    """Held times of ``facts/h200_pageable_size.txt``: small ones return, 4 MiB waits for the queue."""
    cuda.send(size, took_us=took_us, pinned=False)
    hub.pairing.flush()
    assert kinds(told) == [STAGED]
    assert told[0].blocked is holds is staged_holds(took_us, size)


def test_a_read_back_is_a_wait_and_no_stall(cuda: ScriptedCuda, told: list[Happened]) -> None:
    cuda.upload(direction=D2H)
    cuda.copy(direction=D2H)
    assert kinds(told) == [WAIT, WAIT]


def test_a_copy_that_is_not_asynchronous_waits_by_itself(cuda: ScriptedCuda, told: list[Happened]) -> None:
    cuda.copy(took_us=33.0)
    assert kinds(told) == [SYNC]
    assert told[0].held_us == pytest.approx(33.0)


def test_what_is_suspended_is_left_out_on_this_thread_only(
    hub: Hub, cuda: ScriptedCuda, told: list[Happened]
) -> None:
    with hub.pairing.suspended():
        cuda.upload()
        other = threading.Thread(target=cuda.upload, name="other")
        other.start()
        other.join()
    cuda.synchronize()
    assert [(item.kind, item.thread) for item in told] == [(SYNC, "other"), (WAIT, "MainThread")]


def test_the_last_copy_of_a_thread_that_ended(hub: Hub, cuda: ScriptedCuda, told: list[Happened]) -> None:
    thread = threading.Thread(target=cuda.send, name="gone")
    thread.start()
    thread.join()
    assert told == []
    hub.pairing.flush_all()
    assert [(item.kind, item.thread, item.thread_id) for item in told] == [(ASYNC, "gone", thread.ident)]


def test_the_last_listener_ends_the_subscription(hub: Hub, cuda: ScriptedCuda) -> None:
    one, other = hub.add(lambda _: None), hub.add(lambda _: None)
    assert cuda.subscriptions == 1
    one.close()
    one.close()
    assert cuda.is_subscribed()
    other.close()
    assert not cuda.is_subscribed()
    hub.add(lambda _: None).close()
    assert cuda.subscriptions == 2


def test_what_an_earlier_subscription_left_is_forgotten(hub: Hub, cuda: ScriptedCuda) -> None:
    first = hub.add(lambda _: None)
    thread = threading.Thread(target=cuda.send)
    thread.start()
    thread.join()
    first.close()
    heard: list[Happened] = []
    hub.add(heard.append)
    hub.pairing.flush_all()
    assert heard == []


def test_a_listener_that_cannot_be_served_is_not_kept(cuda: ScriptedCuda) -> None:
    def refuse(_sink: object) -> ScriptedCuda:
        raise CuptiError("another profiler")

    hub = Hub(refuse)
    with pytest.raises(CuptiError):
        hub.add(lambda _: None)
    hub.subscribe = cuda.subscribe
    heard: list[Happened] = []
    hub.add(heard.append)
    cuda.upload()
    assert kinds(heard) == [SYNC]


def test_an_event_names_the_expression(hub: Hub, cuda: ScriptedCuda) -> None:
    events: list[Event] = []
    hub.add(lambda happened: events.append(hub.event(happened)))
    cuda.upload()  # here
    (event,) = events
    frame = event.frames[event.user]
    assert (frame.file, frame.line, frame.function) == (
        HERE,
        line_of("here"),
        "test_an_event_names_the_expression",
    )
    assert event.operator == "Tensor.upload"


def collected(hub: Hub, cuda: ScriptedCuda) -> Collector:
    collector = Collector(hub)
    collector.began_ns = 0
    collector.start()
    return collector


def sites(trace: Trace) -> list[tuple[str, int, int, int]]:
    return [(site.kind, site.count, site.blocked, site.bytes) for site in trace.sites]


def test_a_line_is_one_site_however_many_threads_run_it(hub: Hub, cuda: ScriptedCuda) -> None:
    collector = collected(hub, cuda)
    threads = [threading.Thread(target=lambda: cuda.upload(), name=f"worker-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
        thread.join()
    trace = collector.trace(None)
    assert sites(trace) == [(SYNC, 4, 4, 32)]
    assert trace.sites[0].threads == tuple(f"worker-{n}" for n in range(4))
    assert sorted(stall.thread for stall in trace.stalls) == list(trace.sites[0].threads)
    assert {stall.site for stall in trace.stalls} == {0}


def test_stalls_beyond_the_limit_are_counted(
    hub: Hub, cuda: ScriptedCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("h2dlint.runtime.collecting.MAX_STALLS", 3)
    collector = collected(hub, cuda)
    for _ in range(5):
        cuda.upload()
        cuda.synchronize()
    trace = collector.trace(None)
    assert trace.processes[0].dropped == 2
    assert len(trace.stalls) == 6  # three, and as many other waits
    assert (trace.blocking, trace.sites[0].count) == (5, 5)
    assert MAX_STALLS > 1000


def test_no_python_is_no_frames(hub: Hub, cuda: ScriptedCuda) -> None:
    collector = collected(hub, cuda)
    cuda.from_no_python()
    (site,) = collector.trace(None).sites
    assert (site.kind, site.frames, site.frame, site.operator) == (SYNC, (), None, "")


def test_nothing_is_heard_after_the_end(hub: Hub, cuda: ScriptedCuda) -> None:
    collector = collected(hub, cuda)
    cuda.upload()
    collector.stop()
    cuda.upload()
    assert collector.trace(None).blocking == 1


def test_a_thread_that_keeps_nothing_between_calls(hub: Hub, told: list[Happened]) -> None:
    """As threads that C++ started: what is local to a thread is gone whenever a callback ends."""
    copy = Call("cudaMemcpyAsync", False, H2D, 8, began_ns=1, ended_ns=1)
    wait = Call("cudaStreamSynchronize", True, began_ns=1, ended_ns=1)
    done = threading.Event()

    def run() -> None:
        for phase, call in [(ENTER, copy), (EXIT, copy), (ENTER, wait), (EXIT, wait)]:
            hub.pairing._local = threading.local()  # type: ignore[attr-defined]
            hub.pairing.sink(phase, call, None)
        done.set()

    _thread.start_new_thread(run, ())
    assert done.wait(10)
    assert kinds(told) == [SYNC]
    assert len(hub.pairing._threads) == 1


def test_threads_that_have_ended_are_not_kept(hub: Hub, cuda: ScriptedCuda, told: list[Happened]) -> None:
    for number in range(200):
        thread = threading.Thread(target=cuda.send, name=f"request {number}")
        thread.start()
        thread.join()
    assert len(hub.pairing._threads) < 50
    hub.pairing.flush_all()
    assert len(told) == 200
    assert {item.thread for item in told} == {f"request {number}" for number in range(200)}


def test_a_frame_at_the_address_of_one_that_is_gone(hub: Hub, told: list[Happened]) -> None:
    def code(name: str) -> CodeType:
        return compile("pass", name, "exec")

    copying, waiting = code("copies.py"), code("waits.py")
    frame = SimpleNamespace(f_code=copying, f_lasti=2, f_back=None, f_globals={})
    copy = Call("cudaMemcpyAsync", False, H2D, 8, True, began_ns=1, ended_ns=1)
    wait = Call("cudaStreamSynchronize", True, began_ns=1, ended_ns=1)
    hub.pairing.sink(ENTER, copy, frame)  # type: ignore[arg-type]
    hub.pairing.sink(EXIT, copy, frame)  # type: ignore[arg-type]
    frame.f_code = waiting
    hub.pairing.sink(ENTER, wait, frame)  # type: ignore[arg-type]
    hub.pairing.sink(EXIT, wait, frame)  # type: ignore[arg-type]
    assert kinds(told) == [ASYNC, WAIT]


def test_a_thread_for_each_request_does_not_fill_the_memory(hub: Hub, cuda: ScriptedCuda) -> None:
    collector = Collector(hub)
    collector.start()
    for number in range(MAX_THREADS + 50):
        thread = threading.Thread(target=cuda.upload, name=f"request {number}")
        thread.start()
        thread.join()
    (site,) = collector.trace(None).sites
    assert site.count == MAX_THREADS + 50
    assert len(site.threads) == MAX_THREADS + 1
    assert OTHER_THREADS in site.threads
