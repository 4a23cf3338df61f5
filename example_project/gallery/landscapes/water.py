"""The sea."""

from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from gallery.landscapes.paint import (
    Colour,
    Size,
    below,
    curve,
    fade,
    gradient,
    heights,
    lighten,
    mix,
    noise,
    plain,
    ridge,
    slope,
    smooth_mask,
)
from gallery.landscapes.skies import SKIES, Sun, sky


def sea(
    rng: Random,
    size: Size,
    sky_name: str,
    horizon: float = 0.5,
    sun: Sun | None = None,
    clouds: float = 0.45,
    water: Colour = (24, 62, 84),
    rocks: bool = True,
    boat: bool = False,
) -> Image.Image:
    width, height = size
    image = sky(rng, size, sky_name, horizon, sun, clouds)
    line = round(height * horizon)
    stops, light = SKIES[sky_name]
    sea_size = (width, height - line)
    far = mix(stops[-1][1], water, 0.45)
    surface = gradient(
        sea_size, [(0, far), (0.25, mix(far, water, 0.7)), (1, mix(water, (4, 10, 18), 0.5))]
    )
    # Waves in perspective: noise that is squeezed towards the horizon.
    side = 1100
    tile = heights(rng, (side, side), (26, 60), 6)
    # Wide enough for the horizon: the mirror image on either side goes on without a seam.
    field = Image.new("F", (side * 3, side))
    for place in range(3):
        field.paste(tile if place == 1 else ImageOps.mirror(tile), (side * place, 0))
    bottom = 0.08 * sea_size[1]
    spread = 0.16
    k = side * bottom * 0.9
    middle = width / 2
    scale = side * spread / width * (sea_size[1] + bottom)
    waves = field.transform(
        sea_size,
        Image.Transform.PERSPECTIVE,
        (
            scale / bottom, side * 1.5 / bottom, (side * 1.5 * bottom - scale * middle) / bottom,
            0, side * 0.02 / bottom, (side * 0.02 * bottom + k) / bottom,
            0, 1 / bottom,
        ),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    lit = slope(waves, (0, 3), 7.0)
    crest = curve(lit, 0.52, 0.85, 0.75)
    trough = ImageChops.invert(curve(lit, 0.15, 0.48))
    surface.paste(
        plain(sea_size, mix(water, (2, 6, 12), 0.7)),
        (0, 0),
        trough.point([v * 2 // 3 for v in range(256)]),
    )
    surface.paste(plain(sea_size, mix(stops[len(stops) // 2][1], light, 0.4)), (0, 0), crest)
    if sun:
        # The sun's way over the water.
        x = sun[0] * width
        way = smooth_mask(
            sea_size,
            lambda d, f: d.polygon(
                [
                    ((x - width * 0.02) * f, 0),
                    ((x + width * 0.02) * f, 0),
                    ((x + width * 0.2) * f, sea_size[1] * f),
                    ((x - width * 0.2) * f, sea_size[1] * f),
                ],
                255,
            ),
        ).filter(ImageFilter.GaussianBlur(width / 30))
        sparkle = ImageChops.multiply(way, curve(lit, 0.45, 0.70))
        surface = lighten(surface, light, sparkle)
        surface = lighten(surface, mix(light, (60, 20, 0), 0.4), way.point([v // 3 for v in range(256)]))
    image.paste(surface, (0, line))
    haze = fade(
        size,
        (0, 0),
        (max(0.0, horizon - 0.06), 0),
        (horizon, 0.55),
        (min(1.0, horizon + 0.07), 0),
        (1, 0),
    )
    image = Image.composite(plain(size, mix(stops[-1][1], light, 0.3)), image, haze)
    if boat:
        _boat(image, width * rng.uniform(0.3, 0.4), line + height * 0.03, height * 0.09)
    if rocks:
        for left in (True, False)[: rng.choice([1, 2])]:
            _headland(rng, image, line, left)
    return image


def _boat(image: Image.Image, x: float, y: float, tall: float) -> None:
    draw = ImageDraw.Draw(image)
    hull, sail = (16, 18, 24), (240, 232, 216)
    draw.polygon(
        [
            (x - tall * 0.35, y - tall * 0.06),
            (x + tall * 0.36, y - tall * 0.08),
            (x + tall * 0.25, y),
            (x - tall * 0.25, y),
        ],
        fill=hull,
    )
    draw.polygon([(x, y - tall), (x, y - tall * 0.12), (x + tall * 0.33, y - tall * 0.12)], fill=sail)
    draw.polygon(
        [
            (x - tall * 0.03, y - tall * 0.92),
            (x - tall * 0.03, y - tall * 0.12),
            (x - tall * 0.26, y - tall * 0.12),
        ],
        fill=mix(sail, (120, 110, 110), 0.4),
    )


def _headland(rng: Random, image: Image.Image, horizon: int, left: bool) -> None:
    """Cliffs that run out into the sea."""
    width, height = image.size
    points = 400
    shape = ridge(rng, points, 0.64)
    far_end = rng.uniform(0.25, 0.45)
    foot = horizon + height * 0.02
    line = []
    for i, v in enumerate(shape):
        at = i / points if left else 1 - i / points
        rest = max(0.0, 1 - at / far_end)
        line.append(foot + 3 - (height * (0.015 + 0.17 * rest * (0.25 + 0.95 * v)) if rest else -4))
    mask = below(image.size, line)
    cut = smooth_mask(image.size, lambda d, f: d.rectangle((0, 0, width * f, foot * f), 255))
    mask = ImageChops.multiply(mask, cut)
    rock = noise(rng, image.size, (40, 12), 6)
    face = Image.composite(
        plain(image.size, (74, 66, 64)), plain(image.size, (24, 24, 32)), curve(rock, 0.3, 0.95)
    )
    image.paste(face, (0, 0), mask)
    foam = fade(
        image.size,
        (0, 0),
        (foot / height - 0.004, 0),
        (foot / height, 0.8),
        (foot / height + 0.012, 0),
        (1, 0),
    )
    foam = ImageChops.multiply(foam, ImageChops.offset(mask, 0, round(height * 0.01)))
    image.paste(plain(image.size, (232, 236, 238)), (0, 0), foam)
