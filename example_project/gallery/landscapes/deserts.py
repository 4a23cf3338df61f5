"""Sand and red stone."""

import math
from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from gallery.landscapes.paint import (
    AFFINE,
    BICUBIC,
    Colour,
    Size,
    below,
    curve,
    glow,
    gradient,
    heights,
    lighten,
    mix,
    noise,
    plain,
    ridge,
    slope,
)
from gallery.landscapes.skies import SKIES, Sun, sky


def dunes(
    rng: Random,
    size: Size,
    sky_name: str,
    lit: Colour,
    shadow: Colour,
    sun: Sun | None = None,
    count: int = 6,
    horizon: float = 0.4,
    clouds: float = 0.1,
    camels: bool = False,
) -> Image.Image:
    """Crests with a bright and a dark side, the wind's ripples on both."""
    width, height = size
    image = sky(rng, size, sky_name, horizon, sun, clouds)
    stops, _ = SKIES[sky_name]
    air = stops[-1][1]
    for i in range(count):
        part = i / (count - 1)
        base = height * (horizon + (0.80 - horizon) * part**1.3)
        reach = height * (0.05 + 0.13 * part)
        a, b = rng.uniform(0, math.tau), rng.uniform(0, math.tau)
        f = rng.uniform(0.7, 1.2) * (1.6 - 0.7 * part)

        def crest(
            x: float,
            a: float = a,
            b: float = b,
            f: float = f,
            base: float = base,
            reach: float = reach,
        ) -> float:
            t = x / width * math.tau * f
            # Sharper above than below, as sand is.
            wave = 1 - abs(math.sin(t / 2 + a)) ** 1.25
            return float(base - reach * (wave * 1.3 - 0.4 + 0.25 * math.sin(t * 0.5 + b)))

        xs = [k * width / 400 for k in range(401)]
        line = [crest(x) for x in xs]
        haze = 0.6 * (1 - part) ** 1.5
        bright = mix(lit, air, haze)
        dark = mix(mix(shadow, air, haze * 0.9), bright, 0.22)
        top = min(line) / height
        face = gradient(
            size,
            [
                (top, bright),
                (min(1.0, top + 0.35), mix(bright, dark, 0.35)),
                (1, mix(bright, dark, 0.6)),
            ],
        )
        # The side away from the sun: between the crest and a line that falls from it.
        fall = []
        for x, y in zip(xs, line, strict=True):
            after_peak = (x / width * math.pi * f + a) / math.pi % 1
            fall.append(y + reach * 8 * after_peak**1.5 * max(0.0, 0.75 - after_peak))
        lee = ImageChops.subtract(below(size, line), below(size, fall))
        slip = gradient(size, [(top, dark), (min(1.0, top + 0.3), mix(dark, bright, 0.18)), (1, dark)])
        ripple_field = heights(
            rng, (width // 2, height // 2), (16 + 16 * (1 - part), 44 + 50 * (1 - part)), 4
        )
        # A little aslant, and from within the field.
        turned = (0.8, -0.16, width * 0.08, 0.08, 0.8, height * 0.01)
        ripple = slope(ripple_field.transform(ripple_field.size, AFFINE, turned, BICUBIC), (1, 2), 1.0)
        soft = Image.blend(ripple.resize(size, BICUBIC), Image.new("L", size, 128), 0.80 - 0.30 * part)
        both = Image.composite(slip, face, lee.filter(ImageFilter.GaussianBlur(1.5 + 5 * part)))
        both = ImageChops.overlay(both, Image.merge("RGB", (soft,) * 3))
        image.paste(both, (0, 0), below(size, line))
        if camels and i == count - 3:
            _caravan(rng, image, crest)
    return image


def _caravan(rng: Random, image: Image.Image, crest: Any) -> None:
    draw = ImageDraw.Draw(image)
    width, height = image.size
    h = height * 0.022
    start = width * rng.uniform(0.45, 0.6)
    for i in range(5):
        x = start + i * h * 1.9
        y = crest(x)
        colour = (46, 28, 26)
        draw.ellipse((x - h * 0.5, y - h * 0.95, x + h * 0.5, y - h * 0.42), fill=colour)
        draw.ellipse((x - h * 0.22, y - h * 1.25, x + h * 0.22, y - h * 0.7), fill=colour)
        draw.line(
            [
                (x - h * 0.45, y - h * 0.7),
                (x - h * 0.75, y - h * 0.75),
                (x - h * 0.8, y - h * 1.2),
                (x - h * 1.0, y - h * 1.15),
            ],
            fill=colour,
            width=max(1, round(h * 0.13)),
        )
        for leg in (-0.38, -0.22, 0.22, 0.38):
            draw.line(
                [(x + leg * h, y - h * 0.55), (x + leg * h, y + h * 0.05)],
                fill=colour,
                width=max(1, round(h * 0.09)),
            )


def mesas(
    rng: Random,
    size: Size,
    sky_name: str,
    sun: Sun | None = None,
    clouds: float = 0.4,
) -> Image.Image:
    """Table mountains in layers of red stone over a plain."""
    width, height = size
    horizon = 0.62
    image = sky(rng, size, sky_name, horizon, sun, clouds)
    stops, light = SKIES[sky_name]
    air = stops[-1][1]
    strata = noise(rng, size, (1.5, 55), 4)
    for i in range(4):
        part = i / 3
        foot = height * (horizon - 0.02 + 0.06 * part)
        line = [foot] * 500
        for _ in range(5 - i):
            middle, half = rng.random() * 500, rng.uniform(14, 46) * (0.6 + part)
            tall = height * rng.uniform(0.08, 0.26) * (0.55 + 0.5 * part)
            for k in range(500):
                d = abs(k - middle) / half
                # A wall, then a slope of rubble.
                rise = 1.0 if d < 1 else max(0.0, 0.42 * (1 - (d - 1) / 0.9))
                line[k] = min(line[k], foot - tall * rise)
        jag = ridge(rng, 500, 0.75)
        line = [y - height * 0.016 * (v - 0.5) for y, v in zip(line, jag, strict=True)]
        mask = below(size, line)
        haze = 0.62 * (1 - part)
        bright, dark = mix((206, 104, 62), air, haze), mix((92, 40, 42), air, haze)
        upright = noise(rng, size, (60 + 20 * i, 3), 6)
        rock = Image.blend(curve(strata, 0.1, 0.9), curve(upright, 0.25, 0.8), 0.78)
        face = Image.composite(plain(size, bright), plain(size, dark), rock)
        image.paste(face, (0, 0), mask)
    plain_top = round(height * (horizon + 0.045))
    ground_size = (width, height - plain_top)
    ground = gradient(ground_size, [(0, mix((196, 110, 70), air, 0.3)), (1, (120, 58, 44))])
    scrub = curve(noise(rng, ground_size, (30, 34), 5), 0.55, 0.8, 0.7)
    ground.paste(plain(ground_size, (74, 66, 44)), (0, 0), scrub)
    image.paste(ground, (0, plain_top))
    bushes = Image.new("L", size)
    draw = ImageDraw.Draw(bushes)
    for _ in range(500):
        t = rng.random() ** 0.5
        x, y = rng.random() * width, plain_top + t * ground_size[1]
        r = height * (0.002 + 0.016 * t * t)
        draw.ellipse((x - r * 1.8, y - r * 0.7, x + r * 1.8, y + r * 0.7), fill=255)
    broken = curve(noise(rng, size, (120, 90), 3), 0.3, 0.6)
    image.paste(plain(size, (58, 50, 36)), (0, 0), ImageChops.multiply(bushes, broken))
    if sun:
        image = lighten(
            image,
            mix(light, (90, 30, 0), 0.5),
            glow(size, (sun[0] * width, sun[1] * height), width * 0.5, 2.4),
        )
    return image
