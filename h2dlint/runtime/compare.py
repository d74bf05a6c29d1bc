"""Compares what two runs recorded, bit for bit, and says where and how they differ."""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h2dlint.runtime.elements import Elements
from h2dlint.runtime.encode import Node
from h2dlint.runtime.records import BLOCK, LOST, Record, Recording, Series, blocks, digest, key_text, size

MAX_MEASURED = 100
MAX_ELEMENTS = 1 << 26
"""Tensors, and elements in them, that are measured one by one; of those beyond it is only said that they differ."""

_ATTRIBUTES = {
    "class": "torch.Tensor",
    "layout": "strided",
    "dtype": "",
    "shape": "none",
    "device": "",
    "strides": "none",
    "requires_grad": "",
    "is_leaf": "",
    "coalesced": "none",
}
"""What a tensor has besides its values, and what it is where the tree says nothing."""

_FLAGS = {"conj": "conjugate bit", "neg": "negative bit"}
_CONTAINERS = ("list", "tuple", "set", "dict", "object")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A part of a series that two runs can differ in.

    Args:
        process, name: of the series.
        pattern: where in each value, with ``[*]`` for any index of a list; ``None`` means how many records there
            are, and with it the whole series.
    """

    process: str
    name: str
    pattern: str | None = None

    def __str__(self) -> str:
        return (
            f"{self.name}[*]{self.pattern}" if self.pattern is not None else f"{self.name} (the whole series)"
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two recordings.

    Args:
        part: what it belongs to.
        where: the place, as Python would write it: ``logits[3]["hidden"][0]``.
        what: how the two differ.
    """

    part: Part
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing two recordings.

    Args:
        differences: in the order of the first recording.
        records: how many values were compared, in whole or in part,
        tensors: how many tensors and arrays in them, and
        bytes: how much they hold.
    """

    differences: tuple[Difference, ...]
    records: int
    tensors: int
    bytes: int

    @property
    def parts(self) -> frozenset[Part]:
        """What differs."""
        return frozenset(difference.part for difference in self.differences)


def compare(before: Recording, after: Recording, ignore: Collection[Part] = frozenset()) -> Comparison:
    """Compare two recordings.

    A name that several threads recorded, or several processes of one name, has no order: its values are matched
    with equal ones of the other run first, and only those that are left over differ.

    Args:
        before: the one that differences speak of first.
        after: the other one.
        ignore: parts that are not compared.
    """
    run = _Comparing(frozenset(ignore), len({process for process, _ in (*before.series, *after.series)}) > 1)
    for series in [*before.series, *(series for series in after.series if series not in before.series)]:
        run.series(series, before.series.get(series, ()), after.series.get(series, ()))
    return Comparison(tuple(run.differences), run.records, run.tensors, run.bytes)


@dataclass(slots=True)
class _Comparing:
    ignore: frozenset[Part]
    several: bool
    differences: list[Difference] = field(default_factory=list)
    records: int = 0
    tensors: int = 0
    bytes: int = 0
    measured: int = 0
    elements: int = 0

    def series(self, series: Series, one: Sequence[Record], other: Sequence[Record]) -> None:
        whole = Part(*series)
        if whole in self.ignore:
            return
        if len(one) != len(other):
            place = self._place(series)
            if not one or not other:
                what = "recorded before only" if one else "recorded after only"
            else:
                what = f"recorded {_times(len(one))} before, {_times(len(other))} after"
            self.differences.append(Difference(whole, place, what))
        pairs: Sequence[tuple[Record, Record]] = list(zip(one, other, strict=False))
        if len({record.source for record in one}) > 1 or len({record.source for record in other}) > 1:
            skip = {part.pattern for part in self.ignore if (part.process, part.name) == series}
            pairs = list(_matched(one, other, skip))
        for left, right in pairs:
            walk = _Walk(self, series, left.data, right.data)
            walk.node(left.value, right.value, f"{self._place(series)}[{left.index}]", "")
            self.records += walk.compared

    def _place(self, series: Series) -> str:
        process, name = series
        return f"{name} ({process})" if self.several else name


def _matched(
    one: Sequence[Record], other: Sequence[Record], skip: Collection[str | None]
) -> Iterator[tuple[Record, Record]]:
    """Pairs of records that are equal but for the patterns to skip, then what is left over in its order."""
    waiting: dict[str, list[Record]] = {}
    for record in other:
        waiting.setdefault(digest(record.data, _pruned(record.value, "", skip)), []).append(record)
    left = []
    for record in one:
        equal = waiting.get(digest(record.data, _pruned(record.value, "", skip)))
        if equal:
            yield record, equal.pop(0)
        else:
            left.append(record)
    rest = sorted((record for records in waiting.values() for record in records), key=lambda item: item.index)
    yield from zip(left, rest, strict=False)


def _pruned(node: Node, pattern: str, skip: Collection[str | None]) -> Node:
    """A tree without what is not compared."""
    if not skip:
        return node
    if pattern in skip:
        return {"k": "none"}
    if node["k"] in {"list", "tuple"}:
        return {**node, "items": [_pruned(item, f"{pattern}[*]", skip) for item in node["items"]]}
    if node["k"] in {"dict", "object"}:
        items = [[key, _pruned(item, pattern + _step(key, node["k"]), skip)] for key, item in node["items"]]
        return {**node, "items": items}
    if "parts" in node:
        parts = {name: _pruned(part, f"{pattern}.{name}", skip) for name, part in node["parts"].items()}
        return {**node, "parts": parts}
    return node


@dataclass(slots=True)
class _Walk:
    """Goes through two values side by side."""

    run: _Comparing
    series: Series
    left: Path
    right: Path
    compared: bool = False

    def node(self, one: Node, other: Node, where: str, pattern: str) -> None:
        if Part(*self.series, pattern) in self.run.ignore:
            return
        kinds = one["k"], other["k"]
        if LOST in kinds:
            what = " and ".join(
                f"lost {side}: {node['v']}" for side, node in _sides(one, other) if node["k"] == LOST
            )
            self._differ(where, pattern, what)
        elif kinds[0] != kinds[1]:
            self._differ(where, pattern, f"{_described(one)} before, {_described(other)} after")
        elif kinds[0] in {"tensor", "array"}:
            self._tensor(one, other, where, pattern)
        elif kinds[0] in _CONTAINERS:
            self._container(one, other, where, pattern)
        else:
            self.compared = True
            if one != other:
                self._differ(where, pattern, _scalars(one, other))

    def _differ(self, where: str, pattern: str, what: str) -> None:
        self.compared = True
        self.run.differences.append(Difference(Part(*self.series, pattern), where, what))

    def _container(self, one: Node, other: Node, where: str, pattern: str) -> None:
        if one.get("class") != other.get("class"):
            self._differ(where, pattern, f"{_described(one)} before, {_described(other)} after")
            return
        if one["k"] in {"dict", "object"}:
            self._mapping(one, other, where, pattern)
            return
        if len(one["items"]) != len(other["items"]):
            self._differ(where, pattern, f"{len(one['items'])} items before, {len(other['items'])} after")
            return
        self.compared = self.compared or not one["items"]
        pairs = zip(one["items"], other["items"], strict=True)
        if one["k"] == "set":
            self._set(one, other, where, pattern)
            return
        for index, (left, right) in enumerate(pairs):
            self.node(left, right, f"{where}[{index}]", f"{pattern}[*]")

    def _set(self, one: Node, other: Node, where: str, pattern: str) -> None:
        self.compared = True
        left = sorted(digest(self.left, item) for item in one["items"])
        right = sorted(digest(self.right, item) for item in other["items"])
        if left != right:
            extra = len(set(left) - set(right))
            self._differ(where, pattern, f"{extra:,} of {len(left):,} members of the set are not the same")

    def _mapping(self, one: Node, other: Node, where: str, pattern: str) -> None:
        left = {key_text(key): (key, item) for key, item in one["items"]}
        right = {key_text(key): (key, item) for key, item in other["items"]}
        self.compared = self.compared or not left
        if set(left) != set(right):
            parts = []
            for side, own, theirs in (("before", left, right), ("after", right, left)):
                missing = [_key(own[text][0], one["k"]) for text in own if text not in theirs]
                if missing:
                    parts.append(f"{', '.join(missing[:5])}{', ..' if len(missing) > 5 else ''} {side} only")
            self._differ(where, pattern, "; ".join(parts))
            return
        if one.get("ordered") and list(left) != list(right):
            self._differ(where, pattern, "the same keys in another order")
            return
        for text, (key, item) in left.items():
            step = _step(key, one["k"])
            self.node(item, right[text][1], where + step, pattern + step)

    def _tensor(self, one: Node, other: Node, where: str, pattern: str) -> None:
        self.compared = True
        self.run.tensors += 1
        self.run.bytes += size(one)
        what = [
            f"{name} {_shown(one.get(name), usual)} before, {_shown(other.get(name), usual)} after"
            for name, usual in _ATTRIBUTES.items()
            if one.get(name) != other.get(name)
        ]
        for flag, words in _FLAGS.items():
            if one.get(flag) != other.get(flag):
                what.append(f"{words} set {'before' if one.get(flag) else 'after'} only")
        left, right = one.get("parts", {}), other.get("parts", {})
        if left and right and list(left) != list(right):
            what.append(f"made of {', '.join(left)} before, of {', '.join(right)} after")
        if left and not what:
            counted = self.run.tensors, self.run.bytes
            for name, part in left.items():
                self.node(part, right[name], f"{where}.{name}", f"{pattern}.{name}")
            # One tensor that is made of several counts once.
            self.run.tensors, self.run.bytes = counted
            return
        same_kind = one.get("dtype") == other.get("dtype") and one.get("shape") == other.get("shape")
        if same_kind and one.get("n") == other.get("n") and one.get("n"):
            values = self._values(one, other)
            if values:
                what.append(values)
        if what:
            self._differ(where, pattern, "; ".join(what))

    def _values(self, one: Node, other: Node) -> str:
        pairs = zip(blocks(self.left, one), blocks(self.right, other), strict=True)
        total = max(math.prod(one["shape"]), 1)
        itemsize = one["n"] // total
        done = self.run.measured >= MAX_MEASURED or self.run.elements >= MAX_ELEMENTS
        if done or itemsize * total != one["n"] or BLOCK % itemsize:
            return "other values" if any(left != right for left, right in pairs) else ""
        elements = Elements(one["dtype"], itemsize)
        for left, right in pairs:
            elements.add(left, right)
        if not elements.differing:
            return ""
        self.run.measured += 1
        self.run.elements += total
        return elements.text(one["shape"], total)


def _sides(one: Node, other: Node) -> tuple[tuple[str, Node], tuple[str, Node]]:
    return ("before", one), ("after", other)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _described(node: Node) -> str:
    name = node.get("class") or node["k"]
    if node["k"] in {"tensor", "array"}:
        return f"{name} of {node['dtype']} {_shown(node['shape'])}"
    if node["k"] in _CONTAINERS:
        return f"{name} of {len(node['items'])}"
    return f"{name} {_scalar(node)}" if node["k"] != "none" else "None"


def _scalars(one: Node, other: Node) -> str:
    if one.get("class") != other.get("class"):
        return f"{_described(one)} before, {_described(other)} after"
    left, right = _scalar(one), _scalar(other)
    if left == right:  # a NaN with another payload
        left, right = f"{left} (bits {one['v']})", f"{right} (bits {other['v']})"
    text = f"{left} before, {right} after"
    if one["k"] == "float":
        distance = abs(_float(one) - _float(other))
        if math.isfinite(distance) and distance:
            text += f", a difference of {distance:.6g}"
    return text


def _float(node: Node) -> float:
    number: float = struct.unpack(">d", bytes.fromhex(node["v"]))[0]
    return number


def _scalar(node: Node, short: bool = True) -> str:
    shown = _short if short else str
    if node["k"] == "none":
        return "None"
    if node["k"] == "int":
        return shown(str(int(node["v"], 16)) if len(node["v"]) < 1000 else node["v"])
    if node["k"] == "float":
        return repr(_float(node))
    if node["k"] == "complex":
        return repr(complex(*struct.unpack(">dd", bytes.fromhex(node["v"]))))
    if node["k"] == "bytes":
        return shown(repr(bytes.fromhex(node["v"])))
    return shown(repr(node["v"]) if node["k"] in {"str", "bool"} else str(node["v"]))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:40]}..({len(text):,} characters)"


def _key(key: Any, kind: str) -> str:
    if kind == "object":
        return str(key)
    return _scalar(key) if key["k"] not in _CONTAINERS else _described(key)


def _step(key: Any, kind: str) -> str:
    """What leads to an item of a dictionary, or to a field."""
    return f".{key}" if kind == "object" else f"[{_in_full(key)}]"


def _in_full(key: Node) -> str:
    """The key of a dictionary, so that no other key reads the same: noise at one must not excuse another."""
    if key["k"] in {"dict", "object"}:
        pairs = [f"{_step(name, key['k'])}={_in_full(item)}" for name, item in key["items"]]
        return f"{key.get('class', key['k'])}({', '.join(pairs)})"
    if key["k"] in _CONTAINERS:
        items = map(_in_full, key["items"])
        # The members of a set have no order, and are not in the same one in each run.
        inner = ", ".join(sorted(items) if key["k"] == "set" else items)
        named = key.get("class", "" if key["k"] == "tuple" else key["k"])
        return f"{named}({inner},)" if len(key["items"]) == 1 else f"{named}({inner})"
    if key["k"] == "float" and math.isnan(_float(key)):
        return f"nan (bits {key['v']})"
    plain = _scalar(key, short=False)
    named = key.get("class", "")
    return f"{named}({plain})" if named and not plain.startswith(named.partition(".")[0]) else plain


def _shown(value: Any, usual: str = "none") -> str:
    return usual if value is None else str(value)
