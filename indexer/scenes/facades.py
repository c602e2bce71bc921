"""Textures of walls: windows, shop fronts, roller doors; what of them shines after dark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import Floats, Rgb, blurred, cloud, floats

_WARM: tuple[Rgb, ...] = ((255, 208, 140), (255, 226, 178), (226, 232, 240), (255, 190, 110))
_SIGNS: tuple[Rgb, ...] = (
    (150, 44, 40),
    (40, 74, 120),
    (46, 96, 66),
    (176, 140, 56),
    (92, 60, 98),
    (60, 62, 66),
)


@dataclass
class Facade:
    """A wall under construction; rows run from the eaves down, `ppm` pixels per metre."""

    albedo: Floats
    glow: Floats
    ppm: float
    rng: np.random.Generator
    lit_share: float

    @property
    def width_m(self) -> float:
        """Width of the wall in metres."""
        return float(self.albedo.shape[1] / self.ppm)

    @property
    def height_m(self) -> float:
        """Height of the wall in metres."""
        return float(self.albedo.shape[0] / self.ppm)

    def fill(
        self, x0: float, x1: float, z0: float, z1: float, rgb: Rgb, glow: Rgb | None = None
    ) -> None:
        """Paint a rectangle given in metres from the left and above the ground."""
        height = self.albedo.shape[0]
        a = (round(x0 * self.ppm), round(height - z1 * self.ppm))
        b = (max(round(x1 * self.ppm) - 1, a[0]), max(round(height - z0 * self.ppm) - 1, a[1]))
        cv2.rectangle(self.albedo, a, b, rgb, -1)
        cv2.rectangle(self.glow, a, b, glow or (0, 0, 0), -1)

    def window(self, x0: float, x1: float, z0: float, z1: float, frame: Rgb) -> None:
        """A window with frame, sill, reflection and perhaps a light behind it."""
        rng = self.rng
        self.fill(x0 - 0.08, x1 + 0.08, z0 - 0.12, z1 + 0.06, frame)
        tone = float(rng.uniform(0.7, 1.25))
        pane: Rgb = (52 * tone, 60 * tone, 70 * tone)
        glow: Rgb | None = None
        if rng.random() < self.lit_share:
            r, g, b = _WARM[int(rng.integers(len(_WARM)))]
            power = float(rng.uniform(0.35, 0.85))
            glow = (r * power, g * power, b * power)
        self.fill(x0, x1, z0, z1, pane, glow)
        if rng.random() < 0.5:  # curtain or blind
            deep = float(rng.uniform(0.2, 0.6)) * (z1 - z0)
            tint = (glow[0] * 0.6, glow[1] * 0.55, glow[2] * 0.5) if glow else None
            self.fill(x0, x1, z1 - deep, z1, (126, 122, 114), tint)
        elif rng.random() < 0.6:  # the sky in the glass
            self.fill(
                x0,
                x0 + (x1 - x0) * 0.45,
                (z0 + z1) / 2,
                z1,
                (112, 124, 136),
                (glow[0] * 0.8, glow[1] * 0.8, glow[2] * 0.8) if glow else None,
            )
        middle = (x0 + x1) / 2
        self.fill(middle - 0.03, middle + 0.03, z0, z1, frame)


def _flats(f: Facade, ground_floor: float = 0.0) -> None:
    rng = f.rng
    step = float(rng.uniform(2.6, 3.4))
    size_x, size_z = float(rng.uniform(1.1, 1.6)), float(rng.uniform(1.3, 1.6))
    frame: Rgb = (196, 194, 188) if rng.random() < 0.6 else (92, 88, 84)
    z = max(ground_floor, 0.0) + 1.0
    while z + size_z < f.height_m - 0.4:
        count = max(1, int((f.width_m - 0.8) / step))
        pad = (f.width_m - (count - 1) * step - size_x) / 2
        for k in range(count):
            x = pad + k * step
            f.window(x, x + size_x, z, z + size_z, frame)
            if rng.random() < 0.18:  # an air conditioner below the window
                f.fill(x + 0.1, x + 0.85, z - 0.75, z - 0.25, (188, 188, 182))
                f.fill(x + 0.2, x + 0.65, z - 0.7, z - 0.3, (120, 122, 122))
        f.fill(0, f.width_m, z - 1.0, z - 0.9, (118, 112, 106))
        z += 3.0


def _shops(f: Facade) -> None:
    rng, x = f.rng, 0.3
    while x < f.width_m - 2.0:
        wide = min(float(rng.uniform(3.2, 5.2)), f.width_m - 0.3 - x)
        sign = _SIGNS[int(rng.integers(len(_SIGNS)))]
        open_late = rng.random() < min(1.0, f.lit_share * 1.8)
        inside: Rgb | None = None
        if open_late:
            r, g, b = _WARM[int(rng.integers(len(_WARM)))]
            inside = (r * 0.8, g * 0.8, b * 0.78)
        f.fill(x, x + wide - 0.25, 0.0, 2.55, (70, 66, 62))
        f.fill(x + 0.12, x + wide - 0.37, 0.5, 2.4, (58, 66, 74), inside)
        for k in range(1, 4):
            at = x + wide * k / 4
            f.fill(at - 0.04, at + 0.04, 0.0, 2.4, (60, 58, 56))
        f.fill(
            x + wide * 0.5,
            x + wide * 0.5 + 0.95,
            0.05,
            2.3,
            (46, 50, 56),
            (inside[0] * 0.7, inside[1] * 0.7, inside[2] * 0.7) if inside else None,
        )
        _goods(f, x + 0.2, x + wide - 0.45, inside)
        shine = 0.9 if open_late else 0.0
        f.fill(
            x, x + wide - 0.25, 2.6, 3.3, sign, (sign[0] * shine, sign[1] * shine, sign[2] * shine)
        )
        glyph = x + wide * 0.2
        while glyph < x + wide * 0.7:  # strokes that stand for letters
            f.fill(
                glyph,
                glyph + 0.22,
                2.8,
                3.12,
                (226, 222, 206),
                (226 * shine, 222 * shine, 206 * shine),
            )
            f.fill(glyph + 0.06, glyph + 0.16, 2.88, 3.0, sign)
            glyph += 0.36
        x += wide
    _flats(f, 3.4)


def _goods(f: Facade, x0: float, x1: float, inside: Rgb | None) -> None:
    """Shelves behind a shop window, darker towards the floor."""
    rng = f.rng
    for z, dim in ((0.5, 0.45), (1.0, 0.62), (1.5, 0.8)):
        x = x0
        while x < x1:
            wide, high = float(rng.uniform(0.12, 0.5)), float(rng.uniform(0.15, 0.42))
            r, g, b = _SIGNS[int(rng.integers(len(_SIGNS)))]
            k = dim * float(rng.uniform(0.5, 1.3))
            tone: Rgb = (0.4 * r + 60 * k, 0.4 * g + 58 * k, 0.4 * b + 54 * k)
            glow: Rgb | None = None
            if inside:
                glow = (
                    inside[0] * k * (0.3 + r / 300),
                    inside[1] * k * (0.3 + g / 300),
                    inside[2] * k * (0.3 + b / 300),
                )
            f.fill(x, min(x + wide, x1), z, z + high, tone, glow)
            x += wide + float(rng.uniform(0.0, 0.3))
        f.fill(x0, x1, z - 0.04, z, (50, 50, 52))


def _office(f: Facade) -> None:
    z = 0.8
    while z + 2.0 < f.height_m:
        x = 0.2
        while x + 1.3 < f.width_m:
            f.window(x, x + 1.3, z, z + 2.0, (84, 88, 92))
            x += 1.5
        z += 3.2


def _warehouse(f: Facade) -> None:
    columns = np.arange(f.albedo.shape[1])
    ribs = 0.94 + 0.09 * np.sin(columns / f.ppm * 2 * np.pi / 0.42)
    f.albedo *= floats(ribs)[None, :, None]
    f.fill(0, f.width_m, 0, 1.0, (124, 122, 116))
    x = 1.6
    while x + 4.2 < f.width_m:
        f.fill(x - 0.15, x + 4.15, 0, 4.15, (72, 74, 76))
        f.fill(x, x + 4.0, 0.0, 4.0, (158, 162, 160))
        for k in range(13):
            f.fill(x, x + 4.0, 0.3 * k, 0.3 * k + 0.05, (124, 128, 128))
        f.fill(x - 0.1, x + 0.05, 0.0, 1.1, (216, 180, 40))
        f.fill(x + 3.95, x + 4.1, 0.0, 1.1, (216, 180, 40))
        f.fill(
            x + 1.6,
            x + 2.4,
            4.5,
            4.75,
            (230, 228, 216),
            (255 * f.lit_share, 240 * f.lit_share, 210 * f.lit_share),
        )
        x += 6.6
    f.fill(0, f.width_m, f.height_m - 1.1, f.height_m - 0.7, (52, 84, 120))


def _container(f: Facade) -> None:
    columns = np.arange(f.albedo.shape[1])
    ribs = 0.9 + 0.16 * (np.sin(columns / f.ppm * 2 * np.pi / 0.36) > 0)
    f.albedo *= floats(ribs)[None, :, None]
    for z in (0.0, f.height_m - 0.14):
        f.fill(0, f.width_m, z, z + 0.14, (70, 68, 66))


def _wall(f: Facade) -> None:
    row = np.arange(f.albedo.shape[0])
    joints = np.where(np.mod(row / f.ppm, 0.16) < 0.03, 0.86, 1.0)
    f.albedo *= floats(joints)[:, None, None]
    f.fill(0, f.width_m, f.height_m - 0.18, f.height_m, (168, 164, 156))


STYLES: dict[str, Callable[[Facade], None]] = {
    "flats": _flats,
    "shops": _shops,
    "office": _office,
    "warehouse": _warehouse,
    "container": _container,
    "wall": _wall,
}


def facade(
    style: str,
    width_m: float,
    height_m: float,
    ppm: float,
    rgb: Rgb,
    rng: np.random.Generator,
    lit_share: float,
) -> Facade:
    """A finished wall of one style."""
    width, height = max(4, round(width_m * ppm)), max(4, round(height_m * ppm))
    tone = 1.0 + 0.05 * cloud(rng, width, height, 3 * ppm, 4)
    fall = np.linspace(1.03, 0.94, height)[:, None]
    albedo = floats(np.broadcast_to(floats(rgb), (height, width, 3)) * (tone * fall)[:, :, None])
    made = Facade(albedo, np.zeros((height, width, 3), np.float32), ppm, rng, lit_share)
    STYLES[style](made)
    streaks = floats(blurred(rng.standard_normal((height, width), np.float32), 0.8))
    made.albedo = floats(made.albedo * (1 + 0.03 * streaks[:, :, None]))
    return made
