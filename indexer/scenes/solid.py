"""Meshes of flat faces (vehicles, blocks): how they are built, shaded and drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from .arrays import Floats, Ints, Rgb, floats
from .canvas import Canvas
from .lens import Lens
from .lighting import Local

PAINT, GLASS, MATT, HEADLAMP, TAILLAMP = range(5)
Corners = Sequence[Sequence[float]]


class Builder:
    """Collects faces; corners are metres in the thing's own frame, x ahead, y left, z up.

    Within a part, faces are drawn in the order they were added, so details follow their surface.
    """

    def __init__(self) -> None:
        self.corners: list[Floats] = []
        self.colours: list[Rgb] = []
        self.materials: list[int] = []
        self.parts: list[int] = []
        self.part = 0
        self.stacked = False
        """Parts lie on each other in the order given, rather than beside each other."""

    def face(self, corners: Corners, rgb: Rgb, material: int = PAINT) -> Floats:
        """Add one convex face; returns its corners."""
        points = floats(corners)
        self.corners.append(points)
        self.colours.append(rgb)
        self.materials.append(material)
        self.parts.append(self.part)
        return points

    def inset(
        self,
        face: Floats,
        u: tuple[float, float],
        v: tuple[float, float],
        rgb: Rgb,
        material: int = MATT,
        lift_m: float = 0.01,
    ) -> Floats:
        """Add a detail on a four-cornered `face`, from u to v along its first and last edges."""
        a, b, c, d = face
        spots = [(u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])]
        centre = face.mean(axis=0)
        normal = np.cross(b - a, d - a)
        size = float(np.linalg.norm(normal)) or 1.0
        outward = normal / size * (1.0 if float(normal @ (centre - self._middle())) >= 0 else -1.0)
        corners = [
            (1 - p) * (1 - q) * a + p * (1 - q) * b + p * q * c + (1 - p) * q * d + outward * lift_m
            for p, q in spots
        ]
        return self.face(corners, rgb, material)

    def _middle(self) -> Floats:
        own = [c for c, part in zip(self.corners, self.parts, strict=True) if part == self.part]
        return floats(np.concatenate(own).mean(axis=0))

    def disc(
        self, x: float, y: float, z: float, radius: float, rgb: Rgb, flat_below: float | None = None
    ) -> None:
        """Add an upright disc facing sideways (a wheel)."""
        angles = np.linspace(0, 2 * math.pi, 14, endpoint=False)
        corners = [
            (x + radius * math.cos(a), y, max(z + radius * math.sin(a), flat_below or 0.0))
            for a in angles.tolist()
        ]
        self.face(corners, rgb, MATT)

    def box(
        self, low: Sequence[float], high: Sequence[float], rgb: Rgb, material: int = PAINT
    ) -> dict[str, Floats]:
        """Add a box; returns its faces by name: left, right, front, back, top."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        return {
            "left": self.face(
                [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)], rgb, material
            ),
            "right": self.face(
                [(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], rgb, material
            ),
            "front": self.face(
                [(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)], rgb, material
            ),
            "back": self.face(
                [(x0, y0, z0), (x0, y1, z0), (x0, y1, z1), (x0, y0, z1)], rgb, material
            ),
            "top": self.face(
                [(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], rgb, material
            ),
        }

    def built(self) -> Mesh:
        """The finished mesh."""
        return Mesh(self)


class Mesh:
    """Faces ready to draw at any place and heading."""

    def __init__(self, builder: Builder) -> None:
        counts = [len(corners) for corners in builder.corners]
        starts = np.cumsum([0, *counts])
        self.stacked = builder.stacked
        self.vertices = floats(np.concatenate(builder.corners))
        self.spans = [slice(int(a), int(b)) for a, b in pairwise(starts)]
        self.colours = floats(builder.colours)
        self.materials = np.asarray(builder.materials)
        self.parts = np.asarray(builder.parts)
        self.centres = floats([corners.mean(axis=0) for corners in builder.corners])
        self.part_middles = [
            floats(self.centres[self.parts == part].mean(axis=0))
            for part in range(int(self.parts.max()) + 1)
        ]
        self.normals = self._normals(builder.corners)
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        self.low, self.high = floats(low), floats(high)
        self.outline = floats(cv2.convexHull(np.ascontiguousarray(self.vertices[:, :2])))[:, 0]

    def _normals(self, faces: list[Floats]) -> Floats:
        normals = []
        for corners, part, centre in zip(faces, self.parts, self.centres, strict=True):
            normal = np.cross(corners[1] - corners[0], corners[-1] - corners[0])
            normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
            outward = float(normal @ (centre - self.part_middles[int(part)]))
            normals.append(normal if outward >= 0 else -normal)
        return floats(normals)

    def placed(self, x: float, y: float, heading_rad: float) -> Floats:
        """All vertices in world metres, (n, 3)."""
        c, s = math.cos(heading_rad), math.sin(heading_rad)
        turn = floats([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return floats(self.vertices @ turn + floats([x, y, 0]))

    def shaded(self, eye: Floats, light: Local) -> Floats:
        """Colour of every face (n, 3); `eye` and `light` in the mesh's own frame."""
        falling = light.on(self.normals)
        colours = self.colours * falling
        toward = eye - self.centres
        toward /= np.linalg.norm(toward, axis=1)[:, None]
        mirror = 2 * (toward * self.normals).sum(1)[:, None] * self.normals - toward
        sky = np.clip(mirror[:, 2:3] * 1.4 + 0.25, 0.0, 1.0) * light.sky_rgb * 235
        grazing = (1 - np.abs((toward * self.normals).sum(1)))[:, None]
        glint = np.clip(mirror @ light.to_sun, 0, 1)[:, None] ** 24 * light.sun_rgb
        gloss = np.select([self.materials == PAINT, self.materials == GLASS], [1.0, 1.0], 0.0)
        share = np.select([self.materials == PAINT, self.materials == GLASS], [0.11, 0.26], 0.0)[
            :, None
        ] * (0.35 + 1.6 * grazing**3)
        colours = colours * (1 - share) + sky * share + gloss[:, None] * glint * 120
        lamp = np.isin(self.materials, (HEADLAMP, TAILLAMP))
        lit = np.where(
            (self.materials == HEADLAMP)[:, None], floats([255, 248, 225]), floats([255, 40, 28])
        )
        if light.glow:
            colours = np.where(lamp[:, None], lit, colours)
        return faded(colours)

    def draw(self, canvas: Canvas, pixels: Floats, eye: Floats, light: Local) -> None:
        """Draw faces turned towards the `eye` (own frame); `pixels` are all vertices, (n, 2)."""
        fixed: Ints = canvas.fixed(pixels)
        colours = self.shaded(eye, light)
        seen = ((eye - self.centres) * self.normals).sum(axis=1) > 0
        apart = [float(np.linalg.norm(eye - middle)) for middle in self.part_middles]
        if self.stacked:
            apart = [float(-part) for part in range(len(apart))]
        for part in sorted(range(len(apart)), key=lambda p: -apart[p]):
            for index in np.flatnonzero(seen & (self.parts == part)).tolist():
                r, g, b = colours[index].tolist()
                canvas.convex(fixed[self.spans[index]], (r, g, b))


def faded(colours: Floats) -> Floats:
    """Colours (n, 3) as a cheap camera gives them: a little grey, never harsher than white."""
    grey = colours @ floats([0.299, 0.587, 0.114])
    pale = colours * 0.88 + grey[:, None] * 0.12
    return floats(np.where(pale > 190, 190 + 60 * (1 - np.exp((190 - pale) / 60)), pale))


def eye_in_frame(lens: Lens, x: float, y: float, heading_rad: float) -> Floats:
    """The camera's place in the frame of a thing standing at (x, y)."""
    c, s = math.cos(heading_rad), math.sin(heading_rad)
    dx, dy = float(lens.eye[0]) - x, float(lens.eye[1]) - y
    return floats([c * dx + s * dy, c * dy - s * dx, lens.eye[2]])
