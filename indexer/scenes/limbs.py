"""Round things: hulls of spheres and wheels, from which people, dogs and cycles are made."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Floats, Rgb, floats
from .canvas import Canvas
from .lens import Lens
from .lighting import Local
from .solid import faded

Sphere = tuple[float, float, float, float]
"""x ahead, y left, z up and radius, metres in the figure's own frame."""


class Limbs:
    """The parts of one figure in its own frame; drawn far parts first."""

    def __init__(self) -> None:
        self.spheres: list[Sphere] = []
        self.spans: list[slice] = []
        self.colours: list[Rgb] = []
        self.bias_m: list[float] = []
        self.kinds: list[str] = []

    def hull(self, rgb: Rgb, *spheres: Sphere, bias_m: float = 0.0, kind: str = "round") -> None:
        """Add the hull of some spheres; `bias_m` draws it as if so much nearer.

        `kind` is round (shaded like a cylinder), flat (one tone) or lamp (shines at night).
        """
        self.spans.append(slice(len(self.spheres), len(self.spheres) + len(spheres)))
        self.spheres.extend(spheres)
        self.colours.append(rgb)
        self.bias_m.append(bias_m)
        self.kinds.append(kind)

    def wheel(
        self, x: float, z: float, radius: float, width_m: float, rgb: Rgb, y: float = 0.0
    ) -> None:
        """Add a wheel's rim standing in the plane of travel."""
        angles = np.linspace(0, 2 * math.pi, 22, endpoint=False).tolist()
        self.hull(
            rgb,
            *((x + radius * math.cos(a), y, z + radius * math.sin(a), width_m / 2) for a in angles),
            kind="ring",
        )

    def moved(self, forward_m: float, left_m: float) -> None:
        """Shift everything added so far."""
        self.spheres = [(x + forward_m, y + left_m, z, r) for x, y, z, r in self.spheres]

    def tipped(self, angle_rad: float, lift_m: float) -> None:
        """Tip everything forward about the feet: 0 upright, π/2 lying on the ground."""
        c, s = math.cos(angle_rad), math.sin(angle_rad)
        self.spheres = [
            (x * c + z * s, y, max(z * c - x * s + lift_m * s, r * 0.9), r)
            for x, y, z, r in self.spheres
        ]

    def turned_about(self, angle_rad: float) -> None:
        """Turn everything about the vertical axis."""
        c, s = math.cos(angle_rad), math.sin(angle_rad)
        self.spheres = [(x * c - y * s, x * s + y * c, z, r) for x, y, z, r in self.spheres]

    def placed(self, x: float, y: float, heading_rad: float) -> Floats:
        """Centres of all spheres in world metres, (n, 3)."""
        c, s = math.cos(heading_rad), math.sin(heading_rad)
        own = floats(self.spheres)
        turn = floats([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return floats(own[:, :3] @ turn + floats([x, y, 0]))

    def radii_px(self, depths: Floats, focal_px: float) -> Floats:
        """Radii of all spheres as they appear, in picture pixels."""
        return floats(floats(self.spheres)[:, 3] * focal_px / np.maximum(depths, 0.1))

    def draw(
        self, canvas: Canvas, lens: Lens, pixels: Floats, depths: Floats, light: Local
    ) -> None:
        """Draw with sphere centres at `pixels` (n, 2) and `depths` (n,)."""
        radii = self.radii_px(depths, lens.focal_px)
        side = float(light.to_sun @ lens.right)
        above = float(light.to_sun @ lens.up)
        size = math.hypot(side, above) or 1.0
        toward = floats([side / size, -abs(above) / size])
        outer = canvas.rims(pixels, radii)
        inner = canvas.rims(floats(pixels + toward * radii[:, None] * 0.24), radii * 0.74)
        own = floats(self.colours)
        bright = faded(own * light.flat(0.62)).tolist()
        dim = faded(own * floats(light.sky_rgb * 0.72 + light.sun_rgb * 0.16)).tolist()
        starts = [span.start for span in self.spans]
        sums = np.add.reduceat(depths, starts)
        near = [
            bias - total / (span.stop - span.start)
            for bias, total, span in zip(self.bias_m, sums.tolist(), self.spans, strict=True)
        ]
        for index in sorted(range(len(self.spans)), key=near.__getitem__):
            span, kind = self.spans[index], self.kinds[index]
            if kind == "ring":
                width = max(float(radii[span].mean()) * 2, 0.5)
                canvas.line(canvas.fixed(pixels[span]), bright[index], width, closed=True)
            elif kind == "lamp" and light.glow:
                canvas.hull(outer[span], self.colours[index])
            elif kind == "round":
                canvas.hull(outer[span], dim[index])
                canvas.hull(inner[span], bright[index])
            else:
                canvas.hull(outer[span], bright[index])
