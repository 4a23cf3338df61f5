"""Skies by day, their clouds, and the light that scenes take from them."""

from random import Random

from PIL import Image, ImageChops, ImageFilter

from gallery.landscapes.paint import (
    Colour,
    Size,
    Stops,
    curve,
    fade,
    glow,
    gradient,
    heights,
    lighten,
    mask_of,
    mix,
    plain,
    slope,
    smooth_mask,
)

WHITE: Colour = (255, 255, 255)


# (x, y, radius), 0 to 1 of the picture's width and height.
Sun = tuple[float, float, float]


# Skies from top to horizon, and the colour of their light.
SKIES: dict[str, tuple[Stops, Colour]] = {
    "dawn": (
        [
            (0, (58, 82, 138)),
            (0.45, (150, 146, 184)),
            (0.75, (240, 178, 150)),
            (1, (255, 218, 168)),
        ],
        (255, 214, 160),
    ),
    "rose": (
        [(0, (74, 78, 140)), (0.4, (176, 124, 166)), (0.75, (244, 160, 150)), (1, (255, 206, 172))],
        (255, 190, 160),
    ),
    "gold": (
        [
            (0, (70, 104, 150)),
            (0.45, (190, 176, 160)),
            (0.8, (255, 206, 120)),
            (1, (255, 232, 170)),
        ],
        (255, 224, 150),
    ),
    "ember": (
        [(0, (32, 30, 66)), (0.4, (104, 48, 86)), (0.75, (226, 88, 56)), (1, (255, 176, 78))],
        (255, 160, 70),
    ),
    "blue": ([(0, (34, 86, 160)), (0.5, (92, 150, 208)), (1, (196, 222, 238))], (255, 248, 230)),
    "pale": ([(0, (120, 150, 178)), (0.6, (186, 204, 216)), (1, (232, 236, 234))], (255, 250, 240)),
    "storm": ([(0, (38, 44, 56)), (0.6, (84, 94, 106)), (1, (168, 170, 164))], (236, 226, 200)),
    "dusk": (
        [(0, (14, 22, 54)), (0.5, (44, 60, 112)), (0.85, (150, 110, 140)), (1, (232, 158, 130))],
        (255, 190, 150),
    ),
    "teal": (
        [(0, (20, 56, 78)), (0.5, (70, 128, 140)), (0.85, (214, 210, 170)), (1, (250, 232, 190))],
        (255, 236, 190),
    ),
    "night": ([(0, (4, 7, 20)), (0.6, (10, 20, 48)), (1, (34, 52, 86))], (200, 214, 255)),
}


def sky(
    rng: Random,
    size: Size,
    name: str,
    horizon: float,
    sun: Sun | None = None,
    clouds: float = 0.0,
) -> Image.Image:
    """A sky for other scenes.

    horizon  0 to 1 of the height
    sun      (x, y, radius), 0 to 1 of the width and the height
    clouds   how much they cover
    """
    width, height = size
    stops, light = SKIES[name]
    image = gradient(size, [(at * horizon, colour) for at, colour in stops])
    if sun:
        x, y, radius = sun[0] * width, sun[1] * height, sun[2] * width
        image = lighten(image, light, glow(size, (x, y), width * 0.75, 2.2))
        image = lighten(image, light, glow(size, (x, y), width * 0.22, 2.0))
    if clouds:
        image = add_clouds(rng, image, horizon, clouds, light, mix(stops[0][1], stops[-1][1], 0.35), sun)
    if sun and radius:
        image = lighten(image, WHITE, glow(size, (x, y), radius * 3.2, 3))
        disc = smooth_mask(
            size,
            lambda d, f: d.ellipse(
                ((x - radius) * f, (y - radius) * f, (x + radius) * f, (y + radius) * f), 255
            ),
        )
        image.paste(plain(size, mix(light, WHITE, 0.9)), (0, 0), disc.filter(ImageFilter.GaussianBlur(1.5)))
    return image


def add_clouds(
    rng: Random,
    image: Image.Image,
    horizon: float,
    cover: float,
    light: Colour,
    shadow: Colour,
    sun: Sun | None,
) -> Image.Image:
    width, height = image.size
    bottom = height * horizon * 1.22
    # A ceiling of clouds in perspective: at the horizon five times as many as above us.
    side = 1400
    ceiling = heights(rng, (side, side), (9, 12), 7)
    scale = side / (5 * width)
    middle = width / 2
    row = side * 0.12
    coefficients = (
        scale, -(side / 2) / bottom, side / 2 - scale * middle,
        0, row / bottom, -row + side / 5,
    )  # fmt: skip
    above = (width, min(height, round(height * horizon)))
    field = ceiling.transform(
        above,
        Image.Transform.PERSPECTIVE,
        (*coefficients, 0, -1 / bottom),
        Image.Resampling.BILINEAR,
    )
    density = mask_of(field)
    amount = curve(density, 0.70 - 0.45 * cover, 0.92 - 0.40 * cover)
    # Lit where they grow thinner towards the sun.
    towards = -1.0 if sun and sun[0] < 0.5 else 1.0
    lit = slope(field, (9 * towards, 9), 3.2)
    thin = ImageChops.invert(curve(density, 0.45, 0.9))
    lit = Image.blend(lit, thin, 0.5)
    colours = Image.composite(
        plain(above, mix(light, WHITE, 0.45)), plain(above, shadow), curve(lit, 0.25, 0.8)
    )
    amount = ImageChops.multiply(amount, fade(above, (0, 0.95), (0.75, 0.8), (1, 0.15)))
    image.paste(colours, (0, 0), amount)
    return image
