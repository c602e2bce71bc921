"""Three standard cameras above open ground: car-park, ring-road and loading-yard."""

from __future__ import annotations

from .arrays import Rgb
from .shorthand import Draw, back, bounds, steps, still
from .spec import (
    Actor,
    Arrow,
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

_KERB: Rgb = (176, 174, 168)
_WORN: Rgb = (72, 72, 74)
_YELLOW: Rgb = (214, 174, 62)


def car_park(draw: Draw) -> SceneSpec:
    """A parking lot seen obliquely from a roof."""
    bays = [-15.0 + 2.6 * k for k in range(13)]
    cars = ("grey", "white", "black", "grey", "white", "white", "black")
    near_bays, far_bays = (1, 2, 4, 9, 10), (0, 2, 3, 5, 7, 8, 11)
    setting = Setting(
        area_m=(-34, -14, 34, 44),
        base="asphalt",
        markings=(
            Patch("grass", bounds(-34, 22.2, 34, 44)),
            Patch("paving", bounds(-34, 20, 34, 22.2)),
            Patch("grass", bounds(-34, -14, -19.5, 44)),
            Stripe(((-34, 20), (34, 20)), 0.22, _KERB),
            Stripe(((-19.5, -14), (-19.5, 20)), 0.22, _KERB),
            *(Stripe(((x - 1.3, 14.6), (x - 1.3, 19.6)), 0.12) for x in bays),
            *(Stripe(((x - 1.3, -1.0), (x - 1.3, 4.0)), 0.12) for x in bays),
            Stripe(((-16.3, 4.0), (16.2, 4.0)), 0.12),
            Stripe(((-19, 9.3), (34, 9.3)), 2.2, _WORN, None, 0.16, 0.8),
            Arrow(-8, 11, 0),
            Arrow(9, 7.6, 180),
        ),
        fixtures=(
            *(
                Parked(
                    "van" if k == 7 else "car",
                    cars[i % 7],
                    bays[k],
                    17.2,
                    270 if k % 2 else 90,
                    i % 3,
                )
                for i, k in enumerate(far_bays)
            ),
            *(
                Parked("car", cars[(i + 3) % 7], bays[k], 1.6, 90 if k % 2 else 270, i % 3)
                for i, k in enumerate(near_bays)
            ),
            Building(-30, 30, 2, 44, 9, "office", draw.wall()),
            Building(8, 32, 34, 44, 7, "flats", draw.wall()),
            *(Tree(x, 24.5, 5.6, 2.0) for x in (-25.0, -14.0, -3.0, 5.0, 15.0, 26.0)),
            Tree(-23, 8, 5.5, 2.0),
            Tree(-24, -2, 5.5, 2.0),
            Fence((-34, 22.4), (34, 22.4), 1.1, (120, 124, 122)),
            Lamp(2.0, 20.8, 7, -0.8),
            Lamp(-17, 20.8, 7, 0.8),
        ),
    )
    actors = (
        Actor(
            "car",
            "blue",
            2.5 + draw.late(),
            (
                *steps(
                    "arriving", 5.0, (32, 10.6), (12, 10.8), (3.5, 10.4), (0.7, 12.6), (0.6, 17)
                ),
                still("stopped", 6.0),
                *back("leaving", 2.2, (0.6, 17), (0.6, 13.2), (-1.0, 10.6), (-4.0, 9.9)),
                *steps("leaving", 5.5, (-4.0, 9.9), (2, 8.7), (12, 7.8), (28, 7.8)),
            ),
            variant=0,
        ),
        Actor(
            "person",
            "yellow",
            9.0 + draw.late(),
            (
                *steps("walking", 1.6, (14, 5.5), (5.5, 5.2)),
                still("fallen", 6.5),
                *steps("walking", 1.4, (5.5, 5.2), (-2, 5.3), (-12, 6.0)),
            ),
            variant=11,
        ),
        Actor(
            "person",
            "orange",
            14.0 + draw.late(),
            steps("walking", 1.9, (18, 21.2), (-20, 21.0)),
            "bag",
            variant=4,
        ),
    )
    return draw.spec(
        "car-park",
        "停车场",
        "riverside/old-town/grid-04/car-park",
        2,
        31.2999,
        120.6228,
        View((1.0, -9.5, 11.5), -2.0, 30.0, -0.4, 56.0),
        setting,
        actors,
        "a parking lot seen from a roof",
        "从屋顶俯瞰的停车场",
        light="day",
        weather="overcast",
    )


def ring_road(draw: Draw) -> SceneSpec:
    """A dual carriageway from straight overhead."""
    setting = Setting(
        area_m=(-26, -14, 26, 14),
        base="grass",
        markings=(
            Patch("asphalt", bounds(-26, -8.6, 26, 8.6)),
            Patch("concrete", bounds(-26, -0.9, 26, 0.9)),
            *(
                Stripe(((-26, y), (26, y)), 0.9, _WORN, None, 0.24, 0.35)
                for y in (-7.1, -5.5, -3.3, -1.9, 1.9, 3.3, 5.5, 7.1)
            ),
            Stripe(((-26, 0.95), (26, 0.95)), 0.18, _YELLOW),
            Stripe(((-26, -0.95), (26, -0.95)), 0.18, _YELLOW),
            Stripe(((-26, 8.1), (26, 8.1)), 0.16),
            Stripe(((-26, -8.1), (26, -8.1)), 0.16),
            Stripe(((-26, 4.5), (26, 4.5)), 0.15, dash_m=(4, 4)),
            Stripe(((-26, -4.5), (26, -4.5)), 0.15, dash_m=(4, 4)),
            Arrow(-6, -6.3, 0, 4.4),
            Arrow(-6, -2.7, 0, 4.4),
            Arrow(6, 6.3, 180, 4.4),
            Arrow(6, 2.7, 180, 4.4),
        ),
        fixtures=(
            Block(-26, -0.12, 26, 0.12, 0, 0.85, (168, 166, 158)),
            *(
                Block(x, 8.75, x + 0.12, 8.87, 0, 0.7, (150, 152, 152))
                for x in (-14.0, -10.0, -6.0, -2.0, 2.0, 6.0, 10.0, 14.0)
            ),
            Block(-26, 8.74, 26, 8.82, 0.45, 0.7, (172, 174, 174)),
            Tree(-12, -11.2, 3.5, 1.5),
            Tree(4, -11.6, 3.2, 1.4),
            Tree(14, 11.4, 3.4, 1.5),
        ),
    )
    actors = (
        Actor(
            "truck",
            "orange",
            2.5 + draw.late(),
            steps("driving", 9.0, (-24, -6.3), (24, -6.3)),
            variant=0,
        ),
        Actor(
            "car",
            "white",
            6.8 + draw.late(),
            steps("driving", 12.0, (22, 2.7), (-22, 2.7)),
            variant=0,
        ),
        Actor(
            "motorcycle",
            draw.colour("red", "blue"),
            12.5 + draw.late(),
            steps("driving", 11.0, (-20, -3.0), (20, -3.0)),
            variant=5,
        ),
        Actor(
            "car",
            draw.colour("black", "grey"),
            14.0 + draw.late(),
            steps("driving", 10.5, (-22, -2.7), (-6, -2.9), (6, -6.1), (22, -6.3)),
            variant=2,
        ),
        Actor(
            "bus",
            "blue",
            21.5 + draw.late(),
            steps("driving", 8.5, (25, 6.3), (-25, 6.3)),
            variant=0,
        ),
        Actor(
            "car",
            "yellow",
            30.0 + draw.late(),
            steps("driving", 13.0, (22, 2.7), (-22, 2.7)),
            variant=1,
        ),
    )
    return draw.spec(
        "ring-road",
        "环路",
        "riverside/bypass/grid-11/ring-road",
        1,
        31.3062,
        120.6310,
        View((0.0, -0.2, 27.0), 3.0, 89.0, 0.0, 66.0),
        setting,
        actors,
        "a dual carriageway seen from straight above",
        "正上方俯瞰的双向车道",
        light="day",
        weather="sunny",
        sun_azimuth_deg=140,
        sun_height_deg=52,
    )


def loading_yard(draw: Draw) -> SceneSpec:
    """The gate and yard of a warehouse."""
    steel: Rgb = (158, 166, 172)
    setting = Setting(
        area_m=(-32, -10, 32, 46),
        base="concrete",
        markings=(
            Patch("asphalt", bounds(-32, 0, -11, 46)),
            Stripe(((-32, 8.5), (24, 8.5)), 1.2, _WORN, None, 0.2, 0.5),
            Stripe(((-32, 11.0), (24, 11.0)), 1.2, _WORN, None, 0.2, 0.5),
            *(Stripe(((x, 15.0), (x, 21.6)), 0.14, _YELLOW) for x in (-5.6, 0.4, 1.0, 7.0, 7.6)),
            Stripe(((-9.2, 3.0), (-9.2, 15)), 0.3, (206, 204, 196), (0.8, 0.6)),
            Arrow(-14, 8.5, 0, 4.0),
        ),
        fixtures=(
            Building(-8, 22, 24, 40, 8.5, "warehouse", steel),
            Building(12.5, 12.5, 15, 18.6, 2.6, "container", (52, 92, 136)),
            Building(15.4, 12.5, 17.9, 18.6, 2.6, "container", (150, 70, 48)),
            Building(12.9, 12.5, 15.4, 18.6, 5.2, "container", (72, 112, 84)),
            Building(-40, 44, -12, 54, 10, "flats", draw.wall()),
            Fence((-10, 12.6), (-10, 30), 2.2),
            Fence((-10, -4), (-10, 5.6), 2.2),
            Block(-10.35, 5.5, -9.65, 6.2, 0, 2.8, (196, 170, 60)),
            Block(-10.35, 12.4, -9.65, 13.1, 0, 2.8, (196, 170, 60)),
            Block(-9.6, 13.3, -7.4, 15.6, 0, 2.6, (204, 206, 204)),
            Block(-9.3, 13.25, -7.7, 13.3, 1.1, 2.1, (54, 66, 78)),
            Tree(-17, 27, 6.5, 2.2),
            Tree(-24, 24, 7, 2.4),
            Tree(-15, 35, 7, 2.3),
            *(
                Block(x, y, x + 1.1, y + 1.0, 0, h, (150, 122, 84))
                for x, y, h in (
                    (9.6, 10.2, 0.9),
                    (10.9, 10.4, 1.3),
                    (9.9, 11.6, 1.1),
                    (-6.8, 19.6, 0.9),
                )
            ),
            Parked("truck", "white", 4.0, 17.6, 270, 0),
            Lamp(-10.6, 16, 7.5, 1.4),
        ),
    )
    actors = (
        Actor(
            "truck",
            "blue",
            2.0 + draw.late(),
            (
                *steps("arriving", 5.0, (-34, 8.6), (-20, 8.6), (-10, 9.0), (-3, 9.6)),
                still("stopped", 5.0),
                *steps("leaving", 5.5, (-3, 9.6), (8, 9.2), (18, 5.0), (30, 2.0)),
            ),
            variant=0,
        ),
        Actor(
            "person",
            "orange",
            6.0 + draw.late(),
            (
                *steps("walking", 1.5, (-22, 12.4), (-14, 10.6), (-8, 6.6), (-6.0, 6.0)),
                still("standing", 4.0),
                *steps("walking", 1.6, (-6.0, 6.0), (2, 4.0), (13, 1.0)),
            ),
            variant=10,
        ),
        Actor(
            "person",
            "green",
            18.5 + draw.late(),
            steps("running", 3.4, (-24, 10.5), (-11, 9.4), (2, 11.4), (18, 6)),
            "bag",
            variant=6,
        ),
        Actor(
            "van",
            draw.colour("red", "white"),
            27.0 + draw.late(),
            steps("leaving", 6.5, (17, 6.4), (6, 9.0), (-8, 9.0), (-18, 9.4), (-27, 9.4)),
            variant=0,
        ),
    )
    return draw.spec(
        "loading-yard",
        "装卸场",
        "riverside/logistics/grid-14/loading-yard",
        3,
        31.2921,
        120.6342,
        View((-1.5, -9.0, 6.6), -4.0, 16.5, 0.5, 66.0),
        setting,
        actors,
        "the gate and yard of a warehouse",
        "仓库的大门和装卸场",
        light="day",
        weather="wet",
    )
