"""Brushes: noise, gradients, light, terrain in perspective. Pillow and `random`, nothing else.

Masks are images of mode L, heights of mode F, 0 to 1. All of it is decided by the `random.Random`
that is handed in, so that a photograph is the same wherever it is painted.
"""

import math
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageMath, ImageOps

Colour = tuple[int, int, int]
Size = tuple[int, int]
Stops = Sequence[tuple[float, Colour]]

BICUBIC = Image.Resampling.BICUBIC
BILINEAR = Image.Resampling.BILINEAR
AFFINE = Image.Transform.AFFINE


def mix(a: Colour, b: Colour, part: float) -> Colour:
    red, green, blue = (round(x + (y - x) * part) for x, y in zip(a, b, strict=True))
    return red, green, blue


def curve(image: Image.Image, low: float, high: float, most: float = 1.0) -> Image.Image:
    """The mask stretched smoothly: `low` (of 0 to 1) becomes 0, and `high` becomes `most`."""

    def step(value: int) -> int:
        t = min(1.0, max(0.0, (value / 255 - low) / (high - low)))
        return round(255 * most * t * t * (3 - 2 * t))

    return image.point([step(value) for value in range(256)])


def gradient(size: Size, stops: Stops) -> Image.Image:
    """From top (0) to bottom (1)."""
    steps = 256
    column = bytearray()
    for i in range(steps):
        at = i / (steps - 1)
        lower = max((s for s in stops if s[0] <= at), default=stops[0], key=lambda s: s[0])
        upper = min((s for s in stops if s[0] >= at), default=stops[-1], key=lambda s: s[0])
        span = upper[0] - lower[0]
        column += bytes(mix(lower[1], upper[1], (at - lower[0]) / span if span else 0))
    return Image.frombytes("RGB", (1, steps), bytes(column)).resize(size, BICUBIC)


def fade(size: Size, *stops: tuple[float, float]) -> Image.Image:
    """A mask from top to bottom: (place, 0 to 1)."""
    grey = [(at, (round(v * 255),) * 3) for at, v in stops]
    return gradient(size, grey).getchannel(0)


def plain(size: Size, colour: Colour) -> Image.Image:
    return Image.new("RGB", size, colour)


def heights(
    rng: Random, size: Size, cells: tuple[float, float], octaves: int = 6, ridged: bool = False
) -> Image.Image:
    """Fractal noise, mode F, about 0 to 1. cells: how many hills across and down."""
    total = Image.new("F", size)
    carried = Image.new("F", size, 1.0)
    weight, sum_of_weights = 1.0, 0.0
    for octave in range(octaves):
        grid = tuple(max(2, round(c * 2**octave)) + 2 for c in cells)
        if min(grid[0] / size[0], grid[1] / size[1]) > 1:
            break
        raw = Image.frombytes("L", grid, rng.randbytes(grid[0] * grid[1])).convert("F")
        layer = raw.resize(size, BICUBIC, box=(1, 1, grid[0] - 1, grid[1] - 1))
        if ridged:
            # A sharp crest where the noise crosses its middle; rough only where it is high already.
            layer = _calculate(lambda a: (1 - abs(a["x"] / 127.5 - 1)) * a["c"], x=layer, c=carried)
            carried = _calculate(lambda a: a["x"] * 1.4 + 0.1, x=layer)
        else:
            layer = _calculate(lambda a: a["x"] / 255.0, x=layer)
        w = weight
        total = _calculate(lambda a, w=w: a["t"] + a["x"] * w, t=total, x=layer)
        sum_of_weights += weight
        weight *= 0.5
    return scaled(total)


def scaled(field: Image.Image) -> Image.Image:
    """The same heights from 0 to 1."""
    # Of one band, as all fields are; Pillow's types know those of several too, and no such function.
    low, high = field.getextrema()
    span = max(1e-6, float(high) - float(low))  # type: ignore[arg-type]
    return field.point(lambda v: v * (1 / span) + (-float(low) / span))  # type: ignore[arg-type]


def product(field: Image.Image, mask: Image.Image) -> Image.Image:
    """Heights, lowered where the mask (0 to 255) is dark."""
    return _calculate(lambda a: a["f"] * a["m"] / 255.0, f=field, m=mask)


def mask_of(field: Image.Image) -> Image.Image:
    return field.point(lambda v: v * 255 + 0).convert("L")


def noise(rng: Random, size: Size, cells: tuple[float, float], octaves: int = 6) -> Image.Image:
    """Fractal noise as a mask that uses all of 0 to 255."""
    small = (max(2, size[0] // 2), max(2, size[1] // 2))
    field = mask_of(heights(rng, small, cells, octaves))
    return ImageOps.autocontrast(field, cutoff=1).resize(size, BICUBIC)


def slope(field: Image.Image, light: tuple[float, float], strength: float) -> Image.Image:
    """A mask: how much each place of a height field is turned to the light."""
    dx, dy = light
    moved = field.transform(field.size, AFFINE, (1, 0, dx, 0, 1, dy), BILINEAR)
    lit = mask_of(_calculate(lambda a: (a["f"] - a["m"]) * strength + 0.5, f=field, m=moved))
    # Outside of the field there is nothing to compare with.
    edge = math.ceil(max(abs(dx), abs(dy)))
    width, height = field.size
    return lit.resize(field.size, BILINEAR, (edge, edge, width - edge, height - edge))


def glow(size: Size, centre: tuple[float, float], radius: float, power: float = 2.0) -> Image.Image:
    """A mask: light that falls off around a place. Pixels."""
    disc = Image.radial_gradient("L").point([round(255 * max(0, 1 - v / 181) ** power) for v in range(256)])
    width = round(radius * 2)
    mask = Image.new("L", size)
    mask.paste(disc.resize((width, width), BICUBIC), (round(centre[0] - radius), round(centre[1] - radius)))
    return mask


def lighten(image: Image.Image, colour: Colour, mask: Image.Image) -> Image.Image:
    """Adds light, as lamps and suns do."""
    black = Image.new("RGB", image.size)
    return ImageChops.screen(image, Image.composite(plain(image.size, colour), black, mask))


def smooth_mask(size: Size, draw: Callable[[ImageDraw.ImageDraw, int], None]) -> Image.Image:
    """A mask with soft edges: `draw` gets twice the size, and the factor."""
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    draw(ImageDraw.Draw(mask), 2)
    return mask.reduce(2)


def ridge(rng: Random, points: int, rough: float) -> list[float]:
    """Midpoint displacement: 0 to 1, `points` of them."""
    line = [rng.random(), rng.random()]
    reach = 0.6
    while len(line) < points:
        between = [(a + b) / 2 + rng.uniform(-reach, reach) for a, b in pairwise(line)]
        line = [v for pair in zip(line, between, strict=False) for v in pair] + [line[-1]]
        reach *= rough
    low, high = min(line), max(line)
    return [(v - low) / (high - low) for v in line[:points]]


def below(size: Size, line: Sequence[float]) -> Image.Image:
    """A mask: what lies below a line, pixels from the top, even steps from left to right."""
    step = (size[0] + 2) / (len(line) - 1)

    def draw(canvas: ImageDraw.ImageDraw, factor: int) -> None:
        outline = [((i * step - 1) * factor, y * factor) for i, y in enumerate(line)]
        bottom = size[1] * factor + 2
        canvas.polygon([(-2, bottom), *outline, (size[0] * factor + 2, bottom)], fill=255)

    return smooth_mask(size, draw)


def relief(
    image: Image.Image,
    field: Image.Image,
    colours: Image.Image,
    horizon: float,
    lift: float,
    eye: float,
    near: float = 0.4,
    slices: int = 260,
) -> None:
    """Paints a height field in perspective, slice by slice from the far end to the near one.

    horizon  its place in pixels from the top
    lift     pixels that a height of 1 has at the far end
    eye      the height from which it is seen
    near     the near end's distance; the far end's is 1
    """
    width, height = image.size
    map_width, map_height = field.size
    points = width // 2 + 1
    step = width / (points - 1)
    profiles: list[tuple[Image.Image, list[float]]] = []
    for i in range(slices):
        # Even steps on the screen, which are small ones far away.
        z = 1 / (1 + i / (slices - 1) * (1 / near - 1))
        row = min(map_height - 1.001, (1 - (z - near) / (1 - near)) * map_height)
        left, right = map_width * (1 - z) / 2, map_width * (1 + z) / 2
        top = int(row)
        strip = colours.crop((0, top, map_width, top + 1)).resize((width, 1), BILINEAR, (left, 0, right, 1))
        # Between two rows of the map, or the near slices would be terraces.
        two = field.crop((0, top, map_width, min(map_height, top + 2)))
        part = row - top
        ends = [
            array("f", two.resize((points, 1), BICUBIC, (left, k, right, k + 1)).tobytes())
            for k in range(two.height)
        ]
        line = ends[0] if len(ends) == 1 else [a + (b - a) * part for a, b in zip(*ends, strict=True)]
        scale = lift / z
        profiles.append((strip, [horizon + (eye - h) * scale for h in line]))
    for i, (strip, line) in enumerate(profiles):
        top = max(0, int(min(line)))
        bottom = height if i + 1 == slices else min(height, int(max(profiles[i + 1][1])) + 2)
        if bottom <= top:
            continue
        mask = Image.new("L", (width, bottom - top))
        outline = [(k * step, y - top) for k, y in enumerate(line)]
        ImageDraw.Draw(mask).polygon([(-1, bottom + 1), *outline, (width + 1, bottom + 1)], fill=255)
        image.paste(strip.resize((width, bottom - top)), (0, top), mask)


def along(line: Sequence[float], width: int) -> Callable[[float], float]:
    """The height of such a line at a place, in pixels."""
    last = len(line) - 1
    return lambda x: line[min(last, max(0, int(x / width * last)))]


def reflect(
    rng: Random,
    image: Image.Image,
    shore: int,
    water: Colour,
    depth: float = 0.45,
    ripple: float = 1.0,
) -> None:
    """Turns all below the shore (pixels from the top) into a lake that mirrors what is above."""
    width, height = image.size
    rows = height - shore
    above = image.crop((0, max(0, shore - rows), width, shore)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    mirror = above.resize((width, rows), BICUBIC) if above.height < rows else above
    calm = mirror.copy()
    waves = heights(rng, (1, rows), (1, rows / 7), 3)
    offsets = [v - 0.5 for v in array("f", waves.tobytes())]
    for y in range(rows):
        # Waves are wider near us.
        reach = ripple * (2 + 26 * y / rows)
        source = min(rows - 1, max(0, round(y + offsets[y] * reach)))
        calm.paste(mirror.crop((0, source, width, source + 1)), (0, y))
    soft = calm.resize((max(1, width // 6), rows), BILINEAR).resize((width, rows), BICUBIC)
    calm = Image.blend(calm, soft, 0.55)
    dark = Image.blend(calm, plain(calm.size, water), depth)
    calm = Image.composite(dark, calm, fade(calm.size, (0, 0.35), (1, 1)))
    # Wind: streaks that mirror the sky's light.
    wind = curve(noise(rng, calm.size, (2, rows / 14), 4), 0.55, 0.95, 0.16 * ripple)
    calm = Image.composite(plain(calm.size, mix(water, (255, 255, 255), 0.6)), calm, wind)
    image.paste(calm, (0, shore))


def pines(
    rng: Random,
    image: Image.Image,
    line: Callable[[float], float],
    tall: float,
    count: int,
    colour: Colour,
    snow: Colour | None = None,
    filled: bool = True,
) -> None:
    """Conifers along a line, all in pixels: `line(x)` is where they stand.

    filled  the ground below the line too
    """
    width, height = image.size

    def draw_trees(canvas: ImageDraw.ImageDraw, factor: int, share: float) -> None:
        local = Random(seed)
        for _ in range(count):
            x = local.uniform(-0.02, 1.02) * width
            h = tall * local.uniform(0.45, 1.0) ** 1.2
            foot = line(x) + h * 0.12
            half = h * local.uniform(0.13, 0.19) * share
            layers = max(5, int(h / 9))
            left, right = [], []
            for i in range(layers):
                y = foot - h + h * (i + 0.75) / layers
                reach = half * ((i + 1) / layers) ** 0.85
                a, b = local.uniform(0.75, 1.1), local.uniform(0.75, 1.1)
                left += [(x - reach * a, y), (x - reach * 0.45, y - h * 0.012)]
                right += [(x + reach * b, y), (x + reach * 0.45, y - h * 0.012)]
            outline = [(x, foot - h), *left, *reversed(right)]
            canvas.polygon([(a * factor, b * factor) for a, b in outline], fill=255)

    seed = rng.random()
    if filled:
        ground = below(image.size, [line(i * width / 160) for i in range(161)])
        image.paste(plain(image.size, colour), (0, 0), ground)
    trees = smooth_mask(image.size, lambda canvas, factor: draw_trees(canvas, factor, 1.0))
    image.paste(plain(image.size, colour), (0, 0), trees)
    if snow:
        # What lies on the branches: the tree against itself, a little lower.
        lower = ImageChops.offset(trees, round(tall * 0.012), round(tall * 0.02))
        crust = ImageChops.subtract(trees, lower)
        speckle = curve(noise(rng, image.size, (width / 14, height / 9), 2), 0.35, 0.6)
        image.paste(plain(image.size, snow), (0, 0), ImageChops.multiply(crust, speckle))
        soft = ImageChops.multiply(
            trees, curve(noise(rng, image.size, (width / 30, height / 8), 2), 0.62, 0.8)
        )
        image.paste(plain(image.size, mix(colour, snow, 0.75)), (0, 0), soft)


def stars(rng: Random, image: Image.Image, count: int, bottom: float) -> Image.Image:
    """With a soft halo around the bright ones."""
    width, _ = image.size
    sky = Image.new("RGB", image.size)
    canvas = ImageDraw.Draw(sky)
    bright = []
    for _ in range(count):
        x, y = rng.random() * width, rng.random() * bottom
        power = rng.random() ** 9
        tint = rng.choice([(255, 240, 225), (225, 235, 255), (255, 255, 255), (205, 222, 255)])
        level = mix((0, 0, 0), tint, 0.18 + 0.3 * rng.random() ** 2 + 0.5 * power)
        canvas.point((x, y), fill=level)
        if power > 0.5:
            bright.append((x, y, power, tint))
    for x, y, power, tint in bright:
        r = 0.3 + 1.1 * power
        canvas.ellipse((x - r, y - r, x + r, y + r), fill=tint)
    return ImageChops.screen(ImageChops.screen(image, sky), sky.filter(ImageFilter.GaussianBlur(2)))


def develop(rng: Random, image: Image.Image, size: Size, grain: float, vignette: float) -> Image.Image:
    """From the canvas to the photograph: full size, darker corners, grain of film."""
    corners = Image.radial_gradient("L").resize(image.size, BICUBIC)
    shade = corners.point([255 - round(255 * vignette * (v / 255) ** 2.2) for v in range(256)])
    image = ImageChops.multiply(image, Image.merge("RGB", (shade,) * 3))
    image = image.resize(size, BICUBIC)
    if grain:
        side = 512
        tile = Image.frombytes("L", (side, side), rng.randbytes(side * side))
        # The sum of several random numbers is nearly as natural as film.
        for _ in range(2):
            tile = Image.blend(tile, Image.frombytes("L", (side, side), rng.randbytes(side * side)), 0.4)
        tile = tile.filter(ImageFilter.GaussianBlur(0.6))
        tile = tile.point([min(255, max(0, round(128 + (v - 127.5) * grain))) for v in range(256)])
        film = Image.new("L", size)
        turns = list(Image.Transpose)
        for x in range(0, size[0], side):
            for y in range(0, size[1], side):
                film.paste(tile.transpose(rng.choice(turns)), (x, y))
        image = ImageChops.overlay(image, Image.merge("RGB", (film,) * 3))
    return image


def _calculate(formula: Callable[..., object], **images: Image.Image) -> Image.Image:
    result: Image.Image = ImageMath.lambda_eval(formula, **images)
    return result
