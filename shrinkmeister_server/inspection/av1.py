"""The sizes of the frames in an AV1 bitstream: https://aomediacodec.github.io/av1-spec/, section 5."""

from collections.abc import Iterator
from dataclasses import dataclass

_SEQUENCE_HEADER, _FRAME_HEADERS = 1, (3, 6, 7)
_KEY_FRAME, _SWITCH_FRAME = 0, 3
_EITHER = 2

Size = tuple[int, int]


@dataclass(frozen=True)
class Sequence:
    """A sequence header (5.5), which describes the frames after it."""

    width_bits: int
    height_bits: int
    width: int
    height: int
    # In all planes.
    bytes_per_pixel: float
    # A still picture, whose frame headers contain nothing but the picture.
    reduced: bool
    id_bits: int
    time_bits: int
    screen_tools: int
    integer_mv: int


class Bits:
    """Reads numbers of some bits from a part of the data. Raises IndexError after its end."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data, self.position, self.end = data, 8 * start, 8 * end

    def __call__(self, number: int = 1) -> int:
        first, self.position = self.position, self.position + number
        if self.position > self.end:
            raise IndexError("a box or a header that ends too early")
        last = -(-self.position // 8)
        return int.from_bytes(self.data[first // 8 : last]) >> (8 * last - self.position) & (
            (1 << number) - 1
        )


def units(data: bytes) -> Iterator[tuple[int, Bits]]:
    """Yield the type of each OBU (5.3) and the first 64 bytes of its contents, enough for its header.

    Raises IndexError if a unit ends after the data.
    """
    position = 0
    while position < len(data):
        header = data[position]
        position += 2 if header & 4 else 1
        size = len(data) - position
        if header & 2:
            size = shift = 0
            while True:
                byte = data[position]
                size |= (byte & 0x7F) << shift
                position, shift = position + 1, shift + 7
                if not byte & 0x80:
                    break
                if shift > 56:
                    raise IndexError("a size of more than 8 bytes")
            if position + size > len(data):
                raise IndexError("a unit that is longer than the data")
        yield header >> 3 & 15, Bits(data, position, position + min(size, 64))
        position += size


def frames(data: bytes, before: Sequence | None) -> Iterator[tuple[Sequence, Size]]:
    """Yield the largest possible size of each frame, with its sequence header.

    before  the sequence header of the preceding data. Raises IndexError for a broken bitstream.
    """
    sequence = before
    for kind, bits in units(data):
        if kind == _SEQUENCE_HEADER:
            sequence = _sequence(bits)
        elif kind in _FRAME_HEADERS:
            if sequence is None:
                raise IndexError("a frame before its sequence header")
            if size := _size(bits, sequence):
                yield sequence, size


def _sequence(bits: Bits) -> Sequence:
    profile, _, reduced = bits(3), bits(), bool(bits())
    time_bits = 0
    if reduced:
        bits(5)
    else:
        time_bits = _skip_operating_points(bits)
    width_bits, height_bits = bits(4) + 1, bits(4) + 1
    width, height = bits(width_bits) + 1, bits(height_bits) + 1
    id_bits, screen_tools, integer_mv = 0, _EITHER, _EITHER
    if reduced:
        bits(3)
    else:
        id_bits = 3 + bits(4) + bits(3) if bits() else 0
        bits(3 + 4)
        has_order = bits()
        if has_order:
            bits(2)
        screen_tools = _EITHER if bits() else bits()
        if screen_tools:
            integer_mv = _EITHER if bits() else bits()
        if has_order:
            bits(3)
    bits(3)
    sample = 2 if bits() else 1
    if profile == 2 and sample == 2:
        bits()
    is_gray = profile != 1 and bits()
    # The most that a pixel takes: 5.5.2. Profile 0 stores a quarter of the colours.
    pixel = sample * (1 if is_gray else 1.5 if profile == 0 else 3)
    size = (width_bits, height_bits, width, height)
    return Sequence(*size, pixel, reduced, id_bits, time_bits, screen_tools, integer_mv)


def _skip_operating_points(bits: Bits) -> int:
    """Return the bits of a presentation time. Frame headers have one if intervals are not equal."""
    delay_bits = time_bits = 0
    if bits():  # timing
        bits(64)
        equal = bits()
        if equal:
            zeros = 0
            while not bits():
                zeros += 1
            bits(zeros if zeros < 32 else 0)
        if bits():  # decoder model
            delay_bits = bits(5) + 1
            bits(32 + 5)
            time_bits = bits(5) + 1
            if equal:
                time_bits = 0
    has_display_delay = bits()
    for _ in range(bits(5) + 1):
        bits(12)
        if bits(5) > 7:
            bits()
        if delay_bits and bits():
            bits(2 * delay_bits + 1)
        if has_display_delay and bits():
            bits(4)
    return time_bits


def _size(bits: Bits, sequence: Sequence) -> Size | None:
    """Return the size from a frame header (5.9.2), or None for a frame that is only shown again."""
    if sequence.reduced:
        return sequence.width, sequence.height
    if bits():
        return None
    kind, shown = bits(2), bits()
    bits(sequence.time_bits if shown else 1)
    if kind != _SWITCH_FRAME and not (kind == _KEY_FRAME and shown):
        bits()
    bits()
    allows_tools = bits() if sequence.screen_tools == _EITHER else sequence.screen_tools
    if allows_tools and sequence.integer_mv == _EITHER:
        bits()
    bits(sequence.id_bits)
    if kind == _SWITCH_FRAME or bits():
        # The frame has its own size, written in this many bits.
        return 1 << sequence.width_bits, 1 << sequence.height_bits
    return sequence.width, sequence.height
