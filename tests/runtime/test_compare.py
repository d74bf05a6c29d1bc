"""What the comparison says of two recordings; what elements differ by, against torch itself."""

from __future__ import annotations

import itertools
import math
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from h2dlint.runtime.compare import MAX_MEASURED, Comparison, compare
from h2dlint.runtime.elements import Elements, decoder
from h2dlint.runtime.recording import Writer
from h2dlint.runtime.records import Recording, digest, read

Compare = Callable[..., Comparison]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Recording]:
    """Records values, ``x`` each, and reads them."""
    numbers = itertools.count()

    def recorded(*values: Any, name: str = "x") -> Recording:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        writer = Writer(folder)
        for value in values:
            writer.write(name, value)
        return read(folder)

    return recorded


def lines(comparison: Comparison) -> list[str]:
    return [str(difference) for difference in comparison.differences]


NAN = struct.unpack(">d", bytes.fromhex("7ff8000000000001"))[0]


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (1, 2, "x[0]: 1 before, 2 after"),
        (1.0, 1.5, "x[0]: 1.0 before, 1.5 after, a difference of 0.5"),
        (0.0, -0.0, "x[0]: 0.0 before, -0.0 after"),
        (math.nan, NAN, "x[0]: nan (bits 7ff8000000000000) before, nan (bits 7ff8000000000001) after"),
        (1, 1.0, "x[0]: int 1 before, float 1.0 after"),
        (1, True, "x[0]: int 1 before, bool True after"),
        (None, "a", "x[0]: None before, str 'a' after"),
        ([1, [2]], [1, [3]], "x[0][1][0]: 2 before, 3 after"),
        ([1], (1,), "x[0]: list of 1 before, tuple of 1 after"),
        ([1], [1, 2], "x[0]: 1 items before, 2 after"),
        ({"a": 1, "b": {}}, {"a": 1, "c": 2}, "x[0]: 'b' before only; 'c' after only"),
        ({"a": {3: 1}}, {"a": {3: 2}}, "x[0]['a'][3]: 1 before, 2 after"),
        ({1, 2}, {1, 3}, "x[0]: 1 of 2 members of the set are not the same"),
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), "x[0]: the same keys in another order"),
        (torch.zeros(2), torch.zeros(2).double(), "x[0]: dtype float32 before, float64 after"),
        (
            torch.zeros(2, 3),
            torch.zeros(6),
            "x[0]: shape [2, 3] before, [6] after; strides [3, 1] before, [1] after",
        ),
        (torch.zeros(2, 2), torch.zeros(2, 2).t(), "x[0]: strides [2, 1] before, [1, 2] after"),
        (torch.zeros(2), torch.zeros(2, device="meta"), "x[0]: device cpu before, meta after"),
        (torch.zeros(2), torch.zeros(2, requires_grad=True), "x[0]: requires_grad False before, True after"),
        (
            torch.zeros(2),
            torch.nn.Parameter(torch.zeros(2), requires_grad=False),
            "x[0]: class torch.Tensor before, torch.nn.parameter.Parameter after",
        ),
        (
            torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
            torch.tensor([[1.0, 2.5], [3.0, 3.75]]),
            "x[0]: 2 of 4 elements differ, by 0.5 at most, first at [0, 1]",
        ),
        (
            torch.tensor(0.0),
            torch.tensor(-0.0),
            "x[0]: 1 of 1 elements differs, by 0 at most (the sign of zero)",
        ),
        (
            torch.tensor([math.nan, 1.0]),
            torch.tensor([1.0, 1.0]),
            "x[0]: 1 of 2 elements differs, 1 NaN on one side only, first at [0]",
        ),
        (
            torch.tensor([True, True]),
            torch.tensor([True, False]),
            "x[0]: 1 of 2 elements differs, first at [1]",
        ),
        (
            torch.tensor([2**62, 1]),
            torch.tensor([-(2**62), 1]),
            "x[0]: 1 of 2 elements differs, by 9,223,372,036,854,775,808 at most, first at [0]",
        ),
        (
            torch.tensor([1 + 1j]).conj(),
            torch.tensor([1 - 1j]),
            "x[0]: conjugate bit set before only",
        ),
        (
            torch.eye(2).to_sparse(),
            (torch.eye(2) * 2).to_sparse(),
            "x[0].values: 2 of 2 elements differ, by 1 at most, first at [0]",
        ),
        (numpy.arange(3), numpy.arange(3).astype(">i8"), "x[0]: dtype <i8 before, >i8 after"),
        (
            numpy.arange(3, dtype=">f4"),
            numpy.array([0, 1, 4], dtype=">f4"),
            "x[0]: 1 of 3 elements differs, by 2 at most, first at [2]",
        ),
    ],
)
def test_each_difference_in_one_line(one: Any, other: Any, text: str, run: Callable[..., Recording]) -> None:
    first = run(one)
    assert lines(compare(first, run(other))) == [text]
    assert lines(compare(first, run(one))) == []


def test_what_was_compared_is_counted(run: Callable[..., Recording]) -> None:
    values = ({"a": torch.zeros(3), "b": [numpy.zeros(2)]}, 1, torch.eye(2).to_sparse())
    done = compare(run(*values), run(*values))
    # The sparse tensor: 2 x 2 indices of 8 bytes, 2 values of 4.
    assert (done.records, done.tensors, done.bytes) == (3, 3, 12 + 16 + 32 + 8)


def test_a_plain_dictionary_has_no_order(run: Callable[..., Recording]) -> None:
    assert lines(compare(run({"a": 1, "b": 2}), run({"b": 2, "a": 1}))) == []


def test_records_that_are_missing_or_extra(run: Callable[..., Recording]) -> None:
    assert lines(compare(run(1, 2, 3), run(1, 5))) == [
        "x: recorded 3 times before, 2 times after",
        "x[1]: 2 before, 5 after",
    ]
    assert lines(compare(run(1), run(1, name="y"))) == ["x: recorded before only", "y: recorded after only"]


def test_what_differs_by_itself_is_left_out_and_nothing_else(run: Callable[..., Recording]) -> None:
    def value(noise: float, sound: int) -> Any:
        return {"steps": [{"time": noise, "token": sound}, {"time": noise, "token": sound}]}

    first = run(value(1.0, 1), value(2.0, 1))
    noise = compare(first, run(value(1.5, 1), value(2.0, 1))).parts
    assert {(part.name, part.pattern) for part in noise} == {("x", "['steps'][*]['time']")}
    # The time of the other step and of the other record is the same thing.
    assert lines(compare(first, run(value(7.0, 1), value(8.0, 1)), noise)) == []
    assert lines(compare(first, run(value(7.0, 1), value(8.0, 2)), noise)) == [
        "x[1]['steps'][0]['token']: 1 before, 2 after",
        "x[1]['steps'][1]['token']: 1 before, 2 after",
    ]


def test_a_series_whose_length_changes_by_itself_is_left_out(run: Callable[..., Recording]) -> None:
    first = run(1, 2)
    noise = compare(first, run(1, 2, 3)).parts
    done = compare(first, run(9), noise)
    assert (done.differences, done.records) == ((), 0)


def test_noise_alone_is_no_comparison(run: Callable[..., Recording]) -> None:
    first = run([1.0])
    done = compare(first, run([3.0]), compare(first, run([2.0])).parts)
    assert (done.differences, done.records) == ((), 0)


def threaded(folder: Path, values: list[list[Any]]) -> Recording:
    """Each list is recorded by a thread, one after the other."""
    folder.mkdir()
    writer = Writer(folder)

    def record_all(mine: list[Any]) -> None:
        for value in mine:
            writer.write("x", value)

    for mine in values:
        thread = threading.Thread(target=record_all, args=(mine,))
        thread.start()
        thread.join()
    return read(folder)


def test_what_several_threads_record_has_no_order(tmp_path: Path) -> None:
    one = threaded(tmp_path / "1", [[torch.zeros(2), 1], [2, torch.ones(2)]])
    assert lines(compare(one, threaded(tmp_path / "2", [[torch.ones(2), 2], [torch.zeros(2), 1]]))) == []
    changed = threaded(tmp_path / "3", [[torch.ones(2), 2], [torch.zeros(2), 5]])
    assert lines(compare(one, changed)) == ["x[1]: 1 before, 5 after"]
    # The same without threads: order counts.
    single = threaded(tmp_path / "4", [[1, 2]])
    assert len(lines(compare(single, threaded(tmp_path / "5", [[2, 1]])))) == 2


def test_noise_does_not_keep_threads_from_being_matched(tmp_path: Path) -> None:
    def value(time: float, token: int) -> Any:
        return {"time": time, "token": [token, torch.full((2,), token)]}

    one = threaded(tmp_path / "1", [[value(1.0, 7)], [value(2.0, 8)]])
    noise = compare(one, threaded(tmp_path / "2", [[value(3.0, 7)], [value(4.0, 8)]])).parts
    assert {part.pattern for part in noise} == {"['time']"}
    assert lines(compare(one, threaded(tmp_path / "3", [[value(5.0, 8)], [value(6.0, 7)]]), noise)) == []
    assert lines(compare(one, threaded(tmp_path / "4", [[value(5.0, 8)], [value(6.0, 9)]]), noise)) != []


def test_many_differences_are_still_counted(run: Callable[..., Recording]) -> None:
    count = MAX_MEASURED + 5
    done = compare(run(*(torch.zeros(1) for _ in range(count))), run(*(torch.ones(1) for _ in range(count))))
    assert len(done.differences) == count
    assert done.differences[-1].what == "other values"


def test_blocks_of_large_tensors_are_joined(run: Callable[..., Recording]) -> None:
    big = torch.zeros(700_000)
    other = big.clone()
    other[5], other[650_000] = 1.0, -3.0
    assert lines(compare(run(big), run(other))) == [
        "x[0]: 2 of 700,000 elements differ, by 3 at most, first at [5]"
    ]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.binary(max_size=3),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=2), st.integers()), inner, max_size=3),
        st.frozensets(st.integers(), max_size=3),
    ),
    max_leaves=8,
)


def strict(value: Any) -> Any:
    """A value such that equal means of the same types and bits."""
    if isinstance(value, dict):
        return "dict", sorted((repr(key), strict(item)) for key, item in value.items())
    if isinstance(value, frozenset):
        return "frozenset", sorted(value)
    if isinstance(value, list | tuple):
        return type(value).__name__, [strict(item) for item in value]
    return type(value).__name__, repr(value)


@given(NESTED, st.data())
def test_values_differ_if_they_do(one: Any, data: st.DataObject) -> None:
    other = data.draw(st.one_of(st.just(one), NESTED))
    with TemporaryDirectory() as folder:
        found = []
        for index, value in enumerate((one, other)):
            place = Path(folder) / str(index)
            place.mkdir()
            writer = Writer(place)
            writer.write("x", value)
            found.append(read(place))
            writer.close()
        differences = compare(found[0], found[1]).differences
        same = repr(strict(one)) == repr(strict(other))
        assert (not differences) == same
        same_digest = (
            len({digest(item.data, item.value) for run in found for (item,) in run.series.values()}) == 1
        )
        assert same_digest == same


DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.float8_e4m3fnuz,
    torch.float8_e5m2fnuz,
    torch.int8,
    torch.uint8,
    torch.int16,
    torch.uint16,
    torch.int32,
    torch.uint32,
    torch.int64,
]


def raw(tensor: Any) -> bytes:
    return bytes(tensor.contiguous().view(torch.uint8).numpy())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(data=st.binary(min_size=8, max_size=256))
def test_bytes_are_the_numbers_that_torch_sees(dtype: Any, data: bytes) -> None:
    data = data[: len(data) // 8 * 8]
    tensor = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(dtype)
    decode = decoder(str(dtype).removeprefix("torch."), tensor.element_size())
    assert decode is not None
    wanted = tensor.double() if dtype.is_floating_point else tensor
    for ours, theirs in zip(decode(data), wanted.tolist(), strict=True):
        assert ours == theirs or (ours != ours and theirs != theirs)


@given(
    st.lists(
        st.tuples(st.floats(width=32, allow_infinity=False), st.floats(width=32, allow_infinity=False)),
        min_size=1,
    )
)
def test_elements_are_measured_as_torch_measures_them(pairs: list[tuple[float, float]]) -> None:
    one, other = (torch.tensor(side) for side in zip(*pairs, strict=True))
    elements = Elements("float32", 4)
    for start in range(0, len(pairs), 3):
        elements.add(raw(one[start : start + 3]), raw(other[start : start + 3]))
    bits = one.view(torch.int32) != other.view(torch.int32)
    assert elements.differing == int(bits.sum())
    if bits.any():
        assert elements.first == int(bits.nonzero()[0])
    measured = bits & ~one.isnan() & ~other.isnan()
    distance = (one.double() - other.double()).abs()[measured]
    assert elements.greatest == (float(distance.max()) if len(distance) else None)
    assert elements.nans == int((one.isnan() != other.isnan()).sum())


@pytest.mark.parametrize(
    ("noisy", "steady"),
    [
        (f"model.{'layers.' * 10}0.self_attention.weight", f"model.{'layers.' * 10}1.self_attention.weight"),
        ((0, 1), (0, 2)),
        (frozenset({"a", "b"}), frozenset({"a", "c"})),
        ((), frozenset()),
        (math.nan, NAN),
        (1, "1"),
    ],
)
def test_noise_at_one_key_does_not_excuse_another(
    run: Callable[..., Recording], noisy: Any, steady: Any
) -> None:
    before = run({noisy: 1, steady: 1})
    noise = compare(before, run({noisy: 2, steady: 1})).parts
    assert lines(compare(before, run({noisy: 3, steady: 1}), noise)) == []
    (difference,) = lines(compare(before, run({noisy: 3, steady: 2}), noise))
    assert difference.endswith(": 1 before, 2 after")


def test_a_set_as_a_key_has_no_order(run: Callable[..., Recording]) -> None:
    # These hashes meet in one slot: whoever comes first stands first.
    one, other = frozenset([8, 16, 0]), frozenset([16, 0, 8])
    assert list(one) != list(other)
    assert lines(compare(run({one: 1, (2, one): 2}), run({other: 1, (2, other): 2}))) == []
