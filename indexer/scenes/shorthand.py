"""What keeps the standard scenes readable: outlines, crossings, legs and seeded choices."""

from __future__ import annotations

import numpy as np

from .arrays import Rgb, seeded
from .spec import Actor, Leg, Point, SceneSpec, Setting, Stripe, View

_WALLS: tuple[Rgb, ...] = (
    (172, 158, 140),
    (158, 128, 110),
    (186, 180, 168),
    (150, 150, 146),
    (176, 148, 118),
    (142, 132, 124),
)


def bounds(x0: float, y0: float, x1: float, y1: float) -> tuple[Point, ...]:
    """The outline of a rectangle."""
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def zebra(low: float, high: float, start: float, end: float, along_x: bool) -> tuple[Stripe, ...]:
    """A crossing: bars from `low` to `high`, repeated from `start` to `end` (metres)."""
    places = np.arange(start + 0.3, end - 0.1, 0.95).tolist()
    if along_x:
        return tuple(Stripe(((low, y), (high, y)), 0.45) for y in places)
    return tuple(Stripe(((x, low), (x, high)), 0.45) for x in places)


def steps(action: str, speed_m_s: float, *path: Point) -> tuple[Leg, ...]:
    """One moving leg."""
    return (Leg(action, path, speed_m_s),)


def back(action: str, speed_m_s: float, *path: Point) -> tuple[Leg, ...]:
    """One leg driven backwards."""
    return (Leg(action, path, speed_m_s, backwards=True),)


def still(action: str, seconds: float) -> Leg:
    """One leg in which the actor stays where it is."""
    return Leg(action, (), 0.0, seconds)


class Draw:
    """The choices a seed makes for one scene, and the settings all scenes share."""

    def __init__(
        self, name: str, seed: int, seconds: float, width: int, height: int, gop_s: float
    ) -> None:
        self._rng = seeded(seed, "scene", name)
        self._seed, self._seconds, self._gop_s = seed, seconds, gop_s
        self._width, self._height = width, height

    def late(self) -> float:
        """A little delay in seconds, on the grid of tenths."""
        return float(self._rng.integers(0, 6)) / 10

    def colour(self, *choices: str) -> str:
        """One of some colour names."""
        return choices[int(self._rng.integers(len(choices)))]

    def wall(self) -> Rgb:
        """A wall's colour."""
        return _WALLS[int(self._rng.integers(len(_WALLS)))]

    def spec(
        self,
        name: str,
        name_zh: str,
        site: str,
        site_class: int,
        lat: float,
        lon: float,
        view: View,
        setting: Setting,
        actors: tuple[Actor, ...],
        view_en: str,
        view_zh: str,
        *,
        light: str,
        weather: str,
        sun_azimuth_deg: float = 225.0,
        sun_height_deg: float = 48.0,
    ) -> SceneSpec:
        """The finished scene."""
        return SceneSpec(
            name,
            name_zh,
            site,
            site_class,
            lat,
            lon,
            view,
            setting,
            view_en,
            view_zh,
            actors,
            light,
            weather,
            sun_azimuth_deg,
            sun_height_deg,
            seed=self._seed,
            seconds=self._seconds,
            width=self._width,
            height=self._height,
            gop_s=self._gop_s,
        )
