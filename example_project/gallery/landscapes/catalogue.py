"""The photographs: title, scene, what is special about it. Newest first in the gallery."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from PIL import Image

from gallery.landscapes.deserts import dunes, mesas
from gallery.landscapes.mountains import ridges, terrain, winter
from gallery.landscapes.nights import lights, moon, night
from gallery.landscapes.paint import Colour, Size
from gallery.landscapes.plants import fields, forest, trunks
from gallery.landscapes.water import sea

LAVENDER = [(112, 84, 168), (140, 110, 194), (70, 92, 54)]
WHEAT = [(214, 172, 88), (228, 190, 108), (188, 142, 66)]
TULIPS = [(206, 44, 62), (236, 176, 56), (214, 88, 138), (86, 120, 62)]
RAPE = [(226, 204, 48), (238, 220, 84), (120, 142, 54)]
HEATHER = [(148, 84, 128), (118, 72, 110), (92, 100, 70)]
MEADOW = [(104, 144, 62), (126, 164, 74), (88, 126, 58)]
AUTUMN = [(196, 92, 36), (222, 140, 44), (168, 60, 36), (120, 104, 44), (232, 178, 66)]
LATE_AUTUMN = [(150, 70, 40), (176, 104, 50), (110, 60, 46), (94, 82, 58)]
SUMMER = [(84, 116, 48), (108, 138, 58), (66, 98, 44), (132, 154, 70)]
SPRING = [(150, 178, 82), (176, 196, 100), (120, 156, 74), (236, 196, 208)]
HARBOUR = [(255, 180, 90), (255, 120, 60), (120, 180, 255), (255, 90, 120)]
FAIR = [(255, 70, 140), (90, 220, 255), (255, 220, 90), (150, 110, 255)]
STREET = [(255, 196, 110), (255, 150, 70), (255, 228, 180)]
GREEN_LIGHT: Colour = (60, 230, 140)
VIOLET_LIGHT: Colour = (120, 110, 255)
PINE: Colour = (18, 28, 26)


@dataclass(frozen=True)
class Entry:
    """orientation: the EXIF tag; where it is not 1, the file holds the picture turned."""

    title: str
    scene: Callable[[Random, Size], Image.Image]
    size: Size = (3600, 2400)
    format: str = "JPEG"
    orientation: int = 1
    seed: int = 0


WIDE = (4000, 2250)
CLASSIC = (3600, 2700)
LARGE = (4000, 3000)
UPRIGHT = (2400, 3600)
TALL = (2700, 3600)
SQUARE = (3000, 3000)
SMALL = (2400, 1600)
SMALL_UPRIGHT = (1600, 2400)

ENTRIES = [
    Entry(
        "Dawn over the third ridge",
        partial(ridges, sky_name="dawn", far=(186, 178, 196), near=(34, 40, 58), sun=(0.62, 0.40, 0.018)),
    ),
    Entry(
        "The lake keeps still",
        partial(terrain, sky_name="blue", land="alps", lake=0.74, shore_pines=PINE, lift=0.4),
        LARGE,
    ),
    Entry(
        "Northern lights above the cabin",
        partial(night, aurora=GREEN_LIGHT, milky=False, lake=0.80, window=True),
    ),
    Entry("Lavender, half past nine", partial(fields, sky_name="blue", rows=LAVENDER)),
    Entry("Last light at sea", partial(sea, sky_name="ember", sun=(0.5, 0.46, 0.03))),
    Entry(
        "Birches in October",
        partial(trunks, air=(214, 206, 180), dark=(50, 44, 40), ground=(150, 120, 50), birch=True),
        UPRIGHT,
        orientation=6,
    ),
    Entry(
        "Where the sand turns",
        partial(dunes, sky_name="gold", lit=(238, 178, 108), shadow=(120, 66, 52), sun=(0.2, 0.3, 0.015)),
        WIDE,
    ),
    Entry("Moon, cut out", moon, (2400, 2400), "PNG"),
    Entry("A whole hillside of October", partial(forest, sky_name="gold", leaves=AUTUMN), CLASSIC),
    Entry(
        "Rose hour in the high valley",
        partial(terrain, sky_name="rose", land="sunset alps", shore_pines=(16, 18, 26), lift=0.42),
    ),
    Entry("First snow, early train", partial(winter, sky_name="rose"), SMALL, "WEBP"),
    Entry(
        "Harbour lights, out of focus",
        partial(lights, ground=[(10, 14, 34), (30, 30, 60), (6, 8, 16)], lamps=HARBOUR),
        SMALL,
        "PNG",
    ),
    Entry("The old tables", partial(mesas, sky_name="gold"), WIDE),
    Entry(
        "Fog in the spruces",
        partial(trunks, air=(176, 190, 176), dark=(28, 30, 26), ground=(70, 84, 40)),
    ),
    Entry("Arm of the galaxy", partial(night, milky=True), UPRIGHT),
    Entry(
        "Weather coming in",
        partial(terrain, sky_name="storm", land="green", smooth=True, clouds=0.7, eye=0.8),
    ),
    Entry(
        "Blue ridges, counted twice",
        partial(
            ridges,
            sky_name="pale",
            far=(164, 186, 204),
            near=(28, 58, 84),
            count=8,
            trees=False,
            rough=0.52,
        ),
        WIDE,
    ),
    Entry(
        "Tulips for miles",
        partial(fields, sky_name="pale", rows=TULIPS, tree=False, clouds=0.7),
        CLASSIC,
    ),
    Entry(
        "One sail",
        partial(sea, sky_name="teal", sun=(0.7, 0.38, 0.02), boat=True, rocks=False, water=(20, 84, 96)),
    ),
    Entry(
        "Winter wall",
        partial(terrain, sky_name="blue", land="winter", lift=0.42, horizon=0.5, clouds=0.3, haze=0.45),
        UPRIGHT,
    ),
    Entry(
        "Ember evening",
        partial(ridges, sky_name="ember", far=(150, 70, 84), near=(20, 14, 26), sun=(0.3, 0.42, 0.026)),
        UPRIGHT,
    ),
    Entry(
        "Caravan, afternoon",
        partial(dunes, sky_name="blue", lit=(232, 190, 134), shadow=(150, 100, 74), camels=True),
    ),
    Entry(
        "Green valley after rain",
        partial(forest, sky_name="pale", leaves=SUMMER, mist=0.75),
        SMALL,
        "WEBP",
    ),
    Entry(
        "Fairground from the bridge",
        partial(lights, ground=[(22, 8, 40), (50, 20, 70), (12, 6, 26)], lamps=FAIR, count=120),
        SMALL,
        "WEBP",
    ),
    Entry("Half asleep under stars", partial(night, milky=True, lake=0.80, window=True), LARGE),
    Entry(
        "Gold on the north face",
        partial(
            terrain,
            sky_name="gold",
            land="sunset alps",
            lake=0.76,
            shore_pines=(30, 26, 24),
            lift=0.42,
            light_left=False,
        ),
    ),
    Entry(
        "Storm over the shelf",
        partial(sea, sky_name="storm", clouds=0.8, water=(40, 56, 62)),
        SMALL,
        "PNG",
    ),
    Entry(
        "Wheat before the harvest",
        partial(fields, sky_name="gold", rows=WHEAT, sun=(0.75, 0.3, 0.016)),
    ),
    Entry(
        "The quiet wood",
        partial(trunks, air=(196, 204, 190), dark=(40, 36, 30), ground=(96, 104, 48)),
        TALL,
        orientation=8,
    ),
    Entry("Red country at dusk", partial(mesas, sky_name="rose", sun=(0.7, 0.5, 0.014))),
    Entry(
        "Snow falls on the border",
        partial(winter, sky_name="pale", falling=True, clouds=0.6),
        SMALL,
        "PNG",
    ),
    Entry("Violet curtain", partial(night, aurora=VIOLET_LIGHT, milky=False), UPRIGHT),
    Entry(
        "Teal morning, five hills",
        partial(
            ridges,
            sky_name="teal",
            far=(140, 172, 170),
            near=(14, 44, 48),
            count=5,
            sun=(0.4, 0.44, 0.016),
        ),
    ),
    Entry("Volcano field", partial(terrain, sky_name="dusk", land="black", lift=0.36, cells=4)),
    Entry("Rape in bloom", partial(fields, sky_name="blue", rows=RAPE, clouds=0.65), WIDE),
    Entry(
        "The long dune",
        partial(
            dunes,
            sky_name="ember",
            lit=(214, 112, 70),
            shadow=(74, 34, 46),
            sun=(0.8, 0.34, 0.022),
            count=5,
        ),
    ),
    Entry(
        "Mirror of larches",
        partial(forest, sky_name="blue", leaves=AUTUMN, lake=0.66, top=0.28, mist=0.25),
        LARGE,
    ),
    Entry(
        "Moonrise at the fjord",
        partial(night, milky=False, moon=(0.68, 0.24, 0.045), lake=0.76),
        SMALL,
        "WEBP",
    ),
    Entry(
        "Pale gold, no wind",
        partial(sea, sky_name="gold", sun=(0.35, 0.42, 0.02), water=(70, 110, 120), rocks=False),
        SMALL_UPRIGHT,
        "WEBP",
    ),
    Entry(
        "Upside down in the Alps",
        partial(terrain, sky_name="blue", land="alps", lift=0.46, clouds=0.5, shore_pines=PINE),
        orientation=3,
    ),
    Entry(
        "Rain on Market Street",
        partial(lights, ground=[(14, 12, 14), (44, 30, 24), (10, 8, 8)], lamps=STREET, count=70),
        SMALL_UPRIGHT,
        "PNG",
    ),
    Entry(
        "Seven shades of smoke",
        partial(ridges, sky_name="storm", far=(150, 150, 148), near=(26, 30, 34), count=7, clouds=0.7),
        SMALL,
        "WEBP",
    ),
    Entry(
        "Heather, late August",
        partial(fields, sky_name="dawn", rows=HEATHER, sun=(0.2, 0.36, 0.014)),
        CLASSIC,
    ),
    Entry(
        "Copper hills",
        partial(terrain, sky_name="gold", land="autumn", smooth=True, eye=0.8, sun=(0.2, 0.3, 0.014)),
    ),
    Entry(
        "Into the birches",
        partial(
            trunks,
            air=(200, 216, 226),
            dark=(60, 64, 74),
            ground=(206, 214, 226),
            birch=True,
            light=(244, 240, 236),
        ),
        SMALL_UPRIGHT,
        "WEBP",
    ),
    Entry(
        "The fourth camp",
        partial(terrain, sky_name="night", land="moonlit", lift=0.44, clouds=0),
        TALL,
    ),
    Entry(
        "Two headlands",
        partial(sea, sky_name="rose", sun=(0.55, 0.45, 0.022), water=(44, 60, 96)),
        LARGE,
    ),
    Entry(
        "November, no leaves to spare",
        partial(forest, sky_name="storm", leaves=LATE_AUTUMN, mist=0.7),
        SMALL,
        "PNG",
    ),
    Entry(
        "Blue hour, lower meadow",
        partial(ridges, sky_name="dusk", far=(96, 104, 150), near=(10, 14, 30), mist=0.4),
    ),
    Entry("Salt and stone", partial(mesas, sky_name="blue", clouds=0.6), SMALL, "PNG"),
    Entry("Cherry hill", partial(forest, sky_name="dawn", leaves=SPRING, mist=0.6)),
    Entry(
        "White dunes",
        partial(dunes, sky_name="dusk", lit=(226, 214, 220), shadow=(112, 108, 150)),
        SMALL,
        "WEBP",
    ),
    Entry("Winter sun, last run", partial(winter, sky_name="gold", sun=(0.7, 0.3, 0.016)), WIDE),
    Entry(
        "Glacier tongue",
        partial(terrain, sky_name="pale", land="winter", lift=0.36, lake=0.78, haze=0.5),
        SQUARE,
    ),
    Entry(
        "Sea fog, north shore",
        partial(sea, sky_name="pale", clouds=0.6, water=(96, 120, 128)),
        SMALL,
        "PNG",
    ),
    Entry("The meadow in May", partial(fields, sky_name="blue", rows=MEADOW, clouds=0.6), SQUARE),
    Entry(
        "Black pines, red sky",
        partial(terrain, sky_name="ember", land="black", shore_pines=(10, 8, 14), lift=0.34),
        WIDE,
    ),
    Entry("Green fire", partial(night, aurora=(90, 255, 120), milky=True), SMALL, "WEBP"),
    Entry(
        "Copper dawn",
        partial(
            ridges,
            sky_name="gold",
            far=(220, 170, 120),
            near=(60, 30, 24),
            sun=(0.5, 0.44, 0.02),
            count=7,
        ),
        CLASSIC,
    ),
    Entry(
        "The way home",
        partial(
            ridges,
            sky_name="rose",
            far=(196, 140, 160),
            near=(36, 24, 48),
            trees=True,
            sun=(0.8, 0.42, 0.014),
        ),
        SMALL,
        "PNG",
    ),
]
