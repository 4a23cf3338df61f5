"""The colours that sources state without a profile: ITU-T H.273, and the PNG specification, third edition.

PNG   cICP 12 13 0 1: Display P3, in full range. gAMA 45455: a power of 1 / 0.45455.
AVIF  colr nclx 9 16 9 1: primaries of BT.2020, in PQ
"""

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import exp, sqrt

from shrinkmeister_server.engines.colours import curves
from shrinkmeister_server.engines.colours.primaries import Chromaticities, adapted
from shrinkmeister_server.engines.colours.profiles import MAX_BYTES, SRGB, Profile
from shrinkmeister_server.inspection import png
from shrinkmeister_server.inspection.isobmff import AVIF_BRANDS, BoxReader
from shrinkmeister_server.inspection.limits import MAX_PARTS

_D65 = (0.3127, 0.329)
_BT709: Chromaticities = (*_D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_BT601_525: Chromaticities = (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07)
_PRIMARIES: dict[int, Chromaticities] = {
    1: _BT709,
    5: (*_D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: _BT601_525,
    7: _BT601_525,
    9: (*_D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_UNSPECIFIED, _SRGB, _PQ, _HLG = 2, 13, 16, 18
_BT709_CURVES = (1, 6, 14, 15)
# Browsers show the curve of BT.709 as displays of television do: ITU-R BT.1886.
_POWERS = {1: 2.4, 6: 2.4, 14: 2.4, 15: 2.4, 4: 2.2, 5: 2.8, 8: 1.0}
# A picture in PQ has its white of a page at 203 cd/m2, and HLG's ends at 1000: ITU-R BT.2408.
_WHITE_NITS, _PEAK_NITS = 203, 1000


@dataclass(frozen=True)
class Stated:
    """What a source states beside its profile.

    before  colours that override a profile
    after   colours for a source that has no profile, or only a broken one
    icc     the profile of a PNG. libvips does not return one that does not fit the picture.
    """

    before: Profile | None = None
    after: Profile | None = None
    icc: bytes | None = None


NOTHING = Stated()


def stated(data: bytes) -> Stated:
    """Return the colours that a source of any format states."""
    if data.startswith(b"\x89PNG"):
        return _of_png(data)
    if data[4:8] == b"ftyp" and data[8:12] in AVIF_BRANDS:
        codes = BoxReader(data).codes
        return Stated(after=_profile(codes[0], codes[1], is_video=True)) if codes else NOTHING
    return NOTHING


def _of_png(data: bytes) -> Stated:
    found: dict[bytes, bytes] = {}
    for name, start, end in islice(png.chunks(data), MAX_PARTS):
        if name == b"IDAT":
            break
        if name in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"):
            found.setdefault(name, data[start : min(end, start + MAX_BYTES)])
    before = None
    if len(codes := found.get(b"cICP", b"")) == 4 and codes[2:] == b"\0\1":  # RGB in full range
        before = _profile(codes[0], codes[1])
    after = SRGB if b"sRGB" in found else _of_gamma(found.get(b"gAMA", b""), found.get(b"cHRM", b""))
    return Stated(before, after, _decompressed(found.get(b"iCCP", b"")))


def _of_gamma(gamma: bytes, places: bytes) -> Profile | None:
    """Return the profile for the chunks gAMA and cHRM. Browsers ignore primaries without a curve."""
    power = int.from_bytes(gamma) / 100_000
    if len(gamma) != 4 or not 0.1 <= power <= 10:
        return None
    if len(places) != 32:
        # Almost the curve of sRGB, and browsers take it for that.
        return SRGB if abs(power - 1 / 2.2) < 0.01 else _with_curve(SRGB.primaries, curves.power(1 / power))
    primaries = adapted(tuple(value / 100_000 for value in struct.unpack(">8I", places)))
    return _with_curve(primaries, curves.power(1 / power)) if primaries else None


def _decompressed(chunk: bytes) -> bytes | None:
    """Return the profile in a chunk iCCP: a name, a byte 0, a method, and compressed data."""
    name, _, rest = chunk[:81].partition(b"\0")
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(chunk[len(name) + 2 :], MAX_BYTES + 1) if rest else None
    return None


@lru_cache(maxsize=32)
def _profile(primaries: int, transfer: int, is_video: bool = False) -> Profile | None:
    """Return the profile for two code points, or None for those that browsers do not show either.

    Browsers show the curve of BT.709 in an AVIF as that of sRGB.
    """
    chromaticities = _PRIMARIES.get(primaries)
    curve = _curve(_SRGB if is_video and transfer in _BT709_CURVES else transfer)
    xyz = chromaticities and adapted(chromaticities)
    return _with_curve(xyz, curve) if xyz and curve else None


def _with_curve(primaries: tuple[tuple[int, ...], ...], curve: bytes) -> Profile:
    return Profile("RGB", primaries, (curve,) * 3, 4 if curve.startswith(b"para") else 2)


def _curve(transfer: int) -> bytes | None:
    if transfer == _SRGB:
        return curves.SRGB
    if transfer in _POWERS:
        return curves.power(_POWERS[transfer])
    if transfer in (_PQ, _HLG):
        nits = _pq_nits if transfer == _PQ else _hlg_nits
        # One point for each number of 8 bits.
        return curves.table([_shown(nits(one / 255)) for one in range(256)])
    return None


def _pq_nits(number: float) -> float:
    """Return the light of a number: SMPTE ST 2084."""
    root = number ** (1 / 78.84375)
    share: float = max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return float(10_000 * share ** (1 / 0.1593017578125))


def _hlg_nits(number: float) -> float:
    """Return the light of a number on a display of 1000 cd/m2: ITU-R BT.2100."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = number**2 / 3 if number <= 0.5 else (exp((number - c) / a) + b) / 12
    return float(_PEAK_NITS * scene**1.2)


def _shown(nits: float) -> float:
    """Return the light on a display whose white is the brightest light of the source.

    As in Chromium, parts up to a page's white get half of their light, and brighter parts are compressed.
    """
    light: float = min(nits, _PEAK_NITS) / _WHITE_NITS
    peak = _PEAK_NITS / _WHITE_NITS
    if light <= 1:
        return light / 2
    # A Bezier curve from the page's white to the peak, where it is level: (1, 0.5), (2, 1), (peak, 1).
    bend = peak - 3
    place = (sqrt(1 + bend * (light - 1)) - 1) / bend
    return 0.5 * (1 - place) ** 2 + 2 * place * (1 - place) + place**2
