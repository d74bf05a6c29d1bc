"""A trace comes back from its file as it was; traces of several processes make one."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.runtime.traces import (
    KINDS,
    SYNC,
    WAIT,
    Frame,
    Process,
    Site,
    Stall,
    Trace,
    TraceError,
    from_json,
    merge,
    to_json,
)

names = st.text(string.printable + "äß→\ud800", max_size=12)
times = st.integers(0, 10**9).map(lambda number: number / 1000)  # what a file keeps: nanoseconds
frames = st.builds(Frame, names, st.integers(1, 10**5), names, *[st.integers(0, 200)] * 3)


@st.composite
def sites(draw: st.DrawFn) -> Site:
    chain = tuple(draw(st.lists(frames, max_size=4)))
    count = draw(st.integers(1, 1000))
    return Site(
        kind=draw(st.sampled_from(KINDS)),
        frames=chain,
        user=draw(st.integers(0, max(0, len(chain) - 1))),
        operator=draw(names),
        count=count,
        blocked=draw(st.integers(0, count)),
        held_us=draw(times),
        max_us=draw(times),
        bytes=draw(st.integers(0, 2**40)),
        pinned=draw(st.booleans()),
        threads=tuple(sorted(draw(st.sets(names, max_size=2)))),
        compiling=draw(st.booleans()),
    )


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    own = tuple(draw(st.lists(sites(), max_size=4)))
    stalls = st.builds(Stall, times, times, st.integers(0, len(own) - 1), st.just(0), names)
    return Trace(
        command=tuple(draw(st.lists(names, max_size=3))),
        processes=(Process(draw(st.integers(1, 99999)), ("python",), draw(times), draw(times)),),
        sites=own,
        stalls=tuple(draw(st.lists(stalls, max_size=4))) if own else (),
        lines=draw(
            st.none()
            | st.dictionaries(names, st.sets(st.integers(1, 40), min_size=1).map(lambda n: tuple(sorted(n))))
        ),
    )


@given(traces())
def test_a_file_holds_all_of_it(trace: Trace) -> None:
    assert from_json(to_json(trace)) == trace


@given(st.lists(traces(), min_size=1, max_size=4))
def test_merging_loses_nothing(several: list[Trace]) -> None:
    merged = merge(several)
    assert len(merged.processes) == len(several)
    assert merged.blocking == sum(trace.blocking for trace in several)
    assert merged.held_us == pytest.approx(sum(trace.held_us for trace in several))
    assert merged.waited_us == pytest.approx(sum(trace.waited_us for trace in several))
    assert sum(site.count for site in merged.sites) == sum(s.count for trace in several for s in trace.sites)
    assert len(merged.stalls) == sum(len(trace.stalls) for trace in several)
    assert [site.held_us for site in merged.sites] == sorted((s.held_us for s in merged.sites), reverse=True)
    starts = [stall.start_us for stall in merged.stalls]
    assert starts == sorted(starts)
    for stall in merged.stalls:
        assert stall.process in range(len(several))
    if any(trace.lines is None for trace in several):
        assert merged.lines is None
    else:
        for trace in several:
            for file, ran in (trace.lines or {}).items():
                assert set(ran) <= set((merged.lines or {})[file])


@given(st.lists(traces(), min_size=1, max_size=3), st.randoms())
def test_the_order_of_processes_does_not_matter(several: list[Trace], random: object) -> None:
    shuffled = list(several)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = merge(several, ["x"]), merge(shuffled, ["x"])
    assert sorted(map(repr, one.sites)) == sorted(map(repr, other.sites)) or _ties(several)


def _ties(several: list[Trace]) -> bool:
    """Processes that nothing tells apart may be numbered either way."""
    keys = [(trace.processes[0].started, trace.processes[0].pid) for trace in several]
    return len(set(keys)) < len(keys)


def test_equal_chains_become_one_site_with_the_figures_of_both() -> None:
    frame = Frame("a.py", 3, "f")
    one = Site(SYNC, (frame,), 0, "torch.tensor", 2, 2, 10.0, 6.0, 16, threads=("a",))
    other = Site(SYNC, (frame,), 0, "torch.tensor", 1, 1, 9.0, 9.0, 8, threads=("b",), streams=2)
    wait = Site(WAIT, (frame,), 0, "Tensor.item", 1, 1, 50.0, 50.0)
    began = [Process(1, (), 100.0, 5.0), Process(2, (), 101.0, 4.0)]
    merged = merge(
        [
            Trace((), (began[1],), (other,), (Stall(7.0, 9.0, 0, 0, "b"),), {"a.py": (3, 4)}),
            Trace((), (began[0],), (wait, one), (Stall(3.0, 6.0, 1, 0, "a"),), {"a.py": (1, 3)}),
        ]
    )
    assert merged.sites == (
        wait,
        Site(SYNC, (frame,), 0, "torch.tensor", 3, 3, 19.0, 9.0, 24, False, ("a", "b"), 2, (0, 1)),
    )
    assert merged.stalls == (Stall(3.0, 6.0, 1, 0, "a"), Stall(1_000_007.0, 9.0, 1, 1, "b"))
    assert merged.lines == {"a.py": (1, 3, 4)}
    assert (merged.blocking, merged.held_us, merged.waited_us) == (3, 19.0, 50.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "not a trace of h2dlint"),
        ('{"traceEvents": []}', "not a trace of h2dlint"),
        ('{"kind": "h2dlint-trace", "version": 2}', "version 2; this program reads version 1"),
        ('{"kind": "h2dlint-trace", "version": 1}', "damaged trace"),
    ],
)
def test_what_is_no_trace_is_refused(text: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        from_json(text)


@given(traces(), st.data())
def test_a_trace_that_lost_a_part_is_refused_or_read(trace: Trace, data: st.DataObject) -> None:
    document = json.loads(to_json(trace))
    del document[data.draw(st.sampled_from(sorted(set(document) - {"kind", "version"})))]
    with pytest.raises(TraceError):
        from_json(json.dumps(document))
