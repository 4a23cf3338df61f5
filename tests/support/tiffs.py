"""TIFFs of kinds that neither Pillow nor libvips writes: TIFF 6.0."""

import struct
from collections.abc import Callable, Mapping

BITS, PHOTOMETRIC, SAMPLES, PLANAR, SUBSAMPLING, EXTRA, FORMAT = 258, 262, 277, 284, 530, 338, 339
_LETTERS = {3: "H", 4: "I"}
SIZE = (64, 48)


def pixels(pixel: Callable[[int], bytes], step: int = 1) -> bytes:
    """The same row for all rows; a pixel, or a square of `step` pixels, from its distance to the left."""
    return b"".join(map(pixel, range(0, SIZE[0], step))) * (SIZE[1] // step)


def tiff(
    planes: list[bytes],
    bits: int,
    photometric: int,
    samples: int = 1,
    tags: Mapping[int, list[int]] | None = None,
    order: str = "<",
) -> bytes:
    """A TIFF of one strip, or of one strip for each of the planes."""
    width, height = SIZE
    shorts = {
        256: [width], 257: [height], BITS: [bits] * samples, 259: [1],
        PHOTOMETRIC: [photometric], SAMPLES: [samples],
        278: [height], PLANAR: [2 if len(planes) > 1 else 1],
    }  # fmt: skip
    shorts |= tags or {}
    lengths = [len(plane) for plane in planes]
    entries: dict[int, tuple[int, list[int]]] = {tag: (3, values) for tag, values in shorts.items()}
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries |= {273: (4, [0] * len(planes)), 279: (4, lengths)}
    apart = sum(size for size in map(_bytes, entries.values()) if size > 4)
    entries[273] = (4, [start + apart + sum(lengths[:number]) for number in range(len(planes))])
    directory, values = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, numbers) in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(numbers)}{_LETTERS[kind]}", *numbers)
        directory += struct.pack(order + "HHI", tag, kind, len(numbers))
        if len(packed) <= 4:
            directory += packed.ljust(4, b"\0")
        else:
            directory += struct.pack(order + "I", start + len(values))
            values += packed
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return head + directory + bytes(4) + values + b"".join(planes)


def _bytes(entry: tuple[int, list[int]]) -> int:
    return struct.calcsize(_LETTERS[entry[0]]) * len(entry[1])
