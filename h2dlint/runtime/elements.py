"""What differs between the elements of two tensors, from their bytes alone."""

from __future__ import annotations

import math
import re
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import ne, sub

_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}

_COMPLEX_PARTS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}

_SMALL_FLOATS = {
    # bits of the exponent, of the mantissa, bias, and which patterns are infinite or no number
    "float8_e4m3fn": (4, 3, 7, "fn"),
    "float8_e5m2": (5, 2, 15, "ieee"),
    "float8_e4m3fnuz": (4, 3, 8, "fnuz"),
    "float8_e5m2fnuz": (5, 2, 16, "fnuz"),
}

_SWAPPED = ">" if sys.byteorder == "little" else "<"


@dataclass(slots=True)
class Elements:
    """Counts elements that differ; ``add`` takes the bytes of both sides, block by block, whole elements each.

    Args:
        dtype: as torch names it, or the type string of numpy.
        itemsize: bytes of one element.

    Attributes:
        differing: how many elements have other bits.
        first: index of the first of them in the flattened tensor.
        greatest: absolute difference; ``None`` where the elements are no numbers that are known here.
        nans: elements that are a number on one side and none on the other.
        payloads: elements that are no number on both sides, with other bits.
    """

    dtype: str
    itemsize: int
    differing: int = 0
    first: int = -1
    greatest: float | int | None = None
    nans: int = 0
    payloads: int = 0
    _seen: int = field(default=0, repr=False)

    def add(self, one: bytes, other: bytes) -> None:
        """Compare the next block."""
        count = len(one) // self.itemsize
        if one != other:
            places = _unequal(one, other, self.itemsize)
            if places:
                if self.first < 0:
                    self.first = self._seen + places[0]
                self.differing += len(places)
                if len(places) < count:
                    one, other = _picked(one, places, self.itemsize), _picked(other, places, self.itemsize)
                self._measure(one, other)
        self._seen += count

    def _measure(self, one: bytes, other: bytes) -> None:
        decode = decoder(self.dtype, self.itemsize)
        if decode is None:
            return
        lefts, rights = decode(one), decode(other)
        distances = list(map(abs, map(sub, lefts, rights)))
        # Tensors may be large, and hold no NaN as a rule: a sum tells.
        if not math.isnan(sum(distances)):
            self._reached(max(distances))
            return
        for left, right in zip(lefts, rights, strict=True):
            if left != left or right != right:
                if left != left and right != right:
                    self.payloads += 1
                else:
                    self.nans += 1
                continue
            self._reached(abs(left - right))

    def _reached(self, distance: float | int) -> None:
        if self.greatest is None or distance > self.greatest:
            self.greatest = distance

    def text(self, shape: Sequence[int], total: int) -> str:
        """One line: how many differ, by how much at most, and where the first one is."""
        parts = [f"{self.differing:,} of {total:,} elements {'differs' if self.differing == 1 else 'differ'}"]
        if self.greatest is not None and self.dtype not in {"bool", "|b1"}:
            sign = " (the sign of zero)" if self.greatest == 0 else ""
            shown = f"{self.greatest:,}" if isinstance(self.greatest, int) else f"{self.greatest:.6g}"
            parts.append(f"by {shown} at most{sign}")
        if self.nans:
            parts.append(f"{self.nans:,} NaN on one side only")
        if self.payloads:
            parts.append(f"{self.payloads:,} NaN with other bits")
        if shape:
            parts.append(f"first at {list(_unravelled(self.first, shape))}")
        return ", ".join(parts)


def _unequal(one: bytes, other: bytes, itemsize: int) -> Sequence[int]:
    width = next(width for width in (8, 4, 2, 1) if itemsize % width == 0)
    left, right = array(_UNSIGNED[width], one), array(_UNSIGNED[width], other)
    if all(map(ne, left, right)):
        return range(len(one) // itemsize)
    words = [index for index, (a, b) in enumerate(zip(left, right, strict=True)) if a != b]
    each = itemsize // width
    return words if each == 1 else sorted({word // each for word in words})


def _picked(data: bytes, places: Sequence[int], itemsize: int) -> bytes:
    return b"".join(data[place * itemsize : (place + 1) * itemsize] for place in places)


def _unravelled(index: int, shape: Sequence[int]) -> Iterable[int]:
    place = []
    for size in reversed(shape):
        index, rest = divmod(index, size)
        place.append(rest)
    return reversed(place)


Decoder = Callable[[bytes], Sequence[float] | Sequence[int] | Sequence[complex]]


def decoder(dtype: str, itemsize: int) -> Decoder | None:
    """What makes numbers of the bytes of a dtype; ``None`` for one that is not known here."""
    if re.fullmatch(r"[<>|=][biufc]\d+", dtype):
        return _numpy(dtype)
    if dtype in _COMPLEX_PARTS:
        return _complex(_COMPLEX_PARTS[dtype], itemsize // 2)
    if dtype in _SMALL_FLOATS:
        table = _small_floats(dtype)
        return lambda data: [table[byte] for byte in data]
    if dtype == "bfloat16":
        return _bfloat16
    if dtype in {"float16", "float32", "float64"}:
        code = {"float16": "e", "float32": "f", "float64": "d"}[dtype]
        return lambda data: struct.unpack(f"={len(data) // itemsize}{code}", data)
    if match := re.fullmatch(r"(u?)int(8|16|32|64)|bool", dtype):
        codes = _UNSIGNED if match[1] or dtype == "bool" else _SIGNED
        return lambda data: array(codes[itemsize], data)
    return None


def _numpy(dtype: str) -> Decoder | None:
    order, kind, itemsize = dtype[0], dtype[1], int(dtype[2:])
    word = {"b": "bool", "i": f"int{itemsize * 8}", "u": f"uint{itemsize * 8}"}.get(kind)
    if word is None:
        word = f"{'complex' if kind == 'c' else 'float'}{itemsize * 8}"
    plain = decoder(word, itemsize)
    if plain is None or order != _SWAPPED:
        return plain
    # Parts of a complex number change their order with their bytes; that does not change what they differ by.
    return lambda data: plain(data[::-1])[::-1]


def _complex(part: str, itemsize: int) -> Decoder:
    decode = decoder(part, itemsize)
    assert decode is not None

    def decoded(data: bytes) -> list[complex]:
        numbers = decode(data)
        return [complex(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]

    return decoded


def _bfloat16(data: bytes) -> Sequence[float]:
    wide = bytearray(2 * len(data))
    high = 2 if sys.byteorder == "little" else 0
    wide[high::4], wide[high + 1 :: 4] = data[::2], data[1::2]
    return array("f", bytes(wide))


@lru_cache
def _small_floats(dtype: str) -> tuple[float, ...]:
    exponent_bits, mantissa_bits, bias, special = _SMALL_FLOATS[dtype]
    numbers = []
    for byte in range(256):
        sign = -1.0 if byte & 0x80 else 1.0
        exponent = (byte & 0x7F) >> mantissa_bits
        mantissa = byte & ((1 << mantissa_bits) - 1)
        top = exponent == (1 << exponent_bits) - 1
        if (special == "fnuz" and byte == 0x80) or (special == "fn" and (byte & 0x7F) == 0x7F):
            number = math.nan
        elif special == "ieee" and top:
            number = math.nan if mantissa else sign * math.inf
        elif exponent == 0:
            number = sign * math.ldexp(mantissa, 1 - bias - mantissa_bits)
        else:
            number = sign * math.ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits)
        numbers.append(number)
    return tuple(numbers)
