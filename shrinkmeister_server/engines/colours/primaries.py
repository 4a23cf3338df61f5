"""The primaries of profiles, from the chromaticities of light that sources state."""

Matrix = tuple[tuple[float, ...], ...]
# x and y of white, red, green and blue.
Chromaticities = tuple[float, float, float, float, float, float, float, float]

# The white of all profiles.
_D50 = (0.9642, 1.0, 0.8249)
# The responses of the eye by which a white becomes another one (Bradford): ICC.1:2022, annex E.
_EYE: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_ONE = 65536


def adapted(values: Chromaticities) -> tuple[tuple[int, ...], ...] | None:
    """Return X, Y and Z of the three primaries under the white of profiles in 16.16.

    Return None if they are not primaries of any display, such as three on a line.
    """
    white, *lights = [(x, y, 1 - x - y) for x, y in zip(values[::2], values[1::2], strict=True)]
    if white[1] < 0.01:
        return None
    white_xyz = tuple(value / white[1] for value in white)
    primaries = _transposed(tuple(lights))
    inverse = _inverted(primaries)
    eye_white = _times(_EYE, white_xyz)
    if inverse is None or min(eye_white) < 0.01:
        return None
    shares = _times(inverse, white_xyz)
    scales = [new / old for new, old in zip(_times(_EYE, _D50), eye_white, strict=True)]
    back = _inverted(_EYE)
    assert back
    result = []
    for light, share in zip(lights, shares, strict=True):
        seen = _times(_EYE, tuple(share * value for value in light))
        xyz = _times(back, tuple(scale * value for scale, value in zip(scales, seen, strict=True)))
        if any(abs(value) >= 2 for value in xyz):
            return None
        result.append(tuple(round(value * _ONE) for value in xyz))
    return tuple(result)


def _times(matrix: Matrix, vector: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sum(one * other for one, other in zip(row, vector, strict=True)) for row in matrix)


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _inverted(matrix: Matrix) -> Matrix | None:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    if abs(determinant) < 1e-6:
        return None
    return tuple(tuple(value / determinant for value in row) for row in cofactors)
