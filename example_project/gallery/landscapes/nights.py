"""Stars, northern lights, the moon; and lamps out of focus."""

import math
from array import array
from collections.abc import Sequence
from random import Random

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
    mix,
    noise,
    pines,
    plain,
    reflect,
    ridge,
    slope,
    smooth_mask,
    stars,
)
from gallery.landscapes.skies import Sun, sky


def night(
    rng: Random,
    size: Size,
    aurora: Colour | None = None,
    milky: bool = True,
    moon: Sun | None = None,
    lake: float | None = None,
    window: bool = False,
    horizon: float = 0.62,
) -> Image.Image:
    width, height = size
    image = sky(rng, size, "night", horizon)
    if milky:
        # A band of light across the sky, with its dark lanes.
        diagonal = round(math.hypot(width, height))
        band = fade((diagonal, diagonal), (0, 0), (0.36, 0), (0.5, 1), (0.64, 0), (1, 0))
        dust = noise(rng, (diagonal, diagonal), (7, 9), 7)
        lanes = noise(rng, (diagonal, diagonal), (8, 26), 6)
        band = ImageChops.multiply(band, curve(dust, 0.1, 0.8))
        core = fade((diagonal, diagonal), (0, 0), (0.42, 0), (0.5, 1), (0.58, 0), (1, 0))
        dark = ImageChops.multiply(core, curve(lanes, 0.45, 0.75))
        band = ImageChops.subtract(band, dark.point([v * 2 // 3 for v in range(256)]))
        turned = band.rotate(rng.choice([-1, 1]) * rng.uniform(40, 62), BICUBIC)
        left, top = (diagonal - width) // 2, (diagonal - height) // 2
        milky_way = turned.crop((left, top, left + width, top + height))
        image = lighten(image, (84, 92, 128), milky_way)
        image = lighten(image, (120, 88, 74), curve(milky_way, 0.4, 1.0, 0.8))
    image = stars(rng, image, width * 3, height * (horizon + 0.05))
    if aurora:
        image = _aurora(rng, image, horizon, aurora)
    if moon:
        x, y, r = moon[0] * width, moon[1] * height, moon[2] * width
        image = lighten(image, (120, 140, 190), glow(size, (x, y), r * 14, 2.5))
        face = moon_face(rng, round(r * 2))
        disc = face.getchannel("A")
        face = ImageChops.screen(face, face).convert("RGB")
        image.paste(face, (round(x - r), round(y - r)), disc)
    image = _night_ground(rng, image, horizon, aurora)
    if lake is not None:
        reflect(rng, image, round(height * lake), (6, 12, 24), 0.35)
    if window:
        x, y = width * rng.uniform(0.3, 0.7), height * ((lake or 0.9) - 0.012)
        cabin = height * 0.022
        draw = ImageDraw.Draw(image)
        draw.polygon(
            [
                (x - cabin, y),
                (x - cabin, y - cabin),
                (x, y - cabin * 1.8),
                (x + cabin, y - cabin),
                (x + cabin, y),
            ],
            fill=(10, 11, 16),
        )
        draw.rectangle(
            (x - cabin * 0.35, y - cabin * 0.75, x + cabin * 0.3, y - cabin * 0.2),
            fill=(255, 206, 120),
        )
        image = lighten(image, (255, 170, 80), glow(size, (x, y - cabin / 2), cabin * 7, 2.5))
    return image


def _aurora(rng: Random, image: Image.Image, horizon: float, colour: Colour) -> Image.Image:
    """Curtains: a line that meanders, its light drawn upwards, each column in its own strength."""
    width, height = image.size
    for curtain in range(3):
        field = heights(rng, (width, 1), (3, 1), 4)
        wave = array("f", field.tobytes())
        rays = array("f", heights(rng, (width, 1), (30, 1), 5).tobytes())
        strip = Image.new("L", (width, height))
        length = height * horizon * rng.uniform(0.5, 0.8)
        ray = fade((1, 256), (0, 0), (0.75, 0.55), (0.93, 1.0), (1, 0))
        base = height * horizon * rng.uniform(0.62, 0.95)
        for x in range(0, width, 2):
            foot = base + (wave[x] - 0.5) * height * 0.42
            tall = length * (0.5 + 0.8 * rays[x])
            column = ray.resize((2, max(1, round(tall)))).point(
                [round(v * (0.25 + 0.75 * rays[x] ** 1.5)) for v in range(256)]
            )
            strip.paste(column, (x, round(foot - tall)))
        strip = strip.filter(ImageFilter.GaussianBlur(width / 400))
        strength = 0.9 - 0.2 * curtain
        image = lighten(image, mix((0, 0, 0), colour, strength), strip)
        upper = ImageChops.multiply(strip, fade(image.size, (0, 1), (horizon * 0.55, 0), (1, 0)))
        image = lighten(image, (130, 50, 150), upper)
    return image


def _night_ground(rng: Random, image: Image.Image, horizon: float, aurora: Colour | None) -> Image.Image:
    width, height = image.size
    for i, dark in enumerate(((20, 28, 46), (9, 13, 22), (3, 5, 9))):
        base = height * (horizon + 0.09 * i + 0.05)
        reach = height * (0.17 - 0.03 * i)
        line = [base - reach * (v - 0.2) for v in ridge(rng, 500, 0.54)]
        mask = below(image.size, line)
        tint = mix(dark, aurora, 0.10) if aurora else dark
        face = plain(image.size, tint)
        if i == 0:
            snowy = curve(noise(rng, image.size, (9, 16), 6), 0.5, 0.85, 0.45)
            face.paste(plain(image.size, (84, 100, 136)), (0, 0), snowy)
        image.paste(face, (0, 0), mask)
        if i:
            pines(
                rng,
                image,
                along(line, width),
                height * 0.05 * i,
                120,
                tint,
            )
    return image


def moon_face(rng: Random, side: int) -> Image.Image:
    """RGBA: a full moon, nothing around it."""
    work = min(side, 1400)
    size = (work, work)
    maria = ImageChops.invert(curve(noise(rng, size, (4, 4), 7), 0.36, 0.62, 0.85))
    face = Image.composite(plain(size, (104, 102, 106)), plain(size, (222, 217, 208)), maria)
    ground = heights(rng, size, (24, 24), 5)
    bumps = Image.blend(slope(ground, (2, 2), 3.0), Image.new("L", size, 128), 0.55)
    crater_map = Image.new("L", size, 128)
    draw = ImageDraw.Draw(crater_map)
    for _ in range(max(60, work // 2)):
        r = work * (0.004 + 0.045 * rng.random() ** 6)
        x, y = rng.random() * work, rng.random() * work
        draw.ellipse((x - r, y - r, x + r, y + r), fill=96)
        draw.ellipse((x - r * 0.75, y - r * 0.75, x + r * 1.02, y + r * 1.02), fill=176)
        draw.ellipse((x - r * 0.72, y - r * 0.72, x + r * 0.85, y + r * 0.85), fill=134)
    crater_map = crater_map.filter(ImageFilter.GaussianBlur(work / 700))
    for light in (bumps, crater_map):
        face = ImageChops.overlay(face, Image.merge("RGB", (light,) * 3))
    # A ball is darker at its edge.
    limb = Image.radial_gradient("L").resize(size, BICUBIC)
    edge = limb.point(
        [round(255 * max(0.0, 1 - (v / 181) ** 2.6 * 0.55)) if v < 184 else 0 for v in range(256)]
    )
    face = ImageChops.multiply(face, Image.merge("RGB", (edge,) * 3))
    disc = smooth_mask(size, lambda d, f: d.ellipse((2 * f, 2 * f, (work - 3) * f, (work - 3) * f), 255))
    face.putalpha(disc)
    return face if side == work else face.resize((side, side), BICUBIC)


def moon(rng: Random, size: Size) -> Image.Image:
    """A cutout: transparent around the moon."""
    side = round(min(size) * 0.88)
    image = Image.new("RGBA", size)
    image.paste(moon_face(rng, side), ((size[0] - side) // 2, (size[1] - side) // 2))
    return image


def lights(
    rng: Random, size: Size, ground: Sequence[Colour], lamps: Sequence[Colour], count: int = 90
) -> Image.Image:
    """Lamps out of focus, and below them the water that mirrors them."""
    width, height = size
    image = gradient(size, [(0, ground[0]), (0.55, ground[1]), (1, ground[2])])
    blurred = Image.new("RGB", size)
    for _ in range(count):
        x, y = rng.gauss(0.5, 0.3) * width, height * min(0.95, max(0.05, rng.gauss(0.45, 0.16)))
        r = width * rng.uniform(0.008, 0.038) * (1.2 if y > height / 2 else 1)
        colour = mix((0, 0, 0), rng.choice(lamps), rng.uniform(0.22, 0.7))
        side = round(r * 2) + 8
        spot = Image.new("L", (side, side))
        draw = ImageDraw.Draw(spot)
        draw.ellipse((3, 3, side - 4, side - 4), fill=225)
        draw.ellipse((6, 6, side - 7, side - 7), fill=170)
        spot = spot.filter(ImageFilter.GaussianBlur(1.3))
        at = (round(x - r), round(y - r))
        box = (*at, at[0] + side, at[1] + side)
        patch = ImageChops.screen(
            blurred.crop(box),
            Image.composite(plain((side, side), colour), plain((side, side), (0, 0, 0)), spot),
        )
        blurred.paste(patch, at)
    far = blurred.filter(ImageFilter.GaussianBlur(width / 60))
    image = ImageChops.screen(ImageChops.screen(image, far), blurred)
    reflect(rng, image, round(height * 0.66), ground[2], 0.3, 1.4)
    return image
