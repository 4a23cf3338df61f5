"""Source images for tests and measurements, and how alike two images are."""

from io import BytesIO
from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageDraw

ORIENTATION = 0x0112


def picture(
    size: tuple[int, int] = (400, 300),
    format: str = "JPEG",
    mode: str = "RGB",
    orientation: int | None = None,
    **options: Any,
) -> bytes:
    """An encoded gradient, red to the right and green downwards, so that turning it shows."""
    width, height = size
    red = Image.linear_gradient("L").rotate(90).resize(size)
    green = Image.linear_gradient("L").resize(size)
    blue = Image.new("L", size, (width * 7 + height) % 256)
    image = Image.merge("RGB", (red, green, blue))
    if mode == "RGBA":
        image.putalpha(red)
    elif mode != "RGB":
        image = image.convert(mode)
    if orientation:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(data)) as image:
        return image.size


def photograph(size: tuple[int, int], seed: int = 1) -> Image.Image:
    """Like a photograph to codecs and filters: detail of all sizes, hard edges, grain.

    The noise is Pillow's, and differs from call to call; `seed` decides where the edges are.
    """
    width, height = size
    image = Image.new("RGB", size, "gray")
    for octave in range(2, max(size).bit_length()):
        long = 2**octave
        layer = (max(2, width * long // max(size)), max(2, height * long // max(size)))
        noise = [Image.effect_noise(layer, 60 * 0.85**octave) for _ in "RGB"]
        layered = Image.merge("RGB", noise).resize(size, Image.Resampling.BICUBIC)
        image = ImageChops.add(image, layered, 1, -128)
    random, draw = Random(seed), ImageDraw.Draw(image)
    for _ in range(60):
        x, y, reach = random.randrange(width), random.randrange(height), max(size) // 8
        corners = [(x + random.randint(-reach, reach), y + random.randint(-reach, reach)) for _ in range(4)]
        draw.polygon(corners, fill=(random.randrange(256), random.randrange(256), random.randrange(256)))
    grain = Image.merge("RGB", [Image.effect_noise(size, 3)] * 3)
    return ImageChops.add(image, grain, 1, -128)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def ssim(one: bytes, other: bytes) -> float:
    """The mean structural similarity of the luma of two images of one size: 1.0 for equal ones.

    Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment, IEEE Transactions on Image Processing
    13 (2004), with its Gaussian window of 1.5 pixels and its constants.
    """
    import pyvips

    def luma(data: bytes) -> Any:
        image = Image.open(BytesIO(data)).convert("L")
        vips = pyvips.Image.new_from_memory(image.tobytes(), *image.size, 1, "uchar")
        return vips.cast("double")

    def mean(image: Any) -> Any:
        return image.gaussblur(1.5, precision="float", min_ampl=0.002)

    x, y = luma(one), luma(other)
    mean_x, mean_y = mean(x), mean(y)
    variance_x, variance_y = mean(x * x) - mean_x * mean_x, mean(y * y) - mean_y * mean_y
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (
        (mean_x * mean_y * 2 + c1)
        * (covariance * 2 + c2)
        / ((mean_x * mean_x + mean_y * mean_y + c1) * (variance_x + variance_y + c2))
    )
    return float(similarity.avg())
