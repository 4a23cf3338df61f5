"""Ridges in the mist, height fields in perspective, hills in the snow."""

from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from gallery.landscapes.paint import (
    BICUBIC,
    Colour,
    Size,
    along,
    below,
    curve,
    fade,
    glow,
    gradient,
    heights,
    lighten,
    mask_of,
    mix,
    noise,
    pines,
    plain,
    product,
    reflect,
    relief,
    ridge,
    slope,
    stars,
)
from gallery.landscapes.skies import SKIES, Sun, sky


def ridges(
    rng: Random,
    size: Size,
    sky_name: str,
    far: Colour,
    near: Colour,
    count: int = 6,
    top: float = 0.42,
    sun: Sun | None = None,
    clouds: float = 0.3,
    trees: bool = True,
    mist: float = 0.55,
    rough: float = 0.56,
) -> Image.Image:
    """One behind the other, paler with the distance, mist between them."""
    width, height = size
    image = sky(rng, size, sky_name, top + 0.12, sun, clouds)
    light = SKIES[sky_name][1]
    for i in range(count):
        part = i / max(1, count - 1)
        colour = mix(far, near, part**0.9)
        base = height * (top + (0.97 - top) * part**1.25)
        reach = height * (0.10 + 0.10 * part) * (1.5 if i == 0 else 1)
        line = [base - reach * (v - 0.35) for v in ridge(rng, 600, rough - 0.05 * (1 - part))]
        mask = below(size, line)
        foot = mix(colour, mix(light, far, 0.55), mist * (1 - part * 0.75))
        start = max(0.0, (base - reach) / height)
        face = gradient(size, [(start, colour), (min(1.0, start + 0.22), foot), (1, foot)])
        texture = curve(noise(rng, size, (14 + 10 * part, 22), 5), 0.3, 0.9, 0.10 + 0.16 * part)
        face = Image.composite(plain(size, mix(colour, (8, 10, 16), 0.55)), face, texture)
        image.paste(face, (0, 0), mask)
        if trees and part > 0.45:
            tall = height * (0.012 + 0.085 * ((part - 0.45) / 0.55) ** 2)
            forest = image.copy()
            pines(
                rng,
                forest,
                along(line, width),
                tall,
                round(500 - 300 * part),
                mix(colour, (8, 10, 14), 0.35),
            )
            lower = fade(
                size,
                (0, 1),
                (min(1, start + 0.08), 1),
                (min(1.0, start + 0.34), 0.35 if i < count - 1 else 1),
            )
            image = Image.composite(forest, image, lower) if i < count - 1 else forest
        if i < count - 1 and mist > 0.3:
            band = fade(size, (0, 0), (start, 0), (min(1, start + 0.16), mist * 0.5), (1, 0))
            wisps = ImageChops.multiply(band, curve(noise(rng, size, (3, 9), 5), 0.2, 0.8))
            image.paste(plain(size, mix(light, far, 0.35)), (0, 0), wisps)
    if sun:
        image = lighten(
            image,
            mix(light, (120, 60, 20), 0.4),
            glow(size, (sun[0] * width, sun[1] * height), width * 0.6, 2.6),
        )
    return image


LAND: dict[str, dict[str, Any]] = {
    # (lit, in shadow) of what lies low, on slopes, and on top
    "alps": {
        "low": ((96, 116, 62), (34, 50, 38)),
        "rock": ((150, 138, 124), (56, 58, 70)),
        "top": ((255, 251, 244), (118, 140, 186)),
        "line": 0.42,
    },
    "sunset alps": {
        "low": ((96, 84, 58), (34, 36, 46)),
        "rock": ((214, 132, 92), (66, 54, 78)),
        "top": ((255, 206, 168), (112, 104, 158)),
        "line": 0.42,
    },
    "winter": {
        "low": ((240, 242, 246), (132, 152, 190)),
        "rock": ((128, 124, 126), (62, 70, 92)),
        "top": ((255, 253, 250), (140, 160, 200)),
        "line": 0.02,
    },
    "green": {
        "low": ((150, 170, 72), (48, 76, 40)),
        "rock": ((128, 140, 80), (50, 66, 48)),
        "top": ((156, 156, 110), (66, 76, 60)),
        "line": 0.80,
    },
    "autumn": {
        "low": ((214, 134, 48), (98, 46, 30)),
        "rock": ((150, 98, 58), (70, 44, 42)),
        "top": ((196, 160, 110), (90, 76, 76)),
        "line": 0.85,
    },
    "desert": {
        "low": ((236, 168, 100), (128, 66, 52)),
        "rock": ((214, 118, 70), (96, 44, 44)),
        "top": ((240, 180, 120), (140, 80, 66)),
        "line": 0.70,
    },
    "moonlit": {
        "low": ((52, 66, 84), (10, 16, 28)),
        "rock": ((84, 98, 122), (16, 24, 42)),
        "top": ((196, 212, 240), (42, 58, 98)),
        "line": 0.45,
    },
    "black": {
        "low": ((66, 78, 58), (18, 24, 26)),
        "rock": ((96, 96, 98), (24, 28, 34)),
        "top": ((150, 156, 160), (50, 58, 70)),
        "line": 0.62,
    },
}


def terrain(
    rng: Random,
    size: Size,
    sky_name: str,
    land: str,
    horizon: float = 0.42,
    lift: float = 0.32,
    eye: float = 0.75,
    cells: float = 5,
    sun: Sun | None = None,
    clouds: float = 0.35,
    haze: float = 0.75,
    lake: float | None = None,
    light_left: bool = True,
    shore_pines: Colour | None = None,
    smooth: bool = False,
) -> Image.Image:
    """Mountains as a height field with light, snow and haze. lake: where its shore is, 0 to 1."""
    width, height = size
    image = sky(rng, size, sky_name, horizon, sun, clouds)
    if sky_name == "night":
        image = stars(rng, image, width * 3, height * horizon)
    side = 1024
    map_size = (side, side)
    cells *= min(1.0, width / height * 0.8)
    field = heights(rng, map_size, (cells, cells * 0.9), 8, ridged=not smooth)
    # Higher towards the far end, so that the near ones do not hide the far ones.
    rise = fade(map_size, (0, 1.0), (0.5, 0.72), (1, 0.28)).convert("F")
    field = product(field, rise)
    kind = LAND[land]
    side_light = 3.0 if light_left else -3.0
    lit = curve(slope(field, (-side_light, -1.2), 9.0 if not smooth else 14.0), 0.28, 0.78)
    rough = noise(rng, map_size, (60, 60), 5)
    lit = Image.blend(lit, rough, 0.16)
    steep = curve(slope(field, (0, 4), 9.0), 0.2, 0.75)

    def faces(pair: tuple[Colour, Colour]) -> Image.Image:
        return Image.composite(plain(map_size, pair[0]), plain(map_size, pair[1]), lit)

    colours = faces(kind["rock"])
    level = Image.blend(mask_of(field), rough, 0.16)
    low = ImageChops.invert(curve(level, 0.16, 0.40))
    colours.paste(faces(kind["low"]), (0, 0), low)
    line = kind["line"]
    top = ImageChops.multiply(
        curve(level, line - 0.08, line + 0.10), curve(Image.blend(steep, rough, 0.4), 0.18, 0.42)
    )
    colours.paste(faces(kind["top"]), (0, 0), top)
    speck = Image.blend(colours, ImageChops.multiply(colours, Image.merge("RGB", (rough,) * 3)), 0.22)
    stops, light = SKIES[sky_name]
    air = mix(stops[-1][1], stops[0][1], 0.35)
    colours = Image.composite(
        plain(map_size, air), speck, fade(map_size, (0, haze), (0.35, haze * 0.55), (1, 0.04))
    )
    # So near that the nearest ground is at the lower edge.
    near = min(0.4, (eye - 0.25) * lift / (1 - horizon))
    relief(image, field, colours, height * horizon, height * lift, eye, near)
    if sun:
        image = lighten(
            image,
            mix(light, (90, 40, 10), 0.35),
            glow(size, (sun[0] * width, sun[1] * height), width * 0.55, 2.4),
        )
    if lake is not None:
        shore = round(height * lake)
        if shore_pines:
            edge = [shore - height * 0.012 * v for v in ridge(rng, 100, 0.6)]
            pines(
                rng,
                image,
                along(edge, width),
                height * 0.06,
                260,
                shore_pines,
            )
        reflect(rng, image, shore, mix(stops[0][1], (8, 16, 24), 0.6))
    elif shore_pines:
        edge = [height * (0.93 - 0.07 * v) for v in ridge(rng, 300, 0.5)]
        pines(
            rng,
            image,
            along(edge, width),
            height * 0.17,
            130,
            shore_pines,
        )
    return image


def winter(
    rng: Random,
    size: Size,
    sky_name: str,
    sun: Sun | None = None,
    clouds: float = 0.3,
    falling: bool = False,
) -> Image.Image:
    """Snowy hills with snowy conifers."""
    width, height = size
    image = sky(rng, size, sky_name, 0.5, sun, clouds)
    stops, light = SKIES[sky_name]
    air = stops[-1][1]
    layers = 5
    for i in range(layers):
        part = i / (layers - 1)
        base = height * (0.42 + 0.5 * part**1.2)
        line = [base - height * 0.13 * (v - 0.3) for v in ridge(rng, 240, 0.42)]
        snow = mix(mix((246, 246, 250), light, 0.12), air, 0.55 * (1 - part))
        blue = mix((136, 158, 202), air, 0.55 * (1 - part))
        field = heights(rng, (width // 3, height // 3), (5, 7), 5)
        lit = curve(slope(field, (-4, -2), 4.0), 0.3, 0.7).resize(size, BICUBIC)
        ground = Image.composite(plain(size, snow), plain(size, blue), lit)
        drift = below(size, [y + 4 + height * 0.012 * part for y in line])
        image.paste(ground, (0, 0), below(size, line))
        if part > 0.1:
            green = mix((30, 44, 48), air, 0.65 * (1 - part))
            pines(
                rng,
                image,
                along([y + 4 for y in line], width),
                height * (0.03 + 0.24 * part**1.6),
                round(170 - 130 * part),
                green,
                mix((240, 244, 250), air, 0.4 * (1 - part)),
                False,
            )
        image.paste(ground, (0, 0), below(size, [y + 4 for y in line]) if part <= 0.1 else drift)
    if sun:
        image = lighten(
            image,
            mix(light, (90, 40, 0), 0.45),
            glow(size, (sun[0] * width, sun[1] * height), width * 0.6, 2.2),
        )
    return snowfall(rng, image) if falling else image


def snowfall(rng: Random, image: Image.Image, flakes: int = 700) -> Image.Image:
    width, height = image.size
    mask = Image.new("L", image.size)
    draw = ImageDraw.Draw(mask)
    for _ in range(flakes):
        x, y, r = rng.random() * width, rng.random() * height, 0.6 + 3.4 * rng.random() ** 4
        draw.ellipse((x - r, y - r, x + r, y + r), fill=round(235 - 30 * r))
    return lighten(image, (236, 240, 250), mask.filter(ImageFilter.GaussianBlur(0.9)))
