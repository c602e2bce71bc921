"""The places that training scenes are laid out in: ground, buildings, furniture, roads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from indexer.scenes.arrays import Rgb
from indexer.scenes.palette import COLOURS
from indexer.scenes.shorthand import bounds, zebra
from indexer.scenes.spec import (
    Arrow,
    Block,
    Building,
    Fence,
    Fixture,
    Lamp,
    Marking,
    Parked,
    Patch,
    Setting,
    Stripe,
    Tree,
)

Rect = tuple[float, float, float, float]
_WALLS: tuple[Rgb, ...] = (
    (172, 158, 140), (158, 128, 110), (186, 180, 168), (150, 150, 146), (120, 132, 142),
    (196, 186, 150), (140, 100, 84), (110, 112, 108),
)  # fmt: skip
_KERB: Rgb = (176, 174, 168)
_YELLOW: Rgb = (212, 172, 62)


@dataclass(frozen=True, slots=True)
class Layout:
    """`roads`: (x0, y0, x1, y1, heading in degrees) where vehicles go; `blocked`: rectangles
    nothing can stand in; `eye`: where the camera hangs (metres)."""

    place: str
    setting: Setting
    roads: tuple[tuple[float, float, float, float, float], ...]
    blocked: tuple[Rect, ...]
    eye: tuple[float, float]
    indoor: bool = False


def street(rng: np.random.Generator) -> Layout:
    """A street away from the camera, between houses."""
    half = float(rng.uniform(3.2, 5.5))
    edge = half + float(rng.uniform(2.0, 4.5))
    markings: list[Marking] = [
        Patch("asphalt", bounds(-half, -12, half, 90)),
        Stripe(((-half, -12), (-half, 90)), 0.2, _KERB),
        Stripe(((half, -12), (half, 90)), 0.2, _KERB),
        Stripe(
            ((0, -12), (0, 90)), 0.15, _YELLOW if rng.random() < 0.5 else (222, 222, 216), (4, 3)
        ),
    ]
    if rng.random() < 0.4:
        at = float(rng.uniform(5, 20))
        markings += zebra(at, at + 3, -half + 0.2, half - 0.2, along_x=False)
    fixtures: list[Fixture] = []
    for side in (-1, 1):
        y = float(rng.uniform(-6, 4))
        while y < 80:
            deep = float(rng.uniform(10, 26))
            near, far = side * edge, side * (edge + 12)
            fixtures.append(_house(rng, min(near, far), y, max(near, far), y + deep))
            y += deep + float(rng.uniform(0.5, 8))
        fixtures += _row(rng, side * (half + 1.2), 2, 70, side)
    x = -3.0 if rng.random() < 0.5 else 3.0
    roads = ((-half, -12.0, half, 90.0, 90.0),)
    setting = Setting((-26, -12, 26, 92), _base(rng), tuple(markings), tuple(fixtures))
    return Layout("street", setting, roads, _solid(fixtures), (x * 1.6, -9.0))


def motorway(rng: np.random.Generator) -> Layout:
    """A wide road with a barrier in the middle and grass beside it, going away or across."""
    half = float(rng.uniform(8, 12))
    markings: list[Marking] = [Patch("asphalt", bounds(-half, -15, half, 130))]
    for x in np.arange(-half + 3.4, half - 2, 3.4).tolist():
        markings.append(Stripe(((x, -15), (x, 130)), 0.16, dash_m=(4, 6)))
    markings += [Stripe(((s * (half - 0.7), -15), (s * (half - 0.7), 130)), 0.2) for s in (-1, 1)]
    middle: Rgb = (150, 152, 150)
    fixtures: list[Fixture] = [Block(-0.3, -15, 0.3, 130, 0, 0.9, middle)]
    for side in (-1, 1):
        fixtures.append(Fence((side * (half + 0.8), -15), (side * (half + 0.8), 130), 0.8))
        fixtures += [
            Tree(side * float(rng.uniform(half + 4, half + 20)), float(rng.uniform(5, 110)),
                 float(rng.uniform(4, 9)), float(rng.uniform(1.5, 3)))
            for _ in range(int(rng.integers(2, 9)))
        ]  # fmt: skip
        if rng.random() < 0.6:
            fixtures += [Lamp(side * (half + 1.6), y, 9, -side * 1.8) for y in (8.0, 38.0, 68.0)]
    if rng.random() < 0.5:
        fixtures += _gantry(rng, half)
    roads = ((0.8, -15.0, half, 130.0, 90.0), (-half, -15.0, -0.8, 130.0, 90.0))
    eye = (float(rng.uniform(-half - 2, half + 2)), -12.0)
    setting = Setting((-36, -15, 36, 132), "grass", tuple(markings), tuple(fixtures))
    return Layout("motorway", setting, roads, _solid(fixtures), eye)


def intersection(rng: np.random.Generator) -> Layout:
    """Two roads that cross."""
    half, low = float(rng.uniform(4, 7)), float(rng.uniform(4, 9))
    high = low + float(rng.uniform(8, 13))
    markings: list[Marking] = [
        Patch("asphalt", bounds(-50, low, 50, high)),
        Patch("asphalt", bounds(-half, -12, half, 90)),
        Stripe(((-50, (low + high) / 2), (-half - 3, (low + high) / 2)), 0.15, _YELLOW),
        Stripe(((half + 3, (low + high) / 2), (50, (low + high) / 2)), 0.15, _YELLOW),
        Stripe(((0, high + 3), (0, 90)), 0.15, _YELLOW, (3, 2)),
        *zebra(-half - 3.4, -half - 0.6, low + 0.2, high - 0.2, along_x=True),
        *zebra(high + 0.6, high + 3.2, -half + 0.2, half - 0.2, along_x=False),
    ]
    markings.append(Arrow(half / 2, low - 3, 90))
    fixtures: list[Fixture] = []
    for side in (-1, 1):
        near, far = side * (half + 4), side * (half + 22)
        y = high + 4
        while y < 70:
            deep = float(rng.uniform(10, 24))
            fixtures.append(_house(rng, min(near, far), y, max(near, far), y + deep))
            y += deep + float(rng.uniform(1, 6))
        fixtures += _row(rng, side * (half + 1.5), high + 4, 60, side)
    roads = ((-half, -12.0, half, 90.0, 90.0), (-50.0, low, 50.0, high, 0.0))
    setting = Setting((-50, -12, 50, 92), _base(rng), tuple(markings), tuple(fixtures))
    return Layout(
        "intersection", setting, roads, _solid(fixtures), (float(rng.uniform(-5, 5)), -9.0)
    )


def parking_lot(rng: np.random.Generator) -> Layout:
    """Bays with parked vehicles and a lane between them."""
    colours = list(COLOURS)
    markings: list[Marking] = []
    fixtures: list[Fixture] = []
    rows = ((-1.0, 4.2), (14.6, 19.8))
    taken = float(rng.uniform(0.1, 0.55))
    for low, high in rows:
        for k in range(-8, 9):
            x = 2.7 * k
            markings.append(Stripe(((x - 1.35, low), (x - 1.35, high)), 0.12))
            if rng.random() < taken:
                kind = "van" if rng.random() < 0.15 else "car"
                colour = colours[int(rng.integers(len(colours)))]
                turn = 90.0 if rng.random() < 0.5 else 270.0
                middle = (low + high) / 2
                fixtures.append(Parked(kind, colour, x, middle, turn, int(rng.integers(3))))
    markings.append(Patch("grass", bounds(-34, 23, 34, 50)))
    fixtures.append(_house(rng, -30, 32, 6, 46))
    fixtures += [Tree(float(x), 26, 6, 2) for x in rng.uniform(-28, 28, 5)]
    fixtures += [Lamp(-6, 21.5, 7, -0.8), Lamp(12, 21.5, 7, -0.8)]
    roads = ((-30.0, 5.5, 30.0, 13.0, 0.0),)
    material = "asphalt" if rng.random() < 0.8 else "concrete"
    setting = Setting((-34, -14, 34, 50), material, tuple(markings), tuple(fixtures))
    return Layout(
        "parking lot", setting, roads, _solid(fixtures), (float(rng.uniform(-4, 4)), -8.0)
    )


def yard(rng: np.random.Generator) -> Layout:
    """Concrete before a warehouse, with containers."""
    fixtures: list[Fixture] = [
        Building(-24, 26, 20, 44, 8, "warehouse", _wall(rng)),
        Fence((-30, 2), (-30, 44), 2.2),
        Lamp(-14, 25, 8, -1.2), Lamp(10, 25, 8, 1.2),
    ]  # fmt: skip
    colours: tuple[Rgb, ...] = ((150, 60, 44), (44, 78, 120), (60, 110, 80), (160, 140, 60))
    for _ in range(int(rng.integers(1, 5))):
        x, y = float(rng.uniform(-26, 18)), float(rng.uniform(14, 20))
        rgb = colours[int(rng.integers(len(colours)))]
        fixtures.append(Building(x, y, x + 6, y + 2.5, 2.6, "container", rgb))
    roads = ((-26.0, -8.0, 26.0, 13.0, 20.0),)
    setting = Setting((-36, -12, 36, 46), "concrete", (), tuple(fixtures))
    return Layout("yard", setting, roads,
                  _solid(fixtures), (float(rng.uniform(-5, 5)), -9.0))  # fmt: skip


def square(rng: np.random.Generator) -> Layout:
    """Paving with trees, for people on foot."""
    fixtures: list[Fixture] = [
        _house(rng, -30, 34, -4, 48), _house(rng, 2, 34, 28, 48),
        *(Tree(float(x), float(y), 6, 2) for x, y in rng.uniform((-20, 10), (20, 30), (5, 2))),
        Lamp(-8, 14, 6, -0.6), Lamp(9, 22, 6, 0.6),
    ]  # fmt: skip
    for _ in range(3):
        x, y = float(rng.uniform(-14, 14)), float(rng.uniform(4, 20))
        fixtures.append(Block(x, y, x + 1.8, y + 0.5, 0, 0.45, (120, 92, 66)))  # a bench
    material = "paving" if rng.random() < 0.6 else "brick"
    setting = Setting((-34, -12, 34, 50), material, (), tuple(fixtures))
    return Layout("square", setting, (),
                  _solid(fixtures), (float(rng.uniform(-4, 4)), -8.0))  # fmt: skip


def room(rng: np.random.Generator) -> Layout:
    """Indoors: walls on three sides, tables and seats."""
    wide, deep = float(rng.uniform(4, 8)), float(rng.uniform(7, 13))
    wall = _wall(rng)
    fixtures: list[Fixture] = [
        Building(-wide - 1, -6, -wide, deep + 1, 4.5, "wall", wall),
        Building(wide, -6, wide + 1, deep + 1, 4.5, "wall", wall),
        Building(-wide - 1, deep, wide + 1, deep + 1, 4.5, "wall", wall),
    ]
    tops: tuple[Rgb, ...] = ((224, 222, 216), (150, 104, 66), (96, 70, 52), (170, 172, 174))
    top = tops[int(rng.integers(len(tops)))]
    for _ in range(int(rng.integers(1, 6))):
        x, y = float(rng.uniform(-wide + 0.5, wide - 2)), float(rng.uniform(0, deep - 1.5))
        fixtures.append(Block(x, y, x + 1.5, y + 0.8, 0.70, 0.76, top))
        for dx, dy in ((0.05, 0.05), (1.4, 0.05), (0.05, 0.7), (1.4, 0.7)):
            fixtures.append(
                Block(x + dx, y + dy, x + dx + 0.06, y + dy + 0.06, 0, 0.7, (70, 70, 72))
            )
    material = str(rng.choice(["concrete", "paving", "brick"]))
    setting = Setting((-wide - 1, -6, wide + 1, deep + 1), material, (), tuple(fixtures))
    return Layout(
        "room", setting, (), _solid(fixtures), (float(rng.uniform(-2, 2)), -3.5), indoor=True
    )


LAYOUTS: tuple[Callable[[np.random.Generator], Layout], ...] = (
    street, street, motorway, motorway, intersection, parking_lot, parking_lot, yard, square, room,
)  # fmt: skip
"""As often as they are drawn."""


def _house(rng: np.random.Generator, x0: float, y0: float, x1: float, y1: float) -> Building:
    style = str(rng.choice(["flats", "shops", "office", "wall"]))
    height = 3.0 if style == "wall" else float(rng.uniform(6, 18))
    return Building(x0, y0, x1, y1, height, style, _wall(rng))


def _row(rng: np.random.Generator, x: float, y0: float, y1: float, side: int) -> list[Fixture]:
    """Trees and lamps along a kerb."""
    things: list[Fixture] = []
    y = y0 + float(rng.uniform(0, 8))
    while y < y1:
        if rng.random() < 0.5:
            things.append(Tree(x, y, float(rng.uniform(4.5, 8)), float(rng.uniform(1.4, 2.4))))
        else:
            things.append(Lamp(x, y, 6.5, -side * 1.4))
        y += float(rng.uniform(7, 18))
    return things


def _gantry(rng: np.random.Generator, half: float) -> list[Fixture]:
    """A sign across the road."""
    y = float(rng.uniform(35, 70))
    sign: Rgb = (30, 90, 60) if rng.random() < 0.6 else (40, 70, 140)
    return [
        Block(-half - 1, y, -half - 0.7, y + 0.3, 0, 6.5, (120, 122, 124)),
        Block(half + 0.7, y, half + 1, y + 0.3, 0, 6.5, (120, 122, 124)),
        Block(-half - 1, y, half + 1, y + 0.2, 6.2, 6.5, (120, 122, 124)),
        Block(1.5, y - 0.1, half - 1, y, 5.0, 7.2, sign),
    ]


def _base(rng: np.random.Generator) -> str:
    return str(rng.choice(["paving", "brick", "concrete", "grass"], p=(0.45, 0.15, 0.2, 0.2)))


def _wall(rng: np.random.Generator) -> Rgb:
    return _WALLS[int(rng.integers(len(_WALLS)))]


def _solid(fixtures: list[Fixture]) -> tuple[Rect, ...]:
    """What nothing can stand in."""
    rects: list[Rect] = []
    for thing in fixtures:
        if isinstance(thing, Building | Block):
            rects.append((thing.x0, thing.y0, thing.x1, thing.y1))
        elif isinstance(thing, Parked):
            rects.append((thing.x - 2.2, thing.y - 2.6, thing.x + 2.2, thing.y + 2.6))
    return tuple(rects)
