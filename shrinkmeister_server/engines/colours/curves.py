"""The curves of profiles, from a number to light, as tags `curv` and `para`: ICC.1:2022, 10.6 and 10.18."""

import struct
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import pairwise

MAX_CURVE = 4096

_ONE = 65536
# The count of numbers in a curve of each kind: clause 10.18.
_PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}
# A picture looks the same to this part of its range: a bit more than a step of 8 bits.
_SAME = 1.2 / 255


def parse(tag: bytes) -> bytes:
    """Return a rising curve as a new tag, or nothing for any other curve."""
    if len(tag) < 12:
        return b""
    if tag.startswith(b"para"):
        (kind,) = struct.unpack_from(">H", tag, 8)
        number = _PARAMETERS.get(kind, 0)
        if not number or len(tag) < 12 + 4 * number:
            return b""
        values = struct.unpack_from(f">{number}i", tag, 12)
        sound = values[0] > 0 and all(abs(value) < 16 * _ONE for value in values)
        return struct.pack(f">4s4xH2x{number}i", b"para", kind, *values) if sound else b""
    (number,) = struct.unpack_from(">I", tag, 8)
    if not tag.startswith(b"curv") or number > MAX_CURVE or len(tag) < 12 + 2 * number:
        return b""
    values = struct.unpack_from(f">{number}H", tag, 12)
    if number == 1:
        sound = 64 <= values[0] < 4096  # a power, in 8.8
    else:
        rises = all(one <= other for one, other in pairwise(values))
        sound = rises and (not values or (values[0] < 0x1000 and values[-1] >= 0xF000))
    return struct.pack(f">4s4xI{number}H", b"curv", number, *values) if sound else b""


def power(exponent: float) -> bytes:
    """Return the curve of a power."""
    return struct.pack(">4s4xH2xi", b"para", 0, round(exponent * _ONE))


def table(lights: list[float]) -> bytes:
    """Return the curve through points at equal distances."""
    points = (round(65535 * min(max(light, 0), 1)) for light in lights)
    return struct.pack(f">4s4xI{len(lights)}H", b"curv", len(lights), *points)


# As IEC 61966-2-1 describes it.
SRGB = struct.pack(
    ">4s4xH2x5i",
    b"para",
    3,
    *(round(one * _ONE) for one in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
)


# Most photographs have the same few curves.
@lru_cache(maxsize=64)
def is_srgb(curve: bytes) -> bool:
    """Return whether numbers of this curve look the same as numbers of sRGB."""
    light = function_of(curve)
    return all(abs(_encoded(light(one / 255)) - one / 255) <= _SAME for one in range(256))


def _encoded(value: float) -> float:
    """Return the number with which sRGB stores a light."""
    return float(12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055)


def function_of(curve: bytes) -> Callable[[float], float]:
    """Return the function from a number to its light, both from 0 to 1, of a valid curve."""
    if curve.startswith(b"para"):
        (kind,) = struct.unpack_from(">H", curve, 8)
        numbers = struct.unpack_from(f">{_PARAMETERS[kind]}i", curve, 12)
        return partial(_parametric_light, kind, [number / _ONE for number in numbers])
    (count,) = struct.unpack_from(">I", curve, 8)
    return partial(_table_light, struct.unpack_from(f">{count}H", curve, 12))


def _table_light(points: tuple[int, ...], number: float) -> float:
    if len(points) < 2:
        return float(number ** (points[0] / 256)) if points else number
    place = number * (len(points) - 1)
    first = min(int(place), len(points) - 2)
    return (points[first] + (points[first + 1] - points[first]) * (place - first)) / 65535


def _parametric_light(kind: int, values: list[float], number: float) -> float:
    exponent, a, b, c, d, e, f = (values + [1, 0, 0, 0, 0, 0][len(values) - 1 :])[:7]
    if kind in (1, 2):
        # The number from which the power holds is implied, and the light below it is constant.
        d, e, f, c = (-b / a if a else 0), c, c, 0
    light = c * number + f if number < d else max(a * number + b, 0) ** exponent + e
    return float(min(max(light, 0), 1))
