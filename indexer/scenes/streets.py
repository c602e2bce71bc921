"""Three standard cameras along streets: north-gate, night-street and market-lane."""

from __future__ import annotations

from .arrays import Rgb
from .shorthand import Draw, bounds, steps, still, zebra
from .spec import (
    Actor,
    Block,
    Building,
    Fence,
    Lamp,
    Parked,
    Patch,
    SceneSpec,
    Setting,
    Stripe,
    Tree,
    View,
)

_YELLOW: Rgb = (212, 172, 62)
_KERB: Rgb = (176, 174, 168)
_WORN: Rgb = (70, 70, 72)


def north_gate(draw: Draw) -> SceneSpec:
    """A junction by day, from a pole on the near pavement."""
    wall: Rgb = (156, 116, 96)
    setting = Setting(
        area_m=(-45, -6, 45, 84),
        base="paving",
        markings=(
            Patch("asphalt", bounds(-45, 4, 45, 12)),
            Patch("asphalt", bounds(-4, 11.9, 4, 84)),
            Patch("grass", bounds(-45, 17, -13.5, 84)),
            Patch("asphalt", bounds(-12, 11.9, -7.6, 40)),
            *(
                Stripe(((-45, y), (45, y)), 1.0, _WORN, None, 0.22, 0.4)
                for y in (5.2, 6.8, 9.2, 10.8)
            ),
            Stripe(((-45, 4), (45, 4)), 0.2, _KERB),
            Stripe(((-45, 12), (-12.3, 12)), 0.2, _KERB),
            Stripe(((-7.4, 12), (-4, 12), (-4, 84)), 0.2, _KERB),
            Stripe(((4, 84), (4, 12), (45, 12)), 0.2, _KERB),
            Stripe(((-45, 8), (-10, 8)), 0.14, _YELLOW),
            Stripe(((5, 8), (45, 8)), 0.14, _YELLOW),
            Stripe(((0, 17.5), (0, 84)), 0.14, _YELLOW, (3, 2)),
            Stripe(((-4, 16.6), (0, 16.6)), 0.3),
            *zebra(-9.4, -6.4, 4.2, 11.8, along_x=True),
            *zebra(12.9, 15.6, -3.8, 3.8, along_x=False),
        ),
        fixtures=(
            Building(8, 17, 32, 30, 7.2, "shops", draw.wall()),
            Building(7.5, 33, 22, 62, 10.5, "flats", draw.wall()),
            Building(-26, 44, -8, 70, 9.5, "flats", draw.wall()),
            Building(-12, 92, 14, 100, 12, "office", (150, 156, 160)),
            Building(-60, 70, -27, 90, 14, "flats", draw.wall()),
            Building(34, 24, 60, 50, 14, "flats", draw.wall()),
            Building(-45, 16.5, -13.4, 16.9, 2.3, "wall", wall),
            Block(-13.4, 16.2, -12.4, 17.2, 0, 3.3, (150, 108, 88)),
            Block(-7.2, 16.2, -6.2, 17.2, 0, 3.3, (150, 108, 88)),
            Block(-13.5, 16.1, -12.3, 17.3, 3.3, 3.5, (188, 184, 176)),
            Block(-7.3, 16.1, -6.1, 17.3, 3.3, 3.5, (188, 184, 176)),
            Block(-6.1, 15.6, -4.9, 17.2, 0, 2.5, (196, 200, 202)),
            Block(-6.0, 15.55, -5.0, 15.6, 1.1, 2.1, (58, 70, 82)),
            Fence((-12.4, 19), (-7.2, 19), 2.0, (70, 74, 76)),
            Tree(-20, 14.4, 6.2, 2.1),
            Tree(-30, 19.5, 8, 2.8),
            Tree(-17.5, 21, 7.5, 2.6),
            Tree(9.4, 13.6, 5.8, 1.9),
            Tree(18, 13.6, 6.4, 2.2),
            Tree(5.8, 26, 6.5, 1.8),
            Tree(-5.8, 33, 6.5, 1.8),
            Tree(5.8, 47, 6.5, 1.8),
            Tree(-5.8, 56, 6.5, 1.8),
            Lamp(5.0, 12.8, 7.5, -1.6),
            Lamp(-5.4, 40, 7.5, 1.6),
            Parked("car", "grey", 2.9, 37, 90, 1),
            Parked("car", "white", 2.9, 44, 90, 0),
            *(Block(x, 3.3, x + 0.16, 3.46, 0, 0.85, (88, 90, 92)) for x in (-3.0, 0.5, 4.0)),
        ),
    )
    actors = (
        Actor("car", "red", 3.0 + draw.late(), steps("driving", 8.2, (-27, 6), (27, 6)), variant=0),
        Actor(
            "person",
            "red",
            8.0 + draw.late(),
            steps("pushing a bicycle", 1.4, (-15, 2.2), (-2, 1.8), (13, 2.2)),
            variant=3,
        ),
        Actor(
            "van",
            "white",
            7.5 + draw.late(),
            steps(
                "turning",
                7.5,
                (-2, 91),
                (-2, 52),
                (-2, 24),
                (-2.3, 15.5),
                (-5.5, 10.6),
                (-12, 10),
                (-28, 10),
            ),
            variant=0,
        ),
        Actor(
            "bus",
            "green",
            19.5 + draw.late(),
            steps("driving", 8.0, (38, 10), (-38, 10)),
            variant=0,
        ),
        Actor(
            "person",
            draw.colour("blue", "black", "grey"),
            10.5 + draw.late(),
            steps("walking", 1.5, (17.5, 14.4), (4, 14.2), (-4, 14.2), (-9, 14.5), (-18, 14.3)),
            "bag",
            variant=8,
        ),
        Actor(
            "dog",
            "black",
            27.0 + draw.late(),
            steps("running", 3.6, (12, 0.8), (-14, 1.6)),
            variant=2,
        ),
    )
    return draw.spec(
        "north-gate",
        "北门",
        "riverside/old-town/grid-03/north-gate",
        1,
        31.3017,
        120.6204,
        View((-2.0, -9.0, 5.6), 4.0, 12.0, 0.6, 66.0),
        setting,
        actors,
        "a road junction by a gate, seen from a pole at street level",
        "街边立杆上看到的大门前路口",
        light="day",
        weather="sunny",
        sun_azimuth_deg=232,
        sun_height_deg=46,
    )


def night_street(draw: Draw) -> SceneSpec:
    """A street after dark: lamps, lit windows, headlights."""
    setting = Setting(
        area_m=(-16, -8, 16, 92),
        base="paving",
        markings=(
            Patch("asphalt", bounds(-4.5, -8, 4.5, 92)),
            *(
                Stripe(((x, -8), (x, 92)), 1.0, _WORN, None, 0.2, 0.4)
                for x in (-3.2, -1.6, 1.6, 3.2)
            ),
            Stripe(((-4.5, -8), (-4.5, 92)), 0.2, _KERB),
            Stripe(((4.5, -8), (4.5, 92)), 0.2, _KERB),
            Stripe(((0, -8), (0, 92)), 0.15, _YELLOW, (4, 3)),
            *zebra(15.5, 18.5, -4.2, 4.2, along_x=False),
        ),
        fixtures=(
            Building(8.5, -2, 22, 26, 9.6, "shops", draw.wall()),
            Building(8.8, 28, 22, 58, 13, "flats", draw.wall()),
            Building(-22, 4, -8.6, 34, 12, "shops", draw.wall()),
            Building(-22, 38, -8.8, 70, 10, "flats", draw.wall()),
            Building(-14, 96, 14, 104, 16, "flats", draw.wall()),
            Lamp(5.8, 1, 6.5, -1.4, power=0.9),
            Lamp(-5.6, 9, 6.5, 1.4),
            Lamp(5.6, 24, 6.5, -1.4),
            Lamp(-5.6, 40, 6.5, 1.4),
            Lamp(5.6, 57, 6.5, -1.4),
            Lamp(-5.6, 76, 6.5, 1.4),
            Tree(-6.6, 18, 5.6, 1.7),
            Tree(6.6, 14.5, 5.4, 1.6),
            Tree(6.7, 38, 6, 1.8),
            Tree(-6.7, 52, 6, 1.8),
            Parked("car", "black", 3.5, 33, 90, 1),
            Parked("van", "grey", 3.5, 41, 90, 0),
            Parked("car", "grey", -3.5, 47, 270, 2),
        ),
    )
    actors = (
        Actor(
            "car",
            "white",
            3.0 + draw.late(),
            steps("driving", 9.0, (-1.9, 88), (-1.9, -12)),
            variant=2,
        ),
        Actor(
            "person",
            "yellow",
            8.5 + draw.late(),
            steps("walking", 1.55, (-6.4, -5), (-6.2, 6), (-3, 8.2), (3, 6.4), (9.5, 2)),
            variant=5,
        ),
        Actor(
            "motorcycle",
            "red",
            17.5 + draw.late(),
            steps("driving", 9.5, (2.0, -9), (2.0, 90)),
            variant=1,
        ),
        Actor(
            "bicycle",
            draw.colour("blue", "green", "white"),
            23.5 + draw.late(),
            steps("riding", 4.2, (-3.4, 36), (-3.2, -4)),
            variant=4,
        ),
        Actor(
            "car",
            draw.colour("yellow", "orange"),
            25.0 + draw.late(),
            steps("driving", 10.5, (1.9, -8), (1.9, 90)),
            variant=0,
        ),
    )
    return draw.spec(
        "night-street",
        "夜间街道",
        "riverside/old-town/grid-05/night-street",
        2,
        31.2984,
        120.6251,
        View((-6.9, -9.5, 5.0), 15.0, 14.0, -0.5, 62.0),
        setting,
        actors,
        "a street with lamps at night",
        "夜间有路灯的街道",
        light="night",
        weather="sunny",
    )


def market_lane(draw: Draw) -> SceneSpec:
    """A shopping lane's pavement in the rain at dusk."""
    awnings: tuple[Rgb, ...] = ((150, 58, 50), (58, 92, 120), (70, 110, 78), (170, 134, 60))
    setting = Setting(
        area_m=(-24, -6, 24, 30),
        base="paving",
        markings=(
            Patch("brick", bounds(-24, -6, 24, 3.2)),
            Patch("asphalt", bounds(-24, 7.8, 24, 13.4)),
            Stripe(((-24, 3.2), (24, 3.2)), 0.18, (120, 118, 114)),
            Stripe(((-24, 7.8), (24, 7.8)), 0.25, _KERB),
            Stripe(((-24, 13.4), (24, 13.4)), 0.25, _KERB),
            Stripe(((-24, 10.6), (24, 10.6)), 0.13, (214, 214, 206), (2.5, 2)),
        ),
        fixtures=(
            Building(-26, 17, -1.2, 26, 9.6, "shops", draw.wall()),
            Building(1.6, 17.6, 26, 27, 11, "shops", draw.wall()),
            Building(-8, 34, 12, 40, 14, "flats", draw.wall()),
            *(
                Block(x, 15.9, x + 3.6, 17, 2.65, 2.85, awnings[i % 4])
                for i, x in enumerate((-22.0, -17.4, -12.8, -8.2, -4.8))
            ),
            *(Block(x, 16.3, x + 1.6, 16.95, 0, 0.8, (128, 104, 78)) for x in (-16.0, -11.0, 9.0)),
            Lamp(-7.5, 7.0, 5.2, 1.0, (255, 214, 158), 1.1),
            Lamp(6.5, 7.0, 5.2, 1.0, (255, 214, 158), 1.1),
            Lamp(-1, 14.4, 5.2, -0.9),
            Lamp(15, 14.4, 5.2, -0.9),
            Tree(-11.5, 14.7, 5.4, 1.6),
            Tree(7.4, 14.8, 5.6, 1.7),
            *(Block(x, 7.2, x + 0.14, 7.34, 0, 0.8, (70, 72, 74)) for x in (-4.2, -1.4, 1.4, 4.2)),
            Block(9.2, 4.6, 10.9, 5.2, 0, 0.5, (96, 76, 58)),
            Parked("van", "white", 11.5, 12.4, 180, 0),
        ),
    )
    actors = (
        Actor(
            "person",
            "black",
            2.0 + draw.late(),
            steps("walking", 1.45, (-11, 5.0), (11, 5.6)),
            "umbrella",
            variant=2,
        ),
        Actor(
            "bicycle",
            "yellow",
            7.5 + draw.late(),
            steps("riding", 4.0, (16, 11.9), (-17, 11.9)),
            variant=6,
        ),
        Actor(
            "person",
            draw.colour("blue", "green"),
            13.5 + draw.late(),
            (
                *steps("walking", 1.5, (11, 4.0), (2.4, 4.5)),
                still("standing", 5.0),
                *steps("walking", 1.5, (2.4, 4.5), (-1, 5.5), (-11, 6.0)),
            ),
            "umbrella",
            variant=9,
        ),
        Actor(
            "person",
            "red",
            22.0 + draw.late(),
            steps("running", 3.4, (-12, 3.4), (12, 4.2)),
            variant=7,
        ),
        Actor(
            "dog",
            "orange",
            24.5 + draw.late(),
            steps("walking", 1.9, (9.5, 3.0), (3, 5.4), (-2, 5.2), (-4, 2), (-4.4, -2)),
            variant=1,
        ),
    )
    return draw.spec(
        "market-lane",
        "集市巷",
        "riverside/market/grid-07/market-lane",
        2,
        31.2958,
        120.6187,
        View((0.6, -5.6, 4.0), -2.0, 13.0, 0.4, 64.0),
        setting,
        actors,
        "the pavement of a shopping lane",
        "商业街的人行道",
        light="dusk",
        weather="rain",
    )
