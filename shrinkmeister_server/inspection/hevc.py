"""The sizes of the pictures in an HEVC bitstream: https://www.itu.int/rec/T-REC-H.265, section 7.3."""

from collections.abc import Iterator

from shrinkmeister_server.inspection.av1 import Bits, Size

_SEQUENCE_PARAMETERS = 33
# Slices have lower types than all others.
_FIRST_OTHER = 32
# The size stands within so many bytes of a unit of parameters, even if all layers have parameters.
_HEAD = 256
_MAX_ZEROS = 32


def units(data: bytes, length_size: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and beginning of each unit (7.3.1). A unit follows its length, which has so many bytes.

    Raises IndexError if a unit ends after the data.
    """
    position = 0
    while position < len(data):
        start = position + length_size
        length = int.from_bytes(data[position:start])
        position = start + length
        if length < 2 or position > len(data):
            raise IndexError("a unit that is longer than the data")
        yield data[start] >> 1 & 63, data[start : start + min(length, _HEAD)]


def configuration(data: bytes) -> tuple[int, list[bytes]]:
    """Return how many bytes a length has, and the units of parameters, of a box `hvcC`.

    ISO/IEC 14496-15, section 8.3.3.
    """
    bits = Bits(data, 21, len(data))
    bits(6)
    length_size = bits(2) + 1
    found = []
    for _ in range(bits(8)):
        bits(8)
        for _ in range(bits(16)):
            length, start = bits(16), bits.position // 8
            bits(8 * length)
            found.append(data[start : start + min(length, _HEAD)])
    return length_size, found


def picture_size(unit: bytes) -> Size | None:
    """Return the size from a unit of sequence parameters (7.3.2.2), or None for another unit."""
    if len(unit) < 2 or unit[0] >> 1 & 63 != _SEQUENCE_PARAMETERS:
        return None
    # A byte 3 after two zeros is not a part of the contents.
    content = unit[2:].replace(b"\0\0\3", b"\0\0")
    bits = Bits(content, 0, len(content))
    bits(4)
    layers = bits(3)
    bits(1 + 88 + 8)
    present = [(bits(), bits()) for _ in range(layers)]
    if layers:
        bits(2 * (8 - layers))
    for profile, level in present:
        bits(88 * profile + 8 * level)
    _exponential(bits)
    if _exponential(bits) == 3:
        bits(1)
    return _exponential(bits), _exponential(bits)


def is_slice(kind: int) -> bool:
    """Return whether a unit of this type is a part of a picture."""
    return kind < _FIRST_OTHER


def _exponential(bits: Bits) -> int:
    """Read a number with as many zeros in front as it has bits after its first one: section 9.2."""
    zeros = 0
    while not bits():
        zeros += 1
        if zeros > _MAX_ZEROS:
            raise IndexError("a number of too many bits")
    return (1 << zeros) - 1 + bits(zeros)
