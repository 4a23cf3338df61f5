"""Fields of flowers, and woods from outside and inside."""

import math
from collections.abc import Sequence
from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from gallery.landscapes.paint import (
    BICUBIC,
    Colour,
    Size,
    below,
    curve,
    fade,
    glow,
    gradient,
    lighten,
    mix,
    noise,
    plain,
    reflect,
    ridge,
    smooth_mask,
)
from gallery.landscapes.skies import SKIES, WHITE, Sun, sky


def fields(
    rng: Random,
    size: Size,
    sky_name: str,
    rows: Sequence[Colour],
    sun: Sun | None = None,
    clouds: float = 0.5,
    horizon: float = 0.42,
    hills: Colour = (92, 112, 110),
    tree: bool = True,
) -> Image.Image:
    """Rows of flowers that run to the horizon, and one tree."""
    width, height = size
    image = sky(rng, size, sky_name, horizon, sun, clouds)
    stops, light = SKIES[sky_name]
    air = stops[-1][1]
    for i in range(3):
        colour = mix(air, hills, 0.35 + 0.3 * i)
        line = [
            height * (horizon + 0.012 * i - 0.07 * (v - 0.2) * (1 - i * 0.25))
            for v in ridge(rng, 300, 0.46)
        ]
        image.paste(plain(size, colour), (0, 0), below(size, line))
    top = round(height * (horizon + 0.03))
    ground_size = (width, height - top)
    ground = plain(ground_size, rows[0])
    draw = ImageDraw.Draw(ground)
    vanish = width * rng.uniform(0.3, 0.7)
    stripe = width / 13
    for k in range(-60, 61):
        left = vanish + (k - 0.5) * stripe * 2.3
        for j, colour in enumerate(rows):
            a, b = left + stripe * 2.3 * j / len(rows), left + stripe * 2.3 * (j + 1) / len(rows)
            spread = 0.045
            draw.polygon(
                [
                    (vanish + (a - vanish) * spread, 0),
                    (vanish + (b - vanish) * spread, 0),
                    (b, ground_size[1]),
                    (a, ground_size[1]),
                ],
                fill=colour,
            )
    # Flowers: many specks, larger towards us.
    speckled = ground.copy()
    dots = ImageDraw.Draw(speckled)
    pixels = ground.load()
    assert pixels is not None
    for _ in range(26000):
        t = rng.random() ** 0.7
        x, y = int(rng.random() * width), int(t * (ground_size[1] - 1))
        pixel = pixels[x, y]
        assert isinstance(pixel, tuple)
        r = 0.6 + height * 0.0065 * t * t
        target = WHITE if rng.random() < 0.5 else (10, 14, 10)
        shade = mix((pixel[0], pixel[1], pixel[2]), target, rng.uniform(0.05, 0.38))
        lift = r * 1.6
        dots.ellipse((x - r * 0.8, y - lift, x + r * 0.8, y + r), fill=shade)
    texture = curve(noise(rng, ground_size, (60, 40), 5), 0.2, 0.9, 0.35)
    speckled = Image.composite(
        ImageChops.multiply(speckled, plain(ground_size, (120, 120, 130))), speckled, texture
    )
    haze = fade(ground_size, (0, 0.55), (0.18, 0.12), (1, 0))
    image.paste(Image.composite(plain(ground_size, mix(air, rows[0], 0.4)), speckled, haze), (0, top))
    if tree:
        leafy(
            rng,
            image,
            width * rng.uniform(0.18, 0.82),
            top + height * 0.035,
            height * 0.16,
            [(44, 66, 34), (72, 98, 46), (120, 140, 66)],
        )
    if sun:
        image = lighten(
            image,
            mix(light, (80, 40, 0), 0.4),
            glow(size, (sun[0] * width, sun[1] * height), width * 0.6, 2.4),
        )
    return image


def leafy(
    rng: Random, image: Image.Image, x: float, foot: float, tall: float, leaves: Sequence[Colour]
) -> None:
    """One broad tree: a trunk, and balls of leaves from dark to lit."""
    draw = ImageDraw.Draw(image)
    w = tall * 0.035
    draw.polygon(
        [
            (x - w, foot),
            (x - w * 0.5, foot - tall * 0.5),
            (x + w * 0.5, foot - tall * 0.5),
            (x + w, foot),
        ],
        fill=(44, 34, 30),
    )
    for layer, colour in enumerate(leaves):
        for _ in range(240):
            angle, far = rng.uniform(0, math.tau), math.sqrt(rng.random())
            cx = x + math.cos(angle) * far * tall * 0.36 - layer * tall * 0.03
            cy = foot - tall * 0.62 + math.sin(angle) * far * tall * 0.30 - layer * tall * 0.035
            r = tall * rng.uniform(0.012, 0.05 - 0.012 * layer)
            draw.ellipse(
                (cx - r, cy - r * 0.8, cx + r, cy + r * 0.8),
                fill=mix(colour, (20, 24, 14), rng.random() * 0.35),
            )


def forest(
    rng: Random,
    size: Size,
    sky_name: str,
    leaves: Sequence[Colour],
    top: float = 0.3,
    lake: float | None = None,
    sun: Sun | None = None,
    clouds: float = 0.4,
    mist: float = 0.5,
) -> Image.Image:
    """Hills covered with broad-leaved trees, each of them a few strokes."""
    width, height = size
    image = sky(rng, size, sky_name, top + 0.1, sun, clouds)
    stops, light = SKIES[sky_name]
    air = mix(stops[-1][1], stops[0][1], 0.25)
    hills = 6
    for i in range(hills):
        part = i / (hills - 1)
        base = height * (top + (1.0 - top) * part**1.2)
        line = [base - height * 0.14 * (v - 0.3) for v in ridge(rng, 200, 0.45)]
        haze = mist * 1.3 * (1 - part) ** 1.3
        image.paste(
            plain(size, mix(mix(leaves[0], (16, 14, 12), 0.5), air, min(1, haze))),
            (0, 0),
            below(size, line),
        )
        draw = ImageDraw.Draw(image)
        r0 = height * (0.006 + 0.022 * part**1.6)
        depth = (height * (1.0 - top) / hills) * 1.9
        trees = []
        for _ in range(round(2800 - 1900 * part**0.7)):
            x = rng.uniform(-0.02, 1.02) * width
            y = line[min(199, max(0, int(x / width * 199)))] + rng.random() ** 1.2 * depth
            trees.append((y, x))
        for y, x in sorted(trees):
            own = rng.choice(leaves)
            r = r0 * rng.uniform(0.65, 1.25)
            colour = mix(own, air, min(1.0, haze))
            shade = mix(mix(own, (14, 12, 18), 0.62), air, min(1.0, haze))
            draw.ellipse((x - r * 0.9, y - r * 1.7, x + r * 0.9, y + r * 1.1), fill=shade)
            for _ in range(4 + round(14 * part)):
                a, d = rng.uniform(0, math.tau), rng.random() ** 0.6
                cx, cy = (
                    x + math.cos(a) * d * r * 0.72 - r * 0.12,
                    y - r * 0.45 + math.sin(a) * d * r * 0.85,
                )
                q = r * rng.uniform(0.10, 0.30)
                draw.ellipse(
                    (cx - q, cy - q, cx + q, cy + q),
                    fill=mix(
                        shade,
                        colour,
                        rng.uniform(0.35, 1.0) if cy < y - r * 0.3 else rng.uniform(0, 0.55),
                    ),
                )
            if part > 0.25:
                q = r * 0.34
                draw.ellipse(
                    (x - r * 0.5 - q, y - r - q, x - r * 0.5 + q, y - r + q),
                    fill=mix(colour, light, 0.28),
                )
        if i < hills - 1:
            start = base / height
            band = fade(
                size,
                (0, 0),
                (max(0, start - 0.06), 0),
                (min(1, start + 0.09), mist * 0.75 * (1 - part)),
                (min(1, start + 0.2), 0),
                (1, 0),
            )
            wisps = ImageChops.multiply(band, curve(noise(rng, size, (3, 10), 5), 0.3, 0.75))
            image.paste(plain(size, mix(air, light, 0.5)), (0, 0), wisps)
    if lake is not None:
        reflect(rng, image, round(height * lake), mix(leaves[0], (10, 14, 20), 0.75), 0.4)
    if sun:
        image = lighten(
            image,
            mix(light, (90, 40, 0), 0.4),
            glow(size, (sun[0] * width, sun[1] * height), width * 0.6, 2.2),
        )
    return image


def trunks(
    rng: Random,
    size: Size,
    air: Colour,
    dark: Colour,
    ground: Colour,
    birch: bool = False,
    light: Colour = (255, 236, 190),
) -> Image.Image:
    """Inside a wood: stems in the mist, light from behind."""
    width, height = size
    image = gradient(
        size,
        [
            (0, mix(air, WHITE, 0.15)),
            (0.6, mix(air, light, 0.5)),
            (0.75, mix(air, ground, 0.5)),
            (1, ground),
        ],
    )
    image = lighten(
        image, light, glow(size, (width * rng.uniform(0.35, 0.65), height * 0.42), width * 0.5, 2)
    )
    layers = 7
    for i in range(layers):
        part = i / (layers - 1)
        colour = mix(air, dark, 0.12 + 0.88 * part**1.2)
        foot = height * (0.66 + 0.30 * part**1.4)
        crown = curve(noise(rng, size, (14 - 4 * part, 11), 8), 0.46, 0.66, 0.5 + 0.4 * part)
        crown = ImageChops.multiply(
            crown, fade(size, (0, 1), (0.2 + 0.1 * (1 - part), 0.75), (0.5, 0), (1, 0))
        )
        stems: list[tuple[float, float]] = []
        for _ in range(round((26 - 19 * part) * (width / max(size)) ** 0.6)):
            stems.append(
                (
                    rng.random() * width,
                    max(width, height) * (0.003 + 0.016 * part**1.5) * rng.uniform(0.6, 1.35),
                )
            )
        bends = [rng.uniform(-0.02, 0.02) * width for _ in stems]

        def draw(
            canvas: ImageDraw.ImageDraw,
            f: int,
            stems: Any = stems,
            bends: Any = bends,
            foot: float = foot,
        ) -> None:
            for (x, w), bend in zip(stems, bends, strict=True):
                outline_left = [
                    (x - w * (0.62 + 0.38 * t) + bend * math.sin(t * 2.4), foot * t)
                    for t in (0, 0.25, 0.5, 0.75, 0.95)
                ]
                outline_right = [
                    (x + w * (0.62 + 0.38 * t) + bend * math.sin(t * 2.4), foot * t)
                    for t in (0, 0.25, 0.5, 0.75, 0.95)
                ]
                outline = [
                    *outline_left,
                    (x - w * 1.5 + bend * 0.68, foot),
                    (x + w * 1.5 + bend * 0.68, foot),
                    *reversed(outline_right),
                ]
                canvas.polygon([(a * f, b * f) for a, b in outline], fill=255)

        mask = smooth_mask(size, draw)
        bark_noise = noise(
            rng, size, (width / 14, height / 90) if not birch else (width / 55, height / 14), 4
        )
        if birch:
            body = plain(size, mix(air, (236, 232, 222), 0.3 + 0.7 * part))
            marks = curve(bark_noise, 0.70, 0.80, 0.2 + 0.7 * part)
            body.paste(plain(size, mix(air, (58, 52, 50), 0.1 + 0.75 * part)), (0, 0), marks)
        else:
            body = Image.composite(
                plain(size, mix(colour, air, 0.28)),
                plain(size, colour),
                curve(bark_noise, 0.35, 0.75),
            )
        # Round: darker on the side away from the light.
        edge = ImageChops.subtract(mask, ImageChops.offset(mask, round(-width * 0.004 * (0.4 + part)), 0))
        body.paste(
            plain(size, mix(colour, (10, 10, 12), 0.4)),
            (0, 0),
            edge.filter(ImageFilter.GaussianBlur(1 + 2 * part)).point([v * 3 // 4 for v in range(256)]),
        )
        image.paste(body, (0, 0), mask)
        leaf = mix(mix(air, ground, 0.35 + 0.4 * part), light, 0.12)
        image.paste(plain(size, leaf), (0, 0), crown)
        floor_line = [foot - height * (0.01 + 0.035 * part * v) for v in ridge(rng, 500, 0.82)]
        floor_colour = mix(mix(air, ground, 0.5), ground, part)
        floor = Image.composite(
            plain(size, mix(floor_colour, (10, 12, 8), 0.45)),
            plain(size, floor_colour),
            curve(noise(rng, size, (50, 40), 5), 0.3, 0.8),
        )
        image.paste(floor, (0, 0), below(size, floor_line))
        if i < layers - 1:
            veil = fade(size, (0, 0.05), (0.45, 0.10), (0.7, 0.24), (1, 0.10))
            image = Image.composite(plain(size, mix(air, light, 0.35)), image, veil)
    beams = noise(rng, (width, 4), (14, 1), 3).resize(size, BICUBIC)
    beams = beams.transform(size, Image.Transform.AFFINE, (1, 0.5, -width * 0.2, 0, 1, 0), BICUBIC)
    beams = ImageChops.multiply(curve(beams, 0.55, 0.95, 0.5), fade(size, (0, 1), (0.85, 0.15), (1, 0)))
    return lighten(image, mix(light, (0, 0, 0), 0.25), beams)
