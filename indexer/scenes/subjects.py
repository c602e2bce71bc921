"""An actor in one pose, made ready to draw: its shape, where it stands and how it casts shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import Floats, floats
from .backdrop import Backdrop
from .canvas import Canvas
from .cycles import bicycle, motorcycle, pushed_bicycle
from .figures import dog, person
from .ground import ring
from .lighting import Local
from .limbs import Limbs
from .motion import Pose
from .solid import Mesh, eye_in_frame
from .spec import Actor
from .vehicles import lamp_places, vehicle

_RING = ring(0.0, 0.0, 1.0, 12)
_MESHES = ("car", "van", "truck", "bus")
_REACH_M = 8.0  # nothing is longer, shadow included
_NOSE_M = {"car": 2.2, "van": 2.5, "truck": 3.7, "bus": 5.6, "bicycle": 0.5, "motorcycle": 0.7}


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing in one frame. Points are world metres, pixels are picture pixels."""

    actor: Actor
    pose: Pose
    shape: Mesh | Limbs
    points: Floats
    pixels: Floats
    depths: Floats
    depth_m: float
    light: Local

    def canvas(self, scene: Backdrop) -> Canvas | None:
        """A sheet around it; None if it is not in the picture."""
        margin = 2.0
        if isinstance(self.shape, Limbs):
            margin += float(self.shape.radii_px(self.depths, scene.lens.focal_px).max())
        return Canvas.around(self.pixels, margin, scene.lens.width, scene.lens.height)

    def draw(self, canvas: Canvas, scene: Backdrop) -> None:
        """Draw it on its sheet."""
        heading = self.pose.heading_rad
        light = self.light
        if isinstance(self.shape, Limbs):
            self.shape.draw(canvas, scene.lens, self.pixels, self.depths, light)
        else:
            eye = eye_in_frame(scene.lens, self.pose.x, self.pose.y, heading)
            self.shape.draw(canvas, self.pixels, eye, light.turned(heading))

    def footprints(self) -> list[Floats]:
        """Where it touches or nearly touches the ground, as world outlines (n, 2)."""
        pose = self.pose
        if isinstance(self.shape, Mesh):
            return [_turned(self.shape.outline, pose)]
        if self.actor.kind in ("bicycle", "motorcycle"):
            return [_turned(floats([(-0.8, -0.12), (0.8, -0.12), (0.8, 0.12), (-0.8, 0.12)]), pose)]
        low = self.points[self.points[:, 2] < 0.16]
        reach = 0.18 if self.pose.action == "fallen" else 0.12
        touching = low if len(low) else self.points[:1]
        return [floats(point[:2] + reach * _RING) for point in touching]

    def shadows(self, scene: Backdrop) -> list[Floats]:
        """Outlines of its shadow in the sun, (n, 2) each."""
        if isinstance(self.shape, Mesh):
            cast = scene.lighting.shadow_of(self.points)
            return [floats(cv2.convexHull(np.ascontiguousarray(cast))[:, 0])]
        cast = scene.lighting.shadow_of(self.points)
        radii = floats(self.shape.spheres)[:, 3]
        outlines = []
        for span in self.shape.spans:
            rings = cast[span, None, :] + _RING[None] * radii[span, None, None]
            outlines.append(floats(rings).reshape(-1, 2))
        return outlines

    def lamps(self) -> tuple[Floats, Floats, float]:
        """Headlamp and tail lamp places in world metres, and how far ahead the nose is."""
        nose = _NOSE_M.get(self.actor.kind, 0.0)
        if isinstance(self.shape, Mesh):
            front, back = lamp_places(self.shape)
        elif self.actor.kind == "motorcycle":
            front, back = floats([(0.72, 0, 0.92)]), floats([(-1.0, 0, 0.8)])
        else:
            front, back = floats([(0.46, 0, 0.9)]), floats([(-0.42, 0, 0.76)])
        return _lifted(front, self.pose), _lifted(back, self.pose), nose


def _turned(points: Floats, pose: Pose) -> Floats:
    c, s = math.cos(pose.heading_rad), math.sin(pose.heading_rad)
    return floats(points @ floats([[c, s], [-s, c]]) + floats([pose.x, pose.y]))


def _lifted(points: Floats, pose: Pose) -> Floats:
    return floats(np.concatenate([_turned(points[:, :2], pose), points[:, 2:]], axis=1))


def shape_of(actor: Actor, pose: Pose) -> Mesh | Limbs:
    """The actor's shape at this moment, in its own frame."""
    if actor.kind in _MESHES:
        return vehicle(actor.kind, actor.colour, actor.variant)
    if actor.kind == "bicycle":
        return bicycle(actor, pose)
    if actor.kind == "motorcycle":
        return motorcycle(actor, pose)
    if actor.kind == "dog":
        return dog(actor, pose)
    if pose.action == "pushing a bicycle":
        return pushed_bicycle(actor, pose)
    return person(actor, pose)


def subject(actor: Actor, pose: Pose, scene: Backdrop) -> Subject | None:
    """Place an actor in the scene; None when it is behind or too close to the camera."""
    middle, ahead = scene.lens.project(floats([(pose.x, pose.y, 1.0)]))
    room = _REACH_M * scene.lens.focal_px / max(float(ahead[0]), 1.0)
    if not (
        -room < middle[0, 0] < scene.lens.width + room
        and -room < middle[0, 1] < scene.lens.height + room
    ):
        return None
    shape = shape_of(actor, pose)
    points = shape.placed(pose.x, pose.y, pose.heading_rad)
    pixels, depths = scene.lens.project(points)
    if float(depths.min()) < 0.5:
        return None
    light = scene.lighting.at(pose.x, pose.y, scene.sheet.sun_at(pose.x, pose.y))
    depth = scene.lens.depth(pose.x, pose.y)
    return Subject(actor, pose, shape, points, pixels, depths, depth, light)
