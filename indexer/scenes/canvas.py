"""A small supersampled, premultiplied RGBA sheet on which one object is drawn and composited."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .arrays import Floats, Ints, Picture, Rgb, floats

FRACTION_BITS = 4
_CIRCLE = floats(
    [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 12, endpoint=False).tolist()]
)


class Canvas:
    """Sheet over the picture region x0, y0, width, height (pixels), drawn `scale` times finer."""

    def __init__(self, box: tuple[int, int, int, int], scale: int) -> None:
        self.x0, self.y0, self.width, self.height = box
        self.scale = scale
        self.sheet = np.zeros((self.height * scale, self.width * scale, 4), np.uint8)

    @staticmethod
    def around(points: Floats, margin_px: float, width: int, height: int) -> Canvas | None:
        """A sheet just large enough for `points` (n, 2) in a picture; None if outside of it."""
        low, high = points.min(axis=0) - margin_px, points.max(axis=0) + margin_px
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            return None
        x0, y0 = max(0, math.floor(low[0])), max(0, math.floor(low[1]))
        x1, y1 = min(width, math.ceil(high[0])), min(height, math.ceil(high[1]))
        if x1 - x0 < 1 or y1 - y0 < 1:
            return None
        size = max(x1 - x0, y1 - y0)
        scale = 5 if size < 40 else 4 if size < 90 else 3 if size < 240 else 2
        return Canvas((x0, y0, x1 - x0, y1 - y0), scale)

    def fixed(self, points: Floats) -> Ints:
        """Picture pixels (n, 2) → the sheet's fixed-point integers."""
        local = (points - floats([self.x0, self.y0])) * self.scale - 0.5
        capped = np.clip(local, -30000, 30000)
        return np.asarray(np.rint(capped * (1 << FRACTION_BITS)), dtype=np.int32)

    def convex(self, corners: Ints, rgb: Rgb) -> None:
        """Fill a convex polygon given by `fixed` corners."""
        colour = (*rgb, 255.0)
        cv2.fillConvexPoly(self.sheet, corners, colour, cv2.LINE_8, FRACTION_BITS)

    def line(self, points: Ints, rgb: Rgb, width_px: float, closed: bool = False) -> None:
        """Draw `fixed` points as a line `width_px` picture pixels wide."""
        thick = max(1, round(width_px * self.scale))
        cv2.polylines(self.sheet, [points], closed, (*rgb, 255.0), thick, cv2.LINE_8, FRACTION_BITS)

    def spheres(self, centres: Floats, radii_px: Floats, rgb: Rgb) -> None:
        """Fill the hull of discs at picture pixels `centres` (n, 2): a limb, a torso, a bag."""
        self.hull(self.rims(centres, radii_px), rgb)

    def rims(self, centres: Floats, radii_px: Floats) -> Ints:
        """The outlines of discs as the sheet's fixed-point integers, (n, 12, 2)."""
        rims = centres[:, None, :] + radii_px[:, None, None] * _CIRCLE[None, :, :]
        return self.fixed(floats(rims))

    def hull(self, rims: Ints, rgb: Rgb) -> None:
        """Fill the hull of some `rims`."""
        corners = cv2.convexHull(rims.reshape(-1, 2))
        self.convex(np.asarray(corners, dtype=np.int32), rgb)

    def flattened(self) -> Picture:
        """The sheet at picture resolution: premultiplied RGBA, (height, width, 4)."""
        small = cv2.resize(self.sheet, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.uint8)


def composite(picture: Picture, sprite: Picture, x0: int, y0: int) -> None:
    """Lay a premultiplied RGBA `sprite` over `picture` in place at column x0, row y0."""
    height, width = sprite.shape[:2]
    under = picture[y0 : y0 + height, x0 : x0 + width]
    left = cv2.bitwise_not(sprite[:, :, 3])
    kept = cv2.multiply(under, cv2.merge([left, left, left]), scale=1 / 255)
    under[:] = cv2.add(kept, np.ascontiguousarray(sprite[:, :, :3]))
