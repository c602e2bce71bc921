"""Sun, sky and street lamps: how much light falls on a surface at a place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .arrays import Floats, floats
from .spec import Lamp, Point3, SceneSpec

_SKY = {
    ("day", "sunny"): ((0.86, 0.81, 0.715), (0.43, 0.465, 0.53)),
    ("day", "overcast"): ((0.14, 0.14, 0.14), (0.95, 0.97, 0.99)),
    ("day", "wet"): ((0.10, 0.10, 0.10), (0.98, 1.00, 1.02)),
    ("day", "rain"): ((0.0, 0.0, 0.0), (0.80, 0.83, 0.86)),
    ("dusk", "sunny"): ((0.16, 0.11, 0.07), (0.38, 0.42, 0.52)),
    ("dusk", "overcast"): ((0.0, 0.0, 0.0), (0.36, 0.41, 0.52)),
    ("dusk", "wet"): ((0.0, 0.0, 0.0), (0.34, 0.39, 0.50)),
    ("dusk", "rain"): ((0.0, 0.0, 0.0), (0.36, 0.41, 0.51)),
}
"""(light, weather) → direct and sky light on an upward surface, as RGB multipliers."""

_NIGHT = ((0.0, 0.0, 0.0), (0.105, 0.12, 0.155))
LAMP_GAIN = 1.15


@dataclass(frozen=True, slots=True)
class Local:
    """Light at one place: unit vector to the sun (3,), and RGB multipliers (3,)."""

    to_sun: Floats
    sun_rgb: Floats
    sky_rgb: Floats
    glow: float
    """0 by day; how strongly lamps of vehicles show."""

    def on(self, normals: Floats) -> Floats:
        """Multipliers (n, 3) for surfaces with unit `normals` (n, 3)."""
        direct = np.maximum(0.0, normals @ self.to_sun)[:, None]
        sky = (0.73 + 0.27 * normals[:, 2])[:, None]
        return floats(direct * self.sun_rgb + sky * self.sky_rgb)

    def turned(self, heading_rad: float) -> Local:
        """The same light in the coordinates of a thing turned by `heading_rad`."""
        c, s = math.cos(heading_rad), math.sin(heading_rad)
        x, y, z = self.to_sun
        return Local(
            floats([c * x + s * y, c * y - s * x, z]), self.sun_rgb, self.sky_rgb, self.glow
        )

    def flat(self, facing: float = 0.55) -> Floats:
        """One multiplier (3,) for something small and round."""
        return floats(self.sun_rgb * facing + self.sky_rgb * 0.9)


class Lighting:
    """The light of a whole scene."""

    def __init__(self, spec: SceneSpec) -> None:
        direct, sky = _NIGHT if spec.light == "night" else _SKY[(spec.light, spec.weather)]
        azimuth, height = math.radians(spec.sun_azimuth_deg), math.radians(spec.sun_height_deg)
        self.to_sun = floats(
            [
                math.cos(height) * math.cos(azimuth),
                math.cos(height) * math.sin(azimuth),
                math.sin(height),
            ]
        )
        self.sun_rgb, self.sky_rgb = floats(direct), floats(sky)
        self.glow = {"day": 0.0, "dusk": 0.75, "night": 1.0}[spec.light]
        self.lamps = (
            tuple(fixture for fixture in spec.setting.fixtures if isinstance(fixture, Lamp))
            if self.glow
            else ()
        )

    @property
    def casts_shadows(self) -> bool:
        """Whether the sun is strong enough for sharp shadows."""
        return float(self.sun_rgb.max()) > 0.3

    def lamp_light(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Light of all lamps at world points, shape of `x` plus a channel axis."""
        total = np.zeros((*x.shape, 3), np.float32)
        for lamp in self.lamps:
            head = lamp_head(lamp)
            apart = (x - head[0]) ** 2 + (y - head[1]) ** 2
            drop = np.maximum(head[2] - z, 0.4)
            reach = apart + drop**2 + 1.5
            pool = lamp.power * LAMP_GAIN * head[2] ** 2 / reach * (0.25 + 0.75 * drop / reach**0.5)
            pool = np.minimum(pool, 1.25 * lamp.power)
            total += floats(pool)[..., None] * floats(lamp.rgb) / 255.0
        return floats(total)

    def at(self, x: float, y: float, open_share: float = 1.0) -> Local:
        """Light on a thing standing at (x, y); `open_share` is how much sun reaches it."""
        sky = self.sky_rgb
        if self.lamps:
            sky = sky + 0.85 * self.lamp_light(floats([x]), floats([y]), floats([1.0]))[0]
        return Local(self.to_sun, floats(self.sun_rgb * open_share), floats(sky), self.glow)

    def shadow_of(self, points: Floats) -> Floats:
        """Where world points (n, 3) cast their shadows on the ground, (n, 2) metres."""
        shift = points[:, 2:3] / max(float(self.to_sun[2]), 0.15)
        return floats(points[:, :2] - shift * self.to_sun[None, :2])


def lamp_head(lamp: Lamp) -> Point3:
    """Where the lamp's light comes from."""
    return (lamp.x + lamp.arm_m, lamp.y, lamp.height_m)
