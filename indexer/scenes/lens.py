"""The pinhole camera: world metres to picture pixels, and rays back to the ground."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Floats, floats
from .spec import View


class Lens:
    """Projection of one view into a picture of `width` × `height` pixels.

    A ray through a pixel is `forward + X·right − Y·up`; its parameter is the depth in metres.
    """

    def __init__(self, view: View, width: int, height: int) -> None:
        yaw, pitch = math.radians(view.yaw_deg), math.radians(view.pitch_deg)
        roll = math.radians(view.roll_deg)
        ahead = np.array([math.sin(yaw), math.cos(yaw), 0.0])
        side = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
        top = np.array([0.0, 0.0, 1.0])
        up = math.sin(pitch) * ahead + math.cos(pitch) * top
        self.view = view
        self.width, self.height = width, height
        self.eye = floats(view.eye_m)
        self.forward = floats(math.cos(pitch) * ahead - math.sin(pitch) * top)
        self.right = floats(math.cos(roll) * side + math.sin(roll) * up)
        self.up = floats(math.cos(roll) * up - math.sin(roll) * side)
        self.focal_px = width / 2 / math.tan(math.radians(view.hfov_deg) / 2)
        self._basis = floats(np.stack([self.right, -self.up, self.forward], axis=1))
        self._centre = floats([width / 2, height / 2])

    def mirrored(self) -> Lens:
        """The camera as the wet ground sees it; its picture is upside down."""
        view = self.view
        x, y, z = view.eye_m
        below = View((x, y, -z), view.yaw_deg, -view.pitch_deg, -view.roll_deg, view.hfov_deg)
        return Lens(below, self.width, self.height)

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """World points (n, 3) in metres → pixels (n, 2) and depths (n,) in metres."""
        seen = (points - self.eye) @ self._basis
        depth = np.maximum(seen[:, 2:3], 0.05)
        return floats(seen[:, :2] / depth * self.focal_px + self._centre), floats(seen[:, 2])

    def depth(self, x: float, y: float, z: float = 0.0) -> float:
        """Depth in metres of one world point."""
        return float((floats([x, y, z]) - self.eye) @ self.forward)

    def slopes(self, scale: float) -> tuple[Floats, Floats]:
        """X of every column (1, w·scale) and Y of every row (h·scale, 1) of the rays."""
        columns, rows = round(self.width * scale), round(self.height * scale)
        x = ((np.arange(columns) + 0.5) / scale - self.width / 2) / self.focal_px
        y = ((np.arange(rows) + 0.5) / scale - self.height / 2) / self.focal_px
        return floats(x)[None, :], floats(y)[:, None]

    def along(self, axis: Floats, slope_x: Floats, slope_y: Floats) -> Floats:
        """Component of every ray along a world `axis` (3,), shape (rows, columns)."""
        return floats(
            float(self.forward @ axis)
            + slope_x * float(self.right @ axis)
            - slope_y * float(self.up @ axis)
        )

    def ground(self, scale: float) -> tuple[Floats, Floats, Floats]:
        """Ground x, y and depth of every pixel; depth is 0 where a ray never lands."""
        slope_x, slope_y = self.slopes(scale)
        fall = self.along(floats([0, 0, 1]), slope_x, slope_y)
        lands = fall < -1e-4
        depth = np.where(lands, -self.eye[2] / np.where(lands, fall, -1.0), 0.0)
        depth = np.where(depth < 900.0, depth, 0.0)
        x = self.eye[0] + depth * self.along(floats([1, 0, 0]), slope_x, slope_y)
        y = self.eye[1] + depth * self.along(floats([0, 1, 0]), slope_x, slope_y)
        return floats(x), floats(y), floats(depth)
