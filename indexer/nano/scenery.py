"""Random scenes for training: a place, a view, and in every second other things in it.

Each second of a scene is one picture: its actors come at the beginning of that second and are
gone at its end, so that one built backdrop serves many pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from indexer.nano.layouts import LAYOUTS, Layout
from indexer.scenes.lens import Lens
from indexer.scenes.palette import COLOURS
from indexer.scenes.spec import Actor, Leg, Point, SceneSpec, View

SECONDS = 12
WIDTH, HEIGHT = 640, 360
SMALLEST_PX = 13.0  # a thing's height in the picture; smaller ones tell nothing
_LENGTH_M = {"car": 4.6, "van": 5.2, "truck": 7.6, "bus": 11.5, "motorcycle": 2.2, "bicycle": 1.8}
_HEIGHT_M = {"car": 1.5, "van": 2.2, "truck": 3.0, "bus": 3.0, "motorcycle": 1.5, "bicycle": 1.6}
_DRIVING = ("car", "van", "truck", "bus", "motorcycle")
VIEWS = {
    # eye height, pitch, field of view: from, to
    "street level": ((2.3, 4.5), (4.0, 13.0), (50.0, 72.0)),
    "oblique": ((6.0, 13.0), (20.0, 40.0), (48.0, 66.0)),
    "overhead": ((8.0, 16.0), (58.0, 86.0), (50.0, 70.0)),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A scene to draw, and what of it the renderer does not say. `density` and `collided`: by
    second; `collided` holds the numbers of actors that have run into each other."""

    spec: SceneSpec
    place: str
    view: str
    density: tuple[str | None, ...]
    collided: tuple[frozenset[int], ...]


def plan_scene(rng: np.random.Generator, seed: int) -> Planned:
    """One random scene."""
    layout = LAYOUTS[int(rng.integers(len(LAYOUTS)))](rng)
    kind = str(rng.choice(list(VIEWS), p=(0.4, 0.38, 0.22)))
    if layout.indoor and kind == "overhead":
        kind = "oblique"
    view = _view(rng, kind, layout)
    light, weather = _air(rng, layout)
    actors: list[Actor] = []
    densities: list[str | None] = []
    collided: list[frozenset[int]] = []
    free = _Ground(Lens(view, WIDTH, HEIGHT), layout)
    for second in range(SECONDS):
        crashed: set[int] = set()
        density = str(rng.choice(["empty", "few", "many"], p=(0.07, 0.63, 0.30)))
        placed = _Placed()
        count = {"empty": 0, "few": int(rng.integers(1, 5)), "many": int(rng.integers(7, 14))}[
            density
        ]
        many_of = "vehicle" if rng.random() < 0.5 and layout.roads else "person"
        if density == "few" and layout.roads and rng.random() < 0.12:
            pair = _crash(rng, free, placed, second, layout)
            crashed = {len(actors) + i for i in range(len(pair))}
            actors += pair
        for _ in range(count):
            wanted = many_of if density == "many" and rng.random() < 0.85 else None
            made = _actor(rng, free, placed, second, layout, wanted)
            if made is not None:
                actors.append(made)
        densities.append(_density(density, placed))
        collided.append(frozenset(crashed))
    spec = SceneSpec(
        f"cam-{seed % 1000:03d}", "相机", "made", 1, 31.3, 120.6, view, layout.setting, "", "",
        tuple(actors), light, weather, float(rng.uniform(0, 360)), float(rng.uniform(22, 65)),
        seed=seed, seconds=SECONDS + 1.0, fps=10, width=WIDTH, height=HEIGHT,
    )  # fmt: skip
    return Planned(spec, layout.place, kind, tuple(densities), tuple(collided))


class _Placed:
    """Where things stand already in one picture."""

    def __init__(self) -> None:
        self.spots: list[tuple[float, float, float]] = []
        self.counts = {"vehicle": 0, "person": 0}

    def free(self, x: float, y: float, reach: float) -> bool:
        """Whether a thing of that radius (metres) would touch none of them."""
        return all(math.hypot(x - a, y - b) > (reach + r) * 0.8 for a, b, r in self.spots)


class _Ground:
    """Ground places of a view, by how likely a thing is seen there: uniform over the picture."""

    def __init__(self, lens: Lens, layout: Layout) -> None:
        x, y, depth = lens.ground(0.25)
        seen = (depth > 1.5) & (depth < 75.0)
        self.lens = lens
        self.points = np.stack([x[seen], y[seen], depth[seen]], axis=1)
        points = self.points
        self.on_road = np.zeros(len(points), bool)
        for x0, y0, x1, y1, _ in layout.roads:
            inside = (points[:, 0] > x0) & (points[:, 0] < x1)
            self.on_road |= inside & (points[:, 1] > y0) & (points[:, 1] < y1)
        clear = np.ones(len(points), bool)
        for x0, y0, x1, y1 in layout.blocked:
            inside = (points[:, 0] > x0 - 0.4) & (points[:, 0] < x1 + 0.4)
            clear &= ~(inside & (points[:, 1] > y0 - 0.4) & (points[:, 1] < y1 + 0.4))
        self.clear = clear

    def spot(
        self, rng: np.random.Generator, height_m: float, road: bool | None
    ) -> tuple[float, float] | None:
        """A random place where a thing of that height is tall enough to be told."""
        fits = self.clear & (self.lens.focal_px * height_m / self.points[:, 2] > SMALLEST_PX)
        if road is not None:
            fits &= self.on_road == road
        places = np.flatnonzero(fits)
        if not len(places):
            return None
        x, y, _ = self.points[int(places[int(rng.integers(len(places)))])]
        return float(x), float(y)


def _view(rng: np.random.Generator, kind: str, layout: Layout) -> View:
    height, pitch, fov = VIEWS[kind]
    eye = float(rng.uniform(*height))
    if layout.indoor:
        eye = min(eye, 3.2)
    x, y = layout.eye
    return View(
        (x + float(rng.uniform(-2, 2)), y, eye), float(rng.uniform(-14, 14)),
        float(rng.uniform(*pitch)), float(rng.uniform(-1.5, 1.5)), float(rng.uniform(*fov)),
    )  # fmt: skip


def _air(rng: np.random.Generator, layout: Layout) -> tuple[str, str]:
    if layout.indoor:
        return "day", "overcast"
    light = str(rng.choice(["day", "dusk", "night"], p=(0.55, 0.17, 0.28)))
    weather = str(rng.choice(["sunny", "overcast", "wet", "rain"], p=(0.34, 0.28, 0.19, 0.19)))
    return light, weather


def _actor(
    rng: np.random.Generator,
    ground: _Ground,
    placed: _Placed,
    second: int,
    layout: Layout,
    wanted: str | None,
) -> Actor | None:
    """Something at a free place, or None when a few tries found none."""
    kind = _kind(rng, layout, wanted)
    road = None
    if kind in _DRIVING and layout.roads:
        road = True if rng.random() < 0.95 else None
    elif kind == "person" and layout.roads:
        road = bool(rng.random() < 0.35)
    reach = _LENGTH_M.get(kind, 1.2) / 2
    for _ in range(6):
        spot = ground.spot(rng, _HEIGHT_M.get(kind, 1.7), road)
        if spot is None:
            return None
        if placed.free(*spot, reach):
            placed.spots.append((*spot, reach))
            placed.counts["person" if kind == "person" else "vehicle"] += kind not in (
                "dog",
                "bicycle",
            )
            return _made(rng, kind, spot, second, _heading(rng, spot, layout, kind))
    return None


def _kind(rng: np.random.Generator, layout: Layout, wanted: str | None) -> str:
    if layout.indoor or wanted == "person":
        return "person" if rng.random() < 0.93 else "dog"
    if wanted == "vehicle":
        return str(rng.choice(_DRIVING, p=(0.44, 0.2, 0.18, 0.08, 0.10)))
    kinds = ["car", "van", "truck", "bus", "motorcycle", "bicycle", "person", "dog"]
    return str(rng.choice(kinds, p=(0.2, 0.14, 0.13, 0.1, 0.1, 0.08, 0.2, 0.05)))


def _heading(rng: np.random.Generator, spot: Point, layout: Layout, kind: str) -> float:
    """Radians: along the road for what drives on one, else any way."""
    if kind in _DRIVING or kind == "bicycle":
        for x0, y0, x1, y1, along in layout.roads:
            if x0 < spot[0] < x1 and y0 < spot[1] < y1:
                wobble = float(rng.normal(0, 4.0))
                return math.radians(along + 180.0 * float(rng.random() < 0.5) + wobble)
    return float(rng.uniform(0, 2 * math.pi))


def _made(rng: np.random.Generator, kind: str, spot: Point, second: int, heading: float) -> Actor:
    colour = _colour(rng, kind)
    variant = int(rng.integers(12))
    carrying = None
    if kind == "person":
        action = str(
            rng.choice(
                ["walking", "running", "standing", "fallen", "pushing a bicycle"],
                p=(0.36, 0.17, 0.2, 0.17, 0.1),
            )
        )
        if action in ("walking", "standing") and rng.random() < 0.5:
            carrying = str(rng.choice(["bag", "umbrella"]))
    elif kind == "bicycle":
        action = "riding"
    elif kind == "dog":
        action = str(rng.choice(["walking", "running"]))
    else:
        action = "stopped" if rng.random() < 0.4 else "driving"
    return Actor(kind, colour, float(second), (_leg(action, spot, heading),), carrying, variant)


def _leg(action: str, spot: Point, heading: float) -> Leg:
    """One second of a deed around a place."""
    ahead = (math.cos(heading), math.sin(heading))
    speed = {"driving": 6.0, "riding": 4.0, "running": 3.2, "walking": 1.4}.get(action, 1.2)
    half = speed * 0.49
    start = (spot[0] - ahead[0] * half, spot[1] - ahead[1] * half)
    end = (spot[0] + ahead[0] * half, spot[1] + ahead[1] * half)
    if action in ("stopped", "standing", "fallen"):
        return Leg(action, (spot, (spot[0] + ahead[0], spot[1] + ahead[1])), seconds=0.98)
    return Leg(action, (start, end), speed)


def _colour(rng: np.random.Generator, kind: str) -> str:
    names = list(COLOURS)
    if kind == "dog":
        return str(rng.choice(["black", "brown", "white", "grey", "orange"]))
    return names[int(rng.integers(len(names)))]


def _crash(
    rng: np.random.Generator, ground: _Ground, placed: _Placed, second: int, layout: Layout
) -> list[Actor]:
    """Two vehicles, one run into the side of the other."""
    spot = ground.spot(rng, 2.6, True)
    if spot is None:
        return []
    heading = _heading(rng, spot, layout, "car")
    other = heading + float(rng.uniform(0.6, 1.5)) * (1 if rng.random() < 0.5 else -1)
    first, second_kind = (
        str(rng.choice(["car", "van", "truck"], p=(0.6, 0.25, 0.15))) for _ in "ab"
    )
    gap = 0.5 * _LENGTH_M[second_kind] + 0.8
    beside = (spot[0] - math.cos(other) * gap, spot[1] - math.sin(other) * gap)
    pair = []
    for kind, place, turned in ((first, spot, heading), (second_kind, beside, other)):
        leg = _leg("stopped", place, turned)
        pair.append(
            Actor(kind, _colour(rng, kind), float(second), (leg,), None, int(rng.integers(12)))
        )
        placed.spots.append((*place, _LENGTH_M[kind] / 2))
        placed.counts["vehicle"] += 1
    return pair


def _density(wanted: str, placed: _Placed) -> str | None:
    if not placed.spots:
        return "empty"
    if placed.counts["person"] >= 6:
        return "crowd"
    if placed.counts["vehicle"] >= 6:
        return "traffic"
    return None
